/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process between us and COMMAND: it starts COMMAND, waits for it, and
 * outlives us.  Used by command.c alone, which has our end of the socket.
 */
#pragma once

#include <stdbool.h>
#include <sys/resource.h>

#include "stream/command_log.h"

enum command_role { COMMAND_SOURCE, COMMAND_CONSUMER };

/*
 * How COMMAND ended.  It has ended when it has exited, and so has whatever it
 * left behind in its process group with the stream open.
 */
struct command_status {
	int start_errno; /* not 0: it could not be started */
	int exit_status; /* valid if signal is 0 */
	int signal; /* not 0: killed by it */
	bool wanted_terminal; /* the signal stopped it, and we ended it */
	bool left_behind; /* not COMMAND itself, but what it left behind */
	char words[COMMAND_LOG_WORDS_BYTES]; /* its last line, see below */
};

/* What COMMAND finds about the peer in its environment; NULL: not set. */
struct command_peer {
	const char *identity; /* authenticated */
	const char *method; /* how */
	const char *address; /* and port */
	const char *stream; /* id */
};

/* The orders that it takes; the end of the socket means KILL, too. */
enum { SUPERVISOR_CLOSE = 'c', SUPERVISOR_KILL = 'k' };

/* What it needs to know.  Borrowed. */
struct supervisor_params {
	char *const *argv; /* COMMAND and its arguments */
	enum command_role role;
	const struct command_peer *peer;
	rlim_t core_limit; /* of COMMAND */
	int child_fd; /* COMMAND's end of the pipe */
	int keep_fd; /* the end that keeps a consumer's input open, or -1 */
	int control_fd; /* a socket of packets: orders come, answers go */
};

/*
 * Be the supervisor, in a process made for it.  Never returns.  Answers: first
 * COMMAND's process group, a pid_t; at the end, or instead if COMMAND could not
 * be started, a struct command_status.
 */
void supervisor_main(const struct supervisor_params *p);
