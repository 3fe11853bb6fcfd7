// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/resend_buffer.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Memory is used in chunks, and the chunk that was freed last is used first.
 * While the receiver keeps up, few chunks are in use, and these stay in the
 * CPU's cache.  A ring of the size of the buffer would always use its coldest
 * byte next.
 */
enum {
	CHUNK_BYTES = 64 * RECORD_MAX, /* as much as a pipe holds */
	TAIL_BYTES = 64, /* in front of head, kept for peek() */
};

/* Chunk number n holds the bytes from n * CHUNK_BYTES on. */
struct resend_memory {
	struct resend_buffer resend; /* must be first */
	uint64_t start; /* offset of the first byte ever held */
	uint64_t first, next; /* numbers of the chunks in use */
	uint8_t *memory;
	size_t slots; /* chunks that fit into memory */
	uint32_t *slot_of; /* chunk number, modulo slots */
	uint32_t *free; /* a stack of slots */
	size_t free_count;
	size_t piece; /* a read(2) is offered at least this much */
};

/* connection_send() needs one byte of room behind the last one. */
static size_t resend_memory_bytes(const struct resend_memory *m)
{
	return m->slots * CHUNK_BYTES + 1;
}

/* The byte at offset, in a chunk in use */
static uint8_t *resend_memory_at(const struct resend_memory *m, uint64_t offset)
{
	uint64_t number = offset / CHUNK_BYTES;
	size_t slot = m->slot_of[number % m->slots];

	return m->memory + slot * CHUNK_BYTES + offset % CHUNK_BYTES;
}

/* The part of len bytes from offset on that lies in the same chunk */
static size_t resend_memory_clip(uint64_t offset, uint64_t len)
{
	uint64_t rest = CHUNK_BYTES - offset % CHUNK_BYTES;

	return (size_t)min_u64(len, rest);
}

static void resend_memory_take(struct resend_memory *m)
{
	assert(m->free_count);
	m->slot_of[m->next++ % m->slots] = m->free[--m->free_count];
}

static void resend_memory_release(struct resend_memory *m)
{
	m->free[m->free_count++] = m->slot_of[m->first++ % m->slots];
}

/*
 * Where the next bytes go.  A read with less room than a packet of a pipe loses
 * the rest of the packet (pipe(7)).  So a piece may continue in the chunk that
 * is taken next, and the last piece may exceed the room.
 */
static void resend_memory_space(const struct resend_memory *m,
				struct iovec space[static 2])
{
	const struct resend_buffer *s = &m->resend;
	uint64_t room = resend_buffer_wants(s);
	size_t len =
		resend_memory_clip(s->head, room > m->piece ? room : m->piece);

	space[0].iov_base = resend_memory_at(m, s->head);
	space[0].iov_len = len;
	space[1].iov_base = m->memory +
			    m->free[m->free_count - 1] * (size_t)CHUNK_BYTES;
	space[1].iov_len = len < m->piece ? m->piece - len : 0;
}

static int resend_memory_fill(struct resend_buffer *s, struct err *e)
{
	struct resend_memory *m = (struct resend_memory *)s;
	struct iovec space[2];
	size_t n;

	if (s->head / CHUNK_BYTES == m->next)
		resend_memory_take(m);
	resend_memory_space(m, space);
	if (input_read(s->in, space, 2, &n, &s->eof, e) < 0)
		return -1;
	s->head += n;
	if (s->head > m->next * CHUNK_BYTES)
		resend_memory_take(m);
	return 0;
}

static int resend_memory_send(struct resend_buffer *s, struct connection *c,
			      size_t len, size_t *done, struct err *e)
{
	const struct resend_memory *m = (const struct resend_memory *)s;

	if (connection_send(c, resend_memory_at(m, s->sent),
			    resend_memory_clip(s->sent, len), done, e) < 0)
		return -1;
	s->sent += *done;
	return 0;
}

static void resend_memory_ack(struct resend_buffer *s, uint64_t offset)
{
	struct resend_memory *m = (struct resend_memory *)s;
	uint64_t held = s->head - offset < TAIL_BYTES ? s->head - TAIL_BYTES
						      : offset;

	s->acked = offset;
	if (s->head - m->start <= TAIL_BYTES)
		return;
	while ((m->first + 1) * CHUNK_BYTES <= held)
		resend_memory_release(m);
}

static int resend_memory_peek(const struct resend_buffer *s, uint64_t offset,
			      void *buf, size_t len, struct err *e)
{
	const struct resend_memory *m = (const struct resend_memory *)s;
	uint8_t *out = buf;

	if (offset < m->start || offset > s->head || s->head - offset < len ||
	    offset / CHUNK_BYTES < m->first)
		return resend_buffer_not_held(e);
	while (len) {
		size_t n = resend_memory_clip(offset, len);

		memcpy(out, resend_memory_at(m, offset), n);
		out += n;
		offset += n;
		len -= n;
	}
	return 0;
}

static void resend_memory_free(struct resend_buffer *s)
{
	struct resend_memory *m = (struct resend_memory *)s;

	if (m->memory)
		munmap(m->memory, resend_memory_bytes(m));
	free(m->slot_of);
	free(m->free);
	free(m);
}

static const struct resend_buffer_ops resend_memory_ops = {
	.fill = resend_memory_fill,
	.send = resend_memory_send,
	.ack = resend_memory_ack,
	.peek = resend_memory_peek,
	.free = resend_memory_free,
};

/* Enough for room, wherever the bytes begin and end in a chunk */
static int resend_memory_alloc(struct resend_memory *m)
{
	void *memory;

	/* A packet of a pipe is no larger. */
	m->piece = (size_t)sysconf(_SC_PAGESIZE);
	m->slots = (size_t)((m->resend.room + m->piece) / CHUNK_BYTES) + 3;
	memory = mmap(NULL, resend_memory_bytes(m), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return -1;
	m->memory = memory;
	madvise(memory, resend_memory_bytes(m), MADV_HUGEPAGE);
	m->slot_of = calloc(m->slots, sizeof *m->slot_of);
	m->free = calloc(m->slots, sizeof *m->free);
	if (!m->slot_of || !m->free)
		return -1;
	for (size_t slot = m->slots; slot-- > 0;)
		m->free[m->free_count++] = (uint32_t)slot;
	return 0;
}

struct resend_buffer *resend_memory_new(const struct input *in, uint64_t bytes,
					uint64_t start, bool keeps,
					struct err *e)
{
	struct resend_memory *m = err_alloc(sizeof *m, e);

	if (!m)
		return NULL;
	m->resend = (struct resend_buffer){ .ops = &resend_memory_ops,
					    .in = in,
					    .head = start,
					    .sent = start,
					    .acked = start,
					    .room = (bytes + RECORD_MAX - 1) /
						    RECORD_MAX * RECORD_MAX,
					    .ahead = UINT64_MAX,
					    .keeps = keeps,
					    .peeks = true };
	m->start = start;
	m->first = m->next = start / CHUNK_BYTES;
	if (resend_memory_alloc(m) < 0) {
		err_set(e, ERR_BUG, errno,
			"no memory for a buffer of %" PRIu64 " bytes", bytes);
		err_append(e, "; or choose a smaller --buffer");
		resend_memory_free((struct resend_buffer *)m);
		return NULL;
	}
	return (struct resend_buffer *)m;
}
