// SPDX-License-Identifier: GPL-2.0-or-later
/* launcher: whose orders to signal a process it obeys. */
#include "cli/launcher.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/order.h"
#include "stream/command.h"
#include "tap.h"

/* The process of a stream: waits to be signalled. */
static pid_t stream(void)
{
	const struct order me = { .kind = ORDER_REGISTER };
	struct order_answer ignored;
	struct err e = { 0 };
	int tell[2];
	char byte = 0;
	pid_t pid;

	if (pipe2(tell, O_CLOEXEC) < 0)
		bail();
	pid = fork();
	if (pid == 0) {
		byte = order_ask(&me, -1, &ignored, &e) == 0;
		if (write(tell[1], &byte, 1) == 1)
			pause();
		_exit(0);
	}
	close(tell[1]);
	ok(read(tell[0], &byte, 1) == 1 && byte, "a stream registers itself");
	close(tell[0]);
	return pid;
}

static bool has_ended(pid_t pid)
{
	siginfo_t ended = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) ==
		       0 &&
	       ended.si_pid == pid;
}

/* Ask as a child of the process that calls this, or as that process. */
static bool is_obeyed(uint32_t kind, const char *identity, bool by_child)
{
	struct order o = { .kind = kind, .role = COMMAND_CONSUMER };
	struct order_answer answer;
	struct err e = { 0 };
	int wstatus = 0;
	pid_t pid = by_child ? fork() : 0;

	if (pid == 0) {
		order_set_word(&o, ORDER_IDENTITY, identity);
		if (kind != ORDER_COMMAND)
			o.role = 0;
		wstatus = order_ask(&o, -1, &answer, &e) < 0;
		for (size_t i = 0; !wstatus && i < ORDER_ANSWER_FDS; i++)
			attr_close(&answer.fds[i]);
		if (by_child)
			_exit(wstatus);
		return !wstatus;
	}
	waitpid(pid, &wstatus, 0);
	return wstatus == 0;
}

/* A broken stream's process asks for what is another client's. */
static void broken_stream(void)
{
	int wstatus = 0;
	pid_t pid = fork();

	if (pid == 0) {
		/* Without a pidfd, as under valgrind, it may be a new stream. */
		bool knows = syscall(SYS_pidfd_open, getpid(), 0) >= 0;
		int faults = 0;

		faults |= is_obeyed(ORDER_COMMAND, "alice", false);
		faults |= !is_obeyed(ORDER_REGISTER, "alice", false) << 1;
		faults |= is_obeyed(ORDER_COMMAND, "bob", false) << 2;
		if (knows)
			faults |= is_obeyed(ORDER_REGISTER, "bob", false) << 3;
		faults |= is_obeyed(ORDER_REGISTER, "bob", true) << 4;
		faults |= is_obeyed(ORDER_COMMAND, "alice", true) << 5;
		faults |= !is_obeyed(ORDER_COMMAND, "alice", false) << 6;
		faults |= is_obeyed(ORDER_KEYS, "", false) << 7;
		_exit(faults);
	}
	waitpid(pid, &wstatus, 0);
	is_int(WEXITSTATUS(wstatus), 0,
	       "a stream starts COMMAND for its own client alone, and gets no "
	       "file of keys");
}

/* Another stream's process gives this order. */
static int signal_by_stream(pid_t victim)
{
	struct err e = { 0 };
	int wstatus = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(order_signal(victim, SIGKILL, &e) < 0);
	waitpid(pid, &wstatus, 0);
	return WEXITSTATUS(wstatus);
}

int main(void)
{
	char command[] = "true", *words[] = { command, NULL };
	char keys[] = "/tmp/test_launcher.XXXXXX";
	const struct options o = { .keep = true,
				   .verb = OPTIONS_LISTEN,
				   .keys = keys,
				   .command = words };
	int keys_fd = mkstemp(keys);
	struct err e = { 0 };
	pid_t victim;

	signal(SIGPIPE, SIG_IGN);
	if (keys_fd < 0 || launcher_start(&o, 0, &e) < 0 || !order_possible())
		bail();
	close(keys_fd);
	broken_stream();
	ok(is_obeyed(ORDER_KEYS, "", false), "the listener gets it");
	unlink(keys);
	victim = stream();
	is_int(signal_by_stream(victim), 1,
	       "one stream cannot have another one's process killed");
	ok(!has_ended(victim), "which lives");
	is_int(order_signal(getppid(), SIGUSR1, &e), -1,
	       "nor can the listener signal a process that is no stream's");
	e = (struct err){ 0 };
	is_int(order_signal(victim, SIGKILL, &e), 0,
	       "the listener can end a stream");
	while (!has_ended(victim))
		poll(NULL, 0, 5);
	e = (struct err){ 0 };
	/* Without a pidfd, as under valgrind, the number counts. */
	if (syscall(SYS_pidfd_open, getpid(), 0) >= 0)
		is_int(order_signal(victim, SIGKILL, &e), -1,
		       "but not once it has ended: the number may be another's");
	waitpid(victim, NULL, 0);
	close(order_socket());
	return tap_end();
}
