// SPDX-License-Identifier: GPL-2.0-or-later
/* key_list_parse() with any bytes: valid keys, or an error with a message. */
#include <assert.h>
#include <string.h>

#include "auth/key.h"
#include "auth/key_list.h"

/* The list must have a key for each line that begins like an entry. */
static void check_keys(const struct key_list *k, const uint8_t *data,
		       size_t size)
{
	size_t lines = 0;

	if (size >= 3 && !memcmp(data, "\xef\xbb\xbf", 3))
		data += 3, size -= 3;
	for (const uint8_t *p = data, *end = data + size; p < end;) {
		const uint8_t *eol = memchr(p, '\n', (size_t)(end - p));
		const uint8_t *stop = eol ? eol : end;
		const uint8_t *colon = memchr(p, ':', (size_t)(stop - p));
		char name[KEY_IDENTITY_MAX + 1] = { 0 };

		if (*p != '#' && colon) {
			const struct secret *s;

			assert(colon - p <= KEY_IDENTITY_MAX);
			memcpy(name, p, (size_t)(colon - p));
			assert(key_identity_ok(name));
			s = key_list_find(k, name);
			assert(s && s->len >= SECRET_MIN &&
			       s->len <= SECRET_MAX);
			assert(2 * s->len <= (size_t)(stop - colon - 1));
			lines++;
		}
		p = eol ? eol + 1 : end;
	}
	assert(lines == key_list_count(k));
	assert(!key_list_find(k, ""));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = { 0 };
	struct key_list *k = key_list_parse(data, size, &e);

	if (k) {
		check_keys(k, data, size);
		key_list_free(k);
		return 0;
	}
	assert(e.kind == ERR_KEY && *e.msg);
	for (const char *p = e.msg; *p; p++)
		assert(*p >= ' ' && *p <= '~');
	return 0;
}
