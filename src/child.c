// SPDX-License-Identifier: GPL-2.0-or-later
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "clock.h"
#include "io.h"

enum { TERM_GRACE_MS = 2000 };

/* What we tell the supervisor; the end of the socket means KILL too. */
enum { ORDER_CLOSE = 'c', ORDER_KILL = 'k' };

struct child {
	enum child_role role;
	int pipe_fd;
	int control_fd;
	pid_t supervisor;
	pid_t group; /* COMMAND's process group */
	bool ended;
	struct child_status status;
};

static rlim_t core_limit; /* of COMMAND */

void child_save_core_limit(rlim_t limit)
{
	core_limit = limit;
}

/*
 * Nobody else's word may pass for ours: what was inherited under our prefix
 * goes first.
 */
static void child_set_environment(const struct child_peer *peer)
{
	static const char prefix[] = "BTRFS_KTLS_PIPE_";
	const struct {
		const char *name, *value;
	} ours[] = {
		{ "BTRFS_KTLS_PIPE_IDENTITY", peer->identity },
		{ "BTRFS_KTLS_PIPE_METHOD", peer->method },
		{ "BTRFS_KTLS_PIPE_PEER", peer->address },
		{ "BTRFS_KTLS_PIPE_STREAM", peer->stream },
	};
	char **kept = environ;

	for (char **p = environ; p && *p; p++)
		if (strncmp(*p, prefix, sizeof prefix - 1))
			*kept++ = *p;
	if (kept)
		*kept = NULL;
	for (size_t i = 0; i < array_len(ours); i++)
		if (ours[i].value && setenv(ours[i].name, ours[i].value, 1) < 0)
			_exit(127);
}

/* In the process that becomes COMMAND. */
static void child_exec(char *const argv[], enum child_role role,
		       const struct child_peer *peer, int pipe_fd,
		       int control_fd)
{
	struct child_status s = { 0 };
	struct rlimit core;
	sigset_t none;

	child_set_environment(peer);
	setpgid(0, 0);
	/* Should somebody kill the supervisor: late, but better than not. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(pipe_fd,
		 role == CHILD_SOURCE ? STDOUT_FILENO : STDIN_FILENO) >= 0) {
		for (int sig = 1; sig < NSIG; sig++)
			signal(sig, SIG_DFL);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		/* We forbid ourselves core dumps, not COMMAND. */
		if (getrlimit(RLIMIT_CORE, &core) == 0) {
			core.rlim_cur = core_limit;
			setrlimit(RLIMIT_CORE, &core);
		}
		fcntl(control_fd, F_SETFD, FD_CLOEXEC);
		/* Whatever was inherited stays out of COMMAND. */
		if (control_fd > 3)
			io_close_range(3, (unsigned int)control_fd - 1);
		io_close_range((unsigned int)control_fd + 1, ~0u);
		execvp(argv[0], argv);
	}
	s.start_errno = errno ? errno : ENOEXEC;
	send(control_fd, &s, sizeof s, MSG_NOSIGNAL);
	_exit(127);
}

/* Wait for pid without blocking.  Returns whether it ended. */
static bool supervisor_reap(pid_t pid, int *wstatus)
{
	return waitpid(pid, wstatus, WNOHANG) == pid;
}

/* Kill COMMAND's whole group and whoever was left to us, then reap them. */
static int supervisor_kill(pid_t pid)
{
	uint64_t deadline = clock_deadline(TERM_GRACE_MS);
	bool killed = false;
	int wstatus = 0, ws;

	kill(-pid, SIGTERM);
	kill(-pid, SIGCONT);
	for (;;) {
		pid_t got = waitpid(-1, &ws, WNOHANG);

		if (got == pid)
			wstatus = ws;
		if (got > 0)
			continue;
		if (got < 0 && errno == ECHILD)
			return wstatus;
		/* The group keeps its number while a member lives. */
		if (!killed && clock_now_ms() >= deadline) {
			kill(-pid, SIGKILL);
			killed = true;
			deadline = clock_deadline(TERM_GRACE_MS);
		} else if (killed && clock_now_ms() >= deadline) {
			return wstatus; /* a daemon of its own, or in D state */
		}
		poll(NULL, 0, 5);
	}
}

static void supervisor_report(int control_fd, int wstatus)
{
	struct child_status s = { 0 };

	if (WIFSIGNALED(wstatus))
		s.signal = WTERMSIG(wstatus);
	else
		s.exit_status = WEXITSTATUS(wstatus);
	send(control_fd, &s, sizeof s, MSG_NOSIGNAL);
}

/*
 * The supervisor's life: until COMMAND ends by itself, or we say so, or we are
 * gone.  SIGCHLD comes through sigchld_fd.
 */
static void supervisor_run(pid_t pid, int control_fd, int pipe_fd,
			   int sigchld_fd)
{
	struct pollfd fds[2] = { { .fd = control_fd, .events = POLLIN },
				 { .fd = sigchld_fd, .events = POLLIN } };
	int wstatus;
	char order;

	for (;;) {
		if (supervisor_reap(pid, &wstatus))
			break;
		poll(fds, 2, -1);
		if (fds[1].revents & POLLIN) {
			char drain[64];

			while (read(sigchld_fd, drain, sizeof drain) > 0)
				;
		}
		if (!fds[0].revents)
			continue;
		if (recv(control_fd, &order, 1, 0) == 1 &&
		    order == ORDER_CLOSE) {
			close(pipe_fd);
			pipe_fd = -1;
			continue;
		}
		wstatus = supervisor_kill(pid);
		break;
	}
	supervisor_report(control_fd, wstatus);
	/* Who reads from a consumer's pipe now is no child that we know of:
	 * we may go, and the pipe with us, as soon as we are told to. */
	while (recv(control_fd, &order, 1, 0) == 1)
		;
	close(control_fd);
	_exit(0);
}

static int sigchld_pipe[2] = { -1, -1 };

static void supervisor_on_sigchld(int sig)
{
	int saved = errno;

	if (write(sigchld_pipe[1], "", 1) < 0)
		errno = saved; /* full: there is something to read anyway */
	errno = saved;
}

/* Close every descriptor but the two (2 stays for COMMAND's messages). */
static void supervisor_close_others(int a, int b)
{
	int low = a < b ? a : b, high = a < b ? b : a;

	if (low > 3)
		io_close_range(3, (unsigned int)low - 1);
	if (high > low + 1)
		io_close_range((unsigned int)low + 1, (unsigned int)high - 1);
	io_close_range((unsigned int)high + 1, ~0u);
}

/*
 * Who kills us by name means the program, not what cleans up after it: go by
 * another name.  The arguments lie behind each other in memory (execve(2));
 * COMMAND, their last part, has its copy already.
 */
static void supervisor_rename(char *const argv[])
{
	static const char title[] = "COMMAND supervisor";
	char *first = program_invocation_name, *last = first;

	prctl(PR_SET_NAME, "ktls-supervisor");
	for (; *argv; argv++)
		last = *argv;
	if (last < first + sizeof title)
		return;
	memset(first, 0, (size_t)(last - first) + strlen(last));
	memcpy(first, title, sizeof title);
}

/*
 * In the supervisor.  child_end is COMMAND's end of the pipe; keep is the end
 * that keeps a consumer's input open, or -1.
 */
static void supervisor_main(char *const argv[], enum child_role role,
			    const struct child_peer *peer, int child_end,
			    int keep, int control_fd)
{
	struct sigaction sa = { .sa_handler = supervisor_on_sigchld };
	sigset_t chld;
	pid_t pid;

	/* Out of the terminal's foreground group: ^C is for our parent, and
	 * we have work to do after it. */
	setpgid(0, 0);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, sig == SIGCHLD ? SIG_DFL : SIG_IGN);
	/* Whoever started us may have it blocked. */
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_UNBLOCK, &chld, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid = fork();
	if (pid == 0)
		child_exec(argv, role, peer, child_end, control_fd);
	if (pid < 0) {
		struct child_status s = { .start_errno = errno };

		send(control_fd, &s, sizeof s, MSG_NOSIGNAL);
		_exit(1);
	}
	setpgid(pid, pid); /* both do it: whoever comes first */
	send(control_fd, &pid, sizeof pid, MSG_NOSIGNAL);
	supervisor_close_others(control_fd, keep >= 0 ? keep : control_fd);
	supervisor_rename(argv);
	/* Standard input and output are not ours to hold open. */
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	if (pipe2(sigchld_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		_exit(1);
	sigaction(SIGCHLD, &sa, NULL);
	supervisor_run(pid, control_fd, keep, sigchld_pipe[0]);
}

/* The supervisor's first word; COMMAND's own, if it cannot be run, may be
 * faster. */
static void child_take_group(struct child *c)
{
	union {
		pid_t group;
		struct child_status status;
	} first = { 0 };
	ssize_t n;

	do
		n = recv(c->control_fd, &first, sizeof first, 0);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof first.group) {
		c->group = first.group;
		return;
	}
	c->ended = true;
	c->status = n == (ssize_t)sizeof first.status
			    ? first.status
			    : (struct child_status){ .signal = SIGKILL };
}

struct child *child_start(char *const argv[], enum child_role role,
			  const struct child_peer *peer, struct err *e)
{
	int data[2], control[2], ours = role == CHILD_SOURCE ? 0 : 1;
	struct child *c = calloc(1, sizeof *c);

	if (!c || pipe2(data, O_CLOEXEC) < 0) {
		err_set(e, ERR_COMMAND, errno, "cannot start %s", argv[0]);
		free(c);
		return NULL;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) <
		    0 ||
	    (c->supervisor = fork()) < 0) {
		err_set(e, ERR_COMMAND, errno, "cannot start %s", argv[0]);
		/* The control pair, if made, ends with this process. */
		close(data[0]);
		close(data[1]);
		free(c);
		return NULL;
	}
	if (c->supervisor == 0) {
		/* Our ends, by themselves: COMMAND's end shows by them. */
		close(control[0]);
		if (role == CHILD_SOURCE)
			close(data[0]);
		supervisor_main(argv, role, peer, data[!ours],
				role == CHILD_CONSUMER ? data[1] : -1,
				control[1]);
	}
	close(data[!ours]);
	close(control[1]);
	c->role = role;
	c->pipe_fd = data[ours];
	c->control_fd = control[0];
	io_grow_pipe(c->pipe_fd);
	child_take_group(c);
	if (io_set_nonblocking(c->pipe_fd, e) < 0) {
		child_free(c);
		return NULL;
	}
	return c;
}

int child_pipe_fd(const struct child *c)
{
	return c->pipe_fd;
}

int child_status_fd(const struct child *c)
{
	return c->ended ? -1 : c->control_fd;
}

/* Take the status from the supervisor; flags 0 or MSG_DONTWAIT. */
static void child_take_status(struct child *c, int flags)
{
	ssize_t n;

	if (c->ended)
		return;
	do
		n = recv(c->control_fd, &c->status, sizeof c->status, flags);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return;
	c->ended = true;
	if (n == (ssize_t)sizeof c->status)
		return;
	/* Somebody killed the supervisor: then COMMAND goes the same way. */
	if (c->group > 0)
		kill(-c->group, SIGKILL);
	c->status = (struct child_status){ .signal = SIGKILL };
}

bool child_ended(struct child *c, struct child_status *s)
{
	child_take_status(c, MSG_DONTWAIT);
	*s = c->status;
	return c->ended;
}

/* A supervisor that somebody stopped has to go on for it. */
static void child_order(struct child *c, char order)
{
	send(c->control_fd, &order, 1, MSG_NOSIGNAL);
	kill(c->supervisor, SIGCONT);
}

void child_close_pipe(struct child *c)
{
	if (c->pipe_fd < 0)
		return;
	if (c->role == CHILD_CONSUMER)
		child_order(c, ORDER_CLOSE);
	close(steal_fd(&c->pipe_fd));
}

void child_free(struct child *c)
{
	if (!c)
		return;
	if (!c->ended) {
		child_order(c, ORDER_KILL);
		child_take_status(c, 0);
	}
	close(c->control_fd);
	waitpid(c->supervisor, NULL, 0);
	if (c->pipe_fd >= 0)
		close(c->pipe_fd);
	free(c);
}

bool child_succeeded(const struct child_status *s)
{
	return !s->start_errno && !s->signal && !s->exit_status;
}

int child_fail(const struct child_status *s, const char *name, struct err *e)
{
	if (s->start_errno)
		return err_set(e, ERR_COMMAND, s->start_errno, "cannot run %s",
			       name);
	if (s->signal)
		return err_set(e, ERR_COMMAND, 0,
			       "%s was killed by signal %d (%s)", name,
			       s->signal, strsignal(s->signal));
	return err_set(e, ERR_COMMAND, 0, "%s exited with status %d", name,
		       s->exit_status);
}
