// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "auth/key_list.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/io.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/order.h"
#include "base/rights.h"
#include "conn/activation.h"
#include "conn/net.h"
#include "conn/resolve.h"
#include "stream/command.h"
#include "stream/part_file.h"
#include "tls/sock_diag.h"

enum {
	PIPE_BYTES = 1 << 20,
	/* If a source begins again, the last one may not be reaped yet. */
	COMMANDS_MAX = 2,
	PROCESSES_MAX = 128,
	LATE_MS = 5000, /* for a stream's launcher to end after it */
};

/* A process that is not our child, so that its number may become another's */
struct launcher_process {
	pid_t pid; /* 0: none */
	int pidfd; /* tells that it has ended; -1: Linux before 5.3 */
	pid_t launcher; /* of this stream; 0: none */
	uint64_t kill_ms; /* when the launcher is killed; 0: never */
};

struct launcher_command {
	pid_t supervisor; /* 0: free */
	int leash_fd; /* see command.h */
};

struct launcher {
	const struct options *o;
	int fd; /* orders come from there */
	bool of_stream; /* serves a stream of --keep; else the first process */
	int stream_pidfd; /* of that stream's process; -1: unknown */
	char identity[ORDER_WORD_BYTES]; /* of its client; "": none */
	pid_t resolver; /* the last look-up; 0: none */
	pid_t slow; /* carries out the last slow order; 0: none */
	struct launcher_command commands[COMMANDS_MAX];
	/* All that an order may signal: streams of --keep, or ssh */
	struct launcher_process processes[PROCESSES_MAX];
};

static int launcher_refuse(struct err *e, const char *what)
{
	return err_set(e, ERR_BUG, EPERM, "the launcher refuses: %s", what);
}

/* Messages of a stream's COMMAND begin with the stream's name. */
static void launcher_set_subject(const struct order *o)
{
	const char *identity = o->words[ORDER_IDENTITY];
	char subject[2 * ORDER_WORD_BYTES + 1];

	snprintf(subject, sizeof subject, "%s%s%s", identity,
		 *identity ? " " : "", o->words[ORDER_PEER]);
	log_set_subject(subject);
}

/* With --keep each stream starts COMMAND for its own client alone. */
static bool launcher_may_command(const struct launcher *l,
				 const struct order *o)
{
	return l->of_stream ? !strcmp(l->identity, o->words[ORDER_IDENTITY])
			    : !l->o->keep;
}

static void launcher_free_command(struct launcher_command *c)
{
	attr_close(&c->leash_fd);
	c->supervisor = 0;
}

/* A supervisor that only lingers, or was killed, has closed its leash. */
static bool launcher_is_tied(struct launcher_command *c)
{
	if (c->supervisor && c->leash_fd >= 0 && io_ready(c->leash_fd, POLLIN))
		launcher_free_command(c);
	return c->supervisor;
}

static int launcher_command(struct launcher *l, const struct order *o,
			    struct order_answer *a)
{
	enum command_role role = options_sends(l->o) ? COMMAND_SOURCE
						     : COMMAND_CONSUMER;
	struct command_process p;
	size_t i = 0;

	while (i < COMMANDS_MAX && launcher_is_tied(&l->commands[i]))
		i++;
	if (i == COMMANDS_MAX)
		return err_set(&a->error, ERR_BUG, EAGAIN,
			       "%d COMMANDs run already", COMMANDS_MAX);
	if (!l->o->command || o->role != role)
		return launcher_refuse(&a->error, "no such COMMAND");
	if (!launcher_may_command(l, o))
		return launcher_refuse(&a->error, "another client's COMMAND");
	if (l->o->keep)
		launcher_set_subject(o);
	if (command_spawn(l->o->command, o, l->o->passes_on, &p, &a->error) < 0)
		return -1;
	l->commands[i].supervisor = p.supervisor;
	l->commands[i].leash_fd = fcntl(p.leash_fd, F_DUPFD_CLOEXEC, 0);
	a->value[0] = p.supervisor;
	a->fds[0] = p.pipe_fd;
	a->fds[1] = p.control_fd;
	a->fds[2] = p.leash_fd;
	return 0;
}

static int launcher_continue(const struct launcher *l, const struct order *o,
			     struct order_answer *a)
{
	for (size_t i = 0; i < COMMANDS_MAX; i++)
		if (l->commands[i].supervisor == o->pid) {
			kill(o->pid, SIGCONT);
			return 0;
		}
	return launcher_refuse(&a->error, "no such supervisor");
}

/* Without a pidfd any process that has the number counts. */
static bool launcher_lives(const struct launcher_process *p)
{
	if (!p->pid)
		return false;
	if (p->pidfd >= 0)
		return !io_ready(p->pidfd, POLLIN);
	return kill(p->pid, 0) == 0 || errno == EPERM;
}

/* From here on it may be signalled.  NULL: it has ended, or too many live. */
static struct launcher_process *launcher_note(struct launcher *l, pid_t pid)
{
	struct launcher_process *p = l->processes;

	while (p < l->processes + PROCESSES_MAX &&
	       (p->launcher || launcher_lives(p)))
		p++;
	if (p == l->processes + PROCESSES_MAX)
		return NULL;
	if (p->pid)
		attr_close(&p->pidfd);
	/* Close-on-exec by itself.  A kernel or container may lack it. */
	p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	p->pid = p->pidfd >= 0 || err_refuses(errno) ? pid : 0;
	return p->pid ? p : NULL;
}

/* Returns 0, or -1 with errno set; ESRCH: no process that was noted. */
static int launcher_signal_noted(const struct launcher *l, pid_t pid, int sig)
{
	const struct launcher_process *p = l->processes;

	while (p < l->processes + PROCESSES_MAX &&
	       (p->pid != pid || !launcher_lives(p)))
		p++;
	errno = ESRCH;
	if (p == l->processes + PROCESSES_MAX)
		return -1;
	if (p->pidfd >= 0 &&
	    syscall(SYS_pidfd_send_signal, p->pidfd, sig, NULL, 0) == 0)
		return 0;
	return p->pidfd < 0 || err_refuses(errno) ? kill(pid, sig) : -1;
}

static int launcher_signal(const struct launcher *l, const struct order *o,
			   struct order_answer *a)
{
	if (launcher_signal_noted(l, o->pid, o->number) < 0)
		return err_set(&a->error, ERR_BUG, errno,
			       "cannot signal process %d", (int)o->pid);
	return 0;
}

static int launcher_resolve(struct launcher *l, const struct order *o,
			    struct order_answer *a)
{
	const char *const hosts[ORDER_HOSTS_MAX] = { l->o->host,
						     l->o->others[0],
						     l->o->others[1] };
	const struct resolve_query q = { .host = hosts[o->number],
					 .source = l->o->bind,
					 .family = l->o->family };

	if (l->o->verb != OPTIONS_CONNECT || !q.host)
		return launcher_refuse(&a->error, "no name to look up");
	/* Nobody waits for the previous look-up any more. */
	if (l->resolver > 0)
		kill(l->resolver, SIGKILL);
	l->resolver = 0;
	a->fds[0] = resolve_spawn(&q, &l->resolver, &a->error);
	return a->fds[0] < 0 ? -1 : 0;
}

static int launcher_dial(const struct launcher *l, const struct order *o,
			 struct order_answer *a)
{
	const struct net_target target = { .to = &o->to,
					   .from = o->from.family ? &o->from
								  : NULL,
					   .port = (uint16_t)l->o->port,
					   .tcp = &l->o->tcp };

	if (l->o->verb != OPTIONS_CONNECT || (target.from && !l->o->bind))
		return launcher_refuse(&a->error, "nobody to connect to");
	a->fds[0] = net_connect(&target, &a->error);
	return a->fds[0] < 0 ? -1 : 0;
}

static int launcher_diag(int fd, struct order_answer *a)
{
	struct sock_diag_tls diag;

	if (sock_diag_tls(fd, &diag, &a->error) < 0)
		return -1;
	a->value[0] = (int32_t)diag.tx;
	a->value[1] = (int32_t)diag.rx;
	return 0;
}

static int launcher_grow(const struct launcher *l, const struct order *o,
			 int fd, struct order_answer *a)
{
	uint64_t most = l->o->buffer_bytes > PIPE_BYTES ? l->o->buffer_bytes
							: PIPE_BYTES;

	if ((uint64_t)o->number > most)
		return launcher_refuse(&a->error, "a pipe of that size");
	if (fcntl(fd, F_SETPIPE_SZ, o->number) < 0)
		return err_set(&a->error, ERR_IO, errno,
			       "cannot make a pipe larger");
	return 0;
}

static int launcher_give(int fd, struct order_answer *a)
{
	a->fds[0] = fd;
	return fd < 0 ? err_set(&a->error, ERR_IO, errno, "cannot open") : 0;
}

static int launcher_keys(const struct launcher *l, struct order_answer *a)
{
	if (!l->o->keys)
		return launcher_refuse(&a->error, "no file of keys");
	a->fds[0] = key_list_open(l->o->keys, &a->error);
	return a->fds[0] < 0 ? -1 : 0;
}

static int launcher_part(const struct launcher *l,
			 const struct order_received *r, struct order_answer *a)
{
	int num;

	if (!l->o->output)
		return launcher_refuse(&a->error, "no file of --output");
	num = part_file_obey(l->o->output, &r->order, r->fds);
	return num ? err_set(&a->error, ERR_IO, num, "--output") : 0;
}

static int launcher_stream(struct launcher *l, const struct order_received *r,
			   struct order_answer *a);

/*
 * The order was checked by order_check(); here it is checked against the
 * command line and against who asks.
 */
static int launcher_obey(struct launcher *l, const struct order_received *r,
			 struct order_answer *a)
{
	const struct order *o = &r->order;

	if (l->of_stream && order_is_of_listener(o->kind))
		return launcher_refuse(&a->error, "that is not for a stream");
	switch ((enum order_kind)o->kind) {
	case ORDER_PING:
		return 0;
	case ORDER_COMMAND:
		return launcher_command(l, o, a);
	case ORDER_CONTINUE:
		return launcher_continue(l, o, a);
	case ORDER_STREAM_LAUNCHER:
		return launcher_stream(l, r, a);
	case ORDER_SIGNAL:
		return launcher_signal(l, o, a);
	case ORDER_RESOLVE:
		return launcher_resolve(l, o, a);
	case ORDER_DIAL:
		return launcher_dial(l, o, a);
	case ORDER_DIAG:
		return launcher_diag(r->fds[0], a);
	case ORDER_GROW:
		return launcher_grow(l, o, r->fds[0], a);
	case ORDER_REOPEN:
		return launcher_give(
			io_reopen_nonblocking(o->number, o->access), a);
	case ORDER_NULL:
		return launcher_give(io_open_null(), a);
	case ORDER_KEYS:
		return launcher_keys(l, a);
	case ORDER_PART_NOTE:
	case ORDER_PART_NAME:
	case ORDER_PART_DROP:
		return launcher_part(l, r, a);
	case ORDER_KINDS:
		break;
	}
	return launcher_refuse(&a->error, "no such order");
}

/* Reap all processes that ended. */
static void launcher_reap(struct launcher *l)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		if (pid == l->resolver)
			l->resolver = 0;
		if (pid == l->slow)
			l->slow = 0;
		for (size_t i = 0; i < COMMANDS_MAX; i++)
			if (l->commands[i].supervisor == pid)
				launcher_free_command(&l->commands[i]);
		for (size_t i = 0; i < PROCESSES_MAX; i++)
			if (l->processes[i].launcher == pid)
				l->processes[i].launcher = 0;
	}
}

/*
 * Kill a stream's launcher that has not ended LATE_MS after we saw the end of
 * its stream: it waits for a descriptor that the stream sent it.  The listener
 * is the parent of streams, so no signal tells us: call it again after LATE_MS.
 * Returns false if no launcher of a stream is left.
 */
static bool launcher_kill_late(struct launcher *l, uint64_t now)
{
	bool left = false;

	for (size_t i = 0; i < PROCESSES_MAX; i++) {
		struct launcher_process *p = &l->processes[i];

		if (!p->launcher)
			continue;
		left = true;
		if (launcher_lives(p))
			continue;
		if (!p->kill_ms)
			p->kill_ms = clock_deadline(LATE_MS);
		if (now >= p->kill_ms)
			kill(p->launcher, SIGKILL);
	}
	return left;
}

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
	struct sigaction sa = { .sa_handler = launcher_on_sigchld };
	sigset_t chld;

	setpgid(0, 0);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_IGN);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_SETMASK, &chld, NULL);
	sigaction(SIGCHLD, &sa, NULL);
	prctl(PR_SET_NAME, "ktls-launcher");
	notify_after_fork();
	io_close_all_but(3, &fd, 1);
	log_after_fork();
	/* The process that listens takes its sockets itself, later. */
	activation_forget();
}

/* Wait for the process of the last slow order, and so for the disk. */
static void launcher_finish_slow(struct launcher *l)
{
	while (l->slow && waitpid(l->slow, NULL, 0) < 0 && errno == EINTR)
		;
	l->slow = 0;
}

/*
 * A slow order is carried out by a process of its own, one at a time: other
 * orders, such as to connect again, must not wait for it.  Returns as fork(2);
 * after -1 we carry it out.
 */
static pid_t launcher_fork_slow(struct launcher *l, const struct order *o)
{
	pid_t pid;

	if (!order_is_slow(o->kind) || !l->o->output)
		return -1;
	launcher_finish_slow(l);
	pid = fork();
	if (pid > 0)
		l->slow = pid;
	/* If the launcher ends, the process that asks must see it at once. */
	if (pid == 0)
		close(l->fd);
	return pid;
}

/* Returns false if nobody is left that could ask. */
static bool launcher_serve(struct launcher *l)
{
	struct order_received received;
	struct order_answer answer = { .fds = { -1, -1, -1 } };
	int ret = order_receive(l->fd, &received);
	pid_t other;

	if (ret < 0 && errno)
		log_notice("the launcher cannot hear: %s", strerror(errno));
	if (ret <= 0)
		return ret == 0;
	other = launcher_fork_slow(l, &received.order);
	if (other <= 0 && launcher_obey(l, &received, &answer) < 0)
		answer.fds[0] = answer.fds[1] = -1;
	for (size_t i = 0; i < ORDER_FDS_MAX; i++)
		rights_drop(&received.fds[i]);
	if (other > 0)
		rights_drop(&received.reply_fd);
	else
		order_reply(l->fd, received.reply_fd, &answer);
	if (other == 0)
		_exit(0);
	return true;
}

/* Serve until nobody can ask, or the stream's process has ended. */
static void launcher_run(struct launcher *l)
{
	struct pollfd fds[] = { { .fd = l->fd, .events = POLLIN },
				{ .fd = l->stream_pidfd, .events = POLLIN } };
	sigset_t none;
	int ready;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigemptyset(&none);
	do {
		const struct timespec late = { .tv_sec = LATE_MS / 1000 },
				      *wait;

		launcher_reap(l);
		wait = launcher_kill_late(l, clock_now_ms()) ? &late : NULL;
		ready = ppoll(fds, array_len(fds), wait, &none);
		if (ready < 0 && errno != EINTR) {
			log_notice("the launcher cannot wait: %s",
				   strerror(errno));
			break;
		}
		if (ready > 0 && fds[1].revents)
			break;
	} while (ready <= 0 || launcher_serve(l));
	launcher_finish_slow(l);
	/* Supervisors see that their streams are gone.  They need no parent. */
	launcher_reap(l);
}

/*
 * A stream has a launcher of its own, so that a broken stream can take nothing
 * from others: it may take for ever to receive or to close what it sends.  The
 * stream's process asks for a launcher over the listener's socket before it
 * reads a byte; the kernel says which process asks.
 */
static int launcher_stream(struct launcher *l, const struct order_received *r,
			   struct order_answer *a)
{
	struct launcher s = { .o = l->o, .of_stream = true };
	struct launcher_process none = { .pidfd = -1 }, *p = &none;
	int ends[2];
	pid_t pid;

	if (!l->o->keep)
		return launcher_refuse(&a->error, "no streams");
	if (r->from > 1)
		p = launcher_note(l, r->from);
	if (!p)
		return launcher_refuse(&a->error, "that many streams");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_call(&a->error, ERR_STREAM, "socketpair",
				"cannot start a launcher");
	pid = fork();
	if (pid == 0) {
		io_close_all_but(3, (int[]){ ends[0], p->pidfd }, 2);
		log_after_fork();
		s.fd = ends[0];
		s.stream_pidfd = p->pidfd;
		memcpy(s.identity, r->order.words[ORDER_IDENTITY],
		       sizeof s.identity);
		launcher_run(&s);
		_exit(0);
	}
	close(ends[0]);
	a->fds[0] = ends[1];
	p->launcher = pid > 0 ? pid : 0;
	p->kill_ms = 0;
	if (pid > 0)
		return 0;
	attr_close(&a->fds[0]);
	return err_call(&a->error, ERR_STREAM, "clone",
			"cannot start a launcher");
}

static void launcher_main(const struct options *o, pid_t child, int fd)
{
	struct launcher l = { .o = o, .fd = fd, .stream_pidfd = -1 };

	launcher_detach(fd);
	if (child)
		launcher_note(&l, child);
	launcher_run(&l);
	launcher_kill_late(&l, CLOCK_NEVER);
	/* Without a pidfd it may be another process by now. */
	if (child && l.processes[0].pidfd >= 0)
		launcher_signal_noted(&l, child, SIGTERM);
	_exit(0);
}

static int launcher_fork(const struct options *o, pid_t child, struct err *e)
{
	const struct order ping = { .kind = ORDER_PING };
	struct order_answer answer;
	autoclose_pair int ends[2] = { -1, -1 };
	int on = 1;
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
	attr_close(&ends[1]);
	if (pid < 0)
		return err_call(e, ERR_KTLS, "clone",
				"cannot start the launcher");
	order_connect(steal_fd(&ends[0]), false);
	/* The system calls of orders may be refused here. */
	if (order_ask(&ping, -1, &answer, e) == 0)
		return 0;
	/* Its own end would be that of ssh, too. */
	kill(pid, SIGKILL);
	order_disconnect();
	e->kind = ERR_KTLS;
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
