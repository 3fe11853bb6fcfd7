// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/session.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/min.h"
#include "conn/net.h"

/*
 * Records under one key: RFC 8446 section 5.5 allows AES-GCM 2^24.5 full ones.
 * The protocol stops before; where nothing can be changed it is the limit.
 */
enum { RECORD_LIMIT = 1 << 24, RECORD_LIMIT_RAW = 23726566 };

enum frame_role session_frame_role(const struct session_config *o)
{
	return o->role == CONNECTION_SENDER ? FRAME_SENDS : FRAME_RECEIVES;
}

uint64_t session_buffer_bytes(const struct session_config *o)
{
	return o->raw ? 0 : o->buffer_bytes;
}

uint64_t session_record_limit(const struct session_config *o)
{
	uint64_t limit = o->raw ? RECORD_LIMIT_RAW : RECORD_LIMIT;

	return min_u64(limit, o->rekey_bytes / RECORD_MAX);
}

void session_init(struct session *l, const struct session_ops *ops,
		  const struct session_params *p)
{
	*l = (struct session){ .ops = ops,
			       .p = *p,
			       .role = p->config->role,
			       .record_limit = session_record_limit(p->config),
			       .fd = -1,
			       .events = POLLIN,
			       .due_ms = CLOCK_NEVER };
}

void session_free(struct session *l)
{
	if (!l)
		return;
	connection_close(l->old);
	connection_close(l->conn);
	key_wipe(&l->ticket);
	l->ops->free(l);
}

int session_first(struct session *l, struct err *e)
{
	const struct session_span start = { 0, 0, 0 };

	for (;;) {
		struct pollfd p;

		if (l->ops->run(l, &start, e) < 0)
			return -1;
		if (l->conn)
			return 0;
		p = (struct pollfd){ .fd = l->fd, .events = l->events };
		if (poll(&p, 1, clock_poll_ms(l->due_ms)) < 0 && errno != EINTR)
			return err_call(e, ERR_NET, "poll", "cannot wait");
	}
}

int session_run(struct session *l, const struct session_span *span,
		struct err *e)
{
	if (l->ops->run(l, span, e) == 0)
		return 0;
	if (e->kind == ERR_NET)
		e->kind = ERR_STREAM;
	return -1;
}

bool session_resumes(const struct session *l)
{
	return !l->final;
}

/* Both sides take part in coming back, so both must want to. */
static void session_agree_retry(struct session *l, uint64_t peer_ms)
{
	uint64_t own_ms = l->p.config->retry_ms;

	l->retry.limit_ms = retry_agree(own_ms, peer_ms);
	if (!l->buffer_bytes)
		l->final = "nothing was kept to be sent again: no --buffer";
	else if (!l->retry.limit_ms)
		l->final = "no way back: --retry 0";
}

/* Both of a stream's names are public. */
void session_hex(const uint8_t id[static FRAME_ID_BYTES],
		 char out[static SESSION_HEX_CHARS + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < FRAME_ID_BYTES; i++) {
		out[2 * i] = digits[id[i] >> 4];
		out[2 * i + 1] = digits[id[i] & 15];
	}
	out[SESSION_HEX_CHARS] = '\0';
}

void session_stream_name(const struct session *l,
			 char out[static SESSION_HEX_CHARS + 1])
{
	session_hex(l->stream, out);
	if (l->p.config->raw)
		*out = '\0';
}

const char *session_identity(const struct session_params *p,
			     const struct tls *t)
{
	return p->cred && credential_is_password(p->cred) ? ""
							  : tls_identity(t);
}

const char *session_method(const struct session *l)
{
	return l->p.cred ? credential_method(l->p.cred) : mode_none.name;
}

int session_agree(struct session *l, struct tls *t,
		  const struct session_peer *peer, struct err *e)
{
	snprintf(l->identity, sizeof l->identity, "%s",
		 session_identity(&l->p, t));
	l->buffer_bytes = l->role == CONNECTION_SENDER
				  ? session_buffer_bytes(l->p.config)
				  : peer->buffer_bytes;
	session_agree_retry(l, peer->retry_ms);
	if (peer->record_limit)
		l->record_limit = min_u64(l->record_limit, peer->record_limit);
	if (l->p.config->raw)
		return 0;
	session_hex(peer->handle, l->ticket.identity);
	return tls_export(t, &l->ticket.secret, e);
}

static void session_announce(const struct session *l)
{
	char id[SESSION_HEX_CHARS + 1];

	session_hex(l->stream, id);
	if (l->old)
		log_info("fresh keys from byte %" PRIu64 " on (connection "
			 "%" PRIu32 ")",
			 l->offset, l->number);
	else if (l->count == 1)
		log_debug("stream %s", id);
	else
		log_notice("the stream goes on at byte %" PRIu64
			   " (connection %" PRIu32 ")",
			   l->offset, l->number);
}

void session_close(struct session *l)
{
	connection_close_hard(l->old);
	connection_close_hard(l->conn);
	l->old = l->conn = NULL;
	l->rekey_since_ms = 0;
	l->rekey_agreed = false;
}

int session_use(struct session *l, struct tls *t,
		const struct connection_socket *s, const char *name,
		uint64_t offset, bool rekeys_now, struct err *e)
{
	struct connection *conn;

	log_info("peer %s, %s", name, tls_mode(t)->title);
	if (l->role == CONNECTION_RECEIVER)
		net_keepalive(s->fd);
	else
		net_bound_unsent(s->fd);
	conn = connection_open(t, s, l->role, l->p.ktls, l->p.config->raw, e);
	if (!conn)
		return -1;
	if (rekeys_now) {
		l->old = l->conn;
		l->rekeys++;
		l->rekey_since_ms = 0;
		l->rekey_agreed = false;
	} else {
		session_close(l);
		if (l->count)
			retry_lost(&l->retry, clock_now_ms());
	}
	if (!l->count)
		snprintf(l->name, sizeof l->name, "%s", name);
	l->conn = conn;
	l->offset = offset;
	retry_connected(&l->retry, clock_now_ms());
	l->count++;
	session_announce(l);
	return 0;
}

void session_start_retry(struct session *l)
{
	l->useful = !l->retry.since_ms;
	retry_lost(&l->retry, clock_now_ms());
}

void session_moved(struct session *l)
{
	retry_moved(&l->retry);
}

void session_excuse(struct session *l)
{
	retry_excuse(&l->retry, clock_now_ms());
}

uint64_t session_deadline(const struct session *l)
{
	return retry_deadline(&l->retry);
}

static void session_drop(struct session *l)
{
	session_close(l);
	l->ops->lost(l);
}

int session_lost(struct session *l, struct err *e)
{
	uint64_t now = clock_now_ms(), until;

	if (!connection_lost(l->conn) && !(l->old && connection_lost(l->old)))
		return -1;
	if (l->final)
		return l->p.config->raw ? -1 : err_append(e, " (%s)", l->final);
	session_start_retry(l);
	until = session_deadline(l);
	l->why = *e;
	log_notice("%s; %s, for %" PRIu64 " s at the most", e->msg,
		   l->p.config->connects ? "dialling again"
					 : "waiting for the peer",
		   until > now ? (until - now + 999) / 1000 : 0);
	*e = (struct err){ 0 };
	session_drop(l);
	return 0;
}

int session_abort_rekey(struct session *l, struct err *e)
{
	connection_set_lost(l->conn);
	e->kind = ERR_STREAM;
	return session_lost(l, e);
}

struct connection *session_source(const struct session *l)
{
	return l->old ? l->old : l->conn;
}

uint64_t session_key_budget(const struct session *l)
{
	uint64_t records;

	if (l->rekey_agreed)
		return 0;
	records = connection_records(l->conn, l->record_limit);
	return records < l->record_limit
		       ? (l->record_limit - records) * RECORD_MAX
		       : 0;
}

int session_check_rekey(struct session *l, struct err *e)
{
	bool raw = l->p.config->raw;
	uint64_t limit = l->record_limit;

	if (!raw)
		limit -= limit / 4; /* in good time */
	if (l->rekey_since_ms || l->old || !l->conn ||
	    (!l->p.config->connects && !raw) ||
	    connection_records(l->conn, limit) < limit)
		return 0;
	if (!raw) {
		l->rekey_since_ms = clock_now_ms();
		l->due_ms = 0;
		return 0;
	}
	return err_set(
		e, ERR_STREAM, 0,
		"%" PRIu64 " records are all that one key may protect, "
		"and --raw knows no way to fresh keys: the stream is too "
		"long for it",
		limit);
}

void session_cancel_rekey(struct session *l)
{
	l->rekey_since_ms = 0;
}

void session_retire_old(struct session *l, uint64_t offset)
{
	if (!l->old || offset < l->offset)
		return;
	connection_close(l->old);
	l->old = NULL;
}

void session_redial(struct session *l)
{
	if (l->final || !l->p.config->connects)
		return;
	log_info("nothing has come for a while; dialling again, to be sure");
	session_start_retry(l);
	err_set(&l->why, ERR_STREAM, 0, "the connection fell silent");
	session_drop(l);
}

uint64_t session_outage_end_ms(const struct session *l)
{
	return l->conn ? CLOCK_NEVER : session_deadline(l);
}

int session_check(const struct session *l, struct err *e)
{
	if (clock_now_ms() < session_deadline(l))
		return 0;
	err_set(e, ERR_STREAM, 0, "%s", l->why.msg);
	return err_append(e, ", and %s within %" PRIu64 " s",
			  l->conn ? "nothing moved over another connection"
				  : "no other connection came about",
			  l->retry.limit_ms / 1000);
}
