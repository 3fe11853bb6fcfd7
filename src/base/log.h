/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages for people, on standard error, one write(2) a line.  The level, the
 * subject and the state of standard error are global.
 *
 * A message never waits for the reader of standard error, unless
 * log_be_patient() allows it: a line for which there is no room is dropped.
 * As soon as there is room again, a message says how many lines were dropped.
 *
 * Where standard error is the journal of systemd, each line begins with its
 * severity: "<3>" an error, "<5>" a notice, "<6>" information, "<7>" details.
 */
#pragma once

#include "base/cleanup.h"

enum {
	LOG_SUBJECT_BYTES = 160 + sizeof ": ",
	LOG_PREFIX_BYTES = LOG_SUBJECT_BYTES + 3, /* severity and subject */
};

enum log_level {
	LOG_SILENT = -1, /* nothing at all */
	LOG_QUIET, /* -q: errors only */
	LOG_NOTICE, /* default: also what a user should know */
	LOG_INFO, /* -v: also milestones */
	LOG_DEBUG, /* -vv: also details */
};

/*
 * Prefix all further messages with subject, such as the peer that they are
 * about.  Shortened to 160 characters.
 */
void log_set_subject(const char *subject);

void log_set_level(enum log_level level);

/* The level for -q, or for -v given so many times. */
void log_set_verbosity(bool quiet, uint64_t verbose);

/*
 * Prefix our further messages, but not the lines of other programs, with our
 * host: the reader sees messages of another host, too.
 */
void log_set_host(const char *host);

/* Was a subject set? */
bool log_has_subject(void);

/*
 * From now on messages wait for room, together no longer than 1 s or what
 * log_set_patience() has set.  For the last messages of a process.
 */
void log_be_patient(void);

enum { LOG_PATIENCE_MS = 1000 };
void log_set_patience(uint64_t ms);

/* Standard error was replaced: forget the line that was written in part. */
void log_change_reader(void);

/* In a forked process: forget the lines that its parent has yet to write. */
void log_after_fork(void);

/* If there is room, report dropped lines and finish a line written in part. */
void log_flush(void);

/*
 * Bounds the lines that peers can cause: LOG_LIMIT_LINES in LOG_LIMIT_MS.
 * *more is how many were left out before; the caller reports that number,
 * unless it is 0.  Returns whether a line may be logged now; if not, counts it
 * as left out.
 */
enum { LOG_LIMIT_LINES = 20, LOG_LIMIT_MS = 10000 };
struct log_limit {
	uint64_t since_ms; /* 0: no line so far */
	unsigned int logged, left_out; /* since then */
};
bool log_limit(struct log_limit *l, unsigned int *more);

/* Printed with -q too: the error that main() prints. */
void log_error(const char *fmt, ...) attr_printf(1, 2);
/* Printed at every level: output that the user asked for. */
void log_always(const char *fmt, ...) attr_printf(1, 2);
void log_notice(const char *fmt, ...) attr_printf(1, 2);
void log_info(const char *fmt, ...) attr_printf(1, 2);
void log_debug(const char *fmt, ...) attr_printf(1, 2);

/*
 * Pass on lines that another program wrote to its standard error, without
 * waiting.  text is whole lines with their newlines; len is at most
 * LOG_PASS_BYTES.  The caller has put log_line_prefix() in front of each line.
 * Returns false if there was no room; then nothing was written.
 */
enum { LOG_PASS_BYTES = 4096 };
bool log_pass_on(const char *text, size_t len) attr_must_check;

/* Count these lines as dropped. */
void log_count_dropped(const char *text, size_t len);

/*
 * Write to out the prefix for a line of another program: the severity, in the
 * journal, then the subject and ": ", if there is one.  Returns its length.
 */
size_t log_line_prefix(char out[static LOG_PREFIX_BYTES]);

/*
 * Show a status line on a terminal, cut to its width.  The next status line
 * replaces it; any other message clears it first.
 */
void log_status(const char *line);

/*
 * This process will show a status line, if standard error is a terminal: those
 * that it forks (log_after_fork()) clear it before a line of theirs.
 */
void log_expect_status(void);

/* What clears the status line under the cursor; "" if there is none. */
const char *log_clear(void);

/*
 * Replace control characters with '?': a terminal would obey them, and names of
 * files and hosts and the output of other programs may contain them.
 */
void log_defuse(char *text, size_t len);

/*
 * Make a peer's text safe for a terminal: all but printable ASCII becomes '?'.
 * Writes at most size bytes to out and always terminates it.
 */
void log_printable(char *out, size_t size, const void *text, size_t len);
