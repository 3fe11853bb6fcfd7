// SPDX-License-Identifier: GPL-2.0-or-later
#include "tls/sock_diag.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>

#include "base/compat.h"
#include "base/net_address.h"
#include "base/order.h"

static void sock_diag_close(struct mnl_socket **nl)
{
	if (*nl)
		mnl_socket_close(*nl);
}

static enum sock_diag_conf sock_diag_conf_of(int32_t value)
{
	return value > SOCK_DIAG_UNKNOWN && value <= SOCK_DIAG_HW_RECORD
		       ? (enum sock_diag_conf)value
		       : SOCK_DIAG_UNKNOWN;
}

static int sock_diag_parse_conf(const struct nlattr *attr,
				struct sock_diag_tls *out)
{
	uint16_t type = mnl_attr_get_type(attr);

	if (type != TLS_INFO_TXCONF && type != TLS_INFO_RXCONF)
		return 0;
	if (mnl_attr_validate(attr, MNL_TYPE_U16) < 0)
		return -1;
	*(type == TLS_INFO_TXCONF ? &out->tx : &out->rx) =
		sock_diag_conf_of(mnl_attr_get_u16(attr));
	return 0;
}

static int sock_diag_parse_ulp(const struct nlattr *ulp,
			       struct sock_diag_tls *out)
{
	const struct nlattr *tls, *conf;

	mnl_attr_for_each_nested (tls, ulp) {
		if (mnl_attr_get_type(tls) != INET_ULP_INFO_TLS)
			continue;
		if (mnl_attr_validate(tls, MNL_TYPE_NESTED) < 0)
			return -1;
		mnl_attr_for_each_nested (conf, tls)
			if (sock_diag_parse_conf(conf, out) < 0)
				return -1;
	}
	return 0;
}

static int sock_diag_parse_message(const struct nlmsghdr *h, void *data)
{
	const struct nlattr *ulp;

	if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    mnl_nlmsg_get_payload_len(h) < sizeof(struct inet_diag_msg))
		return MNL_CB_ERROR;
	mnl_attr_for_each (ulp, h, sizeof(struct inet_diag_msg))
		if (mnl_attr_get_type(ulp) == INET_DIAG_ULP_INFO &&
		    (mnl_attr_validate(ulp, MNL_TYPE_NESTED) < 0 ||
		     sock_diag_parse_ulp(ulp, data) < 0))
			return MNL_CB_ERROR;
	return MNL_CB_STOP;
}

static int sock_diag_addresses(int fd, struct inet_diag_req_v2 *req)
{
	union net_address_socket local, remote;
	socklen_t local_len = sizeof local, remote_len = sizeof remote;
	struct net_address l, r;

	if (getsockname(fd, &local.sa, &local_len) < 0 ||
	    getpeername(fd, &remote.sa, &remote_len) < 0)
		return -1;
	l = net_address_from(&local.sa);
	r = net_address_from(&remote.sa);
	req->sdiag_family = (uint8_t)local.sa.sa_family;
	/* sin_port and sin6_port are at the same place */
	req->id.idiag_sport = local.in.sin_port;
	req->id.idiag_dport = remote.in.sin_port;
	req->id.idiag_if = r.scope;
	memcpy(req->id.idiag_src, l.bytes, sizeof l.bytes);
	memcpy(req->id.idiag_dst, r.bytes, sizeof r.bytes);
	return 0;
}

/* The launcher may have the capability. */
static int sock_diag_order(int fd, struct sock_diag_tls *out, struct err *e)
{
	const struct order diag = { .kind = ORDER_DIAG };
	struct order_answer answer;

	if (order_ask(&diag, fd, &answer, e) < 0) {
		e->kind = ERR_KTLS;
		return -1;
	}
	out->tx = sock_diag_conf_of(answer.value[0]);
	out->rx = sock_diag_conf_of(answer.value[1]);
	return 0;
}

int sock_diag_tls(int fd, struct sock_diag_tls *out, struct err *e)
{
	attr_cleanup(sock_diag_close) struct mnl_socket *nl = NULL;
	char buf[8192] __attribute__((aligned(8)));
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *req;
	ssize_t n;

	*out = (struct sock_diag_tls){ SOCK_DIAG_UNKNOWN, SOCK_DIAG_UNKNOWN };
	if (order_possible())
		return sock_diag_order(fd, out, e);
	h->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	h->nlmsg_flags = NLM_F_REQUEST;
	h->nlmsg_seq = 1;
	req = mnl_nlmsg_put_extra_header(h, sizeof *req);
	req->sdiag_protocol = IPPROTO_TCP;
	/* The kernel leaves the ULP out unless an extension is requested. */
	req->idiag_ext = 1 << (INET_DIAG_INFO - 1);
	req->idiag_states = ~0u;
	req->id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
	req->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	if (sock_diag_addresses(fd, req) < 0)
		return err_set(e, ERR_KTLS, errno, "cannot name the socket");
	nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(nl, h, h->nlmsg_len) < 0 ||
	    (n = mnl_socket_recvfrom(nl, buf, sizeof buf)) < 0)
		return err_set(e, ERR_KTLS, errno, "cannot ask sock_diag");
	if (mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(nl),
		       sock_diag_parse_message, out) < 0)
		return err_set(e, ERR_KTLS, errno, "sock_diag does not answer");
	return 0;
}
