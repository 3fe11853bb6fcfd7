// SPDX-License-Identifier: GPL-2.0-or-later
/* key_parse() with any bytes: a valid key, or an error with a message. */
#include <assert.h>
#include <string.h>

#include "auth/key.h"
#include "tls/tls.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct err e;

	return tls_global_init(&e);
}

static int nibble(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool has(const uint8_t *data, size_t len, const char *word, size_t n)
{
	return memmem(data, len, word, n);
}

/* The one entry, parsed in another way than the program does. */
static const uint8_t *find_entry(const uint8_t *data, size_t len, size_t *left)
{
	if (len >= 3 && !memcmp(data, "\xef\xbb\xbf", 3))
		data += 3, len -= 3;
	while (len) {
		const uint8_t *eol = memchr(data, '\n', len);
		size_t line = eol ? (size_t)(eol - data) + 1 : len, blanks = 0;

		while (blanks < line && strchr(" \t\r\n", data[blanks]) &&
		       data[blanks])
			blanks++;
		if (blanks < line && *data != '#') {
			*left = len;
			return data;
		}
		data += line;
		len -= line;
	}
	return NULL;
}

static void check_entry(const struct key *k, const uint8_t *data, size_t len)
{
	size_t name = strlen(k->identity);

	data = find_entry(data, len, &len);
	assert(key_identity_ok(k->identity));
	assert(data && len >= name + 1 + 2 * k->secret.len);
	assert(!memcmp(data, k->identity, name) && data[name] == ':');
	data += name + 1;
	for (size_t i = 0; i < k->secret.len; i++, data += 2)
		assert((nibble(data[0]) << 4 | nibble(data[1])) ==
		       k->secret.bytes[i]);
}

/* Only a line has an identity; a key of neither format is the file itself. */
static void check_key(const struct key *k, const uint8_t *data, size_t len)
{
	assert(k->secret.len >= SECRET_MIN && k->secret.len <= SECRET_MAX);
	if (*k->identity) {
		check_entry(k, data, len);
	} else if (!has(data, len, "-----BEGIN", 10)) {
		assert(k->secret.len == len &&
		       !memcmp(k->secret.bytes, data, len));
		assert(!key_text_is_text(data, len) ||
		       !has(data, len, "\r", 1));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = { 0 };
	struct key k;

	if (key_parse(data, size, &k, &e) == 0)
		check_key(&k, data, size);
	else
		assert(e.kind == ERR_KEY && *e.msg);
	key_wipe(&k);
	return 0;
}
