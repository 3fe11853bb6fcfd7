/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Something small that goes on beside a stream: the loops of sender and
 * receiver poll its descriptor, and call it when that is readable or its time
 * has come.
 */
#pragma once

#include <stdint.h>

struct chore {
	int fd; /* for POLLIN */
	uint64_t due_ms; /* clock_now_ms() time, or CLOCK_NEVER */
	void (*run)(struct chore *c);
};
