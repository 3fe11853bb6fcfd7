// SPDX-License-Identifier: GPL-2.0-or-later
#include "keep.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "clock.h"
#include "door.h"
#include "link_door.h"
#include "log.h"
#include "peek.h"
#include "stop.h"
#include "stream.h"

enum {
	STREAMS_MAX = 16,
	LAST_WORD_MS = 1000, /* how a stream ended waits so long to be read */
	QUEUE_BYTES = 16384, /* some ten connections on their way to a stream */
	NAME_MAX_CHARS = KEY_IDENTITY_MAX + 1 + NET_NAME_MAX,
};

/* A stream that runs, as its parent knows it. */
struct keep_stream {
	pid_t pid; /* 0: the place is free */
	int fd; /* its connections go there */
	uint8_t id[FRAME_ID_BYTES];
	char handle[LINK_HEX_CHARS + 1];
	char name[NAME_MAX_CHARS]; /* identity and address of its peer */
};

struct keep {
	struct setup *setup;
	struct net_listener *listener;
	struct net_listener handed; /* in the process of a stream: its own */
	struct door *door;
	int signal_fd;
	sigset_t old_mask;
	int stop_sig; /* the last that asks us to end, or 0 */
	bool aborts; /* it was not the first */
	bool served; /* there was a stream */
	uint64_t wait_ms; /* deadline of --wait */
	unsigned int running;
	struct keep_stream streams[STREAMS_MAX];
};

static void keep_update_door(struct keep *k)
{
	door_shut(k->door, k->stop_sig || k->running == STREAMS_MAX);
}

/* The stream of a connection, by what it says first. */
static enum peek_result keep_find(struct keep *k, const uint8_t *bytes,
				  size_t len, struct keep_stream **found)
{
	char name[PEEK_NAME_MAX + 1];
	uint8_t id[FRAME_ID_BYTES];
	bool tls = k->setup->cred;
	enum peek_result result = tls ? peek_server_name(bytes, len, name)
				      : peek_stream(bytes, len, id);

	*found = NULL;
	for (size_t i = 0; result == PEEK_FOUND && i < STREAMS_MAX; i++) {
		struct keep_stream *s = &k->streams[i];

		if (s->pid && (tls ? !strcmp(name, s->handle)
				   : !memcmp(id, s->id, sizeof id)))
			*found = s;
	}
	return result;
}

/* One that finds its stream gone fails in its handshake here. */
static enum door_claim keep_claim(void *arg, int fd, const uint8_t *bytes,
				  size_t len)
{
	struct keep_stream *s;
	enum peek_result result = keep_find(arg, bytes, len, &s);

	if (result == PEEK_MORE)
		return DOOR_MORE;
	if (!s)
		return DOOR_OURS;
	if (net_pass(s->fd, fd) < 0) {
		log_debug("%s: cannot pass a connection on: %s", s->name,
			  strerror(errno));
		return DOOR_OURS;
	}
	log_debug("%s: one more connection", s->name);
	return DOOR_GONE;
}

static void keep_reread(struct keep *k)
{
	const char *path = k->setup->link.o->keys;
	struct err e = { 0 };
	struct keys *keys;
	struct stat st;

	if (!path) {
		log_notice("there is no --keys to read again");
		return;
	}
	/* A pipe could keep us waiting, and is read once. */
	if (!strcmp(path, "-") ||
	    (stat(path, &st) == 0 && !S_ISREG(st.st_mode)))
		err_set(&e, ERR_KEY, 0, "keys file %s: is no regular file",
			path);
	keys = e.kind ? NULL : keys_read(path, &e);
	if (!keys) {
		log_error("%s; the keys of before stay in use", e.msg);
		return;
	}
	log_notice("keys file %s: %zu keys are in use from now on", path,
		   keys_count(keys));
	cred_set_keys(k->setup->cred, keys);
}

static void keep_signal_streams(const struct keep *k, int sig)
{
	for (size_t i = 0; i < STREAMS_MAX; i++)
		if (k->streams[i].pid)
			kill(k->streams[i].pid, sig);
}

static void keep_stop(struct keep *k, int sig)
{
	k->aborts = k->stop_sig;
	k->stop_sig = sig;
	keep_update_door(k);
	if (k->aborts) {
		log_notice("signal %d (%s): aborting what still runs", sig,
			   strsignal(sig));
		keep_signal_streams(k, SIGTERM);
	} else {
		log_notice("signal %d (%s): no new streams; finishing %u (the "
			   "signal again aborts them)",
			   sig, strsignal(sig), k->running);
	}
}

/* A stream that fails says so itself, unless it cannot any more. */
static void keep_ended(struct keep *k, struct keep_stream *s, int wstatus)
{
	int sig = WIFSIGNALED(wstatus) ? WTERMSIG(wstatus) : 0;

	if (sig && sig != SIGTERM && sig != SIGINT)
		log_notice("%s: the process of this stream was killed by "
			   "signal %d (%s)",
			   s->name, sig, strsignal(sig));
	else
		log_debug("%s: the process of this stream has ended", s->name);
	close(s->fd);
	s->pid = 0;
	k->running--;
	keep_update_door(k);
}

static void keep_reap(struct keep *k)
{
	int wstatus;

	for (size_t i = 0; i < STREAMS_MAX; i++) {
		struct keep_stream *s = &k->streams[i];

		if (s->pid && waitpid(s->pid, &wstatus, WNOHANG) == s->pid)
			keep_ended(k, s, wstatus);
	}
}

static void keep_take_signals(struct keep *k)
{
	struct signalfd_siginfo info;

	while (read(k->signal_fd, &info, sizeof info) == sizeof info) {
		switch (info.ssi_signo) {
		case SIGCHLD:
			keep_reap(k);
			break;
		case SIGHUP:
			keep_reread(k);
			break;
		case SIGUSR1:
			keep_signal_streams(k, SIGUSR1);
			break;
		default:
			keep_stop(k, (int)info.ssi_signo);
		}
	}
}

/* In the new process of a stream: nothing is left of the others. */
static void keep_leave(struct keep *k, int fd)
{
	for (size_t i = 0; i < STREAMS_MAX; i++)
		if (k->streams[i].pid)
			close(k->streams[i].fd);
	door_leave(k->door);
	k->door = NULL;
	net_listener_close(k->listener);
	close(steal_fd(&k->signal_fd));
	k->handed = (struct net_listener){ .fds = { fd },
					   .count = 1,
					   .handed = true };
	/* ^C is for our parent, which lets us finish; so is SIGHUP. */
	setpgid(0, 0);
	signal(SIGHUP, SIG_IGN);
	/* Messages of the background do not stop us (stty tostop). */
	signal(SIGTTOU, SIG_IGN);
	sigprocmask(SIG_SETMASK, &k->old_mask, NULL);
}

static int keep_stream(struct keep *k, struct door_guest *g,
		       const uint8_t *handle, struct err *e)
{
	struct setup *setup = k->setup;
	struct stats *stats = &setup->stats;
	struct link *link;
	int ret = -1;

	stats_start(stats);
	/* Who comes back has a ticket. */
	setup->link.password = NULL;
	secret_wipe(&setup->password);
	link = link_door_take(&setup->link, &k->handed, g, handle, e);
	if (link && setup->cred)
		cred_forget(setup->cred);
	if (link)
		ret = stream_run(link, stats, e);
	link_free(link);
	setup_write_stats(setup, ret < 0 ? e : NULL);
	log_set_patience(LAST_WORD_MS);
	if (ret == 0)
		log_notice("delivered, %" PRIu64 " bytes", stats->bytes);
	else
		err_append(e, " (%" PRIu64 " bytes, exit status %d)",
			   stats->bytes, stop_exit_status((int)e->kind));
	return ret;
}

/* Fork.  Returns the pid as fork(2) does; *fd is the end of who returned. */
static pid_t keep_fork(int *fd)
{
	int ends[2], bytes = QUEUE_BYTES;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       0, ends) < 0)
		return -1;
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
	pid = fork();
	if (pid < 0) {
		int num = errno;

		close(ends[0]);
		close(ends[1]);
		errno = num;
		return -1;
	}
	*fd = ends[!pid];
	close(ends[!!pid]);
	return pid;
}

/* The door lets nobody in where there is none. */
static struct keep_stream *keep_place(struct keep *k)
{
	struct keep_stream *s = k->streams;

	assert(k->running < STREAMS_MAX);
	while (s->pid)
		s++;
	return s;
}

static void keep_name(const struct keep *k, const struct door_guest *g,
		      char name[NAME_MAX_CHARS])
{
	const char *identity = link_identity(&k->setup->link, g->tls);

	snprintf(name, NAME_MAX_CHARS, "%s%s%s", identity, *identity ? " " : "",
		 g->name);
}

/*
 * A guest gets a stream.  Returns 1 here; in the process made for it what came of
 * the stream, 0 or -1.
 */
static int keep_begin(struct keep *k, struct door_guest *g, struct err *e)
{
	struct keep_stream *s = keep_place(k);
	uint8_t handle[FRAME_ID_BYTES];
	char name[NAME_MAX_CHARS];
	pid_t pid;
	int fd;

	keep_name(k, g, name);
	pid = link_door_draw(handle, e) < 0 ? -1 : keep_fork(&fd);
	if (pid < 0) {
		log_notice("%s: cannot begin a stream: %s", name,
			   strerror(errno));
		door_turn_away(g, FRAME_REFUSED_BUSY);
		return 1;
	}
	if (pid == 0) {
		log_after_fork();
		log_set_subject(name);
		keep_leave(k, fd);
		return keep_stream(k, g, handle, e);
	}
	*s = (struct keep_stream){ .pid = pid, .fd = fd };
	memcpy(s->id, g->hello.stream, sizeof s->id);
	link_hex(handle, s->handle);
	memcpy(s->name, name, sizeof name);
	/* Nothing goes over the wire: the session lives on over there. */
	tls_free(g->tls);
	close(g->socket.fd);
	k->running++;
	k->served = true;
	keep_update_door(k);
	return 1;
}

static int keep_wait(const struct keep *k, struct err *e)
{
	struct pollfd fds[2] = {
		{ .fd = door_fd(k->door), .events = POLLIN },
		{ .fd = k->signal_fd, .events = POLLIN },
	};
	uint64_t due_ms = door_due(k->door);

	if (!k->served)
		due_ms = clock_earlier(due_ms, k->wait_ms);
	if (poll(fds, 2, clock_poll_ms(due_ms)) < 0 && errno != EINTR)
		return err_set(e, ERR_BUG, errno, "poll");
	if (!k->served && clock_now_ms() >= k->wait_ms)
		return err_set(e, ERR_NET, 0,
			       "nobody came within the time of --wait");
	return 0;
}

static int keep_end(const struct keep *k, struct err *e)
{
	if (!k->aborts)
		return 0;
	stop_note(k->stop_sig);
	return stop_check(e);
}

int keep_run(struct keep *k, struct err *e)
{
	struct door_guest guest;
	int ret;

	for (;;) {
		keep_take_signals(k);
		if (k->stop_sig && !k->running)
			return keep_end(k, e);
		while (door_step(k->door, &guest))
			if ((ret = keep_begin(k, &guest, e)) <= 0)
				return ret;
		if (keep_wait(k, e) < 0)
			return -1;
	}
}

static int keep_catch_signals(struct keep *k, struct err *e)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1,
				       SIGCHLD };
	struct sigaction old;
	sigset_t mask;

	sigemptyset(&mask);
	/* SIGINT is ignored by what a script has in the background. */
	for (size_t i = 0; i < array_len(signals); i++)
		if (sigaction(signals[i], NULL, &old) == 0 &&
		    (old.sa_handler != SIG_IGN || signals[i] != SIGINT))
			sigaddset(&mask, signals[i]);
	sigprocmask(SIG_BLOCK, &mask, &k->old_mask);
	k->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (k->signal_fd < 0)
		return err_set(e, ERR_BUG, errno, "signalfd");
	return 0;
}

struct keep *keep_new(struct setup *setup, struct net_listener *l,
		      struct err *e)
{
	const struct opts *o = setup->link.o;
	struct keep *k = calloc(1, sizeof *k);
	struct door_params door = { .listener = l,
				    .cred = setup->cred,
				    .password = setup->link.password,
				    .modes = &setup->modes,
				    .ktls = setup->link.ktls,
				    .role = link_frame_role(o),
				    .allow_self = o->allow_self,
				    .handshake_ms = o->handshake_ms,
				    .claim = keep_claim,
				    .claim_arg = k };

	if (!k) {
		err_set(e, ERR_BUG, 0, "out of memory");
		return NULL;
	}
	k->setup = setup;
	k->listener = l;
	k->wait_ms = clock_deadline(o->wait_ms);
	k->door = door_open(&door, e);
	if (!k->door) {
		free(k);
		return NULL;
	}
	if (keep_catch_signals(k, e) < 0) {
		keep_free(k);
		return NULL;
	}
	return k;
}

void keep_free(struct keep *k)
{
	if (!k)
		return;
	if (k->signal_fd >= 0) {
		close(k->signal_fd);
		sigprocmask(SIG_SETMASK, &k->old_mask, NULL);
	}
	net_listener_close(&k->handed);
	door_close(k->door);
	free(k);
}
