// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "base/log.h"
#include "base/notify.h"
#include "base/nowait.h"
#include "cli/cmd.h"
#include "cli/serve.h"
#include "cli/setup.h"
#include "conn/activation.h"
#include "conn/connection.h"
#include "conn/net.h"
#include "conn/session_server.h"
#include "stream/stream.h"
#include "tls/ktls.h"

static int listen_tell_ready(const struct options *o, uint16_t port,
			     struct err *e)
{
	char text[16];
	int len = snprintf(text, sizeof text, "%u\n", port);

	notify_set(NOTIFY_READY);
	if (o->ready_fd < 0)
		return 0;
	if (nowait_write_all(o->ready_fd, text, (size_t)len, "to --ready-fd",
			     e) < 0)
		return -1;
	/* Standard error stays open for messages. */
	if (o->ready_fd > STDERR_FILENO)
		close(o->ready_fd);
	return 0;
}

static int listen_run(const struct options *o, struct setup *setup,
		      const struct net_listener *l, struct err *e)
{
	struct session *session = session_server_new(&setup->session, l, e);

	stream_offer(session, setup->stream.part);
	if (session && listen_tell_ready(o, l->port, e) < 0) {
		session_free(session);
		return -1;
	}
	return stream_run(session_first(session, e), &setup->stream,
			  &setup->stats, e);
}

static int listen_keep(const struct options *o, struct setup *setup,
		       struct net_listener *l, struct err *e)
{
	struct serve *keep = serve_new(setup, l, e);
	int ret = -1;

	if (keep && listen_tell_ready(o, l->port, e) == 0)
		ret = serve_run(keep, e);
	serve_free(keep);
	return ret;
}

/* A user at a terminal may have to tell others where to connect. */
static void listen_say_where(const struct options *o,
			     const struct net_listener *l, bool by_address)
{
	char text[NET_LISTENERS_MAX * (NET_NAME_MAX + 2)] = "";
	size_t len = 0;

	for (size_t i = 0; by_address && i < l->count; i++) {
		char name[NET_NAME_MAX];

		net_listener_name(l, i, name);
		len += (size_t)snprintf(text + len, sizeof text - len, "%s%s",
					len ? ", " : "", name);
	}
	if (!by_address)
		snprintf(text, sizeof text, "port %u of every%s address",
			 l->port,
			 o->family == AF_INET	 ? " IPv4"
			 : o->family == AF_INET6 ? " IPv6"
						 : "");
	(isatty(STDERR_FILENO) ? log_notice : log_info)("listening on %s",
							text);
}

/* The sockets that a service manager passed to us, if any */
static int listen_take(const struct options *o, struct net_listener *l,
		       struct err *e)
{
	if (activation_take(l, e) < 0)
		return -1;
	if (!l->count)
		return 0;
	if (o->bind || o->family != AF_UNSPEC || o->port != NET_DEFAULT_PORT)
		return err_set(e, ERR_USAGE, 0,
			       "the service manager has opened the port "
			       "(LISTEN_FDS): choose it in the .socket unit, "
			       "not with -p, -b, -4 or -6");
	for (size_t i = 0; i < l->count; i++) {
		if (l->fds[i] == o->ready_fd)
			return err_set(e, ERR_USAGE, 0,
				       "--ready-fd %d: this is a socket of "
				       "LISTEN_FDS",
				       o->ready_fd);
		tcp_options_apply(&o->tcp, l->fds[i]);
	}
	return 0;
}

static int listen_open(const struct options *o, struct net_listener *l,
		       struct err *e)
{
	struct net_endpoint at = { .host = o->bind,
				   .port = (uint16_t)o->port,
				   .last_port = (uint16_t)o->last_port,
				   .family = o->family,
				   .tcp = &o->tcp,
				   .port_option = "-p" };
	bool passed = l->count;

	if (!passed && net_listen(&at, l, e) < 0)
		return -1;
	listen_say_where(o, l, passed || o->bind);
	return 0;
}

/* Each stream of --keep has its own process, and would report it again. */
static void listen_say_user_space(const struct setup *setup)
{
	struct err why = { 0 };

	if (setup->o->keep && setup->session.ktls == CONNECTION_KTLS_AUTO &&
	    ktls_available(&why) < 0)
		connection_tell_user_space(&why);
}

int cmd_listen(const struct options *o, struct err *e)
{
	autofini_setup struct setup setup = { .stats_fd = -1 };
	struct net_listener l = { .count = 0 };
	int ret = -1;

	if (listen_take(o, &l, e) == 0 && setup_init(&setup, o, e) == 0 &&
	    listen_open(o, &l, e) == 0) {
		listen_say_user_space(&setup);
		if (setup_confine(&setup, e) == 0)
			ret = o->keep ? listen_keep(o, &setup, &l, e)
				      : listen_run(o, &setup, &l, e);
	}
	net_listener_close(&l);
	if (!o->keep) /* else each stream's process has */
		setup_write_stats(&setup, ret < 0 ? e : NULL);
	return ret;
}
