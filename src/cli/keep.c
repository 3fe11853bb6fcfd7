// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/keep.h"

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

#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"
#include "conn/door.h"
#include "conn/link_door.h"
#include "conn/peek.h"
#include "stream/stream.h"

enum {
	STREAMS_MAX = 16,
	PROCESSES_MAX = 2 * STREAMS_MAX, /* with those that have to end */
	PER_CLIENT = 4, /* streams, where each client has a name of its own */
	ALONE_MS = 500, /* without a connection, before a stream gives way */
	LAST_WORD_MS = 1000, /* how a stream ended waits so long to be read */
	QUEUE_BYTES = 16384, /* some ten connections on their way to a stream */
	NAME_MAX_CHARS = KEY_IDENTITY_MAX + 1 + NET_NAME_MAX,
};

/* A stream that runs, as its parent knows it. */
struct keep_stream {
	pid_t pid; /* 0: the place is free */
	int fd; /* its connections go there; it tells whether it has one */
	bool silent; /* it has closed its end */
	bool gives_way; /* it was told to end, and has no place any more */
	uint64_t alone_since_ms; /* without a connection; 0: it has one */
	char identity[KEY_IDENTITY_MAX + 1]; /* "": its source counts */
	struct net_source source;
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
	unsigned int running; /* streams that have a place */
	struct keep_stream streams[PROCESSES_MAX];
};

/* Is there a process in this place, whose stream is to go on? */
static bool keep_runs(const struct keep_stream *s)
{
	return s->pid && !s->gives_way;
}

static bool keep_is_empty(const struct keep *k)
{
	for (size_t i = 0; i < PROCESSES_MAX; i++)
		if (k->streams[i].pid)
			return false;
	return true;
}

/* What the processes of the streams have told. */
static void keep_hear(struct keep *k)
{
	for (size_t i = 0; i < PROCESSES_MAX; i++) {
		struct keep_stream *s = &k->streams[i];
		bool connected;

		if (s->pid && net_told(s->fd, &connected))
			s->alone_since_ms = connected ? 0 : clock_now_ms();
	}
}

/*
 * The name that a client's streams are counted by.  "": it has none of its own,
 * because many may have the same key; then its source counts.
 */
static const char *keep_client(const struct keep *k, const struct tls *t)
{
	const struct opts *o = k->setup->o;

	return o->keys || o->cert ? link_identity(&k->setup->link, t) : "";
}

static bool keep_is_of(const struct keep_stream *s, const char *identity,
		       const struct net_source *source)
{
	return !strcmp(s->identity, identity) &&
	       (*identity || net_source_same(&s->source, source));
}

/* The streams of a client, those without a connection included. */
static uint64_t keep_count(const struct keep *k, const char *identity,
			   const struct net_source *source)
{
	uint64_t count = 0;

	for (size_t i = 0; i < PROCESSES_MAX; i++)
		count += keep_runs(&k->streams[i]) &&
			 keep_is_of(&k->streams[i], identity, source);
	return count;
}

static uint64_t keep_limit(const struct keep *k)
{
	const struct opts *o = k->setup->o;

	if (o->per_client)
		return o->per_client;
	return o->keys || o->cert ? PER_CLIENT : UINT64_MAX;
}

/*
 * Which stream gives way to a new one of this client, when all places are taken?
 * Of those without a connection one of its own, or else any: the one that has been
 * so for the longest.  NULL: none, or that one may be about to be back.
 */
static struct keep_stream *keep_pick(struct keep *k, const char *identity,
				     const struct net_source *source)
{
	uint64_t now = clock_now_ms();
	struct keep_stream *pick = NULL;
	bool pick_is_own = false;

	for (size_t i = 0; i < PROCESSES_MAX; i++) {
		struct keep_stream *s = &k->streams[i];
		bool own = keep_is_of(s, identity, source);

		if (!keep_runs(s) || !s->alone_since_ms)
			continue;
		if (!pick || own > pick_is_own ||
		    (own == pick_is_own &&
		     s->alone_since_ms < pick->alone_since_ms)) {
			pick = s;
			pick_is_own = own;
		}
	}
	return pick && now >= pick->alone_since_ms + ALONE_MS ? pick : NULL;
}

/* A place for another process; NULL: none. */
static struct keep_stream *keep_place(struct keep *k)
{
	for (size_t i = 0; i < PROCESSES_MAX; i++)
		if (!k->streams[i].pid)
			return &k->streams[i];
	return NULL;
}

static int keep_admit(void *arg, const struct tls *t,
		      const struct net_source *source, struct err *e)
{
	struct keep *k = arg;
	const char *identity = keep_client(k, t);

	if (k->stop_sig)
		return err_set(e, ERR_AUTH, 0, "no new streams");
	if (keep_count(k, identity, source) >= keep_limit(k))
		return err_set(e, ERR_AUTH, 0,
			       "this client has %" PRIu64
			       " streams already (--per-client)",
			       keep_limit(k));
	keep_hear(k);
	if (!keep_place(k) ||
	    (k->running == STREAMS_MAX && !keep_pick(k, identity, source)))
		return err_set(e, ERR_AUTH, 0,
			       "busy: all %d places for streams are taken",
			       STREAMS_MAX);
	return 0;
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
	for (size_t i = 0; result == PEEK_FOUND && i < PROCESSES_MAX; i++) {
		struct keep_stream *s = &k->streams[i];

		if (keep_runs(s) && (tls ? !strcmp(name, s->handle)
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
	const char *path = k->setup->o->keys;
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
	secret_scrub_stack();
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
	for (size_t i = 0; i < PROCESSES_MAX; i++)
		if (k->streams[i].pid)
			kill(k->streams[i].pid, sig);
}

static void keep_stop(struct keep *k, int sig)
{
	k->aborts = k->stop_sig;
	k->stop_sig = sig;
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
	k->running -= keep_runs(s);
	s->pid = 0;
}

static void keep_reap(struct keep *k)
{
	int wstatus;

	for (size_t i = 0; i < PROCESSES_MAX; i++) {
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
	for (size_t i = 0; i < PROCESSES_MAX; i++)
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
	/* Who comes back has a ticket; our parent's password is not here. */
	setup->link.password = NULL;
	link = link_door_take(&setup->link, &k->handed, g, handle, e);
	if (link && setup->cred)
		cred_forget(setup->cred);
	if (link)
		ret = stream_run(link, &setup->stream, stats, e);
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

/* One stream ends, because a new one needs its place. */
static void keep_evict(struct keep *k, const char *identity,
		       const struct net_source *source, const char *name)
{
	struct keep_stream *s = keep_pick(k, identity, source);

	assert(s);
	log_notice(
		"%s: gives its place to %s: it has been without a connection "
		"for %" PRIu64 " s, and all %d places are taken",
		s->name, name, (clock_now_ms() - s->alone_since_ms) / 1000,
		STREAMS_MAX);
	s->gives_way = true;
	k->running--;
	kill(s->pid, SIGTERM);
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
	const char *identity = keep_client(k, g->tls);
	struct keep_stream *s = keep_place(k);
	uint8_t handle[FRAME_ID_BYTES];
	char name[NAME_MAX_CHARS];
	pid_t pid;
	int fd;

	assert(s); /* else it was not admitted */
	keep_name(k, g, name);
	if (k->running == STREAMS_MAX)
		keep_evict(k, identity, &g->source, name);
	pid = link_door_draw(handle, e) < 0 ? -1 : keep_fork(&fd);
	if (pid < 0) {
		err_call(e, ERR_NET, "clone and socketpair",
			 "%s: cannot begin a stream", name);
		door_turn_away(g, FRAME_REFUSED_BUSY);
		/* No stream can ever begin. */
		if (err_refuses(e->num))
			return -1;
		log_notice("%s", e->msg);
		*e = (struct err){ 0 };
		return 1;
	}
	if (pid == 0) {
		log_after_fork();
		log_set_subject(name);
		keep_leave(k, fd);
		return keep_stream(k, g, handle, e);
	}
	*s = (struct keep_stream){ .pid = pid, .fd = fd, .source = g->source };
	snprintf(s->identity, sizeof s->identity, "%s", identity);
	memcpy(s->id, g->hello.stream, sizeof s->id);
	link_hex(handle, s->handle);
	memcpy(s->name, name, sizeof name);
	/* Nothing goes over the wire: the session lives on over there. */
	tls_free(g->tls);
	close(g->socket.fd);
	k->running++;
	k->served = true;
	return 1;
}

/* -1: nothing comes from there */
static int keep_poll_fd(const struct keep_stream *s)
{
	return s->pid && !s->silent ? s->fd : -1;
}

static int keep_wait(struct keep *k, struct err *e)
{
	struct pollfd fds[PROCESSES_MAX + 2] = {
		{ .fd = door_fd(k->door), .events = POLLIN },
		{ .fd = k->signal_fd, .events = POLLIN },
	};
	uint64_t due_ms = door_due(k->door);

	for (size_t i = 0; i < PROCESSES_MAX; i++)
		fds[i + 2] =
			(struct pollfd){ .fd = keep_poll_fd(&k->streams[i]),
					 .events = POLLIN };

	if (!k->served)
		due_ms = clock_earlier(due_ms, k->wait_ms);
	if (poll(fds, array_len(fds), clock_poll_ms(due_ms)) < 0 &&
	    errno != EINTR)
		return err_call(e, ERR_NET, "poll", "cannot wait");
	for (size_t i = 0; i < PROCESSES_MAX; i++)
		k->streams[i].silent |= fds[i + 2].revents & POLLHUP;
	keep_hear(k);
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
		if (k->stop_sig && keep_is_empty(k))
			return keep_end(k, e);
		while (door_step(k->door, &guest))
			if ((ret = keep_begin(k, &guest, e)) <= 0)
				return ret;
		if (door_check(k->door, e) < 0 || keep_wait(k, e) < 0)
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
		return err_call(e, ERR_NET, "signalfd4",
				"cannot wait for signals");
	return 0;
}

/* Without these, places would be lost, or streams could not be resumed. */
static int keep_check_calls(struct err *e)
{
	/* There is no process of ours yet. */
	if (waitpid(-1, NULL, WNOHANG) < 0 && err_refuses(errno))
		return err_call(e, ERR_NET, "wait4",
				"cannot wait for the processes of streams");
	return net_check_pass(e);
}

struct keep *keep_new(struct setup *setup, struct net_listener *l,
		      struct err *e)
{
	const struct opts *o = setup->o;
	struct keep *k = calloc(1, sizeof *k);
	struct door_params door = { .listener = l,
				    .cred = setup->cred,
				    .password = setup->link.password,
				    .modes = &setup->modes,
				    .ktls = setup->link.ktls,
				    .role = link_frame_role(setup->link.config),
				    .allow_self = o->allow_self,
				    .handshake_ms = o->handshake_ms,
				    .claim = keep_claim,
				    .admit = keep_admit,
				    .callback_arg = k };

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
	if (keep_catch_signals(k, e) < 0 || keep_check_calls(e) < 0) {
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
