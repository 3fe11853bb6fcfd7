// SPDX-License-Identifier: GPL-2.0-or-later
/* log: one write(2) a line, without characters that a terminal obeys. */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/log.h"
#include "tap.h"
#include "terminal.h"

#define PREFIX "btrfs-ktls-pipe: "
#define CLEAR "\r\033[K"

enum { LINE_MAX_BYTES = 1024 };

/* Takes the place of standard error; keeps writes apart. */
static int said_fd = -1;

/* The next write(2) to standard error; "" if there is none. */
static const char *said(void)
{
	static char text[8192];
	ssize_t n = recv(said_fd, text, sizeof text - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void test_levels(void)
{
	static const struct {
		enum log_level level;
		const char *lines[4];
	} rows[] = {
		{ LOG_QUIET, { PREFIX "e 1\n" } },
		{ LOG_NOTICE, { PREFIX "e 1\n", PREFIX "n 2\n" } },
		{ LOG_INFO,
		  { PREFIX "e 1\n", PREFIX "n 2\n", PREFIX "i 3\n" } },
		{ LOG_DEBUG,
		  { PREFIX "e 1\n", PREFIX "n 2\n", PREFIX "i 3\n",
		    PREFIX "d 4\n" } },
	};

	for (size_t i = 0; i <= array_len(rows); i++) {
		/* Notices appear without log_set_level(). */
		const char *const *lines = rows[i ? i - 1 : LOG_NOTICE].lines;

		if (i)
			log_set_level(rows[i - 1].level);
		log_error("e %d", 1);
		log_notice("n %d", 2);
		log_info("i %d", 3);
		log_debug("d %d", 4);
		for (int j = 0; j < 4 && lines[j]; j++)
			is_str(said(), lines[j], "level %zd, line %d", i - 1,
			       j);
		is_str(said(), "", "level %zd says no more", i - 1);
	}
}

static void test_long(void)
{
	static char text[5000];
	int whole = 0, cut = 0;
	size_t room = LINE_MAX_BYTES - strlen(PREFIX) - 2;

	for (size_t len = room - 3; len < room + 4; len++) {
		const char *line;

		memset(text, 'x', len);
		text[len] = '\0';
		log_error("%s", text);
		line = said();
		if (len <= room)
			whole += strlen(line) == strlen(PREFIX) + len + 1 &&
				 line[strlen(line) - 1] == '\n';
		else
			cut += strlen(line) == LINE_MAX_BYTES - 1 &&
			       line[strlen(line) - 1] == '\n';
	}
	is_int(whole, 4, "a line that fits is whole");
	is_int(cut, 3, "a line just too long is cut and still ends");
	memset(text, 'y', sizeof text - 1);
	log_error("%s", text);
	is_int(strlen(said()), LINE_MAX_BYTES - 1, "a very long line is cut");
	is_str(said(), "", "and its rest is not a line of its own");
}

static void test_printable(void)
{
	static const struct {
		const char *in;
		size_t len, size;
		const char *out;
	} rows[] = {
		{ "plain ~", 7, 16, "plain ~" },
		{ "", 0, 16, "" },
		{ "a\nb\rc\td", 7, 16, "a?b?c?d" },
		{ "\x1b[31m", 5, 16, "?[31m" },
		{ "a\0b", 3, 16, "a?b" },
		{ "\x7f\x80\xc3\xa4\xff", 5, 16, "?????" },
		{ "12345678", 8, 9, "12345678" },
		{ "12345678", 8, 8, "1234567" },
		{ "12345678", 8, 1, "" },
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		char out[24];

		memset(out, '!', sizeof out);
		log_printable(out, rows[i].size, rows[i].in, rows[i].len);
		ok(!strncmp(out, rows[i].out, sizeof out) &&
			   out[rows[i].size] == '!',
		   "log_printable makes '%s'", rows[i].out);
	}
}

static void test_subject(void)
{
	char subject[400];

	log_set_subject("alice 192.0.2.1:7");
	log_error("e %d", 1);
	is_str(said(), PREFIX "alice 192.0.2.1:7: e 1\n",
	       "whom a line is about comes first");
	memset(subject, 's', sizeof subject - 1);
	subject[sizeof subject - 1] = '\0';
	log_set_subject(subject);
	log_error("e %d", 2);
	ok(strstr(said(), "sss: e 2\n"), "and is not longer than it may be");
}

/* In the journal each line has its severity. */
static void test_journal(void)
{
	char stream[64], prefix[LOG_PREFIX_BYTES], wrong[65];
	struct stat st;

	fstat(STDERR_FILENO, &st);
	snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	snprintf(wrong, sizeof wrong, "%s0", stream);
	log_set_level(LOG_DEBUG);
	log_set_subject("s");

	setenv("JOURNAL_STREAM", wrong, 1);
	log_after_fork();
	log_error("x");
	is_str(said(), PREFIX "s: x\n", "another stream is no journal");
	is_int(log_line_prefix(prefix), 3, "nor for lines of others");

	setenv("JOURNAL_STREAM", stream, 1);
	log_after_fork();
	log_error("x");
	is_str(said(), "<3>" PREFIX "s: x\n", "an error");
	log_always("x");
	is_str(said(), "<6>" PREFIX "s: x\n", "output that was asked for");
	log_notice("x");
	is_str(said(), "<5>" PREFIX "s: x\n", "a notice");
	log_info("x");
	is_str(said(), "<6>" PREFIX "s: x\n", "a milestone");
	log_debug("x");
	is_str(said(), "<7>" PREFIX "s: x\n", "a detail");
	is_int(log_line_prefix(prefix), 6, "and a line of another program");
	is_str(prefix, "<6>s: ", "has severity and subject");
	unsetenv("JOURNAL_STREAM");
	log_after_fork();
}

/* Count the lines that are whole, and those that are reported as dropped. */
static int account_for(char *text)
{
	int lines = 0, dropped;
	char *line;

	while ((line = strsep(&text, "\n")) && *line) {
		if (strstr(line, " dropped: ") &&
		    sscanf(line, PREFIX "s: %d", &dropped) == 1)
			lines += dropped;
		else
			lines += strlen(line) == strlen(PREFIX "s: ") + 600;
	}
	return lines;
}

/* A terminal that is read slowly takes parts of lines. */
static void test_parts(int said_by)
{
	static char text[1 << 20];
	int ours, theirs = terminal_open(&ours, "lines written in part");
	struct pollfd p = { .fd = ours, .events = POLLIN };
	struct termios raw;
	size_t have = 0;
	ssize_t n;

	if (theirs < 0)
		return;
	tcgetattr(theirs, &raw);
	cfmakeraw(&raw);
	tcsetattr(theirs, TCSANOW, &raw);
	dup2(theirs, STDERR_FILENO);
	log_set_subject("s");
	log_after_fork();
	for (int i = 0; i < 1000; i++) {
		log_error("%0600d", i);
		if (i > 500 && poll(&p, 1, 1000) == 1 &&
		    (n = read(ours, text + have, 500)) > 0)
			have += (size_t)n;
	}
	while (poll(&p, 1, 2000) == 1 &&
	       (n = read(ours, text + have, sizeof text - have - 1)) > 0) {
		have += (size_t)n;
		log_flush();
	}
	ok(!strstr(text, "\n\n") && strstr(text, "were dropped"),
	   "a terminal without room: lines are dropped");
	is_int(account_for(text), 1000, "and all others are whole");
	dup2(said_by, STDERR_FILENO);
	log_after_fork();
	close(theirs);
	close(ours);
}

static void test_errno(int stderr_fd)
{
	errno = ENOTCONN;
	log_error("x");
	is_int(errno, ENOTCONN, "errno survives a line");
	close(STDERR_FILENO);
	errno = ENOTCONN;
	log_error("x");
	is_int(errno, ENOTCONN, "errno survives a closed standard error");
	dup2(stderr_fd, STDERR_FILENO);
}

static void test_limit(void)
{
	struct log_limit l = { 0 };
	unsigned int more, wrong = 0;

	for (int i = 0; i < LOG_LIMIT_LINES; i++)
		wrong += !log_limit(&l, &more) || more;
	ok(!wrong, "that many lines may be logged");
	ok(!log_limit(&l, &more) && !more, "and no more");
	ok(!log_limit(&l, &more) && !more, "for a while");
	l.since_ms -= LOG_LIMIT_MS;
	ok(log_limit(&l, &more) && more == 2,
	   "then again, with the number of those left out");
	ok(log_limit(&l, &more) && !more, "once");
}

/* The cursor is behind the status line, and has to go back. */
static void test_status(void)
{
	log_set_subject("s");
	log_status("1 MiB");
	is_str(said(), CLEAR "1 MiB", "a status line");
	log_status("2 MiB");
	is_str(said(), CLEAR "2 MiB", "is written over the one before");
	log_error("x");
	is_str(said(), CLEAR PREFIX "s: x\n", "so is a message");
	log_error("x");
	is_str(said(), PREFIX "s: x\n", "and the next one stands below it");
	log_status("3 MiB");
	said();
	log_count_dropped("a\nb\n", 4);
	log_flush();
	is_str(said(),
	       CLEAR PREFIX "s: 2 lines of messages were dropped: standard "
			    "error was not read\n",
	       "what was dropped is said as a message is");
	log_status("4 MiB");
	log_after_fork();
	said();
}

int main(void)
{
	int pair[2], stderr_fd = dup(STDERR_FILENO);

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0 ||
	    dup2(pair[0], STDERR_FILENO) < 0)
		return 1;
	said_fd = pair[1];
	test_levels();
	test_long();
	test_printable();
	test_subject();
	test_limit();
	test_status();
	test_journal();
	test_parts(pair[0]);
	test_errno(stderr_fd);
	close(pair[0]);
	close(pair[1]);
	close(stderr_fd);
	return tap_end();
}
