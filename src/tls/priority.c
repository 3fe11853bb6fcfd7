// SPDX-License-Identifier: GPL-2.0-or-later
#include "tls/priority.h"

#include <stdio.h>
#include <string.h>

#include "auth/credential.h"

/*
 * TLS 1.3 binds a PSK to a hash.  Up to GnuTLS 3.8.10 that is always SHA-256,
 * and AES-256-GCM needs SHA-384.  All other modes work with certificates and
 * PSKs.
 */
bool priority_mode_usable(const struct mode *mode, unsigned int kinds)
{
	return (kinds & CREDENTIAL_X509) || mode->version != MODE_TLS13 ||
	       mode->cipher != MODE_AES256_GCM;
}

void priority_default_modes(struct mode_list *list, unsigned int kinds)
{
	const struct mode *chacha =
		mode_find(MODE_TLS13, MODE_CHACHA20_POLY1305);

	list->count = 0;
	if (!mode_cpu_has_aes())
		mode_add(list, chacha);
	for (size_t i = 0; i < MODE_COUNT; i++)
		if (mode_table[i].version == MODE_TLS13 &&
		    priority_mode_usable(&mode_table[i], kinds))
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

void priority_string(const struct mode_list *modes, unsigned int kinds,
		     char out[static PRIORITY_CHARS])
{
	static const char *const ciphers[] = {
		[MODE_AES128_GCM] = ":+AES-128-GCM",
		[MODE_AES256_GCM] = ":+AES-256-GCM",
		[MODE_CHACHA20_POLY1305] = ":+CHACHA20-POLY1305",
	};
	bool x509 = kinds & CREDENTIAL_X509, psk = kinds & CREDENTIAL_PSK;
	bool v12 = false, v13 = false;
	size_t n, size = PRIORITY_CHARS;

	for (size_t i = 0; i < modes->count; i++) {
		bool usable = priority_mode_usable(modes->modes[i], kinds);

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
			const char *cipher = ciphers[modes->modes[i]->cipher];

			if ((int)modes->modes[i]->version == v &&
			    priority_mode_usable(modes->modes[i], kinds) &&
			    !strstr(out, cipher))
				n += (size_t)snprintf(out + n, size - n, "%s",
						      cipher);
		}
}
