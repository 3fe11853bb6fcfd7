/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SIGINT, SIGTERM and SIGHUP while a stream runs: the peer is told, then the
 * signal does what it does by default.  A second one, whichever of them, does
 * that at once.
 */
#pragma once

#include "base/err.h"

/*
 * From now on these signals, unless they are ignored, are noted.  Returns a
 * descriptor that is readable after the first.  Errors: ERR_BUG.
 */
int signals_arm(struct err *e) attr_must_check;

/* The stream is over: the descriptor is closed.  Signals are still noted. */
void signals_disarm(void);

/* Returns -1, with an ERR_IO that names it, after a signal came. */
int signals_check(struct err *e) attr_must_check;

/* As if sig had come: for who catches signals in another way. */
void signals_note(int sig);

/* What the exit status will be: status, or 128 and the signal that came. */
int signals_exit_status(int status);

/* If one came: end by it. */
void signals_act(void);
