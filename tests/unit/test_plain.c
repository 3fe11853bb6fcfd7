// SPDX-License-Identifier: GPL-2.0-or-later
/* plain: data arrives unchanged, and nothing else passes for data. */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "tap.h"
#include "tls/plain.h"

enum { ALL = 300000, ROOM = 4 * (RECORD_MAX + RECORD_HEADER_BYTES) };

static uint8_t sent[ALL], received[ALL + RECORD_MAX];

/* Both ends of a connection: peer reads the bytes that w writes, and back. */
struct line {
	int peer;
	struct socket_buffer w;
	struct plain p;
	struct err e;
	bool end;
	size_t got;
};

static void line_open(struct line *l)
{
	int fds[2];

	*l = (struct line){ 0 };
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0 ||
	    socket_buffer_init(&l->w, fds[0], ROOM, &l->e) < 0)
		exit(1);
	l->peer = fds[1];
}

static void line_hang_up(struct line *l)
{
	close(steal_fd(&l->peer));
}

static void line_close(struct line *l)
{
	if (l->peer >= 0)
		close(l->peer);
	close(l->w.fd);
	socket_buffer_fini(&l->w);
}

static void line_feed(struct line *l, const void *bytes, size_t len)
{
	if (send(l->peer, bytes, len, 0) != (ssize_t)len)
		exit(1);
}

/* Receive again, behind the bytes that are already there. */
static int line_recv(struct line *l, size_t len)
{
	size_t n;
	int ret = plain_recv(&l->p, &l->w, received + l->got, len, &n, &l->end,
			     &l->e);

	l->got += n;
	return ret;
}

static void stuck(int signal)
{
	static const char text[] = "Bail out! a read waits for bytes\n";

	_exit(write(STDOUT_FILENO, text, sizeof text - 1) < 0 ? 2 : 1);
}

/* Send all in pieces of any size, from one end to the other. */
static void pump(struct line *from, struct line *to, size_t ahead)
{
	uint8_t piece[9999];
	size_t out = 0, done;
	bool empty;
	ssize_t n;

	if (ahead && socket_buffer_grow(&to->w.in, ahead, &to->e) < 0)
		exit(1);
	while (to->got < ALL && to->e.kind == ERR_NONE) {
		size_t len = 1 + (size_t)rand() % 40000;

		if (len > ALL - out)
			len = ALL - out;
		plain_send(&from->w, sent + out, len, &done);
		out += done;
		if (socket_buffer_flush(&from->w, &empty, &from->e) < 0)
			return;
		n = recv(from->peer, piece, 1 + (size_t)rand() % sizeof piece,
			 MSG_DONTWAIT);
		if (n > 0)
			line_feed(to, piece, (size_t)n);
		if (line_recv(to, 1 + (size_t)rand() % RECORD_MAX) < 0)
			return;
	}
}

static void test_round_trip(size_t ahead, const char *name)
{
	struct line from, to;

	line_open(&from);
	line_open(&to);
	memset(received, 0, sizeof received);
	pump(&from, &to, ahead);
	ok(to.got == ALL && !memcmp(received, sent, ALL),
	   "all comes through, %s", name);
	ok(line_recv(&to, 1) == 0 && to.got == ALL && !to.end,
	   "and nothing more");
	line_close(&from);
	line_close(&to);
}

static void test_dribble(void)
{
	uint8_t bytes[200];
	struct line l;
	size_t done, all;
	bool empty;
	int wrong = 0;

	line_open(&l);
	plain_send(&l.w, sent, 100, &done);
	is_int(done, 100, "a small piece is taken at once");
	plain_alert(&l.w, RECORD_CLOSE_NOTIFY);
	if (socket_buffer_flush(&l.w, &empty, &l.e) < 0)
		exit(1);
	all = (size_t)recv(l.peer, bytes, sizeof bytes, 0);
	is_int(all, 5 + 100 + 5 + 2, "a record has 5 bytes of header");
	ok(!memcmp(bytes, (uint8_t[]){ 23, 3, 3, 0, 100 }, 5) &&
		   !memcmp(bytes + 105, (uint8_t[]){ 21, 3, 3, 0, 2, 1, 0 }, 7),
	   "as TLS has it");
	for (size_t i = 0; i < all; i++) {
		wrong += l.end;
		line_feed(&l, bytes + i, 1);
		wrong += line_recv(&l, 50) < 0;
		wrong += l.got > i;
	}
	ok(!wrong && l.end && l.got == 100 && !memcmp(received, sent, 100),
	   "byte after byte is the same, with the end at its end");
	line_close(&l);
}

static void test_room(void)
{
	struct line l;
	size_t done, rest;

	line_open(&l);
	plain_send(&l.w, sent, ALL, &done);
	is_int(done, 4 * RECORD_MAX, "bytes without room are not taken");
	plain_send(&l.w, sent, 1, &done);
	is_int(done, 0, "all of it");
	plain_alert(&l.w, RECORD_CLOSE_NOTIFY);
	rest = socket_buffer_room(&l.w);
	is_int(rest, 0, "and an alert, too");
	line_close(&l);
}

static const struct {
	const char *name;
	size_t len;
	uint8_t bytes[8];
	const char *says;
} bad[] = {
	{ "an unknown type", 6, { 22, 3, 3, 0, 1, 9 }, "-m none" },
	{ "another version", 6, { 23, 3, 1, 0, 1, 9 }, "-m none" },
	{ "no version", 6, { 23, 2, 3, 0, 1, 9 }, "-m none" },
	{ "an empty record", 5, { 23, 3, 3, 0, 0 }, "-m none" },
	{ "an empty alert", 5, { 21, 3, 3, 0, 0 }, "-m none" },
	{ "16385 bytes", 6, { 23, 3, 3, 64, 1, 9 }, "-m none" },
	{ "65535 bytes", 6, { 23, 3, 3, 255, 255, 9 }, "-m none" },
	{ "half an alert", 6, { 21, 3, 3, 0, 1, 0 }, "-m none" },
	{ "an alert too long", 8, { 21, 3, 3, 0, 3, 1, 0, 0 }, "-m none" },
	{ "text", 8, "GET / HT", "-m none" },
	{ "an abort", 7, { 21, 3, 3, 0, 2, 2, 90 }, "user_canceled" },
	{ "another alert", 7, { 21, 3, 3, 0, 2, 2, 20 }, "bad_record_mac" },
};

/* The first error within a few calls. */
static bool fails(struct line *l, const char *says)
{
	for (int i = 0; i < 4; i++)
		if (line_recv(l, 100) < 0)
			return l->e.kind == ERR_NET && strstr(l->e.msg, says);
	return false;
}

static void test_bad(void)
{
	static const uint8_t data[] = { 23, 3, 3, 0, 3, 'a', 'b', 'c' };

	for (size_t i = 0; i < array_len(bad); i++) {
		struct line l;

		line_open(&l);
		line_feed(&l, bad[i].bytes, bad[i].len);
		ok(fails(&l, bad[i].says) && !l.got && !l.end, "%s is an error",
		   bad[i].name);
		line_close(&l);
		line_open(&l);
		line_feed(&l, data, sizeof data);
		line_feed(&l, bad[i].bytes, bad[i].len);
		ok(line_recv(&l, 100) == 0 && l.got == 3,
		   "%s: what came before is given out", bad[i].name);
		ok(fails(&l, bad[i].says) && l.got == 3 && !l.end,
		   "%s: and no more", bad[i].name);
		ok(plain_gave_up(&l.p) == !!strcmp(bad[i].says, "-m none"),
		   "%s: does the peer only wait for us to close?", bad[i].name);
		line_close(&l);
	}
}

static void test_eof(void)
{
	static const uint8_t bytes[] = { 23, 3, 3, 0, 3, 'a', 'b', 'c',
					 21, 3, 3, 0, 2, 1,   0 };

	for (size_t len = 0; len < sizeof bytes; len++) {
		size_t want = len < 5 ? 0 : len < 8 ? len - 5 : 3;
		struct line l;

		line_open(&l);
		if (len)
			line_feed(&l, bytes, len);
		line_hang_up(&l);
		ok(!want || (line_recv(&l, 100) == 0 && l.got == want),
		   "EOF after %zu bytes: what came is given out", len);
		ok(fails(&l, "close_notify") && l.got == want && !l.end,
		   "EOF after %zu bytes: then it is an error", len);
		line_close(&l);
	}
}

static void test_end(void)
{
	static const uint8_t bytes[] = { 23, 3, 3, 0, 3, 'a', 'b', 'c',
					 21, 3, 3, 0, 2, 1,   0 };
	struct line l;

	line_open(&l);
	line_feed(&l, bytes, sizeof bytes);
	ok(line_recv(&l, 100) == 0 && l.got == 3 && !l.end,
	   "data comes before the end");
	ok(line_recv(&l, 100) == 0 && l.got == 3 && l.end, "and then the end");
	line_close(&l);
}

int main(void)
{
	signal(SIGALRM, stuck);
	alarm(60);
	srand(1);
	for (size_t i = 0; i < sizeof sent; i++)
		sent[i] = (uint8_t)rand();
	test_round_trip(0, "read exactly");
	test_round_trip(1, "read ahead by a byte");
	test_round_trip(50000, "read ahead by much");
	test_dribble();
	test_room();
	test_bad();
	test_eof();
	test_end();
	return tap_end();
}
