/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a COMMAND writes to its standard error, which is a pipe: passed on line
 * by line to ours, with the subject of our own messages in front (log.h) and
 * without control characters.  If nobody reads ours the lines are dropped after
 * a second and counted, so that COMMAND never waits for longer than that.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"

enum {
	COMMAND_LOG_WORDS_BYTES = 201, /* of the last line, terminated */
	COMMAND_LOG_LINE_BYTES = 1024, /* what is longer is cut or divided */
};

struct command_log {
	int fd; /* read from here; -1: nobody writes there any more */
	char in[COMMAND_LOG_LINE_BYTES];
	size_t in_pos, in_len;
	char line[COMMAND_LOG_LINE_BYTES]; /* until its newline comes */
	size_t len, shown; /* of it; bytes that were passed on already */
	bool returned; /* a carriage return came: what is next overwrites it */
	uint64_t partial_due_ms; /* then it is shown without its newline */
	char block[LOG_PASS_BYTES]; /* for one write */
	size_t block_len;
	uint64_t block_lines;
	uint64_t stuck_ms; /* since when it finds no room; 0: it does */
	bool dropping;
	char prefix[LOG_SUBJECT_BYTES];
	size_t prefix_len;
	char words[COMMAND_LOG_WORDS_BYTES]; /* the last line, printable */
};

/* Reads from fd, a non-blocking pipe that it owns; -1: there is nothing. */
void command_log_init(struct command_log *l, int fd);

/* Read what is there and pass it on.  Never waits. */
void command_log_step(struct command_log *l);

/* For poll(2): when there is more to read, or -1; and when to step anyway. */
int command_log_fd(const struct command_log *l);
uint64_t command_log_due(const struct command_log *l);

/*
 * COMMAND has ended: pass on all that it left, in two seconds at the most, a line
 * without a newline too.  Then l->words is its last line, or "".
 */
void command_log_finish(struct command_log *l);
