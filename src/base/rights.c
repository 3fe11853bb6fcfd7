// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/rights.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/cleanup.h"

union rights_control {
	char bytes[CMSG_SPACE(RIGHTS_MAX * sizeof(int)) +
		   CMSG_SPACE(sizeof(struct ucred))];
	struct cmsghdr first;
};

_Static_assert(sizeof(union rights_control) <=
		       CMSG_SPACE(RIGHTS_ROOM * sizeof(int)),
	       "there is room for what comes");

ssize_t rights_send(int over_fd, const void *bytes, size_t len, const int *fds,
		    size_t count, int flags)
{
	size_t size = count * sizeof *fds;
	struct iovec iov = { (void *)bytes, len };
	union rights_control control = { .bytes = { 0 } };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = count ? CMSG_SPACE(size) : 0 };
	ssize_t n;

	control.first = (struct cmsghdr){ .cmsg_len = CMSG_LEN(size),
					  .cmsg_level = SOL_SOCKET,
					  .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.first), fds, size);
	do
		n = sendmsg(over_fd, &m, MSG_NOSIGNAL | flags);
	while (n < 0 && errno == EINTR);
	return n;
}

static void rights_take(const struct cmsghdr *c, struct rights *r)
{
	size_t size = c->cmsg_len - CMSG_LEN(0);

	if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		memcpy(r->fds, CMSG_DATA(c), size);
		r->count = size / sizeof *r->fds;
	} else if (c->cmsg_level == SOL_SOCKET &&
		   c->cmsg_type == SCM_CREDENTIALS) {
		memcpy(&r->from, CMSG_DATA(c), sizeof r->from);
	}
}

ssize_t rights_recv(int over_fd, void *bytes, size_t len, int flags,
		    struct rights *r)
{
	struct iovec iov = { bytes, len };
	union rights_control control;
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof control.bytes };
	ssize_t n;

	*r = (struct rights){ .from = { .uid = (uid_t)-1 } };
	memset(r->fds, -1, sizeof r->fds);
	do
		n = recvmsg(over_fd, &m, MSG_CMSG_CLOEXEC | flags);
	while (n < 0 && errno == EINTR);
	for (struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&m); c;
	     c = CMSG_NXTHDR(&m, c))
		rights_take(c, r);
	return n;
}

bool rights_ended(int over_fd)
{
	struct pollfd p = { .fd = over_fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) != 0;
}

void rights_drop(int *fd)
{
	const struct linger at_once = { .l_onoff = 0 };

	if (*fd >= 0)
		setsockopt(*fd, SOL_SOCKET, SO_LINGER, &at_once,
			   sizeof at_once);
	attr_close(fd);
}

void rights_close(struct rights *r)
{
	for (size_t i = 0; i < r->count; i++)
		rights_drop(&r->fds[i]);
	r->count = 0;
}
