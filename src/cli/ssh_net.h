/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks as authorized_keys names them: ADDRESS or ADDRESS/BITS.  Pure. */
#pragma once

#include <stdbool.h>

bool ssh_net_valid(const char *net);

/* Does net have this numeric address?  False if either is none. */
bool ssh_net_has(const char *net, const char *address);
