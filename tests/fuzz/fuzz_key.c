// SPDX-License-Identifier: GPL-2.0-or-later
/* key_parse() with any bytes: a key that makes sense, or a reason. */
#include <assert.h>
#include <string.h>

#include "key.h"
#include "tls.h"

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

static void check_key(const struct key *k, const uint8_t *data, size_t len)
{
	size_t name = strlen(k->identity);

	assert(k->secret.len >= SECRET_MIN && k->secret.len <= SECRET_MAX);
	if (!name)
		return;
	/* Only one identity:hex line names an identity. */
	assert(key_identity_ok(k->identity));
	assert(len >= name + 1 + 2 * k->secret.len);
	assert(!memcmp(data, k->identity, name) && data[name] == ':');
	data += name + 1;
	for (size_t i = 0; i < k->secret.len; i++, data += 2)
		assert((nibble(data[0]) << 4 | nibble(data[1])) ==
		       k->secret.bytes[i]);
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
