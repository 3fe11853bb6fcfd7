/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process between us and COMMAND.  It starts COMMAND, reaps it, reports its
 * status, and outlives us.  Used by command.c alone.
 */
#pragma once

#include <sys/resource.h>

#include "base/order.h"
#include "stream/command_log.h"

enum command_role { COMMAND_SOURCE, COMMAND_CONSUMER };

/*
 * How COMMAND ended.  It has ended when it has exited, and so have those
 * members of its process group that still had the stream open.
 */
struct command_status {
	int start_errno; /* not 0: it could not be started */
	int exit_status; /* valid if signal is 0 */
	int signal; /* not 0: killed by it */
	bool wanted_terminal; /* signal stopped it, we ended it */
	bool left_behind; /* it was another process of its group */
	bool left_unseen; /* and may not have had the stream open */
	bool unwatched; /* the supervisor was killed: the end is unknown */
	char words[COMMAND_LOG_WORDS_BYTES]; /* its last line (command_log.h) */
};

/* Orders to the supervisor.  The end of the socket means KILL as well. */
enum { SUPERVISOR_CLOSE = 'c', SUPERVISOR_KILL = 'k' };

/* Everything is borrowed. */
struct supervisor_params {
	char *const *argv; /* COMMAND and its arguments */
	const struct order *start; /* see command_start() */
	bool passes_on; /* see command_start() */
	rlim_t core_limit; /* of COMMAND */
	int child_fd; /* COMMAND's end of the pipe */
	int keep_fd; /* the end that keeps a consumer's input open, or -1 */
	int control_fd; /* SOCK_SEQPACKET: orders in, the status out */
	int leash[2]; /* a pipe: see struct command_process */
};

/*
 * Run the supervisor, in a process forked for it.  Never returns.  At the
 * end it answers with a struct command_status.
 */
void supervisor_main(const struct supervisor_params *p);
