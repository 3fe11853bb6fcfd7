/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Byte counts over time, as rates and as text.  Pure: time is a parameter. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { RATE_SAMPLES = 6 };

struct rate {
	uint64_t start_ms;
	uint64_t bytes;
	/* the last seconds, one sample each: for the rate now */
	struct {
		uint64_t at_ms, bytes;
	} samples[RATE_SAMPLES];
	unsigned int next;
};

void rate_start(struct rate *m, uint64_t now_ms);

/* bytes: all of them since the start, never less than before. */
void rate_update(struct rate *m, uint64_t now_ms, uint64_t bytes);

/* Bytes per second over the last few seconds, and since the start. */
uint64_t rate_rate_now(const struct rate *m, uint64_t now_ms);
uint64_t rate_rate_average(const struct rate *m, uint64_t now_ms);

/*
 * "1.23 GiB 456 MiB/s (avg 400 MiB/s) 0:00:03", and with size, if not 0,
 * " 45% ETA 0:00:04".
 */
void rate_print(const struct rate *m, uint64_t now_ms, uint64_t size, char *out,
		size_t out_size);

/* Without a connection, for left_ms at the most: "1.23 GiB 0:00:03 reconnecting,
 * 0:01:57 left". */
void rate_print_outage(const struct rate *m, uint64_t now_ms, uint64_t left_ms,
		       char *out, size_t out_size);
