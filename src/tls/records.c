// SPDX-License-Identifier: GPL-2.0-or-later
#include "tls/records.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "tls/aead.h"

enum {
	RECORD_BYTES = RECORD_HEADER_BYTES + AEAD_BODY_MAX,
	SMALL_BYTES = RECORDS_PUT_MAX + RECORD_OVERHEAD,
	RESERVE_BYTES = 3 * RECORD_OVERHEAD, /* for alerts, behind data */
	CONTROL_BYTES = 4 * SMALL_BYTES + RESERVE_BYTES,
	BULK_BYTES = 16 * RECORD_BYTES, /* 256 KiB of data a call */
};

/* bytes[start] to bytes[end - 1] are in use. */
struct records_buffer {
	size_t size, start, end;
	uint8_t *bytes;
};

struct records {
	int fd; /* borrowed */
	const struct mode *mode;
	struct aead *aead[2]; /* NULL: the kernel has that direction */
	struct records_buffer out, in;
	int lost_errno; /* the socket's first error, 0 if none */
	bool ended; /* the peer's FIN was read */
	bool reads_ahead;
	enum record_alert alert; /* our answer to what came; 0: all is well */
	unsigned int empties; /* records without data in a row */
	/* A record that is not data waits behind data */
	bool holds;
	unsigned int held_type;
	size_t held_len;
	uint8_t held[AEAD_BODY_MAX];
};

/* Enlarge a buffer; its contents stay. */
static int records_grow(struct records_buffer *b, size_t bytes, struct err *e)
{
	uint8_t *larger = realloc(b->bytes, bytes);

	if (!larger)
		return err_memory(e);
	b->bytes = larger;
	b->size = bytes;
	return 0;
}

struct records *records_new(int fd, const struct mode *mode,
			    const struct traffic keys[static 2], struct err *e)
{
	struct records *r = err_alloc(sizeof *r, e);

	if (!r)
		return NULL;
	r->fd = fd;
	r->mode = mode;
	if (records_update_key(r, RECORD_TX, &keys[RECORD_TX], e) < 0 ||
	    records_update_key(r, RECORD_RX, &keys[RECORD_RX], e) < 0 ||
	    records_grow(&r->out, CONTROL_BYTES, e) < 0 ||
	    records_grow(&r->in, RECORD_BYTES, e) < 0) {
		records_free(r);
		return NULL;
	}
	return r;
}

void records_free(struct records *r)
{
	if (!r)
		return;
	records_drop(r, RECORD_TX);
	records_drop(r, RECORD_RX);
	free(r->out.bytes);
	free(r->in.bytes);
	free(r);
}

int records_keep(struct records *r, enum record_direction dir, bool bulk,
		 struct err *e)
{
	r->reads_ahead |= dir == RECORD_RX;
	if (!bulk)
		return 0;
	return dir == RECORD_TX
		       ? records_grow(&r->out, BULK_BYTES + RESERVE_BYTES, e)
		       : records_grow(&r->in, BULK_BYTES, e);
}

void records_drop(struct records *r, enum record_direction dir)
{
	aead_free(r->aead[dir]);
	r->aead[dir] = NULL;
}

int records_update_key(struct records *r, enum record_direction dir,
		       const struct traffic *t, struct err *e)
{
	struct aead *next = aead_new(r->mode, t, e);

	if (!next)
		return -1;
	records_drop(r, dir);
	r->aead[dir] = next;
	return 0;
}

uint64_t records_count(const struct records *r, enum record_direction dir)
{
	return r->aead[dir] ? aead_records(r->aead[dir]) : 0;
}

/* Remember the first error of the socket. */
static int records_lose(struct records *r, struct err *e)
{
	if (!r->lost_errno)
		r->lost_errno = errno;
	return err_set(e, ERR_NET, r->lost_errno, "the connection was lost");
}

/* How many bytes can be appended now. */
static size_t records_room(const struct records *r)
{
	return r->out.size - r->out.end;
}

static int records_encrypt(struct records *r, uint8_t type, uint8_t *data,
			   size_t len, struct err *e)
{
	struct records_buffer *out = &r->out;
	size_t size;

	assert(r->aead[RECORD_TX]);
	if (aead_encrypt(r->aead[RECORD_TX], type, data, len,
			 out->bytes + out->end, &size, e) < 0)
		return -1;
	out->end += size;
	return 0;
}

int records_send(struct records *r, uint8_t *buf, size_t len, size_t *done,
		 struct err *e)
{
	bool empty;

	*done = 0;
	while (*done < len && records_room(r) >= RECORD_BYTES + RESERVE_BYTES) {
		size_t n = len - *done < RECORD_MAX ? len - *done : RECORD_MAX;

		if (records_encrypt(r, RECORD_DATA, buf + *done, n, e) < 0)
			return -1;
		*done += n;
	}
	return records_flush(r, &empty, e);
}

int records_put(struct records *r, enum record_type type, const void *body,
		size_t len, bool *taken, struct err *e)
{
	uint8_t copy[RECORDS_PUT_MAX + 1]; /* see aead_encrypt() */
	bool empty;

	assert(len <= RECORDS_PUT_MAX);
	*taken = records_room(r) >=
		 len + RECORD_OVERHEAD +
			 (type == RECORD_DATA ? RESERVE_BYTES : 0);
	memcpy(copy, body, len);
	copy[len] = 0;
	if (*taken && records_encrypt(r, (uint8_t)type, copy, len, e) < 0)
		return -1;
	return records_flush(r, &empty, e);
}

bool records_pending(const struct records *r)
{
	return r->out.start < r->out.end;
}

int records_flush(struct records *r, bool *empty, struct err *e)
{
	struct records_buffer *out = &r->out;

	*empty = false;
	while (records_pending(r)) {
		ssize_t n = send(r->fd, out->bytes + out->start,
				 out->end - out->start,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0)
			out->start += (size_t)n;
		else if (errno == EAGAIN)
			return 0;
		else if (errno != EINTR)
			return records_lose(r, e);
	}
	out->start = out->end = 0;
	*empty = true;
	return 0;
}

/*
 * A record does not authenticate (bad_record_mac), or it does, and the peer
 * itself broke the protocol.  Nothing more is received.
 */
static int records_fail(struct records *r, enum record_alert alert,
			struct err *e)
{
	r->alert = alert;
	if (alert == RECORD_BAD_RECORD_MAC)
		return err_set(e, ERR_NET, 0,
			       "record authentication failed: forged or "
			       "corrupted in transit (bad_record_mac)");
	if (alert == RECORD_RECORD_OVERFLOW)
		return err_set(e, ERR_STREAM, 0,
			       "the peer sent a record of more than %d bytes",
			       RECORD_MAX);
	return err_set(e, ERR_STREAM, 0,
		       "the peer sent more than %d empty records in a row",
		       RECORD_EMPTY_MAX);
}

/* An invalid header is not what the peer sent: it was forged or damaged. */
static int records_bad_header(struct records *r, struct err *e)
{
	if (r->mode != &mode_none)
		return records_fail(r, RECORD_BAD_RECORD_MAC, e);
	return err_set(e, ERR_NET, 0,
		       "the peer sent no record of mode none; give -m none to "
		       "both sides");
}

/*
 * The next whole record in the buffer, or NULL; then *size is how many bytes
 * the buffer needs.  Errors: it is no record.
 */
static int records_next(struct records *r, const uint8_t **record, size_t *size,
			struct err *e)
{
	const struct records_buffer *in = &r->in;
	size_t have = in->end - in->start, body;

	*record = NULL;
	*size = RECORD_HEADER_BYTES;
	if (have < RECORD_HEADER_BYTES)
		return 0;
	body = aead_body_bytes(r->aead[RECORD_RX], in->bytes + in->start);
	if (!body)
		return records_bad_header(r, e);
	*size += body;
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

	if (aead_decrypt(r->aead[RECORD_RX], record, &inner, out, n) < 0)
		return records_fail(r, RECORD_BAD_RECORD_MAC, e);
	r->in.start += size;
	*type = inner;
	if (*n > RECORD_MAX)
		return records_fail(r, RECORD_RECORD_OVERFLOW, e);
	r->empties = *n || inner != RECORD_DATA ? 0 : r->empties + 1;
	if (r->empties > RECORD_EMPTY_MAX)
		return records_fail(r, RECORD_UNEXPECTED_MESSAGE, e);
	return 0;
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
			/* It waits until the data before it was returned. */
			r->holds = true;
			r->held_type = next;
			r->held_len = got;
			memcpy(r->held, buf + *n, got);
			return 0;
		} else {
			*type = next;
			*n = got;
			return 0;
		}
	}
	return 0;
}

/*
 * Read what is missing of the next record, or as much as there is.  What is in
 * the buffer moves to its front first.
 */
static int records_fill(struct records *r, size_t *got, struct err *e)
{
	struct records_buffer *in = &r->in;
	const uint8_t *record;
	size_t size;
	ssize_t n;

	*got = 0;
	if (records_next(r, &record, &size, e) < 0)
		return -1;
	in->end -= in->start;
	memmove(in->bytes, in->bytes + in->start, in->end);
	in->start = 0;
	do
		n = recv(r->fd, in->bytes + in->end,
			 (r->reads_ahead ? in->size : size) - in->end,
			 MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : records_lose(r, e);
	if (n == 0) {
		r->ended = true;
		return err_set(e, ERR_NET, 0,
			       "the connection closed without close_notify");
	}
	*got = (size_t)n;
	in->end += *got;
	return 0;
}

int records_recv(struct records *r, unsigned int *type, void *buf, size_t len,
		 size_t *n, struct err *e)
{
	size_t got;

	assert(r->aead[RECORD_RX] && len >= AEAD_BODY_MAX);
	*n = 0;
	*type = RECORD_DATA;
	if (r->holds) {
		r->holds = false;
		*type = r->held_type;
		*n = r->held_len;
		memcpy(buf, r->held, *n);
		return 0;
	}
	if (r->alert)
		return records_fail(r, r->alert, e);
	do {
		if (records_open_all(r, type, buf, len, n, e) < 0 && !*n)
			return -1;
		/* Bytes that came before an error are returned first. */
		if (*n)
			*e = (struct err){ 0 };
		if (*n || *type != RECORD_DATA)
			return 0;
		if (records_fill(r, &got, e) < 0)
			return -1;
	} while (got);
	r->empties = 0;
	return 0;
}

enum record_alert records_alert(const struct records *r)
{
	return r->alert;
}

bool records_lost(const struct records *r)
{
	return r->lost_errno || r->ended || r->alert == RECORD_BAD_RECORD_MAC;
}
