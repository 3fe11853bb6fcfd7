// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/client.h"

#include <errno.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"

enum {
	RESOLVE_MS = 30000,
	PER_ADDRESS_MS = 5000, /* if the name has several */
};

static struct net_target client_target(const struct client *client)
{
	const struct net_addresses *from = &client->source;
	struct net_target t = { .to = &client->list.all[client->next],
				.port = client->session.p.config->port,
				.tcp = &client->session.p.config->tcp };

	for (size_t i = 0;
	     client->session.p.config->bind && i < from->count && !t.from; i++)
		if (from->all[i].family == t.to->family)
			t.from = &from->all[i];
	return t;
}

void client_dial_speak(struct client *client)
{
	struct net_target t = client_target(client);
	char name[NET_NAME_MAX];

	client->spoke |= client->state < CLIENT_PASSWORD
				 ? 1u << client->state
				 : ~0u << CLIENT_PASSWORD;
	client->speak_ms = CLOCK_NEVER;
	if (client->state == CLIENT_RESOLVING) {
		log_notice("no name server has answered for %d s about %s; %s",
			   CLIENT_SPEAK_MS / 1000,
			   client->session.p.config->host,
			   client->known.host.count
				   ? "using the previous addresses"
				   : "still waiting");
	} else if (client->state == CLIENT_CONNECTING) {
		net_target_name(&t, name);
		log_notice("no answer from %s for %d s: is TCP port %u open "
			   "there (firewall), and does btrfs-ktls-pipe "
			   "listen?",
			   name, CLIENT_SPEAK_MS / 1000, t.port);
	} else {
		log_notice("%s has accepted the connection, but has not "
			   "answered for %d s: is that btrfs-ktls-pipe, and is "
			   "its host overloaded?",
			   client->name, CLIENT_SPEAK_HANDSHAKE_MS / 1000);
	}
	client_watch(client, client->state == CLIENT_CONNECTING
				     ? TLS_WANT_WRITE
				     : TLS_WANT_READ);
}

/*
 * May a later attempt succeed where one failed with *e?  A firewall that
 * rejects looks like a missing route, or like a lack of permission; an
 * interface or a listener may be about to come up.
 */
static bool client_retryable(const struct err *e)
{
	switch (e->num) {
	case EAGAIN: /* the resolver */
	case ECONNREFUSED:
	case ECONNRESET:
	case ECONNABORTED:
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENETUNREACH:
	case ENETDOWN:
	case ENETRESET:
	case ENONET:
	case EACCES: /* ICMPv6, administratively prohibited */
	case EINVAL: /* a route that discards */
	case EPROTO: /* ICMPv6, parameter problem */
	case ENOPROTOOPT: /* ICMP, protocol unreachable */
	case EADDRNOTAVAIL: /* no address yet, or no free port */
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		return e->kind == ERR_NET;
	}
	return false;
}

static uint64_t client_connect_ms(const struct client *client)
{
	uint64_t ms = client->session.p.config->connect_ms;

	return client->list.count > 1 ? min_u64(ms, PER_ADDRESS_MS) : ms;
}

/* Connect to the next address. */
static int client_connect(struct client *client, struct err *e)
{
	struct net_target t = client_target(client);

	client->socket = (struct connection_socket){ .fd = -1 };
	if (client->session.p.config->bind && !t.from) {
		char name[NET_NAME_MAX];

		net_target_name(&t, name);
		err_set(e, ERR_NET, 0,
			"cannot connect to %s from %s: it is of another "
			"address family",
			name, client->session.p.config->bind);
		return client_failed(client, false, e);
	}
	client->socket.fd = net_connect(&t, e);
	if (client->socket.fd < 0)
		return client_failed(client, client_retryable(e), e);
	client_wait(client, CLIENT_CONNECTING,
		    client_patience(client, client_connect_ms(client)),
		    TLS_WANT_WRITE);
	return 0;
}

/* Use the addresses that a look-up found, or those of the last connection. */
static int client_found(struct client *client, const struct resolve_answer *a,
			struct err *e)
{
	client->list = a->host;
	client->source = a->source;
	client->next = 0;
	client->retryable = false;
	return client_connect(client, e);
}

int client_dial_resolving(struct client *client, struct err *e)
{
	bool done;
	int ret = resolve_take(&client->resolve, &done, e);

	if (ret == 0 && done)
		return client_found(client, &client->resolve.answer, e);
	if (ret == 0 && clock_now_ms() < client->deadline_ms)
		return 0;
	if (ret == 0) {
		err_set(e, ERR_NET, ETIMEDOUT, "cannot resolve '%s'",
			client->session.p.config->host);
		err_append(e, " (does a name server answer?)");
	}
	if (!client->known.host.count)
		return client_failed(client, client_retryable(e), e);
	log_debug("%s; using the previous addresses", e->msg);
	*e = (struct err){ 0 };
	resolve_stop(&client->resolve);
	return client_found(client, &client->known, e);
}

int client_dial_connecting(struct client *client, struct err *e)
{
	struct net_target t = client_target(client);
	int ret;

	if (io_ready(client->session.fd, client->session.events))
		ret = net_connected(client->socket.fd, &t, e);
	else if (clock_now_ms() < client->deadline_ms)
		return 0;
	else
		ret = net_cannot_connect(&t, ETIMEDOUT, e);
	if (ret < 0)
		return client_failed(client, client_retryable(e), e);
	return client_handshake_begin(client, e);
}

/* The channel is the only connection there can be: see client_failed(). */
static int client_use_channel(struct client *client, struct err *e)
{
	client->socket = (struct connection_socket){
		.fd = client->session.p.config->channel_fd
	};
	return client_handshake_begin(client, e);
}

int client_dial_begin(struct client *client, struct err *e)
{
	const struct session_config *o = client->session.p.config;
	const struct resolve_query q = { .host = o->host,
					 .number = o->host_number,
					 .source = o->bind,
					 .family = o->family };

	if (o->in_channel)
		return client_use_channel(client, e);
	if (client->next < client->list.count)
		return client_connect(client, e);
	if (!client->look_up)
		return client_found(client, &client->known, e);
	client->list.count = client->next = 0;
	if (resolve_start(&client->resolve, &q, e) < 0)
		return client_failed(client, client_retryable(e), e);
	client_wait(client, CLIENT_RESOLVING,
		    client_patience(client, client->known.host.count
						    ? CLIENT_SPEAK_MS
						    : RESOLVE_MS),
		    TLS_WANT_READ);
	return 0;
}
