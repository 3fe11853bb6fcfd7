// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * untilend FILE [WORD]...: copies standard input to standard output, and
 * creates FILE as soon as it sees the end of its input, with nothing in
 * between: a kill has little time to prevent it.  WORDs are for pgrep(1).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int fail(const char *what)
{
	fprintf(stderr, "untilend: %s: %s\n", what, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	static char buf[65536];
	ssize_t n;

	if (argc < 2)
		return 2;
	while ((n = read(0, buf, sizeof buf)) > 0)
		for (ssize_t done = 0, w; done < n; done += w) {
			w = write(1, buf + done, (size_t)(n - done));
			if (w < 0)
				return fail("write");
		}
	if (n < 0)
		return fail("read");
	return open(argv[1], O_WRONLY | O_CREAT, 0600) < 0 ? fail(argv[1]) : 0;
}
