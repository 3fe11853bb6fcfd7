// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/activation.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/io.h"
#include "base/parse.h"

/* The first one; the others follow it: sd_listen_fds(3). */
enum { FIRST_FD = 3 };

/* What is wrong with fd, and the remedy; NULL: it can be listened on. */
static const char *activation_fault(int fd)
{
	int domain = io_socket_option(fd, SO_DOMAIN, -1);

	if (fcntl(fd, F_GETFD) < 0)
		return "it is not open";
	if (domain < 0)
		return "it is no socket";
	if ((domain != AF_INET && domain != AF_INET6) ||
	    io_socket_option(fd, SO_PROTOCOL, -1) != IPPROTO_TCP)
		return "it is not for TCP (ListenStream= with a port, and no "
		       "SocketProtocol=)";
	if (io_socket_option(fd, SO_ACCEPTCONN, -1) != 1)
		return "it is no listening socket (Accept=no)";
	return NULL;
}

/*
 * The service manager shares the socket.  It only polls it, so it may become
 * non-blocking: a peer may be gone before we accept its connection.
 */
static int activation_adopt(int fd, struct err *e)
{
	const char *fault = activation_fault(fd);

	if (fault)
		return err_set(e, ERR_USAGE, 0,
			       "descriptor %d of LISTEN_FDS: %s", fd, fault);
	if (io_set_nonblocking(fd, e) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
		e->kind = ERR_USAGE;
		return err_wrap(e, "descriptor %d of LISTEN_FDS", fd);
	}
	return 0;
}

static int activation_take_all(struct net_listener *l, uint64_t count,
			       struct err *e)
{
	for (uint64_t i = 0; i < count; i++) {
		l->fds[i] = FIRST_FD + (int)i;
		if (activation_adopt(l->fds[i], e) < 0)
			return -1;
	}
	l->count = (size_t)count;
	return 0;
}

/* Are the variables for this process?  A parent may have left its own. */
static bool activation_is_ours(void)
{
	const char *pid = getenv("LISTEN_PID");
	struct err ignored = { 0 };
	uint64_t value;

	return pid && parse_uint(pid, 1, INT32_MAX, &value, &ignored) == 0 &&
	       value == (uint64_t)getpid();
}

void activation_forget(void)
{
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	unsetenv("LISTEN_PIDFDID");
}

int activation_take(struct net_listener *l, struct err *e)
{
	const char *text = getenv("LISTEN_FDS");
	uint64_t count = 0;
	int ret = 0;

	*l = (struct net_listener){ .count = 0 };
	if (text && activation_is_ours()) {
		ret = parse_uint(text, 0, NET_LISTENERS_MAX, &count, e);
		if (ret < 0)
			err_wrap(e, "LISTEN_FDS");
		else
			ret = activation_take_all(l, count, e);
	}
	activation_forget();
	return ret < 0 || !l->count ? ret : net_listener_find_port(l, e);
}
