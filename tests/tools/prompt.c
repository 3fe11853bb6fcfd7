// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * prompt TEXT COMMAND [ARG]...: runs COMMAND with a controlling terminal, which
 * is none of its standard descriptors.  When the terminal's echo is off it
 * types TEXT, and it copies what appears there to standard error.  TEXT may
 * have several parts: before a part after '|' it waits until the echo is off
 * again, before a part after '>' until one more "Password" appeared than parts
 * were typed.  ^C, ^Z and ^D stand for these keys, % for a pause.
 *
 * If COMMAND stops it gets SIGCONT.  Exits with COMMAND's status, or 128 plus
 * its signal; with 99 if the terminal's echo is off at the end, or was off
 * while COMMAND was stopped.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { MUTE = 99, TICK_MS = 10, PAUSE_MS = 300 };

static int terminal; /* our end */
static bool mute_while_stopped;
static unsigned int asked; /* passwords asked for so far */

static void die(const char *what)
{
	fprintf(stderr, "prompt: %s: %s\n", what, strerror(errno));
	exit(127);
}

static bool echoes(void)
{
	struct termios t;

	if (tcgetattr(terminal, &t) < 0)
		die("tcgetattr");
	return t.c_lflag & ECHO;
}

/*
 * The command must be in the foreground of a session whose leader is alive, as
 * under a shell: else ^Z cannot stop it.
 */
static pid_t start(char **command)
{
	int fd;
	pid_t pid;

	if (setsid() < 0)
		die("setsid");
	/* A session without a terminal gets the first that it opens. */
	fd = open(ptsname(terminal), O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die("terminal");
	signal(SIGTTOU, SIG_IGN);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setpgid(0, 0) < 0 || tcsetpgrp(fd, getpid()) < 0)
		die("foreground");
	signal(SIGTTOU, SIG_DFL);
	execvp(*command, command);
	die(*command);
	return -1;
}

/* Type text up to a '|' or '>'.  Returns the rest. */
static const char *type(const char *text)
{
	for (; *text && *text != '|' && *text != '>'; text++) {
		char c = *text;

		if (c == '%') {
			usleep(PAUSE_MS * 1000);
			continue;
		}
		if (c == '^' && text[1])
			c = (char)(*++text & 0x1f);
		if (write(terminal, &c, 1) != 1)
			die("write");
	}
	return text;
}

static void count_asked(const char *text, size_t len)
{
	static const char word[] = "Password";
	static size_t seen;

	for (size_t i = 0; i < len; i++) {
		seen = text[i] == word[seen] ? seen + 1 : text[i] == *word;
		if (word[seen])
			continue;
		asked++;
		seen = 0;
	}
}

static void show(void)
{
	struct pollfd p = { .fd = terminal, .events = POLLIN };
	char text[4096];
	ssize_t n;

	if (poll(&p, 1, TICK_MS) <= 0 || !(p.revents & POLLIN))
		return;
	n = read(terminal, text, sizeof text);
	if (n <= 0)
		return;
	count_asked(text, (size_t)n);
	if (write(STDERR_FILENO, text, (size_t)n) != n)
		die("standard error");
}

/* Returns whether COMMAND has ended; then *status is set. */
static bool ended(pid_t pid, int *status)
{
	pid_t who = waitpid(pid, status, WNOHANG | WUNTRACED);

	if (who <= 0)
		return false;
	if (!WIFSTOPPED(*status))
		return true;
	mute_while_stopped |= !echoes();
	kill(pid, SIGCONT);
	return false;
}

static int run(const char *text, char **command)
{
	pid_t pid = start(command);
	unsigned int answered = 0;
	bool typed = false;
	int status;

	while (!ended(pid, &status)) {
		bool quiet = !echoes();
		bool now = *text == '>' ? asked > answered : quiet && !typed;

		if (now && *text) {
			answered++;
			text = type(text + (*text == '|' || *text == '>'));
		}
		typed = quiet;
		show();
	}
	show();
	if (!echoes() || mute_while_stopped)
		return MUTE;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	int status;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: prompt TEXT COMMAND [ARG]...\n");
		return 127;
	}
	terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (terminal < 0 || grantpt(terminal) < 0 || unlockpt(terminal) < 0)
		die("terminal");
	/* setsid(2) fails for the leader of a process group. */
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		return run(argv[1], argv + 2);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 127;
}
