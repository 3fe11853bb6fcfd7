/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes that COMMAND left in its process group when it exited and that
 * still have the stream open: a source's standard output, or a consumer's
 * standard input.  How they end counts too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { COMMAND_GROUP_MAX = 256 };

struct command_member {
	pid_t pid;
	bool holds; /* was seen with the stream open */
};

struct command_group {
	pid_t group;
	bool shared; /* there is no group: our children are the members */
	pid_t keeper; /* see command_group_keep(); 0: none */
	bool gone; /* its number may be another group's */
	bool unkept; /* the same once it has no member: nobody may signal it */
	ino_t ino; /* the pipe of the stream; 0: not known */
	struct command_member members[COMMAND_GROUP_MAX]; /* that were seen */
	size_t count;
	pid_t holder; /* the last one that was seen; 0: none */
	bool was_held; /* by a member, at an earlier look */
	bool blind; /* the last look did not show who is in the group */
	unsigned int waits; /* looks that found only members about to end */
};

/*
 * Give COMMAND, our child, a group of its own, unless it has made it itself.
 * fd: either end of the pipe.
 */
void command_group_init(struct command_group *g, pid_t command, int fd);

/*
 * COMMAND has exited and is about to be reaped.  Put a zombie into its group,
 * so that no other group gets the number as long as we live, or our parent has
 * not reaped the zombie.  Returns 0, or -1 with errno set: no zombie could be
 * made, and COMMAND left a process with the stream open.
 */
int command_group_keep(struct command_group *g);

/* Nobody will signal the group any more.  May be called twice. */
void command_group_release(struct command_group *g);

/* kill(2) for the group; ESRCH: it is gone. */
int command_group_signal(const struct command_group *g, int sig);

/* Does the group have a member?  Zombies and other users' processes count. */
bool command_group_lives(struct command_group *g);

/*
 * Look for members that have the pipe open.  A member that we may not inspect
 * counts, and so does every member if /proc is missing or foreign (blind).  One
 * that is about to end counts for a while, because its status is not known yet.
 * Returns whether there are any.
 */
bool command_group_find(struct command_group *g);

/*
 * Is pid, our child that is not reaped yet, a member?  If the system refuses to
 * tell, it is one.
 */
bool command_group_owns(const struct command_group *g, pid_t pid);

/*
 * A child has ended: does its status count?  Yes, if we saw it with the stream
 * open.  We cannot know that of a member that began after one look and ended
 * before the next: it may have got the stream from a member that had it.
 */
enum command_group_counts {
	COMMAND_GROUP_IGNORES,
	COMMAND_GROUP_COUNTS,
	COMMAND_GROUP_UNKNOWN,
};

enum command_group_counts command_group_counts(struct command_group *g,
					       pid_t pid, bool is_member);
