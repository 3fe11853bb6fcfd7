// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cost FILE COMMAND [ARG]...: runs COMMAND and writes to FILE the microseconds
 * of processor time (user and system) of it and of the children that it waited
 * for, the microseconds of real time, and the KiB of peak memory of the largest
 * of these processes.  Exits with COMMAND's status.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static long long micros(struct timeval t)
{
	return t.tv_sec * 1000000LL + t.tv_usec;
}

int main(int argc, char **argv)
{
	long long start = now_us();
	struct rusage r;
	int status;
	FILE *f;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: cost FILE COMMAND [ARG]...\n");
		return 2;
	}
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execvp(argv[2], argv + 2);
		fprintf(stderr, "cost: %s: %s\n", argv[2], strerror(errno));
		_exit(127);
	}
	/* The end of the standard streams is COMMAND's to say. */
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	if (pid < 0 || wait4(pid, &status, 0, &r) < 0) {
		perror("cost");
		return 1;
	}
	f = fopen(argv[1], "w");
	if (!f ||
	    fprintf(f, "%lld %lld %lld %ld\n", micros(r.ru_utime),
		    micros(r.ru_stime), now_us() - start, r.ru_maxrss) < 0 ||
	    fclose(f) != 0) {
		perror(argv[1]);
		return 1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
