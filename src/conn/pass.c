// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/pass.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/rights.h"

enum {
	QUEUE_BYTES = 65536, /* some ten connections wait for a stream */
	DS_MS = 100, /* unit of pass_news.alone_ds */
	RELEASE_US = 100000, /* for pass_release() */
};

struct pass_message {
	struct peer peer; /* its socket goes beside it, its layer in value */
	struct tls_agreed value;
};

SECRET_WIPER(pass_wipe, struct pass_message)

/* It only has to interrupt close(2). */
static void pass_on_alarm(int sig)
{
}

/* A seccomp filter refuses the calls before the kernel finds -1 invalid. */
int pass_prepare(struct err *e)
{
	const struct sigaction interrupt = { .sa_handler = pass_on_alarm };
	struct msghdr m = { 0 };
	sigset_t alarms;

	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	sigaction(SIGALRM, &interrupt, NULL);
	sigprocmask(SIG_UNBLOCK, &alarms, NULL);
	if ((sendmsg(-1, &m, 0) < 0 && err_refuses(errno)) ||
	    (recvmsg(-1, &m, 0) < 0 && err_refuses(errno)))
		return err_call(e, ERR_NET, "sendmsg and recvmsg",
				"cannot pass connections on");
	return 0;
}

int pass_open(int ends[static 2], struct pass_news **news)
{
	int bytes = QUEUE_BYTES;
	void *shared = mmap(NULL, sizeof **news, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		return -1;
	*news = shared;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       0, ends) < 0) {
		pass_news_free(*news);
		return -1;
	}
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
	shutdown(ends[0], SHUT_RD);
	return 0;
}

void pass_news_free(struct pass_news *news)
{
	munmap(news, sizeof *news);
}

int pass_send(int over_fd, const struct peer *peer)
{
	attr_cleanup(pass_wipe) struct pass_message m = { .peer = *peer };

	m.peer.layer = NULL;
	record_layer_give(peer->layer, &m.value);
	return rights_send(over_fd, &m, sizeof m, &peer->socket.fd, 1,
			   MSG_DONTWAIT) < 0
		       ? -1
		       : 0;
}

void pass_release(struct peer *peer)
{
	/* Again and again: the first may come before close(2) has begun. */
	const struct itimerval alarms = { { .tv_usec = RELEASE_US },
					  { .tv_usec = RELEASE_US } };
	const struct itimerval none = { 0 };

	setitimer(ITIMER_REAL, &alarms, NULL);
	pending_drop_peer(peer);
	setitimer(ITIMER_REAL, &none, NULL);
}

/* Returns whether a message came; *fd: the socket that came with it, or -1. */
static bool pass_receive(int over_fd, struct pass_message *m, int *fd,
			 bool *ended)
{
	struct rights rights;
	ssize_t n = rights_recv(over_fd, m, sizeof *m, MSG_DONTWAIT, &rights);

	*ended = n == 0;
	*fd = rights.fds[0];
	/* Without a free descriptor the kernel drops the one passed. */
	if (n > 0 && !rights.count)
		log_notice("a connection was dropped: no descriptor is free; "
			   "raise ulimit -n");
	return n > 0;
}

bool pass_recv(int over_fd, struct pass_news *news, struct peer *peer,
	       bool *ended)
{
	attr_cleanup(pass_wipe) struct pass_message m = { .peer.name = "" };
	struct err e = { 0 };
	int fd;

	while (pass_receive(over_fd, &m, &fd, ended)) {
		*peer = m.peer;
		peer->layer = fd < 0 ? NULL
				     : record_layer_take(&m.value, fd, &e);
		peer->socket.fd = fd;
		if (peer->layer)
			return true;
		if (fd >= 0)
			log_notice("a connection was dropped: %s", e.msg);
		attr_close(&fd);
		/*
		 * Nobody can answer this peer: the listener must not wait for
		 * its outcome.
		 */
		if (peer->restarts)
			pass_tell_restart(news, false);
	}
	return false;
}

static void pass_store(uint32_t *shared, uint32_t value)
{
	__atomic_store_n(shared, value, __ATOMIC_RELEASE);
}

static uint32_t pass_load(const uint32_t *shared)
{
	return __atomic_load_n(shared, __ATOMIC_ACQUIRE);
}

void pass_tell_connected(struct pass_news *news, bool connected)
{
	if (connected)
		pass_store(&news->alone_ds, 0);
	else if (!news->alone_ds)
		pass_store(&news->alone_ds,
			   (uint32_t)(clock_now_ms() / DS_MS + 1));
}

void pass_tell_restart(struct pass_news *news, bool did)
{
	uint32_t *count = did ? &news->restarted : &news->refused;

	pass_store(count, *count + 1);
}

struct pass_news pass_hear(const struct pass_news *news)
{
	return (struct pass_news){ .alone_ds = pass_load(&news->alone_ds),
				   .restarted = pass_load(&news->restarted),
				   .refused = pass_load(&news->refused),
				   .kib = pass_load(&news->kib) };
}

uint64_t pass_alone_since(const struct pass_news *heard)
{
	return clock_earlier((uint64_t)heard->alone_ds * DS_MS, clock_now_ms());
}
