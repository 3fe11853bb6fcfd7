// SPDX-License-Identifier: GPL-2.0-or-later
/* order: the launcher obeys what we can ask, and nothing else. */
#include "base/order.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/rights.h"
#include "loopback.h"
#include "tap.h"
#include "wrap.h"

/* Orders that are in use, and how many descriptors go with each. */
static const struct sample {
	const char *name;
	size_t fds;
	struct order order;
} samples[] = {
	{ "ping", 0, { .kind = ORDER_PING } },
	{ "source",
	  0,
	  { .kind = ORDER_COMMAND,
	    .role = 0,
	    .words = { "host.example_1@x-y", "psk", "[fe80::1%eth0]:6330",
		       "00112233445566778899aabbccddeeff" } } },
	{ "consumer without a name",
	  0,
	  { .kind = ORDER_COMMAND,
	    .role = 1,
	    .words = { "", "password", "192.0.2.1:6330", "" } } },
	{ "continue", 0, { .kind = ORDER_CONTINUE, .pid = 2 } },
	{ "a launcher for a stream", 0, { .kind = ORDER_STREAM_LAUNCHER } },
	{ "signal", 0, { .kind = ORDER_SIGNAL, .pid = 2, .number = SIGTERM } },
	{ "resolve", 0, { .kind = ORDER_RESOLVE } },
	{ "dial",
	  0,
	  { .kind = ORDER_DIAL,
	    .to = { .family = AF_INET, .bytes = { 192, 0, 2, 1 } } } },
	{ "dial from an address",
	  0,
	  { .kind = ORDER_DIAL,
	    .to = { .family = AF_INET6, .scope = 3, .bytes = { 0xfe, 0x80 } },
	    .from = { .family = AF_INET6, .bytes = { 0x20, 1 } } } },
	{ "diag", 1, { .kind = ORDER_DIAG } },
	{ "grow", 1, { .kind = ORDER_GROW, .number = 65536 } },
	{ "reopen", 0, { .kind = ORDER_REOPEN, .number = 0 } },
	{ "reopen output",
	  0,
	  { .kind = ORDER_REOPEN, .number = 1, .access = O_WRONLY } },
	{ "null", 0, { .kind = ORDER_NULL } },
	{ "keys", 0, { .kind = ORDER_KEYS } },
	{ "bytes on the disk",
	  2,
	  { .kind = ORDER_PART_NOTE, .bytes = UINT64_MAX } },
	{ "name a file", 2, { .kind = ORDER_PART_NAME } },
	{ "delete a part", 2, { .kind = ORDER_PART_DROP } },
};

static void test_samples(void)
{
	for (size_t i = 0; i < array_len(samples); i++) {
		const struct sample *s = &samples[i];

		ok(order_check(&s->order, sizeof s->order, s->fds),
		   "%s is an order", s->name);
		ok(!order_check(&s->order, sizeof s->order, s->fds + 1) &&
			   !order_check(&s->order, sizeof s->order, !s->fds),
		   "%s with another number of descriptors is not", s->name);
		ok(!order_check(&s->order, sizeof s->order - 1, s->fds) &&
			   !order_check(&s->order, 0, s->fds),
		   "%s that is cut is not", s->name);
	}
}

/* A byte that an order does not use must be zero. */
static void test_unused(void)
{
	static const struct order null = { .kind = ORDER_NULL };
	struct order o;
	bool taken = false;

	for (size_t i = sizeof o.kind; i < sizeof o; i++) {
		o = null;
		((uint8_t *)&o)[i] = 1;
		taken |= order_check(&o, sizeof o, 0);
	}
	ok(!taken, "a byte in a field that is not used spoils an order");
}

#define REFUSED(name, fds, ...)                                  \
	do {                                                     \
		const struct order o = { __VA_ARGS__ };          \
                                                                 \
		ok(!order_check(&o, sizeof o, fds), "%s", name); \
	} while (0)
#define WORDS(...) .kind = ORDER_COMMAND, .words = { __VA_ARGS__ }

static void test_refused(void)
{
	REFUSED("kind 0 is no order", 0, .kind = 0);
	REFUSED("a kind too large is none", 0, .kind = ORDER_KINDS);
	REFUSED("a third role is none", 0, .kind = ORDER_COMMAND, .role = 2);
	REFUSED("an identity has no blank", 0, WORDS("a b"));
	REFUSED("an identity has no newline", 0, WORDS("a\n"));
	REFUSED("an identity begins with no dash", 0, WORDS("-a"));
	REFUSED("an identity is no path", 0, WORDS("a/b"));
	REFUSED("an identity has no byte above ASCII", 0, WORDS("a\xc3\xa4"));
	REFUSED("an identity of 65 characters is too long", 0,
		WORDS("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
	REFUSED("nothing follows the end of a word", 0, WORDS("a\0b"));
	REFUSED("a method is letters", 0, WORDS("", "p=k"));
	REFUSED("an address has no shell in it", 0, WORDS("", "", "$(id)"));
	REFUSED("a stream is lower hex", 0, WORDS("", "", "", "ABCD"));
	REFUSED("init is no supervisor", 0, .kind = ORDER_CONTINUE, .pid = 1);
	REFUSED("a group is no supervisor", 0, .kind = ORDER_CONTINUE,
		.pid = -5);
	REFUSED("every process is no stream's", 0, .kind = ORDER_SIGNAL,
		.pid = -1, .number = SIGTERM);
	REFUSED("SIGSTOP is not sent", 0, .kind = ORDER_SIGNAL, .pid = 2,
		.number = SIGSTOP);
	REFUSED("there is no fourth host", 0, .kind = ORDER_RESOLVE,
		.number = 3);
	REFUSED("a unix socket is not dialled", 0, .kind = ORDER_DIAL,
		.to = { .family = AF_UNIX });
	REFUSED("nowhere is not dialled", 0, .kind = ORDER_DIAL);
	REFUSED("an IPv4 address has 4 bytes", 0, .kind = ORDER_DIAL,
		.to = { .family = AF_INET, .bytes = { 1, 2, 3, 4, 5 } });
	REFUSED("no source has an address without a family", 0,
		.kind = ORDER_DIAL, .to = { .family = AF_INET },
		.from = { .bytes = { 1 } });
	REFUSED("a pipe is not made smaller than nothing", 1,
		.kind = ORDER_GROW, .number = -1);
	REFUSED("descriptor 3 is not opened again", 0, .kind = ORDER_REOPEN,
		.number = 3, .access = O_WRONLY);
	REFUSED("input is not opened for writing", 0, .kind = ORDER_REOPEN,
		.number = 0, .access = O_WRONLY);
	REFUSED("output is not opened for truncation", 0, .kind = ORDER_REOPEN,
		.number = 1, .access = O_WRONLY | O_TRUNC);
}

/* A launcher that answers one order with what it was given. */
static void obey(int socket)
{
	struct order_answer a = { .fds = { -1, -1 } };
	struct order_received r;

	while (order_receive(socket, &r) == 1) {
		a.error = (struct err){ 0 };
		a.value[0] = r.order.number;
		a.value[1] = (int32_t)r.from;
		a.fds[0] = r.fds[0];
		if (r.order.kind == ORDER_NULL)
			err_set(&a.error, ERR_IO, EISDIR, "nothing left");
		order_reply(socket, r.reply_fd, &a);
	}
	_exit(0);
}

/* alone: the answers come back over the same socket. */
static void test_ask(bool alone)
{
	const struct order grow = { .kind = ORDER_GROW, .number = 4711 };
	const struct order null = { .kind = ORDER_NULL };
	const struct order ping = { .kind = ORDER_PING };
	struct order_answer a;
	struct err e = { 0 };
	int ends[2], pipe_ends[2], on = 1;
	char byte = 0;

	ok(!order_possible(), "there is no launcher at first");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ||
	    pipe2(pipe_ends, O_CLOEXEC) < 0)
		return;
	setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
	if (fork() == 0) {
		close(ends[0]);
		obey(ends[1]);
	}
	close(ends[1]);
	order_connect(ends[0], alone);
	ok(order_possible(), "then there is one");
	is_int(order_ask(&grow, pipe_ends[1], &a, &e), 0, "it answers");
	is_int(a.value[0], 4711, "it got the number");
	is_int(a.value[1], getpid(), "and knows who asks");
	ok(a.fds[0] >= 0 && a.fds[1] == -1 && write(a.fds[0], "x", 1) == 1 &&
		   read(pipe_ends[0], &byte, 1) == 1 && byte == 'x',
	   "a descriptor goes there and back");
	close(a.fds[0]);
	err_set(&e, ERR_NET, ECONNREFUSED, "an error before this one");
	is_int(order_ask_fd(&ping, &e), -1, "an answer without a descriptor");
	is_int(errno, EBADMSG, "is an error");
	is_str(e.msg, "the launcher's descriptor did not arrive: Bad message",
	       "with a message of its own");
	is_int(order_ask_fd(&null, &e), -1, "its failure is ours");
	is_int(errno, EISDIR, "with its errno");
	is_int(order_ask(&null, -1, &a, &e), -1, "the same with the message");
	is_str(e.msg, "nothing left: Is a directory", "which is its own");
	is_int(order_ask(&(struct order){ .kind = 99 }, -1, &a, &e), -1,
	       "an order that is not valid is not given");
	is_int(e.num, EINVAL, "and that is told at once");
	e = (struct err){ 0 };
	is_int(order_ask(&grow, pipe_ends[1], &a, &e), 0,
	       "and does no harm to the next one");
	close(a.fds[0]);
	/* It ends after a message that is no order. */
	send(order_socket(), "x", 1, 0);
	is_int(wait(NULL) > 0, 1, "the launcher ended");
	is_int(order_ask(&grow, pipe_ends[1], &a, &e), -1,
	       "without a launcher an order fails");
	is_int(e.num, EPIPE, "at once");
	order_disconnect();
	close(pipe_ends[0]);
	close(pipe_ends[1]);
}

static uint64_t patience_ms; /* 0: the real one */

WRAP(clock_deadline);
uint64_t __wrap_clock_deadline(uint64_t ms)
{
	return __real_clock_deadline(patience_ms ? patience_ms : ms);
}

static void on_alarm(int sig)
{
	static const char text[] = "Bail out! waits again at each signal\n";
	static int alarms;

	(void)sig;
	if (++alarms == 100 && write(1, text, sizeof text - 1) > 0)
		_exit(1);
}

/* Signals come while the launcher does not answer. */
static void test_signals(void)
{
	const struct itimerval often = { { 0, 50000 }, { 0, 50000 } };
	const struct itimerval never = { 0 };
	const struct sigaction act = { .sa_handler = on_alarm };
	const struct order ping = { .kind = ORDER_PING };
	struct order_answer a;
	struct err e = { 0 };
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ||
	    sigaction(SIGALRM, &act, NULL) < 0 ||
	    setitimer(ITIMER_REAL, &often, NULL) < 0)
		bail();
	order_connect(ends[0], false);
	patience_ms = 300;
	is_int(order_ask(&ping, -1, &a, &e), -1,
	       "signals do not prolong the wait for an answer");
	is_int(e.num, ETIMEDOUT, "which ends in time");
	patience_ms = 0;
	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_DFL);
	order_disconnect();
	close(ends[1]);
}

/* What comes behind an answer that is none may be for the order before. */
static void test_late(void)
{
	const struct order ping = { .kind = ORDER_PING };
	struct order_answer a = { .fds = { -1, -1, -1 } };
	struct err e = { 0 };
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ||
	    send(ends[1], "x", 1, 0) < 0 || send(ends[1], &a, sizeof a, 0) < 0)
		bail();
	order_connect(ends[0], true);
	is_int(order_ask(&ping, -1, &a, &e), -1, "a byte is no answer");
	is_int(order_ask(&ping, -1, &a, &e), -1,
	       "and a late one is not that to the next order");
	ok(strstr(e.msg, "the launcher does not answer"), "%s", e.msg);
	order_disconnect();
	close(ends[1]);
}

/* Who asks chose the socket for the answer. */
static void test_full_reply(void)
{
	struct order_answer a = { .fds = { -1, -1 } };
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		bail();
	while (send(ends[0], &a, sizeof a, MSG_DONTWAIT) > 0)
		;
	alarm(20);
	order_reply(-1, ends[0], &a);
	alarm(0);
	ok(true, "a socket that takes no answer does not stop the launcher");
	close(ends[1]);
}

/* sendmsg(2) refuses it, as it would if too many were under way. */
static void test_lost_descriptor(void)
{
	struct order_answer a = { .fds = { 1000, -1, -1 } }, got;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		bail();
	order_reply(ends[0], -1, &a);
	ok(recv(ends[1], &got, sizeof got, MSG_DONTWAIT) == sizeof got &&
		   got.error.kind == ERR_STREAM && got.error.num == EBADF,
	   "who asked hears that the descriptor cannot be passed");
	close(ends[0]);
	close(ends[1]);
}

/* What recvmsg(2) fails with next; 0: nothing */
static int recv_errno;

WRAP(rights_recv);
ssize_t __wrap_rights_recv(int over, void *bytes, size_t len, int flags,
			   struct rights *r)
{
	if (!recv_errno)
		return __real_rights_recv(over, bytes, len, flags, r);
	errno = recv_errno;
	recv_errno = 0;
	return -1;
}

static void test_receive_fails(void)
{
	const struct order ping = { .kind = ORDER_PING };
	struct order_received r;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ||
	    send(ends[0], &ping, sizeof ping, 0) < 0)
		bail();
	recv_errno = ENOMEM;
	is_int(order_receive(ends[1], &r), 0, "without memory no order comes");
	is_int(order_receive(ends[1], &r), 1, "it comes afterwards");
	recv_errno = EBADF;
	ok(order_receive(ends[1], &r) == -1 && errno == EBADF,
	   "another error is told");
	recv_errno = ECONNRESET;
	ok(order_receive(ends[1], &r) == -1 && !errno,
	   "nobody is left: that is none");
	close(ends[0]);
	ok(order_receive(ends[1], &r) == -1 && !errno, "nor is the end");
	recv_errno = ENOBUFS;
	is_int(order_receive(ends[1], &r), -1, "without memory it ends, too");
	close(ends[1]);
}

/* A process that gives an order may send any descriptor with it. */
static void test_linger(void)
{
	struct order ping = { .kind = ORDER_PING };
	struct iovec iov = { &ping, sizeof ping };
	char control[CMSG_SPACE(sizeof(int))] = "";
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof control };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	struct order_answer a = { .fds = { -1, -1, -1 } };
	struct order_received r;
	int ends[2], peer, fd;

	for (int valid = 0; valid < 2; valid++) {
		ping.kind = valid ? ORDER_PING : ORDER_KINDS;
		fd = loopback_lingering(&peer);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
			       ends) < 0 ||
		    sendmsg(ends[0], &m, 0) < 0)
			bail();
		close(fd);
		alarm(20);
		is_int(order_receive(ends[1], &r), valid,
		       "%s order comes with a socket that lingers",
		       valid ? "a valid" : "no");
		if (valid)
			order_reply(ends[1], r.reply_fd, &a);
		alarm(0);
		ok(true, "and it is closed without waiting for its peer");
		close(peer);
		close(ends[0]);
		close(ends[1]);
	}
}

/* alone: the answer would go over the same socket. */
static void test_given_up(bool alone)
{
	const struct order ping = { .kind = ORDER_PING };
	struct order_received r;
	int ends[2], reply[2], none = -1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, reply) < 0 ||
	    rights_send(ends[0], &ping, sizeof ping, alone ? &none : &reply[1],
			!alone, 0) < 0)
		bail();
	if (alone)
		shutdown(ends[0], SHUT_RDWR);
	attr_close_pair(&reply);
	is_int(order_receive(ends[1], &r), 0,
	       "an order is void once nobody waits for its answer%s",
	       alone ? " there" : "");
	attr_close_pair(&ends);
}

/* half: who asks closes one direction alone. */
static void test_end(bool half)
{
	struct order_received r;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ||
	    send(ends[0], "", 0, 0) < 0)
		bail();
	is_int(order_receive(ends[1], &r), 0, "an empty message is no order");
	if (half)
		shutdown(ends[0], SHUT_WR);
	else
		attr_close(&ends[0]);
	is_int(order_receive(ends[1], &r), -1, "the end is the end");
	attr_close_pair(&ends);
}

int main(void)
{
	test_full_reply();
	test_lost_descriptor();
	test_receive_fails();
	test_end(false);
	test_end(true);
	test_given_up(false);
	test_given_up(true);
	test_linger();
	test_samples();
	test_unused();
	test_refused();
	test_ask(false);
	test_ask(true);
	test_late();
	test_signals();
	return tap_end();
}
