// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * manager [SOCKET]... -- COMMAND [ARG]...: runs COMMAND as a service manager
 * does, with NOTIFY_SOCKET, and prints each line that it is told.  COMMAND gets
 * each SOCKET by LISTEN_FDS: tcp4, tcp6 (on any port of the loopback address),
 * or one that is no good: udp, unix, unlistened, connected, file, closed.  With
 * WATCHDOG_USEC it also gets WATCHDOG_PID.  Signals that end programs, and
 * SIGHUP, are passed on.  Exits with COMMAND's status.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST_FD = 3, SOCKETS_MAX = 10, SAFE_FD = 100 };

static pid_t child;

static void die(const char *what)
{
	fprintf(stderr, "manager: %s: %s\n", what, strerror(errno));
	exit(126);
}

static void pass_on(int sig)
{
	kill(child, sig);
}

static int open_inet(int family, int type)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(family, type, 0);

	if (fd < 0 ||
	    (family == AF_INET
		     ? bind(fd, (struct sockaddr *)&in, sizeof in)
		     : bind(fd, (struct sockaddr *)&in6, sizeof in6)) < 0)
		die("bind");
	return fd;
}

static int open_connected(void)
{
	int listener = open_inet(AF_INET, SOCK_STREAM);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in in;
	socklen_t len = sizeof in;

	if (listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&in, &len) < 0 ||
	    connect(fd, (struct sockaddr *)&in, len) < 0)
		die("connect");
	return fd; /* the listener stays open */
}

static int open_socket(const char *kind)
{
	int fd = -1;

	if (!strcmp(kind, "tcp4") || !strcmp(kind, "tcp6")) {
		fd = open_inet(kind[3] == '4' ? AF_INET : AF_INET6,
			       SOCK_STREAM);
		if (listen(fd, 16) < 0)
			die("listen");
	} else if (!strcmp(kind, "udp")) {
		fd = open_inet(AF_INET, SOCK_DGRAM);
	} else if (!strcmp(kind, "unlistened")) {
		fd = open_inet(AF_INET, SOCK_STREAM);
	} else if (!strcmp(kind, "connected")) {
		fd = open_connected();
	} else if (!strcmp(kind, "unix")) {
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
	} else if (!strcmp(kind, "file")) {
		fd = open("/dev/null", O_RDWR);
	} else if (strcmp(kind, "closed") != 0) {
		fprintf(stderr, "manager: no socket is %s\n", kind);
		exit(2);
	}
	return fd;
}

/* Abstract, so that nothing is left of it. */
static int open_notify(char name[static 32])
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int len = snprintf(name, 32, "@manager-%d", (int)getpid());
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(sa.sun_path + 1, name + 1, (size_t)len - 1);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa,
			   (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				       (size_t)len)) < 0)
		die("NOTIFY_SOCKET");
	return fd;
}

static void set_number(const char *name, long value)
{
	char text[24];

	snprintf(text, sizeof text, "%ld", value);
	setenv(name, text, 1);
}

/* In the process that becomes COMMAND. */
static void run(const int *fds, int count, const char *notify, char **argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < count; i++) {
		close(FIRST_FD + i);
		if (fds[i] >= 0 && dup2(fds[i], FIRST_FD + i) < 0)
			die("dup2");
	}
	if (count) {
		set_number("LISTEN_PID", getpid());
		set_number("LISTEN_FDS", count);
		setenv("LISTEN_FDNAMES", "name", 1);
		setenv("LISTEN_PIDFDID", "1", 1);
	}
	if (getenv("WATCHDOG_USEC"))
		set_number("WATCHDOG_PID", getpid());
	setenv("NOTIFY_SOCKET", notify, 1);
	execvp(argv[0], argv);
	die(argv[0]);
}

static void hear(int fd)
{
	char text[4096];
	ssize_t n;

	while ((n = recv(fd, text, sizeof text, MSG_DONTWAIT)) > 0)
		if (write(1, text, (size_t)n) != n)
			die("write");
}

int main(int argc, char **argv)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	int fds[SOCKETS_MAX], count = 0, notify, status;
	char name[32];

	for (; argc > 1 && strcmp(argv[1], "--") != 0; argc--, argv++) {
		int fd = open_socket(argv[1]);

		if (count == SOCKETS_MAX)
			die("sockets");
		fds[count++] = fd < 0 ? fd
				      : fcntl(fd, F_DUPFD_CLOEXEC, SAFE_FD);
	}
	if (argc < 3) {
		fprintf(stderr, "usage: manager [SOCKET]... -- COMMAND...\n");
		return 2;
	}
	notify = open_notify(name);
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0)
		run(fds, count, name, argv + 2);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		signal(signals[i], pass_on);
	while (waitpid(child, &status, WNOHANG) == 0) {
		struct pollfd p = { .fd = notify, .events = POLLIN };

		if (poll(&p, 1, 50) > 0)
			hear(notify);
	}
	hear(notify);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
