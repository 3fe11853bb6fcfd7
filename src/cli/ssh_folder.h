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

enum { SSH_FOLDER_PATH_BYTES = sizeof((struct sockaddr_un *)0)->sun_path };

/*
 * Lock the folder, and write the path of the socket with this id.  Returns the
 * lock, a descriptor of the folder, which the caller closes.  Errors: ERR_NET.
 */
int ssh_folder_lock(char path[static SSH_FOLDER_PATH_BYTES],
		    const uint8_t id[static FRAME_NAME_BYTES],
		    struct err *e) attr_must_check;

/*
 * A datagram socket that is connected to an address; -1 with errno set, such as
 * ECONNREFUSED if the process behind it is gone.
 */
int ssh_folder_connect(const struct sockaddr_un *at);

/*
 * Remove what processes of this host left behind.  The lock is held, and its
 * folder is the current one; at is a socket in it.
 */
void ssh_folder_tidy(int lock_fd, const struct sockaddr_un *at);
