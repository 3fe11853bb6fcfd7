// SPDX-License-Identifier: GPL-2.0-or-later
/* sock_diag: the request, and answers that are invalid. */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "loopback.h"
#include "tap.h"
#include "tls/sock_diag.h"
#include "wrap.h"

enum { PORT_ID = 4711 };

static char reply[1024] __attribute__((aligned(8)));
static ssize_t reply_len; /* below 0: minus errno */
static struct {
	struct nlmsghdr h;
	struct inet_diag_req_v2 req;
} asked;
static int opened, closed;

WRAP(mnl_socket_open2);
struct mnl_socket *__wrap_mnl_socket_open2(int bus, int flags)
{
	opened++;
	return (struct mnl_socket *)reply;
}

WRAP(mnl_socket_bind);
int __wrap_mnl_socket_bind(struct mnl_socket *nl, unsigned int groups,
			   pid_t pid)
{
	return 0;
}

WRAP(mnl_socket_get_portid);
unsigned int __wrap_mnl_socket_get_portid(const struct mnl_socket *nl)
{
	return PORT_ID;
}

WRAP(mnl_socket_sendto);
ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *nl, const void *msg,
				 size_t len)
{
	memcpy(&asked, msg, len < sizeof asked ? len : sizeof asked);
	return (ssize_t)len;
}

WRAP(mnl_socket_recvfrom);
ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *nl, void *buf,
				   size_t len)
{
	if (reply_len < 0) {
		errno = (int)-reply_len;
		return -1;
	}
	memcpy(buf, reply, (size_t)reply_len);
	return reply_len;
}

WRAP(mnl_socket_close);
int __wrap_mnl_socket_close(struct mnl_socket *nl)
{
	closed++;
	return 0;
}

/* The beginning of a kernel's answer; the attributes follow. */
static struct nlmsghdr *begin(void)
{
	struct nlmsghdr *h;

	memset(reply, 0, sizeof reply);
	h = mnl_nlmsg_put_header(reply);
	h->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	h->nlmsg_seq = 1;
	h->nlmsg_pid = PORT_ID;
	mnl_nlmsg_put_extra_header(h, sizeof(struct inet_diag_msg));
	/* Attributes that were not requested are skipped. */
	mnl_attr_put_u8(h, INET_DIAG_SHUTDOWN, 3);
	mnl_attr_put_strz(h, INET_DIAG_CONG, "cubic");
	return h;
}

static struct nlattr *begin_tls(struct nlmsghdr *h, struct nlattr **ulp)
{
	*ulp = mnl_attr_nest_start(h, INET_DIAG_ULP_INFO);
	mnl_attr_put_strz(h, INET_ULP_INFO_NAME, "tls");
	return mnl_attr_nest_start(h, INET_ULP_INFO_TLS);
}

static void end_tls(struct nlmsghdr *h, struct nlattr *tls, struct nlattr *ulp)
{
	mnl_attr_nest_end(h, tls);
	mnl_attr_nest_end(h, ulp);
}

/* TLS_INFO_*: 1 version, 2 cipher, 3 txconf, 4 rxconf */
static void conf(struct nlmsghdr *h, uint16_t tx, uint16_t rx)
{
	struct nlattr *ulp, *tls = begin_tls(h, &ulp);

	mnl_attr_put_u16(h, 1, 0x0304);
	mnl_attr_put_u16(h, 2, 51);
	mnl_attr_put_u16(h, 3, tx);
	mnl_attr_put_u16(h, 4, rx);
	mnl_attr_put_u64(h, 99, 1);
	end_tls(h, tls, ulp);
}

static void software(struct nlmsghdr *h)
{
	conf(h, 2, 1);
}

static void hardware(struct nlmsghdr *h)
{
	conf(h, 3, 4);
}

static void future(struct nlmsghdr *h)
{
	conf(h, 5, 65535);
}

static void nothing(struct nlmsghdr *h)
{
}

static void other_ulp(struct nlmsghdr *h)
{
	struct nlattr *ulp = mnl_attr_nest_start(h, INET_DIAG_ULP_INFO);

	mnl_attr_put_strz(h, INET_ULP_INFO_NAME, "mptcp");
	mnl_attr_nest_end(h, ulp);
}

static void one_byte_conf(struct nlmsghdr *h)
{
	struct nlattr *ulp, *tls = begin_tls(h, &ulp);

	mnl_attr_put_u8(h, 3, 2);
	end_tls(h, tls, ulp);
}

static void four_byte_conf(struct nlmsghdr *h)
{
	struct nlattr *ulp, *tls = begin_tls(h, &ulp);

	mnl_attr_put_u32(h, 4, 2);
	end_tls(h, tls, ulp);
}

static void flat_ulp(struct nlmsghdr *h)
{
	mnl_attr_put_u8(h, INET_DIAG_ULP_INFO, 2);
}

static void flat_tls(struct nlmsghdr *h)
{
	struct nlattr *ulp = mnl_attr_nest_start(h, INET_DIAG_ULP_INFO);

	mnl_attr_put_u8(h, INET_ULP_INFO_TLS, 2);
	mnl_attr_nest_end(h, ulp);
}

/* The attribute claims to extend beyond the message. */
static void overlong(struct nlmsghdr *h)
{
	struct nlattr *ulp = mnl_attr_nest_start(h, INET_DIAG_ULP_INFO);

	mnl_attr_nest_end(h, ulp);
	ulp->nla_len = 60000;
}

static void other_type(struct nlmsghdr *h)
{
	software(h);
	h->nlmsg_type = SOCK_DIAG_BY_FAMILY + 1;
}

static void other_sequence(struct nlmsghdr *h)
{
	software(h);
	h->nlmsg_seq = 2;
}

static void other_port(struct nlmsghdr *h)
{
	software(h);
	h->nlmsg_pid = PORT_ID + 1;
}

static void short_message(struct nlmsghdr *h)
{
	h->nlmsg_len = MNL_NLMSG_HDRLEN + sizeof(struct inet_diag_msg) - 4;
}

static void kernel_error(struct nlmsghdr *h)
{
	struct nlmsgerr *error = mnl_nlmsg_get_payload(h);

	h->nlmsg_type = NLMSG_ERROR;
	h->nlmsg_len = MNL_NLMSG_HDRLEN + sizeof *error;
	error->error = -ENOENT;
}

static const struct {
	const char *name;
	void (*fill)(struct nlmsghdr *h);
	int ret;
	enum sock_diag_conf tx, rx;
} rows[] = {
	{ "software, one way", software, 0, SOCK_DIAG_SW, SOCK_DIAG_BASE },
	{ "hardware", hardware, 0, SOCK_DIAG_HW, SOCK_DIAG_HW_RECORD },
	{ "a future way", future, 0, SOCK_DIAG_UNKNOWN, SOCK_DIAG_UNKNOWN },
	{ "no ULP", nothing, 0, SOCK_DIAG_UNKNOWN, SOCK_DIAG_UNKNOWN },
	{ "another ULP", other_ulp, 0, SOCK_DIAG_UNKNOWN, SOCK_DIAG_UNKNOWN },
	{ "an attribute that overruns", overlong, 0, SOCK_DIAG_UNKNOWN,
	  SOCK_DIAG_UNKNOWN },
	{ "a conf of one byte", one_byte_conf, -1, 0, 0 },
	{ "a conf of four bytes", four_byte_conf, -1, 0, 0 },
	{ "a ULP that is not nested", flat_ulp, -1, 0, 0 },
	{ "a TLS that is not nested", flat_tls, -1, 0, 0 },
	{ "another message type", other_type, -1, 0, 0 },
	{ "another sequence number", other_sequence, -1, 0, 0 },
	{ "another program's port", other_port, -1, 0, 0 },
	{ "a message too short", short_message, -1, 0, 0 },
	{ "an error", kernel_error, -1, 0, 0 },
};

/* At the same place for both families */
static in_port_t port_of(int fd)
{
	struct sockaddr_in6 sa = { 0 };
	socklen_t len = sizeof sa;

	getsockname(fd, (struct sockaddr *)&sa, &len);
	return sa.sin6_port;
}

static void test_answers(int fd)
{
	for (size_t i = 0; i < array_len(rows); i++) {
		struct nlmsghdr *h = begin();
		struct sock_diag_tls out = { SOCK_DIAG_HW, SOCK_DIAG_HW };
		struct err e = { 0 };
		int ret;

		rows[i].fill(h);
		reply_len = h->nlmsg_len;
		ret = sock_diag_tls(fd, &out, &e);
		if (!ok(ret == rows[i].ret &&
				(ret ? e.kind == ERR_KTLS
				     : out.tx == rows[i].tx &&
						 out.rx == rows[i].rx),
			"an answer of %s", rows[i].name))
			printf("#   %d: tx %d, rx %d (%s)\n", ret, out.tx,
			       out.rx, e.msg);
	}
}

static void test_failures(int fd)
{
	struct sock_diag_tls out;
	struct err e = { 0 };

	reply_len = -ENOBUFS;
	is_int(sock_diag_tls(fd, &out, &e), -1, "no answer is an error");
	ok(e.kind == ERR_KTLS && e.num == ENOBUFS, "which errno tells");
	is_int(sock_diag_tls(-1, &out, &e), -1, "so is no socket");
	is_int(e.num, EBADF, "which errno tells too");
	is_int(opened, closed, "netlink sockets are closed in all cases");
}

static void test_question(int family)
{
	static const uint8_t v4[16] = { 127, 0, 0, 1 }, v6[16] = { [15] = 1 };
	const uint8_t *address = family == AF_INET6 ? v6 : v4;
	struct sock_diag_tls out;
	struct err e = { 0 };
	int fds[2];

	if (loopback_pair(family, fds) < 0) {
		tap_skip("the question names the socket", "no IPv6 here");
		return;
	}
	reply_len = -EIO;
	if (sock_diag_tls(fds[0], &out, &e) == 0)
		bail();
	ok(asked.h.nlmsg_type == SOCK_DIAG_BY_FAMILY &&
		   asked.h.nlmsg_flags == NLM_F_REQUEST,
	   "one socket is asked for, not all");
	ok(asked.req.sdiag_family == family &&
		   asked.req.sdiag_protocol == IPPROTO_TCP,
	   "a TCP socket of family %d", family);
	ok(asked.req.id.idiag_sport == port_of(fds[0]) &&
		   asked.req.id.idiag_dport == port_of(fds[1]),
	   "with its ports");
	ok(!memcmp(asked.req.id.idiag_src, address, 16) &&
		   !memcmp(asked.req.id.idiag_dst, address, 16),
	   "and its addresses");
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	int fds[2];

	if (loopback_pair(AF_INET, fds) < 0)
		return 1;
	test_answers(fds[0]);
	test_failures(fds[0]);
	test_question(AF_INET);
	test_question(AF_INET6);
	close(fds[0]);
	close(fds[1]);
	return tap_end();
}
