// SPDX-License-Identifier: GPL-2.0-or-later
#include "tls/records.h"

#include <string.h>

#include "tls/aead.h"
#include "tls/socket_buffer.h"

enum {
	RECORD_BYTES = RECORD_MAX + RECORD_OVERHEAD,
	OUT_BYTES = 16 * RECORD_BYTES, /* 256 KiB of data a send */
	IN_BYTES = 16 * RECORD_BYTES,
};

struct records {
	struct aead *aead;
	struct socket_buffer wire; /* wire.in is filled and emptied here */
	bool forged;
	enum record_alert violation; /* our answer to one; 0: none happened */
	unsigned int empties; /* records without data in a row */
	/* A record that is not data waits behind data */
	bool holds;
	unsigned int held_type;
	size_t held_len;
	uint8_t held[16]; /* its first bytes; an alert has 2 */
};

struct records *records_new(int fd, const struct mode *mode,
			    const struct traffic *t, struct err *e)
{
	struct records *r = calloc(1, sizeof *r);

	if (!r) {
		err_memory(e);
		return NULL;
	}
	r->aead = aead_new(mode, t, e);
	/* With room for an alert behind a full buffer. */
	if (!r->aead ||
	    socket_buffer_init(&r->wire, fd, OUT_BYTES + 2 * RECORD_OVERHEAD,
			       e) < 0 ||
	    socket_buffer_grow(&r->wire.in, IN_BYTES, e) < 0) {
		records_free(r);
		return NULL;
	}
	return r;
}

void records_free(struct records *r)
{
	if (!r)
		return;
	aead_free(r->aead);
	socket_buffer_fini(&r->wire);
	free(r);
}

static int records_encrypt(struct records *r, uint8_t type, uint8_t *data,
			   size_t len, struct err *e)
{
	struct socket_buffer_part *out = &r->wire.out;
	size_t size;

	if (aead_encrypt(r->aead, type, data, len, out->bytes + out->end, &size,
			 e) < 0)
		return -1;
	out->end += size;
	return 0;
}

int records_send(struct records *r, uint8_t *buf, size_t len, size_t *done,
		 struct err *e)
{
	bool empty;

	*done = 0;
	while (*done < len && socket_buffer_room(&r->wire) >=
				      RECORD_BYTES + 2 * RECORD_OVERHEAD) {
		size_t n = len - *done < RECORD_MAX ? len - *done : RECORD_MAX;

		if (records_encrypt(r, RECORD_DATA, buf + *done, n, e) < 0)
			return -1;
		*done += n;
	}
	return socket_buffer_flush(&r->wire, &empty, e);
}

int records_alert(struct records *r, enum record_alert alert, struct err *e)
{
	uint8_t body[RECORD_ALERT_BYTES + 1]; /* see aead_encrypt() */
	bool empty;

	record_alert(body, alert);
	body[RECORD_ALERT_BYTES] = 0;
	if (socket_buffer_room(&r->wire) < RECORD_ALERT_BYTES + RECORD_OVERHEAD)
		return err_set(e, ERR_NET, 0, "no room for an alert");
	if (records_encrypt(r, RECORD_ALERT, body, RECORD_ALERT_BYTES, e) < 0)
		return -1;
	return socket_buffer_flush(&r->wire, &empty, e);
}

int records_flush(struct records *r, bool *empty, struct err *e)
{
	return socket_buffer_flush(&r->wire, empty, e);
}

bool records_pending(const struct records *r)
{
	return socket_buffer_pending(&r->wire);
}

static int records_set_forged(struct records *r, struct err *e)
{
	r->forged = true;
	return err_set(e, ERR_NET, 0,
		       "record authentication failed: forged or corrupted in "
		       "transit (bad_record_mac)");
}

/* The record authenticates: the peer itself broke the protocol. */
static int records_set_violation(struct records *r, enum record_alert alert,
				 struct err *e)
{
	r->violation = alert;
	if (alert == RECORD_RECORD_OVERFLOW)
		return err_set(e, ERR_STREAM, 0,
			       "the peer sent a record of more than %d bytes",
			       RECORD_MAX);
	return err_set(e, ERR_STREAM, 0,
		       "the peer sent more than %d empty records in a row",
		       RECORD_EMPTY_MAX);
}

/* The next whole record in the buffer, or NULL.  Errors: it is no record. */
static int records_next(struct records *r, const uint8_t **record, size_t *size,
			struct err *e)
{
	const struct socket_buffer_part *in = &r->wire.in;
	size_t have = in->end - in->start, body;

	*record = NULL;
	if (have < RECORD_HEADER_BYTES)
		return 0;
	body = aead_body_bytes(r->aead, in->bytes + in->start);
	if (!body)
		return records_set_forged(r, e);
	*size = RECORD_HEADER_BYTES + body;
	if (have >= *size)
		*record = in->bytes + in->start;
	return 0;
}

/* Decrypt the record at the front into out. */
static int records_open(struct records *r, const uint8_t *record, size_t size,
			unsigned int *type, uint8_t *out, size_t *n,
			struct err *e)
{
	uint8_t inner;

	if (aead_decrypt(r->aead, record, &inner, out, n) < 0)
		return records_set_forged(r, e);
	r->wire.in.start += size;
	*type = inner;
	if (*n > RECORD_MAX)
		return records_set_violation(r, RECORD_RECORD_OVERFLOW, e);
	r->empties = *n || inner != RECORD_DATA ? 0 : r->empties + 1;
	if (r->empties > RECORD_EMPTY_MAX)
		return records_set_violation(r, RECORD_UNEXPECTED_MESSAGE, e);
	return 0;
}

/* Keep the record until the data before it was returned. */
static void records_queue(struct records *r, unsigned int type,
			  const uint8_t *body, size_t len)
{
	r->holds = true;
	r->held_type = type;
	r->held_len = len;
	memcpy(r->held, body, len < sizeof r->held ? len : sizeof r->held);
}

static void records_release(struct records *r, unsigned int *type, void *buf,
			    size_t *n)
{
	*type = r->held_type;
	*n = r->held_len;
	memcpy(buf, r->held, *n < sizeof r->held ? *n : sizeof r->held);
	r->holds = false;
}

/* Decrypt the records in the buffer, up to one that is not data. */
static int records_open_all(struct records *r, unsigned int *type, uint8_t *buf,
			    size_t len, size_t *n, struct err *e)
{
	const uint8_t *record;
	unsigned int next = RECORD_DATA;
	size_t size, got;

	while (len - *n >= AEAD_BODY_MAX) {
		if (records_next(r, &record, &size, e) < 0)
			return -1;
		if (!record)
			return 0;
		if (records_open(r, record, size, &next, buf + *n, &got, e) < 0)
			return -1;
		if (next == RECORD_DATA) {
			*n += got;
		} else if (*n) {
			records_queue(r, next, buf + *n, got);
			return 0;
		} else {
			*type = next;
			*n = got;
			return 0;
		}
	}
	return 0;
}

int records_recv(struct records *r, unsigned int *type, void *buf, size_t len,
		 size_t *n, struct err *e)
{
	size_t got;

	*n = 0;
	*type = RECORD_DATA;
	if (r->holds) {
		records_release(r, type, buf, n);
		return 0;
	}
	if (r->forged)
		return records_set_forged(r, e);
	if (r->violation)
		return records_set_violation(r, r->violation, e);
	do {
		/* Bytes that came before an error are returned first. */
		if (records_open_all(r, type, buf, len, n, e) < 0)
			return *n ? 0 : -1;
		if (*n || *type != RECORD_DATA)
			return 0;
		if (socket_buffer_fill(&r->wire, &got, e) < 0)
			return -1;
	} while (got);
	r->empties = 0;
	return 0;
}

bool records_violated(const struct records *r, enum record_alert *alert)
{
	*alert = r->violation;
	return r->violation;
}

bool records_lost(const struct records *r)
{
	return socket_buffer_gone(&r->wire) || r->forged;
}

bool records_forged(const struct records *r)
{
	return r->forged;
}

uint64_t records_records(const struct records *r)
{
	return aead_records(r->aead);
}
