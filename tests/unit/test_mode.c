// SPDX-License-Identifier: GPL-2.0-or-later
/* mode: names, and lists of them. */
#include "auth/credential.h"
#include "tap.h"
#include "tls/mode.h"

/* Digits stand for rows of mode_table. */
static const struct {
	const char *text, *rows;
} lists[] = {
	{ "tls13-aes128-gcm", "0" },
	{ "tls13-aes256-gcm", "1" },
	{ "tls13-chacha20-poly1305", "2" },
	{ "tls12-aes128-gcm", "3" },
	{ "tls12-aes256-gcm", "4" },
	{ "tls_13_128_gcm", "0" },
	{ "tls_12_128_gcm", "3" },
	{ "tls_12_256_gcm", "4" },
	{ "tls12-aes256-gcm,tls13-aes128-gcm", "40" },
	{ "tls13-aes128-gcm,tls13-aes128-gcm", "0" },
	{ "tls13-aes128-gcm,tls_13_128_gcm,tls13-aes256-gcm", "01" },
	{ "tls12-aes256-gcm,tls12-aes128-gcm,tls13-chacha20-poly1305,"
	  "tls13-aes256-gcm,tls13-aes128-gcm,tls_12_256_gcm",
	  "43210" },
};

static const struct {
	const char *text, *culprit;
} refused[] = {
	{ "", "''" },
	{ ",", "''" },
	{ "tls13-aes128-gcm,", "''" },
	{ ",tls13-aes128-gcm", "''" },
	{ "tls13-aes128-gcm,,tls12-aes128-gcm", "''" },
	{ "tls13-aes128-gcm,nonsense,tls12-aes128-gcm", "'nonsense'" },
	{ "tls13-aes128-gcm ", "'tls13-aes128-gcm '" },
	{ "tls13-aes128-gcm, tls12-aes128-gcm", "' tls12-aes128-gcm'" },
	{ "tls13-aes128-gc", "'tls13-aes128-gc'" },
	{ "tls13-aes128-gcmm", "'tls13-aes128-gcmm'" },
	{ "TLS13-AES128-GCM", "'TLS13-AES128-GCM'" },
	{ "tls12-chacha20-poly1305", "'tls12-chacha20-poly1305'" },
	{ "tls13-aes128-gcm:tls12-aes128-gcm",
	  "'tls13-aes128-gcm:tls12-aes128-gcm'" },
	{ "0123456789012345678901234567890123456789012345678901234567890123456",
	  "'0123456789012345678901234567890123456789012345678901234567890123'" },
};

static void test_parse(void)
{
	struct err e = { 0 };
	struct mode_list list;
	char rows[MODE_COUNT + 1];

	for (size_t i = 0; i < array_len(lists); i++) {
		memset(&list, 0xff, sizeof list);
		memset(rows, 0, sizeof rows);
		if (mode_parse(lists[i].text, &list, &e) == 0)
			for (size_t j = 0; j < list.count; j++)
				rows[j] = (char)('0' +
						 (list.modes[j] - mode_table));
		is_str(rows, lists[i].rows, "%s", lists[i].text);
	}
	for (size_t i = 0; i < array_len(refused); i++) {
		e = (struct err){ 0 };
		ok(mode_parse(refused[i].text, &list, &e) == -1 &&
			   e.kind == ERR_USAGE &&
			   strstr(e.msg, refused[i].culprit) &&
			   strstr(e.msg, "and none alone"),
		   "'%s' is refused", refused[i].text);
	}
}

static void test_table(void)
{
	struct mode_list list = { 0 };
	bool found = true, in_list = true;

	for (int again = 0; again < 2; again++)
		for (size_t i = 0; i < MODE_COUNT; i++) {
			const struct mode *m = &mode_table[i];

			in_list &= mode_in_list(&list, m) == (again == 1);
			mode_add(&list, m);
			found &= mode_find(m->version, m->cipher) == m;
		}
	ok(found, "mode_find finds every mode");
	ok(!mode_find(MODE_TLS12, MODE_CHACHA20_POLY1305),
	   "TLS 1.2 has no ChaCha20 mode");
	ok(in_list, "mode_in_list finds modes that were added");
	is_int(list.count, MODE_COUNT, "mode_add adds nothing twice");
}

static const struct {
	const char *modes;
	bool sha384;
} hashes[] = {
	{ "tls13-aes256-gcm", true },
	{ "tls12-aes128-gcm,tls13-aes256-gcm,tls12-aes256-gcm", true },
	{ "tls13-aes256-gcm,tls13-aes128-gcm", false },
	{ "tls13-chacha20-poly1305,tls13-aes256-gcm", false },
	{ "tls12-aes256-gcm", false },
	{ "none", false },
};

static void test_hashes(void)
{
	struct err e = { 0 };
	struct mode_list list = { 0 };

	ok(!mode_list_needs_sha384(&list), "no modes: no SHA-384");
	for (size_t i = 0; i < array_len(hashes); i++)
		ok(mode_parse(hashes[i].modes, &list, &e) == 0 &&
			   mode_list_needs_sha384(&list) == hashes[i].sha384,
		   "%s: SHA-%d", hashes[i].modes, hashes[i].sha384 ? 384 : 256);
	for (size_t i = 0; i < MODE_COUNT; i++) {
		const struct mode *m = &mode_table[i];
		bool is_256 = !strcmp(m->name, "tls13-aes256-gcm");

		ok(mode_usable(m, CREDENTIAL_X509) &&
			   mode_usable(m, CREDENTIAL_PSK | CREDENTIAL_SHA384) &&
			   mode_usable(m, CREDENTIAL_PSK) == !is_256,
		   "%s: with which credentials", m->name);
	}
}

int main(void)
{
	test_parse();
	test_table();
	test_hashes();
	return tap_end();
}
