/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes of ssh-server that pass something on, and have no key: the messages
 * of a stream with a name, and the bytes of ssh's channel.
 */
#pragma once

#include "base/err.h"

/*
 * A stream with a name outlives the ssh that started it.  From now on standard
 * error leads to a process that passes messages on to the ssh that has the
 * stream, here and in all that we start.  It ends with the last of them.
 * Errors: ERR_NET.
 */
int ssh_relay_start(struct err *e) attr_must_check;

/* From now on that process writes to fd, which stays the caller's. */
void ssh_relay_use(int fd);

/*
 * ssh's channel, two descriptors, as one socket.  Two processes copy, one each
 * way, and end with the socket or with the channel.  Borrows in_fd and out_fd.
 * Returns the socket, non-blocking and owned by the caller.  Errors: ERR_NET.
 */
int ssh_relay_channel(int in_fd, int out_fd, struct err *e) attr_must_check;
