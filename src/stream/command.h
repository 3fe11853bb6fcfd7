/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * COMMAND: a source whose standard output is the stream, or a consumer whose
 * standard input it is.  It runs under a supervisor process that outlives us:
 * when we abort, or are killed, the supervisor kills COMMAND and reaps it, and
 * only then does the consumer's input close.  So an aborted stream never looks
 * like an end of file.
 */
#pragma once

#include <stdbool.h>
#include <sys/resource.h>

#include "base/err.h"
#include "stream/supervisor.h"

struct command;

/* The soft RLIMIT_CORE that COMMAND shall have; before it is set to 0. */
void command_save_core_limit(rlim_t limit);

/*
 * Start argv[0], found in PATH, with the other arguments; no shell.  It gets
 * descriptors 0, 1 and 2 and no other, default signal dispositions, the
 * environment but for what peer says, and a background process group of its own.
 *
 * The standard error of a consumer, and of a source too where our messages have
 * a subject, is a pipe to the supervisor, which passes its lines on to ours
 * (command_log.h) and reports the last one as command_status.words.
 *
 * Owned by the caller, who ends with command_free().  Errors: ERR_COMMAND (no processes, no descriptors; a
 * COMMAND that does not exist shows in command_status).
 */
struct command *command_start(char *const argv[], enum command_role role,
			      const struct command_peer *peer, struct err *e);

/*
 * Our end of the pipe: read a source's output, write a consumer's input.
 * Non-blocking.  It belongs to the child; -1 after command_close_pipe().
 */
int command_pipe_fd(const struct command *c);

/* Readable when the status is there: for poll(2). */
int command_status_fd(const struct command *c);

/* Has it ended?  Then *s is filled, again and again.  Never waits. */
bool command_ended(struct command *c, struct command_status *s);

/*
 * Close the pipe here and in the supervisor: to a consumer this is the end of
 * its input.
 */
void command_close_pipe(struct command *c);

/*
 * End COMMAND and its process group (SIGTERM, after 2 s SIGKILL), unless it
 * has ended already, wait for that, then close everything and free c.  After a
 * COMMAND that failed the rest of its group is ended, too; after one that did
 * not, the rest goes on.  One that cannot be ended (it runs as another user)
 * does not see the end of its input before it ends by itself.
 */
void command_free(struct command *c);

/* Did it end well? */
bool command_succeeded(const struct command_status *s);

/* "exited with status 1", "was killed by signal 9 (Killed)", ... in e. */
int command_fail(const struct command_status *s, const char *name,
		 struct err *e);
