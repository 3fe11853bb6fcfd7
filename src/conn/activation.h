/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Socket activation: a service manager opened the sockets to listen on and
 * started us with them.  The protocol of sd_listen_fds(3), without libsystemd.
 */
#pragma once

#include "base/err.h"
#include "conn/net.h"

/*
 * Take the sockets that LISTEN_PID and LISTEN_FDS name, NET_LISTENERS_MAX at
 * most: each must listen for TCP.  They become non-blocking and close-on-exec.
 * l->count is 0 if none were passed to this process.  Removes the variables
 * from the environment.
 * Owns: the caller calls net_listener_close().
 * Errors: ERR_USAGE, ERR_NET.
 */
int activation_take(struct net_listener *l, struct err *e) attr_must_check;

/* Remove the variables from the environment: they are not for COMMAND. */
void activation_forget(void);
