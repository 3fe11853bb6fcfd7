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
#include "base/confine.h"
#include "base/io.h"
#include "base/log.h"
#include "base/order.h"
#include "base/notify.h"
#include "base/signals.h"
#include "cli/serve_status.h"
#include "cli/served.h"
#include "conn/acceptor.h"
#include "conn/session_server.h"
#include "stream/stream.h"

enum { PER_CLIENT = 4 }; /* streams, if each client has a name of its own */

struct serve {
	struct setup *setup;
	struct net_listener *listener;
	int over; /* in a stream's process: its end of the pair; else -1 */
	struct pass_news *news; /* there: what the listener hears */
	struct acceptor *acceptor;
	int signal_fd;
	sigset_t old_mask;
	int stop_sig; /* the last one that asked us to end, or 0 */
	bool aborts; /* a second one came */
	bool orphaned; /* the launcher, which starts COMMAND, is lost */
	bool served; /* a stream has begun */
	uint64_t wait_ms; /* deadline of --wait */
	struct serve_status status;
	struct served table;
};

/*
 * The name under which a client's streams are counted.  "": clients have no
 * names, because they may share a key; then they are counted by source.
 */
static const char *serve_client(const struct serve *k,
				const struct tls_agreed *agreed)
{
	const struct options *o = k->setup->o;

	return o->keys || o->cert ? session_identity(&k->setup->session, agreed)
				  : "";
}

static uint64_t serve_limit(const struct serve *k)
{
	const struct options *o = k->setup->o;

	if (o->per_client)
		return o->per_client;
	return o->keys || o->cert ? PER_CLIENT : UINT64_MAX;
}

/* No new streams: we end with those that run. */
static bool serve_ends(const struct serve *k)
{
	return k->stop_sig || k->orphaned;
}

static int serve_admit(void *arg, const struct tls_agreed *agreed,
		       const struct net_address *source, struct err *e)
{
	struct serve *k = arg;
	const char *identity = serve_client(k, agreed);

	served_hear(&k->table);
	if (serve_ends(k))
		return err_set(e, ERR_AUTH, 0, "no new streams");
	if (served_count(&k->table, identity, source) >= serve_limit(k))
		return err_set(e, ERR_AUTH, 0,
			       "this client has %" PRIu64
			       " streams already (--per-client)",
			       serve_limit(k));
	if (!served_place(&k->table) ||
	    (served_numbers(&k->table).running >= SERVED_MAX &&
	     !served_pick(&k->table, identity, source)))
		return err_set(e, ERR_AUTH, 0,
			       "busy: all %d streams are in use", SERVED_MAX);
	return 0;
}

/* Evict a stream, because another one needs its place. */
static void serve_evict(struct serve *k, struct served_stream *s,
			const char *name)
{
	if (s->logged)
		log_notice("%s: gives its place to %s: it has been without a "
			   "connection for %" PRIu64
			   " s, and all %d places are taken",
			   s->name, name,
			   (clock_now_ms() - s->alone_since_ms) / 1000,
			   SERVED_MAX);
	s->gives_way = true;
	served_forget(&k->table, s);
	served_signal(s, SIGTERM);
}

/* Make room for one more stream of this client; false: there is none. */
static bool serve_make_room(struct serve *k, const char *identity,
			    const struct net_address *source, const char *name)
{
	struct served_stream *pick;

	if (served_numbers(&k->table).running < SERVED_MAX)
		return true;
	pick = served_pick(&k->table, identity, source);
	if (pick)
		serve_evict(k, pick, name);
	return pick;
}

/* A suspended stream takes a place again when its peer reconnects. */
static bool serve_has_place(struct serve *k, const struct served_stream *s,
			    const struct peer *g)
{
	served_hear(&k->table);
	return !served_is_suspended(s) ||
	       serve_make_room(k, s->identity, &g->source, s->name);
}

/* The peer of a running stream reconnects: pass it to the stream's process. */
static void serve_pass(struct serve *k, struct peer *g)
{
	struct served_stream *s = &k->table.streams[g->stream];

	assert(k->table.resumable[g->stream] == &s->stream);
	if (!serve_has_place(k, s, g) || (g->restarts && s->restarts) ||
	    (g->restarts && served_prepare_restart(&k->table, s, g) < 0)) {
		acceptor_refuse_accepted(g, FRAME_REFUSED_BUSY);
		return;
	}
	if (pass_send(s->fd, g) < 0) {
		bool gone = errno == EPIPE || errno == ECONNRESET;

		log_debug("%s: cannot pass a connection on: %s", s->name,
			  strerror(errno));
		if (g->restarts)
			served_restarted(&k->table, s, false);
		acceptor_refuse_accepted(g, gone && !g->restarts
						    ? FRAME_REFUSED_STREAM
						    : FRAME_REFUSED_BUSY);
		return;
	}
	if (!g->restarts) {
		s->stream.connection = g->hello.connection;
		s->stream.source = g->source;
	}
	pass_release(g);
	log_debug("%s: one more connection", s->name);
}

/* The launcher may open the file, and knows its name. */
static int serve_open_keys(const char *path, struct err *e)
{
	const struct order open_keys = { .kind = ORDER_KEYS };

	return order_possible() ? order_ask_fd(&open_keys, e)
				: key_list_open(path, e);
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
	keys = fd < 0 ? NULL : key_list_read(path, fd, &e);
	secret_scrub_stack();
	if (!keys) {
		log_error("%s; keeping the previous keys", e.msg);
		return;
	}
	log_notice("keys file %s: %zu keys are now in use", path,
		   key_list_count(keys));
	credential_set_keys(k->setup->cred, keys);
}

static void serve_signal_streams(struct serve *k, int sig)
{
	for (size_t i = 0; i < SERVED_PROCESSES_MAX; i++)
		if (k->table.streams[i].pid)
			served_signal(&k->table.streams[i], sig);
}

/* A suspended stream is finished, too, if its sender comes in time. */
static void serve_log_stop(const struct serve *k)
{
	const struct served_numbers n = served_numbers(&k->table);
	char more[64] = "", left[128] = "none is running";

	if (n.suspended)
		snprintf(more, sizeof more,
			 ", and %u suspended, which may continue", n.suspended);
	if (n.running || n.suspended)
		snprintf(left, sizeof left,
			 "finishing %u%s (a second signal aborts them)",
			 n.running, more);
	log_notice("signal %d (%s): no new streams; %s", k->stop_sig,
		   strsignal(k->stop_sig), left);
}

static void serve_stop(struct serve *k, int sig)
{
	k->aborts = k->stop_sig;
	k->stop_sig = sig;
	notify_set(NOTIFY_STOPPING);
	if (k->aborts && k->orphaned) {
		log_notice("signal %d (%s): the streams go on, because only "
			   "the launcher could abort them",
			   sig, strsignal(sig));
	} else if (k->aborts) {
		log_notice("signal %d (%s): aborting all streams", sig,
			   strsignal(sig));
		serve_signal_streams(k, SIGTERM);
	} else {
		serve_log_stop(k);
	}
}

/* No COMMAND can be started any more: let the streams that run finish. */
static void serve_lose_launcher(struct serve *k)
{
	k->orphaned = true;
	notify_set(NOTIFY_STOPPING);
	log_notice("the launcher was killed or is stopped: %s",
		   k->aborts ? "the streams go on, because only it could abort "
			       "them"
			     : "no new streams");
}

/* A stream's process logs its own failure, unless it was killed. */
static void serve_ended(struct serve *k, struct served_stream *s, int wstatus)
{
	int sig = WIFSIGNALED(wstatus) ? WTERMSIG(wstatus) : 0;

	if (sig && sig != SIGTERM)
		log_notice("%s: this stream's process was killed by signal %d "
			   "(%s)",
			   s->name, sig, strsignal(sig));
	else
		log_debug("%s: this stream's process has ended", s->name);
	served_end(&k->table, s);
}

static void serve_reap(struct serve *k)
{
	int wstatus;

	for (size_t i = 0; i < SERVED_PROCESSES_MAX; i++) {
		struct served_stream *s = &k->table.streams[i];

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
			/* systemd waits for the end of a reload. */
			notify_set(NOTIFY_RELOADING);
			serve_reread(k);
			notify_set(NOTIFY_READY);
			break;
		case SIGUSR1:
			serve_signal_streams(k, SIGUSR1);
			break;
		default:
			serve_stop(k, (int)info.ssi_signo);
		}
	}
}

/*
 * In a stream's new process: get a launcher of its own.  No byte of the stream
 * has been read yet.  From here on the listener's launcher can signal us.
 */
static int serve_change_launcher(const struct serve *k, const struct peer *g,
				 struct err *e)
{
	struct order launcher = { .kind = ORDER_STREAM_LAUNCHER };
	int fd;

	if (!order_possible())
		return 0;
	order_set_word(&launcher, ORDER_IDENTITY,
		       session_identity(&k->setup->session,
					record_layer_agreed(g->layer)));
	fd = order_ask_fd(&launcher, e);
	if (fd < 0)
		return -1;
	order_connect(fd, true);
	/* Only with a launcher: without one we fork for COMMAND. */
	if (confine_limit() < 0)
		log_debug("limits of this stream: %s", strerror(errno));
	return 0;
}

/* In a stream's new process: drop everything of the other streams. */
static void serve_child_init(struct serve *k)
{
	for (size_t i = 0; i < SERVED_PROCESSES_MAX; i++)
		if (k->table.streams[i].pid) {
			close(k->table.streams[i].fd);
			pass_news_free(k->table.streams[i].news);
		}
	acceptor_leave(k->acceptor);
	k->acceptor = NULL;
	net_listener_close(k->listener);
	notify_after_fork();
	attr_close(&k->signal_fd);
	/* ^C and SIGHUP are for our parent, which lets us finish. */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	setpgid(0, 0);
	/* Messages from the background must not stop us (stty tostop). */
	signal(SIGTTOU, SIG_IGN);
	sigprocmask(SIG_SETMASK, &k->old_mask, NULL);
}

static int serve_stream(struct serve *k, struct peer *g, const uint8_t *handle,
			enum served_logged logged, struct err *e)
{
	struct setup *setup = k->setup;
	struct stats *stats = &setup->stats;
	struct session *session = NULL;
	int ret;

	if (logged != SERVED_LOG_ALL)
		log_set_level(LOG_QUIET);
	stats_start(stats);
	/* No handshake comes here, and no child inherits the password. */
	setup->session.password = NULL;
	if (setup->cred)
		credential_forget(setup->cred);
	if (serve_change_launcher(k, g, e) == 0)
		session = session_server_take(&setup->session, k->over, k->news,
					      g, handle, e);
	else
		acceptor_refuse_accepted(g, FRAME_REFUSED_BUSY);
	ret = stream_run(session, &setup->stream, stats, e);
	setup_write_stats(setup, ret < 0 ? e : NULL);
	log_be_patient();
	if (ret == 0)
		log_notice("delivered, %" PRIu64 " bytes", stats->bytes);
	else
		err_append(e, " (%" PRIu64 " bytes, exit status %d)",
			   stats->bytes, signals_exit_status((int)e->kind));
	if (logged == SERVED_LOG_NOTHING)
		log_set_level(LOG_SILENT);
	return ret;
}

/* Fork, and connect both (pass.h).  Returns as fork(2); *fd is our end. */
static pid_t serve_fork(const char *name, int *fd, struct pass_news **news,
			struct err *e)
{
	autoclose_pair int ends[2] = { -1, -1 };
	bool opened = pass_open(ends, news) == 0;
	pid_t pid = opened ? fork() : -1;

	if (pid < 0) {
		err_call(e, ERR_NET, "clone, mmap and socketpair",
			 "%s: cannot start a stream", name);
		if (opened)
			pass_news_free(*news);
		return -1;
	}
	*fd = steal_fd(&ends[!pid]);
	return pid;
}

static void serve_name(const struct serve *k, const struct peer *g,
		       char name[SERVED_NAME_CHARS])
{
	const char *identity = session_identity(&k->setup->session,
						record_layer_agreed(g->layer));

	snprintf(name, SERVED_NAME_CHARS, "%s%s%s", identity,
		 *identity ? " " : "", g->name);
}

/* Is there room for the name of a HELLO?  Else the peer is refused. */
static bool serve_may_have_name(const struct serve *k, struct peer *g,
				const char *name, bool logged)
{
	if (!(g->hello.flags & FRAME_HELLO_NAMED) ||
	    served_numbers(&k->table).named < SERVED_NAMED_MAX)
		return true;
	if (logged)
		log_notice("refused %s: %d streams have names already", name,
			   SERVED_NAMED_MAX);
	acceptor_refuse_accepted(g, FRAME_REFUSED_BUSY);
	return false;
}

/* The stream has no process.  Returns as serve_begin(). */
static int serve_cannot_begin(struct peer *g, bool logged, struct err *e)
{
	acceptor_refuse_accepted(g, FRAME_REFUSED_BUSY);
	/* No stream can ever start. */
	if (err_refuses(e->num))
		return -1;
	if (logged)
		log_notice("%s", e->msg);
	*e = (struct err){ 0 };
	return 1;
}

/*
 * Begin a stream with an accepted peer.  Returns 1 in the listener's process,
 * and in the stream's process the outcome of the stream, 0 or -1.
 */
static int serve_begin(struct serve *k, struct peer *g, struct err *e)
{
	struct served_stream *s = served_place(&k->table);
	uint8_t handle[FRAME_ID_BYTES];
	const char *client = serve_client(k, record_layer_agreed(g->layer));
	char name[SERVED_NAME_CHARS];
	enum served_logged logged;
	struct pass_news *news;
	pid_t pid;
	int fd;

	assert(s); /* serve_admit() made sure */
	serve_name(k, g, name);
	logged = served_log_may(&k->table, client, &g->source, name);
	if (!serve_may_have_name(k, g, name, logged))
		return 1;
	if (!serve_make_room(k, client, &g->source, name))
		assert(false); /* serve_admit() made sure */
	if (io_random(handle, FRAME_ID_BYTES, e) < 0 ||
	    (pid = serve_fork(name, &fd, &news, e)) < 0)
		return serve_cannot_begin(g, logged, e);
	if (pid == 0) {
		k->over = fd;
		k->news = news;
		k->setup->stream.counter = &news->kib;
		log_after_fork();
		log_set_subject(name);
		serve_child_init(k);
		return serve_stream(k, g, handle, logged, e);
	}
	*s = (struct served_stream){
		.pid = pid, .fd = fd, .news = news, .logged = logged
	};
	snprintf(s->identity, sizeof s->identity, "%s", client);
	memcpy(s->name, name, sizeof name);
	served_note(&k->table, s, g, handle);
	k->served = true;
	/* This sends nothing: the other process has the socket, too. */
	pass_release(g);
	return 1;
}

static int serve_wait(struct serve *k, struct err *e)
{
	struct pollfd fds[] = {
		{ .fd = acceptor_fd(k->acceptor), .events = POLLIN },
		{ .fd = k->signal_fd, .events = POLLIN },
		{ .fd = k->orphaned ? -1 : order_socket() }, /* POLLHUP */
	};
	uint64_t due_ms = clock_earlier(acceptor_due(k->acceptor),
					served_signal_due(&k->table));

	if (!k->served && acceptor_check_wait(k->acceptor, &k->wait_ms, e) < 0)
		return -1;
	if (!k->served)
		due_ms = clock_earlier(due_ms, k->wait_ms);
	due_ms = clock_earlier(due_ms, k->status.due_ms);
	due_ms = clock_earlier(due_ms, notify_due());
	if (poll(fds, array_len(fds), clock_poll_ms(due_ms)) < 0 &&
	    errno != EINTR)
		return err_call(e, ERR_NET, "poll", "cannot wait");
	if (fds[2].revents)
		serve_lose_launcher(k);
	served_hear(&k->table);
	return 0;
}

int serve_run(struct serve *k, struct err *e)
{
	struct served_numbers n;
	struct peer accepted;
	int ret;

	for (;;) {
		serve_take_signals(k);
		n = served_numbers(&k->table);
		/* Nobody could abort them but the launcher. */
		if (serve_ends(k) &&
		    (!n.processes || (k->orphaned && k->aborts)))
			break;
		while (acceptor_step(k->acceptor, &accepted))
			if (accepted.reconnects)
				serve_pass(k, &accepted);
			else if ((ret = serve_begin(k, &accepted, e)) <= 0)
				return ret;
		serve_status_tick(&k->status, &k->table, serve_ends(k));
		notify_tick();
		if (acceptor_check(k->acceptor, e) < 0 || serve_wait(k, e) < 0)
			return -1;
	}
	if (k->orphaned)
		return err_set(e, ERR_BUG, 0,
			       "the launcher was killed or is stopped: start "
			       "the listener again");
	if (!k->aborts)
		return 0;
	signals_note(k->stop_sig);
	return signals_check(e);
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
	return pass_prepare(e);
}

struct serve *serve_new(struct setup *setup, struct net_listener *l,
			struct err *e)
{
	const struct options *o = setup->o;
	struct serve *k = calloc(1, sizeof *k);
	struct pending_rules rules = { .session = &setup->session,
				       .stream_count = SERVED_PROCESSES_MAX,
				       .admit = serve_admit,
				       .admit_arg = k };

	if (!k || served_init(&k->table, setup->cred) < 0) {
		err_memory(e);
		free(k);
		return NULL;
	}
	k->over = -1;
	k->signal_fd = -1;
	rules.streams = k->table.resumable;
	k->setup = setup;
	k->listener = l;
	k->wait_ms = clock_deadline(o->wait_ms);
	k->status.due_ms = notify_is_on() ? 0 : CLOCK_NEVER;
	k->acceptor = acceptor_open(l, &rules, e);
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
	attr_close(&k->over);
	if (k->acceptor) /* not in a stream's process */
		served_log_end(&k->table);
	acceptor_close(k->acceptor);
	served_fini(&k->table);
	free(k);
}
