// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/notify.h"

/*
 * One event may send two signals at once: a terminal that hangs up and its
 * shell, systemd with SendSIGHUP=, timeout(1).
 */
enum { EVENT_MS = 50 };

static const int stop_signals[] = { SIGINT, SIGTERM, SIGHUP };
static volatile sig_atomic_t stop_came;
static uint64_t stop_ms; /* when it came */
static int stop_pipe[2] = { -1, -1 };

/* No default action ends process 1 of a PID namespace. */
static void signals_end(int sig)
{
	_exit(128 + sig);
}

/* Those that are ignored stay so. */
static void signals_handle(void (*handler)(int sig))
{
	struct sigaction sa = { .sa_handler = handler }, old;

	/* Else a second signal could come before the first is noted. */
	sigfillset(&sa.sa_mask);
	for (size_t i = 0; i < array_len(stop_signals); i++)
		if (sigaction(stop_signals[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			sigaction(stop_signals[i], &sa, NULL);
}

void signals_init(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < array_len(stop_signals); i++)
		sigaddset(&set, stop_signals[i]);
	if (getpid() == 1)
		signals_handle(signals_end);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void signals_on_signal(int sig)
{
	int saved = errno;

	if (stop_came) {
		if (clock_now_ms() - stop_ms < EVENT_MS)
			return;
		/* The second signal: it ends us when the handler returns. */
		signal(sig, SIG_DFL);
		if (raise(sig) || getpid() == 1)
			signals_end(sig);
		return;
	}
	stop_came = sig;
	stop_ms = clock_now_ms();
	if (write(stop_pipe[1], "", 1) < 0) {
		/* poll(2) was interrupted anyway. */
	}
	errno = saved;
}

int signals_arm(struct err *e)
{
	if (pipe2(stop_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_call(e, ERR_STREAM, "pipe2", "cannot make a pipe");
	signals_handle(signals_on_signal);
	return 0;
}

int signals_fd(void)
{
	return stop_pipe[0];
}

void signals_disarm(void)
{
	/* steal_fd() first: the handler must not use a closed descriptor. */
	close(steal_fd(&stop_pipe[1]));
	close(steal_fd(&stop_pipe[0]));
}

int signals_check(struct err *e)
{
	int sig = stop_came;

	if (!sig)
		return 0;
	notify_set(NOTIFY_STOPPING);
	return err_set(e, ERR_IO, 0, "stopped by signal %d (%s)", sig,
		       strsignal(sig));
}

pid_t signals_fork(void)
{
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	pid = fork();
	if (pid != 0)
		sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

bool signals_reap(pid_t pid, int *num)
{
	int status;
	pid_t ended = waitpid(pid, &status, WNOHANG);

	if (ended < 0)
		*num = errno;
	else if (ended > 0)
		*num = WIFEXITED(status) ? WEXITSTATUS(status) : ECANCELED;
	return ended != 0;
}

void signals_note(int sig)
{
	stop_came = sig;
}

int signals_exit_status(int status)
{
	return stop_came ? 128 + stop_came : status;
}

void signals_act(void)
{
	int sig = stop_came;

	if (!sig)
		return;
	signal(sig, SIG_DFL);
	raise(sig);
	/* The process of a stream may not signal itself: see confine_calls. */
	signals_end(sig);
}
