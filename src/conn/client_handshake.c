// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/client.h"

#include <stdio.h>

enum { LEAVE_MS = 500 }; /* until a refused peer has read our alert */

/* own: a credential for this connection only (taken over), or NULL. */
static int client_start_tls(struct client *client, struct credential *own,
			    struct err *e)
{
	const struct session_params *p = &client->session.p;
	struct tls_params params = {
		.fd = client->socket.fd,
		.cred = own		      ? own
			: client->ticket_cred ? client->ticket_cred
					      : p->cred,
		.owns_cred = own,
		.modes = p->modes,
		.raw = p->config->raw,
	};

	client->tls = tls_new(&params, e);
	client->state = CLIENT_HANDSHAKE;
	return client->tls ? 0 : -1;
}

static int client_begin(struct client *client, struct err *e)
{
	const struct session_params *p = &client->session.p;

	if (p->config->in_channel)
		snprintf(client->name, sizeof client->name, "ssh");
	else
		net_peer_name(client->socket.fd, client->name);
	connection_attach(&client->socket, p->ktls);
	client_wait(client,
		    p->password && !client->ticket_cred ? CLIENT_PASSWORD
							: CLIENT_HANDSHAKE,
		    p->config->handshake_ms, TLS_WANT_READ);
	if (client->state == CLIENT_HANDSHAKE)
		return client_start_tls(client, NULL, e);
	return password_exchange_offer(&client->pass, client->socket.fd,
				       p->password, e);
}

int client_handshake_begin(struct client *client, struct err *e)
{
	return client_begin(client, e) < 0 ? client_refused(client, e) : 0;
}

int client_handshake_password(struct client *client, struct err *e)
{
	enum password_message_refusal refusal;
	enum password_exchange_event event;
	struct credential *own;

	if (password_exchange_receive(&client->pass, client->socket.fd,
				      PASSWORD_MESSAGE_ANSWER, &event, e) < 0)
		return client_refused(client, e);
	if (event == PASSWORD_EXCHANGE_WAIT)
		return 0;
	if (event == PASSWORD_EXCHANGE_OTHER) {
		err_set(e, ERR_AUTH, 0,
			"the peer does not answer our password as "
			"btrfs-ktls-pipe does");
		return client_refused(client, e);
	}
	own = password_exchange_accept(&client->pass,
				       client->session.p.password, &refusal, e);
	password_exchange_wipe(&client->pass);
	if (!own && refusal == PASSWORD_MESSAGE_REFUSED_LATER) {
		err_wrap(e, "%s", client->name);
		return client_failed(client, true, e);
	}
	if (!own || client_start_tls(client, own, e) < 0)
		return client_refused(client, e);
	return 0;
}

int client_handshake_step(struct client *client,
			  const struct session_span *span, struct err *e)
{
	enum tls_want want;

	if (tls_handshake(client->tls, &want, e) < 0) {
		/* An RST, for bytes left unread, could destroy our alert. */
		if (!client->session.count)
			net_discard_all(client->socket.fd, LEAVE_MS);
		return client_refused(client, e);
	}
	client_watch(client, want);
	if (want != TLS_DONE)
		return 0;
	client->layer = record_layer_new(client->tls, client->socket.fd, e);
	tls_free(client->tls);
	client->tls = NULL;
	if (!client->layer)
		return client_refused(client, e);
	return client_greeting_begin(client, span, e);
}
