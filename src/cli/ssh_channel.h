/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ssh's channel on the far host, two descriptors, as one socket.  Two processes
 * copy, one each way, and end with the socket or with the channel.
 */
#pragma once

#include "base/err.h"

/*
 * Borrows in_fd and out_fd.  Returns the socket, non-blocking and owned by the
 * caller.  Errors: ERR_NET.
 */
int ssh_channel_open(int in_fd, int out_fd, struct err *e) attr_must_check;
