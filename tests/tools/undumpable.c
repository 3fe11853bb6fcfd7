// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * undumpable STATUS: half a second as a process that no other one of its user
 * may trace, which /proc therefore hides (proc(5), hidepid); exits with STATUS.
 */
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc != 2 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return 1;
	usleep(500000);
	return atoi(argv[1]);
}
