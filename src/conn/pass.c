// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/pass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/rights.h"

enum { QUEUE_BYTES = 65536 }; /* some ten connections wait for a stream */

struct pass_message {
	struct peer peer; /* the socket goes beside it, the channel in value */
	struct tls_agreed value;
};

static void pass_wipe(struct pass_message *m)
{
	explicit_bzero(m, sizeof *m);
}

/* A seccomp filter refuses the calls before the kernel finds -1 invalid. */
int pass_check(struct err *e)
{
	struct msghdr m = { 0 };

	if ((sendmsg(-1, &m, 0) < 0 && err_refuses(errno)) ||
	    (recvmsg(-1, &m, 0) < 0 && err_refuses(errno)))
		return err_call(e, ERR_NET, "sendmsg and recvmsg",
				"cannot pass connections on");
	return 0;
}

int pass_open(int ends[static 2])
{
	int bytes = QUEUE_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       0, ends) < 0)
		return -1;
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
	rights_refuse(ends[0]);
	return 0;
}

int pass_send(int over, const struct peer *peer)
{
	attr_cleanup(pass_wipe) struct pass_message m = { .peer = *peer };

	m.peer.channel = NULL;
	channel_give(peer->channel, &m.value);
	return rights_send(over, &m, sizeof m, &peer->socket.fd, 1,
			   MSG_DONTWAIT) < 0
		       ? -1
		       : 0;
}

/* Returns the socket that came with the message, or -1. */
static int pass_receive(int over, struct pass_message *m, bool *ended)
{
	struct rights rights;
	ssize_t n = rights_recv(over, m, sizeof *m, MSG_DONTWAIT, &rights);

	/* ECONNRESET comes once, before the messages that wait: ask again. */
	*ended = n == 0;
	/* Without a free descriptor the kernel drops the one passed. */
	if (n > 0 && !rights.count)
		log_notice("a connection was dropped: no descriptor is free; "
			   "raise ulimit -n");
	return rights.fds[0];
}

/* Nobody can answer it: the listener must not wait for what becomes of it. */
static bool pass_dropped(int over, const struct pass_message *m)
{
	if (m->peer.restarts)
		pass_tell(over, PASS_REFUSED);
	return false;
}

bool pass_recv(int over, struct peer *peer, bool *ended)
{
	attr_cleanup(pass_wipe) struct pass_message m = { .peer.name = "" };
	autoclose int fd = pass_receive(over, &m, ended);
	struct err e = { 0 };

	if (fd < 0)
		return pass_dropped(over, &m);
	*peer = m.peer;
	peer->channel = channel_take(&m.value, fd, &e);
	if (!peer->channel) {
		log_notice("a connection was dropped: %s", e.msg);
		return pass_dropped(over, &m);
	}
	peer->socket.fd = steal_fd(&fd);
	return true;
}

void pass_tell(int over, enum pass_news news)
{
	uint8_t byte = (uint8_t)news;

	if (send(over, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("cannot tell the listener about a connection: %s",
			  strerror(errno));
}

bool pass_told(int over, enum pass_news *news)
{
	uint8_t byte;

	if (recv(over, &byte, 1, MSG_DONTWAIT) <= 0)
		return false;
	*news = (enum pass_news)byte;
	return true;
}
