// SPDX-License-Identifier: GPL-2.0-or-later
/* The near side of ssh: starts ssh-server on the far host and reaches it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/order.h"
#include "cli/cmd.h"
#include "cli/launcher.h"
#include "cli/setup.h"
#include "cli/ssh_process.h"
#include "cli/ssh_request.h"
#include "conn/net.h"
#include "conn/session_client.h"
#include "conn/session_server.h"
#include "stream/stream.h"
#include "tls/ktls.h"

enum {
	REACH_MS = 5000, /* for each address */
	LAST_MS = 500, /* for the far program to end */
	REVERSE_MS = 60000, /* for the far host to connect */
	END_MS = 10000, /* for ssh to end after the stream */
	ERROR_END_MS = 3000, /* the same without a stream */
	SUSPENDED_END_MS = 500, /* if the far host goes on waiting */
	CHANNEL_END_MS = 500, /* if we gave up a stream in the channel */
	BUSY_MS = 10000, /* for the far host to notice that a process died */
};

static char far_program[] = "btrfs-ktls-pipe ssh-server";

struct near {
	const struct options *o;
	struct options side; /* the same, as connect or listen has them */
	struct ssh_process ssh;
	struct ssh_process_config config;
	struct ssh_request_secret *secret; /* secret_alloc() */
	struct setup setup;
	struct net_listener listener; /* reverse */
	bool heard_ready;
};

/* Other processes with that name have their own keys. */
static int near_draw_identity(struct near *n, struct err *e)
{
	uint64_t number;

	if (io_random(&number, sizeof number, e) < 0)
		return -1;
	sprintf(n->secret->key.identity, "ssh-%016" PRIx64, number);
	return 0;
}

static int near_set_up(struct near *n, struct err *e)
{
	n->side = *n->o;
	n->side.verb = n->o->reverse ? OPTIONS_LISTEN : OPTIONS_CONNECT;
	n->side.send = !n->o->receive;
	n->side.allow_self = true;
	n->side.wait_ms = REVERSE_MS;
	n->secret = secret_alloc(sizeof *n->secret);
	if (!n->secret)
		return err_memory(e);
	n->secret->key.secret.len = SSH_REQUEST_KEY_BYTES;
	if (io_random(n->secret->key.secret.bytes, SSH_REQUEST_KEY_BYTES, e) <
		    0 ||
	    (n->o->name && near_draw_identity(n, e) < 0) ||
	    setup_init_keyless(&n->setup, &n->side, e) < 0)
		return -1;
	n->setup.connections.reach_ms =
		n->o->name ? min_u64(BUSY_MS, n->o->retry_ms) : 0;
	n->setup.connections.connect_ms = REACH_MS;
	n->setup.connections.gave_up = ssh_answer_gave_up;
	n->setup.connections.gave_up_arg = &n->ssh.reader;
	return 0;
}

/*
 * By now we know all that the launcher must know.  It does not inherit the key,
 * which becomes our credential after the fork.
 */
static int near_confine(struct near *n, struct err *e)
{
	if (n->setup.confined)
		return 0;
	secret_scrub_stack();
	if (launcher_start(&n->side, n->ssh.pid, e) < 0 ||
	    setup_use_key(&n->setup, &n->secret->key, e) < 0)
		return -1;
	return setup_confine(&n->setup, e);
}

static void near_list_modes(const struct mode_list *l, char *out, size_t size)
{
	size_t len = 0;

	*out = '\0';
	for (size_t i = 0; i < l->count && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%s",
					i ? "," : "", l->modes[i]->name);
}

/* What the far host must know of our command line. */
static void near_request(const struct near *n, struct ssh_request *r)
{
	const struct options *o = n->o;
	struct err ignored = { 0 };

	*r = (struct ssh_request){
		.sends = o->receive,
		.reverse = o->reverse,
		.fallback = o->fallback,
		.ktls_told = o->ktls == CONNECTION_KTLS_AUTO &&
			     ktls_available(&ignored) < 0,
		.quiet = o->quiet,
		.discard = o->discard,
		.ktls = (uint64_t)o->ktls,
		.verbose = (uint64_t)(o->verbose > 9 ? 9 : o->verbose),
		.port = o->reverse ? 0 : o->port,
		.port_last = o->reverse ? 0 : o->last_port,
		.retry_ms = o->retry_ms,
		.handshake_ms = o->handshake_ms,
		.buffer_bytes = o->buffer_bytes,
		.rekey_bytes = o->rekey_bytes == UINT64_MAX ? 0
							    : o->rekey_bytes,
		.limit_bytes_per_s = o->receive ? o->limit_bytes_per_s : 0,
		.tcp_buffer_bytes = o->tcp.buffer_bytes,
		.dscp = (uint64_t)(o->tcp.dscp + 1),
	};
	if (o->name)
		key_text_hex(n->setup.name, sizeof n->setup.name, r->name);
	strcpy(r->identity, n->secret->key.identity);
	ssh_request_set_word(r->host, o->ssh.host);
	near_list_modes(&o->modes, r->modes, sizeof r->modes);
	if (o->receive && o->tcp.congestion)
		ssh_request_set_word(r->congestion, o->tcp.congestion);
}

static int near_start(struct near *n, struct err *e)
{
	struct ssh_request request;
	autofree char *line = NULL, *command = NULL;

	near_request(n, &request);
	request.command = ssh_args_join(n->o->ssh.command);
	if (!request.command)
		return err_memory(e);
	line = ssh_request_format(&request, e);
	ssh_request_fini(&request);
	if (!line)
		return -1;
	command = ssh_args_join((char *[]){ far_program, line, NULL });
	if (!command)
		return err_memory(e);
	ssh_process_ask(&n->o->ssh, &n->config);
	return ssh_process_start(&n->ssh, &n->o->ssh, &n->config, command, e);
}

/* Hear that the far program runs, and give it the key. */
static int near_greet(struct near *n, struct err *e)
{
	char line[SSH_REQUEST_LINE_BYTES];
	struct ssh_answer a;
	int ret;

	if (ssh_process_hear(&n->ssh, &a, e) < 0)
		return -1;
	n->heard_ready = true;
	if (a.kind != SSH_ANSWER_READY || a.version != SSH_ANSWER_VERSION)
		return err_set(e, ERR_NET, 0,
			       "%s has a btrfs-ktls-pipe of another release, "
			       "which starts streams in another way: upgrade "
			       "the older of the two",
			       n->o->ssh.host);
	ssh_request_format_secret(n->secret, line);
	ret = ssh_process_say(&n->ssh, line, sizeof line, e);
	explicit_bzero(line, sizeof line);
	return ret;
}

/* The addresses to try, best first: those of `all` that are set. */
static size_t near_list(struct near *n, const struct ssh_answer *a,
			const char *out[static ORDER_HOSTS_MAX])
{
	/* The zone of its address is the far host's: of no use to us. */
	const char *all[] = { n->o->address,
			      strchr(a->address, '%') ? NULL : a->address,
			      n->config.host };
	size_t count = 0;

	for (size_t i = 0; i < array_len(all); i++) {
		bool known = !all[i] || !*all[i];

		for (size_t j = 0; j < count && !known; j++)
			known = !strcmp(out[j], all[i]);
		if (!known)
			out[count++] = all[i];
	}
	snprintf(n->side.host, sizeof n->side.host, "%s", count ? out[0] : "");
	n->side.others[0] = count > 1 ? out[1] : NULL;
	n->side.others[1] = count > 2 ? out[2] : NULL;
	return count;
}

/* NULL: ERR_NET or ERR_AUTH, another address may do; else final. */
static struct session *near_dial(struct near *n, const char *host, int number,
				 struct err *e)
{
	log_info("connecting to %s, port %u", host, n->setup.connections.port);
	n->setup.connections.host = host;
	n->setup.connections.host_number = number;
	return session_first(session_client_new(&n->setup.session, e), e);
}

/* gone: the far program no longer waited for us */
static int near_cannot_reach(const struct near *n, const char *tried, bool gone,
			     struct err *e)
{
	struct err last = *e;
	const char *remedy = err_remedy(last.num);

	/* Something answered there. */
	if (last.kind == ERR_AUTH)
		return -1;
	err_set(e, ERR_NET, 0, "no direct connection to %s (%s, port %u): %s",
		n->o->ssh.host, tried, n->setup.connections.port,
		/* EAGAIN names no cause: see resolve_take() */
		last.num && last.num != EAGAIN ? strerror(last.num) : last.msg);
	if (n->o->fallback || gone)
		return -1;
	if (*remedy)
		return err_append(e, "%s", remedy);
	return err_append(e,
			  " (open that TCP port there%s; or give --address, "
			  "--reverse or --fallback)",
			  n->o->port ? "" : ", --port A-B chooses it");
}

/*
 * Before the deadline, does the far program say that it no longer waits for us,
 * or does ssh end?  Then ssh's exit status says more than our error.
 */
static bool near_hears_end(struct near *n, uint64_t deadline)
{
	struct err ignored = { 0 };
	struct ssh_answer a;
	bool gone = false;

	while (!n->ssh.ended &&
	       io_wait(n->ssh.fd, POLLIN, deadline, &ignored) > 0) {
		gone = true;
		deadline = clock_deadline(LAST_MS);
		if (ssh_process_hear(&n->ssh, &a, &ignored) < 0)
			break;
	}
	return gone;
}

/* Reach the far host at one of its addresses. */
static struct session *near_reach(struct near *n, const struct ssh_answer *a,
				  struct err *e)
{
	const char *hosts[ORDER_HOSTS_MAX];
	char tried[256] = "";
	size_t count = near_list(n, a, hosts), len = 0;
	bool gone = false;

	if (!count) {
		err_set(e, ERR_NET, 0,
			"no address of %s is known that we could connect to%s",
			n->o->ssh.host,
			n->o->fallback ? ""
				       : ": give --address, --reverse or "
					 "--fallback");
		return NULL;
	}
	n->side.port = a->port;
	n->setup.connections.port = (uint16_t)a->port;
	/* With --discard the far program may end before WELCOME is here. */
	n->setup.connections.lifeline_fd = n->o->discard ? -1 : n->ssh.fd;
	if (near_confine(n, e) < 0)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		struct session *session;
		uint64_t ends_ms;

		*e = (struct err){ 0 };
		session = near_dial(n, hosts[i], (int)i, e);
		if (session || (e->kind != ERR_NET && e->kind != ERR_AUTH))
			return session;
		ends_ms = clock_deadline(i + 1 < count ? 0 : LAST_MS);
		gone = near_hears_end(n, ends_ms);
		if (n->ssh.ended)
			return NULL;
		if (len < sizeof tried)
			len += (size_t)snprintf(tried + len, sizeof tried - len,
						"%s%s", i ? ", " : "",
						hosts[i]);
		if (gone)
			break;
		if (hosts[i] == n->o->address && i + 1 < count)
			log_notice("--address: %s; trying %s", e->msg,
				   hosts[i + 1]);
		else
			log_info("%s", e->msg);
	}
	near_cannot_reach(n, tried, gone, e);
	return NULL;
}

static int near_nowhere(const struct near *n, struct err *e)
{
	return err_set(e, ERR_NET, 0, "%s cannot %s: see its message above",
		       n->o->ssh.host, n->o->reverse ? "reach us" : "listen");
}

/* The far host connects to us. */
static struct session *near_accept(struct near *n, struct err *e)
{
	struct session *session;
	struct ssh_answer a;

	n->setup.connections.lifeline_fd = n->ssh.fd;
	if (near_confine(n, e) < 0)
		return NULL;
	session = session_server_new(&n->setup.session, &n->listener, e);
	session = session_first(session, e);
	/* Another error is ours, whatever the far host says. */
	if (!session && e->kind == ERR_NET && io_ready(n->ssh.fd, POLLIN) &&
	    ssh_process_hear(&n->ssh, &a, e) == 0)
		near_nowhere(n, e);
	return session;
}

static struct session *near_connect(struct near *n, struct err *e)
{
	struct ssh_answer a;

	if (n->o->reverse)
		return near_accept(n, e);
	if (ssh_process_hear(&n->ssh, &a, e) < 0)
		return NULL;
	if (a.kind == SSH_ANSWER_AT)
		return near_reach(n, &a, e);
	near_nowhere(n, e);
	return NULL;
}

static int near_say(struct near *n, enum ssh_answer_kind kind, struct err *e)
{
	const struct ssh_answer a = { .kind = kind };
	char line[SSH_ANSWER_LINE_MAX];
	size_t len = ssh_answer_format(&a, line);

	return ssh_process_say(&n->ssh, line, len, e);
}

/* There is no direct connection: the stream goes through ssh. */
static struct session *near_fall_back(struct near *n, struct err *e)
{
	autoclose int fd = -1;
	struct ssh_answer a;

	log_always("%s; going through ssh (--fallback)", e->msg);
	*e = (struct err){ 0 };
	if (near_say(n, SSH_ANSWER_CHANNEL, e) < 0)
		return NULL;
	/* What comes next on the lifeline is the stream's. */
	n->setup.connections.in_channel = true;
	/* NOWHERE may have crossed our order on the way. */
	do
		if (ssh_process_hear(&n->ssh, &a, e) < 0)
			return NULL;
	while (a.kind == SSH_ANSWER_NOWHERE);
	if (a.kind != SSH_ANSWER_CHANNEL) {
		err_set(e, ERR_NET, 0, "%s does not go through ssh",
			n->o->ssh.host);
		return NULL;
	}
	fd = fcntl(n->ssh.fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0) {
		err_call(e, ERR_NET, "fcntl", "cannot go through ssh");
		return NULL;
	}
	if (io_set_nonblocking(fd, e) < 0 || near_confine(n, e) < 0)
		return NULL;
	setup_use_channel(&n->setup, steal_fd(&fd), true);
	return session_first(session_client_new(&n->setup.session, e), e);
}

/* Reverse: listen before ssh starts, so that the far host need not wait. */
static int near_listen(struct near *n, struct err *e)
{
	struct net_endpoint at = { .port = (uint16_t)n->o->port,
				   .last_port = (uint16_t)n->o->last_port,
				   .family = n->o->family,
				   .tcp = &n->o->tcp,
				   .port_option = "--port" };

	if (!n->o->reverse)
		return 0;
	/* options_check() has checked that it is a numeric address. */
	if (n->o->address)
		strcpy(n->secret->address, n->o->address);
	if (net_listen(&at, &n->listener, e) < 0)
		return -1;
	n->secret->port = n->listener.port;
	return 0;
}

/*
 * The far program or ssh ended before there was a stream: say what the exit
 * status of ssh means.
 */
static int near_explain(const struct near *n, int status, struct err *e)
{
	const char *host = n->o->ssh.host;

	if (status < 0)
		return -1;
	/* Our ssh-server only waited for the one that had the stream. */
	if (!status && n->heard_ready && n->o->name && !n->o->discard)
		return err_set(e, ERR_AUTH, 0,
			       "the stream of that name on %s ended while we "
			       "waited for it",
			       host);
	if (status == 255)
		return err_set(e, ERR_SSH, 0, "ssh to %s failed%s: %s", host,
			       n->heard_ready
				       ? ", or its program there was killed"
				       : "",
			       n->o->quiet ? "without -q it may say why"
					   : "see its message above");
	if (status == 127)
		return err_set(e, ERR_NO_PROGRAM, 0,
			       "%s has no btrfs-ktls-pipe: install it there, "
			       "where the PATH of a login by ssh finds it",
			       host);
	if (status == ERR_AUTH && n->o->discard)
		return err_set(e, ERR_AUTH, 0,
			       "no stream of that name and COMMAND waits on %s",
			       host);
	if (status == ERR_AUTH && n->o->name)
		return err_set(e, ERR_AUTH, 0,
			       "%s is busy with the stream of that name: see "
			       "its message above",
			       host);
	if (status == ERR_USAGE && !n->heard_ready)
		return err_set(e, ERR_NET, 0,
			       "%s did not start ssh-server: see its message "
			       "above (a wrong option in authorized_keys "
			       "there, or a btrfs-ktls-pipe that has no "
			       "ssh-server: upgrade it)",
			       host);
	if (status > 128 && status < 128 + NSIG)
		return err_set(e, ERR_NET, 0,
			       "ssh, or its program on %s, was killed by "
			       "signal %d",
			       host, status - 128);
	return err_set(e, ERR_NET, 0,
		       "%s did not start a stream (exit status %d): see its "
		       "message above",
		       host, status);
}

/* The far COMMAND failed: its own side knows, and ssh brings its status. */
static void near_learn(const struct near *n, int status, struct err *e)
{
	if (n->o->receive && e->kind == ERR_STREAM && status == ERR_COMMAND)
		err_set(e, ERR_COMMAND, 0, "the COMMAND on %s failed",
			n->o->ssh.host);
}

static struct session *near_begin(struct near *n, struct err *e)
{
	struct session *session = NULL;

	if (near_listen(n, e) < 0 || near_start(n, e) < 0 ||
	    near_greet(n, e) < 0)
		return NULL;
	session = near_connect(n, e);
	/* ERR_AUTH: another program may have answered. */
	if (!session && (e->kind == ERR_NET || e->kind == ERR_AUTH) &&
	    n->o->fallback && !n->ssh.ended && !n->ssh.gave_up)
		session = near_fall_back(n, e);
	return session;
}

/* How long ssh may take to end */
static uint64_t near_end_ms(const struct near *n, bool streams, int ret,
			    const struct err *e)
{
	/* If we were refused, another process has the stream. */
	if (n->o->name && ret < 0 && (streams || e->kind == ERR_AUTH))
		return SUSPENDED_END_MS;
	/* While its COMMAND takes nothing, only the end tells the far host. */
	if (n->setup.connections.in_channel && ret < 0 && e->kind == ERR_IO)
		return CHANNEL_END_MS;
	return streams || n->ssh.ended ? END_MS : ERROR_END_MS;
}

/*
 * Say through ssh, too, that we gave up: our alert may lie behind bytes that
 * nobody takes there, or the answer to our greeting was lost, so that the
 * stream has begun there only.  Not for a stream with a name, which is kept for
 * another process, and not in the channel, which carries the stream's bytes.
 */
static void near_give_up(struct near *n)
{
	struct err e = { 0 };

	if (!n->o->name && !n->setup.connections.in_channel &&
	    near_say(n, SSH_ANSWER_GAVE_UP, &e) < 0)
		log_debug("%s", e.msg);
}

/* We had no stream: did the far host have one, or did ssh end before? */
static void near_judge(const struct near *n, bool ended, int status,
		       struct err *e)
{
	if (n->ssh.gave_up && (e->kind == ERR_NET || e->kind == ERR_AUTH)) {
		e->kind = ERR_STREAM;
		err_append(e, "; the stream had begun on %s, and failed",
			   n->o->ssh.host);
	} else if (ended) {
		near_explain(n, status, e);
	}
}

static int near_run(struct near *n, struct err *e)
{
	struct session *session = near_begin(n, e);
	bool streams = session, ended = n->ssh.ended;
	int ret, status;

	if (streams)
		notify_set(NOTIFY_READY);
	ret = stream_run(session, &n->setup.stream, &n->setup.stats, e);
	if (ret < 0 && n->heard_ready && !ended)
		near_give_up(n);
	status = ssh_process_end(&n->ssh, near_end_ms(n, streams, ret, e));
	if (ret < 0 && streams)
		near_learn(n, status, e);
	else if (ret < 0)
		near_judge(n, ended, status, e);
	return ret;
}

int cmd_ssh(const struct options *o, struct err *e)
{
	struct near near = { .o = o, .ssh.fd = -1, .setup.stats_fd = -1 };
	int ret = near_set_up(&near, e);

	if (ret == 0)
		ret = near_run(&near, e);
	secret_free(near.secret, sizeof *near.secret);
	net_listener_close(&near.listener);
	setup_write_stats(&near.setup, ret < 0 ? e : NULL);
	setup_fini(&near.setup);
	return ret;
}
