// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/resend_buffer.h"

#include <errno.h>
#include <sys/stat.h>

enum {
	CALL_BYTES = 64 * RECORD_MAX, /* of one sendfile(2) */
	COPY_BYTES = 16 * RECORD_MAX, /* of one read, if sendfile(2) cannot */
};

struct resend_file {
	struct resend_buffer resend; /* must be first */
	uint8_t *buffer; /* COPY_BYTES and one; NULL until needed */
	uint64_t copied; /* stream offset of its first byte */
	size_t copied_bytes;
	bool copies; /* sendfile(2) refuses this file */
};

/*
 * The stream ends where the file ends once everything is sent.  The file may
 * grow until then.
 */
static int resend_file_fill(struct resend_buffer *s, struct err *e)
{
	off_t end = s->in->start + (off_t)s->head;
	struct stat st;

	if (fstat(s->in->fd, &st) < 0)
		return input_error(e);
	if (st.st_size < end)
		return input_shorter(e);
	if (st.st_size > end)
		s->head = (uint64_t)(st.st_size - s->in->start);
	else
		s->eof = s->sent == s->head;
	/* The next reader of this description continues behind the stream. */
	if (s->eof && lseek(s->in->fd, end, SEEK_SET) < 0)
		return input_error(e);
	return 0;
}

/* Is the next byte still there? */
static int resend_file_check(const struct resend_file *f, struct err *e)
{
	const struct resend_buffer *s = &f->resend;
	uint8_t byte;
	ssize_t n = pread(s->in->fd, &byte, 1, s->in->start + (off_t)s->sent);

	if (n < 0)
		return input_error(e);
	return n == 0 ? input_shorter(e) : 0;
}

static bool resend_file_copied(const struct resend_file *f, uint64_t offset)
{
	return offset >= f->copied && offset - f->copied < f->copied_bytes;
}

static int resend_file_copy(struct resend_file *f, struct err *e)
{
	struct resend_buffer *s = &f->resend;
	ssize_t n;

	if (resend_file_copied(f, s->sent))
		return 0;
	if (!f->buffer && !(f->buffer = malloc(COPY_BYTES + 1)))
		return err_memory(e);
	n = pread(s->in->fd, f->buffer, COPY_BYTES,
		  s->in->start + (off_t)s->sent);
	if (n <= 0)
		return resend_file_check(f, e);
	f->copied = s->sent;
	f->copied_bytes = (size_t)n;
	return 0;
}

/* In user space, and if sendfile(2) refuses the file. */
static int resend_file_send_copy(struct resend_file *f, struct connection *c,
				 size_t len, size_t *done, struct err *e)
{
	uint64_t sent = f->resend.sent;
	size_t rest;

	*done = 0;
	if (resend_file_copy(f, e) < 0)
		return -1;
	if (!resend_file_copied(f, sent))
		return 0;
	rest = f->copied_bytes - (size_t)(sent - f->copied);
	return connection_send(c, f->buffer + (sent - f->copied),
			       len < rest ? len : rest, done, e);
}

static int resend_file_sendfile(struct resend_file *f, struct connection *c,
				size_t len, size_t *done, struct err *e)
{
	struct resend_buffer *s = &f->resend;
	uint64_t at = (uint64_t)s->in->start + s->sent;
	struct err of_file = { 0 };

	if (len > CALL_BYTES)
		len = CALL_BYTES;
	if (connection_sendfile(c, s->in->fd, at, len, done, e) < 0) {
		if (resend_file_check(f, &of_file) < 0)
			*e = of_file;
		if (e->kind != ERR_IO || !e->num)
			return -1;
		f->copies = e->num == EINVAL || err_refuses(e->num);
		return f->copies ? 0 : -1;
	}
	return *done ? 0 : resend_file_check(f, e);
}

static int resend_file_send(struct resend_buffer *s, struct connection *c,
			    size_t len, size_t *done, struct err *e)
{
	struct resend_file *f = (struct resend_file *)s;

	if (!f->copies && connection_in_kernel(c) &&
	    resend_file_sendfile(f, c, len, done, e) < 0)
		return -1;
	if ((f->copies || !connection_in_kernel(c)) &&
	    resend_file_send_copy(f, c, len, done, e) < 0)
		return -1;
	s->sent += *done;
	return 0;
}

static void resend_file_ack(struct resend_buffer *s, uint64_t offset)
{
	s->acked = offset;
}

static int resend_file_peek(const struct resend_buffer *s, uint64_t offset,
			    void *buf, size_t len, struct err *e)
{
	ssize_t n;

	if (offset + len > s->head)
		return resend_buffer_not_held(e);
	n = pread(s->in->fd, buf, len, s->in->start + (off_t)offset);
	if (n < 0)
		return input_error(e);
	return n == (ssize_t)len ? 0 : input_shorter(e);
}

static void resend_file_free(struct resend_buffer *s)
{
	free(((struct resend_file *)s)->buffer);
	free(s);
}

static const struct resend_buffer_ops resend_file_ops = {
	.fill = resend_file_fill,
	.send = resend_file_send,
	.ack = resend_file_ack,
	.peek = resend_file_peek,
	.free = resend_file_free,
};

struct resend_buffer *resend_file_new(const struct input *in, struct err *e)
{
	struct resend_file *f = err_alloc(sizeof *f, e);

	if (!f)
		return NULL;
	f->resend = (struct resend_buffer){ .ops = &resend_file_ops,
					    .in = in,
					    .room = UINT64_MAX,
					    .ahead = UINT64_MAX,
					    .keeps = true,
					    .peeks = true,
					    .in_place = true };
	return (struct resend_buffer *)f;
}
