// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/setup.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "auth/cpace.h"
#include "auth/prompt.h"
#include "base/confine.h"
#include "base/log.h"
#include "base/order.h"
#include "base/signals.h"
#include "conn/digest.h"
#include "conn/host_id.h"
#include "conn/stream_name.h"
#include "tls/ktls.h"

enum { CONNECT_MS = 30000 };

static int setup_keys(struct setup *s, const struct options *o, struct err *e)
{
	struct key_list *keys = key_list_read(o->keys, -1, e);

	s->cred = keys ? credential_new_keys(keys, e) : NULL;
	return s->cred ? 0 : -1;
}

int setup_use_key(struct setup *s, const struct key *key, struct err *e)
{
	s->cred = credential_new_psk(key, s->o->verb == OPTIONS_LISTEN, e);
	s->session.cred = s->cred;
	secret_scrub_stack();
	return s->cred ? 0 : -1;
}

static int setup_key(struct setup *s, const struct options *o, struct err *e)
{
	autowipe_key struct key key = { 0 };

	if (key_read(o->key ? o->key : KEY_DEFAULT_FILE, &key, e) < 0)
		return -1;
	if (o->identity)
		snprintf(key.identity, sizeof key.identity, "%s", o->identity);
	return setup_use_key(s, &key, e);
}

static int setup_password(struct setup *s, const struct options *o,
			  struct err *e)
{
	int ret = cpace_init(e);

	s->password = secret_alloc(sizeof *s->password);
	if (!s->password)
		return err_memory(e);
	if (ret == 0)
		ret = o->password_file
			      ? key_read_password(o->password_file, s->password,
						  e)
			      : prompt_secret("Password for btrfs-ktls-pipe: ",
					      s->password, e);
	if (ret < 0)
		return -1;
	s->cred = credential_new_password(NULL, o->verb == OPTIONS_LISTEN, e);
	return s->cred ? 0 : -1;
}

/* The server's certificate must have the name HOST, or that of --peer. */
static int setup_certificates(struct setup *s, const struct options *o,
			      struct err *e)
{
	struct credential_x509 x = { .cert = o->cert,
				     .key = o->cert_key,
				     .ca = o->ca,
				     .rules = { .names = o->peers.names,
						.count = o->peers.count } };

	if (o->verb == OPTIONS_CONNECT && !o->peers.count) {
		s->host = o->host;
		x.rules = (struct x509_rules){ .names = &s->host,
					       .count = 1,
					       .wildcards = true };
	}
	s->cred = credential_new_x509(&x, o->verb == OPTIONS_LISTEN, e);
	return s->cred ? 0 : -1;
}

/* Is no key named, and none in the default place?  Then ask for a password. */
static bool setup_lacks_key(const struct options *o)
{
	return !o->key && access(KEY_DEFAULT_FILE, F_OK) < 0 && errno == ENOENT;
}

static const char keygen_hint[] =
	"make a key with 'btrfs-ktls-pipe keygen -o FILE', copy it to the "
	"other host and name it with -k FILE (or keep it in " KEY_DEFAULT_FILE
	")";

static int setup_credential(struct setup *s, const struct options *o,
			    struct err *e)
{
	if (o->cert)
		return setup_certificates(s, o, e);
	if (o->keys)
		return setup_keys(s, o, e);
	if (!o->password_file && !setup_lacks_key(o))
		return setup_key(s, o, e);
	/* These need a key. */
	if (o->identity || o->raw)
		return err_set(e, ERR_KEY, 0, "no key: %s", keygen_hint);
	if (setup_password(s, o, e) == 0)
		return 0;
	if (!o->password_file && e->num)
		err_append(e, "; name a file with --password-file, or %s",
			   keygen_hint);
	return -1;
}

/* Hand the command line down to the layers below. */
static void setup_configure(struct setup *s, const struct options *o)
{
	s->stats.sends = options_sends(o);
	s->connections = (struct session_config){
		.connects = o->verb == OPTIONS_CONNECT,
		.role = s->stats.sends ? FRAME_SENDS : FRAME_RECEIVES,
		.raw = o->raw,
		.allow_self = o->allow_self,
		.host = o->host,
		.bind = o->bind,
		.port = (uint16_t)o->port,
		.family = o->family,
		.tcp = o->tcp,
		.wait_ms = o->wait_ms,
		.handshake_ms = o->handshake_ms,
		.reach_ms = o->retry_ms,
		.connect_ms = CONNECT_MS,
		.retry_ms = o->retry_ms,
		.buffer_bytes = o->buffer_bytes,
		.rekey_bytes = o->rekey_bytes,
		.lifeline_fd = -1,
		.channel_fd = -1,
	};
	s->stream = (struct stream_config){
		.tx = (enum stream_how)o->tx,
		.rx = (enum stream_how)o->rx,
		.command = o->command,
		.command_name = o->command ? o->command[0] : NULL,
		.limit_bytes_per_s = o->limit_bytes_per_s,
		.size_bytes = o->size_bytes,
		.progress = o->progress,
		.passes_on = o->passes_on,
	};
}

/* The names of streams: ours, or whether we let a peer's have one. */
static int setup_name(struct setup *s, const struct options *o, struct err *e)
{
	struct err why = { 0 };

	s->connections.discard = o->discard;
	s->connections.names = o->verb == OPTIONS_LISTEN && !o->raw &&
			       !options_mode_none(o) && o->retry_ms &&
			       (!o->send || o->buffer_bytes) &&
			       digest_check(&why) == 0;
	if (!o->name)
		return 0;
	s->connections.name = s->name;
	return stream_name_hash(o->name, s->name, e);
}

/* The key of a client is bound to one hash. */
static unsigned int setup_kinds(const struct options *o)
{
	if (o->cert)
		return CREDENTIAL_X509;
	if (o->verb == OPTIONS_LISTEN || mode_list_needs_sha384(&o->modes))
		return credential_psk_kinds();
	return CREDENTIAL_PSK;
}

/* What can be checked without files */
static int setup_check(struct setup *s, const struct options *o, struct err *e)
{
	unsigned int kinds = setup_kinds(o);

	*s = (struct setup){ .o = o, .modes = o->modes, .stats_fd = -1 };
	setup_configure(s, o);
	if (setup_name(s, o, e) < 0)
		return -1;
	stats_start(&s->stats);
	if (!s->modes.count)
		mode_defaults(&s->modes, kinds);
	if (tls_check_modes(&s->modes, kinds, e) < 0)
		return -1;
	if (o->ktls == CONNECTION_KTLS_REQUIRE && ktls_available(e) < 0)
		return err_append(e, " (--ktls require)");
	return 0;
}

/* The standard descriptor that the stream comes from or goes to; -1: none */
static int setup_stream_fd(const struct options *o)
{
	if (o->command || o->output || o->discard)
		return -1;
	return options_sends(o) ? STDIN_FILENO : STDOUT_FILENO;
}

/* A stream rarely comes from a terminal, and hardly belongs on one. */
static void setup_name_terminal(const struct options *o)
{
	int fd = setup_stream_fd(o);

	if (fd < 0 || !isatty(fd))
		return;
	if (fd == STDIN_FILENO)
		log_notice("reading the stream from the terminal");
	else
		log_notice("the stream goes to the terminal: redirect it%s",
			   o->verb == OPTIONS_SSH ? "" : ", or add -- COMMAND");
}

static int setup_open_stats(struct setup *s, const struct options *o,
			    struct err *e)
{
	if (!o->stats)
		return 0;
	s->stats_fd = stats_open(o->stats, o->keep, setup_stream_fd(o), e);
	return s->stats_fd < 0 ? -1 : 0;
}

static int setup_open_files(struct setup *s, const struct options *o,
			    struct err *e)
{
	setup_name_terminal(o);
	/* --discard leaves the file alone. */
	if (o->output && !o->discard) {
		s->stream.part = &s->part;
		if (part_file_open(&s->part, o->output, e) < 0)
			return -1;
	}
	if (setup_open_stats(s, o, e) < 0)
		return -1;
	s->session = (struct session_params){
		.config = &s->connections,
		.cred = s->cred,
		.password = s->password,
		.modes = &s->modes,
		.ktls = options_mode_none(o) ? CONNECTION_KTLS_OFF
					     : (enum connection_ktls)o->ktls,
	};
	return 0;
}

int setup_init(struct setup *s, const struct options *o, struct err *e)
{
	if (setup_check(s, o, e) < 0)
		return -1;
	if (o->raw)
		log_notice("--raw: the peer cannot confirm that the "
			   "stream was delivered");
	if (options_mode_none(o))
		log_notice("-m none: nothing is encrypted and nobody is "
			   "authenticated; anyone who reaches the port can "
			   "read or write the stream");
	else if (setup_credential(s, o, e) < 0)
		return -1;
	secret_scrub_stack();
	return setup_open_files(s, o, e);
}

int setup_init_keyless(struct setup *s, const struct options *o, struct err *e)
{
	return setup_check(s, o, e) < 0 ? -1 : setup_open_files(s, o, e);
}

/* Opens what cannot be opened later.  Loads the kernel's module, too. */
static void setup_prepare(const struct setup *s)
{
	uint8_t id[FRAME_HOST_BYTES];
	struct err ignored = { 0 };

	host_id_own(id);
	tzset(); /* gmtime_r(3) reads a file, too */
	if (s->session.ktls != CONNECTION_KTLS_OFF &&
	    ktls_available(&ignored) == 0)
		stream_prepare(&s->stream, s->stats.sends, &s->modes);
}

/* What a confined process has to keep */
static unsigned int setup_keeps(const struct setup *s)
{
	int fd = s->stream.part ? s->stream.part->fd : setup_stream_fd(s->o);

	return (s->o->keep ? 0 : CONFINE_KEEPS_RAISE) |
	       (confine_admits(fd) ? 0 : CONFINE_KEEPS_USER);
}

int setup_confine(struct setup *s, struct err *e)
{
	char text[CONFINE_TEXT_BYTES];
	struct confine c;

	if (s->confined)
		return 0;
	s->confined = true;
	if (s->o->confine == OPTIONS_CONFINE_OFF) {
		log_notice("--confine off: a flaw in the network code "
			   "gives the peer all that this user may do");
		return 0;
	}
	/* launcher_start() failed, and said so. */
	if (!order_possible())
		return 0;
	setup_prepare(s);
	confine_enter(&c, setup_keeps(s));
	confine_text(&c, text);
	log_info("confined: %s", text);
	if (!*c.missing)
		return 0;
	if (s->o->confine == OPTIONS_CONFINE_REQUIRE)
		return err_set(e, ERR_KTLS, 0,
			       "cannot be confined (--confine require): %s",
			       c.missing);
	(c.serious ? log_notice : log_info)("not fully confined: %s",
					    c.missing);
	return 0;
}

void setup_use_channel(struct setup *s, int fd, bool connects)
{
	s->modes = (struct mode_list){ .count = 1, .modes = { &mode_none } };
	s->session.cred = NULL;
	s->session.ktls = CONNECTION_KTLS_OFF;
	s->connections.in_channel = true;
	s->connections.connects = connects;
	s->connections.channel_fd = fd;
	s->connections.reach_ms = s->connections.retry_ms = 0;
	s->connections.lifeline_fd = -1;
}

void setup_fini(struct setup *s)
{
	secret_free(s->password, sizeof *s->password);
	s->password = NULL;
	credential_free(s->cred);
	s->cred = NULL;
	if (s->stream.part)
		part_file_close(s->stream.part);
	/* Not written: with --keep each stream's process writes its own. */
	if (s->stats_fd > STDERR_FILENO)
		attr_close(&s->stats_fd);
}

void setup_write_stats(struct setup *s, const struct err *e)
{
	int exit_status = e ? signals_exit_status((int)e->kind) : 0;
	struct err failed = { 0 };

	if (s->stats_fd >= 0 && stats_write(s->stats_fd, &s->stats, exit_status,
					    e ? e->msg : NULL, &failed) < 0)
		log_error("%s", failed.msg);
	s->stats_fd = -1;
}
