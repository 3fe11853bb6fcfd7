/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The folder with the sockets of those ssh-servers of a user that have a stream
 * with a name.  Nobody else can enter it.  It outlives the login, as the stream
 * does; $XDG_RUNTIME_DIR does not.
 */
#pragma once

#include <sys/un.h>

#include "base/err.h"
#include "proto/frame.h"

/*
 * Lock the folder, and write the address of the socket with this id.  Returns
 * the lock, which the caller closes.  Errors: ERR_NET.
 */
int ssh_folder_lock(struct sockaddr_un *at,
		    const uint8_t id[static FRAME_NAME_BYTES],
		    struct err *e) attr_must_check;

/*
 * A datagram socket that is connected to an address; -1 with errno set, such as
 * ECONNREFUSED if the process behind it is gone.
 */
int ssh_folder_connect(const struct sockaddr_un *at);

/* Remove what processes of this host left behind; the lock is held. */
void ssh_folder_tidy(int lock, const struct sockaddr_un *at);
