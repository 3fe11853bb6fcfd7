// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * deadline SECONDS COMMAND [ARG]...: executes COMMAND, which SIGALRM kills
 * after SECONDS.  Unlike with timeout(1) there is no process in between: the
 * caller's $! is COMMAND itself.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: deadline SECONDS COMMAND [ARG]...\n");
		return 2;
	}
	alarm((unsigned int)strtoul(argv[1], NULL, 10));
	execvp(argv[2], argv + 2);
	fprintf(stderr, "deadline: %s: %s\n", argv[2], strerror(errno));
	return 127;
}
