// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/tcp_options.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"

int tcp_options_dscp(const char *text, int *dscp, struct err *e)
{
	static const struct {
		const char *name;
		int value;
	} others[] = { { "le", 1 }, { "va", 44 }, { "ef", 46 } };
	uint64_t number;
	int a, b, end = 0;

	for (size_t i = 0; i < array_len(others); i++)
		if (!strcmp(text, others[i].name)) {
			*dscp = others[i].value;
			return 0;
		}
	if (sscanf(text, "cs%1d%n", &a, &end) == 1 && !text[end] && a < 8) {
		*dscp = a * 8;
		return 0;
	}
	end = 0;
	if (sscanf(text, "af%1d%1d%n", &a, &b, &end) == 2 && !text[end] &&
	    a >= 1 && a <= 4 && b >= 1 && b <= 3) {
		*dscp = a * 8 + b * 2;
		return 0;
	}
	if (parse_uint(text, 0, 63, &number, e) < 0)
		return err_set(e, ERR_USAGE, 0,
			       "'%s' is not a traffic class; write cs0 to cs7, "
			       "af11 to af43, ef, va, le or 0 to 63",
			       text);
	*dscp = (int)number;
	return 0;
}

struct tcp_buffer {
	int option, force;
	const char *what, *sysctl; /* the most that an ordinary user may set */
	const char *limit, *tuning; /* files: that, and tcp(7)'s triple */
};

/* The kernel doubles what is set, for its own overhead: socket(7). */
static uint64_t tcp_options_buffer_got(int fd, int option)
{
	return (uint64_t)io_socket_option(fd, option, 0) / 2;
}

/* The last number of a file; 0 if it cannot be read. */
static uint64_t tcp_options_sysctl(const char *path)
{
	uint64_t number = 0;
	FILE *f = fopen(path, "re");

	while (f && fscanf(f, "%" SCNu64, &number) == 1)
		;
	if (f)
		fclose(f);
	return number;
}

/*
 * Give a socket the most that an ordinary user can have.  Setting a buffer ends
 * the kernel's own tuning of its size, which may reach more: then leave it.
 */
static uint64_t tcp_options_ask(int fd, int bytes, const struct tcp_buffer *b)
{
	uint64_t limit = tcp_options_sysctl(b->limit);
	uint64_t tuned = tcp_options_sysctl(b->tuning) / 2;

	if (tuned && tuned >= min_u64(limit, (uint64_t)bytes))
		return tuned;
	setsockopt(fd, SOL_SOCKET, b->option, &bytes, sizeof bytes);
	return tcp_options_buffer_got(fd, b->option);
}

static void tcp_options_set_buffer(int fd, uint64_t wanted,
				   const struct tcp_buffer *b, bool say)
{
	int bytes = wanted < INT_MAX / 2 ? (int)wanted : INT_MAX / 2;
	uint64_t got;

	if (setsockopt(fd, SOL_SOCKET, b->force, &bytes, sizeof bytes) < 0)
		got = tcp_options_ask(fd, bytes, b);
	else
		got = tcp_options_buffer_got(fd, b->option);
	if (got < (uint64_t)bytes && say)
		log_notice("--tcp-buffer: the kernel gives %" PRIu64
			   " KiB for %s; more needs root (CAP_NET_ADMIN) or "
			   "'sysctl -w %s=%d'",
			   got / 1024, b->what, b->sysctl, bytes);
}

static void tcp_options_set_buffers(int fd, uint64_t bytes, bool say)
{
	static const struct tcp_buffer send = {
		SO_SNDBUF,
		SO_SNDBUFFORCE,
		"sending",
		"net.core.wmem_max",
		"/proc/sys/net/core/wmem_max",
		"/proc/sys/net/ipv4/tcp_wmem",
	};
	static const struct tcp_buffer receive = {
		SO_RCVBUF,
		SO_RCVBUFFORCE,
		"receiving",
		"net.core.rmem_max",
		"/proc/sys/net/core/rmem_max",
		"/proc/sys/net/ipv4/tcp_rmem",
	};

	tcp_options_set_buffer(fd, bytes, &send, say);
	tcp_options_set_buffer(fd, bytes, &receive, say);
}

static void tcp_options_set_congestion(int fd, const char *name, bool say)
{
	if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name,
		       (socklen_t)strlen(name)) == 0 ||
	    !say)
		return;
	if (errno == EPERM)
		log_notice("--congestion %s: only root may choose it, unless "
			   "net.ipv4.tcp_allowed_congestion_control names it",
			   name);
	else
		log_notice("--congestion %s: this kernel does not have it "
			   "('modprobe tcp_%s' as root, or one of "
			   "net.ipv4.tcp_available_congestion_control)",
			   name, name);
}

/* An IPv6 socket that also takes IPv4 needs both. */
static void tcp_options_set_dscp(int fd, int dscp, bool say)
{
	int tos = dscp << 2, v4, v6;

	v4 = setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof tos);
	v6 = setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof tos);
	if (v4 < 0 && v6 < 0 && say)
		log_notice("--dscp: %s", strerror(errno));
}

void tcp_options_apply(const struct tcp_options *o, int fd)
{
	static bool said; /* log refusals once per process */

	if (o->buffer_bytes)
		tcp_options_set_buffers(fd, o->buffer_bytes, !said);
	if (o->congestion)
		tcp_options_set_congestion(fd, o->congestion, !said);
	if (o->dscp >= 0)
		tcp_options_set_dscp(fd, o->dscp, !said);
	said = true;
}
