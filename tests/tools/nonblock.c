// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nonblock FD: sets O_NONBLOCK on an inherited descriptor, and so for all
 * processes that share it.  Careless programs leave it like that.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	int fd = argc == 2 ? atoi(argv[1]) : -1;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		perror("nonblock");
		return 1;
	}
	return 0;
}
