// SPDX-License-Identifier: GPL-2.0-or-later
/* served: news, signals that are owed, and who gives its place to another. */
#include <signal.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/order.h"
#include "cli/served.h"
#include "tap.h"
#include "tls/tls.h"
#include "wrap.h"

static struct served table;
static struct pass_news news[SERVED_PROCESSES_MAX];
static uint64_t now_ms = 1000000;
static int order_status, orders, last_sig;
static pid_t last_pid;

WRAP64(clock_gettime, __clock_gettime64, clock_gettime);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	(void)id;
	ts->tv_sec = (time_t)(now_ms / 1000);
	ts->tv_nsec = (long)(now_ms % 1000) * 1000000;
	return 0;
}

WRAP(order_signal);
int __wrap_order_signal(pid_t pid, int sig, struct err *e)
{
	orders++;
	last_pid = pid;
	last_sig = sig;
	return order_status < 0 ? err_set(e, ERR_STREAM, 0, "unknown") : 0;
}

static struct served_stream *add(size_t place, const char *client)
{
	struct served_stream *s = &table.streams[place];

	news[place] = (struct pass_news){ 0 };
	*s = (struct served_stream){ .pid = 1000 + (pid_t)place,
				     .news = &news[place] };
	snprintf(s->identity, sizeof s->identity, "%s", client);
	return s;
}

static void remove_all(void)
{
	memset(table.streams, 0, sizeof table.streams);
	orders = order_status = 0;
}

/* Called at the time that it asked for; returns when it wants to be next. */
static uint64_t call_again(uint64_t due_ms)
{
	now_ms = due_ms;
	return served_signal_due(&table);
}

static void test_signals(void)
{
	struct served_stream *s = add(3, "a");
	uint64_t due, began = now_ms;

	ok(served_signal_due(&table) == CLOCK_NEVER, "no signal is due");
	order_status = -1;
	served_signal(s, SIGUSR1);
	is_int(s->owed_sig, 0, "SIGUSR1 is not owed");
	served_signal(s, SIGTERM);
	served_signal(s, SIGUSR1);
	orders = 0;
	due = served_signal_due(&table);
	ok(due > now_ms && due <= began + 1000, "SIGTERM is owed for a while");
	order_status = 0;
	due = call_again(due);
	ok(orders == 2 && last_pid == s->pid && last_sig == SIGTERM,
	   "and sent again");
	ok(due == began + 20000, "once, if that succeeds");
	now_ms = due - 1;
	served_signal_due(&table);
	is_int(orders, 2, "20 s are left to the process");
	order_status = -1;
	due = call_again(due);
	ok(orders == 3 && last_sig == SIGKILL, "then it is killed");
	order_status = 0;
	call_again(due);
	ok(orders == 4 && last_sig == SIGKILL, "that can be owed, too");
	remove_all();
}

static void test_news(void)
{
	struct served_stream *s = add(5, "a");

	s->named = true;
	s->restarts = true;
	s->ticket = &table.tickets[5];
	table.tickets[SERVED_PROCESSES_MAX + 5].identity[0] = 'n';
	s->next_connection = 9;
	served_hear(&table);
	ok(s->restarts && !served_is_suspended(s), "there is no news");
	pass_tell_connected(&news[5], false);
	news[5].kib = 4;
	served_hear(&table);
	ok(served_is_suspended(s), "a stream is suspended");
	is_int((long long)table.bytes, 4096, "its bytes are counted");
	pass_tell_connected(&news[5], true);
	pass_tell_restart(&news[5], true);
	news[5].kib = 1; /* after 2^32 */
	served_hear(&table);
	ok(!s->restarts && s->ticket->identity[0] == 'n' &&
		   s->stream.connection == 9,
	   "another process restarted it, and has its ticket");
	ok(table.bytes == ((1ull << 32) + 1) * 1024, "the count wraps");
	s->restarts = true;
	s->next_connection = 10;
	pass_tell_restart(&news[5], false);
	served_hear(&table);
	ok(!s->restarts && s->ticket->identity[0] == 'n' &&
		   s->stream.connection == 9,
	   "one that was refused gets none");
	pass_tell_restart(&news[5], true);
	served_hear(&table);
	is_int(s->ticket->identity[0], 'n', "nor one that did not come");
	s->restarts = true;
	s->next_connection = 11;
	s->gives_way = true;
	served_forget(&table, s);
	pass_tell_restart(&news[5], true);
	served_hear(&table);
	ok(!s->restarts && s->stream.connection == 9,
	   "news of a stream that was evicted counts for nothing");
	remove_all();
}

/* Lost its connection so long ago */
static void lose(size_t place, uint64_t ago_ms)
{
	pass_tell_connected(&news[place], true);
	now_ms -= ago_ms;
	pass_tell_connected(&news[place], false);
	now_ms += ago_ms;
}

static void test_pick(void)
{
	struct net_address source = { 0 };

	add(0, "a");
	add(1, "b");
	add(2, "b");
	add(3, "c");
	served_hear(&table);
	ok(!served_pick(&table, "a", &source),
	   "no stream that has a connection gives way");
	lose(3, 300);
	served_hear(&table);
	ok(!served_pick(&table, "a", &source), "nor one that lost it just now");
	lose(1, 2000);
	lose(2, 9000);
	lose(3, 5000);
	served_hear(&table);
	ok(served_pick(&table, "a", &source) == &table.streams[2],
	   "the one that lost it first gives way");
	ok(served_pick(&table, "c", &source) == &table.streams[3],
	   "but before it one of the same client");
	is_int((int)served_count(&table, "b", &source), 2,
	       "streams without a connection count for their client");
	table.streams[2].named = true;
	ok(served_pick(&table, "a", &source) == &table.streams[3] &&
		   served_numbers(&table).running == 3,
	   "one with a name is suspended, and takes no place");
	news[3].alone_ds = UINT32_MAX;
	served_hear(&table);
	ok(served_pick(&table, "a", &source) == &table.streams[1],
	   "a time in the future is now");
	table.streams[1].gives_way = true;
	now_ms += 500;
	ok(served_pick(&table, "a", &source) == &table.streams[3],
	   "so that one gives way, too, after a while");
	remove_all();
}

static void test_places(void)
{
	for (size_t i = 0; i < SERVED_PROCESSES_MAX; i++)
		add(i, "a")->gives_way = true;
	ok(!served_place(&table),
	   "a process that was told to end has its place until it has ended");
	table.streams[7].pid = 0;
	ok(served_place(&table) == &table.streams[7], "then it is free");
	remove_all();
}

int main(void)
{
	const struct key key = { .identity = "server", .secret.len = 32 };
	struct credential *cred;
	struct err e = { 0 };

	alarm(120);
	log_set_level(LOG_QUIET);
	if (tls_global_init(&e) < 0)
		bail();
	cred = credential_new_psk(&key, true, &e);
	if (!cred || served_init(&table, cred) < 0)
		bail();
	test_signals();
	test_news();
	test_pick();
	test_places();
	served_fini(&table);
	credential_free(cred);
	return tap_end();
}
