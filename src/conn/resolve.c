// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/confine.h"
#include "base/io.h"
#include "base/log.h"
#include "base/order.h"
#include "base/signals.h"

/* So that one write(2) of the answer is one read(2) of it: pipe(7). */
_Static_assert(sizeof(struct resolve_answer) <= PIPE_BUF, "an answer is whole");

void resolve_init(struct resolve *r)
{
	*r = (struct resolve){ .pid = -1, .fd = -1 };
}

static void resolve_both(const struct resolve_query *q, int flags,
			 struct resolve_answer *a)
{
	errno = 0;
	a->of_source = 0;
	a->code = net_resolve(q->host, q->family, flags, &a->host);
	if (!a->code && q->source) {
		a->of_source = 1;
		a->code = net_resolve(q->source, q->family, flags, &a->source);
	}
	a->num = a->code == EAI_SYSTEM ? errno : 0;
}

/*
 * The process that waits for a name server.  It closes all inherited pipes and
 * sockets, and dies with us.
 */
static void resolve_live(const struct resolve_query *q, int fd, pid_t parent)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1 };
	struct resolve_answer a = { .code = 0 };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	/* If it is refused, the process that asks is not confined, either. */
	if (confine_drop() < 0)
		errno = 0;
	/* After that: the change of user would undo this. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	for (size_t i = 0; i < array_len(signals); i++)
		signal(signals[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int i = 0; i <= STDERR_FILENO; i++)
		if (null < 0 || dup2(null, i) < 0)
			close(i);
	io_close_all_but(3, &fd, 1);
	resolve_both(q, 0, &a);
	_exit(write(fd, &a, sizeof a) < 0);
}

/* Looking up an interface by name takes a socket, so the process does it. */
static bool resolve_needs_socket(const struct resolve_query *q)
{
	return strchr(q->host, '%') || (q->source && strchr(q->source, '%'));
}

int resolve_spawn(const struct resolve_query *q, pid_t *pid, struct err *e)
{
	autoclose_pair int ends[2] = { -1, -1 };
	pid_t parent = getpid();

	*pid = 0;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_set(e, ERR_NET, errno,
			       "cannot resolve '%s': cannot make a pipe",
			       q->host);
	/* No handler of ours may run in a process that shares our pipes. */
	*pid = signals_fork();
	if (*pid == 0)
		resolve_live(q, ends[1], parent);
	if (*pid > 0)
		return steal_fd(&ends[0]);
	*pid = 0;
	return err_set(e, ERR_NET, errno, "no process to resolve names");
}

/* The launcher knows what to look up. */
static int resolve_order(struct resolve *r, struct err *e)
{
	const struct order resolve = { .kind = ORDER_RESOLVE,
				       .number = r->query.number };

	r->fd = order_ask_fd(&resolve, e);
	if (r->fd < 0)
		e->kind = ERR_NET;
	return r->fd < 0 ? -1 : 0;
}

int resolve_start(struct resolve *r, const struct resolve_query *q,
		  struct err *e)
{
	resolve_stop(r);
	*r = (struct resolve){ .query = *q, .pid = -1, .fd = -1 };
	if (order_possible() && resolve_needs_socket(q))
		return resolve_order(r, e);
	resolve_both(q, AI_NUMERICHOST, &r->answer);
	if (r->answer.code != EAI_NONAME)
		return 0;
	if (order_possible())
		return resolve_order(r, e);
	r->fd = resolve_spawn(q, &r->pid, e);
	if (r->fd >= 0)
		return 0;
	r->pid = -1;
	/* Then getaddrinfo(3) would lack descriptors, too. */
	if (e->num == EMFILE || e->num == ENFILE)
		return -1;
	log_info("%s; data and signals wait until the name server answers",
		 e->msg);
	*e = (struct err){ 0 };
	resolve_both(q, 0, &r->answer);
	return 0;
}

/* A hostile name server may have taken over the process: trust nothing. */
static bool resolve_is_list(const struct net_addresses *list)
{
	if (list->count > NET_ADDRESSES_MAX)
		return false;
	for (size_t i = 0; i < list->count; i++)
		if (list->all[i].family != AF_INET &&
		    list->all[i].family != AF_INET6)
			return false;
	return true;
}

static bool resolve_is_answer(const struct resolve *r, ssize_t len)
{
	const struct resolve_answer *a = &r->answer;

	if (len != sizeof *a || !resolve_is_list(&a->host) ||
	    !resolve_is_list(&a->source))
		return false;
	return a->code ||
	       (a->host.count && (!r->query.source || a->source.count));
}

static int resolve_failed(const struct resolve *r, struct err *e)
{
	const struct resolve_answer *a = &r->answer;
	bool of_source = a->of_source && r->query.source;
	const char *name = of_source ? r->query.source : r->query.host;
	const char *zone = strchr(name, '%');

	net_cannot_resolve(name, r->query.family, a->code, a->num, e);
	if (zone && strchr(name, ':') && a->code == EAI_NONAME)
		err_append(e, " (is there an interface '%s' here?)", zone + 1);
	return -1;
}

int resolve_take(struct resolve *r, bool *done, struct err *e)
{
	ssize_t len;

	*done = false;
	if (r->fd >= 0) {
		len = io_read(r->fd, &r->answer, sizeof r->answer);
		if (len < 0 && errno == EAGAIN)
			return 0;
		resolve_stop(r);
		if (!resolve_is_answer(r, len)) {
			err_set(e, ERR_NET, 0,
				"cannot resolve '%s': the process that looks "
				"it up ended",
				r->query.host);
			e->num = EAGAIN;
			return -1;
		}
	}
	if (r->answer.code)
		return resolve_failed(r, e);
	*done = true;
	return 0;
}

void resolve_stop(struct resolve *r)
{
	int flags;

	attr_close(&r->fd);
	if (r->pid < 0)
		return;
	/* If we may not kill it, it ends by itself, at the latest with us. */
	flags = kill(r->pid, SIGKILL) < 0 ? WNOHANG : 0;
	while (waitpid(r->pid, NULL, flags) < 0 && errno == EINTR)
		;
	r->pid = -1;
}
