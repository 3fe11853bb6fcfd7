// SPDX-License-Identifier: GPL-2.0-or-later
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static enum log_level log_level = LOG_NOTICE;
static char log_subject[160 + sizeof ": "]; /* with ": ", or "" */
static bool log_status_shown; /* the cursor stands behind a status line */

#define CLEAR_LINE "\r\033[K"

void log_set_level(enum log_level level)
{
	log_level = level;
}

void log_set_subject(const char *subject)
{
	snprintf(log_subject, sizeof log_subject, "%.160s: ", subject);
}

/* Names of files and hosts may have bytes in them that a terminal obeys. */
static void log_defuse(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			text[i] = '?';
}

attr_printf(2, 0) static void log_line(enum log_level level, const char *fmt,
				       va_list ap)
{
	static const char prefix[] = "btrfs-ktls-pipe: ";
	size_t len = 0;
	char line[1024];
	int saved = errno, n;

	if (level > log_level)
		return;
	if (log_status_shown) {
		memcpy(line, CLEAR_LINE, sizeof CLEAR_LINE - 1);
		len = sizeof CLEAR_LINE - 1;
		log_status_shown = false;
	}
	memcpy(line + len, prefix, sizeof prefix - 1);
	len += sizeof prefix - 1;
	memcpy(line + len, log_subject, strlen(log_subject));
	len += strlen(log_subject);
	n = vsnprintf(line + len, sizeof line - len - 1, fmt, ap);
	if (n < 0)
		n = 0;
	if ((size_t)n > sizeof line - len - 2)
		n = (int)(sizeof line - len - 2);
	log_defuse(line + len, (size_t)n);
	len += (size_t)n;
	line[len++] = '\n';
	/* Nobody is left to tell if standard error fails. */
	if (write(STDERR_FILENO, line, len) < 0)
		errno = saved;
	errno = saved;
}

#define LOG_FUNCTION(name, level)         \
	void name(const char *fmt, ...)   \
	{                                 \
		va_list ap;               \
                                          \
		va_start(ap, fmt);        \
		log_line(level, fmt, ap); \
		va_end(ap);               \
	}

LOG_FUNCTION(log_error, LOG_QUIET)
LOG_FUNCTION(log_always, LOG_QUIET)
LOG_FUNCTION(log_notice, LOG_NOTICE)
LOG_FUNCTION(log_info, LOG_INFO)
LOG_FUNCTION(log_debug, LOG_DEBUG)

void log_status(const char *line)
{
	char text[256];
	int n = snprintf(text, sizeof text, CLEAR_LINE "%s", line);
	size_t len = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;

	log_status_shown = write(STDERR_FILENO, text, len) > 0;
}

void log_printable(char *out, size_t size, const void *text, size_t len)
{
	const unsigned char *in = text;
	size_t i;

	for (i = 0; i < len && i + 1 < size; i++)
		out[i] = in[i] >= 0x20 && in[i] < 0x7f ? (char)in[i] : '?';
	out[i] = '\0';
}
