// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <poll.h>

#include "clock.h"
#include "cmd.h"
#include "io.h"
#include "log.h"
#include "net.h"
#include "sender.h"
#include "setup.h"
#include "store_mem.h"
#include "store_pipe.h"

enum {
	CONNECT_MS = 30000,
	STORE_BYTES = 1 << 20, /* 64 records */
};

static int connect_handshake(struct tls *t, int fd, const struct opts *o,
			     struct err *e)
{
	uint64_t deadline = clock_deadline(o->handshake_ms);
	struct pollfd p = { .fd = fd };
	enum tls_want want;
	int n;

	for (;;) {
		if (tls_handshake(t, &want, e) < 0)
			return -1;
		if (want == TLS_DONE)
			return 0;
		p.events = want == TLS_WANT_WRITE ? POLLOUT : POLLIN;
		n = poll(&p, 1, clock_poll_ms(deadline));
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

static struct tls *connect_session(const struct opts *o, struct setup *setup,
				   struct chan_socket *s, struct err *e)
{
	struct tls_params params = { .fd = s->fd,
				     .cred = setup->cred,
				     .modes = &setup->modes };
	struct tls *t = tls_new(&params, e);

	if (t && connect_handshake(t, s->fd, o, e) < 0) {
		tls_free(t);
		return NULL;
	}
	return t;
}

static struct chan *connect_open(const struct opts *o, struct setup *setup,
				 struct err *e)
{
	struct net_endpoint to = { .host = o->host,
				   .bind = o->bind,
				   .port = (uint16_t)o->port,
				   .family = o->family };
	struct chan_socket s = { .fd = net_connect(&to, CONNECT_MS, e) };
	char name[NET_NAME_MAX];
	struct tls *t;

	if (s.fd < 0)
		return NULL;
	net_peer_name(s.fd, name);
	chan_attach(&s, setup_ktls(o));
	t = connect_session(o, setup, &s, e);
	if (!t) {
		close(s.fd);
		err_wrap(e, "%s", name);
		return NULL;
	}
	log_info("peer %s, %s", name, tls_mode(t)->title);
	return chan_open(t, &s, CHAN_SENDER, setup_ktls(o), o->raw, e);
}

/* splice(2) needs the kernel's records and a pipe to take bytes from. */
static struct store *connect_store(const struct opts *o, struct chan *chan,
				   struct err *e)
{
	bool splice = o->tx != OPT_HOW_COPY && chan_in_kernel(chan) &&
		      io_kind(STDIN_FILENO) == IO_PIPE;

	log_debug("input by %s", splice ? "splice" : "read and send");
	if (splice)
		return store_pipe_new(STDIN_FILENO, e);
	return store_mem_new(STDIN_FILENO, STORE_BYTES, e);
}

int cmd_connect(const struct opts *o, struct err *e)
{
	autofini_setup struct setup setup = { .cred = NULL };
	struct store *store;
	struct chan *chan;
	int ret = -1;

	if (setup_init(&setup, o, e) < 0)
		return -1;
	chan = connect_open(o, &setup, e);
	if (!chan)
		return -1;
	store = connect_store(o, chan, e);
	if (store) {
		ret = sender_run(store, chan, e);
		store->ops->free(store);
	} else {
		chan_abort(chan);
	}
	chan_close(chan);
	return ret;
}
