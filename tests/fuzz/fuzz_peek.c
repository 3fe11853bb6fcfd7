// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * peek with any bytes: a result is a part of them, and the result from the
 * first bytes is the same with more bytes.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "conn/peek.h"

static enum peek_result name_of(const uint8_t *data, size_t size,
				char name[PEEK_NAME_MAX + 1])
{
	/* A buffer of exactly this size: a read behind it is detected. */
	uint8_t *copy = malloc(size ? size : 1);
	enum peek_result result;

	assert(copy);
	memcpy(copy, data, size);
	result = peek_server_name(copy, size, name);
	if (result == PEEK_FOUND)
		assert(*name && strlen(name) <= PEEK_NAME_MAX);
	free(copy);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[PEEK_NAME_MAX + 1], before[PEEK_NAME_MAX + 1];
	uint8_t id[FRAME_ID_BYTES], id_before[FRAME_ID_BYTES];
	enum peek_result all = name_of(data, size, name);
	size_t part = size ? data[size - 1] % size : 0;

	switch (name_of(data, part, before)) {
	case PEEK_FOUND:
		assert(all != PEEK_FOUND || !strcmp(name, before));
		break;
	case PEEK_NONE:
		assert(all == PEEK_NONE);
		break;
	case PEEK_MORE:
		break;
	}
	all = peek_stream(data, size, id);
	if (peek_stream(data, part, id_before) == PEEK_FOUND &&
	    all == PEEK_FOUND)
		assert(!memcmp(id, id_before, sizeof id));
	return 0;
}
