/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SIGINT, SIGTERM and SIGHUP while a stream runs.  The first is noted, so that
 * the caller can tell the peer; then signals_act() lets it take its default
 * action.  A second one, of any of the three, takes its default action at once,
 * unless it comes within 50 ms: then both belong to one event.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"

/*
 * At the start: unblock these signals, and let them end us as process 1 of a
 * PID namespace, too.  One that is ignored stays so.
 */
void signals_init(void);

/* Note these signals from now on, except ignored ones.  Errors: ERR_STREAM. */
int signals_arm(struct err *e) attr_must_check;

/* Becomes readable with the first signal; -1: signals are not armed. */
int signals_fd(void);

/* After the stream: close the descriptor.  Signals are still noted. */
void signals_disarm(void);

/*
 * After a signal: tells the service manager that we stop, and returns -1 with
 * an ERR_IO that names the signal.
 */
int signals_check(struct err *e) attr_must_check;

/*
 * fork(2), but the child blocks all signals: no handler of ours runs there, and
 * only SIGKILL can end it.
 */
pid_t signals_fork(void);

/*
 * Has the process of signals_fork() ended?  *num: its exit status, which is an
 * errno; ECANCELED if a signal ended it; or why waitpid(2) failed.
 */
bool signals_reap(pid_t pid, int *num);

/* Note sig, for a caller that catches signals by other means. */
void signals_note(int sig);

/* The exit status: 128 plus the signal that was noted, else status. */
int signals_exit_status(int status);

/* If a signal was noted, end the process by it. */
void signals_act(void);
