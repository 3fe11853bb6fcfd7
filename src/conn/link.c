// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/link.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "conn/net.h"

/*
 * Records under one key: RFC 8446 section 5.5 allows AES-GCM 2^24.5 full ones.
 * The protocol stops before; where nothing can be changed it is the limit.
 */
enum { RECORD_LIMIT = 1 << 24, RECORD_LIMIT_RAW = 23726566 };

enum frame_role link_frame_role(const struct link_config *o)
{
	return o->role == CHAN_SENDER ? FRAME_SENDS : FRAME_RECEIVES;
}

uint64_t link_store_bytes(const struct link_config *o)
{
	return o->raw ? 0 : o->buffer_bytes;
}

uint64_t link_record_limit(const struct link_config *o)
{
	uint64_t limit = o->raw ? RECORD_LIMIT_RAW : RECORD_LIMIT;

	return clock_earlier(limit, o->rekey_bytes / REC_MAX);
}

void link_init(struct link *l, const struct link_ops *ops,
	       const struct link_params *p)
{
	*l = (struct link){ .ops = ops,
			    .p = *p,
			    .role = p->config->role,
			    .record_limit = link_record_limit(p->config),
			    .fd = -1,
			    .events = POLLIN,
			    .due_ms = CLOCK_NEVER };
}

void link_free(struct link *l)
{
	if (!l)
		return;
	chan_close(l->old);
	chan_close(l->chan);
	key_wipe(&l->ticket);
	l->ops->free(l);
}

int link_first(struct link *l, struct err *e)
{
	const struct link_span start = { 0, 0, 0 };

	for (;;) {
		struct pollfd p;

		if (l->ops->run(l, &start, e) < 0)
			return -1;
		if (l->chan)
			return 0;
		p = (struct pollfd){ .fd = l->fd, .events = l->events };
		if (poll(&p, 1, clock_poll_ms(l->due_ms)) < 0 && errno != EINTR)
			return err_call(e, ERR_NET, "poll", "cannot wait");
	}
}

int link_run(struct link *l, const struct link_span *span, struct err *e)
{
	if (l->ops->run(l, span, e) == 0)
		return 0;
	if (e->kind == ERR_NET)
		e->kind = ERR_STREAM;
	return -1;
}

bool link_resumes(const struct link *l)
{
	return !l->final;
}

/* Both sides take part in coming back, so both must want to. */
static void link_agree_retry(struct link *l, uint64_t peer_ms)
{
	uint64_t own_ms = l->p.config->retry_ms;

	l->retry.limit_ms = retry_agree(own_ms, peer_ms);
	if (!l->store_bytes)
		l->final = "nothing was kept to be sent again: no --buffer";
	else if (!l->retry.limit_ms)
		l->final = "no way back: --retry 0";
}

/* Both of a stream's names are public. */
void link_hex(const uint8_t id[static FRAME_ID_BYTES],
	      char out[static LINK_HEX_CHARS + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < FRAME_ID_BYTES; i++) {
		out[2 * i] = digits[id[i] >> 4];
		out[2 * i + 1] = digits[id[i] & 15];
	}
	out[LINK_HEX_CHARS] = '\0';
}

void link_stream_name(const struct link *l, char out[static LINK_HEX_CHARS + 1])
{
	link_hex(l->stream, out);
	if (l->p.config->raw)
		*out = '\0';
}

const char *link_identity(const struct link_params *p, const struct tls *t)
{
	return p->cred && cred_is_password(p->cred) ? "" : tls_identity(t);
}

const char *link_method(const struct link *l)
{
	return l->p.cred ? cred_method(l->p.cred) : mode_none.name;
}

int link_agree(struct link *l, struct tls *t, const struct link_peer *peer,
	       struct err *e)
{
	snprintf(l->identity, sizeof l->identity, "%s",
		 link_identity(&l->p, t));
	l->store_bytes = l->role == CHAN_SENDER ? link_store_bytes(l->p.config)
						: peer->store_bytes;
	link_agree_retry(l, peer->retry_ms);
	if (peer->record_limit)
		l->record_limit =
			clock_earlier(l->record_limit, peer->record_limit);
	if (l->p.config->raw)
		return 0;
	link_hex(peer->handle, l->ticket.identity);
	return tls_export(t, &l->ticket.secret, e);
}

static void link_announce(const struct link *l)
{
	char id[LINK_HEX_CHARS + 1];

	link_hex(l->stream, id);
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

void link_close(struct link *l)
{
	chan_close_hard(l->old);
	chan_close_hard(l->chan);
	l->old = l->chan = NULL;
	l->rotate_ms = 0;
	l->hold = false;
}

int link_use(struct link *l, struct tls *t, const struct chan_socket *s,
	     const char *name, uint64_t offset, bool rotates, struct err *e)
{
	struct chan *chan;

	log_info("peer %s, %s", name, tls_mode(t)->title);
	if (l->role == CHAN_RECEIVER)
		net_keepalive(s->fd);
	else
		net_bound_unsent(s->fd);
	chan = chan_open(t, s, l->role, l->p.ktls, l->p.config->raw, e);
	if (!chan)
		return -1;
	if (rotates) {
		l->old = l->chan;
		l->rotations++;
		l->rotate_ms = 0;
		l->hold = false;
	} else {
		link_close(l);
		if (l->count)
			retry_lost(&l->retry, clock_now_ms());
	}
	if (!l->count)
		snprintf(l->name, sizeof l->name, "%s", name);
	l->chan = chan;
	l->offset = offset;
	retry_connected(&l->retry, clock_now_ms());
	l->count++;
	link_announce(l);
	return 0;
}

void link_miss(struct link *l)
{
	l->useful = !l->retry.since_ms;
	retry_lost(&l->retry, clock_now_ms());
}

void link_moved(struct link *l)
{
	retry_moved(&l->retry);
}

void link_excuse(struct link *l)
{
	retry_excuse(&l->retry, clock_now_ms());
}

uint64_t link_deadline(const struct link *l)
{
	return retry_deadline(&l->retry);
}

static void link_drop(struct link *l)
{
	link_close(l);
	l->ops->lost(l);
}

int link_lost(struct link *l, struct err *e)
{
	uint64_t now = clock_now_ms(), until;

	if (!chan_lost(l->chan) && !(l->old && chan_lost(l->old)))
		return -1;
	if (l->final)
		return l->p.config->raw ? -1 : err_append(e, " (%s)", l->final);
	link_miss(l);
	until = link_deadline(l);
	l->why = *e;
	log_notice("%s; %s, for %" PRIu64 " s at the most", e->msg,
		   l->p.config->connects ? "dialling again"
					 : "waiting for the peer",
		   until > now ? (until - now + 999) / 1000 : 0);
	*e = (struct err){ 0 };
	link_drop(l);
	return 0;
}

int link_spoilt(struct link *l, struct err *e)
{
	chan_set_lost(l->chan);
	e->kind = ERR_STREAM;
	return link_lost(l, e);
}

struct chan *link_source(const struct link *l)
{
	return l->old ? l->old : l->chan;
}

uint64_t link_may_send(const struct link *l)
{
	uint64_t records;

	if (l->hold)
		return 0;
	records = chan_records(l->chan, l->record_limit);
	return records < l->record_limit ? (l->record_limit - records) * REC_MAX
					 : 0;
}

int link_wear(struct link *l, struct err *e)
{
	bool raw = l->p.config->raw;
	uint64_t limit = l->record_limit;

	if (!raw)
		limit -= limit / 4; /* in good time */
	if (l->rotate_ms || l->old || !l->chan ||
	    (!l->p.config->connects && !raw) ||
	    chan_records(l->chan, limit) < limit)
		return 0;
	if (!raw) {
		l->rotate_ms = clock_now_ms();
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

void link_wear_no_more(struct link *l)
{
	l->rotate_ms = 0;
}

void link_arrived(struct link *l, uint64_t offset)
{
	if (!l->old || offset < l->offset)
		return;
	chan_close(l->old);
	l->old = NULL;
}

void link_renew(struct link *l)
{
	if (l->final || !l->p.config->connects)
		return;
	log_info("nothing has come for a while; dialling again, to be sure");
	link_miss(l);
	err_set(&l->why, ERR_STREAM, 0, "the connection fell silent");
	link_drop(l);
}

uint64_t link_outage_end_ms(const struct link *l)
{
	return l->chan ? CLOCK_NEVER : link_deadline(l);
}

int link_check(const struct link *l, struct err *e)
{
	if (clock_now_ms() < link_deadline(l))
		return 0;
	err_set(e, ERR_STREAM, 0, "%s", l->why.msg);
	return err_append(e, ", and %s within %" PRIu64 " s",
			  l->chan ? "nothing moved over another connection"
				  : "no other connection came about",
			  l->retry.limit_ms / 1000);
}
