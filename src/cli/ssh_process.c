// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/ssh_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/order.h"

enum {
	ANSWER_MS = 20000,
	LOOK_MS = 20, /* between looks whether ssh has ended */
	KILL_MS = 2000, /* for ssh after SIGTERM */
	SILENT_MS = 3000, /* until we log what we wait for */
};

/*
 * ssh's words.  Nothing in a configuration file may run another command, close
 * standard input, fork, or ask for a terminal: the first value counts.  Each is
 * given only if this ssh knows it, since OpenSSH 7.6 and 8.7.  LocalCommand
 * runs here after the login, with ssh's standard output.
 * Borrows all; free() the result.  NULL: out of memory.
 */
static const char **ssh_process_words(const struct ssh_args *a,
				      const struct ssh_process_config *c,
				      const char *command)
{
	bool new = c && c->forks, tells = c && c->known && !c->local_command;
	const struct {
		bool is_needed;
		const char *word;
	} first[] = {
		{ true, "ssh" },
		{ true, "-T" },
		{ !c, "-G" },
		{ c && c->remote_command, "-oRemoteCommand=none" },
		{ new, "-oStdinNull=no" },
		{ new, "-oForkAfterAuthentication=no" },
		{ new, "-oSessionType=default" },
		{ tells, "-oPermitLocalCommand=yes" },
		{ tells, "-oLocalCommand=echo " SSH_ANSWER_MAGIC "login" },
	};
	const char **words =
		calloc(a->theirs_count + array_len(first) + 4, sizeof *words);
	size_t n = 0;

	if (!words)
		return NULL;
	for (size_t i = 0; i < array_len(first); i++)
		if (first[i].is_needed)
			words[n++] = first[i].word;
	for (size_t i = 0; i < a->theirs_count; i++)
		words[n++] = a->theirs[i];
	words[n++] = "--";
	words[n++] = a->host;
	words[n++] = command;
	return words;
}

/* In the child: become ssh, or tell the errno. */
static void ssh_process_exec(const char **words, const int fds[static 3],
			     int errno_fd)
{
	for (int sig = 1; sig < NSIG; sig++)
		if (sig != SIGHUP && sig != SIGINT)
			signal(sig, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	/*
	 * The outermost bash(1) whose standard input is a socket runs
	 * ~/.bashrc: that of LocalCommand would be one.
	 */
	setenv("SHLVL", "1", 0);
	if (dup2(fds[0], STDIN_FILENO) >= 0 &&
	    dup2(fds[1], STDOUT_FILENO) >= 0 &&
	    (fds[2] == STDERR_FILENO || dup2(fds[2], STDERR_FILENO) >= 0))
		execvp(words[0], (char *const *)words);
	if (write(errno_fd, &errno, sizeof errno) < 0)
		_exit(126);
	_exit(127);
}

/* Run ssh with these as 0, 1 and 2; they stay the caller's. */
static pid_t ssh_process_fork(const char **words, const int fds[static 3],
			      struct err *e)
{
	autoclose_pair int tell[2] = { -1, -1 };
	int num = 0;
	pid_t pid;

	if (pipe2(tell, O_CLOEXEC) < 0)
		return err_call(e, ERR_NET, "pipe2", "cannot start ssh");
	pid = fork();
	if (pid == 0)
		ssh_process_exec(words, fds, tell[1]);
	attr_close(&tell[1]);
	if (pid < 0) {
		err_call(e, ERR_NET, "clone", "cannot start ssh");
	} else if (io_read(tell[0], &num, sizeof num) > 0) {
		waitpid(pid, NULL, 0);
		pid = err_set(e, ERR_NET, num, "cannot run ssh");
		err_append(e, " (install the OpenSSH client)");
	}
	return pid;
}

static void ssh_process_note(struct ssh_process_config *c, bool *jumps,
			     const char *name, const char *value)
{
	bool none = !strcmp(value, "none");

	c->known = true;
	if (!strcmp(name, "hostname"))
		snprintf(c->host, sizeof c->host, "%s", value);
	else if (!strcmp(name, "proxyjump") || !strcmp(name, "proxycommand"))
		*jumps |= !none;
	else if (!strcmp(name, "forkafterauthentication"))
		c->forks = true;
	else if (!strcmp(name, "remotecommand"))
		c->remote_command = !none;
	else if (!strcmp(name, "localcommand"))
		c->local_command = !none;
}

static void ssh_process_read_config(FILE *in, struct ssh_process_config *c)
{
	autofree char *line = NULL;
	bool jumps = false;
	size_t size = 0;

	while (getline(&line, &size, in) > 0) {
		char *value = strchr(line, ' ');

		line[strcspn(line, "\n")] = '\0';
		if (!value)
			continue;
		*value++ = '\0';
		ssh_process_note(c, &jumps, line, value);
	}
	if (jumps)
		*c->host = '\0';
}

void ssh_process_ask(const struct ssh_args *a, struct ssh_process_config *c)
{
	autofree const char **words = ssh_process_words(a, NULL, NULL);
	autoclose int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct err ignored = { 0 };
	autoclose_pair int out[2] = { -1, -1 };
	pid_t pid;
	FILE *in;

	*c = (struct ssh_process_config){ .known = false };
	if (!words || pipe2(out, O_CLOEXEC) < 0)
		return;
	pid = ssh_process_fork(words, (int[]){ null, out[1], null }, &ignored);
	attr_close(&out[1]);
	in = fdopen(out[0], "r");
	if (in) {
		ssh_process_read_config(in, c);
		fclose(in);
		out[0] = -1;
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

int ssh_process_start(struct ssh_process *p, const struct ssh_args *a,
		      const struct ssh_process_config *c, const char *command,
		      struct err *e)
{
	autofree const char **words = ssh_process_words(a, c, command);
	autoclose_pair int ends[2] = { -1, -1 };

	*p = (struct ssh_process){ .fd = -1, .deadline_ms = CLOCK_NEVER };
	if (!words)
		return err_memory(e);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_call(e, ERR_NET, "socketpair", "cannot start ssh");
	p->fd = steal_fd(&ends[0]);
	p->pid = ssh_process_fork(
		words, (int[]){ ends[1], ends[1], STDERR_FILENO }, e);
	if (p->pid > 0)
		return 0;
	p->pid = 0;
	return -1;
}

/* Wait for a byte.  Returns it, or -1. */
static int ssh_process_byte(struct ssh_process *p, struct err *e)
{
	int ready = io_wait(p->fd, POLLIN, p->deadline_ms, e);
	unsigned char byte;
	ssize_t n;

	if (ready < 0)
		return err_wrap(e, "ssh");
	if (!ready)
		return err_set(e, ERR_NET, 0,
			       "the other host gave no answer within %d s "
			       "after the login",
			       ANSWER_MS / 1000);
	n = io_read(p->fd, &byte, 1);
	if (n == 1)
		return byte;
	p->ended = true;
	return err_set(e, ERR_NET, n < 0 ? errno : 0,
		       "ssh ended without an answer");
}

int ssh_process_hear(struct ssh_process *p, struct ssh_answer *a, struct err *e)
{
	do {
		int byte = ssh_process_byte(p, e);

		if (byte < 0)
			return -1;
		/* There is output of the far host: ssh has logged in. */
		if (p->deadline_ms == CLOCK_NEVER)
			p->deadline_ms = clock_deadline(ANSWER_MS);
		if (ssh_answer_take(&p->reader, (char)byte, a, e) < 0)
			return -1;
	} while (a->kind == SSH_ANSWER_NONE || a->kind == SSH_ANSWER_LOGIN);
	p->gave_up |= a->kind == SSH_ANSWER_GAVE_UP;
	return 0;
}

int ssh_process_say(struct ssh_process *p, const void *text, size_t len,
		    struct err *e)
{
	p->deadline_ms = clock_deadline(ANSWER_MS);
	if (send(p->fd, text, len, MSG_NOSIGNAL) == (ssize_t)len)
		return 0;
	/* ssh's exit status tells why. */
	p->ended = errno == EPIPE || errno == ECONNRESET;
	return err_set(e, ERR_NET, errno, "cannot write to ssh");
}

/* Has ssh ended within ms? */
static bool ssh_process_wait(struct ssh_process *p, uint64_t ms, int *wstatus)
{
	uint64_t deadline = clock_deadline(ms);
	char text[512];
	bool ended;
	ssize_t n;

	for (;;) {
		ended = waitpid(p->pid, wstatus, WNOHANG) == p->pid;
		/* Let ssh write what it has left. */
		while ((n = recv(p->fd, text, sizeof text, MSG_DONTWAIT)) > 0)
			p->gave_up |= ssh_answer_has(&p->reader,
						     SSH_ANSWER_GAVE_UP, text,
						     (size_t)n);
		if (ended || clock_now_ms() >= deadline)
			return ended;
		poll(NULL, 0, LOOK_MS);
	}
}

/* Once we are confined, only the launcher may signal ssh.  Was it signalled? */
static bool ssh_process_signal(const struct ssh_process *p, int sig)
{
	struct err e = { 0 };
	int ret = order_signal(p->pid, sig, &e);

	if (ret < 0)
		log_debug("%s", e.msg);
	return ret == 0;
}

/* The same, and log it when it takes long. */
static bool ssh_process_await(struct ssh_process *p, uint64_t ms, int *wstatus)
{
	if (ms <= SILENT_MS)
		return ssh_process_wait(p, ms, wstatus);
	if (ssh_process_wait(p, SILENT_MS, wstatus))
		return true;
	log_notice("waiting for ssh to end: a process that COMMAND left on the "
		   "other host may hold its standard error");
	if (ssh_process_wait(p, ms - SILENT_MS, wstatus))
		return true;
	log_notice("ssh is killed: messages of the other host may be lost");
	return false;
}

int ssh_process_end(struct ssh_process *p, uint64_t ms)
{
	bool killed = false;
	int wstatus = 0;

	if (p->fd >= 0)
		shutdown(p->fd, SHUT_WR);
	if (p->pid && !ssh_process_await(p, ms, &wstatus)) {
		killed = true;
		ssh_process_signal(p, SIGTERM);
		if (!ssh_process_wait(p, KILL_MS, &wstatus) &&
		    ssh_process_signal(p, SIGKILL))
			waitpid(p->pid, &wstatus, 0);
	}
	attr_close(&p->fd);
	if (!p->pid || killed)
		return -1;
	p->pid = 0;
	return WIFEXITED(wstatus) ? WEXITSTATUS(wstatus)
				  : 128 + WTERMSIG(wstatus);
}
