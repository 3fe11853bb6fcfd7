// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <poll.h>

#include "clock.h"
#include "cmd.h"
#include "greet.h"
#include "log.h"
#include "net.h"
#include "setup.h"
#include "stream.h"

enum { CONNECT_MS = 30000 };

static int connect_handshake(struct tls *t, int fd, const struct opts *o,
			     uint64_t deadline_ms, struct err *e)
{
	struct pollfd p = { .fd = fd };
	enum tls_want want;
	int n;

	for (;;) {
		if (tls_handshake(t, &want, e) < 0)
			return -1;
		if (want == TLS_DONE)
			return 0;
		p.events = want == TLS_WANT_WRITE ? POLLOUT : POLLIN;
		n = poll(&p, 1, clock_poll_ms(deadline_ms));
		if (n < 0 && errno != EINTR)
			return err_set(e, ERR_BUG, errno, "poll");
		if (n == 0)
			return err_set(e, ERR_AUTH, 0,
				       "no handshake within %" PRIu64 " ms: "
				       "the peer does not answer, or not in "
				       "TLS",
				       o->handshake_ms);
	}
}

/* Handshake and greeting; *peer_store_bytes out of the WELCOME. */
static int connect_meet(struct tls *t, int fd, const struct opts *o,
			uint64_t *peer_store_bytes, struct err *e)
{
	uint64_t deadline_ms = clock_deadline(o->handshake_ms);
	struct frame_welcome welcome = { 0 };
	struct frame_hello hello;

	if (connect_handshake(t, fd, o, deadline_ms, e) < 0)
		return -1;
	if (o->raw)
		return 0;
	setup_hello(o, &hello);
	if (greet_connect(t, fd, &hello, deadline_ms, &welcome, e) < 0)
		return -1;
	*peer_store_bytes = welcome.store_bytes;
	return 0;
}

static struct chan *connect_open(const struct opts *o, struct setup *setup,
				 uint64_t *peer_store_bytes, struct err *e)
{
	struct net_endpoint to = { .host = o->host,
				   .bind = o->bind,
				   .port = (uint16_t)o->port,
				   .family = o->family };
	struct chan_socket s = { .fd = net_connect(&to, CONNECT_MS, e) };
	struct tls_params params = { .fd = s.fd,
				     .cred = setup->cred,
				     .modes = &setup->modes,
				     .raw = o->raw };
	char name[NET_NAME_MAX];
	struct tls *t;

	if (s.fd < 0)
		return NULL;
	net_peer_name(s.fd, name);
	chan_attach(&s, setup_ktls(o));
	t = tls_new(&params, e);
	if (!t || connect_meet(t, s.fd, o, peer_store_bytes, e) < 0) {
		tls_free(t);
		close(s.fd);
		err_wrap(e, "%s", name);
		return NULL;
	}
	log_info("peer %s, %s", name, tls_mode(t)->title);
	if (stream_role(o) == CHAN_RECEIVER)
		net_keepalive(s.fd);
	return chan_open(t, &s, stream_role(o), setup_ktls(o), o->raw, e);
}

int cmd_connect(const struct opts *o, struct err *e)
{
	autofini_setup struct setup setup = { .cred = NULL };
	struct stream_params stream = { .o = o };
	int ret = -1;

	if (setup_init(&setup, o, e) < 0)
		return -1;
	stream.chan = connect_open(o, &setup, &stream.peer_store_bytes, e);
	if (stream.chan)
		ret = stream_run(&stream, &setup.stats, e);
	setup_write_stats(&setup, ret < 0 ? (int)e->kind : 0);
	return ret;
}
