// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/launcher.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/order.h"
#include "cli/launcher_orders.h"

/* It only has to interrupt ppoll(2). */
static void launcher_on_sigchld(int sig)
{
}

/*
 * Leave the terminal's foreground group, and let no signal but SIGKILL end us:
 * we end with the last process that can ask.  COMMAND's orphans become our
 * children, if its supervisor is killed.
 */
static void launcher_detach(int fd)
{
	static const char *const not_for_command[] = { "LISTEN_PID",
						       "LISTEN_FDS",
						       "LISTEN_FDNAMES" };
	struct sigaction sa = { .sa_handler = launcher_on_sigchld };
	sigset_t chld;

	setpgid(0, 0);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_IGN);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_SETMASK, &chld, NULL);
	sigaction(SIGCHLD, &sa, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_NAME, "ktls-launcher");
	notify_after_fork();
	if (fd > 3)
		io_close_range(3, (unsigned int)fd - 1);
	io_close_range((unsigned int)fd + 1, ~0u);
	log_after_fork();
	/* The worker takes these later: conn/activation. */
	for (size_t i = 0; i < array_len(not_for_command); i++)
		unsetenv(not_for_command[i]);
}

/* Wait for the disk, as the process of the last slow order does. */
static void launcher_finish_slow(struct launcher *l)
{
	while (l->slow && waitpid(l->slow, NULL, 0) < 0 && errno == EINTR)
		;
	l->slow = 0;
}

/*
 * A slow order is carried out by a process of its own, one at a time: others,
 * such as to connect again, must not wait for it.  Returns as fork(2); after -1
 * we carry it out.
 */
static pid_t launcher_fork_slow(struct launcher *l, const struct order *o)
{
	pid_t pid;

	if (!order_is_slow(o))
		return -1;
	launcher_finish_slow(l);
	pid = fork();
	if (pid > 0)
		l->slow = pid;
	return pid;
}

/* Returns false if nobody is left that could ask. */
static bool launcher_serve(struct launcher *l, int socket)
{
	struct order_received received;
	struct order_answer answer;
	int ret = order_receive(socket, &received);
	pid_t other;

	if (ret <= 0)
		return ret == 0;
	other = launcher_fork_slow(l, &received.order);
	if (other <= 0)
		launcher_orders_obey(l, &received, &answer);
	for (size_t i = 0; i < ORDER_FDS_MAX; i++)
		attr_close(&received.fds[i]);
	if (other > 0)
		close(received.reply_fd);
	else
		order_reply(received.reply_fd, &answer);
	if (other == 0)
		_exit(0);
	return true;
}

static void launcher_main(const struct options *o, pid_t child, int fd)
{
	struct launcher l = { .o = o };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	sigset_t none;

	launcher_detach(fd);
	if (child)
		launcher_orders_note(&l, child);
	sigemptyset(&none);
	for (;;) {
		launcher_orders_reap(&l);
		if (ppoll(&p, 1, NULL, &none) < 0 && errno != EINTR)
			break;
		if (p.revents && !launcher_serve(&l, fd))
			break;
		p.revents = 0;
	}
	launcher_finish_slow(&l);
	/* Supervisors see that their streams are gone.  They need no parent. */
	launcher_orders_reap(&l);
	if (child)
		launcher_orders_end(&l, child);
	_exit(0);
}

/* The system calls of orders may be refused here. */
static int launcher_check(struct err *e)
{
	const struct order ping = { .kind = ORDER_PING };
	struct order_answer answer;

	return order_ask(&ping, -1, &answer, e);
}

static int launcher_fork(const struct options *o, pid_t child, struct err *e)
{
	int ends[2], on = 1;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_call(e, ERR_KTLS, "socketpair",
				"cannot start the launcher");
	setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		launcher_main(o, child, ends[1]);
	}
	close(ends[1]);
	if (pid < 0)
		err_call(e, ERR_KTLS, "clone", "cannot start the launcher");
	if (pid >= 0) {
		order_connect(ends[0]);
		if (launcher_check(e) == 0)
			return 0;
		order_disconnect();
		e->kind = ERR_KTLS;
	} else {
		close(ends[0]);
	}
	if (pid >= 0)
		waitpid(pid, NULL, 0);
	return -1;
}

int launcher_start(const struct options *o, pid_t child, struct err *e)
{
	if (o->confine == OPTIONS_CONFINE_OFF ||
	    launcher_fork(o, child, e) == 0)
		return 0;
	if (o->confine == OPTIONS_CONFINE_REQUIRE)
		return err_append(e, " (--confine require)");
	log_notice("%s; going on unconfined", e->msg);
	*e = (struct err){ 0 };
	return 0;
}
