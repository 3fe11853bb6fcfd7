/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Turns byte counts over time into rates and text.  Pure: the caller tells the
 * time. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { RATE_SAMPLES = 6 };

struct rate {
	uint64_t start_ms, start_bytes;
	uint64_t bytes;
	/* one sample for each of the last seconds, for the current rate */
	struct {
		uint64_t at_ms, bytes;
	} samples[RATE_SAMPLES];
	unsigned int next; /* the oldest sample, overwritten next */
};

/* bytes: those that the receiver had before, which cost no time. */
void rate_start(struct rate *r, uint64_t now_ms, uint64_t bytes);

/* bytes: all since the start; never fewer than before. */
void rate_update(struct rate *r, uint64_t now_ms, uint64_t bytes);

/* Bytes per second over the last few seconds, and since the start. */
uint64_t rate_now(const struct rate *r, uint64_t now_ms);
uint64_t rate_average(const struct rate *r, uint64_t now_ms);

/* "456 MiB/s" */
enum { RATE_TEXT_BYTES = 32 };
const char *rate_text(uint64_t bytes_per_s, char out[static RATE_TEXT_BYTES]);

/*
 * "1.23 GiB 456 MiB/s (avg 400 MiB/s) 0:00:03", and if size is not 0
 * " 45% ETA 0:00:04" behind it.
 */
void rate_print(const struct rate *r, uint64_t now_ms, uint64_t size, char *out,
		size_t out_size);

/*
 * While there is no connection: "1.23 GiB 0:00:03 reconnecting, 0:01:57 left".
 * left_ms: until the stream is given up.
 */
void rate_print_outage(const struct rate *r, uint64_t now_ms, uint64_t left_ms,
		       char *out, size_t out_size);

/*
 * While a restarted sender compares: "comparing 118 GiB that the receiver has:
 * 1.23 GiB 0:00:03".
 */
void rate_print_comparison(const struct rate *r, uint64_t now_ms, uint64_t done,
			   uint64_t all, char *out, size_t out_size);
