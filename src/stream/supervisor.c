// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "stream/command_group.h"

enum {
	TERM_GRACE_MS = 2000, /* after SIGTERM, and again after SIGKILL */
	LOOK_MS = 100, /* between looks at COMMAND's process group */
	BLIND_MS = 50, /* between looks if nothing tells of SIGCHLD */
	TELL_MS = 3000, /* before we log that we wait for it */
};

/*
 * COMMAND trusts these variables, so any that we inherited under our prefix are
 * removed first.
 */
static int supervisor_set_environment(const struct order *start)
{
	static const char prefix[] = "BTRFS_KTLS_PIPE_";
	static const char *const names[ORDER_WORDS] = {
		[ORDER_IDENTITY] = "BTRFS_KTLS_PIPE_IDENTITY",
		[ORDER_METHOD] = "BTRFS_KTLS_PIPE_METHOD",
		[ORDER_PEER] = "BTRFS_KTLS_PIPE_PEER",
		[ORDER_STREAM] = "BTRFS_KTLS_PIPE_STREAM",
	};
	char **kept = environ;

	for (char **p = environ; p && *p; p++)
		if (strncmp(*p, prefix, sizeof prefix - 1))
			*kept++ = *p;
	if (kept)
		*kept = NULL;
	for (size_t i = 0; i < ORDER_WORDS; i++)
		if (*start->words[i] &&
		    setenv(names[i], start->words[i], 1) < 0)
			return -1;
	return 0;
}

/* COMMAND cannot be started, or cannot be watched. */
static void supervisor_give_up(int control_fd)
{
	struct command_status s = { .start_errno = errno ? errno : ENOEXEC };

	send(control_fd, &s, sizeof s, MSG_NOSIGNAL);
	_exit(127);
}

/* In the process that becomes COMMAND. */
static void supervisor_exec(const struct supervisor_params *p, int messages_fd)
{
	bool is_source = p->start->role == COMMAND_SOURCE;
	struct rlimit core;
	sigset_t none;

	setpgid(0, 0);
	/* If the supervisor is killed, this comes late, but it comes. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (supervisor_set_environment(p->start) == 0 &&
	    dup2(p->child_fd, is_source ? STDOUT_FILENO : STDIN_FILENO) >= 0 &&
	    (messages_fd < 0 || dup2(messages_fd, STDERR_FILENO) >= 0) &&
	    (!p->passes_on || is_source ||
	     dup2(messages_fd, STDOUT_FILENO) >= 0)) {
		for (int sig = 1; sig < NSIG; sig++)
			signal(sig, SIG_DFL);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		/* We forbid ourselves core dumps, not COMMAND. */
		if (getrlimit(RLIMIT_CORE, &core) == 0) {
			core.rlim_cur = p->core_limit;
			setrlimit(RLIMIT_CORE, &core);
		}
		/* COMMAND inherits no other descriptor. */
		io_close_all_but(3, (int[]){ p->control_fd }, 1);
		execvp(p->argv[0], p->argv);
	}
	supervisor_give_up(p->control_fd);
}

/* The process that watches COMMAND */
struct supervisor {
	pid_t pid; /* of COMMAND, and its group */
	int control_fd;
	int pipe_fd; /* keeps a consumer's input open, or -1 */
	int sigchld_fd; /* -1: nothing tells of SIGCHLD; look repeatedly */
	int leash[2]; /* our ends of it: see struct command_process */
	int lost_errno; /* why COMMAND's status cannot be known, or 0 */
	int orphans_errno; /* why the status of orphans goes to others, or 0 */
	int wstatus; /* valid once it has exited */
	bool exited;
	bool over; /* its status was reported */
	uint64_t look_ms; /* when to look at its group again */
	uint64_t tell_ms; /* when to log that we wait; 0: not set yet */
	int stop_signal; /* stopped it because it wants the terminal */
	int left_wstatus; /* of a failed process of its group, or 0 */
	bool left_unseen; /* nobody knows whether that had the stream open */
	struct command_group group;
	struct command_log log;
};

static bool supervisor_failed(int wstatus)
{
	return !WIFEXITED(wstatus) || WEXITSTATUS(wstatus);
}

/*
 * Scripts end background processes by SIGTERM or the like.  Any other signal is
 * a failure, even if there was no time to see whether the process had the
 * stream open.
 */
static bool supervisor_was_killed(int wstatus)
{
	int sig = WIFSIGNALED(wstatus) ? WTERMSIG(wstatus) : 0;

	return sig && sig != SIGHUP && sig != SIGINT && sig != SIGPIPE &&
	       sig != SIGTERM;
}

/* A child other than COMMAND ended: that may be a failure of the stream. */
static void supervisor_note_left(struct supervisor *s, pid_t pid,
				 bool is_member, int wstatus)
{
	enum command_group_counts counts =
		command_group_counts(&s->group, pid, is_member);
	bool fails = counts == COMMAND_GROUP_COUNTS ||
		     (counts == COMMAND_GROUP_UNKNOWN && WIFEXITED(wstatus));

	if ((fails && supervisor_failed(wstatus)) ||
	    (is_member && supervisor_was_killed(wstatus))) {
		s->left_wstatus = wstatus;
		s->left_unseen = counts == COMMAND_GROUP_UNKNOWN;
	}
}

/*
 * pid ended or stopped.  A user may stop COMMAND.  But a background process
 * that stops for the terminal never gets it.
 */
static void supervisor_note(struct supervisor *s, pid_t pid, bool is_member,
			    int wstatus)
{
	if (WIFSTOPPED(wstatus)) {
		int sig = WSTOPSIG(wstatus);

		if (is_member && (sig == SIGTTIN || sig == SIGTTOU))
			s->stop_signal = sig;
	} else if (pid == s->pid) {
		s->exited = true;
		s->wstatus = wstatus;
	} else {
		supervisor_note_left(s, pid, is_member, wstatus);
	}
}

/* A call failed without which we cannot watch COMMAND. */
static void supervisor_lose(struct supervisor *s)
{
	if (errno != ECHILD && errno != EINTR)
		s->lost_errno = errno;
}

/*
 * Note every process that ended or stopped.  Returns false if there is no child
 * left, or none can be waited for.
 */
static bool supervisor_reap(struct supervisor *s)
{
	for (;;) {
		siginfo_t info = { .si_pid = 0 };
		bool is_member;
		int wstatus;
		pid_t pid;

		if (waitid(P_ALL, 0, &info,
			   WEXITED | WSTOPPED | WNOHANG | WNOWAIT) < 0) {
			supervisor_lose(s);
			return errno == EINTR;
		}
		if (!info.si_pid)
			return true;
		if (info.si_pid == s->pid && info.si_code != CLD_STOPPED &&
		    command_group_keep(&s->group) < 0) {
			supervisor_lose(s);
			return false;
		}
		is_member = command_group_owns(&s->group, info.si_pid);
		pid = waitpid(info.si_pid, &wstatus, WNOHANG | WUNTRACED);
		if (pid < 0)
			supervisor_lose(s);
		if (s->lost_errno)
			return false;
		if (pid == info.si_pid)
			supervisor_note(s, pid, is_member, wstatus);
	}
}

/* Signal COMMAND's group, or COMMAND alone if it could not have a group. */
static void supervisor_signal(const struct supervisor *s, int sig)
{
	if (command_group_signal(&s->group, sig) < 0 && !s->exited)
		kill(s->pid, sig);
}

/*
 * Kill COMMAND's whole group, and reap its members and the orphans that we
 * inherited.  all: also wait for orphans outside the group.
 */
static void supervisor_kill(struct supervisor *s, bool all)
{
	uint64_t deadline = clock_deadline(TERM_GRACE_MS);
	bool killed = false;

	supervisor_signal(s, SIGTERM);
	supervisor_signal(s, SIGCONT);
	while (supervisor_reap(s) && (all || command_group_lives(&s->group))) {
		command_log_step(&s->log);
		if (!killed && clock_now_ms() >= deadline) {
			supervisor_signal(s, SIGKILL);
			killed = true;
			deadline = clock_deadline(TERM_GRACE_MS);
		} else if (killed && clock_now_ms() >= deadline) {
			return; /* a daemon, or in D state */
		}
		poll(NULL, 0, 5);
	}
	if (s->lost_errno)
		supervisor_signal(s, SIGKILL);
}

/* Have COMMAND and the members that hold the stream ended? */
static bool supervisor_is_over(struct supervisor *s)
{
	uint64_t now = clock_now_ms();

	if (s->stop_signal || s->lost_errno ||
	    (s->exited && supervisor_failed(s->wstatus)))
		return true;
	if (!s->exited || now < s->look_ms)
		return false;
	s->look_ms = now + LOOK_MS;
	if (!command_group_find(&s->group)) {
		/* One may have ended in the meantime. */
		supervisor_reap(s);
		return true;
	}
	if (s->orphans_errno && (s->group.holder || s->group.blind)) {
		s->lost_errno = s->orphans_errno;
		return true;
	}
	if (s->tell_ms && now >= s->tell_ms && s->group.blind)
		log_notice("COMMAND has exited, but a process of its group is "
			   "left, and /proc does not show whether it has the "
			   "stream open: waiting for it");
	else if (s->tell_ms && now >= s->tell_ms && s->group.holder)
		log_notice("COMMAND has exited, but its background process %d "
			   "has the stream open: waiting for it",
			   (int)s->group.holder);
	if (now >= s->tell_ms)
		s->tell_ms = s->tell_ms ? CLOCK_NEVER : now + TELL_MS;
	return false;
}

static void supervisor_report(struct supervisor *s)
{
	struct command_status status = { 0 };
	int wstatus = s->wstatus;

	if (s->exited && !supervisor_failed(wstatus) && s->left_wstatus) {
		status.left_behind = true;
		status.left_unseen = s->left_unseen;
		wstatus = s->left_wstatus;
	}
	if (s->stop_signal) {
		status.wanted_terminal = true;
		status.signal = s->stop_signal;
	} else if (s->lost_errno &&
		   !(s->exited && supervisor_failed(wstatus))) {
		status.start_errno = s->lost_errno;
	} else if (!s->exited) {
		/* We killed it, and it may not have died yet. */
		status.signal = SIGKILL;
	} else if (WIFSIGNALED(wstatus)) {
		status.signal = WTERMSIG(wstatus);
	} else {
		status.exit_status = WEXITSTATUS(wstatus);
	}
	s->over = true;
	command_log_finish(&s->log);
	memcpy(status.words, s->log.words, sizeof status.words);
	if (s->stop_signal)
		snprintf(status.words, sizeof status.words,
			 "it wants the terminal, which a COMMAND cannot have");
	/* If this fails, our parent must not wait for ever. */
	if (send(s->control_fd, &status, sizeof status, MSG_NOSIGNAL) < 0)
		shutdown(s->control_fd, SHUT_WR);
}

/* Wait for an order, for a child, or for a line to pass on. */
static void supervisor_wait(struct supervisor *s, bool *ordered)
{
	/* Without our parent: POLLERR if nobody reads COMMAND's input */
	struct pollfd fds[] = {
		{ .fd = s->control_fd >= 0 ? s->control_fd : s->pipe_fd,
		  .events = POLLIN },
		{ .fd = s->sigchld_fd, .events = POLLIN },
		{ .fd = command_log_fd(&s->log), .events = POLLIN },
	};
	uint64_t due_ms = command_log_due(&s->log);
	struct signalfd_siginfo ignored;
	int n;

	if (s->sigchld_fd < 0)
		due_ms = clock_earlier(due_ms, clock_deadline(BLIND_MS));
	/* No signal tells that a grandchild ended. */
	if (s->exited && !s->over)
		due_ms = clock_earlier(due_ms, s->look_ms);
	n = poll(fds, array_len(fds), clock_poll_ms(due_ms));
	if (n < 0)
		supervisor_lose(s);
	/* If poll(2) fails, recv(2) has to wait for the order. */
	*ordered = n > 0 ? fds[0].revents != 0 : s->over && s->lost_errno;
	while (read(s->sigchld_fd, &ignored, sizeof ignored) > 0)
		;
	command_log_step(&s->log);
}

/* Returns false if the order is to kill, or if our parent is gone. */
static bool supervisor_obey(struct supervisor *s)
{
	char order;

	if (recv(s->control_fd, &order, 1, 0) != 1 || order != SUPERVISOR_CLOSE)
		return false;
	attr_close(&s->pipe_fd);
	return true;
}

/*
 * If we are killed, the last writing end of the leash closes, and the kernel
 * sends SIGKILL to the group, if any process still holds the other end:
 * fcntl(2) F_SETSIG.  The kernel refers to the group itself, not to its number.
 */
static int supervisor_tie(const struct supervisor *s)
{
	return fcntl(s->leash[0], F_SETOWN, -s->pid) < 0 ||
			       fcntl(s->leash[0], F_SETSIG, SIGKILL) < 0 ||
			       fcntl(s->leash[0], F_SETFL, O_ASYNC) < 0
		       ? -1
		       : 0;
}

/*
 * Nobody will signal the group any more.  The end of the leash tells the
 * launcher that our place is free.
 */
static void supervisor_untie(struct supervisor *s)
{
	if (!s->exited)
		return;
	fcntl(s->leash[0], F_SETFL, 0);
	attr_close_pair(&s->leash);
	command_group_release(&s->group);
}

/*
 * Is COMMAND's input incomplete, and does a process still read it?  If we
 * closed the last writing end, that process would take it for the end of the
 * stream.
 */
static bool supervisor_is_read(struct supervisor *s)
{
	/* Without events only POLLERR is reported: nobody reads it. */
	if (s->pipe_fd >= 0 && io_ready(s->pipe_fd, 0))
		attr_close(&s->pipe_fd);
	return s->pipe_fd >= 0;
}

/*
 * Our parent may exit now, but two kinds of process still need us: one that
 * writes to the pipe that is COMMAND's standard error, and one that we could
 * not kill and that must not see the end of its input.
 */
static void supervisor_linger(struct supervisor *s)
{
	bool ignored;

	if (!s->exited && !s->lost_errno)
		log_notice("cannot end COMMAND, process %d (another user's?): "
			   "its input stays open until it exits",
			   (int)s->pid);
	else if (supervisor_is_read(s) && !s->lost_errno)
		log_notice("a process that left the group of COMMAND still "
			   "reads: its input stays open until it exits");
	supervisor_untie(s);
	close(steal_fd(&s->control_fd));
	/* Look first: what happened before does not wake poll(2) again. */
	while (supervisor_reap(s) && !s->lost_errno &&
	       (supervisor_is_read(s) || !s->exited || s->log.fd >= 0))
		supervisor_wait(s, &ignored);
	supervisor_untie(s);
	_exit(0);
}

/* Run until COMMAND ends by itself, or our parent orders it or is gone. */
static void supervisor_run(struct supervisor *s)
{
	bool ordered = false, killed = false;

	for (;;) {
		supervisor_reap(s);
		if (supervisor_is_over(s))
			break;
		supervisor_wait(s, &ordered);
		if (ordered && !supervisor_obey(s)) {
			supervisor_kill(s, true);
			killed = true;
			break;
		}
	}
	if ((s->stop_signal || s->lost_errno) && !killed)
		supervisor_kill(s, true);
	supervisor_report(s);
	/* If COMMAND failed, no process of its group may use the stream. */
	if (!killed && s->exited && supervisor_failed(s->wstatus))
		supervisor_kill(s, false);
	/* Keep the pipe open until our parent tells us to exit. */
	do {
		supervisor_reap(s);
		supervisor_wait(s, &ordered);
	} while (!ordered || supervisor_obey(s));
	supervisor_linger(s);
}

/*
 * Take another name: a user who kills the program by name must not kill the
 * process that cleans up after it.  The arguments lie one behind the other in
 * memory (execve(2)).  COMMAND is the last part of them and has its copy
 * already.
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
 * Leave the terminal's foreground group: ^C is for our parent, and we have work
 * to do after that.  Returns a descriptor that is readable after SIGCHLD, or
 * -1.
 */
static int supervisor_detach(void)
{
	sigset_t chld;

	setpgid(0, 0);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, sig == SIGCHLD ? SIG_DFL : SIG_IGN);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &chld, NULL) < 0)
		return -1;
	return signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
}

/*
 * Is standard error a terminal that stops background processes that write to it
 * (stty tostop)?  It does not stop us: we ignore SIGTTOU.
 */
static bool supervisor_writes_alone(void)
{
	struct termios t;

	return tcgetattr(STDERR_FILENO, &t) == 0 && (t.c_lflag & TOSTOP);
}

void supervisor_main(const struct supervisor_params *p)
{
	struct supervisor s = { .control_fd = p->control_fd,
				.pipe_fd = p->keep_fd,
				.sigchld_fd = supervisor_detach(),
				.leash = { p->leash[0], p->leash[1] } };
	int messages[2] = { -1, -1 };

	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		s.orphans_errno = errno;
	log_after_fork();
	if ((p->start->role == COMMAND_CONSUMER || p->passes_on ||
	     log_has_subject() || supervisor_writes_alone()) &&
	    (pipe2(messages, O_CLOEXEC) < 0 ||
	     fcntl(messages[0], F_SETFL, O_NONBLOCK) < 0))
		supervisor_give_up(p->control_fd);
	s.pid = fork();
	if (s.pid == 0)
		supervisor_exec(p, messages[1]);
	if (s.pid < 0)
		supervisor_give_up(p->control_fd);
	command_group_init(&s.group, s.pid, p->child_fd);
	if (supervisor_tie(&s) < 0)
		log_debug(
			"if the supervisor is killed, COMMAND may live on: %s",
			strerror(errno));
	io_close_all_but(3,
			 (int[]){ p->control_fd, p->keep_fd, messages[0],
				  s.sigchld_fd, p->leash[0], p->leash[1] },
			 6);
	supervisor_rename(p->argv);
	/* Standard input and output are not ours to hold open. */
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	command_log_init(&s.log, messages[0]);
	supervisor_run(&s);
}
