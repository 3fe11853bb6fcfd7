// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"

enum {
	SUPERVISOR_MS = 10000, /* for the supervisor to obey */
	TELL_MS = 5000, /* until we log it; its two grace periods are 4 s */
	KILLED_MS = 1000, /* for the kernel to kill COMMAND's group */
};

struct command {
	enum command_role role;
	struct command_process process;
	bool ordered; /* the supervisor is a child of the launcher */
	bool ended;
	struct command_status status;
};

static rlim_t core_limit; /* of COMMAND */

void command_save_core_limit(rlim_t limit)
{
	core_limit = limit;
}

/* Fork the supervisor, with pipes for bytes and leash and a control socket. */
static int command_fork(struct command_process *p, int data[2], int control[2],
			int leash[2], const char *name, struct err *e)
{
	const char *call = NULL;

	if (pipe2(data, O_CLOEXEC) < 0 || pipe2(leash, O_CLOEXEC) < 0)
		call = "pipe2";
	else if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
			    control) < 0)
		call = "socketpair";
	else if ((p->supervisor = fork()) < 0)
		call = "clone";
	return call ? err_call(e, ERR_COMMAND, call, "cannot start %s", name)
		    : 0;
}

int command_spawn(char *const argv[], const struct order *start, bool passes_on,
		  struct command_process *p, struct err *e)
{
	autoclose_pair int data[2] = { -1, -1 }, control[2] = { -1, -1 };
	autoclose_pair int leash[2] = { -1, -1 };
	bool is_source = start->role == COMMAND_SOURCE;
	int ours = is_source ? 0 : 1;

	if (command_fork(p, data, control, leash, argv[0], e) < 0)
		return -1;
	if (p->supervisor == 0) {
		/* It must not hold our ends open: when they close, COMMAND and
		 * the supervisor know that we are gone. */
		close(control[0]);
		if (is_source)
			close(data[0]);
		supervisor_main(&(struct supervisor_params){
			.argv = argv,
			.start = start,
			.passes_on = passes_on,
			.core_limit = core_limit,
			.child_fd = data[!ours],
			.keep_fd = is_source ? -1 : data[1],
			.control_fd = control[1],
			.leash = { leash[0], leash[1] } });
	}
	p->pipe_fd = steal_fd(&data[ours]);
	p->control_fd = steal_fd(&control[0]);
	p->leash_fd = steal_fd(&leash[0]);
	io_grow_pipe(p->pipe_fd);
	return 0;
}

/* The launcher knows argv. */
static int command_order_start(const struct order *start,
			       struct command_process *p, struct err *e)
{
	struct order_answer answer;

	if (order_ask(start, -1, &answer, e) < 0) {
		e->kind = ERR_COMMAND;
		return -1;
	}
	*p = (struct command_process){ .supervisor = answer.value[0],
				       .pipe_fd = answer.fds[0],
				       .control_fd = answer.fds[1],
				       .leash_fd = answer.fds[2] };
	return 0;
}

struct command *command_start(char *const argv[], const struct order *start,
			      bool passes_on, struct err *e)
{
	struct command *c = err_alloc(sizeof *c, e);
	bool ordered = order_possible();

	if (!c)
		return NULL;
	c->role = start->role;
	c->ordered = ordered;
	if ((ordered ? command_order_start(start, &c->process, e)
		     : command_spawn(argv, start, passes_on, &c->process, e)) <
	    0) {
		free(c);
		return NULL;
	}
	if (io_set_nonblocking(c->process.pipe_fd, e) < 0) {
		e->kind = ERR_COMMAND;
		command_free(c);
		return NULL;
	}
	return c;
}

int command_pipe_fd(const struct command *c)
{
	return c->process.pipe_fd;
}

int command_status_fd(const struct command *c)
{
	return c->ended ? -1 : c->process.control_fd;
}

static void command_tell_launcher(const struct command *c)
{
	const struct order order = { .kind = ORDER_CONTINUE,
				     .pid = c->process.supervisor };
	struct order_answer ignored;
	struct err e = { 0 };

	if (order_ask(&order, -1, &ignored, &e) < 0)
		log_debug("%s", e.msg);
}

/*
 * Wait until the kernel has killed COMMAND: if its input closed before, COMMAND
 * would take that for the end of the stream.
 */
static void command_await_kill(const struct command *c)
{
	struct err e = { 0 };
	char ignored;

	if (io_wait(c->process.leash_fd, POLLIN, clock_deadline(KILLED_MS),
		    &e) <= 0 ||
	    read(c->process.leash_fd, &ignored, 1) < 0)
		log_debug("COMMAND may live on: its supervisor was killed");
}

/* Take the status from the supervisor, if it is there. */
static void command_take_status(struct command *c)
{
	ssize_t n;

	if (c->ended)
		return;
	do
		n = recv(c->process.control_fd, &c->status, sizeof c->status,
			 MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return;
	c->ended = true;
	if (n == (ssize_t)sizeof c->status)
		return;
	/* The supervisor was killed: the kernel kills COMMAND, too. */
	command_await_kill(c);
	c->status =
		(struct command_status){ .signal = SIGKILL, .unwatched = true };
}

bool command_ended(struct command *c, struct command_status *s)
{
	command_take_status(c);
	*s = c->status;
	return c->ended;
}

/* A supervisor that was stopped (SIGSTOP) must run to obey. */
static void command_continue(const struct command *c)
{
	if (c->ordered)
		command_tell_launcher(c);
	else
		kill(c->process.supervisor, SIGCONT);
}

static void command_order(struct command *c, char order)
{
	/* If this fails, the end of the socket orders it to kill. */
	if (send(c->process.control_fd, &order, 1, MSG_NOSIGNAL) < 0)
		shutdown(c->process.control_fd, SHUT_WR);
}

/*
 * Wait for what the supervisor sends, or for its end of the socket.  Returns
 * false if neither comes: it is stopped, and maybe the launcher, too.
 */
static bool command_answers(const struct command *c)
{
	uint64_t deadline = clock_deadline(SUPERVISOR_MS);
	int fd = c->process.control_fd;
	struct err e = { 0 };

	if (io_wait(fd, POLLIN, clock_deadline(TELL_MS), &e) > 0)
		return true;
	log_notice("waiting for COMMAND to end; its supervisor, process %d, "
		   "may be stopped",
		   (int)c->process.supervisor);
	command_continue(c);
	return io_wait(fd, POLLIN, deadline, &e) > 0;
}

void command_close_pipe(struct command *c)
{
	if (c->process.pipe_fd < 0)
		return;
	if (c->role == COMMAND_CONSUMER) {
		command_order(c, SUPERVISOR_CLOSE);
		command_continue(c);
	}
	attr_close(&c->process.pipe_fd);
}

/* Let the supervisor go, and wait until it closes its end. */
static void command_dismiss(const struct command *c)
{
	char ignored;

	/* If this fails, our close(2) tells it. */
	if (shutdown(c->process.control_fd, SHUT_WR) < 0)
		return;
	while (command_answers(c) &&
	       recv(c->process.control_fd, &ignored, 1, MSG_DONTWAIT) > 0)
		;
}

void command_free(struct command *c)
{
	if (!c)
		return;
	if (!c->ended) {
		command_order(c, SUPERVISOR_KILL);
		if (command_answers(c))
			command_take_status(c);
		else
			log_notice("COMMAND lives on until its supervisor, "
				   "process %d, is continued",
				   (int)c->process.supervisor);
	}
	if (c->ended)
		command_dismiss(c);
	close(c->process.control_fd);
	close(c->process.leash_fd);
	if (!c->ordered)
		waitpid(c->process.supervisor, NULL, WNOHANG);
	attr_close(&c->process.pipe_fd);
	free(c);
}

bool command_succeeded(const struct command_status *s)
{
	return !s->start_errno && !s->signal && !s->exit_status;
}

int command_fail(const struct command_status *s, const char *name,
		 struct err *e)
{
	const char *left = s->left_behind ? "a background process of " : "";

	if (s->start_errno) {
		errno = s->start_errno;
		return err_call(e, ERR_COMMAND,
				"execve, dup2, poll, prctl, wait4 or waitid",
				"cannot run %s", name);
	}
	if (s->wanted_terminal)
		return err_set(e, ERR_COMMAND, 0,
			       "%s wants the terminal, which a COMMAND cannot "
			       "have; if sudo asks for a password, run 'sudo "
			       "-v' first, or run all of it as root",
			       name);
	if (s->unwatched)
		return err_set(e, ERR_COMMAND, 0,
			       "the supervisor of %s was killed: nobody knows "
			       "how %s ended",
			       name, name);
	if (s->signal)
		return err_set(e, ERR_COMMAND, 0,
			       "%s%s was killed by signal %d (%s)", left, name,
			       s->signal, strsignal(s->signal));
	err_set(e, ERR_COMMAND, 0, "%s%s exited with status %d", left, name,
		s->exit_status);
	return s->left_unseen
		       ? err_append(e,
				    " (it was too short-lived to see whether "
				    "it had the stream open; let %s wait for "
				    "it, or start it by setsid)",
				    name)
		       : -1;
}
