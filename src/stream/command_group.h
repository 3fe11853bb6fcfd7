/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes that a COMMAND left behind in its process group when it exited, and
 * that still have the stream open: its standard output if it is a source, its
 * standard input if it is a consumer.  What becomes of them counts, too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { COMMAND_GROUP_MAX = 64 };

struct command_group {
	pid_t group;
	dev_t dev; /* the pipe of the stream */
	ino_t ino;
	pid_t holders[COMMAND_GROUP_MAX]; /* all that were ever found */
	size_t count;
	unsigned int waits; /* how often for members that are just ending */
};

/* fd: either end of the pipe. */
void command_group_init(struct command_group *g, pid_t group, int fd);

/* Has the group a member?  One of another user counts; so does a zombie. */
bool command_group_lives(const struct command_group *g);

/*
 * Look for members that have the pipe open.  One that cannot be asked has it,
 * and for a while one that is about to end: how is not known yet.  Returns
 * whether there are any.
 */
bool command_group_find(struct command_group *g);

/* Was this one of them? */
bool command_group_held(const struct command_group *g, pid_t pid);
