// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/serve.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/order.h"
#include "base/notify.h"
#include "base/signals.h"
#include "cli/serve_log.h"
#include "cli/serve_status.h"
#include "conn/acceptor.h"
#include "conn/pass.h"
#include "conn/session_server.h"
#include "stream/stream.h"

enum {
	STREAMS_MAX = 16,
	NAMED_MAX = 64, /* streams with a name, also the suspended ones */
	/* With those that were told to end */
	PROCESSES_MAX = 2 * STREAMS_MAX + NAMED_MAX,
	PER_CLIENT = 4, /* streams, if each client has a name of its own */
	ALONE_MS = 500, /* without a connection, then a stream may be evicted */
	LAST_WORD_MS = 1000, /* how long the last message waits for a reader */
};

/* A running stream, as the listener knows it */
struct serve_stream {
	pid_t pid; /* 0: the place is free */
	int fd; /* takes its connections, tells whether it has one */
	bool silent; /* it closed its end */
	bool gives_way; /* it was told to end, and its place is taken */
	bool logged; /* not one too many of its client */
	uint64_t alone_since_ms; /* without a connection; 0: it has one */
	char identity[KEY_IDENTITY_MAX + 1]; /* "": counted by source */
	struct pending_stream stream; /* what its peer has to show */
	uint8_t id[FRAME_ID_BYTES];
	struct key *ticket; /* of this place, in serve->tickets */
	bool named; /* another process can restart it */
	uint8_t stream_name[FRAME_NAME_BYTES];
	char owner[KEY_IDENTITY_MAX + 1]; /* identity of who can */
	/* Who is about to; its ticket is behind those of all places */
	bool restarts;
	uint8_t next_id[FRAME_ID_BYTES];
	uint32_t next_connection;
	struct net_source next_source;
	char name[SERVE_NAME_CHARS]; /* identity and address of its peer */
};

struct serve {
	struct setup *setup;
	struct net_listener *listener;
	int over; /* in a stream's process: its end of the pair; else -1 */
	struct acceptor *acceptor;
	int signal_fd;
	sigset_t old_mask;
	int stop_sig; /* the last one that asked us to end, or 0 */
	bool aborts; /* a second one came */
	bool served; /* a stream has begun */
	uint64_t wait_ms; /* deadline of --wait */
	struct serve_status status;
	struct serve_log log;
	struct serve_stream streams[PROCESSES_MAX];
	const struct pending_stream *returning[PROCESSES_MAX]; /* or NULL */
	struct key *tickets; /* secret_alloc(), two for each place */
};

/* Is there a stream in this place that was not told to end? */
static bool serve_runs(const struct serve_stream *s)
{
	return s->pid && !s->gives_way;
}

/* It waits for another process, and takes no place. */
static bool serve_is_suspended(const struct serve_stream *s)
{
	return serve_runs(s) && s->named && s->alone_since_ms;
}

/* The number of places that are taken */
static unsigned int serve_running(const struct serve *k)
{
	unsigned int running = 0;

	for (size_t i = 0; i < PROCESSES_MAX; i++)
		running += serve_runs(&k->streams[i]) &&
			   !serve_is_suspended(&k->streams[i]);
	return running;
}

static unsigned int serve_suspended(const struct serve *k)
{
	unsigned int suspended = 0;

	for (size_t i = 0; i < PROCESSES_MAX; i++)
		suspended += serve_is_suspended(&k->streams[i]);
	return suspended;
}

static unsigned int serve_named(const struct serve *k)
{
	unsigned int named = 0;

	for (size_t i = 0; i < PROCESSES_MAX; i++)
		named += serve_runs(&k->streams[i]) && k->streams[i].named;
	return named;
}

/* The ticket of the process that is about to restart the stream */
static struct key *serve_next_ticket(const struct serve *k,
				     const struct serve_stream *s)
{
	return &k->tickets[PROCESSES_MAX + (size_t)(s - k->streams)];
}

/* It has restarted the stream, or not. */
static void serve_restarted(struct serve *k, struct serve_stream *s, bool did)
{
	struct key *next = serve_next_ticket(k, s);

	if (did && s->restarts) {
		credential_dismiss(k->setup->cred, s->ticket);
		*s->ticket = *next;
		credential_admit(k->setup->cred, s->ticket);
		memcpy(s->id, s->next_id, sizeof s->id);
		s->stream.connection = s->next_connection;
		s->stream.source = s->next_source;
	}
	s->restarts = false;
	key_wipe(next);
}

static void serve_hear_news(struct serve *k, struct serve_stream *s,
			    enum pass_news news)
{
	switch (news) {
	case PASS_ALONE:
		s->alone_since_ms = clock_now_ms();
		break;
	case PASS_CONNECTED:
		s->alone_since_ms = 0;
		break;
	case PASS_RESTARTED:
	case PASS_REFUSED:
		serve_restarted(k, s, news == PASS_RESTARTED);
		break;
	}
}

static bool serve_is_empty(const struct serve *k)
{
	for (size_t i = 0; i < PROCESSES_MAX; i++)
		if (k->streams[i].pid)
			return false;
	return true;
}

/* Hear from the streams' processes whether they have a connection. */
static void serve_hear(struct serve *k)
{
	for (size_t i = 0; i < PROCESSES_MAX; i++) {
		struct serve_stream *s = &k->streams[i];
		enum pass_news news;

		while (s->pid && pass_told(s->fd, &news))
			serve_hear_news(k, s, news);
	}
}

/*
 * The name that a client's streams are counted by.  "": clients have no names,
 * because they may share a key; then they are counted by source.
 */
static const char *serve_client(const struct serve *k,
				const struct tls_agreed *agreed)
{
	const struct options *o = k->setup->o;

	return o->keys || o->cert ? session_identity(&k->setup->session, agreed)
				  : "";
}

static bool serve_is_of(const struct serve_stream *s, const char *identity,
			const struct net_source *source)
{
	return !strcmp(s->identity, identity) &&
	       (*identity || net_source_same(&s->stream.source, source));
}

/* The number of a client's streams, even of those without a connection */
static uint64_t serve_count(const struct serve *k, const char *identity,
			    const struct net_source *source)
{
	uint64_t count = 0;

	for (size_t i = 0; i < PROCESSES_MAX; i++)
		count += serve_runs(&k->streams[i]) &&
			 serve_is_of(&k->streams[i], identity, source);
	return count;
}

static uint64_t serve_limit(const struct serve *k)
{
	const struct options *o = k->setup->o;

	if (o->per_client)
		return o->per_client;
	return o->keys || o->cert ? PER_CLIENT : UINT64_MAX;
}

/*
 * Pick the stream to evict for a new stream of this client when all places are
 * taken: of the streams without a connection, one of the client's own if there
 * is one, and the one that lost its connection first.  NULL: none; or it lost
 * it just now and may reconnect.
 */
static struct serve_stream *serve_pick(struct serve *k, const char *identity,
				       const struct net_source *source)
{
	uint64_t now = clock_now_ms();
	struct serve_stream *pick = NULL;
	bool pick_is_own = false;

	for (size_t i = 0; i < PROCESSES_MAX; i++) {
		struct serve_stream *s = &k->streams[i];
		bool own = serve_is_of(s, identity, source);

		if (!serve_runs(s) || !s->alone_since_ms || s->named)
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

/* A free place for a process; NULL: none */
static struct serve_stream *serve_place(struct serve *k)
{
	for (size_t i = 0; i < PROCESSES_MAX; i++)
		if (!k->streams[i].pid)
			return &k->streams[i];
	return NULL;
}

static int serve_admit(void *arg, const struct tls_agreed *agreed,
		       const struct net_source *source, struct err *e)
{
	struct serve *k = arg;
	const char *identity = serve_client(k, agreed);

	if (k->stop_sig)
		return err_set(e, ERR_AUTH, 0, "no new streams");
	if (serve_count(k, identity, source) >= serve_limit(k))
		return err_set(e, ERR_AUTH, 0,
			       "this client has %" PRIu64
			       " streams already (--per-client)",
			       serve_limit(k));
	serve_hear(k);
	if (!serve_place(k) || (serve_running(k) >= STREAMS_MAX &&
				!serve_pick(k, identity, source)))
		return err_set(e, ERR_AUTH, 0,
			       "busy: all %d streams are in use", STREAMS_MAX);
	return 0;
}

/* Its peer cannot come back, and its ticket lets nobody in. */
static void serve_forget(struct serve *k, struct serve_stream *s)
{
	k->returning[s - k->streams] = NULL;
	if (k->setup->cred)
		credential_dismiss(k->setup->cred, s->ticket);
	key_wipe(s->ticket);
	key_wipe(serve_next_ticket(k, s));
}

static void serve_signal(const struct serve_stream *s, int sig)
{
	const struct order order = { .kind = ORDER_SIGNAL,
				     .pid = s->pid,
				     .number = sig };
	struct order_answer ignored;
	struct err e = { 0 };

	if (!order_possible())
		kill(s->pid, sig);
	else if (order_ask(&order, -1, &ignored, &e) < 0)
		log_debug("%s: %s", s->name, e.msg);
}

/* Evict a stream, because another one needs its place. */
static void serve_evict(struct serve *k, struct serve_stream *s,
			const char *name)
{
	if (s->logged)
		log_notice("%s: gives its place to %s: it has been without a "
			   "connection for %" PRIu64
			   " s, and all %d places are taken",
			   s->name, name,
			   (clock_now_ms() - s->alone_since_ms) / 1000,
			   STREAMS_MAX);
	s->gives_way = true;
	serve_forget(k, s);
	serve_signal(s, SIGTERM);
}

/* The stream whose peer, or another process of it, comes again */
static struct serve_stream *serve_find(struct serve *k,
				       const struct accepted_peer *g)
{
	for (size_t i = 0; i < PROCESSES_MAX; i++) {
		struct serve_stream *s = &k->streams[i];

		if (!k->returning[i])
			continue;
		if (g->restarts
			    ? s->named &&
				      !memcmp(s->stream_name, g->stream_name,
					      sizeof s->stream_name) &&
				      !strcmp(s->owner,
					      channel_agreed(g->channel)->name)
			    : !memcmp(s->id, g->hello.stream, sizeof s->id))
			return s;
	}
	return NULL;
}

/* A suspended stream takes a place again when its sender comes. */
static bool serve_has_place(struct serve *k, const struct serve_stream *s,
			    const struct accepted_peer *g)
{
	struct serve_stream *pick;

	serve_hear(k);
	if (!serve_is_suspended(s) || serve_running(k) < STREAMS_MAX)
		return true;
	pick = serve_pick(k, s->identity, &g->source);
	if (pick)
		serve_evict(k, pick, s->name);
	return pick;
}

/*
 * Another process restarts the stream: prepare its ticket, which counts once
 * the stream's process has accepted it.
 */
static int serve_prepare_restart(struct serve *k, struct serve_stream *s,
				 struct accepted_peer *g)
{
	struct err e = { 0 };

	if (session_server_draw(g->handle, &e) < 0) {
		log_notice("%s", e.msg);
		return -1;
	}
	session_ticket(serve_next_ticket(k, s), channel_agreed(g->channel),
		       g->handle);
	memcpy(s->next_id, g->hello.stream, sizeof s->next_id);
	s->next_connection = g->hello.connection;
	s->next_source = g->source;
	s->restarts = true;
	return 0;
}

/* The peer of a running stream comes again: pass it to the stream's process. */
static void serve_pass(struct serve *k, struct accepted_peer *g)
{
	struct serve_stream *s = serve_find(k, g);

	assert(s); /* or it would not return */
	if (!serve_has_place(k, s, g) || (g->restarts && s->restarts) ||
	    (g->restarts && serve_prepare_restart(k, s, g) < 0)) {
		acceptor_refuse_accepted(g, FRAME_REFUSED_BUSY);
		return;
	}
	if (pass_send(s->fd, g) < 0) {
		bool gone = errno == EPIPE || errno == ECONNRESET;

		log_debug("%s: cannot pass a connection on: %s", s->name,
			  strerror(errno));
		if (g->restarts)
			serve_restarted(k, s, false);
		acceptor_refuse_accepted(g, gone && !g->restarts
						    ? FRAME_REFUSED_STREAM
						    : FRAME_REFUSED_BUSY);
		return;
	}
	log_debug("%s: one more connection", s->name);
	if (!g->restarts) {
		s->stream.connection = g->hello.connection;
		s->stream.source = g->source;
	}
	channel_free(g->channel);
	close(g->socket.fd);
}

/* The launcher may open the file, and knows its name. */
static int serve_open_keys(const char *path, struct err *e)
{
	const struct order open_keys = { .kind = ORDER_KEYS };
	struct order_answer answer;

	if (!order_possible())
		return key_list_open(path, e);
	return order_ask(&open_keys, -1, &answer, e) < 0 ? -1 : answer.fds[0];
}

static void serve_reread(struct serve *k)
{
	const char *path = k->setup->o->keys;
	struct err e = { 0 };
	struct key_list *keys;
	autoclose int fd = -1;

	if (!path) {
		log_notice("no --keys file to read again");
		return;
	}
	fd = serve_open_keys(path, &e);
	keys = fd < 0 ? NULL : key_list_read_from(path, fd, &e);
	secret_scrub_stack();
	if (!keys) {
		log_error("%s; keeping the previous keys", e.msg);
		return;
	}
	log_notice("keys file %s: %zu keys are now in use", path,
		   key_list_count(keys));
	credential_set_keys(k->setup->cred, keys);
}

/* On SIGHUP; systemd waits for the end of it. */
static void serve_reload(struct serve *k)
{
	notify_reloading();
	serve_reread(k);
	notify_ready();
}

static void serve_signal_streams(const struct serve *k, int sig)
{
	for (size_t i = 0; i < PROCESSES_MAX; i++)
		if (k->streams[i].pid)
			serve_signal(&k->streams[i], sig);
}

/* A suspended stream is finished, too, if its sender comes in time. */
static void serve_log_stop(const struct serve *k)
{
	unsigned int suspended = serve_suspended(k);
	char more[64] = "";

	if (suspended)
		snprintf(more, sizeof more,
			 ", and %u suspended, whose senders may come",
			 suspended);
	log_notice("signal %d (%s): no new streams; finishing %u%s (a second "
		   "signal aborts them)",
		   k->stop_sig, strsignal(k->stop_sig), serve_running(k), more);
}

static void serve_stop(struct serve *k, int sig)
{
	k->aborts = k->stop_sig;
	k->stop_sig = sig;
	notify_stopping();
	k->status.due_ms = 0;
	if (k->aborts) {
		log_notice("signal %d (%s): aborting all streams", sig,
			   strsignal(sig));
		serve_signal_streams(k, SIGTERM);
	} else {
		serve_log_stop(k);
	}
}

/* A stream's process logs its own failure, unless it was killed. */
static void serve_ended(struct serve *k, struct serve_stream *s, int wstatus)
{
	int sig = WIFSIGNALED(wstatus) ? WTERMSIG(wstatus) : 0;

	if (sig && sig != SIGTERM && sig != SIGINT)
		log_notice("%s: this stream's process was killed by signal %d "
			   "(%s)",
			   s->name, sig, strsignal(sig));
	else
		log_debug("%s: this stream's process has ended", s->name);
	close(s->fd);
	serve_status_end(&k->status, (size_t)(s - k->streams));
	if (serve_runs(s))
		serve_forget(k, s);
	s->pid = 0;
}

static void serve_reap(struct serve *k)
{
	int wstatus;

	for (size_t i = 0; i < PROCESSES_MAX; i++) {
		struct serve_stream *s = &k->streams[i];

		if (s->pid && waitpid(s->pid, &wstatus, WNOHANG) == s->pid)
			serve_ended(k, s, wstatus);
	}
}

static void serve_take_signals(struct serve *k)
{
	struct signalfd_siginfo info;

	while (read(k->signal_fd, &info, sizeof info) == sizeof info) {
		switch (info.ssi_signo) {
		case SIGCHLD:
			serve_reap(k);
			break;
		case SIGHUP:
			serve_reload(k);
			break;
		case SIGUSR1:
			serve_signal_streams(k, SIGUSR1);
			break;
		default:
			serve_stop(k, (int)info.ssi_signo);
		}
	}
}

/* Only a process that the launcher knows can be signalled. */
static void serve_register(void)
{
	const struct order stream = { .kind = ORDER_REGISTER };
	struct order_answer ignored;
	struct err e = { 0 };

	if (order_possible() && order_ask(&stream, -1, &ignored, &e) < 0)
		log_debug("%s", e.msg);
}

/* In a stream's new process: drop everything of the other streams. */
static void serve_child_init(struct serve *k, int fd)
{
	for (size_t i = 0; i < PROCESSES_MAX; i++)
		if (k->streams[i].pid)
			close(k->streams[i].fd);
	serve_register();
	acceptor_leave(k->acceptor);
	k->acceptor = NULL;
	net_listener_close(k->listener);
	notify_after_fork();
	close(steal_fd(&k->signal_fd));
	k->over = fd;
	/* ^C and SIGHUP are for our parent, which lets us finish. */
	setpgid(0, 0);
	signal(SIGHUP, SIG_IGN);
	/* Messages from the background must not stop us (stty tostop). */
	signal(SIGTTOU, SIG_IGN);
	sigprocmask(SIG_SETMASK, &k->old_mask, NULL);
}

static int serve_stream(struct serve *k, struct accepted_peer *g,
			const uint8_t *handle, bool logged, struct err *e)
{
	struct setup *setup = k->setup;
	struct stats *stats = &setup->stats;
	struct session *session;
	int ret = -1;

	if (!logged)
		log_set_level(LOG_QUIET);
	stats_start(stats);
	/* No handshake comes here, and no child inherits the password. */
	setup->session.password = NULL;
	if (setup->cred)
		credential_forget(setup->cred);
	session = session_server_take(&setup->session, k->over, g, handle, e);
	if (session)
		ret = stream_run(session, &setup->stream, stats, e);
	session_free(session);
	setup_write_stats(setup, ret < 0 ? e : NULL);
	log_set_patience(LAST_WORD_MS);
	if (ret == 0)
		log_notice("delivered, %" PRIu64 " bytes", stats->bytes);
	else
		err_append(e, " (%" PRIu64 " bytes, exit status %d)",
			   stats->bytes, signals_exit_status((int)e->kind));
	if (!logged)
		log_set_level(LOG_SILENT);
	return ret;
}

/* Fork, and connect both by sockets.  Returns as fork(2); *fd is our end. */
static pid_t serve_fork(int *fd)
{
	int ends[2];
	pid_t pid;

	if (pass_open(ends) < 0)
		return -1;
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

static void serve_name(const struct serve *k, const struct accepted_peer *g,
		       char name[SERVE_NAME_CHARS])
{
	const char *identity = session_identity(&k->setup->session,
						channel_agreed(g->channel));

	snprintf(name, SERVE_NAME_CHARS, "%s%s%s", identity,
		 *identity ? " " : "", g->name);
}

/* In the listener's process: note the stream that has begun in this place. */
static void serve_note(struct serve *k, struct serve_stream *s,
		       const struct accepted_peer *g, const uint8_t *handle)
{
	const struct tls_agreed *agreed = channel_agreed(g->channel);
	size_t i = (size_t)(s - k->streams);

	memcpy(s->id, g->hello.stream, sizeof s->id);
	s->stream = (struct pending_stream){ .resumes = true,
					     .id = s->id,
					     .connection = g->hello.connection,
					     .source = g->source };
	s->ticket = &k->tickets[i];
	if (k->setup->cred) {
		session_ticket(s->ticket, agreed, handle);
		s->stream.ticket = s->ticket;
		credential_admit(k->setup->cred, s->ticket);
	}
	s->named = g->hello.flags & FRAME_HELLO_NAMED;
	if (s->named) {
		memcpy(s->stream_name, g->stream_name, sizeof s->stream_name);
		snprintf(s->owner, sizeof s->owner, "%s", agreed->name);
		s->stream.name = s->stream_name;
		s->stream.identity = s->owner;
	}
	k->returning[i] = &s->stream;
	k->served = true;
}

/*
 * Begin a stream with an accepted peer.  Returns 1 in the listener's process,
 * and in the stream's process the outcome of the stream, 0 or -1.
 */
static int serve_begin(struct serve *k, struct accepted_peer *g, struct err *e)
{
	const char *identity = serve_client(k, channel_agreed(g->channel));
	struct serve_stream *s = serve_place(k);
	uint8_t handle[FRAME_ID_BYTES];
	char name[SERVE_NAME_CHARS];
	bool drawn, logged;
	pid_t pid;
	int fd;

	assert(s); /* serve_admit() made sure */
	serve_name(k, g, name);
	logged = serve_log_may(&k->log, identity, &g->source, name);
	if ((g->hello.flags & FRAME_HELLO_NAMED) &&
	    serve_named(k) == NAMED_MAX) {
		if (logged)
			log_notice("refused %s: %d streams have names already",
				   name, NAMED_MAX);
		acceptor_refuse_accepted(g, FRAME_REFUSED_BUSY);
		return 1;
	}
	if (serve_running(k) >= STREAMS_MAX) {
		struct serve_stream *pick = serve_pick(k, identity, &g->source);

		assert(pick); /* so did it here */
		serve_evict(k, pick, name);
	}
	drawn = session_server_draw(handle, e) == 0;
	pid = drawn ? serve_fork(&fd) : -1;
	if (pid < 0) {
		if (drawn)
			err_call(e, ERR_NET, "clone and socketpair",
				 "%s: cannot start a stream", name);
		acceptor_refuse_accepted(g, FRAME_REFUSED_BUSY);
		/* No stream can ever start. */
		if (err_refuses(e->num))
			return -1;
		if (logged)
			log_notice("%s", e->msg);
		*e = (struct err){ 0 };
		return 1;
	}
	if (pid == 0) {
		k->setup->stream.counter = serve_status_counter(
			&k->status, (size_t)(s - k->streams));
		log_after_fork();
		log_set_subject(name);
		serve_child_init(k, fd);
		return serve_stream(k, g, handle, logged, e);
	}
	*s = (struct serve_stream){ .pid = pid, .fd = fd, .logged = logged };
	snprintf(s->identity, sizeof s->identity, "%s", identity);
	memcpy(s->name, name, sizeof name);
	serve_note(k, s, g, handle);
	/* This sends nothing: the other process has it now. */
	channel_free(g->channel);
	close(g->socket.fd);
	return 1;
}

/* What to poll; -1: nothing */
static int serve_poll_fd(const struct serve_stream *s)
{
	return s->pid && !s->silent ? s->fd : -1;
}

static int serve_wait(struct serve *k, struct err *e)
{
	struct pollfd fds[PROCESSES_MAX + 2] = {
		{ .fd = acceptor_fd(k->acceptor), .events = POLLIN },
		{ .fd = k->signal_fd, .events = POLLIN },
	};
	uint64_t due_ms = acceptor_due(k->acceptor);

	for (size_t i = 0; i < PROCESSES_MAX; i++)
		fds[i + 2] =
			(struct pollfd){ .fd = serve_poll_fd(&k->streams[i]),
					 .events = POLLIN };

	if (!k->served)
		due_ms = clock_earlier(due_ms, k->wait_ms);
	due_ms = clock_earlier(due_ms, k->status.due_ms);
	due_ms = clock_earlier(due_ms, notify_due());
	if (poll(fds, array_len(fds), clock_poll_ms(due_ms)) < 0 &&
	    errno != EINTR)
		return err_call(e, ERR_NET, "poll", "cannot wait");
	for (size_t i = 0; i < PROCESSES_MAX; i++)
		k->streams[i].silent |= fds[i + 2].revents & POLLHUP;
	serve_hear(k);
	if (!k->served && clock_now_ms() >= k->wait_ms)
		return err_set(e, ERR_NET, 0,
			       "no peer connected within --wait");
	return 0;
}

static int serve_end(const struct serve *k, struct err *e)
{
	if (!k->aborts)
		return 0;
	signals_note(k->stop_sig);
	return signals_check(e);
}

int serve_run(struct serve *k, struct err *e)
{
	struct accepted_peer accepted;
	int ret;

	for (;;) {
		serve_take_signals(k);
		if (k->stop_sig && serve_is_empty(k))
			return serve_end(k, e);
		while (acceptor_step(k->acceptor, &accepted))
			if (accepted.returns)
				serve_pass(k, &accepted);
			else if ((ret = serve_begin(k, &accepted, e)) <= 0)
				return ret;
		serve_status_tick(&k->status, serve_running(k),
				  serve_suspended(k), k->stop_sig);
		notify_tick();
		if (acceptor_check(k->acceptor, e) < 0 || serve_wait(k, e) < 0)
			return -1;
	}
}

static int serve_catch_signals(struct serve *k, struct err *e)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1,
				       SIGCHLD };
	struct sigaction old;
	sigset_t mask;

	sigemptyset(&mask);
	/* A script's background processes ignore SIGINT: leave it so. */
	for (size_t i = 0; i < array_len(signals); i++)
		if (sigaction(signals[i], NULL, &old) == 0 &&
		    (old.sa_handler != SIG_IGN || signals[i] != SIGINT))
			sigaddset(&mask, signals[i]);
	/* Block them last: if this fails, they still end us. */
	k->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (k->signal_fd < 0)
		return err_call(e, ERR_NET, "signalfd4",
				"cannot wait for signals");
	sigprocmask(SIG_BLOCK, &mask, &k->old_mask);
	return 0;
}

/* Without these calls, places would be lost or no stream could resume. */
static int serve_check_calls(struct err *e)
{
	/* We have no child yet. */
	if (waitpid(-1, NULL, WNOHANG) < 0 && err_refuses(errno))
		return err_call(e, ERR_NET, "wait4",
				"cannot wait for the processes of streams");
	return pass_check(e);
}

struct serve *serve_new(struct setup *setup, struct net_listener *l,
			struct err *e)
{
	const struct options *o = setup->o;
	struct serve *k = calloc(1, sizeof *k);
	struct acceptor_params acceptor = { .listener = l,
					    .cred = setup->cred,
					    .password = setup->session.password,
					    .modes = &setup->modes,
					    .ktls = setup->session.ktls,
					    .role = session_frame_role(
						    setup->session.config),
					    .allow_self = o->allow_self,
					    .names = setup->connections.names,
					    .handshake_ms = o->handshake_ms,
					    .admit = serve_admit,
					    .admit_arg = k };

	if (k)
		k->tickets =
			secret_alloc(2 * PROCESSES_MAX * sizeof *k->tickets);
	if (!k || !k->tickets) {
		err_memory(e);
		free(k);
		return NULL;
	}
	k->over = -1;
	k->signal_fd = -1;
	acceptor.streams = k->returning;
	acceptor.stream_count = PROCESSES_MAX;
	k->setup = setup;
	k->listener = l;
	k->wait_ms = clock_deadline(o->wait_ms);
	serve_status_init(&k->status, PROCESSES_MAX);
	k->acceptor = acceptor_open(&acceptor, e);
	if (!k->acceptor || serve_catch_signals(k, e) < 0 ||
	    serve_check_calls(e) < 0) {
		serve_free(k);
		return NULL;
	}
	return k;
}

void serve_free(struct serve *k)
{
	if (!k)
		return;
	if (k->signal_fd >= 0) {
		close(k->signal_fd);
		sigprocmask(SIG_SETMASK, &k->old_mask, NULL);
	}
	if (k->over >= 0)
		close(k->over);
	if (k->acceptor) /* not in a stream's process */
		serve_log_end(&k->log);
	acceptor_close(k->acceptor);
	serve_status_fini(&k->status);
	secret_free(k->tickets, 2 * PROCESSES_MAX * sizeof *k->tickets);
	free(k);
}
