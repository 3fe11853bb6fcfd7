// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/order.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/rights.h"

enum { ANSWER_MS = 10000 };

static int order_fd = -1;
static bool order_alone; /* see order_connect() */

static bool order_is_zero(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

#define ALNUM                        \
	"abcdefghijklmnopqrstuvwxyz" \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"0123456789"

/* What each word may consist of; an identity is that of auth/key_text.c. */
static const struct {
	size_t max;
	const char *first, *rest;
} order_grammar[ORDER_WORDS] = {
	[ORDER_IDENTITY] = { 64, ALNUM, ALNUM "._@-" },
	[ORDER_METHOD] = { 16, ALNUM, ALNUM },
	[ORDER_PEER] = { 79, ALNUM "[", ALNUM "[]:.%@_-" },
	[ORDER_STREAM] = { 32, "0123456789abcdef", "0123456789abcdef" },
};

static bool order_is_word(enum order_word word,
			  const char text[static ORDER_WORD_BYTES])
{
	size_t len = strnlen(text, ORDER_WORD_BYTES);

	if (len > order_grammar[word].max ||
	    !order_is_zero(text + len, ORDER_WORD_BYTES - len))
		return false;
	return !len || (strchr(order_grammar[word].first, *text) &&
			strspn(text, order_grammar[word].rest) == len);
}

static bool order_is_address(const struct net_address *a)
{
	if (a->family == AF_INET)
		return !a->scope && order_is_zero(a->bytes + 4, 12);
	return a->family == AF_INET6;
}

/* Are the fields valid that this kind of order uses?  Copies them to used. */
static bool order_take_fields(const struct order *o, struct order *used)
{
	switch (o->kind) {
	case ORDER_COMMAND:
		used->role = o->role;
		memcpy(used->words, o->words, sizeof used->words);
		for (size_t i = 0; i < ORDER_WORDS; i++)
			if (!order_is_word(i, o->words[i]))
				return false;
		return o->role <= 1;
	case ORDER_STREAM_LAUNCHER:
		memcpy(used->words[ORDER_IDENTITY], o->words[ORDER_IDENTITY],
		       ORDER_WORD_BYTES);
		return order_is_word(ORDER_IDENTITY, o->words[ORDER_IDENTITY]);
	case ORDER_CONTINUE:
		used->pid = o->pid;
		return o->pid > 1;
	case ORDER_SIGNAL:
		used->pid = o->pid;
		used->number = o->number;
		return o->pid > 1 &&
		       (o->number == SIGTERM || o->number == SIGKILL ||
			o->number == SIGUSR1);
	case ORDER_RESOLVE:
		used->number = o->number;
		return o->number >= 0 && o->number < ORDER_HOSTS_MAX;
	case ORDER_DIAL:
		used->to = o->to;
		used->from = o->from;
		return order_is_address(&o->to) &&
		       (order_is_address(&o->from) ||
			order_is_zero(&o->from, sizeof o->from));
	case ORDER_GROW:
		used->number = o->number;
		return o->number > 0;
	case ORDER_PART_NOTE:
		used->bytes = o->bytes;
		return true;
	case ORDER_REOPEN:
		used->number = o->number;
		used->access = o->access;
		return o->number >= 0 && o->number <= 2 &&
		       o->access == (o->number ? O_WRONLY : O_RDONLY);
	}
	return o->kind > 0 && o->kind < ORDER_KINDS;
}

bool order_is_of_listener(uint32_t kind)
{
	return kind == ORDER_STREAM_LAUNCHER || kind == ORDER_SIGNAL ||
	       kind == ORDER_KEYS;
}

bool order_is_slow(uint32_t kind)
{
	return kind >= ORDER_PART_NOTE && kind <= ORDER_PART_DROP;
}

/* The descriptors that go with an order */
static size_t order_fds(uint32_t kind)
{
	return order_is_slow(kind)			  ? 2
	       : kind == ORDER_DIAG || kind == ORDER_GROW ? 1
							  : 0;
}

bool order_check(const void *bytes, size_t len, size_t fds)
{
	struct order o, used = { .kind = 0 };

	if (len != sizeof o)
		return false;
	memcpy(&o, bytes, sizeof o);
	used.kind = o.kind;
	return fds == order_fds(o.kind) && order_take_fields(&o, &used) &&
	       !memcmp(&o, &used, sizeof o);
}

void order_set_word(struct order *o, enum order_word word, const char *text)
{
	if (text && strlen(text) < ORDER_WORD_BYTES)
		memcpy(o->words[word], text, strlen(text));
}

void order_disconnect(void)
{
	attr_close(&order_fd);
}

void order_connect(int fd, bool alone)
{
	order_disconnect();
	order_fd = fd;
	order_alone = alone;
}

bool order_possible(void)
{
	return order_fd >= 0;
}

int order_socket(void)
{
	return order_fd;
}

static int order_await(int from, uint64_t until_ms, struct order_answer *a)
{
	struct pollfd p = { .fd = from, .events = POLLIN };
	struct rights x;
	ssize_t n;

	do
		n = poll(&p, 1, clock_poll_ms(until_ms));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		errno = ETIMEDOUT;
	if (n <= 0)
		return -1;
	n = rights_recv(from, a, sizeof *a, 0, &x);
	if (n != sizeof *a || x.count > ORDER_ANSWER_FDS) {
		rights_close(&x);
		errno = n < 0 ? errno : ESRCH;
		return -1;
	}
	memcpy(a->fds, x.fds, sizeof a->fds);
	a->error.msg[sizeof a->error.msg - 1] = '\0';
	return 0;
}

int order_ask_with(const struct order *o, const int fds[static ORDER_FDS_MAX],
		   struct order_answer *a, struct err *e)
{
	static const char what[] = "the launcher does not answer";
	autoclose_pair int ends[2] = { -1, -1 };
	int sent[] = { fds[0], fds[1], -1 }, from = order_fd;
	size_t count = order_fds(o->kind);
	ssize_t n;

	/* The launcher would ignore it, and nothing would come back. */
	if (!order_check(o, sizeof *o, count))
		return err_set(e, ERR_STREAM, EINVAL, "no such order");
	if (!order_alone) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
			       ends) < 0)
			return err_call(e, ERR_STREAM, "socketpair", what);
		sent[count++] = ends[1];
		from = ends[0];
	}
	n = rights_send(order_fd, o, sizeof *o, sent, count, MSG_DONTWAIT);
	attr_close(&ends[1]);
	if (n != (ssize_t)sizeof *o)
		return err_call(e, ERR_STREAM, "sendmsg", what);
	/* A disk may be slow.  The launcher's end wakes us in any case. */
	if (order_await(from,
			order_is_slow(o->kind) ? CLOCK_NEVER
					       : clock_deadline(ANSWER_MS),
			a) < 0) {
		err_call(e, ERR_STREAM, "recvmsg", what);
		/*
		 * A late answer would be taken for the answer to the next
		 * order; and a caller that ends many processes must not wait
		 * for each.
		 */
		if (order_alone ||
		    (o->kind == ORDER_SIGNAL && o->number != SIGUSR1 &&
		     e->num == ETIMEDOUT))
			shutdown(order_fd, SHUT_RDWR);
		return -1;
	}
	if (!a->error.kind)
		return 0;
	*e = a->error;
	return -1;
}

int order_ask(const struct order *o, int fd, struct order_answer *a,
	      struct err *e)
{
	return order_ask_with(o, (int[]){ fd, -1 }, a, e);
}

int order_ask_fd(const struct order *o, struct err *e)
{
	struct order_answer a;

	if (order_ask(o, -1, &a, e) == 0) {
		if (a.fds[0] >= 0)
			return a.fds[0];
		err_set(e, ERR_STREAM, EBADMSG,
			"the launcher's descriptor did not arrive");
	}
	errno = e->num ? e->num : EBADMSG;
	return -1;
}

int order_signal(pid_t pid, int sig, struct err *e)
{
	const struct order o = { .kind = ORDER_SIGNAL,
				 .pid = pid,
				 .number = sig };
	struct order_answer ignored;

	if (order_possible())
		return order_ask(&o, -1, &ignored, e);
	kill(pid, sig);
	return 0;
}

int order_receive(int socket_fd, struct order_received *r)
{
	struct rights x;
	ssize_t n = rights_recv(socket_fd, &r->order, sizeof r->order, 0, &x);
	bool replies;
	int over;

	/* Without memory the order stays in the socket. */
	if (n < 0 && (errno == ENOMEM || errno == ENOBUFS) &&
	    !rights_ended(socket_fd))
		return 0;
	if (n >= 0 || errno == ECONNRESET)
		errno = 0;
	if (n < 0 || (n == 0 && rights_ended(socket_fd)))
		return -1;
	replies = n == sizeof r->order && x.count > order_fds(r->order.kind);
	over = replies ? x.fds[x.count - 1] : socket_fd;
	if (x.count > ORDER_FDS_MAX + 1 ||
	    !order_check(&r->order, (size_t)n, x.count - replies) ||
	    rights_ended(over)) {
		rights_close(&x);
		return 0;
	}
	r->from = x.from.pid;
	r->reply_fd = replies ? over : -1;
	for (size_t i = 0; i < ORDER_FDS_MAX; i++)
		r->fds[i] = i < x.count - replies ? x.fds[i] : -1;
	return 1;
}

void order_reply(int socket_fd, int reply_fd, struct order_answer *a)
{
	int over = reply_fd < 0 ? socket_fd : reply_fd;
	size_t count = 0;

	while (count < ORDER_ANSWER_FDS && a->fds[count] >= 0)
		count++;
	/* The asker may be gone, or may have filled it to make us wait. */
	if (rights_send(over, a, sizeof *a, a->fds, count, MSG_DONTWAIT) < 0 &&
	    count) {
		err_set(&a->error, ERR_STREAM, errno,
			"the launcher cannot pass a descriptor");
		rights_send(over, a, sizeof *a, a->fds, 0, MSG_DONTWAIT);
	}
	while (count)
		close(a->fds[--count]);
	rights_drop(&reply_fd);
}
