// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/notify.h"
#include "base/secret.h"
#include "base/signals.h"
#include "conn/digest.h"

/*
 * Records under one key: RFC 8446 section 5.5 allows AES-GCM 2^24.5 full ones.
 * The protocol rekeys before that; with --raw, which cannot, the stream ends.
 */
enum { RECORD_LIMIT = 1 << 24, RECORD_LIMIT_RAW = 23726566 };

/* A raw peer cannot resume. */
struct frame_limits session_limits(const struct session_config *o)
{
	uint64_t limit = o->raw ? RECORD_LIMIT_RAW : RECORD_LIMIT;

	return (struct frame_limits){
		.buffer_bytes = o->raw ? 0 : o->buffer_bytes,
		.record_limit = min_u64(limit, o->rekey_bytes / RECORD_MAX),
		.retry_ms = o->retry_ms,
	};
}

int session_init(struct session *s, const struct session_ops *ops,
		 const struct session_params *p, struct err *e)
{
	*s = (struct session){ .ops = ops,
			       .p = *p,
			       .role = p->config->role,
			       .fd = -1,
			       .events = POLLIN,
			       .due_ms = CLOCK_NEVER,
			       .lifeline_fd = p->config->lifeline_fd };
	s->ticket = secret_alloc(sizeof *s->ticket);
	return s->ticket ? 0 : err_memory(e);
}

static void session_log_more(unsigned int more)
{
	if (more)
		log_notice("%u more messages about connections were left out",
			   more);
}

void session_free(struct session *s)
{
	struct key *ticket;

	if (!s)
		return;
	session_log_more(s->lines.left_out);
	ticket = s->ticket;
	connection_close(s->old);
	connection_close(s->conn);
	s->ops->free(s);
	secret_free(ticket, sizeof *ticket);
}

static int session_wait_first(struct session *s, struct err *e)
{
	const struct session_span start = { 0, 0, 0 };

	for (;;) {
		struct session_poll p = { .extra = { { -1, 0, 0 },
						     { -1, 0, 0 } } };

		if (s->ops->run(s, &start, e) < 0)
			return -1;
		if (s->conn || s->discarded)
			return 0;
		notify_tick();
		p.until_ms = notify_due();
		if (session_poll(s, &p, e) < 0)
			return -1;
	}
}

struct session *session_first(struct session *s, struct err *e)
{
	if (s && session_wait_first(s, e) == 0)
		return s;
	session_free(s);
	return NULL;
}

/* fd is -1 if events is 0: poll(2) would still report errors. */
static struct pollfd session_pollfd(const struct connection *c, short events)
{
	return (struct pollfd){ c && events ? connection_fd(c) : -1, events,
				0 };
}

/* The lifeline is readable.  With in_channel that means that ssh ended. */
static int session_hear_lifeline(struct session *s, struct err *e)
{
	const struct session_config *o = s->p.config;
	char text[64];
	ssize_t n;

	if (!s->count)
		return err_set(e, ERR_NET, 0, "the other host stopped waiting");
	if (o->in_channel)
		return err_set(e, ERR_STREAM, 0,
			       "ssh ended, and the stream goes through it");
	n = io_read(s->lifeline_fd, text, sizeof text);
	if (n <= 0) {
		s->lifeline_fd = -1;
	} else if (o->gave_up(o->gave_up_arg, text, (size_t)n)) {
		/* The connection may end next: do not resume then. */
		s->final = "the peer gave up: it says so through ssh";
		return err_set(e, ERR_STREAM, 0, "%s", s->final);
	}
	return 0;
}

int session_poll(struct session *s, struct session_poll *p, struct err *e)
{
	enum { CONN, OLD, OWN, SIGNALS, LIFELINE, EXTRA };
	enum { COUNT = EXTRA + SESSION_EXTRAS };
	struct pollfd fds[COUNT] = {
		[CONN] = session_pollfd(s->conn, p->conn),
		[OLD] = session_pollfd(s->old, p->old),
		[OWN] = { s->fd, s->events, 0 },
		[SIGNALS] = { signals_fd(), POLLIN, 0 },
		[LIFELINE] = { s->lifeline_fd,
			       s->p.config->in_channel ? 0 : POLLIN, 0 },
	};
	uint64_t until_ms = clock_earlier(p->until_ms, s->due_ms);

	memcpy(&fds[EXTRA], p->extra, sizeof p->extra);
	if (poll(fds, COUNT, clock_poll_ms(until_ms)) < 0) {
		if (errno != EINTR)
			return err_call(e, s->count ? ERR_STREAM : ERR_NET,
					"poll", "cannot wait");
		for (int i = 0; i < COUNT; i++)
			fds[i].revents = 0;
	}
	memcpy(p->extra, &fds[EXTRA], sizeof p->extra);
	p->conn = fds[CONN].revents;
	p->old = fds[OLD].revents;
	p->now_ms = clock_now_ms();
	p->due = fds[OWN].revents || p->now_ms >= s->due_ms || !s->conn;
	if (signals_check(e) < 0)
		return -1;
	return fds[LIFELINE].revents ? session_hear_lifeline(s, e) : 0;
}

int session_run(struct session *s, const struct session_span *span,
		struct err *e)
{
	if (s->ops->run(s, span, e) == 0)
		return 0;
	if (e->kind == ERR_NET)
		e->kind = ERR_STREAM;
	return -1;
}

bool session_resumes(const struct session *s)
{
	return !s->final;
}

/*
 * Resuming takes both sides: the shorter --retry counts.  But a listener waits
 * for the peer of a stream with a name as long as it likes.
 */
static void session_agree_retry(struct session *s, uint64_t peer_ms)
{
	uint64_t own_ms = s->p.config->retry_ms;

	s->granted_ms = peer_ms;
	s->retry.limit_ms = s->named && !s->p.config->connects
				    ? own_ms
				    : retry_agree(own_ms, peer_ms);
	if (s->p.config->in_channel)
		s->final = "cannot resume in ssh's channel";
	else if (!s->buffer_bytes)
		s->final = "cannot resume: --buffer 0";
	else if (!s->retry.limit_ms)
		s->final = "cannot resume: --retry 0";
}

void session_stream_name(const struct session *s,
			 char out[static SESSION_HEX_CHARS + 1])
{
	key_text_hex(s->stream, sizeof s->stream, out);
	if (s->p.config->raw)
		*out = '\0';
}

const char *session_identity(const struct session_params *p,
			     const struct tls_agreed *agreed)
{
	return p->cred && credential_is_password(p->cred) ? "" : agreed->name;
}

const char *session_method(const struct session *s)
{
	return s->p.cred ? credential_method(s->p.cred) : mode_none.name;
}

void session_ticket(struct key *ticket, const struct tls_agreed *agreed,
		    const uint8_t handle[static FRAME_ID_BYTES])
{
	key_text_hex(handle, FRAME_ID_BYTES, ticket->identity);
	ticket->secret.len = sizeof agreed->resume;
	memcpy(ticket->secret.bytes, agreed->resume, sizeof agreed->resume);
}

void session_agree(struct session *s, const struct tls_agreed *agreed,
		   const struct frame_limits *peer,
		   const uint8_t handle[static FRAME_ID_BYTES])
{
	const struct frame_limits own = session_limits(s->p.config);

	/* An earlier peer may have come this far, and failed. */
	s->final = NULL;
	snprintf(s->identity, sizeof s->identity, "%s",
		 session_identity(&s->p, agreed));
	s->buffer_bytes = s->role == FRAME_SENDS ? own.buffer_bytes
						 : peer->buffer_bytes;
	session_agree_retry(s, peer->retry_ms);
	s->record_limit = own.record_limit;
	if (peer->record_limit)
		s->record_limit = min_u64(own.record_limit, peer->record_limit);
	if (!s->p.config->raw)
		session_ticket(s->ticket, agreed, handle);
}

bool session_may_log(struct session *s)
{
	unsigned int more;
	bool may = log_limit(&s->lines, &more);

	session_log_more(more);
	return may;
}

static void session_announce_comparison(const struct session *s)
{
	log_info("comparing the %" PRIu64 " bytes that the receiver has "
		 "(connection %" PRIu32 ")",
		 s->have.offset, s->number);
}

static void session_announce(struct session *s)
{
	char id[SESSION_HEX_CHARS + 1];

	key_text_hex(s->stream, sizeof s->stream, id);
	if (s->old)
		log_info("rekeyed at byte %" PRIu64 " (connection %" PRIu32 ")",
			 s->offset, s->number);
	else if (s->learns || s->restarted)
		return;
	else if (connection_checks(s->conn))
		session_announce_comparison(s);
	else if (s->count == 1)
		log_debug("stream %s", id);
	else if (session_may_log(s))
		log_notice("the stream resumes at byte %" PRIu64
			   " (connection %" PRIu32 ")",
			   s->offset, s->number);
}

void session_close(struct session *s)
{
	connection_close_hard(s->old);
	connection_close_hard(s->conn);
	s->old = s->conn = NULL;
	s->rekey = (struct rekey){ 0 };
	s->learns = false;
}

int session_use(struct session *s, struct record_layer *rl,
		const struct connection_socket *socket, const char *name,
		uint64_t offset, enum session_purpose purpose, struct err *e)
{
	const struct connection_params params = { .role = s->role,
						  .when = s->p.ktls,
						  .raw = s->p.config->raw,
						  .checks = purpose ==
							    SESSION_COMPARES };
	struct connection *conn;

	log_info("peer %s, %s", name, record_layer_agreed(rl)->mode->title);
	if (s->role == FRAME_RECEIVES)
		net_keepalive(socket->fd);
	else
		net_bound_unsent(socket->fd);
	conn = connection_open(rl, socket, &params, e);
	if (!conn)
		return -1;
	if (purpose == SESSION_REKEYS) {
		s->old = s->conn;
		s->rekeys++;
		rekey_switch(&s->rekey, offset);
	} else {
		session_close(s);
		if (s->count)
			retry_lost(&s->retry, clock_now_ms());
	}
	if (!s->count)
		snprintf(s->name, sizeof s->name, "%s", name);
	snprintf(s->newest, sizeof s->newest, "%s", name);
	s->conn = conn;
	s->offset = offset;
	s->learns = purpose == SESSION_COMPARES && s->role == FRAME_SENDS;
	retry_connected(&s->retry, clock_now_ms());
	s->count++;
	session_announce(s);
	return 0;
}

bool session_is_final(const struct err *e)
{
	return e->kind == ERR_KTLS && e->num != ENOTCONN && e->num != ENOMEM &&
	       e->num != ENOBUFS;
}

int session_get_ready(struct session *s, struct err *e)
{
	bool ready = false;

	if (!s->prepare)
		return 0;
	if (s->prepare(s->prepare_arg, &ready, e) < 0)
		return -1;
	if (ready)
		s->prepare = NULL;
	return 0;
}

bool session_compares(const struct session *s)
{
	return s->learns || (s->have.kind && !s->compared);
}

void session_ask(struct session *s)
{
	if (!session_compares(s) && s->digest) {
		digest_have(s->digest, &s->have);
		s->compared = false;
	}
	if (!s->have.offset)
		s->have = (struct frame_have){ 0 };
}

bool session_suspends(const struct session *s)
{
	return s->named && s->p.config->connects && !s->replaced;
}

/* CHECKING leaves at once: nothing else waits in an idle connection. */
static int session_say_compared(struct session *s, enum frame_check result,
				struct err *e)
{
	struct frame f = { .type = FRAME_CHECKING,
			   .checking = { result, s->have.offset } };
	bool taken = false, empty = true;

	if (connection_send_frame(s->conn, &f, &taken, e) < 0 ||
	    connection_flush(s->conn, &empty, e) < 0)
		return -1;
	if (taken && empty)
		return 0;
	connection_set_lost(s->conn);
	return err_set(e, ERR_STREAM, 0,
		       "the connection does not take the result of a "
		       "comparison");
}

int session_compared(struct session *s, enum frame_check result, struct err *e)
{
	struct connection *conn = session_source(s);

	if (result == FRAME_CHECK_SAME)
		s->compared = true;
	if (!conn || !connection_checks(conn))
		return 0;
	if (s->role == FRAME_SENDS && session_say_compared(s, result, e) < 0)
		return -1;
	if (result != FRAME_CHECK_SAME)
		return 0;
	log_notice("the stream continues at byte %" PRIu64, s->have.offset);
	return connection_start(conn, e);
}

int session_learn(struct session *s, const struct frame_have *have,
		  struct err *e)
{
	if (!s->learns)
		return err_set(e, ERR_STREAM, 0,
			       "the receiver said twice what it has");
	if (s->have.kind && !frame_have_same(have, &s->have))
		return err_set(e, ERR_STREAM, 0,
			       "the receiver does not have what it had before");
	s->have = *have;
	s->learns = false;
	s->offset = have->offset;
	if (s->compared)
		return session_compared(s, FRAME_CHECK_SAME, e);
	session_announce_comparison(s);
	return 0;
}

void session_start_retry(struct session *s)
{
	s->useful = !s->retry.since_ms;
	retry_lost(&s->retry, clock_now_ms());
}

static void session_drop(struct session *s)
{
	session_close(s);
	s->ops->lost(s);
}

void session_say_suspended(const struct session *s, uint64_t bytes)
{
	char granted[CLOCK_TEXT_BYTES];

	if (!session_suspends(s) || s->final ||
	    (s->conn && connection_gave_up(s->conn)))
		return;
	clock_text(s->granted_ms, granted);
	log_notice("the stream stopped after %" PRIu64 " bytes; %s waits for "
		   "at most %s; the same command continues it (with --discard "
		   "it is abandoned)",
		   bytes, s->name, granted);
}

int session_lost(struct session *s, struct err *e)
{
	char left[CLOCK_TEXT_BYTES];
	uint64_t now, until;

	if (!connection_lost(s->conn) && !(s->old && connection_lost(s->old)))
		return -1;
	if (s->final && !s->p.config->raw && !strstr(e->msg, s->final))
		err_append(e, " (%s)", s->final);
	if (s->final)
		return -1;
	session_start_retry(s);
	now = clock_now_ms();
	until = retry_deadline(&s->retry);
	clock_text(until > now ? until - now : 0, left);
	s->why = *e;
	if (session_may_log(s))
		log_notice("%s; %s, for at most %s", e->msg,
			   s->p.config->connects ? "connecting again"
						 : "waiting for the peer",
			   left);
	*e = (struct err){ 0 };
	session_drop(s);
	return 0;
}

int session_abort_rekey(struct session *s, struct err *e)
{
	connection_set_lost(s->conn);
	e->kind = ERR_STREAM;
	return session_lost(s, e);
}

struct connection *session_source(const struct session *s)
{
	return s->old ? s->old : s->conn;
}

uint64_t session_key_budget(const struct session *s)
{
	uint64_t records;

	if (rekey_holds(&s->rekey))
		return 0;
	records = connection_records(s->conn, s->record_limit);
	return records < s->record_limit
		       ? (s->record_limit - records) * RECORD_MAX
		       : 0;
}

int session_check_rekey(struct session *s, struct err *e)
{
	bool raw = s->p.config->raw;
	uint64_t limit = s->record_limit, records;

	if (!s->conn || s->rekey.phase != REKEY_NONE ||
	    (!s->p.config->connects && !raw))
		return 0;
	records = connection_records(s->conn, raw ? limit : rekey_early(limit));
	if (raw && records >= limit)
		return err_set(e, ERR_STREAM, 0,
			       "one key may protect only %" PRIu64
			       " records, and --raw cannot rekey: the stream "
			       "is too long",
			       limit);
	if (!raw && rekey_dial(&s->rekey, records, limit, clock_now_ms()))
		s->due_ms = 0;
	return 0;
}

void session_retire_old(struct session *s, uint64_t offset)
{
	if (!rekey_drained(&s->rekey, offset))
		return;
	connection_close(s->old);
	s->old = NULL;
}

void session_redial(struct session *s)
{
	if (s->final || !s->p.config->connects)
		return;
	log_info("nothing received for a while; connecting again to be sure");
	session_start_retry(s);
	err_set(&s->why, ERR_STREAM, 0, "the connection fell silent");
	session_drop(s);
}

uint64_t session_outage_end_ms(const struct session *s)
{
	return s->conn ? CLOCK_NEVER : retry_deadline(&s->retry);
}

int session_check(const struct session *s, struct err *e)
{
	char limit[CLOCK_TEXT_BYTES];

	if (clock_now_ms() < retry_deadline(&s->retry))
		return 0;
	clock_text(s->retry.limit_ms, limit);
	err_set(e, ERR_STREAM, 0, "%s", s->why.msg);
	return err_append(e, ", and %s within %s",
			  s->conn || s->retry.connected
				  ? "nothing moved over another connection"
				  : "no other connection was made",
			  limit);
}
