/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages to people, on standard error, one write(2) a line.  The level is
 * the program's only global state, with what belongs to standard error.
 *
 * No message ever waits for the reader of standard error, unless
 * log_set_patience() allows it: a line that finds no room is dropped, and how
 * many were is said as soon as there is room again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

enum { LOG_SUBJECT_BYTES = 160 + sizeof ": " };

enum log_level {
	LOG_QUIET, /* -q: errors only */
	LOG_NOTICE, /* default: and what a user should know */
	LOG_INFO, /* -v: and milestones */
	LOG_DEBUG, /* -vv: and details */
};

/*
 * Whom all further messages are about: comes in front of each.  Shortened to 160
 * characters.
 */
void log_set_subject(const char *subject);

void log_set_level(enum log_level level);

/* Is there such a subject? */
bool log_has_subject(void);

/* From now on messages wait for room, ms in all: the last ones of a process. */
void log_set_patience(uint64_t ms);

/* In a new process: what its parent has not written is the parent's business. */
void log_after_fork(void);

/* Say how many lines were dropped, if any and if there is room by now. */
void log_flush(void);

/* Printed with -q too: main() for the one error. */
void log_error(const char *fmt, ...) attr_printf(1, 2);
/* Printed at every level: what was asked for. */
void log_always(const char *fmt, ...) attr_printf(1, 2);
void log_notice(const char *fmt, ...) attr_printf(1, 2);
void log_info(const char *fmt, ...) attr_printf(1, 2);
void log_debug(const char *fmt, ...) attr_printf(1, 2);

/*
 * Pass on lines that another program wrote to its standard error, without
 * wait: lines of text, each with its newline, in len bytes, at most
 * LOG_PASS_BYTES; the subject, if there is one, must be in front of each.
 * Returns false if there is no room: then nothing was written.
 */
enum { LOG_PASS_BYTES = 4096 };
bool log_pass_on(const char *text, size_t len) attr_must_check;

/* These lines of that program were not written. */
void log_count_dropped(uint64_t lines);

/* Writes the subject into out, with the ": " behind it, or nothing. */
size_t log_subject_prefix(char out[static LOG_SUBJECT_BYTES]);

/*
 * Show a line on a terminal that the next one replaces; every other message
 * first clears it away.
 */
void log_status(const char *line);

/*
 * Replace by '?' what a terminal would obey: names of files and hosts, and what
 * other programs print, may have such bytes in them.
 */
void log_defuse(char *text, size_t len);

/*
 * Make text from a peer fit for a terminal: everything but printable ASCII
 * becomes '?'.  Writes at most size bytes into out, always terminated.
 */
void log_printable(char *out, size_t size, const void *text, size_t len);
