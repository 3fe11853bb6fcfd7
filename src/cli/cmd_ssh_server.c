// SPDX-License-Identifier: GPL-2.0-or-later
/* The far side of ssh: what ssh starts, and what authorized_keys may force. */
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
#include "cli/cmd.h"
#include "cli/launcher.h"
#include "cli/setup.h"
#include "cli/ssh_answer.h"
#include "cli/ssh_name.h"
#include "cli/ssh_net.h"
#include "cli/ssh_relay.h"
#include "cli/ssh_request.h"
#include "conn/net.h"
#include "conn/session_client.h"
#include "conn/session_server.h"
#include "conn/stream_name.h"
#include "stream/stream.h"

enum {
	KEY_MS = 20000, /* for the key line */
	ORDER_MS = 30000, /* for the order to use the channel */
	REACH_MS = 5000,
	WAIT_MS = 60000, /* for the near host to connect */
	LOG_MS = 10000, /* for the last messages: the near host waits for ssh */
	CALLS = 3, /* to an owner of the name that may be about to end */
};

static const char ours[] = "btrfs-ktls-pipe ssh-server ";

struct far {
	const struct options *o;
	int in_fd, out_fd; /* ssh's channel; in_fd is the lifeline */
	int err_fd; /* ssh's, too: with a name messages may go elsewhere */
	struct ssh_request request;
	struct options side; /* the request, as connect or listen has it */
	struct setup setup;
	struct net_listener listener;
	struct ssh_answer at[NET_LISTENERS_MAX]; /* for each of its sockets */
	struct ssh_name name; /* of the stream, if it has one */
	char *argv[4]; /* the shell's */
	char command_name[256]; /* in messages: quoted, and not too long */
	struct ssh_answer_reader reader; /* of in_fd, once the key has come */
	bool left; /* the lifeline ended, before the stream */
};

/*
 * Keep the channel for ourselves: no COMMAND may read or write it.  What
 * COMMAND prints goes where its messages go.
 */
static int far_take_channel(struct far *f, struct err *e)
{
	autoclose int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	f->in_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	f->out_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	f->err_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (null < 0 || f->in_fd < 0 || f->out_fd < 0 || f->err_fd < 0 ||
	    dup2(null, STDIN_FILENO) < 0 ||
	    dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return err_set(e, ERR_NET, errno,
			       "cannot set up standard input and output");
	return 0;
}

static int far_answer(const struct far *f, const struct ssh_answer *a,
		      struct err *e)
{
	char line[SSH_ANSWER_LINE_MAX];
	size_t len = ssh_answer_format(a, line);

	if (io_write_all(f->out_fd, line, len, "to ssh", e) == 0)
		return 0;
	e->kind = ERR_NET;
	return -1;
}

/* Read len bytes from the channel. */
static int far_read(struct far *f, char *buf, size_t len, uint64_t deadline,
		    struct err *e)
{
	size_t have = 0;

	while (have < len) {
		int ready = io_wait(f->in_fd, POLLIN, deadline, e);
		ssize_t n;

		if (ready < 0)
			return -1;
		if (!ready)
			return err_set(e, ERR_NET, 0,
				       "nothing came on standard input");
		n = io_read(f->in_fd, buf + have, len - have);
		f->left = n <= 0;
		if (f->left)
			return err_set(e, ERR_NET, 0,
				       "the other host's btrfs-ktls-pipe or "
				       "ssh ended");
		have += (size_t)n;
	}
	return 0;
}

static int far_read_secret(struct far *f, struct ssh_request_secret *s,
			   struct err *e)
{
	char line[SSH_REQUEST_LINE_BYTES];
	int ret = far_read(f, line, sizeof line, clock_deadline(KEY_MS), e);

	if (ret == 0)
		ret = ssh_request_parse_secret(line, s, e);
	explicit_bzero(line, sizeof line);
	/* ssh_request_parse() has checked its length. */
	strcpy(s->key.identity, f->request.identity);
	return ret;
}

/* COMMAND: for the shell of this login, or for FILTER to judge. */
static int far_command(struct far *f, struct err *e)
{
	static char sh[] = "/bin/sh", option[] = "-c";
	char *shell = getenv("SHELL");

	f->side.command = f->o->words;
	if (f->o->forced) {
		if (setenv("SSH_ORIGINAL_COMMAND", f->request.command, 1) == 0)
			return 0;
		return err_set(e, ERR_BUG, errno, "cannot start FILTER");
	}
	f->argv[0] = shell && *shell ? shell : sh;
	f->argv[1] = option;
	f->argv[2] = f->request.command;
	f->side.command = f->argv;
	return 0;
}

/* The request as a command line of connect or listen. */
static int far_options(struct far *f, struct err *e)
{
	const struct ssh_request *r = &f->request;

	f->side = (struct options){
		.verb = r->reverse ? OPTIONS_CONNECT : OPTIONS_LISTEN,
		.confine = f->o->confine,
		.passes_on = true,
		.port = r->port,
		.last_port = r->port_last,
		.ktls = (int)r->ktls,
		.wait_ms = WAIT_MS,
		.handshake_ms = r->handshake_ms ? r->handshake_ms : 10000,
		.ready_fd = -1,
		.receive = !r->sends,
		.send = r->sends,
		.buffer_bytes = r->buffer_bytes,
		.retry_ms = r->retry_ms,
		.rekey_bytes = r->rekey_bytes ? r->rekey_bytes : UINT64_MAX,
		.limit_bytes_per_s = r->limit_bytes_per_s,
		.tcp = { .buffer_bytes = r->tcp_buffer_bytes,
			 .congestion = *r->congestion ? r->congestion : NULL,
			 .dscp = (int)r->dscp - 1 },
		.allow_self = true,
	};
	if (*r->modes && mode_parse(r->modes, &f->side.modes, e) < 0)
		return -1;
	if (options_mode_none(&f->side))
		return err_set(e, ERR_USAGE, 0, "mode none is not possible");
	if (far_command(f, e) < 0)
		return -1;
	return options_check_stream(&f->side, e);
}

/*
 * Set how much we log, and name this host: the near host logs, too.  A -v of
 * our own, in authorized_keys, can only add to what the near host asks for.
 */
static void far_set_log(const struct far *f)
{
	const struct ssh_request *r = &f->request;
	uint64_t own = (uint64_t)f->o->verbose;

	log_set_host(*r->host ? r->host : "other host");
	log_set_verbosity(r->quiet, own > r->verbose ? own : r->verbose);
	if (r->ktls_told)
		connection_told_user_space();
}

/* The n-th word of SSH_CONNECTION, which sshd sets: addresses and ports */
static bool far_connection(unsigned int n, char *out, size_t size)
{
	const char *text = getenv("SSH_CONNECTION");
	size_t len;

	while (text && n--) {
		text = strchr(text, ' ');
		text += text ? 1 : 0;
	}
	len = text ? strcspn(text, " ") : 0;
	if (!len || len >= size)
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return true;
}

static int far_no_connection(struct err *e)
{
	return err_set(e, ERR_NET, 0,
		       "SSH_CONNECTION has no addresses (is ssh-server started "
		       "by sshd?)");
}

/* Reverse: the client's address, or another that authorized_keys allows */
static int far_aim(struct far *f, const struct ssh_request_secret *s,
		   struct err *e)
{
	const char *net = f->o->reverse_to;

	f->side.port = s->port;
	if (!*s->address) {
		if (far_connection(0, f->side.host, sizeof f->side.host))
			return 0;
		return far_no_connection(e);
	}
	snprintf(f->side.host, sizeof f->side.host, "%s", s->address);
	if (net && ssh_net_has(net, f->side.host))
		return 0;
	return err_set(
		e, ERR_USAGE, 0,
		"--reverse may lead to the client's own address only%s%s "
		"(--reverse-to in authorized_keys)",
		net ? ", or to " : "", net ? net : "");
}

/* Listen at the address that ssh reached, and nowhere else. */
static int far_listen(struct far *f, struct ssh_answer *a, struct err *e)
{
	struct net_endpoint at = { .host = a->address,
				   .port = (uint16_t)f->side.port,
				   .last_port = (uint16_t)f->side.last_port,
				   .tcp = &f->side.tcp,
				   .port_option = "--port" };

	if (!far_connection(2, a->address, sizeof a->address))
		return far_no_connection(e);
	if (net_listen(&at, &f->listener, e) < 0)
		return -1;
	a->kind = SSH_ANSWER_AT;
	a->port = f->listener.port;
	return 0;
}

/*
 * How the login was authenticated, if sshd tells (ExposeAuthInfo); else *login
 * stays as it is.  The caller frees it, after an error too.
 */
static int far_login(char **login, struct err *e)
{
	const char *path = getenv("SSH_USER_AUTH");
	FILE *in = path ? fopen(path, "re") : NULL;
	size_t size = 0;
	bool known;

	if (!path)
		return 0;
	known = in && getdelim(login, &size, '\0', in) > 0;
	if (!known)
		err_set(e, ERR_NET, in && feof(in) ? 0 : errno,
			"--name: cannot read how this login was authenticated "
			"(%s)",
			path);
	if (in)
		fclose(in);
	return known ? 0 : -1;
}

/*
 * A stream is identified by its name, its COMMAND, the FILTER that judges it,
 * and the key of the login: a login that may not start it cannot continue it.
 */
static int far_name_id(const struct far *f, uint8_t id[static FRAME_NAME_BYTES],
		       struct err *e)
{
	autofree char *filter = ssh_args_join(f->o->words), *all = NULL,
		      *login = NULL;

	if (far_login(&login, e) < 0)
		return -1;
	if (!filter || asprintf(&all, "%s\n%s\n%s\n%s", f->request.name,
				login ? login : "", f->o->forced ? filter : "",
				f->request.command) < 0)
		return err_memory(e);
	return stream_name_hash(all, id, e);
}

/* Bring the key to the stream's owner.  Returns as ssh_name_bring(). */
static int far_call_owner(struct far *f, const struct ssh_request_secret *s,
			  struct err *e)
{
	struct ssh_name_caller c = { .listen_fd = -1, .err_fd = f->err_fd };
	struct ssh_answer a = { .kind = SSH_ANSWER_AT };
	struct err why = { 0 };
	int ret;

	if (far_listen(f, &a, &why) == 0)
		c.listen_fd = f->listener.fds[0];
	c.key = s->key;
	memcpy(c.address, a.address, sizeof c.address);
	ret = ssh_name_bring(&f->name, &c, &a.port, e);
	key_wipe(&c.key);
	net_listener_close(&f->listener);
	if (ret)
		return ret;
	if (!a.port && !why.kind)
		return err_set(e, ERR_AUTH, 0,
			       "--name: too many processes ask for this "
			       "stream, or at too many addresses; try again "
			       "later");
	if (!a.port) {
		*e = why;
		return -1;
	}
	log_info("the stream of that name waits here");
	if (far_answer(f, &a, e) < 0)
		return -1;
	ssh_name_stay(&f->name, f->in_fd);
	return 0;
}

/* Returns 0 if the stream is ours to begin, 1 if its owner was told. */
static int far_take_name(struct far *f, const struct ssh_request_secret *s,
			 struct err *e)
{
	uint8_t id[FRAME_NAME_BYTES];
	int ret = -1;

	if (!*f->request.name)
		return 0;
	if (far_name_id(f, id, e) < 0)
		return -1;
	for (int i = 0; i < CALLS; i++) {
		ret = ssh_name_claim(&f->name, id, e);
		if (ret == 1 && f->request.discard)
			return err_set(e, ERR_AUTH, 0,
				       "no stream of that name waits here");
		if (ret)
			return ret == 1 ? 0 : -1;
		ret = far_call_owner(f, s, e);
		if (ret <= 0)
			return ret == 0 ? 1 : -1;
	}
	return err_set(e, ERR_NET, 0, "--name: the stream has just ended");
}

/* Where do we listen at the address that the caller's near host came to? */
static uint64_t far_place(struct far *f, struct ssh_name_caller *c)
{
	struct net_listener *l = &f->listener, its = { .count = 1 };
	struct err ignored = { 0 };

	for (size_t i = 0; i < l->count; i++)
		if (!strcmp(f->at[i].address, c->address))
			return f->at[i].port;
	its.fds[0] = c->listen_fd;
	if (c->listen_fd < 0 || l->count == NET_LISTENERS_MAX ||
	    net_listener_find_port(&its, &ignored) < 0)
		return 0;
	memcpy(f->at[l->count].address, c->address, sizeof c->address);
	f->at[l->count].port = its.port;
	l->fds[l->count++] = steal_fd(&c->listen_fd);
	return its.port;
}

/* Another process of the near host comes, with its key and its ssh; or goes. */
static void far_on_caller(void *arg)
{
	struct far *f = arg;
	struct ssh_name_caller *c = ssh_name_take(&f->name);
	uint64_t port;

	if (!c)
		return;
	port = far_place(f, c);
	if (port)
		credential_admit(f->setup.cred, &c->key, CREDENTIAL_CLIENT);
	ssh_name_answer(c, port);
}

/* From now on our messages go to the ssh that has the stream. */
static void far_on_owner(void *arg, const char *identity)
{
	const struct far *f = arg;
	int fd = ssh_name_err(&f->name, identity);

	ssh_relay_use(fd < 0 ? f->err_fd : fd);
}

/*
 * Returns 0, or 1 if the owner of the stream's name serves it.  The launcher
 * does not inherit the key: *s is of secret_alloc().
 */
static int far_take_key(struct far *f, struct ssh_request_secret *s,
			struct err *e)
{
	int ret;

	if (far_read_secret(f, s, e) < 0 || far_options(f, e) < 0 ||
	    (f->request.reverse && far_aim(f, s, e) < 0))
		return -1;
	ret = far_take_name(f, s, e);
	if (ret)
		return ret;
	secret_scrub_stack();
	if (launcher_start(&f->side, 0, e) < 0 ||
	    setup_init_keyless(&f->setup, &f->side, e) < 0)
		return -1;
	return setup_use_key(&f->setup, &s->key, e);
}

/* Returns as far_take_key(). */
static int far_set_up(struct far *f, struct err *e)
{
	struct ssh_request_secret *secret = secret_alloc(sizeof *secret);
	int ret;

	if (!secret)
		return err_memory(e);
	ret = far_take_key(f, secret, e);
	secret_free(secret, sizeof *secret);
	if (ret)
		return ret;
	if (*f->request.name) {
		f->setup.connections.on_caller = far_on_caller;
		f->setup.connections.owner = far_on_owner;
		f->setup.connections.caller_arg = f;
		f->setup.connections.caller_fd = f->name.watch_fd;
	}
	snprintf(f->command_name, sizeof f->command_name, "'%.100s%s'%s%s",
		 f->request.command,
		 strlen(f->request.command) > 100 ? "..." : "",
		 f->o->forced ? " by " : "",
		 f->o->forced ? f->o->words[0] : "");
	f->setup.stream.command_name = f->command_name;
	f->setup.connections.lifeline_fd = f->in_fd;
	f->setup.connections.gave_up = ssh_answer_gave_up;
	f->setup.connections.gave_up_arg = &f->reader;
	f->setup.connections.reach_ms = 0;
	f->setup.connections.connect_ms = REACH_MS;
	return 0;
}

/* Reverse: we do not reach the near host, whose user reads this. */
static void far_cannot_reach(const struct far *f, struct err *e)
{
	if (e->kind != ERR_NET || !e->num)
		return;
	err_set(e, ERR_NET, e->num, "cannot connect to %s, port %" PRIu64,
		f->side.host, f->side.port);
	if (!f->request.fallback && !*err_remedy(e->num))
		err_append(e, " (open that TCP port of the host where ssh was "
			      "called, --port A-B chooses it; or give "
			      "--address or --fallback)");
}

/*
 * Get a direct connection, whichever side connects.  NULL: see e, or the near
 * host spoke.
 */
static struct session *far_connect(struct far *f, struct err *e)
{
	struct session *session;

	if (f->request.reverse) {
		if (setup_confine(&f->setup, e) < 0)
			return NULL;
		session = session_client_new(&f->setup.session, e);
		session = session_first(session, e);
		if (!session)
			far_cannot_reach(f, e);
		return session;
	}
	if (far_listen(f, &f->at[0], e) < 0 ||
	    setup_confine(&f->setup, e) < 0 || far_answer(f, &f->at[0], e) < 0)
		return NULL;
	session = session_server_new(&f->setup.session, &f->listener, e);
	return session_first(session, e);
}

/* Hear what the near host says after our answer. */
static int far_hear(struct far *f, struct ssh_answer *order, struct err *e)
{
	uint64_t deadline = clock_deadline(ORDER_MS);
	char byte;

	do
		if (far_read(f, &byte, 1, deadline, e) < 0 ||
		    ssh_answer_take(&f->reader, byte, order, e) < 0)
			return -1;
	while (order->kind == SSH_ANSWER_NONE);
	return 0;
}

/*
 * There is no direct connection.  Tell the near host, unless it spoke first.
 * It answers with the order to use the channel, or it ends.
 */
static int far_obey(struct far *f, struct err *e)
{
	const struct ssh_answer nowhere = { .kind = SSH_ANSWER_NOWHERE };
	const struct ssh_answer channel = { .kind = SSH_ANSWER_CHANNEL };
	struct ssh_answer order = { .kind = SSH_ANSWER_NONE };

	if (!io_ready(f->in_fd, POLLIN)) {
		if (f->request.fallback)
			log_always("%s", e->msg);
		if (far_answer(f, &nowhere, e) < 0 || !f->request.fallback)
			return -1;
	}
	if (far_hear(f, &order, e) < 0 && !f->left)
		return -1;
	/* The near host logs why. */
	if (f->left || order.kind == SSH_ANSWER_GAVE_UP) {
		log_set_level(LOG_SILENT);
		return -1;
	}
	if (order.kind != SSH_ANSWER_CHANNEL)
		return err_set(e, ERR_USAGE, 0, "an unknown order came");
	*e = (struct err){ 0 };
	return far_answer(f, &channel, e);
}

/* The channel is the connection that the listener would have accepted. */
static struct session *far_fall_back(struct far *f, struct err *e)
{
	struct session *session;
	int fd;

	if (far_obey(f, e) < 0)
		return NULL;
	net_listener_close(&f->listener);
	if (setup_confine(&f->setup, e) < 0)
		return NULL;
	fd = ssh_relay_channel(f->in_fd, f->out_fd, e);
	if (fd < 0)
		return NULL;
	setup_use_channel(&f->setup, fd, false);
	/* The end of in_fd may lie behind bytes that nobody takes. */
	f->setup.connections.lifeline_fd = f->out_fd;
	session = session_server_new(&f->setup.session, &f->listener, e);
	return session_first(session, e);
}

/*
 * As near_give_up(), but with a name, too: another process may have continued
 * the stream without the first one's knowledge.
 */
static void far_give_up(const struct far *f)
{
	const struct ssh_answer a = { .kind = SSH_ANSWER_GAVE_UP };
	struct err e = { 0 };

	if (!f->setup.connections.in_channel && far_answer(f, &a, &e) < 0)
		log_debug("%s", e.msg);
}

static int far_run(struct far *f, struct err *e)
{
	struct session *session = far_connect(f, e);
	bool streams;
	int ret;

	/* Another program may have answered. */
	if (!session && (e->kind == ERR_NET || e->kind == ERR_AUTH))
		session = far_fall_back(f, e);
	streams = session;
	ret = stream_run(session, &f->setup.stream, &f->setup.stats, e);
	if (streams && (ret < 0 || *f->request.name))
		far_give_up(f);
	net_listener_close(&f->listener);
	return ret;
}

static int far_serve(struct far *f, const char *request, struct err *e)
{
	const struct ssh_answer ready = { .kind = SSH_ANSWER_READY,
					  .version = SSH_ANSWER_VERSION };
	int ret;

	log_set_patience(LOG_MS);
	if (far_take_channel(f, e) < 0 || far_answer(f, &ready, e) < 0)
		return -1;
	ret = ssh_request_parse(&f->request, request, e);
	if (ret == 0)
		far_set_log(f);
	if (ret == 0 && *f->request.name)
		ret = ssh_relay_start(e);
	if (ret == 0)
		ret = far_set_up(f, e);
	ret = ret == 0 ? far_run(f, e) : ret < 0 ? -1 : 0;
	ssh_name_close(&f->name);
	attr_close(&f->in_fd);
	attr_close(&f->out_fd);
	attr_close(&f->err_fd);
	setup_fini(&f->setup);
	ssh_request_fini(&f->request);
	return ret;
}

/* What a forced command was asked for; NULL: not for us. */
static const char *far_forced_request(void)
{
	const char *asked = getenv("SSH_ORIGINAL_COMMAND");

	return asked && !strncmp(asked, ours, sizeof ours - 1)
		       ? asked + sizeof ours - 1
		       : NULL;
}

static int far_exec_filter(const struct options *o, struct err *e)
{
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	signal(SIGUSR1, SIG_DFL);
	execvp(o->words[0], o->words);
	return err_set(e, ERR_COMMAND, errno, "cannot run %s", o->words[0]);
}

int cmd_ssh_server(const struct options *o, struct err *e)
{
	struct far far = { .o = o, .in_fd = -1, .out_fd = -1, .err_fd = -1 };
	autofree char *joined = NULL;
	const char *request;

	ssh_name_init(&far.name);
	if (o->forced) {
		request = far_forced_request();
		return request ? far_serve(&far, request, e)
			       : far_exec_filter(o, e);
	}
	joined = ssh_args_join(o->words);
	if (!joined)
		return err_memory(e);
	return far_serve(&far, joined, e);
}
