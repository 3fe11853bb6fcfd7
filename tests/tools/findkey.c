// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * findkey HEX PID...: searches the memory of processes for a key of 32 bytes,
 * HEX, and prints a line for each place: PID, the address where the key begins
 * or would begin, the mapping, and what was found: half of it as bytes, or all
 * of it as hex digits or base64.  Exit status 1: a process could not be read.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEY_BYTES = 32, HALF_BYTES = KEY_BYTES / 2 };

struct needle {
	const char *form;
	size_t offset; /* in the key */
	size_t len;
	unsigned char bytes[2 * KEY_BYTES];
};

static struct needle needles[] = {
	{ .form = "bytes", .len = HALF_BYTES },
	{ .form = "bytes", .len = HALF_BYTES, .offset = HALF_BYTES },
	{ .form = "hex", .len = 2 * KEY_BYTES },
	{ .form = "base64" },
};

static const char base64[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Of whole groups of three bytes: the rest depends on what follows. */
static void encode_base64(const unsigned char *in, struct needle *out)
{
	for (size_t i = 0; i + 3 <= KEY_BYTES; i += 3) {
		unsigned int v = (unsigned int)in[i] << 16 |
				 (unsigned int)in[i + 1] << 8 | in[i + 2];

		for (int shift = 18; shift >= 0; shift -= 6)
			out->bytes[out->len++] =
				(unsigned char)base64[v >> shift & 63];
	}
}

static int make_needles(const char *hex)
{
	unsigned char key[KEY_BYTES];

	if (strlen(hex) != 2 * KEY_BYTES)
		return -1;
	for (size_t i = 0; i < KEY_BYTES; i++)
		if (sscanf(hex + 2 * i, "%2hhx", &key[i]) != 1)
			return -1;
	memcpy(needles[0].bytes, key, HALF_BYTES);
	memcpy(needles[1].bytes, key + HALF_BYTES, HALF_BYTES);
	memcpy(needles[2].bytes, hex, 2 * KEY_BYTES);
	encode_base64(key, &needles[3]);
	return 0;
}

static void search(const char *pid, const char *map, uintptr_t base,
		   const unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i < sizeof needles / sizeof *needles; i++) {
		const unsigned char *p = bytes, *hit;
		const struct needle *n = &needles[i];

		while ((hit = memmem(p, len - (size_t)(p - bytes), n->bytes,
				     n->len))) {
			printf("%s %#" PRIxPTR " %s %s\n", pid,
			       base + (uintptr_t)(hit - bytes) - n->offset, map,
			       n->form);
			p = hit + 1;
		}
	}
}

/* One mapping.  Some, such as [vvar], cannot be read. */
static int search_map(const char *pid, int mem, const char *line)
{
	char map[256] = "(none)";
	uintptr_t from, to;
	unsigned char *bytes;
	ssize_t n;

	if (sscanf(line,
		   "%" SCNxPTR "-%" SCNxPTR " rw%*s %*s %*s %*s %255[^\n]",
		   &from, &to, map) < 2)
		return 0;
	bytes = malloc(to - from);
	if (!bytes)
		return -1;
	n = pread(mem, bytes, to - from, (off_t)from);
	if (n > 0)
		search(pid, map, from, bytes, (size_t)n);
	free(bytes);
	return n < 0 && errno != EIO ? -1 : 0;
}

static int search_process(const char *pid)
{
	char path[64], line[512];
	FILE *maps;
	int mem, ret = 0;

	snprintf(path, sizeof path, "/proc/%s/mem", pid);
	mem = open(path, O_RDONLY);
	snprintf(path, sizeof path, "/proc/%s/maps", pid);
	maps = fopen(path, "r");
	if (mem < 0 || !maps) {
		fprintf(stderr, "findkey: %s: %s\n", pid, strerror(errno));
		return -1;
	}
	while (ret == 0 && fgets(line, sizeof line, maps))
		ret = search_map(pid, mem, line);
	fclose(maps);
	close(mem);
	return ret;
}

int main(int argc, char **argv)
{
	int ret = 0;

	if (argc < 3 || make_needles(argv[1]) < 0) {
		fprintf(stderr, "usage: findkey HEX PID...\n");
		return 2;
	}
	for (int i = 2; i < argc; i++)
		if (search_process(argv[i]) < 0)
			ret = 1;
	return ret;
}
