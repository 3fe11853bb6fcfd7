// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/rate.h"

#include <inttypes.h>
#include <stdio.h>

enum { SAMPLE_MS = 1000 };

void rate_start(struct rate *r, uint64_t now_ms, uint64_t bytes)
{
	*r = (struct rate){ .start_ms = now_ms,
			    .start_bytes = bytes,
			    .bytes = bytes };
	for (int i = 0; i < RATE_SAMPLES; i++) {
		r->samples[i].at_ms = now_ms;
		r->samples[i].bytes = bytes;
	}
}

void rate_update(struct rate *r, uint64_t now_ms, uint64_t bytes)
{
	unsigned int last = (r->next + RATE_SAMPLES - 1) % RATE_SAMPLES;

	r->bytes = bytes;
	if (now_ms - r->samples[last].at_ms < SAMPLE_MS)
		return;
	r->samples[r->next].at_ms = now_ms;
	r->samples[r->next].bytes = bytes;
	r->next = (r->next + 1) % RATE_SAMPLES;
}

static uint64_t rate_of(uint64_t bytes, uint64_t ms)
{
	/* In two steps, because bytes * 1000 may overflow */
	return ms ? bytes / ms * 1000 + bytes % ms * 1000 / ms : 0;
}

uint64_t rate_now(const struct rate *r, uint64_t now_ms)
{
	/* the oldest sample is where the next one goes */
	return rate_of(r->bytes - r->samples[r->next].bytes,
		       now_ms - r->samples[r->next].at_ms);
}

uint64_t rate_average(const struct rate *r, uint64_t now_ms)
{
	return rate_of(r->bytes - r->start_bytes, now_ms - r->start_ms);
}

static const char *rate_bytes(uint64_t bytes, char out[static 24])
{
	static const char *const units[] = { "B",   "KiB", "MiB", "GiB",
					     "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	size_t i = 0;

	for (; value >= 1000 && i + 1 < sizeof units / sizeof units[0]; i++)
		value /= 1024;
	snprintf(out, 24, i && value < 100 ? "%.3g %s" : "%.0f %s", value,
		 units[i]);
	return out;
}

const char *rate_text(uint64_t bytes_per_s, char out[static RATE_TEXT_BYTES])
{
	char bytes[24];

	snprintf(out, RATE_TEXT_BYTES, "%s/s", rate_bytes(bytes_per_s, bytes));
	return out;
}

static const char *rate_time(uint64_t ms, char out[static 32])
{
	uint64_t s = ms / 1000;

	snprintf(out, 32, "%" PRIu64 ":%02u:%02u", s / 3600,
		 (unsigned int)(s / 60 % 60), (unsigned int)(s % 60));
	return out;
}

static void rate_print_size(const struct rate *r, uint64_t now_ms,
			    uint64_t size, char *out, size_t out_size)
{
	uint64_t rate = rate_average(r, now_ms);
	uint64_t left = size > r->bytes ? size - r->bytes : 0;
	char eta[32] = "-";

	if (rate)
		rate_time(left / rate * 1000, eta);
	snprintf(out, out_size, " %.0f%% ETA %s",
		 100.0 * (double)r->bytes / (double)size, eta);
}

void rate_print(const struct rate *r, uint64_t now_ms, uint64_t size, char *out,
		size_t out_size)
{
	char bytes[24], now[24], average[24], elapsed[32];
	int n = snprintf(out, out_size, "%s %s/s (avg %s/s) %s",
			 rate_bytes(r->bytes, bytes),
			 rate_bytes(rate_now(r, now_ms), now),
			 rate_bytes(rate_average(r, now_ms), average),
			 rate_time(now_ms - r->start_ms, elapsed));

	if (size && n > 0 && (size_t)n < out_size)
		rate_print_size(r, now_ms, size, out + n, out_size - (size_t)n);
}

void rate_print_outage(const struct rate *r, uint64_t now_ms, uint64_t left_ms,
		       char *out, size_t out_size)
{
	char bytes[24], elapsed[32], left[32];

	snprintf(out, out_size, "%s %s reconnecting, %s left",
		 rate_bytes(r->bytes, bytes),
		 rate_time(now_ms - r->start_ms, elapsed),
		 rate_time(left_ms, left));
}

void rate_print_comparison(const struct rate *r, uint64_t now_ms, uint64_t done,
			   uint64_t all, char *out, size_t out_size)
{
	char part[24], whole[24], elapsed[32];

	snprintf(out, out_size, "comparing %s that the receiver has: %s %s",
		 rate_bytes(all, whole), rate_bytes(done, part),
		 rate_time(now_ms - r->start_ms, elapsed));
}
