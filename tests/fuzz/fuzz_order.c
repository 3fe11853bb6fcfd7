// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * order_check with any bytes: an order that is taken has its size and its words
 * end; any other number of descriptors is refused, and so is one byte less.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/order.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Random bytes hardly ever have the size. */
	size_t len = size < sizeof(struct order) ? sizeof(struct order) : size;
	uint8_t *bytes = calloc(1, len);
	bool none, one, two;

	assert(bytes);
	memcpy(bytes, data, size);
	none = order_check(bytes, len, 0);
	one = order_check(bytes, len, 1);
	two = order_check(bytes, len, 2);
	assert(none + one + two <= 1);
	assert(!order_check(bytes, len, 3));
	assert(!order_check(bytes, len - 1, 0) && !order_check(bytes, 0, 0));
	if (none || one || two) {
		struct order o;

		memcpy(&o, bytes, sizeof o);
		assert(len == sizeof o && o.kind && o.kind < ORDER_KINDS);
		for (size_t i = 0; i < ORDER_WORDS; i++)
			assert(memchr(o.words[i], '\0', sizeof o.words[i]) &&
			       !strpbrk(o.words[i], "\n\t /$`'\"\\;&|<>(){}="));
		assert(o.pid >= 0);
	}
	free(bytes);
	return 0;
}
