// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * onfd tty|hangup|master|unix|messages|tcp in|out COMMAND [ARG]...: runs
 * COMMAND with a terminal, the master of one or a socket as its standard input
 * or output, and copies our standard input to it (a terminal takes whole lines
 * of text) or from it to our standard output, until SIGUSR1.  With tcp out
 * COMMAND reads an end of file from its socket.  With hangup in the terminal
 * hangs up where tty in writes ^D.  Exits with COMMAND's status.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { OURS, THEIRS };

static void die(const char *what)
{
	fprintf(stderr, "onfd: %s: %s\n", what, strerror(errno));
	exit(126);
}

/* Canonical mode, so that ^D ends the input, but no translation and no echo. */
static void open_tty(int fd[2])
{
	struct termios t;

	fd[OURS] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd[OURS] < 0 || grantpt(fd[OURS]) < 0 || unlockpt(fd[OURS]) < 0)
		die("pseudo terminal");
	fd[THEIRS] = open(ptsname(fd[OURS]), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd[THEIRS] < 0 || tcgetattr(fd[THEIRS], &t) < 0)
		die("terminal");
	cfmakeraw(&t);
	t.c_lflag |= ICANON;
	t.c_cc[VEOF] = 4;
	if (tcsetattr(fd[THEIRS], TCSANOW, &t) < 0)
		die("terminal");
}

static void open_master(int fd[2])
{
	int master;

	open_tty(fd);
	master = fd[OURS];
	fd[OURS] = fd[THEIRS];
	fd[THEIRS] = master;
}

static void open_tcp(int fd[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	int acceptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	fd[OURS] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(acceptor, (struct sockaddr *)&at, len) < 0 ||
	    listen(acceptor, 1) < 0 ||
	    getsockname(acceptor, (struct sockaddr *)&at, &len) < 0 ||
	    connect(fd[OURS], (struct sockaddr *)&at, len) < 0)
		die("tcp");
	fd[THEIRS] = accept4(acceptor, NULL, NULL, SOCK_CLOEXEC);
	if (fd[THEIRS] < 0)
		die("accept");
	close(acceptor);
}

static void open_pair(const char *kind, int fd[2])
{
	int type = strcmp(kind, "messages") ? SOCK_STREAM : SOCK_SEQPACKET;

	if (!strcmp(kind, "tty") || !strcmp(kind, "hangup"))
		open_tty(fd);
	else if (!strcmp(kind, "master"))
		open_master(fd);
	else if (!strcmp(kind, "tcp"))
		open_tcp(fd);
	else if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fd) < 0)
		die("socketpair");
}

/* EIO: the other end of the terminal is closed, which is an end of file. */
static void copy(int from, int to)
{
	static char buf[65536];
	ssize_t n, w;

	while ((n = read(from, buf, sizeof buf)) > 0)
		for (ssize_t done = 0; done < n; done += w) {
			w = write(to, buf + done, (size_t)(n - done));
			if (w < 0)
				return;
		}
}

static void wake(int sig)
{
	(void)sig;
}

/* Copy the output until its end or a signal; then nobody reads it. */
static void drain(const char *kind, int fd)
{
	struct sigaction sa = { .sa_handler = wake }; /* no SA_RESTART */

	if (sigaction(SIGUSR1, &sa, NULL) < 0)
		die("sigaction");
	if (!strcmp(kind, "tcp"))
		shutdown(fd, SHUT_WR);
	copy(fd, 1);
	close(fd);
}

static void feed(const char *kind, int fd)
{
	copy(0, fd);
	if (!strcmp(kind, "tty")) {
		if (write(fd, "\004", 1) != 1)
			die("end of file");
	} else if (!strcmp(kind, "hangup")) {
		close(fd);
	} else {
		shutdown(fd, SHUT_WR);
	}
}

int main(int argc, char **argv)
{
	int fd[2] = { -1, -1 }, status;
	bool in;
	pid_t pid;

	if (argc < 4) {
		fprintf(stderr,
			"usage: onfd tty|hangup|master|unix|messages|tcp "
			"in|out COMMAND...\n");
		return 2;
	}
	in = !strcmp(argv[2], "in");
	open_pair(argv[1], fd);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fd[THEIRS], in ? 0 : 1);
		execvp(argv[3], argv + 3);
		die(argv[3]);
	}
	close(fd[THEIRS]);
	if (in)
		feed(argv[1], fd[OURS]);
	else
		drain(argv[1], fd[OURS]);
	if (waitpid(pid, &status, 0) < 0)
		die("wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
