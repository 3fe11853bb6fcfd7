/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages to people, on standard error, one write(2) a line.  The level is
 * the program's only global state.
 */
#pragma once

#include <stddef.h>

#include "attr.h"

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

/* Printed with -q too: main() for the one error. */
void log_error(const char *fmt, ...) attr_printf(1, 2);
/* Printed at every level: what was asked for. */
void log_always(const char *fmt, ...) attr_printf(1, 2);
void log_notice(const char *fmt, ...) attr_printf(1, 2);
void log_info(const char *fmt, ...) attr_printf(1, 2);
void log_debug(const char *fmt, ...) attr_printf(1, 2);

/*
 * Show a line on a terminal that the next one replaces; every other message
 * first clears it away.
 */
void log_status(const char *line);

/*
 * Make text from a peer fit for a terminal: everything but printable ASCII
 * becomes '?'.  Writes at most size bytes into out, always terminated.
 */
void log_printable(char *out, size_t size, const void *text, size_t len);
