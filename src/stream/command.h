/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * COMMAND: a source, whose standard output is the stream, or a consumer, whose
 * standard input is the stream.  It runs under a supervisor process that
 * outlives us.  When we abort or are killed, the supervisor kills COMMAND and
 * reaps it, and only then closes the consumer's input.  So a consumer never
 * takes an aborted stream for an end of file.
 */
#pragma once

#include <sys/resource.h>

#include "base/err.h"
#include "base/order.h"
#include "stream/supervisor.h"

struct command;

/* A started COMMAND, as its parent knows it */
struct command_process {
	pid_t supervisor;
	int pipe_fd; /* our end of the pipe */
	int control_fd; /* to and from the supervisor */
	/*
	 * As long as anybody holds this, the kernel kills COMMAND's group if
	 * the supervisor is killed; then it becomes readable.
	 */
	int leash_fd;
};

/* Remember the soft RLIMIT_CORE for COMMAND, before main() sets it to 0. */
void command_save_core_limit(rlim_t limit);

/*
 * For the launcher: command_start() in this process.  The caller owns the
 * descriptors in *p.  Errors: ERR_COMMAND.
 */
int command_spawn(char *const argv[], const struct order *start, bool passes_on,
		  struct command_process *p, struct err *e) attr_must_check;

/*
 * Start argv[0], searched in PATH, with the other arguments; no shell.  start
 * is the order ORDER_COMMAND, which the launcher gets if there is one.  COMMAND
 * gets descriptors 0, 1 and 2 and no other, default signal dispositions, our
 * environment with a variable for each word of start, and a background process
 * group of its own.
 *
 * A consumer's standard error is a pipe to the supervisor, and so is a source's
 * if our messages have a subject, or if our standard error is a terminal with
 * "stty tostop".  The supervisor passes the lines on to our own standard error
 * (command_log.h) and reports the last one in command_status.words.
 *
 * passes_on: a source's standard error always is such a pipe, and so is a
 * consumer's standard output.  Then COMMAND outlives the reader of our standard
 * error.
 *
 * Owns: the caller owns the result and calls command_free().
 * Errors: ERR_COMMAND (no processes, no descriptors).  A COMMAND that does not
 * exist is reported in command_status.
 */
struct command *command_start(char *const argv[], const struct order *start,
			      bool passes_on, struct err *e);

/*
 * Our end of the pipe, non-blocking: read a source's output from it, write a
 * consumer's input to it.  c keeps it; -1 after command_close_pipe().
 */
int command_pipe_fd(const struct command *c);

/*
 * Readable once COMMAND has ended: for poll(2).  -1 once the status was taken.
 */
int command_status_fd(const struct command *c);

/* Has COMMAND ended?  If so fill *s, at every call.  Never waits. */
bool command_ended(struct command *c, struct command_status *s);

/*
 * Close the pipe here and in the supervisor.  A consumer sees the end of its
 * input.
 */
void command_close_pipe(struct command *c);

/*
 * End COMMAND and its process group (SIGTERM, after 2 s SIGKILL) unless it has
 * ended already, wait for that, close everything and free c.  If COMMAND
 * failed, the rest of its group is ended too; if it succeeded, the rest runs
 * on.  A COMMAND that we may not kill (it runs as another user) does not see
 * the end of its input before it ends by itself.  A supervisor that is stopped
 * and does not continue within 10 s ends COMMAND as soon as it runs.
 */
void command_free(struct command *c);

/* Did COMMAND exit with status 0? */
bool command_succeeded(const struct command_status *s);

/* Put "NAME exited with status 1" or the like into e.  Returns -1. */
int command_fail(const struct command_status *s, const char *name,
		 struct err *e);
