// SPDX-License-Identifier: GPL-2.0-or-later
/* command_log: COMMAND's messages arrive line by line and never block it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "stream/command_log.h"
#include "tap.h"

static int heard_fd; /* the other end of our standard error */

static void stuck(int signal)
{
	static const char text[] = "Bail out! waited too long\n";

	_exit(write(STDOUT_FILENO, text, sizeof text - 1) < 0 ? 2 : 1);
}

static const char *heard(void)
{
	static char text[8192];
	ssize_t n = read(heard_fd, text, sizeof text - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void start(struct command_log *l, int *writer)
{
	int fds[2];

	if (pipe(fds) < 0 || fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0)
		bail();
	command_log_init(l, fds[0]);
	*writer = fds[1];
}

static void test_lines(void)
{
	static const struct {
		const char *in, *out, *words;
	} rows[] = {
		{ "one\n", "one\n", "one" },
		{ "one\ntwo\n", "one\ntwo\n", "two" },
		{ "no newline", "no newline\n", "no newline" },
		{ "said\n\n  \n", "said\n\n  \n", "said" },
		{ "a\x1b[2Jb\n", "a?[2Jb\n", "a?[2Jb" },
		{ "10%\r20%\n", "10%\r20%\n", "20%" },
		{ "dos\r\n", "dos\n", "dos" },
		{ "two terminals\r\r\n", "two terminals\n", "two terminals" },
		{ "f\xc3\xbcr\n", "f\xc3\xbcr\n", "f??r" },
		{ "said\n\x80\x81<\x82\n", "said\n\x80\x81<\x82\n", "said" },
		{ "", "", "" },
	};
	struct command_log l;
	int fd;

	for (size_t i = 0; i < array_len(rows); i++) {
		start(&l, &fd);
		if (write(fd, rows[i].in, strlen(rows[i].in)) < 0)
			bail();
		close(fd);
		command_log_finish(&l);
		is_str(heard(), rows[i].out, "row %zu arrives", i);
		is_str(l.words, rows[i].words, "row %zu: the last line", i);
		is_int(l.fd, -1, "row %zu: its end is seen", i);
	}
}

static void test_pieces(void)
{
	struct command_log l;
	char text[3000];
	int fd;

	start(&l, &fd);
	if (write(fd, "be", 2) != 2)
		bail();
	command_log_step(&l);
	is_str(heard(), "", "half a line waits");
	usleep(300000);
	command_log_step(&l);
	is_str(heard(), "be", "but not for long");
	if (write(fd, "gin\n", 4) != 4)
		bail();
	command_log_step(&l);
	is_str(heard(), "gin\n", "then comes its other half");
	is_str(l.words, "begin", "the last line is whole");
	memset(text, 'x', sizeof text);
	text[sizeof text - 1] = '\n';
	if (write(fd, text, sizeof text) != sizeof text)
		bail();
	command_log_step(&l);
	is_int(strlen(heard()), sizeof text, "a long line arrives whole");
	is_int(strlen(l.words), COMMAND_LOG_WORDS_BYTES - 1,
	       "as the last line it is cut");
	close(fd);
	command_log_finish(&l);
}

/* One COMMAND of many: no line of it may pass for another's. */
static void test_subject(void)
{
	struct command_log l;
	char text[3000], want[sizeof "alice: " + COMMAND_LOG_LINE_BYTES + 1];
	int fd;

	log_set_subject("alice");
	memset(text, 'x', sizeof text);
	text[sizeof text - 1] = '\n';
	snprintf(want, sizeof want, "alice: %.*s\n", COMMAND_LOG_LINE_BYTES,
		 text);
	start(&l, &fd);
	if (write(fd, text, sizeof text) != sizeof text)
		bail();
	command_log_step(&l);
	is_str(heard(), want, "with a subject a long line is cut");
	if (write(fd, "10%\r20%", 7) != 7)
		bail();
	command_log_step(&l);
	usleep(300000);
	command_log_step(&l);
	is_str(heard(), "", "half a line waits for its end");
	close(fd);
	command_log_finish(&l);
	is_str(heard(), "alice: 20%\n", "and of a meter the last state comes");
	start(&l, &fd);
	if (write(fd, "two terminals\r\r\n", 16) != 16)
		bail();
	close(fd);
	command_log_finish(&l);
	is_str(heard(), "alice: two terminals\n",
	       "two carriage returns drop nothing");
}

/* Nobody reads our standard error: COMMAND does not wait. */
static void test_stuck(void)
{
	struct command_log l;
	char text[1000];
	size_t all = 0;
	int fd;

	start(&l, &fd);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	memset(text, 'x', sizeof text);
	text[sizeof text - 1] = '\n';
	while (all < 1000000) {
		if (write(fd, text, sizeof text) == sizeof text)
			all += sizeof text;
		else
			usleep(1000);
		command_log_step(&l);
	}
	ok(l.dropping, "a megabyte that nobody reads is taken and dropped");
	is_int(write(fd, "last\n", 5) > 0 || errno == EAGAIN, 1, "more comes");
	close(fd);
	while (strlen(heard()))
		;
	command_log_finish(&l);
	ok(strstr(heard(), "lines of messages were dropped"),
	   "and a message says so once it is read again");
}

int main(void)
{
	int fds[2], stderr_fd = dup(STDERR_FILENO);

	signal(SIGALRM, stuck);
	alarm(60);
	if (pipe(fds) < 0 || fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 ||
	    dup2(fds[1], STDERR_FILENO) < 0)
		return 1;
	heard_fd = fds[0];
	test_lines();
	test_pieces();
	test_stuck();
	test_subject(); /* from here on lines have one */
	log_after_fork(); /* closes its descriptor of the pipe */
	dup2(stderr_fd, STDERR_FILENO);
	close(stderr_fd);
	close(fds[0]);
	close(fds[1]);
	return tap_end();
}
