// SPDX-License-Identifier: GPL-2.0-or-later
#include "auth/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <termios.h>

#include "base/io.h"
#include "base/log.h"

enum { BUSY_MS = 10 }; /* before another write to a full terminal */

/* Signals that would leave the terminal without echo */
static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };

static volatile sig_atomic_t prompt_signal;

struct prompt_text {
	ssize_t len;
	uint8_t bytes[SECRET_MAX + 2]; /* a newline, and one byte too many */
};

SECRET_WIPER(prompt_wipe, struct prompt_text)

/* A terminal without echo, and the state to restore. */
struct prompt {
	int fd;
	struct termios loud;
	struct sigaction old[array_len(signals)];
	sigset_t mask;
};

static void prompt_on_signal(int sig)
{
	prompt_signal = sig;
}

/* Catch signals that are not ignored, and let them in only while we wait. */
static void prompt_catch(struct prompt *a)
{
	struct sigaction sa = { .sa_handler = prompt_on_signal };
	sigset_t block;

	sigemptyset(&block);
	for (size_t i = 0; i < array_len(signals); i++)
		sigaddset(&block, signals[i]);
	sigprocmask(SIG_BLOCK, &block, &a->mask);
	for (size_t i = 0; i < array_len(signals); i++)
		if (sigaction(signals[i], NULL, &a->old[i]) == 0 &&
		    a->old[i].sa_handler != SIG_IGN)
			sigaction(signals[i], &sa, NULL);
}

static void prompt_release(const struct prompt *a)
{
	for (size_t i = 0; i < array_len(signals); i++)
		sigaction(signals[i], &a->old[i], NULL);
	sigprocmask(SIG_SETMASK, &a->mask, NULL);
}

/* Wait for input or a signal. */
static int prompt_wait(const struct prompt *a, struct err *e)
{
	struct pollfd p = { .fd = a->fd, .events = POLLIN };

	if (ppoll(&p, 1, NULL, &a->mask) < 0 && errno != EINTR)
		return err_set(e, ERR_KEY, errno,
			       "cannot wait for the terminal");
	return 0;
}

/*
 * The terminal returns one line at a time.  The rest of a line that is too long
 * is discarded when the echo is restored.
 */
static int prompt_line(const struct prompt *a, struct secret *s, struct err *e)
{
	attr_cleanup(prompt_wipe) struct prompt_text line = { .len = 0 };

	do {
		if (prompt_wait(a, e) < 0)
			return -1;
		if (prompt_signal)
			return 0;
		line.len = io_read(a->fd, line.bytes, sizeof line.bytes);
		/* Another process may have read the line. */
	} while (line.len < 0 && errno == EAGAIN);
	if (line.len < 0)
		return err_set(e, ERR_KEY, errno,
			       "cannot read from the terminal");
	if (line.len && line.bytes[line.len - 1] == '\n')
		line.len--;
	if (!line.len)
		return err_set(
			e, ERR_KEY, 0,
			"the password is empty: start again and type it, "
			"or give --password-file");
	if (memchr(line.bytes, '\0', (size_t)line.len))
		return err_set(e, ERR_KEY, 0,
			       "the password is not text: it has a NUL in it");
	if (line.len > SECRET_MAX)
		return err_set(e, ERR_KEY, 0,
			       "the password is too long: at most %d bytes are "
			       "possible",
			       SECRET_MAX);
	s->len = (size_t)line.len;
	memcpy(s->bytes, line.bytes, s->len);
	return 0;
}

/*
 * Write text, until a signal comes.  If the terminal is stopped (^S) or another
 * process writes to it, poll(2) may report room where there is none.
 */
static int prompt_say(const struct prompt *a, const char *text, struct err *e)
{
	const struct timespec pause = { .tv_nsec = BUSY_MS * 1000000 };

	while (*text && !prompt_signal) {
		ssize_t n = io_write(a->fd, text, strlen(text));

		if (n < 0 && errno != EAGAIN)
			return err_set(e, ERR_KEY, errno,
				       "cannot write to the terminal");
		if (n < 0)
			ppoll(NULL, 0, &pause, &a->mask);
		else
			text += n;
	}
	return 0;
}

static int prompt_quietly(struct prompt *a, const char *prompt,
			  struct secret *s, struct err *e)
{
	struct termios quiet = a->loud;
	int ret;

	quiet.c_lflag &= ~(tcflag_t)ECHO;
	quiet.c_lflag |= ICANON | ISIG;
	/* Discard input that was typed before the prompt. */
	if (tcsetattr(a->fd, TCSAFLUSH, &quiet) < 0)
		return err_set(e, ERR_KEY, errno,
			       "cannot switch the terminal's echo off");
	ret = prompt_say(a, prompt, e);
	if (ret == 0 && !prompt_signal)
		ret = prompt_line(a, s, e);
	tcsetattr(a->fd, TCSAFLUSH, &a->loud);
	/* The user's newline was not echoed.  Best effort. */
	io_write(a->fd, "\n", 1);
	return ret;
}

/*
 * Let two processes that prompt on one terminal, as in "listen | connect", do
 * so one after the other.  The lock is on the terminal's own file, because
 * /dev/tty is the same for every terminal.  Returns a descriptor to be closed,
 * or -1 if none of ours is the terminal.
 */
static int prompt_lock(void)
{
	static const int ours[] = { STDERR_FILENO, STDIN_FILENO,
				    STDOUT_FILENO };
	char path[sizeof "/proc/self/fd/0"];
	int fd;

	for (size_t i = 0; i < array_len(ours); i++) {
		if (!isatty(ours[i]))
			continue;
		snprintf(path, sizeof path, "/proc/self/fd/%d", ours[i]);
		fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd >= 0 && flock(fd, LOCK_EX) == 0)
			return fd;
		attr_close(&fd);
	}
	return -1;
}

/* One prompt.  Other prompts on this terminal wait until it is over. */
static int prompt_once(struct prompt *a, const char *prompt, struct secret *s,
		       struct err *e)
{
	autoclose int lock = prompt_lock();
	int ret;

	if (lock < 0)
		log_debug("cannot lock the terminal: other prompts may appear");
	if (tcgetattr(a->fd, &a->loud) < 0)
		return err_set(e, ERR_KEY, errno,
			       "cannot ask for a password on /dev/tty");
	prompt_catch(a);
	ret = prompt_quietly(a, prompt, s, e);
	prompt_release(a);
	return ret;
}

int prompt_secret(const char *prompt, struct secret *s, struct err *e)
{
	autoclose int fd = open("/dev/tty", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct prompt a = { .fd = fd };
	int ret;

	if (fd < 0)
		return err_set(e, ERR_KEY, errno,
			       "cannot ask for a password on /dev/tty");
	do {
		prompt_signal = 0;
		ret = prompt_once(&a, prompt, s, e);
		/* raise() returns only after a signal that stopped us. */
		if (prompt_signal)
			raise(prompt_signal);
	} while (prompt_signal && ret == 0);
	return ret;
}
