// SPDX-License-Identifier: GPL-2.0-or-later
/* notify: what a service manager hears, with a socket in its place. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/notify.h"
#include "tap.h"

static int manager_fd = -1;

/* Listens there, and says so in the environment; '@': an abstract socket. */
static void start_manager(const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t len = strlen(name);

	memcpy(sa.sun_path, name, len);
	if (*name == '@')
		sa.sun_path[0] = '\0';
	else
		unlink(name);
	manager_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (manager_fd < 0 ||
	    bind(manager_fd, (struct sockaddr *)&sa,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		printf("Bail out! no socket: %s\n", strerror(errno));
	setenv("NOTIFY_SOCKET", name, 1);
}

static void stop_manager(void)
{
	notify_after_fork();
	close(manager_fd);
}

/* The next datagram, "" if there is none; its newlines are shown as ';'. */
static const char *heard(void)
{
	static char text[4096];
	ssize_t n = recv(manager_fd, text, sizeof text - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	for (char *p = text; *p; p++)
		if (*p == '\n')
			*p = ';';
	return text;
}

static void test_nobody(void)
{
	unsetenv("NOTIFY_SOCKET");
	setenv("WATCHDOG_USEC", "1000", 1);
	notify_init();
	ok(!notify_is_on(), "without NOTIFY_SOCKET nobody listens");
	ok(notify_due() == CLOCK_NEVER, "and there is nothing to do");
	notify_set(NOTIFY_READY);
	notify_status("x");
	notify_tick();
	ok(!getenv("WATCHDOG_USEC"), "WATCHDOG_USEC is removed all the same");
}

static void test_states(const char *name)
{
	uint64_t before_us = clock_now_ms() * 1000, us;
	const char *text;

	start_manager(name);
	notify_init();
	ok(notify_is_on(), "%s: the manager listens", name);
	ok(!getenv("NOTIFY_SOCKET"), "NOTIFY_SOCKET is removed");
	is_str(heard(), "", "nothing is said at first");
	notify_set(NOTIFY_READY);
	is_str(heard(), "READY=1;", "ready");
	notify_status("%d streams", 3);
	is_str(heard(), "STATUS=3 streams;", "the status");
	notify_status("3 streams");
	is_str(heard(), "", "the same status is not said again");
	notify_status("a\nREADY=1");
	is_str(heard(), "STATUS=a?READY=1;", "a status is one line");
	notify_set(NOTIFY_RELOADING);
	text = heard();
	ok(sscanf(text, "RELOADING=1;MONOTONIC_USEC=%" SCNu64 ";", &us) == 1 &&
		   us >= before_us && us <= (clock_now_ms() + 1) * 1000,
	   "reloading, with the time");
	notify_set(NOTIFY_READY);
	is_str(heard(), "READY=1;", "ready again");
	notify_set(NOTIFY_STOPPING);
	is_str(heard(), "STOPPING=1;", "stopping");
	notify_set(NOTIFY_READY);
	is_str(heard(), "", "and that is final");
	stop_manager();
	notify_status("x");
	ok(!notify_is_on(), "a forked process says nothing");
}

static void test_long_status(const char *path)
{
	char line[1000];

	start_manager(path);
	notify_init();
	memset(line, 'x', sizeof line - 1);
	line[sizeof line - 1] = '\0';
	notify_status("%s", line);
	is_int(strlen(heard()), strlen("STATUS=;") + 200,
	       "a long status is cut");
	stop_manager();
}

static void test_full(const char *path)
{
	int count = 0;

	start_manager(path);
	notify_init();
	for (int i = 0; i < 5000; i++)
		notify_status("%d", i);
	notify_set(NOTIFY_READY);
	notify_status("last");
	ok(notify_due() <= clock_now_ms() + 1000,
	   "a full socket is tried again soon");
	while (*heard())
		count++;
	ok(count < 5000, "not all of the statuses found room");
	notify_tick();
	is_str(heard(), "", "but not at once");
	poll(NULL, 0, clock_poll_ms(notify_due()));
	notify_tick();
	is_str(heard(), "READY=1;STATUS=last;",
	       "then the latest state and status arrive");
	ok(notify_due() == CLOCK_NEVER, "and nothing is left to do");
	stop_manager();
}

static void test_watchdog(const char *path, const char *pid, bool ours)
{
	char text[24];

	start_manager(path);
	setenv("WATCHDOG_USEC", "40000", 1);
	snprintf(text, sizeof text, "%d", (int)getpid());
	unsetenv("WATCHDOG_PID");
	if (pid)
		setenv("WATCHDOG_PID", *pid ? pid : text, 1);
	notify_init();
	ok(!getenv("WATCHDOG_USEC") && !getenv("WATCHDOG_PID"),
	   "the watchdog's variables are removed");
	notify_tick();
	is_str(heard(), ours ? "WATCHDOG=1;" : "", "a sign of life");
	notify_tick();
	is_str(heard(), "", "not two at once");
	if (!ours) {
		ok(notify_due() == CLOCK_NEVER, "another process is watched");
	} else {
		ok(notify_due() <= clock_now_ms() + 20,
		   "the next one after half of the time");
		poll(NULL, 0, clock_poll_ms(notify_due()));
		notify_tick();
		is_str(heard(), "WATCHDOG=1;", "one more");
	}
	stop_manager();
}

static void test_bad_watchdog(const char *path)
{
	start_manager(path);
	setenv("WATCHDOG_USEC", "soon", 1);
	unsetenv("WATCHDOG_PID");
	notify_init();
	ok(notify_is_on() && notify_due() == CLOCK_NEVER,
	   "a time that is no number: no signs of life");
	notify_set(NOTIFY_READY);
	is_str(heard(), "READY=1;", "but all else");
	stop_manager();
}

static void test_bad(void)
{
	static const char *const names[] = {
		"",
		"@",
		"relative",
		"/no/such/socket",
		"vsock:2:1234",
		("/a/path/that/is/much/longer/than/the/address/of/a/socket/can/"
		 "be/a/path/that/is/much/longer/than/it/can/be/by/far"),
	};

	for (size_t i = 0; i < array_len(names); i++) {
		setenv("NOTIFY_SOCKET", names[i], 1);
		notify_init();
		ok(!notify_is_on(), "'%.20s' is no socket of a manager",
		   names[i]);
		notify_set(NOTIFY_READY);
	}
}

int main(void)
{
	char dir[] = "/tmp/test_notify.XXXXXX", path[64], abstract[64];

	if (!mkdtemp(dir) || chdir(dir) < 0)
		return 1;
	snprintf(path, sizeof path, "%s/socket", dir);
	snprintf(abstract, sizeof abstract, "@%s", dir);
	test_nobody();
	test_states(path);
	test_states(abstract);
	test_long_status(path);
	test_full(path);
	test_watchdog(path, NULL, true);
	test_watchdog(path, "", true);
	test_watchdog(path, "1", false);
	test_watchdog(path, "x", false);
	test_bad_watchdog(path);
	test_bad();
	unlink(path);
	rmdir(dir);
	return tap_end();
}
