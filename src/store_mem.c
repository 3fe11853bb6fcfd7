// SPDX-License-Identifier: GPL-2.0-or-later
#include "store_mem.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/mman.h>

#include "io.h"

/* A read of a file must not keep the socket waiting. */
#define FILL_BYTES (1 << 20)

struct store_mem {
	struct store store; /* first: a store is this */
	uint8_t *ring;
	uint64_t start; /* offset of the first byte that ever came */
};

/* How much lies in one piece at offset, and where. */
static uint8_t *store_mem_at(struct store_mem *m, uint64_t offset, size_t *len)
{
	uint64_t at = offset % m->store.room;

	if (*len > m->store.room - at)
		*len = (size_t)(m->store.room - at);
	return m->ring + at;
}

static int store_mem_fill(struct store *s, struct err *e)
{
	struct store_mem *m = (struct store_mem *)s;
	size_t len = (size_t)(s->room - (s->head - s->acked));
	uint8_t *at = store_mem_at(m, s->head, &len);
	ssize_t n = io_read(s->in_fd, at, len < FILL_BYTES ? len : FILL_BYTES);

	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		return err_set(e, ERR_IO, errno, "cannot read standard input");
	if (n == 0)
		s->eof = true;
	s->head += (uint64_t)n;
	return 0;
}

static int store_mem_send(struct store *s, struct chan *c, size_t len,
			  struct chan_io *io, struct err *e)
{
	struct store_mem *m = (struct store_mem *)s;
	uint8_t *at = store_mem_at(m, s->sent, &len);

	if (chan_send(c, at, len, io, e) < 0)
		return -1;
	s->sent += io->bytes;
	return 0;
}

static void store_mem_ack(struct store *s, uint64_t offset)
{
	s->acked = offset;
}

static bool store_mem_peek(const struct store *s, uint64_t offset, void *buf,
			   size_t len)
{
	const struct store_mem *m = (const struct store_mem *)s;
	uint8_t *out = buf;

	/* Bytes stay until newer ones are written over them. */
	if (offset < m->start || offset > s->head || s->head - offset < len ||
	    s->head - offset > s->room)
		return false;
	for (size_t i = 0; i < len; i++)
		out[i] = m->ring[(offset + i) % s->room];
	return true;
}

static void store_mem_free(struct store *s)
{
	struct store_mem *m = (struct store_mem *)s;

	munmap(m->ring, s->room);
	free(m);
}

static const struct store_ops store_mem_ops = {
	.fill = store_mem_fill,
	.send = store_mem_send,
	.ack = store_mem_ack,
	.peek = store_mem_peek,
	.free = store_mem_free,
};

struct store *store_mem_new(int in_fd, uint64_t bytes, uint64_t start,
			    bool keeps, struct err *e)
{
	uint64_t room = (bytes + REC_MAX - 1) / REC_MAX * REC_MAX;
	struct store_mem *m = calloc(1, sizeof *m);
	void *ring = mmap(NULL, room, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (!m || ring == MAP_FAILED) {
		err_set(e, ERR_IO, errno,
			"no memory for a buffer of %" PRIu64 " bytes", bytes);
		if (ring != MAP_FAILED)
			munmap(ring, room);
		free(m);
		return NULL;
	}
	madvise(ring, room, MADV_HUGEPAGE);
	m->ring = ring;
	m->start = start;
	m->store.ops = &store_mem_ops;
	m->store.in_fd = in_fd;
	m->store.head = m->store.sent = m->store.acked = start;
	m->store.room = room;
	m->store.keeps = keeps;
	return (struct store *)m;
}
