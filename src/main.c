// SPDX-License-Identifier: GPL-2.0-or-later
/* Harden the process, dispatch the verb, print the one error, exit. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "auth/key.h"
#include "base/io.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/order.h"
#include "base/signals.h"
#include "cli/cmd.h"
#include "cli/launcher.h"
#include "config.h"
#include "stream/command.h"
#include "tls/tls.h"

/*
 * If a standard descriptor is closed, the next socket would get its number.
 * Its replacement fails like a closed one, because it is open in the wrong
 * direction.
 */
static int main_standard_fds(struct err *e)
{
	static const int access[] = { O_WRONLY, O_RDONLY, O_WRONLY };

	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", access[fd]) != fd)
			return err_set(e, ERR_BUG, errno,
				       "cannot open /dev/null");
	return 0;
}

/*
 * Neither a core dump nor a debugger may see a key.  PR_SET_DUMPABLE forbids
 * both; RLIMIT_CORE only prevents a core file, also where prctl(2) is refused.
 */
static void main_forbid_dumps(void)
{
	struct rlimit core;

	if (getrlimit(RLIMIT_CORE, &core) == 0) {
		command_save_core_limit(core.rlim_cur);
		core.rlim_cur = 0;
		setrlimit(RLIMIT_CORE, &core);
	}
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		log_notice("cannot forbid debuggers and core dumps: prctl: %s; "
			   "a debugger could read the keys (allow prctl in "
			   "this container's system call list)",
			   strerror(errno));
}

static void main_harden(void)
{
	main_forbid_dumps();
	/* Both then show as errors of the call that caused them. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	/* SIGUSR1 asks for the meter, once there is one. */
	signal(SIGUSR1, SIG_IGN);
	signals_init();
	/* If it is ignored, waitpid(2) cannot tell how a child ended. */
	signal(SIGCHLD, SIG_DFL);
}

/* Before we open anything: a number that is free would become ours. */
static int main_check_ready_fd(int fd, struct err *e)
{
	if (fd == STDOUT_FILENO)
		return err_set(e, ERR_USAGE, 0,
			       "--ready-fd 1: standard output is the stream's; "
			       "take another descriptor");
	if (fd >= 0 && fcntl(fd, F_GETFD) < 0)
		return err_set(e, ERR_USAGE, errno,
			       "--ready-fd %d (open it, as in %d>FILE)", fd,
			       fd);
	return 0;
}

static int main_run_verb(const struct options *o, struct err *e)
{
	main_harden();
	if (main_check_ready_fd(o->ready_fd, e) < 0)
		return -1;
	/* These take variables out of COMMAND's environment. */
	notify_init();
	tls_clean_environment();
	/* Before there is a key or a socket.  The verbs of ssh do it later. */
	if ((o->verb & (OPTIONS_CONNECT | OPTIONS_LISTEN)) &&
	    launcher_start(o, 0, e) < 0)
		return -1;
	if (tls_global_init(e) < 0)
		return -1;
	switch (o->verb) {
	case OPTIONS_CONNECT:
		return cmd_connect(o, e);
	case OPTIONS_LISTEN:
		return cmd_listen(o, e);
	case OPTIONS_KEYGEN:
		return key_generate(o->output, o->identity, e);
	case OPTIONS_PROBE:
		return cmd_probe(o, e);
	case OPTIONS_SSH:
		return cmd_ssh(o, e);
	case OPTIONS_SSH_SERVER:
		return cmd_ssh_server(o, e);
	}
	return err_set(e, ERR_BUG, 0, "no such verb");
}

static int main_run(int argc, char **argv, struct err *e)
{
	autofini_options struct options o = { .action = OPTIONS_RUN };

	if (main_standard_fds(e) < 0 || options_parse(&o, argc, argv, e) < 0)
		return -1;
	log_set_verbosity(o.quiet, (uint64_t)o.verbose);
	if (o.progress)
		log_expect_status();
	switch (o.action) {
	case OPTIONS_HELP:
		return options_help(o.verb, e);
	case OPTIONS_LONG_OPTIONS:
		return options_help_long_options(o.verb, e);
	case OPTIONS_VERSION:
		printf("%s\n", PACKAGE_STRING);
		return io_flush_stdout(e);
	case OPTIONS_RUN:
		break;
	}
	return main_run_verb(&o, e);
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	int ret = main_run(argc, argv, &e);

	log_be_patient();
	if (ret < 0)
		notify_status("%s", e.msg);
	notify_set(NOTIFY_STOPPING);
	if (ret == 0)
		log_flush();
	else
		log_error("%s", e.msg);
	/* Not before: the log may open the terminal through the launcher. */
	order_disconnect();
	if (ret == 0)
		return 0;
	signals_act();
	return e.kind ? (int)e.kind : ERR_BUG;
}
