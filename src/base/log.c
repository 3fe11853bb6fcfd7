// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/nowait.h"

static enum log_level log_level = LOG_NOTICE;
static char log_subject[LOG_SUBJECT_BYTES]; /* ends in ": ", or is "" */
static bool log_status_shown; /* the cursor is behind a status line */
static bool log_status_expected; /* one of ours shows it on the terminal */
static bool log_status_is_others; /* the process that forked us shows it */

static struct nowait log_out;
static bool log_open;
static bool log_is_journal; /* standard error; valid while log_open */
static uint64_t log_patience_ms = LOG_PATIENCE_MS;
static uint64_t log_patience_end; /* clock_now_ms(); 0: none */
static uint64_t log_dropped; /* lines, not reported yet */
static char log_rest[LOG_PASS_BYTES]; /* of a line that was written in part */
static size_t log_rest_len;

#define CLEAR_LINE "\r\033[K"

/* The beginning of each message of ours */
static char log_name[sizeof "btrfs-ktls-pipe: : " + 128] = "btrfs-ktls-pipe: ";

void log_set_host(const char *host)
{
	snprintf(log_name, sizeof log_name, "btrfs-ktls-pipe: %.128s: ", host);
}

void log_set_level(enum log_level level)
{
	log_level = level;
}

void log_set_verbosity(bool quiet, uint64_t verbose)
{
	uint64_t more = min_u64(verbose, LOG_DEBUG - LOG_NOTICE);

	log_set_level(quiet ? LOG_QUIET : (enum log_level)(LOG_NOTICE + more));
}

void log_set_subject(const char *subject)
{
	snprintf(log_subject, sizeof log_subject, "%.160s: ", subject);
}

bool log_has_subject(void)
{
	return *log_subject;
}

void log_set_patience(uint64_t ms)
{
	log_patience_ms = ms;
}

void log_be_patient(void)
{
	log_patience_end = clock_deadline(log_patience_ms);
}

void log_change_reader(void)
{
	log_rest_len = 0;
	log_status_shown = false;
	if (log_open)
		nowait_fini(&log_out);
	log_open = false;
}

void log_after_fork(void)
{
	log_dropped = 0;
	log_change_reader();
	log_status_is_others = log_status_expected;
}

void log_expect_status(void)
{
	log_status_expected = isatty(STDERR_FILENO);
}

/* Is fd the journal's stream that JOURNAL_STREAM names?  systemd.exec(5) */
static bool log_leads_to_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char ours[48];
	struct stat st;

	if (!stream || fstat(fd, &st) < 0)
		return false;
	snprintf(ours, sizeof ours, "%" PRIu64 ":%" PRIu64, (uint64_t)st.st_dev,
		 (uint64_t)st.st_ino);
	return !strcmp(stream, ours);
}

static struct nowait *log_output(void)
{
	if (!log_open) {
		nowait_init(&log_out, STDERR_FILENO);
		log_is_journal = log_leads_to_journal(STDERR_FILENO);
	}
	log_open = true;
	return &log_out;
}

/* The mark of a severity, a digit of syslog(3); "" outside the journal */
static const char *log_mark(char severity, char mark[static sizeof "<7>"])
{
	log_output();
	*mark = '\0';
	if (log_is_journal)
		snprintf(mark, sizeof "<7>", "<%c>", severity);
	return mark;
}

size_t log_line_prefix(char out[static LOG_PREFIX_BYTES])
{
	char mark[sizeof "<7>"];

	return (size_t)snprintf(out, LOG_PREFIX_BYTES, "%s%s",
				log_mark('6', mark), log_subject);
}

/* Waits as long as log_be_patient() allows.  Returns as write(2) does. */
static ssize_t log_write(const char *text, size_t len)
{
	return nowait_write(log_output(), text, len, log_patience_end);
}

/*
 * Write all of text or nothing.  The rest of a line that was written in part is
 * kept and written first the next time.  Returns 1; 0: there is no room; -1:
 * standard error fails, so that there is nowhere to report it.
 */
static int log_put(const char *text, size_t len)
{
	ssize_t n;

	if (log_rest_len) {
		n = log_write(log_rest, log_rest_len);
		if (n < 0 && errno != EAGAIN)
			n = (ssize_t)log_rest_len;
		if (n > 0)
			log_rest_len -= (size_t)n;
		if (n > 0)
			memmove(log_rest, log_rest + n, log_rest_len);
		if (log_rest_len)
			return 0;
	}
	n = len ? log_write(text, len) : 0;
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	log_rest_len = len - (size_t)n;
	memcpy(log_rest, text + n, log_rest_len);
	return 1;
}

const char *log_clear(void)
{
	return log_status_shown || log_status_is_others ? CLEAR_LINE : "";
}

/* Returns false if there is no room for the report. */
static bool log_tell_dropped(void)
{
	char text[sizeof log_name + LOG_SUBJECT_BYTES + 144],
		mark[sizeof "<7>"];
	int len, put;

	if (!log_dropped)
		return true;
	len = snprintf(text, sizeof text,
		       "%s%s%s%s%" PRIu64
		       " line%s of messages %s dropped: standard "
		       "error was not read\n",
		       log_clear(), log_mark('4', mark), log_name, log_subject,
		       log_dropped, log_dropped == 1 ? "" : "s",
		       log_dropped == 1 ? "was" : "were");
	put = log_put(text, (size_t)len);
	if (put > 0) {
		log_status_shown = false;
		log_dropped = 0;
	}
	return put != 0;
}

void log_flush(void)
{
	int saved = errno;

	if (log_tell_dropped() && log_rest_len)
		log_put("", 0); /* without room the rest is kept */
	errno = saved;
}

void log_count_dropped(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		log_dropped += text[i] == '\n';
}

bool log_pass_on(const char *text, size_t len)
{
	int put = log_tell_dropped() ? log_put(text, len) : 0;

	/* There may be another reader later: see log_change_reader(). */
	if (put < 0)
		log_count_dropped(text, len);
	return put != 0;
}

bool log_limit(struct log_limit *l, unsigned int *more)
{
	uint64_t now = clock_now_ms();

	*more = 0;
	if (!l->since_ms || now - l->since_ms >= LOG_LIMIT_MS) {
		*more = l->left_out;
		*l = (struct log_limit){ .since_ms = now };
	}
	if (l->logged < LOG_LIMIT_LINES) {
		l->logged++;
		return true;
	}
	l->left_out++;
	return false;
}

void log_defuse(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			text[i] = '?';
}

attr_printf(3, 0) static void log_line(enum log_level level, char severity,
				       const char *fmt, va_list ap)
{
	char line[1024], mark[sizeof "<7>"];
	int saved = errno, n;
	size_t len;

	if (level > log_level)
		return;
	len = (size_t)snprintf(line, sizeof line, "%s%s%s%s", log_clear(),
			       log_mark(severity, mark), log_name, log_subject);
	n = vsnprintf(line + len, sizeof line - len - 1, fmt, ap);
	if (n < 0)
		n = 0;
	if ((size_t)n > sizeof line - len - 2)
		n = (int)(sizeof line - len - 2);
	log_defuse(line + len, (size_t)n);
	len += (size_t)n;
	line[len++] = '\n';
	if (log_pass_on(line, len))
		log_status_shown = false;
	else
		log_count_dropped(line, len);
	errno = saved;
}

#define LOG_FUNCTION(name, level, severity)         \
	void name(const char *fmt, ...)             \
	{                                           \
		va_list ap;                         \
                                                    \
		va_start(ap, fmt);                  \
		log_line(level, severity, fmt, ap); \
		va_end(ap);                         \
	}

LOG_FUNCTION(log_error, LOG_QUIET, '3')
LOG_FUNCTION(log_always, LOG_QUIET, '6')
LOG_FUNCTION(log_notice, LOG_NOTICE, '5')
LOG_FUNCTION(log_info, LOG_INFO, '6')
LOG_FUNCTION(log_debug, LOG_DEBUG, '7')

/* On a narrower terminal it would wrap: only its last row would be cleared. */
static int log_status_room(void)
{
	struct winsize w;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) < 0 || !w.ws_col)
		return INT_MAX;
	return w.ws_col - 1;
}

void log_status(const char *line)
{
	char text[256];
	int n = snprintf(text, sizeof text, CLEAR_LINE "%.*s",
			 log_status_room(), line);
	size_t len = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;

	/* Without room it is dropped uncounted, and the last one stays. */
	if (log_pass_on(text, len))
		log_status_shown = true;
}

void log_printable(char *out, size_t size, const void *text, size_t len)
{
	const unsigned char *in = text;
	size_t i;

	for (i = 0; i < len && i + 1 < size; i++)
		out[i] = in[i] >= 0x20 && in[i] < 0x7f ? (char)in[i] : '?';
	out[i] = '\0';
}
