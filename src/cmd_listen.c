// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "door.h"
#include "io.h"
#include "log.h"
#include "net.h"
#include "receiver.h"
#include "setup.h"
#include "sink.h"

static int listen_tell_ready(const struct opts *o, uint16_t port, struct err *e)
{
	char text[16];
	int len = snprintf(text, sizeof text, "%u\n", port);

	if (o->ready_fd < 0)
		return 0;
	if (io_write_all(o->ready_fd, text, (size_t)len, "to --ready-fd", e) <
	    0)
		return -1;
	/* The peer of a --ready-fd that is our own output must not see EOF. */
	if (o->ready_fd > STDERR_FILENO)
		close(o->ready_fd);
	return 0;
}

static int listen_check_ready(const struct opts *o, struct err *e)
{
	if (o->ready_fd == STDOUT_FILENO)
		return err_set(e, ERR_USAGE, 0,
			       "--ready-fd 1: standard output is the stream");
	if (o->ready_fd >= 0 && fcntl(o->ready_fd, F_GETFD) < 0)
		return err_set(e, ERR_USAGE, errno, "--ready-fd %d",
			       o->ready_fd);
	return 0;
}

static struct chan *listen_open(const struct opts *o, struct setup *setup,
				struct net_listener *l, struct err *e)
{
	struct door_params door = { .listener = l,
				    .cred = setup->cred,
				    .modes = &setup->modes,
				    .ktls = setup_ktls(o),
				    .wait_ms = o->wait_ms,
				    .handshake_ms = o->handshake_ms };
	struct chan_socket s;
	struct tls *t;

	t = door_wait(&door, &s, e);
	if (!t)
		return NULL;
	net_keepalive(s.fd);
	return chan_open(t, &s, CHAN_RECEIVER, setup_ktls(o), o->raw, e);
}

static int listen_receive(const struct opts *o, struct chan *chan,
			  struct err *e)
{
	static const enum receiver_how how[] = {
		[OPT_HOW_AUTO] = RECEIVER_AUTO,
		[OPT_HOW_SPLICE] = RECEIVER_SPLICE,
		[OPT_HOW_COPY] = RECEIVER_READ,
	};
	struct sink sink;

	sink_init(&sink, STDOUT_FILENO);
	return receiver_run(chan, &sink, how[o->rx], e);
}

int cmd_listen(const struct opts *o, struct err *e)
{
	struct net_endpoint at = { .host = o->bind,
				   .port = (uint16_t)o->port,
				   .family = o->family };
	autofini_setup struct setup setup = { .cred = NULL };
	struct net_listener l;
	struct chan *chan = NULL;
	int ret;

	if (listen_check_ready(o, e) < 0 || setup_init(&setup, o, e) < 0 ||
	    net_listen(&at, &l, e) < 0)
		return -1;
	log_info("listening on port %u", l.port);
	if (listen_tell_ready(o, l.port, e) == 0)
		chan = listen_open(o, &setup, &l, e);
	net_listener_close(&l);
	if (!chan)
		return -1;
	ret = listen_receive(o, chan, e);
	chan_close(chan);
	return ret;
}
