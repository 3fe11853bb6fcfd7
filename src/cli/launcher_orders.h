/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the launcher does for the confined processes.  Each order was checked by
 * order_check(); here it is checked against the command line and against the
 * processes that there are.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/order.h"
#include "cli/options.h"

/* At the same time: those of all streams, and of some that end. */
enum { LAUNCHER_COMMANDS_MAX = 128, LAUNCHER_STREAMS_MAX = 128 };

struct launcher {
	const struct options *o;
	pid_t resolver; /* the last look-up; 0: none */
	pid_t slow; /* carries out the last slow order; 0: none */
	struct {
		pid_t supervisor; /* 0: free */
		pid_t group; /* COMMAND's; 0: it was not started */
	} commands[LAUNCHER_COMMANDS_MAX];
	/* The processes of streams under --keep: what is not here is not ours
	 * to signal. */
	struct {
		pid_t pid; /* 0: free */
		int pidfd; /* tells that it has ended; -1: Linux before 5.3 */
	} streams[LAUNCHER_STREAMS_MAX];
};

/* This process may be signalled.  -1: there are too many. */
int launcher_orders_note(struct launcher *l, pid_t pid);

/* Nobody can ask any more: end a process that was noted. */
void launcher_orders_end(const struct launcher *l, pid_t pid);

/* Carry out an order, whose descriptors are borrowed, and fill *a. */
void launcher_orders_obey(struct launcher *l, const struct order_received *r,
			  struct order_answer *a);

/*
 * Reap all processes that ended.  If a supervisor was killed, what is left of
 * its COMMAND is killed too.
 */
void launcher_orders_reap(struct launcher *l);
