// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * resend_pipes never loses, repeats or reorders a byte, however large the
 * writer's pieces are and however often it has to rewind.
 */
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "bytes.h"
#include "stream/resend_buffer.h"
#include "tap.h"
#include "wrap.h"

enum { ROUNDS = 30, STEPS = 2000, KEEPS = 256 << 10 };

static bool in_kernel;

WRAP(connection_in_kernel);
bool __wrap_connection_in_kernel(const struct connection *c)
{
	return in_kernel;
}

WRAP(connection_send);
int __wrap_connection_send(struct connection *c, uint8_t *buf, size_t len,
			   size_t *done, struct err *e)
{
	return take_lent(buf, len, done);
}

/* Read as splice(2) does, across packets: a read(2) loses the rest of one. */
static size_t move(int pipe_fd, uint8_t *bytes, size_t len)
{
	size_t done = 0;
	int p[2];
	ssize_t n;

	if (pipe2(p, O_NONBLOCK) < 0)
		bail();
	while (done < len && (n = splice(pipe_fd, NULL, p[1], NULL, len - done,
					 SPLICE_F_NONBLOCK)) > 0)
		while ((n = read(p[0], bytes + done, len - done)) > 0)
			done += (size_t)n;
	close(p[0]);
	close(p[1]);
	return done;
}

/* The bytes asked for must be there, or the kernel leaves a record open. */
static int asked_too_much;
static bool stuck; /* the socket takes nothing */

WRAP(connection_splice_from);
int __wrap_connection_splice_from(struct connection *c, int pipe_fd, size_t len,
				  size_t *done, struct err *e)
{
	static uint8_t bytes[1 << 20];
	size_t some = draw(4) ? len : draw(len + 1);
	int there = 0;

	asked_too_much += !in_kernel || ioctl(pipe_fd, FIONREAD, &there) < 0 ||
			  len > (size_t)there;
	if (stuck)
		some = 0;
	return take(bytes, move(pipe_fd, bytes, some), done);
}

struct run {
	struct resend_buffer *s;
	int feed_fd;
	uint64_t fed;
	int broken;
	unsigned int rewinds;
};

/* As sender_send.c does it */
static void use_memory(struct run *r)
{
	struct err e = { 0 };
	struct resend_buffer *m;

	if (!r->s->ops->to_memory)
		return;
	m = r->s->ops->to_memory(r->s, &e);
	if (!m)
		bail();
	r->s = m;
}

static void go_back(struct run *r, uint64_t offset)
{
	struct err e = { 0 };

	if (offset != r->s->sent) {
		use_memory(r);
		r->broken += resend_buffer_rewind(r->s, offset, &e) < 0;
	}
	sent = offset;
}

static uint64_t sendable(const struct resend_buffer *s)
{
	return s->stalled ? 0 : s->head - s->sent;
}

static void do_peek(struct run *r)
{
	const struct resend_buffer *s = r->s;
	uint8_t bytes[100];
	uint64_t len = draw(sizeof bytes), back = draw(2000) + len;
	uint64_t offset = back > s->head ? 0 : s->head - back;
	struct err e = { 0 };
	bool there;

	if (!len || s->head < len)
		return;
	there = s->ops->peek(s, offset, bytes, len, &e) == 0;
	r->broken += there && !bytes_right(bytes, offset, len);
	/* All unacknowledged bytes, and the last 64 that were sent */
	if (s->keeps && !s->ops->to_memory &&
	    (offset >= s->acked || offset + 64 >= s->sent))
		r->broken += !there;
}

/* The connection is lost; the next one may be of another kind. */
static void do_rewind(struct run *r, bool may_leave_kernel)
{
	struct resend_buffer *s = r->s;
	uint64_t offset = s->acked + draw(sent - s->acked + 1);

	in_kernel = !may_leave_kernel || draw(2);
	go_back(r, offset);
	r->s->ops->ack(r->s, offset);
	r->rewinds++;
}

static void do_send(struct run *r)
{
	struct err e = { 0 };
	size_t done;

	if (!in_kernel)
		use_memory(r);
	if (sendable(r->s))
		r->broken += r->s->ops->send(r->s, NULL,
					     draw(sendable(r->s)) + 1, &done,
					     &e) < 0;
	if (r->s->cramped)
		use_memory(r);
}

static void do_ack(struct run *r)
{
	r->s->ops->ack(r->s, r->s->acked + draw(sent - r->s->acked + 1));
}

static void do_fill(struct run *r)
{
	struct err e = { 0 };

	if (resend_buffer_wants(r->s))
		r->broken += r->s->ops->fill(r->s, &e) < 0;
	if (r->s->cramped)
		use_memory(r);
}

static void step(struct run *r, size_t piece, unsigned int rewinds,
		 bool may_leave_kernel)
{
	const struct resend_buffer *s;

	switch (draw(5)) {
	case 0:
		r->fed += feed(r->feed_fd, r->fed, draw(piece) + 1);
		break;
	case 1:
		do_fill(r);
		break;
	case 2:
		do_send(r);
		break;
	case 3:
		do_ack(r);
		break;
	case 4:
		if (!draw(20))
			do_peek(r);
		if (rewinds && !draw(rewinds))
			do_rewind(r, may_leave_kernel);
		/* A rekey, perhaps without kernel TLS. */
		if (may_leave_kernel && !draw(100))
			in_kernel = draw(2);
		break;
	}
	s = r->s;
	r->broken += s->eof || s->sent != sent || s->acked > s->sent ||
		     s->sent > s->head || s->head > r->fed ||
		     (s->keeps && s->sent - s->acked > KEEPS);
}

/* Send everything; the receiver's acknowledgements make room. */
static void finish(struct run *r)
{
	close(r->feed_fd);
	for (int i = 0; i < 100000; i++) {
		do_send(r);
		r->s->ops->ack(r->s, r->s->sent);
		if (!r->s->eof)
			do_fill(r);
		if (r->s->eof && r->s->sent == r->s->head)
			break;
	}
}

struct kind {
	const char *what;
	uint64_t keeps;
	size_t piece;
	int flags;
	unsigned int rewinds; /* one in so many steps; 0: never */
	bool may_leave_kernel;
};

static void round_of(const struct kind *k, struct run *r)
{
	struct err e = { 0 };
	int p[2];

	pipe_to_feed(p, k->flags);
	r->feed_fd = p[1];
	r->fed = 0;
	r->s = resend_pipes_new(input_from(p[0]), k->keeps, &e);
	if (!r->s)
		bail();
	r->s->ahead = draw(2) ? UINT64_MAX : 64 << 10;
	in_kernel = true;
	sent = 0;
	for (int i = 0; i < STEPS; i++)
		step(r, k->piece, k->rewinds, k->may_leave_kernel);
	finish(r);
	r->broken += !r->s->eof || sent != r->fed;
	r->s->ops->free(r->s);
	close(p[0]);
}

/* It turns into memory only once: many short runs show more than a long one. */
static void test(const struct kind *k)
{
	struct run r = { 0 };
	uint64_t all = 0;

	differ = asked_too_much = 0;
	for (int i = 0; i < ROUNDS; i++) {
		round_of(k, &r);
		all += sent;
	}
	ok(all > 100 * k->piece, "%s: many bytes were sent", k->what);
	if (k->rewinds)
		ok(r.rewinds > 20, "%s: and it rewound often", k->what);
	is_int(r.broken, 0, "%s: all of them, and all offsets in order",
	       k->what);
	is_int(differ, 0, "%s: the bytes are those that went in", k->what);
	is_int(asked_too_much, 0, "%s: never more than the pipe holds",
	       k->what);
}

/* A hundred more bytes, through the buffer and out. */
static void hundred_more(struct run *r)
{
	r->fed += feed(r->feed_fd, r->fed, 100);
	do_fill(r);
	while (sent < r->fed && !r->broken)
		do_send(r);
}

/*
 * A second loss a little behind the first: the earlier bytes are still in
 * memory, and the later ones must follow right behind them.
 */
static void test_lost_twice(void)
{
	struct err e = { 0 };
	struct run r = { 0 };
	int p[2];

	pipe_to_feed(p, 0);
	if (!(r.s = resend_pipes_new(input_from(p[0]), KEEPS, &e)))
		bail();
	r.feed_fd = p[1];
	in_kernel = true;
	sent = 0;
	differ = 0;
	hundred_more(&r);
	go_back(&r, 50);
	hundred_more(&r);
	r.s->ops->ack(r.s, 130);
	go_back(&r, 130);
	hundred_more(&r);
	is_int(sent, 300, "all goes out");
	is_int(r.broken + differ, 0, "and is right");
	r.s->ops->free(r.s);
	close(p[0]);
	close(p[1]);
}

/* Lost when everything was copied and nothing sent: there is room again. */
static void test_lost_when_full(void)
{
	struct err e = { 0 };
	struct run r = { 0 };
	size_t done;
	int p[2];

	pipe_to_feed(p, 0);
	if (!(r.s = resend_pipes_new(input_from(p[0]), KEEPS, &e)))
		bail();
	r.feed_fd = p[1];
	in_kernel = stuck = true;
	sent = 0;
	differ = 0;
	for (int i = 0; i < 1000 && !resend_buffer_full(r.s); i++) {
		r.fed += feed(r.feed_fd, r.fed, 2500);
		do_fill(&r);
	}
	ok(r.s->full, "no buffer is left");
	is_int(r.s->ops->send(r.s, NULL, r.s->head, &done, &e), 0, "copied");
	do_fill(&r);
	ok(r.s->full, "and that frees none");
	stuck = false;
	use_memory(&r);
	while (sent < r.s->head && !r.broken)
		do_send(&r);
	r.s->ops->ack(r.s, sent);
	ok(!resend_buffer_full(r.s), "the input is read again");
	finish(&r);
	is_int(sent, r.fed, "all goes out");
	is_int(r.broken + differ, 0, "and is right");
	r.s->ops->free(r.s);
	close(p[0]);
}

/* peek() must work even when no descriptor is left. */
static void test_no_more_pipes(void)
{
	struct rlimit before, none;
	struct err e = { 0 };
	uint8_t bytes[13];
	struct resend_buffer *s;
	int p[2];

	pipe_to_feed(p, 0);
	if (feed(p[1], 0, 3000) != 3000 ||
	    !(s = resend_pipes_new(input_from(p[0]), KEEPS, &e)) ||
	    s->ops->fill(s, &e) < 0 || getrlimit(RLIMIT_NOFILE, &before) < 0)
		bail();
	none = before;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	is_int(s->ops->peek(s, 0, bytes, sizeof bytes, &e), 0,
	       "the first bytes can be seen without another descriptor");
	ok(bytes_right(bytes, 0, sizeof bytes), "and are right");
	s = s->ops->to_memory(s, &e);
	ok(s, "without another descriptor it turns into memory");
	if (!s)
		bail();
	is_int(s->ops->peek(s, 2987, bytes, sizeof bytes, &e), 0,
	       "where the last bytes can be seen");
	ok(bytes_right(bytes, 2987, sizeof bytes), "and are right");
	setrlimit(RLIMIT_NOFILE, &before);
	is_int(s->ops->peek(s, 2988, bytes, sizeof bytes, &e), -1,
	       "but none behind");
	s->ops->free(s);
	close(p[0]);
	close(p[1]);
}

/* The first bytes are copied, and a page behind them has to fit, too. */
static void test_small_pipe(void)
{
	struct err e = { 0 };
	struct run r = { 0 };
	int p[2];

	pipe_to_feed(p, 0);
	if (!(r.s = resend_pipes_new(input_from(p[0]), 4096, &e)))
		bail();
	r.feed_fd = p[1];
	in_kernel = true;
	sent = 0;
	differ = 0;
	r.fed = feed(p[1], 0, 10);
	do_fill(&r);
	r.fed += feed(p[1], r.fed, 4096);
	do_fill(&r);
	is_int(r.broken, 0, "a page is read behind a few first bytes");
	finish(&r);
	is_int(sent, r.fed, "all goes out");
	is_int(r.broken + differ, 0, "and is right");
	r.s->ops->free(r.s);
	close(p[0]);
}

static void test_too_large(void)
{
	struct err e = { 0 };
	int p[2];

	pipe_to_feed(p, 0);
	ok(!resend_pipes_new(input_from(p[0]), 1ull << 40, &e),
	   "no pipe of a TiB");
	is_int(e.kind, ERR_IO, "and the error says so");
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	static const struct kind kinds[] = {
		{ "nothing kept", 0, 4096, 0, 0, false },
		{ "kept", KEEPS, 4096, 0, 0, false },
		{ "small pieces", KEEPS, 50, 0, 0, false },
		{ "lost connections", KEEPS, 4096, 0, 300, false },
		{ "lost connections, small pieces", KEEPS, 300, 0, 300, false },
		{ "kernel and user space", KEEPS, 4096, 0, 300, true },
		{ "nothing kept, kernel and user space", 0, 4096, 0, 0, true },
		/* A packet that a read cuts is lost. */
		{ "packets", KEEPS, 4096, O_DIRECT, 300, false },
		{ "small packets", KEEPS, 50, O_DIRECT, 300, false },
		{ "packets, kernel and user space", KEEPS, 4096, O_DIRECT, 300,
		  true },
	};

	for (size_t i = 0; i < array_len(kinds); i++)
		test(&kinds[i]);
	test_lost_twice();
	test_lost_when_full();
	test_no_more_pipes();
	test_small_pipe();
	test_too_large();
	return tap_end();
}
