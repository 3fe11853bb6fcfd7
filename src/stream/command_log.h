/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Passes COMMAND's standard error, a pipe, on to ours: line by line, with
 * log_line_prefix() in front, control characters replaced.
 * If nobody reads our standard error, lines are dropped after a second and
 * counted, so COMMAND never waits longer than that.
 */
#pragma once

#include "base/log.h"

enum {
	COMMAND_LOG_WORDS_BYTES = 201, /* of the last line, with its NUL */
	COMMAND_LOG_LINE_BYTES = 1024, /* longer ones are cut or divided */
};

struct command_log {
	int fd; /* the pipe; -1: its last writer is gone */
	char in[COMMAND_LOG_LINE_BYTES];
	size_t in_pos, in_len;
	char line[COMMAND_LOG_LINE_BYTES]; /* until its newline arrives */
	size_t len, shown; /* of line: bytes held, bytes passed on */
	bool returned; /* a carriage return came: the next byte overwrites */
	uint64_t partial_due_ms; /* when to show it without its newline */
	char block[LOG_PASS_BYTES]; /* what one write passes on */
	size_t block_len;
	uint64_t stuck_ms; /* since when nobody takes it; 0: it is taken */
	bool dropping;
	char prefix[LOG_PREFIX_BYTES];
	size_t prefix_len;
	char words[COMMAND_LOG_WORDS_BYTES]; /* the last line of text */
};

/* Read from fd, a non-blocking pipe, which l then owns; -1: there is none. */
void command_log_init(struct command_log *l, int fd);

/* Read all that has arrived and pass it on.  Never waits. */
void command_log_step(struct command_log *l);

/* What to poll for POLLIN, or -1; and when to step at the latest. */
int command_log_fd(const struct command_log *l);
uint64_t command_log_due(const struct command_log *l);

/*
 * COMMAND has ended: pass on the rest, even a line without a newline, within
 * two seconds.  Afterwards l->words is its last line, or "".
 */
void command_log_finish(struct command_log *l);
