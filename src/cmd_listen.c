// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "clock.h"
#include "cmd.h"
#include "door.h"
#include "greet.h"
#include "io.h"
#include "log.h"
#include "net.h"
#include "setup.h"
#include "stream.h"

static int listen_tell_ready(const struct opts *o, uint16_t port, struct err *e)
{
	char text[16];
	int len = snprintf(text, sizeof text, "%u\n", port);

	if (o->ready_fd < 0)
		return 0;
	if (io_write_all(o->ready_fd, text, (size_t)len, "to --ready-fd", e) <
	    0)
		return -1;
	/* Standard error stays open for messages. */
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

/* The WELCOME has left our buffers before the kernel takes over. */
static int listen_welcome(const struct opts *o, struct door_guest *guest,
			  struct err *e)
{
	struct frame f = { .type = FRAME_WELCOME };

	if (o->raw)
		return 0;
	setup_welcome(o, &f.welcome);
	return greet_send(guest->tls, guest->socket.fd, &f,
			  clock_deadline(o->handshake_ms), e);
}

/* Let the first peer in that is still there when it is welcomed. */
static int listen_admit(const struct opts *o, struct door *door,
			struct door_guest *guest, struct err *e)
{
	uint64_t deadline = clock_deadline(o->wait_ms);

	for (;;) {
		uint64_t now = clock_now_ms();

		if (door_wait(door, deadline > now ? deadline - now : 0, guest,
			      e) < 0)
			return -1;
		if (listen_welcome(o, guest, e) == 0)
			return 0;
		log_notice("a peer went away again: %s", e->msg);
		*e = (struct err){ 0 };
		tls_free(guest->tls);
		close(guest->socket.fd);
	}
}

static struct chan *listen_open(const struct opts *o, struct door *door,
				uint64_t *peer_store_bytes, struct err *e)
{
	struct door_guest guest;

	if (listen_admit(o, door, &guest, e) < 0)
		return NULL;
	*peer_store_bytes = guest.hello.store_bytes;
	if (stream_role(o) == CHAN_RECEIVER)
		net_keepalive(guest.socket.fd);
	return chan_open(guest.tls, &guest.socket, stream_role(o),
			 setup_ktls(o), o->raw, e);
}

static int listen_run(const struct opts *o, struct setup *setup,
		      const struct net_listener *l, struct err *e)
{
	struct door_params params = { .listener = l,
				      .cred = setup->cred,
				      .modes = &setup->modes,
				      .ktls = setup_ktls(o),
				      .raw = o->raw,
				      .role = stream_frame_role(o),
				      .handshake_ms = o->handshake_ms };
	struct stream_params stream = { .o = o };
	struct door *door = door_open(&params, e);
	int ret = -1;

	if (door && listen_tell_ready(o, l->port, e) == 0)
		stream.chan = listen_open(o, door, &stream.peer_store_bytes, e);
	if (stream.chan) {
		stream.chore = door_busy(door);
		ret = stream_run(&stream, &setup->stats, e);
	}
	door_close(door);
	return ret;
}

int cmd_listen(const struct opts *o, struct err *e)
{
	struct net_endpoint at = { .host = o->bind,
				   .port = (uint16_t)o->port,
				   .family = o->family };
	autofini_setup struct setup setup = { .cred = NULL };
	struct net_listener l;
	int ret;

	if (listen_check_ready(o, e) < 0 || setup_init(&setup, o, e) < 0 ||
	    net_listen(&at, &l, e) < 0)
		return -1;
	log_info("listening on port %u", l.port);
	ret = listen_run(o, &setup, &l, e);
	net_listener_close(&l);
	setup_write_stats(&setup, ret < 0 ? (int)e->kind : 0);
	return ret;
}
