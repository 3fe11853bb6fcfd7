// SPDX-License-Identifier: GPL-2.0-or-later
#include "tls/mode.h"

#include <string.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

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
