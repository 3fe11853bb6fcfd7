// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tinywrites [-s SEED] [-m MAX] [-p BYTES:MS]: copies standard input to
 * standard output in pieces of random size, 1 to MAX (300) bytes, from
 * generator SEED.  With -p it pauses MS milliseconds after every BYTES bytes.
 * Before a pipe it is a bursty producer, after one a slow consumer.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES 65536

struct pace {
	uint64_t every_bytes; /* 0 = never pause */
	long pause_ms;
};

static int fail(const char *what)
{
	fprintf(stderr, "tinywrites: %s: %s\n", what, strerror(errno));
	return 1;
}

/* xorshift64: the same pieces for the same seed on every machine */
static uint64_t draw(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void rest(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

static int copy(uint64_t seed, uint64_t max, const struct pace *pace)
{
	static char buf[BUFFER_BYTES];
	uint64_t since_pause = 0;

	for (;;) {
		ssize_t n = read(0, buf, 1 + draw(&seed) % max);

		if (n == 0)
			return 0;
		if (n < 0)
			return fail("read");
		for (ssize_t done = 0, w; done < n; done += w) {
			w = write(1, buf + done, (size_t)(n - done));
			if (w < 0)
				return fail("write");
		}
		since_pause += (uint64_t)n;
		if (pace->every_bytes && since_pause >= pace->every_bytes) {
			rest(pace->pause_ms);
			since_pause = 0;
		}
	}
}

int main(int argc, char **argv)
{
	uint64_t seed = 1, max = 300;
	struct pace pace = { 0 };
	char *end;

	for (int c; (c = getopt(argc, argv, "s:m:p:")) != -1;) {
		switch (c) {
		case 's':
			seed = strtoull(optarg, NULL, 10) + 1;
			break;
		case 'm':
			max = strtoull(optarg, NULL, 10);
			break;
		case 'p':
			pace.every_bytes = strtoull(optarg, &end, 10);
			pace.pause_ms = *end ? strtol(end + 1, NULL, 10) : 0;
			break;
		default:
			return 2;
		}
	}
	if (max < 1 || max > BUFFER_BYTES)
		return 2;
	return copy(seed, max, &pace);
}
