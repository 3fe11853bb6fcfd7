/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launcher: forked before a key is read or a socket opened.  It keeps our
 * privileges, the command line and descriptors 0 to 2, and carries out orders
 * (base/order.h) of the processes that gave their privileges up.  It never has
 * a key, and reads nothing from the network.
 */
#pragma once

#include "cli/options.h"

/*
 * Fork the launcher, unless --confine is off.  From here on order_possible() is
 * true.  If it cannot be started, that is an error with --confine require, else
 * a notice.  It ends when no process is left that can ask.  With --keep it
 * forks one for each stream, which ends with the stream's process.
 *
 * child: a process of ours that it may signal for us, and that it ends when we
 * are gone; 0: none.  Borrows o.  Errors: ERR_KTLS.
 */
int launcher_start(const struct options *o, pid_t child,
		   struct err *e) attr_must_check;
