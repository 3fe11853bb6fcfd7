// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * resolve: the answer of getaddrinfo(3) arrives from another process; neither
 * one that hangs nor one that sends garbage does harm.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "conn/resolve.h"
#include "tap.h"
#include "wrap.h"

enum { MANY = 40, FIRST_FD = 3, LAST_FD = 20 };

WRAP(getaddrinfo);
WRAP(freeaddrinfo);

static struct sockaddr_in6 addresses[MANY];
static struct addrinfo infos[MANY];

/* Each address twice, both families in turn, and one of an unknown family. */
static int many(struct addrinfo **list)
{
	for (int i = 0; i < MANY; i++) {
		struct sockaddr_in *v4 = (void *)&addresses[i];
		bool six = i / 2 % 2;

		addresses[i].sin6_family = six ? AF_INET6 : AF_INET;
		if (i == 4)
			addresses[i].sin6_family = AF_UNIX;
		if (six)
			addresses[i].sin6_addr.s6_addr[15] = (uint8_t)(i / 2);
		else
			v4->sin_addr.s_addr = htonl((uint32_t)(i / 2));
		infos[i].ai_addr = (void *)&addresses[i];
		infos[i].ai_next = i + 1 < MANY ? &infos[i + 1] : NULL;
	}
	*list = infos;
	return 0;
}

/* The process has no descriptor open but the pipe to us. */
static void lie(struct net_addresses host)
{
	struct resolve_answer a = { .host = host };

	for (int fd = FIRST_FD; fd < LAST_FD; fd++)
		if (write(fd, &a, sizeof a) > 0)
			_exit(0);
}

/* The name selects what happens. */
int __wrap_getaddrinfo(const char *host, const char *service,
		       const struct addrinfo *hints, struct addrinfo **list)
{
	if ((hints->ai_flags & AI_NUMERICHOST) || *host == '1')
		return __real_getaddrinfo(host, service, hints, list);
	if (!strcmp(host, "many"))
		return many(list);
	if (!strcmp(host, "again"))
		return EAI_AGAIN;
	if (!strcmp(host, "system")) {
		errno = EMFILE;
		return EAI_SYSTEM;
	}
	if (!strcmp(host, "liar"))
		lie((struct net_addresses){ .count = 1000 });
	if (!strcmp(host, "stranger"))
		lie((struct net_addresses){ .count = 1,
					    .all = { { .family = AF_UNIX } } });
	if (!strcmp(host, "dies"))
		_exit(0);
	while (!strcmp(host, "hangs"))
		pause();
	return EAI_NONAME;
}

/* Static ones, and as small leaks in a process that ends here or there. */
void __wrap_freeaddrinfo(struct addrinfo *list)
{
	if (list != infos)
		__real_freeaddrinfo(list);
}

/* Returns 1 with an answer, -1 with an error. */
static int ask(struct resolve *r, const char *host, const char *source,
	       struct err *e)
{
	const struct resolve_query q = { .host = host,
					 .source = source,
					 .family = AF_UNSPEC };
	bool done = false;

	if (resolve_start(r, &q, e) < 0)
		return -1;
	while (!done) {
		struct pollfd p = { .fd = r->fd, .events = POLLIN };

		if (r->fd >= 0)
			poll(&p, 1, 30000);
		if (resolve_take(r, &done, e) < 0)
			return -1;
	}
	return 1;
}

static void test_digits(struct resolve *r)
{
	struct err e = { 0 };

	is_int(ask(r, "192.0.2.7", "::1", &e), 1,
	       "a numeric address is resolved");
	is_int(r->pid, -1, "without a process");
	is_int(r->answer.host.count, 1, "to one address");
	is_int(r->answer.host.all[0].family, AF_INET, "of its family");
	is_int(r->answer.host.all[0].bytes[3], 7, "and value");
	is_int(r->answer.source.all[0].bytes[15], 1, "so is a numeric source");
}

static void test_names(struct resolve *r)
{
	const struct net_addresses *l = &r->answer.host;
	struct err e = { 0 };
	int wrong = 0;

	is_int(ask(r, "many", NULL, &e), 1, "a name is resolved");
	is_int(l->count, NET_ADDRESSES_MAX,
	       "to as many addresses as there is room for");
	for (size_t i = 0; i < l->count; i++)
		wrong += l->all[i].family != (i % 2 ? AF_INET6 : AF_INET);
	is_int(wrong, 0, "in their order, without duplicates");
	is_int(r->pid, -1, "and the process is gone");
	is_int(ask(r, "127.0.0.1", "many", &e), 1, "a source can be a name");
	is_int(r->answer.source.count, NET_ADDRESSES_MAX,
	       "with many addresses");
}

static void test_failures(struct resolve *r)
{
	static const struct {
		const char *host, *source, *about;
		int num;
	} rows[] = {
		{ "nobody", NULL, "nobody': Name or service", 0 },
		{ "again", NULL, "again': Temporary failure", EAGAIN },
		{ "system", NULL, "system': Too many open files", EMFILE },
		{ "many", "again", "again': Temporary failure", EAGAIN },
		{ "dies", NULL, "dies': the process", EAGAIN },
		{ "liar", NULL, "liar': the process", EAGAIN },
		{ "stranger", NULL, "stranger': the process", EAGAIN },
		{ "fe80::1%nobody", NULL, "interface 'nobody'", 0 },
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		struct err e = { 0 };

		is_int(ask(r, rows[i].host, rows[i].source, &e), -1, "%s fails",
		       rows[i].host);
		is_int(e.kind, ERR_NET, "%s: the kind is ERR_NET",
		       rows[i].host);
		is_int(e.num, rows[i].num, "%s: num", rows[i].host);
		ok(strstr(e.msg, rows[i].about), "%s: %s", rows[i].host, e.msg);
		is_int(r->pid, -1, "%s: no process is left", rows[i].host);
	}
}

static void test_stop(struct resolve *r)
{
	const struct resolve_query q = { .host = "hangs" };
	struct err e = { 0 };
	bool done = true;
	pid_t pid;

	is_int(resolve_start(r, &q, &e), 0, "a look-up that hangs can begin");
	is_int(resolve_take(r, &done, &e), 0, "resolve_take() does not block");
	ok(!done, "there is no answer");
	pid = r->pid;
	ok(pid > 0 && kill(pid, 0) == 0, "a process waits for it");
	resolve_stop(r);
	ok(kill(pid, 0) < 0, "which resolve_stop() ends");
	resolve_stop(r);
	is_int(r->fd, -1, "to stop twice is harmless");
}

static bool no_fork;

WRAP(fork);
pid_t __wrap_fork(void)
{
	errno = EAGAIN;
	return no_fork ? -1 : __real_fork();
}

/* -1 would be a number that kill(2) takes for everybody. */
static void test_no_process(void)
{
	const struct resolve_query q = { .host = "localhost" };
	struct err e = { 0 };
	pid_t pid = 4711;

	no_fork = true;
	is_int(resolve_spawn(&q, &pid, &e), -1, "no process can be made");
	is_int(pid, 0, "then there is none to be killed");
	no_fork = false;
}

int main(void)
{
	struct resolve r;

	resolve_init(&r);
	test_digits(&r);
	test_names(&r);
	test_failures(&r);
	test_stop(&r);
	test_no_process();
	return tap_end();
}
