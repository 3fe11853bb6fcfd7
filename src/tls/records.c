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
	struct records *b = calloc(1, sizeof *b);

	if (!b) {
		err_set(e, ERR_BUG, 0, "out of memory");
		return NULL;
	}
	b->aead = aead_new(mode, t, e);
	/* With room for an alert behind a full buffer. */
	if (!b->aead ||
	    socket_buffer_init(&b->wire, fd, OUT_BYTES + 2 * RECORD_OVERHEAD,
			       e) < 0 ||
	    socket_buffer_grow(&b->wire.in, IN_BYTES, e) < 0) {
		records_free(b);
		return NULL;
	}
	return b;
}

void records_free(struct records *b)
{
	if (!b)
		return;
	aead_free(b->aead);
	socket_buffer_fini(&b->wire);
	free(b);
}

static int records_encrypt(struct records *b, uint8_t type, uint8_t *data,
			   size_t len, struct err *e)
{
	struct socket_buffer_part *out = &b->wire.out;
	size_t size;

	if (aead_encrypt(b->aead, type, data, len, out->bytes + out->end, &size,
			 e) < 0)
		return -1;
	out->end += size;
	return 0;
}

int records_send(struct records *b, uint8_t *buf, size_t len, size_t *done,
		 struct err *e)
{
	bool empty;

	*done = 0;
	while (*done < len && socket_buffer_room(&b->wire) >=
				      RECORD_BYTES + 2 * RECORD_OVERHEAD) {
		size_t n = len - *done < RECORD_MAX ? len - *done : RECORD_MAX;

		if (records_encrypt(b, RECORD_DATA, buf + *done, n, e) < 0)
			return -1;
		*done += n;
	}
	return socket_buffer_flush(&b->wire, &empty, e);
}

int records_alert(struct records *b, enum record_alert alert, struct err *e)
{
	uint8_t body[RECORD_ALERT_BYTES + 1]; /* see aead_encrypt() */
	bool empty;

	record_alert(body, alert);
	body[RECORD_ALERT_BYTES] = 0;
	if (socket_buffer_room(&b->wire) < RECORD_ALERT_BYTES + RECORD_OVERHEAD)
		return err_set(e, ERR_NET, 0, "no room for an alert");
	if (records_encrypt(b, RECORD_ALERT, body, RECORD_ALERT_BYTES, e) < 0)
		return -1;
	return socket_buffer_flush(&b->wire, &empty, e);
}

int records_flush(struct records *b, bool *empty, struct err *e)
{
	return socket_buffer_flush(&b->wire, empty, e);
}

bool records_pending(const struct records *b)
{
	return socket_buffer_pending(&b->wire);
}

static int records_set_forged(struct records *b, struct err *e)
{
	b->forged = true;
	return err_set(e, ERR_NET, 0,
		       "record authentication failed: forged or corrupted in "
		       "transit (bad_record_mac)");
}

/* The record authenticates: the peer itself broke the protocol. */
static int records_set_violation(struct records *b, enum record_alert alert,
				 struct err *e)
{
	b->violation = alert;
	if (alert == RECORD_RECORD_OVERFLOW)
		return err_set(e, ERR_STREAM, 0,
			       "the peer sent a record of more than %d bytes",
			       RECORD_MAX);
	return err_set(e, ERR_STREAM, 0,
		       "the peer sent more than %d empty records in a row",
		       RECORD_EMPTY_MAX);
}

/* The next whole record in the buffer, or NULL.  Errors: it is no record. */
static int records_next(struct records *b, const uint8_t **record, size_t *size,
			struct err *e)
{
	const struct socket_buffer_part *in = &b->wire.in;
	size_t have = in->end - in->start, body;

	*record = NULL;
	if (have < RECORD_HEADER_BYTES)
		return 0;
	body = aead_body_bytes(b->aead, in->bytes + in->start);
	if (!body)
		return records_set_forged(b, e);
	*size = RECORD_HEADER_BYTES + body;
	if (have >= *size)
		*record = in->bytes + in->start;
	return 0;
}

/* Decrypt the record at the front into out. */
static int records_open(struct records *b, const uint8_t *record, size_t size,
			unsigned int *type, uint8_t *out, size_t *n,
			struct err *e)
{
	uint8_t inner;

	if (aead_decrypt(b->aead, record, &inner, out, n) < 0)
		return records_set_forged(b, e);
	b->wire.in.start += size;
	*type = inner;
	if (*n > RECORD_MAX)
		return records_set_violation(b, RECORD_RECORD_OVERFLOW, e);
	b->empties = *n || inner != RECORD_DATA ? 0 : b->empties + 1;
	if (b->empties > RECORD_EMPTY_MAX)
		return records_set_violation(b, RECORD_UNEXPECTED_MESSAGE, e);
	return 0;
}

/* Keep the record until the data before it was returned. */
static void records_queue(struct records *b, unsigned int type,
			  const uint8_t *body, size_t len)
{
	b->holds = true;
	b->held_type = type;
	b->held_len = len;
	memcpy(b->held, body, len < sizeof b->held ? len : sizeof b->held);
}

static void records_release(struct records *b, unsigned int *type, void *buf,
			    size_t *n)
{
	*type = b->held_type;
	*n = b->held_len;
	memcpy(buf, b->held, *n < sizeof b->held ? *n : sizeof b->held);
	b->holds = false;
}

/* Decrypt the records in the buffer, up to one that is not data. */
static int records_open_all(struct records *b, unsigned int *type, uint8_t *buf,
			    size_t len, size_t *n, struct err *e)
{
	const uint8_t *record;
	unsigned int next = RECORD_DATA;
	size_t size, got;

	while (len - *n >= AEAD_BODY_MAX) {
		if (records_next(b, &record, &size, e) < 0)
			return -1;
		if (!record)
			return 0;
		if (records_open(b, record, size, &next, buf + *n, &got, e) < 0)
			return -1;
		if (next == RECORD_DATA) {
			*n += got;
		} else if (*n) {
			records_queue(b, next, buf + *n, got);
			return 0;
		} else {
			*type = next;
			*n = got;
			return 0;
		}
	}
	return 0;
}

int records_recv(struct records *b, unsigned int *type, void *buf, size_t len,
		 size_t *n, struct err *e)
{
	size_t got;

	*n = 0;
	*type = RECORD_DATA;
	if (b->holds) {
		records_release(b, type, buf, n);
		return 0;
	}
	if (b->forged)
		return records_set_forged(b, e);
	if (b->violation)
		return records_set_violation(b, b->violation, e);
	do {
		/* Bytes that came before an error are returned first. */
		if (records_open_all(b, type, buf, len, n, e) < 0)
			return *n ? 0 : -1;
		if (*n || *type != RECORD_DATA)
			return 0;
		if (socket_buffer_fill(&b->wire, &got, e) < 0)
			return -1;
	} while (got);
	b->empties = 0;
	return 0;
}

bool records_violated(const struct records *b, enum record_alert *alert)
{
	*alert = b->violation;
	return b->violation;
}

bool records_lost(const struct records *b)
{
	return socket_buffer_gone(&b->wire) || b->forged;
}

bool records_forged(const struct records *b)
{
	return b->forged;
}

uint64_t records_records(const struct records *b)
{
	return aead_records(b->aead);
}
