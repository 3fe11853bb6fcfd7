/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages of unix sockets that carry descriptors.
 * Ref: unix(7), SCM_RIGHTS and SCM_CREDENTIALS.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

enum {
	RIGHTS_MAX = 3, /* descriptors that one message carries */
	RIGHTS_ROOM = 16, /* more than a sender can make us take */
};

/* What came with a message.  The descriptors belong to its receiver. */
struct rights {
	size_t count;
	int fds[RIGHTS_ROOM]; /* those that did not come are -1 */
	struct ucred from; /* of a socket with SO_PASSCRED; uid -1: unknown */
};

/*
 * Send a message with count descriptors, which stay the caller's.  As
 * sendmsg(2), but without SIGPIPE, and again after EINTR.
 */
ssize_t rights_send(int over_fd, const void *bytes, size_t len, const int *fds,
		    size_t count, int flags);

/*
 * Receive a message and fill *r, after an error too.  As recvmsg(2), but again
 * after EINTR.  The descriptors are close-on-exec.
 */
ssize_t rights_recv(int over_fd, void *bytes, size_t len, int flags,
		    struct rights *r);

/*
 * Has the other end gone?  A message without bytes looks the same to
 * recvmsg(2).  Also true if poll(2) fails.
 */
bool rights_ended(int over_fd);

/*
 * Close a descriptor that came; -1: none.  Never waits, though its sender may
 * have asked for that (socket(7), SO_LINGER).
 */
void rights_drop(int *fd);

/* The same for all that came. */
void rights_close(struct rights *r);
