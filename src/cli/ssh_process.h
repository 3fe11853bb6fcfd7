/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ssh(1) as our child.  Its standard input and output are one socket of ours;
 * its standard error is ours, and it asks for passwords on the terminal.  It
 * ends when we die.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "cli/ssh_answer.h"
#include "cli/ssh_args.h"

struct ssh_process {
	pid_t pid; /* 0: none */
	int fd; /* our end of the socket, or -1 */
	bool ended; /* it closed its end */
	bool gave_up; /* the other host said so: it had begun a stream */
	uint64_t
		deadline_ms; /* of the next answer; CLOCK_NEVER: no login yet */
	struct ssh_answer_reader reader;
};

/* What ssh's configuration says about the far host */
struct ssh_process_config {
	char host[256]; /* where ssh connects to; "": another way, or unknown */
	bool known; /* it is known at all */
	bool forks; /* this ssh knows StdinNull, ForkAfterAuthentication... */
	bool local_command, remote_command; /* the user has one */
};

/* Ask ssh -G. */
void ssh_process_ask(const struct ssh_args *a, struct ssh_process_config *c);

/*
 * Start ssh, which runs command on the far host.  The caller calls
 * ssh_process_end().  Errors: ERR_NET.
 */
int ssh_process_start(struct ssh_process *p, const struct ssh_args *a,
		      const struct ssh_process_config *c, const char *command,
		      struct err *e) attr_must_check;

/*
 * Wait for the next answer: without a limit until ssh has logged in, then for
 * 20 s.  Errors: ERR_NET; p->ended says whether ssh is gone.
 */
int ssh_process_hear(struct ssh_process *p, struct ssh_answer *a,
		     struct err *e) attr_must_check;

/*
 * Say something to the far program, which has 20 s to answer.  Errors: ERR_NET.
 */
int ssh_process_say(struct ssh_process *p, const void *text, size_t len,
		    struct err *e) attr_must_check;

/*
 * Close the socket and wait for ssh, for at most ms; then end it.  Returns its
 * exit status, 128 plus a signal, or -1 if it was ended by us or had ended
 * before.
 */
int ssh_process_end(struct ssh_process *p, uint64_t ms);
