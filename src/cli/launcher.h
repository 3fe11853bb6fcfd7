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
 * Fork the launcher.  From here on order_possible().  It ends when no process is
 * left that can ask.  Borrows o.  Errors: ERR_KTLS.
 */
int launcher_start(const struct options *o, struct err *e) attr_must_check;
