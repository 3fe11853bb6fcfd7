// SPDX-License-Identifier: GPL-2.0-or-later
/* launcher: whose orders it obeys. */
#include "cli/launcher.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/order.h"
#include "base/rights.h"
#include "cli/served.h"
#include "stream/command.h"
#include "tap.h"

/* Give an order; what comes back is closed.  Returns whether it is obeyed. */
static bool is_obeyed(uint32_t kind, const char *identity)
{
	struct order o = { .kind = kind };
	struct order_answer answer;
	struct err e = { 0 };

	order_set_word(&o, ORDER_IDENTITY, identity);
	if (kind == ORDER_COMMAND)
		o.role = COMMAND_CONSUMER;
	if (order_ask(&o, -1, &answer, &e) < 0)
		return false;
	for (size_t i = 0; i < ORDER_ANSWER_FDS; i++)
		attr_close(&answer.fds[i]);
	return true;
}

/* Start COMMAND, which runs as long as we do. */
static bool can_start(const char *identity)
{
	struct order o = { .kind = ORDER_COMMAND, .role = COMMAND_CONSUMER };
	struct order_answer answer;
	struct err e = { 0 };

	order_set_word(&o, ORDER_IDENTITY, identity);
	return order_ask(&o, -1, &answer, &e) == 0;
}

static pid_t victim;
static int left[2];

/* In a stream's process: what it is told to do.  Returns 0, or its faults. */
typedef int stream_fn(void);

/* Broken, it asks for what is another client's or the listener's. */
static int asks_for_more(void)
{
	struct err e = { 0 };
	int faults = 0;

	faults |= !is_obeyed(ORDER_COMMAND, "alice");
	faults |= is_obeyed(ORDER_COMMAND, "bob") << 1;
	faults |= is_obeyed(ORDER_COMMAND, "") << 2;
	faults |= is_obeyed(ORDER_STREAM_LAUNCHER, "bob") << 3;
	faults |= is_obeyed(ORDER_KEYS, "") << 4;
	faults |= (order_signal(victim, SIGKILL, &e) == 0) << 5;
	faults |= !is_obeyed(ORDER_COMMAND, "alice") << 6;
	return faults;
}

static int starts_many(void)
{
	bool two = can_start("alice") && can_start("alice");

	return !two || can_start("alice");
}

static int starts_one(void)
{
	return !can_start("alice");
}

static int shuts_its_socket(void)
{
	return shutdown(order_socket(), SHUT_RDWR) < 0;
}

/* Nobody reads the answers. */
static void ask_for_ever(void)
{
	const struct order ping = { .kind = ORDER_PING };
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) < 0)
		return;
	while (rights_send(order_socket(), &ping, sizeof ping, ends, 1, 0) > 0)
		;
}

/* What it leaves behind keeps its socket, and tells whether that serves. */
static int leaves_a_child(void)
{
	pid_t parent = getpid();
	char obeyed = 1;

	if (fork() == 0) {
		while (getppid() == parent)
			poll(NULL, 0, 5);
		for (int i = 0; obeyed && i < 200; i++) {
			poll(NULL, 0, 10);
			obeyed = is_obeyed(ORDER_PING, "");
		}
		if (write(left[1], &obeyed, 1) != 1)
			_exit(1);
		_exit(0);
	}
	return 0;
}

/*
 * Fork the process of a stream of alice, as the listener does.  It does as fn
 * says, and then waits to be signalled; NULL: it gives orders for ever.
 */
static pid_t stream(stream_fn *fn, const char *what)
{
	struct order o = { .kind = ORDER_STREAM_LAUNCHER };
	struct order_answer answer;
	struct err e = { 0 };
	int tell[2];
	char faults = 1;
	pid_t pid;

	order_set_word(&o, ORDER_IDENTITY, "alice");
	if (pipe2(tell, O_CLOEXEC) < 0)
		bail();
	pid = fork();
	if (pid == 0) {
		if (order_ask(&o, -1, &answer, &e) < 0)
			_exit(1);
		order_connect(answer.fds[0], true);
		faults = (char)(!is_obeyed(ORDER_PING, "") || (fn && fn()));
		if (write(tell[1], &faults, 1) == 1 && !fn)
			ask_for_ever();
		pause();
		_exit(0);
	}
	close(tell[1]);
	is_int(read(tell[0], &faults, 1), 1, "a stream tells how it did");
	is_int(faults, 0, "%s", what);
	close(tell[0]);
	return pid;
}

static void end_stream(pid_t pid)
{
	struct err e = { 0 };

	is_int(order_signal(pid, SIGKILL, &e), 0,
	       "the listener can end a stream");
	is_int(waitpid(pid, NULL, 0), pid, "which has ended");
	e = (struct err){ 0 };
	is_int(order_signal(pid, SIGKILL, &e), -1,
	       "it cannot be signalled again: the number may be another's");
}

static void test_streams(void)
{
	struct err e = { 0 };
	pid_t pids[2];

	victim = stream(starts_one, "a stream starts COMMAND");
	end_stream(stream(asks_for_more,
			  "a stream starts COMMAND for its own client alone, "
			  "and gives no order of the listener"));
	is_int(waitpid(victim, NULL, WNOHANG), 0,
	       "no stream has another one's process killed");
	ok(!is_obeyed(ORDER_COMMAND, "alice"),
	   "the listener starts no COMMAND of a client");
	ok(is_obeyed(ORDER_KEYS, ""), "it gets the file of keys");
	is_int(order_signal(getppid(), SIGUSR1, &e), -1,
	       "it cannot signal a process that is no stream's");

	pids[0] = stream(starts_many, "a stream starts no third COMMAND");
	pids[1] = stream(starts_one, "then another one still starts its own");
	end_stream(pids[0]);
	end_stream(pids[1]);
	pids[0] = stream(shuts_its_socket, "a stream shuts its socket down");
	pids[1] = stream(starts_one, "then another one still starts COMMAND");
	end_stream(pids[0]);
	end_stream(pids[1]);
	pids[0] = stream(NULL, "a stream gives orders for ever");
	pids[1] = stream(starts_one, "meanwhile another one starts COMMAND");
	end_stream(pids[0]);
	end_stream(pids[1]);
	end_stream(victim);
}

/* Without a pidfd, as under valgrind, the launcher waits for the child, too. */
static void test_left_behind(void)
{
	char obeyed = 1;

	if (pipe2(left, O_CLOEXEC) < 0)
		bail();
	end_stream(stream(leaves_a_child, "a stream leaves a child behind"));
	if (syscall(SYS_pidfd_open, getpid(), 0) >= 0) {
		is_int(read(left[0], &obeyed, 1), 1, "which tells");
		ok(!obeyed, "that nobody obeys it");
	}
	attr_close_pair(&left);
}

/* Places are used again. */
static void test_many(void)
{
	for (int i = 0; i < 150; i++)
		end_stream(stream(starts_one, "one more stream"));
}

/* Two command lines, as a launcher knows them */
static const struct options pulls = { .verb = OPTIONS_CONNECT,
				      .receive = true,
				      .host = "127.0.0.1" };
static char consumer[] = "true";
static const struct options is_pushed = {
	.verb = OPTIONS_LISTEN, .command = (char *[]){ consumer, NULL }
};

#define LOOPBACK                                             \
	{                                                    \
		.family = AF_INET, .bytes = { 127, 0, 0, 1 } \
	}

/* Orders of a process that was taken over: its command line asks for no such */
static const struct {
	const struct options *o;
	struct order order;
	const char *refusal;
} not_asked[] = {
	{ &pulls,
	  { .kind = ORDER_COMMAND, .role = COMMAND_CONSUMER },
	  "no such COMMAND" },
	{ &pulls,
	  { .kind = ORDER_DIAL, .to = LOOPBACK, .from = LOOPBACK },
	  "nobody to connect to" },
	{ &pulls,
	  { .kind = ORDER_RESOLVE, .number = 1 },
	  "no name to look up" },
	{ &pulls, { .kind = ORDER_KEYS }, "no file of keys" },
	{ &pulls, { .kind = ORDER_PART_DROP }, "no file of --output" },
	{ &pulls,
	  { .kind = ORDER_GROW, .number = INT_MAX },
	  "a pipe of that size" },
	{ &pulls, { .kind = ORDER_STREAM_LAUNCHER }, "no streams" },
	{ &pulls, { .kind = ORDER_CONTINUE, .pid = 2 }, "no such supervisor" },
	{ &pulls,
	  { .kind = ORDER_SIGNAL, .pid = 2, .number = SIGKILL },
	  "cannot signal process 2" },
	{ &pulls, { .kind = ORDER_DIAG }, "" },
	{ &is_pushed,
	  { .kind = ORDER_COMMAND, .role = COMMAND_SOURCE },
	  "no such COMMAND" },
	{ &is_pushed,
	  { .kind = ORDER_DIAL, .to = LOOPBACK },
	  "nobody to connect to" },
	{ &is_pushed, { .kind = ORDER_RESOLVE }, "no name to look up" },
};

static void test_not_asked(void)
{
	const struct options *o = NULL;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		bail();
	for (size_t i = 0; i < array_len(not_asked); i++) {
		struct order_answer answer;
		struct err e = { 0 };

		if (o != not_asked[i].o &&
		    launcher_start(not_asked[i].o, 0, &e) < 0)
			bail();
		o = not_asked[i].o;
		ok(order_ask_with(&not_asked[i].order, ends, &answer, &e) < 0 &&
			   strstr(e.msg, not_asked[i].refusal),
		   "order %u is refused: %s", not_asked[i].order.kind, e.msg);
		ok(is_obeyed(ORDER_PING, ""), "the next one is obeyed");
	}
	attr_close_pair(&ends);
	order_disconnect();
}

/* A listener that was taken over asks for launchers of streams, keeps them. */
static void test_many_launchers(void)
{
	struct order o = { .kind = ORDER_STREAM_LAUNCHER };
	int wstatus = -1;
	pid_t pid = fork();

	if (pid == 0) {
		struct order_answer answer;
		struct err e = { 0 };
		int count = 0;

		while (count < 200 && order_ask(&o, -1, &answer, &e) == 0)
			count++;
		_exit(count < SERVED_PROCESSES_MAX ||
		      !strstr(e.msg, "that many streams"));
	}
	is_int(waitpid(pid, &wstatus, 0), pid, "it asks for 200 launchers");
	is_int(wstatus, 0, "it gets as many as streams can run, not all");
	for (int i = 0; i < 200 && !is_obeyed(o.kind, "alice"); i++)
		poll(NULL, 0, 20);
	end_stream(stream(starts_one, "then a stream starts COMMAND again"));
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

	signal(SIGPIPE, SIG_IGN);
	if (keys_fd < 0 || launcher_start(&o, 0, &e) < 0 || !order_possible())
		bail();
	close(keys_fd);
	test_streams();
	test_left_behind();
	test_many();
	test_many_launchers();
	test_not_asked();
	unlink(keys);
	order_disconnect();
	return tap_end();
}
