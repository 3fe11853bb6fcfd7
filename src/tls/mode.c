// SPDX-License-Identifier: GPL-2.0-or-later
#include "tls/mode.h"

#include <stdio.h>
#include <string.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include "auth/credential.h"

const struct mode mode_table[MODE_COUNT] = {
	{ "tls13-aes128-gcm", "tls_13_128_gcm", "TLS 1.3 AES-128-GCM",
	  MODE_TLS13, MODE_AES128_GCM },
	{ "tls13-aes256-gcm", NULL, "TLS 1.3 AES-256-GCM", MODE_TLS13,
	  MODE_AES256_GCM },
	{ "tls13-chacha20-poly1305", NULL, "TLS 1.3 CHACHA20-POLY1305",
	  MODE_TLS13, MODE_CHACHA20_POLY1305 },
	{ "tls12-aes128-gcm", "tls_12_128_gcm", "TLS 1.2 AES-128-GCM",
	  MODE_TLS12, MODE_AES128_GCM },
	{ "tls12-aes256-gcm", "tls_12_256_gcm", "TLS 1.2 AES-256-GCM",
	  MODE_TLS12, MODE_AES256_GCM },
};

const char *const mode_versions[] = { "TLS1.2", "TLS1.3" };
const char *const mode_ciphers[] = { "AES-128-GCM", "AES-256-GCM",
				     "CHACHA20-POLY1305" };

const struct mode mode_none = { "none", NULL, "no encryption", MODE_TLS13,
				MODE_AES128_GCM };

static const struct mode *mode_by_name(const char *name, size_t len)
{
	for (size_t i = 0; i < MODE_COUNT; i++) {
		const struct mode *m = &mode_table[i];

		if (strlen(m->name) == len && !memcmp(m->name, name, len))
			return m;
		if (m->alias && strlen(m->alias) == len &&
		    !memcmp(m->alias, name, len))
			return m;
	}
	return NULL;
}

int mode_parse(const char *text, struct mode_list *list, struct err *e)
{
	const char *p = text;

	list->count = 0;
	if (!strcmp(text, mode_none.name)) {
		mode_add(list, &mode_none);
		return 0;
	}
	for (;;) {
		size_t len = strcspn(p, ",");
		const struct mode *m = mode_by_name(p, len);

		if (!m)
			return err_set(e, ERR_USAGE, 0,
				       "unknown mode '%.*s'; the modes are "
				       "tls13-aes128-gcm, tls13-aes256-gcm, "
				       "tls13-chacha20-poly1305, "
				       "tls12-aes128-gcm, tls12-aes256-gcm, "
				       "and none alone",
				       (int)(len < 64 ? len : 64), p);
		mode_add(list, m);
		if (!p[len])
			return 0;
		p += len + 1;
	}
}

const struct mode *mode_find(enum mode_version version, enum mode_cipher cipher)
{
	for (size_t i = 0; i < MODE_COUNT; i++)
		if (mode_table[i].version == version &&
		    mode_table[i].cipher == cipher)
			return &mode_table[i];
	return NULL;
}

bool mode_in_list(const struct mode_list *list, const struct mode *mode)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->modes[i] == mode)
			return true;
	return false;
}

void mode_add(struct mode_list *list, const struct mode *mode)
{
	if (!mode_in_list(list, mode))
		list->modes[list->count++] = mode;
}

bool mode_cpu_has_aes(void)
{
#if defined(__x86_64__) || defined(__i386__)
	return __builtin_cpu_supports("aes") &&
	       __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__)
	/* HWCAP_AES and HWCAP_PMULL, kernel Documentation/arm64/elf_hwcaps */
	return (getauxval(AT_HWCAP) & 0x18) == 0x18;
#else
	return false;
#endif
}

/* The one cipher suite of TLS 1.3 with SHA-384 */
static bool mode_has_sha384(const struct mode *mode)
{
	return mode->version == MODE_TLS13 && mode->cipher == MODE_AES256_GCM;
}

bool mode_list_needs_sha384(const struct mode_list *list)
{
	bool found = false;

	for (size_t i = 0; i < list->count; i++) {
		const struct mode *m = list->modes[i];

		if (mode_has_sha384(m))
			found = true;
		else if (m->version == MODE_TLS13)
			return false;
	}
	return found;
}

bool mode_usable(const struct mode *mode, unsigned int kinds)
{
	return (kinds & (CREDENTIAL_X509 | CREDENTIAL_SHA384)) ||
	       !mode_has_sha384(mode);
}

void mode_defaults(struct mode_list *list, unsigned int kinds)
{
	const struct mode *chacha =
		mode_find(MODE_TLS13, MODE_CHACHA20_POLY1305);

	list->count = 0;
	if (!mode_cpu_has_aes())
		mode_add(list, chacha);
	for (size_t i = 0; i < MODE_COUNT; i++)
		if (mode_table[i].version == MODE_TLS13 &&
		    mode_usable(&mode_table[i], kinds))
			mode_add(list, &mode_table[i]);
}

/* Signatures of handshakes; x509 judges those of certificates. */
#define SIGNATURES                                                   \
	":+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SECP384R1-SHA384" \
	":+SIGN-ECDSA-SECP521R1-SHA512:+SIGN-EdDSA-Ed25519"          \
	":+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SHA384:+SIGN-ECDSA-SHA512"  \
	":+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-PSS-RSAE-SHA384"       \
	":+SIGN-RSA-PSS-RSAE-SHA512:+SIGN-RSA-PSS-SHA256"            \
	":+SIGN-RSA-PSS-SHA384:+SIGN-RSA-PSS-SHA512"                 \
	":+SIGN-RSA-SHA256:+SIGN-RSA-SHA384:+SIGN-RSA-SHA512"

void mode_priority(const struct mode_list *modes, unsigned int kinds,
		   char out[static MODE_PRIORITY_CHARS])
{
	bool x509 = kinds & CREDENTIAL_X509, psk = kinds & CREDENTIAL_PSK;
	bool v12 = false, v13 = false;
	size_t n, size = MODE_PRIORITY_CHARS;

	for (size_t i = 0; i < modes->count; i++) {
		bool usable = mode_usable(modes->modes[i], kinds);

		v12 |= usable && modes->modes[i]->version == MODE_TLS12;
		v13 |= usable && modes->modes[i]->version == MODE_TLS13;
	}
	/* In TLS 1.3 either PSK means psk_dhe_ke (RFC 8446 4.2.9). */
	n = (size_t)snprintf(
		out, size, "NONE:+AEAD%s%s%s%s%s%s%s",
		v13 ? ":+VERS-TLS1.3" : "", v12 ? ":+VERS-TLS1.2" : "",
		x509 ? ":+CTYPE-X509:+ECDHE-ECDSA:+ECDHE-RSA" SIGNATURES
		     : ":+SIGN-ALL",
		v13 && psk ? ":+ECDHE-PSK" : "", v12 && psk ? ":+DHE-PSK" : "",
		v13 || x509 ? ":+GROUP-X25519:+GROUP-SECP256R1" : "",
		v12 && psk ? ":+GROUP-FFDHE3072:+GROUP-FFDHE2048" : "");
	/*
	 * One list of ciphers serves both versions.  The ciphers of TLS 1.3
	 * come first: TLS 1.3 wins if both sides have it.
	 */
	for (int v = MODE_TLS13; v >= MODE_TLS12; v--)
		for (size_t i = 0; i < modes->count; i++) {
			const char *cipher =
				mode_ciphers[modes->modes[i]->cipher];

			if ((int)modes->modes[i]->version == v &&
			    mode_usable(modes->modes[i], kinds) &&
			    !strstr(out, cipher))
				n += (size_t)snprintf(out + n, size - n, ":+%s",
						      cipher);
		}
}
