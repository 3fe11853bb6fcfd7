// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/store_file.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/io.h"

enum {
	CALL_BYTES = 64 * REC_MAX, /* in one sendfile(2) */
	COPY_BYTES = 16 * REC_MAX, /* in one read, where the kernel cannot */
};

struct store_file {
	struct store store; /* first: a store is this */
	uint64_t start; /* where in the file the stream begins */
	uint8_t *buffer; /* COPY_BYTES and one, once needed */
	uint64_t copied; /* stream offset of what is in it */
	size_t copied_bytes;
	bool copies; /* sendfile(2) does not do for this file */
};

static struct store_file *store_file_of(struct store *s)
{
	return (struct store_file *)s;
}

/*
 * The stream ends where the file does when everything in it was sent: it may
 * grow until then.
 */
static int store_file_fill(struct store *s, struct err *e)
{
	struct store_file *f = store_file_of(s);
	uint64_t head = s->head;
	struct stat st;

	if (fstat(s->in->fd, &st) < 0)
		return input_error(e);
	if ((uint64_t)st.st_size > f->start + head)
		s->head = (uint64_t)st.st_size - f->start;
	else
		s->eof = s->sent == head;
	/* Whoever reads from this description next goes on behind it. */
	if (s->eof && lseek(s->in->fd, (off_t)(f->start + head), SEEK_SET) < 0)
		return input_error(e);
	return 0;
}

/* Is the next byte still there? */
static int store_file_check(struct store *s, struct err *e)
{
	uint8_t byte;
	ssize_t n = pread(s->in->fd, &byte, 1,
			  (off_t)(store_file_of(s)->start + s->sent));

	if (n < 0)
		return input_error(e);
	return n == 0 ? input_shorter(e) : 0;
}

static bool store_file_copied(const struct store_file *f, uint64_t offset)
{
	return offset >= f->copied && offset - f->copied < f->copied_bytes;
}

static int store_file_copy(struct store_file *f, struct err *e)
{
	struct store *s = &f->store;
	ssize_t n;

	if (store_file_copied(f, s->sent))
		return 0;
	if (!f->buffer && !(f->buffer = malloc(COPY_BYTES + 1)))
		return err_set(e, ERR_BUG, 0, "out of memory");
	n = pread(s->in->fd, f->buffer, COPY_BYTES,
		  (off_t)(f->start + s->sent));
	if (n <= 0)
		return store_file_check(s, e);
	f->copied = s->sent;
	f->copied_bytes = (size_t)n;
	return 0;
}

/* In user space, and of files that sendfile(2) does not take. */
static int store_file_send_copy(struct store_file *f, struct chan *c,
				size_t len, struct chan_io *io, struct err *e)
{
	uint64_t sent = f->store.sent;
	size_t rest;

	*io = (struct chan_io){ 0 };
	if (store_file_copy(f, e) < 0)
		return -1;
	if (!store_file_copied(f, sent))
		return 0;
	rest = f->copied_bytes - (size_t)(sent - f->copied);
	return chan_send(c, f->buffer + (sent - f->copied),
			 len < rest ? len : rest, io, e);
}

static int store_file_sendfile(struct store_file *f, struct chan *c, size_t len,
			       struct chan_io *io, struct err *e)
{
	struct store *s = &f->store;
	struct err of_file = { 0 };

	if (len > CALL_BYTES)
		len = CALL_BYTES;
	if (chan_sendfile(c, s->in->fd, f->start + s->sent, len, io, e) < 0) {
		if (store_file_check(s, &of_file) < 0)
			*e = of_file;
		if (e->kind != ERR_IO || !e->num)
			return -1;
		f->copies = e->num == EINVAL || err_refuses(e->num);
		return f->copies ? 0 : -1;
	}
	return io->bytes ? 0 : store_file_check(s, e);
}

static int store_file_send(struct store *s, struct chan *c, size_t len,
			   struct chan_io *io, struct err *e)
{
	struct store_file *f = store_file_of(s);

	if (!f->copies && chan_in_kernel(c) &&
	    store_file_sendfile(f, c, len, io, e) < 0)
		return -1;
	if ((f->copies || !chan_in_kernel(c)) &&
	    store_file_send_copy(f, c, len, io, e) < 0)
		return -1;
	s->sent += io->bytes;
	return 0;
}

static void store_file_ack(struct store *s, uint64_t offset)
{
	s->acked = offset;
}

static int store_file_peek(const struct store *s, uint64_t offset, void *buf,
			   size_t len, struct err *e)
{
	const struct store_file *f = (const struct store_file *)s;
	ssize_t n;

	if (offset + len > s->head)
		return store_not_held(e);
	n = pread(s->in->fd, buf, len, (off_t)(f->start + offset));
	if (n < 0)
		return input_error(e);
	return n == (ssize_t)len ? 0 : input_shorter(e);
}

static void store_file_free(struct store *s)
{
	free(store_file_of(s)->buffer);
	free(s);
}

static const struct store_ops store_file_ops = {
	.fill = store_file_fill,
	.send = store_file_send,
	.ack = store_file_ack,
	.rewind = store_rewind,
	.peek = store_file_peek,
	.free = store_file_free,
};

struct store *store_file_new(const struct input *in, struct err *e)
{
	off_t start = lseek(in->fd, 0, SEEK_CUR);
	struct store_file *f = calloc(1, sizeof *f);

	if (start < 0 || !f) {
		input_error(e);
		free(f);
		return NULL;
	}
	f->store = (struct store){ .ops = &store_file_ops,
				   .in = in,
				   .room = UINT64_MAX,
				   .limit = UINT64_MAX,
				   .ahead = UINT64_MAX,
				   .keeps = true,
				   .peeks = true,
				   .in_place = true };
	f->start = (uint64_t)start;
	return (struct store *)f;
}
