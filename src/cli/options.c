// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/options.h"

#include <assert.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>

#include "auth/key.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/net_address.h"
#include "base/parse.h"
#include "cli/host_port.h"
#include "cli/ssh_net.h"
#include "conn/connection.h"
#include "conn/net.h"
#include "conn/stream_name.h"
#include "conn/tcp_options.h"
#include "stream/digest.h"

/* --retry was not given; no duration is that long. */
#define RETRY_UNSET UINT64_MAX

/* Defaults of --retry */
enum { RETRY_CONNECT_MS = 120000, RETRY_LISTEN_MS = 3600000 };

enum options_type {
	TYPE_FLAG, /* bool: true */
	TYPE_COUNT, /* int: counts */
	TYPE_SET, /* int: the row's value */
	TYPE_STRING, /* const char *: not empty */
	TYPE_FILE, /* the same; -: standard input, if that is no stream */
	TYPE_NAMES, /* struct options_names: adds one, not empty */
	TYPE_IDENTITY, /* const char *: a valid identity */
	TYPE_DURATION, /* uint64_t: milliseconds */
	TYPE_SIZE, /* uint64_t: bytes */
	TYPE_PORT, /* uint64_t */
	TYPE_LIMIT, /* uint64_t: at least 1 */
	TYPE_FD, /* int */
	TYPE_WORD, /* int: index of one of the row's words */
	TYPE_MODES, /* struct mode_list */
	TYPE_DSCP, /* int */
};

struct options_spec {
	const char *name;
	char letter; /* '\0': long form only */
	unsigned int verbs;
	enum options_type type;
	size_t offset;
	const char *arg; /* name of its value in the help; NULL: none */
	const char *help; /* NULL: it is in no help */
	int value; /* TYPE_SET */
	const char *words[3]; /* TYPE_WORD */
	/*
	 * Other options, as "--name" or "--name: reason", or a condition of
	 * options_has().  A conflict is in one of the two rows.
	 */
	const char *needs[2], *not_with[5];
};

/* Conditions other than that an option is given */
#define COMMAND "a COMMAND"
#define NO_BUFFER "--buffer 0"
#define NONE "--mode none: it encrypts nothing"

#define ONE_KIND ": give exactly one kind of credential"
#define RAW_PEER ": the peer is another TLS program"
#define MODES_HELP                                            \
	"what may be negotiated, best first (TLS 1.3), of:\n" \
	"tls13-aes128-gcm, tls13-aes256-gcm,\n"               \
	"tls13-chacha20-poly1305,\n"                          \
	"tls12-aes128-gcm, tls12-aes256-gcm"

#define NO_METER ": SIGUSR1 prints the progress of all streams"

#define BOTH (OPTIONS_CONNECT | OPTIONS_LISTEN)
#define STREAM (BOTH | OPTIONS_SSH)
#define EVERY (STREAM | OPTIONS_SSH_SERVER | OPTIONS_KEYGEN | OPTIONS_PROBE)
#define FIELD(f) offsetof(struct options, f)

/* Most rows end before the column value. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
static const struct options_spec specs[] = {
	{ "key", 'k', BOTH, TYPE_FILE, FIELD(key), "FILE",
	  "pre-shared key: PEM, identity:hex or raw bytes\n"
	  "(" KEY_DEFAULT_FILE ")",
	  .not_with = { NONE } },
	{ "identity", 0, BOTH, TYPE_IDENTITY, FIELD(identity), "NAME",
	  "identity that goes with the key (btrfs)", .not_with = { NONE } },
	{ "identity", 0, OPTIONS_KEYGEN, TYPE_IDENTITY, FIELD(identity), "NAME",
	  "make a line NAME:hex for a listener's file of keys" },
	{ "keys", 0, OPTIONS_LISTEN, TYPE_FILE, FIELD(keys), "FILE",
	  "many clients: a line identity:hex for each",
	  .not_with = { "--key", "--identity", "--password-file", "--cert",
			NONE } },
	{ "password-file", 0, BOTH, TYPE_FILE, FIELD(password_file), "FILE",
	  "the first line of FILE is the password",
	  .not_with = { "--key" ONE_KIND, "--identity: that goes with a key",
			NONE } },
	{ "cert", 0, BOTH, TYPE_STRING, FIELD(cert), "FILE",
	  "certificate instead of a key: PEM, chain behind it",
	  .needs = { "--cert-key", "--ca" },
	  .not_with = { "--key" ONE_KIND, "--identity" ONE_KIND,
			"--password-file" ONE_KIND, NONE } },
	{ "cert-key", 0, BOTH, TYPE_FILE, FIELD(cert_key), "FILE",
	  "the certificate's private key", .needs = { "--cert", "--ca" } },
	{ "ca", 0, BOTH, TYPE_STRING, FIELD(ca), "FILE",
	  "CA certificates, which must have signed the peer's",
	  .needs = { "--cert", "--cert-key" } },
	{ "peer", 0, BOTH, TYPE_NAMES, FIELD(peers), "NAME",
	  "connect: name to expect instead of HOST;\n"
	  "listen: name to accept (any of the CA's); repeat",
	  .needs = { "--cert" } },
	{ "port", 'p', BOTH, TYPE_PORT, 0, "PORT",
	  "TCP port (6330); listen: 0 takes any free one,\n"
	  "A-B the first free one of a range" },
	{ "port", 0, OPTIONS_SSH, TYPE_PORT, 0, "PORT",
	  "port or range A-B of the host that listens (any)" },
	{ "address", 0, OPTIONS_SSH, TYPE_STRING, FIELD(address), "ADDR",
	  "where the host that listens is reached" },
	{ "reverse", 0, OPTIONS_SSH, TYPE_FLAG, FIELD(reverse), NULL,
	  "HOST connects to us" },
	{ "fallback", 0, OPTIONS_SSH, TYPE_FLAG, FIELD(fallback), NULL,
	  "go through ssh if no direct connection is possible" },
	{ "forced", 0, OPTIONS_SSH_SERVER, TYPE_FLAG, FIELD(forced), NULL,
	  "let FILTER judge and run the COMMAND" },
	{ "reverse-to", 0, OPTIONS_SSH_SERVER, TYPE_STRING, FIELD(reverse_to),
	  "NET", "where else than to the client we may connect" },
	{ "bind", 'b', BOTH, TYPE_STRING, FIELD(bind), "ADDR",
	  "listen: address (all); connect: source address" },
	{ "ipv4", '4', BOTH, TYPE_SET, FIELD(family), NULL, "IPv4 only",
	  .value = AF_INET },
	{ "ipv6", '6', BOTH, TYPE_SET, FIELD(family), NULL, "IPv6 only",
	  .value = AF_INET6 },
	{ "mode", 'm', BOTH, TYPE_MODES, FIELD(modes), "LIST",
	  MODES_HELP "; or none" },
	{ "mode", 0, OPTIONS_SSH, TYPE_MODES, FIELD(modes), "LIST",
	  MODES_HELP },
	{ "ktls", 0, STREAM, TYPE_WORD, FIELD(ktls), "WHEN",
	  "kernel TLS: auto, require or off (auto)",
	  .words = { "auto", "require", "off" } },
	{ "tx", 0, STREAM, TYPE_WORD, FIELD(tx), "HOW",
	  "into the kernel: auto, splice or send (auto)",
	  .words = { "auto", "splice", "send" } },
	{ "rx", 0, STREAM, TYPE_WORD, FIELD(rx), "HOW",
	  "out of the kernel: auto, splice or read (auto)",
	  .words = { "auto", "splice", "read" } },
	{ "confine", 0, STREAM | OPTIONS_SSH_SERVER, TYPE_WORD, FIELD(confine),
	  "WHEN",
	  "give up files and privileges: auto, require or\n"
	  "off (auto)",
	  .words = { "auto", "require", "off" } },
	{ "receive", 0, OPTIONS_CONNECT | OPTIONS_SSH, TYPE_FLAG,
	  FIELD(receive), NULL, "receive the stream instead of sending it" },
	{ "send", 0, OPTIONS_LISTEN, TYPE_FLAG, FIELD(send), NULL,
	  "send the stream instead of receiving it" },
	{ "buffer", 0, STREAM, TYPE_SIZE, FIELD(buffer_bytes), "SIZE",
	  "what the sender keeps until acknowledged (64M);\n"
	  "0: nothing" },
	{ "retry", 0, OPTIONS_SSH, TYPE_DURATION, FIELD(retry_ms), "DURATION",
	  "how long to try to reconnect (2m); with --name also\n"
	  "how long HOST waits for another process (1h)" },
	{ "retry", 0, BOTH, TYPE_DURATION, FIELD(retry_ms), "DURATION",
	  "connect: how long to try to reconnect (2m);\n"
	  "listen: the longest time that it grants (1h)" },
	{ "name", 0, OPTIONS_CONNECT | OPTIONS_SSH, TYPE_STRING, FIELD(name),
	  "NAME", "another process can continue the stream of NAME",
	  .not_with = { NO_BUFFER, NONE, "--reverse: the receiver listens",
			"--fallback: ssh's channel cannot be resumed" } },
	{ "discard", 0, OPTIONS_CONNECT | OPTIONS_SSH, TYPE_FLAG,
	  FIELD(discard), NULL, "abandon the stream of that name",
	  .needs = { "--name" }, .not_with = { COMMAND } },
	{ "rekey-after", 0, STREAM, TYPE_SIZE, FIELD(rekey_bytes), "SIZE",
	  "rekey after SIZE at the latest (256G)" },
	{ "limit", 0, STREAM, TYPE_SIZE, FIELD(limit_bytes_per_s), "RATE",
	  "send at most RATE bytes a second" },
	{ "tcp-buffer", 0, STREAM, TYPE_SIZE, FIELD(tcp.buffer_bytes), "SIZE",
	  "bytes in flight on a long fat network" },
	{ "congestion", 0, STREAM, TYPE_STRING, FIELD(tcp.congestion), "NAME",
	  "congestion control of TCP, such as bbr" },
	{ "dscp", 0, STREAM, TYPE_DSCP, FIELD(tcp.dscp), "CLASS",
	  "class: cs0-cs7, af11-af43, ef, va, le, or 0-63" },
	{ "progress", 0, STREAM, TYPE_FLAG, FIELD(progress), NULL,
	  "show a meter of confirmed bytes" },
	{ "size", 0, STREAM, TYPE_SIZE, FIELD(size_bytes), "SIZE",
	  "size of the stream, for the meter" },
	{ "stats", 0, STREAM, TYPE_STRING, FIELD(stats), "FILE",
	  "write a JSON object at the end (-: standard error)" },
	{ "wait", 0, OPTIONS_LISTEN, TYPE_DURATION, FIELD(wait_ms), "DURATION",
	  "how long to wait for the first peer (for ever)" },
	{ "keep", 0, OPTIONS_LISTEN, TYPE_FLAG, FIELD(keep), NULL,
	  "serve up to 16 streams at once, each with its own\n"
	  "COMMAND, until a signal",
	  .needs = { COMMAND },
	  .not_with = { "--progress" NO_METER, "--size" NO_METER } },
	{ "per-client", 0, OPTIONS_LISTEN, TYPE_LIMIT, FIELD(per_client), "N",
	  "streams of one client at once (4 with --keys or\n"
	  "certificates); --keep only",
	  .needs = { "--keep" } },
	{ "handshake-timeout", 0, STREAM, TYPE_DURATION, FIELD(handshake_ms),
	  "DURATION", "how long a handshake may take (10s)" },
	{ "ready-fd", 0, OPTIONS_LISTEN, TYPE_FD, FIELD(ready_fd), "FD",
	  "write the port there once listening, then close it" },
	{ "raw", 0, BOTH, TYPE_FLAG, FIELD(raw), NULL,
	  "talk to another TLS program; delivery is not confirmed",
	  .not_with = { "--keep" RAW_PEER, "--name" RAW_PEER,
			"--password-file" RAW_PEER, NONE } },
	{ "allow-self", 0, OPTIONS_LISTEN, TYPE_FLAG, FIELD(allow_self), NULL,
	  "accept a peer that is this same host" },
	{ "output", 'o', OPTIONS_KEYGEN, TYPE_STRING, FIELD(output), "FILE",
	  "write a new FILE of mode 0600 (standard output)" },
	{ "output", 0, BOTH, TYPE_STRING, FIELD(output), "FILE",
	  "write FILE, complete or not at all; FILE.part is\n"
	  "continued",
	  .not_with = { "--send: that is for the receiver", "--keep", "--raw",
			COMMAND } },
	{ "json", 0, OPTIONS_PROBE, TYPE_FLAG, FIELD(json), NULL,
	  "answer in JSON" },
	{ "quiet", 'q', EVERY, TYPE_FLAG, FIELD(quiet), NULL, "errors only" },
	{ "verbose", 'v', EVERY, TYPE_COUNT, FIELD(verbose), NULL,
	  "milestones; twice: details" },
	{ "version", 'V', EVERY, TYPE_SET, FIELD(action), NULL,
	  "print the version", .value = OPTIONS_VERSION },
	{ "help", 'h', EVERY, TYPE_SET, FIELD(action), NULL, "print this help",
	  .value = OPTIONS_HELP },
	{ "long-options", 0, EVERY, TYPE_SET, FIELD(action),
	  .value = OPTIONS_LONG_OPTIONS },
};
#pragma GCC diagnostic pop

static_assert(array_len(specs) <= 64, "options.given has a bit for each row");

static const struct {
	const char *name;
	enum options_verb verb;
	const char *synopsis, *help;
} verbs[] = {
	{ "connect", OPTIONS_CONNECT, "connect [OPTION]... HOST [-- COMMAND]",
	  "reach a listener and send it standard input" },
	{ "listen", OPTIONS_LISTEN, "listen [OPTION]... [-- COMMAND]",
	  "wait for a peer and write what it sends to standard output" },
	{ "ssh", OPTIONS_SSH,
	  "ssh [OPTION]... [SSH-OPTION]... [USER@]HOST COMMAND",
	  "start COMMAND on HOST by ssh and send it standard input" },
	{ "ssh-server", OPTIONS_SSH_SERVER, "ssh-server --forced FILTER",
	  "what ssh starts on HOST" },
	{ "keygen", OPTIONS_KEYGEN, "keygen [OPTION]...",
	  "make a pre-shared key" },
	{ "probe", OPTIONS_PROBE, "probe [--json]",
	  "tell what this kernel and GnuTLS can do" },
};

enum {
	BUFFER_BYTES = 64 << 20,
	BUFFER_MIN_BYTES = 1 << 20,
	REKEY_MIN_BYTES = 1 << 20,
};

/* Wrong usage, and where to read about it: the help of the verb, if any */
static int attr_printf(3, 4) options_wrong(const struct options *o,
					   struct err *e, const char *fmt, ...)
{
	char what[sizeof e->msg / 2];
	const char *verb = "", *blank = "";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < array_len(verbs); i++)
		if (verbs[i].verb == o->verb) {
			verb = verbs[i].name;
			blank = " ";
		}
	return err_set(e, ERR_USAGE, 0, "%s; see 'btrfs-ktls-pipe%s%s --help'",
		       what, blank, verb);
}

static enum options_verb options_find_verb(const char *name)
{
	for (size_t i = 0; i < array_len(verbs); i++)
		if (!strcmp(verbs[i].name, name))
			return verbs[i].verb;
	return 0;
}

static int options_word(const struct options_spec *spec, const char *text,
			int *out, struct err *e)
{
	const char *const *words = spec->words;

	for (int i = 0; i < (int)array_len(spec->words); i++)
		if (!strcmp(words[i], text)) {
			*out = i;
			return 0;
		}
	return err_set(e, ERR_USAGE, 0, "'%s' is not one of %s|%s|%s", text,
		       words[0], words[1], words[2]);
}

static int options_string(const char *text, const char **out, struct err *e)
{
	if (!*text)
		return err_set(e, ERR_USAGE, 0, "needs a value");
	*out = text;
	return 0;
}

static int options_name(const char *text, struct options_names *list,
			struct err *e)
{
	if (list->count == OPTIONS_NAMES_MAX)
		return err_set(e, ERR_USAGE, 0, "may be given at most %d times",
			       OPTIONS_NAMES_MAX);
	return options_string(text, &list->names[list->count++], e);
}

static int options_fd(const char *text, int *out, struct err *e)
{
	uint64_t fd;

	if (parse_uint(text, 0, INT_MAX, &fd, e) < 0)
		return -1;
	*out = (int)fd;
	return 0;
}

static int options_identity(const char *text, const char **out, struct err *e)
{
	if (!key_identity_ok(text))
		return err_set(e, ERR_USAGE, 0,
			       "an identity is 1 to 64 letters, digits and "
			       "._@-, and begins with a letter or digit");
	*out = text;
	return 0;
}

/* PORT, or a range A-B */
static int options_port(const char *text, struct options *o, struct err *e)
{
	char first[8];
	size_t len = strcspn(text, "-");

	o->last_port = 0;
	if (!len || !text[len] || len >= sizeof first)
		return parse_uint(text, 0, 65535, &o->port, e);
	memcpy(first, text, len);
	first[len] = '\0';
	if (parse_uint(first, 1, 65535, &o->port, e) < 0)
		return -1;
	return parse_uint(text + len + 1, o->port, 65535, &o->last_port, e);
}

static int options_store(struct options *o, const struct options_spec *spec,
			 const char *text, struct err *e)
{
	void *field = (char *)o + spec->offset;

	switch (spec->type) {
	case TYPE_FLAG:
		*(bool *)field = true;
		return 0;
	case TYPE_COUNT:
		++*(int *)field;
		return 0;
	case TYPE_SET:
		*(int *)field = spec->value;
		return 0;
	case TYPE_STRING:
	case TYPE_FILE:
		return options_string(text, field, e);
	case TYPE_NAMES:
		return options_name(text, field, e);
	case TYPE_IDENTITY:
		return options_identity(text, field, e);
	case TYPE_DURATION:
		return parse_duration(text, field, e);
	case TYPE_SIZE:
		return parse_size(text, field, e);
	case TYPE_PORT:
		return options_port(text, o, e);
	case TYPE_LIMIT:
		return parse_uint(text, 1, UINT32_MAX, field, e);
	case TYPE_FD:
		return options_fd(text, field, e);
	case TYPE_WORD:
		return options_word(spec, text, field, e);
	case TYPE_MODES:
		return mode_parse(text, field, e);
	case TYPE_DSCP:
		return tcp_options_dscp(text, field, e);
	}
	return err_set(e, ERR_BUG, 0, "option type");
}

/* The rows of one verb as getopt_long(3) wants them */
struct options_getopt {
	char letters[2 * array_len(specs) + 3];
	struct option names[array_len(specs) + 1];
};

static void options_fill_getopt(struct options_getopt *g,
				enum options_verb verb)
{
	char *letter = g->letters;
	size_t n = 0;

	/* What follows FILTER or a request is not ours. */
	if (verb == OPTIONS_SSH_SERVER)
		*letter++ = '+';
	/* Distinguish a missing value from an unknown option. */
	*letter++ = ':';
	for (size_t i = 0; i < array_len(specs); i++) {
		const struct options_spec *spec = &specs[i];

		if (!(spec->verbs & verb))
			continue;
		g->names[n++] = (struct option){
			.name = spec->name,
			.has_arg = spec->arg ? required_argument : no_argument,
			.val = 256 + (int)i,
		};
		if (!spec->letter || verb == OPTIONS_SSH)
			continue;
		*letter++ = spec->letter;
		if (spec->arg)
			*letter++ = ':';
	}
	*letter = '\0';
	g->names[n] = (struct option){ 0 };
}

static const struct options_spec *options_find_spec(enum options_verb verb,
						    int val)
{
	if (val >= 256)
		return &specs[val - 256];
	for (size_t i = 0; i < array_len(specs); i++)
		if ((specs[i].verbs & verb) && specs[i].letter == val)
			return &specs[i];
	return NULL;
}

/* An option that getopt_long(3) refused */
struct refused {
	char letter; /* 0: it is long, or no letter of ours */
	const char *name; /* a long one's, len bytes; NULL: it is short */
	size_t len;
};

static bool options_is(const struct options_spec *spec, const struct refused *r)
{
	if (!r->name)
		return r->letter && spec->letter == r->letter;
	return strlen(spec->name) == r->len &&
	       !memcmp(spec->name, r->name, r->len);
}

/* Add a word to a list that has room for it.  Returns the list's length. */
static size_t options_list(char list[static 128], size_t n, const char *dashes,
			   const char *word)
{
	return n + (size_t)snprintf(list + n, n < 128 ? 128 - n : 0, "%s%s%s",
				    n ? ", " : "", dashes, word);
}

/* List the options of our verb that begin with this name.  Returns their number. */
static size_t options_likely(const struct options *o, const struct refused *r,
			     char list[static 128])
{
	size_t count = 0, n = 0;

	for (size_t i = 0; i < array_len(specs) && n < 128; i++)
		if ((specs[i].verbs & o->verb) && specs[i].help &&
		    !strncmp(specs[i].name, r->name, r->len)) {
			n = options_list(list, n, "--", specs[i].name);
			count++;
		}
	return count;
}

/* List the verbs that have it.  Returns whether there are any. */
static bool options_elsewhere(const struct refused *r, char list[static 128])
{
	unsigned int others = 0;
	size_t n = 0;

	for (size_t i = 0; i < array_len(specs); i++)
		if (options_is(&specs[i], r))
			others |= specs[i].verbs;
	for (size_t i = 0; i < array_len(verbs); i++)
		if (others & verbs[i].verb)
			n = options_list(list, n, "", verbs[i].name);
	return others;
}

/*
 * Say why.  optopt is a letter; or 0, and the word before optind is long; or a
 * row, which got a value that it does not take.
 */
static int options_unknown(const struct options *o, char **argv, struct err *e)
{
	const int row = optopt - 256;
	struct refused r = { .letter = '\0' };
	char text[128], list[128] = "";

	if (row >= 0 && row < (int)array_len(specs))
		return options_wrong(o, e, "--%s takes no value",
				     specs[row].name);
	if (!optopt) {
		r.name = argv[optind - 1] + 2;
		r.len = strcspn(r.name, "=");
		snprintf(text, sizeof text, "--%.*s", (int)r.len, r.name);
	} else if (optopt > 0 && optopt < 127) {
		r.letter = (char)optopt;
		snprintf(text, sizeof text, "-%c", optopt);
	} else { /* a byte of a letter beyond ASCII: the whole word */
		snprintf(text, sizeof text, "%s",
			 argv[optind] && strchr(argv[optind], (char)optopt)
				 ? argv[optind]
				 : argv[optind - 1]);
	}
	if (r.len && options_likely(o, &r, list) > 1)
		return options_wrong(o, e, "%s can be %s", text, list);
	*list = '\0';
	if (options_elsewhere(&r, list) && o->verb)
		return options_wrong(o, e, "%s is for %s", text, list);
	return options_wrong(o, e, "no option %s", text);
}

static int options_parse_options(struct options *o, int argc, char **argv,
				 struct err *e)
{
	struct options_getopt g;
	int val;

	options_fill_getopt(&g, o->verb ? o->verb : EVERY);
	opterr = 0;
	optind = 0;
	while ((val = getopt_long(argc, argv, g.letters, g.names, NULL)) >= 0) {
		const struct options_spec *spec;

		if (val == ':')
			return options_wrong(o, e, "option %s needs a value",
					     argv[optind - 1]);
		if (val == '?')
			return options_unknown(o, argv, e);
		spec = options_find_spec(o->verb ? o->verb : EVERY, val);
		assert(spec);
		if (options_store(o, spec, optarg, e) < 0)
			return err_wrap(e, "--%s", spec->name);
		o->given |= UINT64_C(1) << (spec - specs);
	}
	return 0;
}

static int options_check_connect(struct options *o, int argc, char **argv,
				 struct err *e)
{
	bool port_given = o->port != UINT64_MAX;
	struct host_port to;

	if (!argc)
		return options_wrong(o, e, "connect needs a HOST");
	if (argc > 1)
		return options_wrong(o, e,
				     "connect takes one HOST, '%s' is another "
				     "word: write -- before a COMMAND",
				     argv[1]);
	if (port_given && (o->port == 0 || o->last_port))
		return err_set(e, ERR_USAGE, 0, "connect cannot use port 0%s",
			       o->last_port ? ", nor a range of ports" : "");
	if (host_port_parse(argv[0], port_given, &to, e) < 0)
		return -1;
	if (port_given && to.port)
		return err_set(e, ERR_USAGE, 0,
			       "the port is given twice: in '%s' and with -p",
			       argv[0]);
	snprintf(o->host, sizeof o->host, "%s", to.host);
	if (to.port)
		o->port = to.port;
	return 0;
}

static bool options_given(const struct options *o, size_t row)
{
	return o->given >> row & 1;
}

bool options_mode_none(const struct options *o)
{
	return o->modes.count && o->modes.modes[0] == &mode_none;
}

/* Does what a row needs or excludes hold? */
static bool options_has(const struct options *o, const char *what)
{
	size_t len = strcspn(what, ":") - 2;

	if (!strcmp(what, COMMAND))
		return o->command;
	if (!strcmp(what, NO_BUFFER))
		return !o->buffer_bytes;
	if (!strcmp(what, NONE))
		return options_mode_none(o);
	for (size_t i = 0; i < array_len(specs); i++)
		if (options_given(o, i) && strlen(specs[i].name) == len &&
		    !memcmp(specs[i].name, what + 2, len))
			return true;
	return false;
}

static int options_check_row(const struct options *o,
			     const struct options_spec *spec, struct err *e)
{
	for (size_t i = 0; i < array_len(spec->needs) && spec->needs[i]; i++)
		if (!options_has(o, spec->needs[i]))
			return err_set(e, ERR_USAGE, 0, "--%s needs %s",
				       spec->name, spec->needs[i]);
	for (size_t i = 0; i < array_len(spec->not_with) && spec->not_with[i];
	     i++)
		if (options_has(o, spec->not_with[i]))
			return err_set(e, ERR_USAGE, 0,
				       "--%s cannot be used with %s",
				       spec->name, spec->not_with[i]);
	return 0;
}

bool options_sends(const struct options *o)
{
	return o->verb == OPTIONS_CONNECT  ? !o->receive
	       : o->verb == OPTIONS_LISTEN ? o->send
					   : true;
}

/* What a row needs, what it excludes, and one use of standard input */
static int options_check_rows(const struct options *o, struct err *e)
{
	bool stdin_is_stream = options_sends(o) && !o->command;

	for (size_t i = 0; i < array_len(specs); i++) {
		const void *field = (const char *)o + specs[i].offset;

		if (!options_given(o, i))
			continue;
		if (options_check_row(o, &specs[i], e) < 0)
			return -1;
		if (specs[i].type == TYPE_FILE && stdin_is_stream &&
		    !strcmp(*(const char *const *)field, "-"))
			return err_set(e, ERR_USAGE, 0,
				       "--%s -: standard input is the stream; "
				       "name the file",
				       specs[i].name);
	}
	return 0;
}

/* Conflicts of values that the table does not state */
static int options_check_values(const struct options *o, struct err *e)
{
	if (options_mode_none(o) &&
	    (o->verb == OPTIONS_SSH || o->ktls == CONNECTION_KTLS_REQUIRE))
		return err_set(e, ERR_USAGE, 0, "%s cannot be used with " NONE,
			       o->verb == OPTIONS_SSH ? "ssh"
						      : "--ktls require");
	if (o->verb == OPTIONS_CONNECT && o->peers.count > 1)
		return err_set(e, ERR_USAGE, 0,
			       "connect takes one --peer: there is one "
			       "listener");
	if (!o->handshake_ms)
		return err_set(e, ERR_USAGE, 0,
			       "--handshake-timeout: at least 1ms");
	if (o->name && digest_check(e) < 0)
		return err_wrap(e, "--name");
	if ((o->verb & BOTH) && o->output && digest_check(e) < 0)
		return err_wrap(e, "--output");
	if (o->verb == OPTIONS_CONNECT && o->output && !o->receive)
		return err_set(e, ERR_USAGE, 0, "--output needs --receive");
	if (o->verb == OPTIONS_SSH && o->name && o->receive)
		return err_set(e, ERR_USAGE, 0,
			       "--name cannot be used with --receive: over ssh "
			       "it is for the sender");
	if (o->verb == OPTIONS_CONNECT && o->name && o->receive && !o->output)
		return err_set(e, ERR_USAGE, 0,
			       "--name with --receive needs --output FILE: "
			       "what arrived has to outlive this process");
	if (o->name && strlen(o->name) > STREAM_NAME_MAX)
		return err_set(e, ERR_USAGE, 0, "--name: at most %d bytes",
			       STREAM_NAME_MAX);
	return 0;
}

/*
 * Bytes of this machine, or 0 if the kernel does not say.  (Where sysinfo(2) is
 * refused, sysconf(3) makes a number of what it did not read.)
 */
static uint64_t options_memory(void)
{
	struct sysinfo info;

	return sysinfo(&info) < 0 ? 0 : (uint64_t)info.totalram * info.mem_unit;
}

int options_check_stream(const struct options *o, struct err *e)
{
	uint64_t memory = options_memory();

	if (o->buffer_bytes && o->buffer_bytes < BUFFER_MIN_BYTES)
		return err_set(e, ERR_USAGE, 0,
			       "--buffer: at least 1M, or 0 for none");
	if (o->limit_bytes_per_s && !options_sends(o))
		return err_set(e, ERR_USAGE, 0, "--limit is for the sender");
	if (o->rekey_bytes < REKEY_MIN_BYTES)
		return err_set(e, ERR_USAGE, 0, "--rekey-after: at least 1M");
	if (memory && o->buffer_bytes >= memory)
		return err_set(e, ERR_USAGE, 0,
			       "--buffer: this machine has only %" PRIu64
			       " MiB of memory",
			       memory >> 20);
	return 0;
}

/* ssh: is this --retry also how long the far host waits for a process? */
static bool options_waits(const struct options *o)
{
	return o->verb == OPTIONS_SSH && o->name;
}

static int options_check_ssh(const struct options *o, struct err *e)
{
	if (!o->ssh.host || !*o->ssh.host)
		return options_wrong(o, e, "ssh needs a HOST");
	if (!o->ssh.command)
		return err_set(e, ERR_USAGE, 0,
			       "ssh needs a COMMAND behind HOST, which takes "
			       "the stream there, or with --receive makes it");
	if (options_waits(o) && !o->retry_ms)
		return err_set(e, ERR_USAGE, 0,
			       "--name cannot be used with --retry 0: HOST "
			       "waits that long for another process");
	return 0;
}

static int options_check_ssh_server(struct options *o, int argc, char **argv,
				    struct err *e)
{
	if (!argc)
		return options_wrong(o, e,
				     o->forced ? "--forced needs a FILTER"
					       : "ssh-server needs the request "
						 "that 'btrfs-ktls-pipe ssh' "
						 "makes");
	if (o->reverse_to && !ssh_net_valid(o->reverse_to))
		return err_set(e, ERR_USAGE, 0,
			       "--reverse-to: '%s' is not a network; write it "
			       "like 192.0.2.0/24 or 2001:db8::/32",
			       o->reverse_to);
	o->words = argv;
	return 0;
}

/* A word that is no option, where only listen takes a COMMAND */
static int options_unexpected(const struct options *o, const char *word,
			      struct err *e)
{
	struct net_address ignored;
	bool listens = o->verb == OPTIONS_LISTEN;
	bool address = net_address_parse(word, strlen(word), &ignored);

	return options_wrong(o, e, "unexpected argument '%s'%s", word,
			     !listens  ? ""
			     : address ? ": -b chooses the address"
				       : ": write -- before a COMMAND");
}

/* One of our own addresses, or of the host that listens: without brackets */
static int options_address(struct options *o, const char *option,
			   const char **address, const char *port_option,
			   struct err *e)
{
	struct host_port at;

	if (!*address)
		return 0;
	if (host_port_parse(*address, true, &at, e) < 0)
		return err_wrap(e, "%s", option);
	if (at.port)
		return err_set(e, ERR_USAGE, 0,
			       "%s: '%s' has a port: choose that with %s",
			       option, *address, port_option);
	strcpy(o->address_text, at.host);
	*address = o->address_text;
	return 0;
}

static int options_check(struct options *o, int argc, char **argv,
			 struct err *e)
{
	if (o->verb == OPTIONS_CONNECT) {
		if (options_check_connect(o, argc, argv, e) < 0)
			return -1;
	} else if (o->verb == OPTIONS_SSH_SERVER) {
		return options_check_ssh_server(o, argc, argv, e);
	} else if (argc) {
		return options_unexpected(o, argv[0], e);
	}
	if (o->port == UINT64_MAX)
		o->port = o->verb == OPTIONS_SSH ? 0 : NET_DEFAULT_PORT;
	if (o->retry_ms == RETRY_UNSET)
		o->retry_ms = o->verb == OPTIONS_LISTEN || options_waits(o)
				      ? RETRY_LISTEN_MS
				      : RETRY_CONNECT_MS;
	if (o->command && !(o->verb & BOTH))
		return err_set(e, ERR_USAGE, 0,
			       "only connect and listen take a COMMAND");
	if (o->verb == OPTIONS_SSH && options_check_ssh(o, e) < 0)
		return -1;
	if (options_address(o, "-b", &o->bind, "-p", e) < 0 ||
	    options_address(o, "--address", &o->address, "--port", e) < 0)
		return -1;
	if (options_check_rows(o, e) < 0 || options_check_values(o, e) < 0)
		return -1;
	return o->verb & STREAM ? options_check_stream(o, e) : 0;
}

/* Everything after the first "--" is COMMAND. */
static int options_split_command(struct options *o, int *argc, char **argv,
				 struct err *e)
{
	for (int i = 1; i < *argc; i++) {
		if (strcmp(argv[i], "--"))
			continue;
		if (i + 1 == *argc || !*argv[i + 1])
			return err_set(e, ERR_USAGE, 0,
				       "no COMMAND after '--'");
		o->command = argv + i + 1;
		argv[i] = NULL;
		*argc = i;
		return 0;
	}
	return 0;
}

static bool options_takes_value(const char *name, size_t len)
{
	for (size_t i = 0; i < array_len(specs); i++)
		if ((specs[i].verbs & OPTIONS_SSH) && specs[i].arg &&
		    !strncmp(specs[i].name, name, len))
			return true;
	return false;
}

/* Options of the file come before those of the command line. */
static int options_parse_defaults(struct options *o, struct err *e)
{
	if (ssh_defaults_read(&o->defaults, e) < 0)
		return -1;
	if (!o->defaults.count)
		return 0;
	if (options_parse_options(o, o->defaults.count, o->defaults.words, e) <
	    0)
		return err_wrap(e, "%s", o->defaults.words[0]);
	o->action = OPTIONS_RUN;
	return 0;
}

/* The verb ssh: what is ssh's was sorted out, the rest is ours. */
static int options_parse_ssh(struct options *o, int argc, char **argv,
			     struct err *e)
{
	int count = 1;
	autofree char **words = NULL;

	if (ssh_args_parse(&o->ssh, argc - 1, argv + 1, options_takes_value,
			   e) < 0 ||
	    options_parse_defaults(o, e) < 0)
		return -1;
	words = calloc(o->ssh.ours_count + 2, sizeof *words);
	if (!words)
		return err_memory(e);
	words[0] = argv[0];
	for (size_t i = 0; i < o->ssh.ours_count; i++)
		words[count++] = o->ssh.ours[i];
	if (options_parse_options(o, count, words, e) < 0)
		return -1;
	o->quiet |= o->ssh.quiet;
	o->verbose += o->ssh.verbose;
	o->family = o->ssh.family;
	return o->action == OPTIONS_RUN ? options_check(o, 0, NULL, e) : 0;
}

void options_fini(struct options *o)
{
	ssh_args_fini(&o->ssh);
	ssh_defaults_fini(&o->defaults);
}

int options_parse(struct options *o, int argc, char **argv, struct err *e)
{
	bool verb_first = argc > 1 && argv[1][0] != '-';

	*o = (struct options){ .port = UINT64_MAX,
			       .wait_ms = CLOCK_NEVER,
			       .handshake_ms = 10000,
			       .retry_ms = RETRY_UNSET,
			       .ready_fd = -1,
			       .tcp.dscp = -1,
			       .buffer_bytes = BUFFER_BYTES,
			       .rekey_bytes = UINT64_MAX };
	if (verb_first)
		o->verb = options_find_verb(argv[1]);
	if (!(o->verb & (OPTIONS_SSH | OPTIONS_SSH_SERVER)) &&
	    options_split_command(o, &argc, argv, e) < 0)
		return -1;
	if (argc < 2)
		return options_wrong(o, e, "no verb given");
	if (verb_first) {
		if (!o->verb)
			return options_wrong(o, e, "unknown verb '%s'",
					     argv[1]);
		argc--;
		argv++;
	}
	if (o->verb == OPTIONS_SSH)
		return options_parse_ssh(o, argc, argv, e);
	if (options_parse_options(o, argc, argv, e) < 0)
		return -1;
	if (o->action != OPTIONS_RUN)
		return 0;
	if (!o->verb)
		return options_wrong(o, e,
				     "the verb comes first: connect, listen, "
				     "ssh, keygen or probe");
	return options_check(o, argc - optind, argv + optind, e);
}

static void options_print_spec(const struct options_spec *spec, bool letters)
{
	const char *line = spec->help, *end;
	char left[64];
	int n;

	if (!spec->help)
		return;
	n = snprintf(left, sizeof left,
		     spec->letter && letters ? "-%c, " : "    ", spec->letter);
	snprintf(left + n, sizeof left - (size_t)n, "--%s%s%s", spec->name,
		 spec->arg ? " " : "", spec->arg ? spec->arg : "");
	/* A left column that is too wide gets a line of its own. */
	if (strlen(left) > 21) {
		printf("  %s\n", left);
		left[0] = '\0';
	}
	for (; line; line = end ? end + 1 : NULL) {
		end = strchr(line, '\n');
		printf("  %-21s %.*s\n", left,
		       end ? (int)(end - line) : (int)strlen(line), line);
		left[0] = '\0';
	}
}

int options_print_help(enum options_verb verb, struct err *e)
{
	const char *lead = "usage:";

	for (size_t i = 0; i < array_len(verbs); i++) {
		if (verb && verbs[i].verb != verb)
			continue;
		printf("%-6s btrfs-ktls-pipe %s\n", lead, verbs[i].synopsis);
		lead = "";
	}
	printf("\n");
	for (size_t i = 0; i < array_len(verbs); i++)
		if (!verb || verbs[i].verb == verb)
			printf("  %-8s %s\n", verbs[i].name, verbs[i].help);
	if (!verb)
		printf("\n"
		       "  btrfs send /snap | btrfs-ktls-pipe connect HOST\n"
		       "  btrfs-ktls-pipe listen | btrfs receive /mnt\n"
		       "  btrfs send /snap | btrfs-ktls-pipe ssh HOST btrfs "
		       "receive /mnt\n");
	printf("\n");
	for (size_t i = 0; i < array_len(specs); i++)
		if (specs[i].verbs & (verb ? verb : EVERY))
			options_print_spec(&specs[i], verb != OPTIONS_SSH);
	printf("\nSee btrfs-ktls-pipe%s(1).\n",
	       verb & (OPTIONS_SSH | OPTIONS_SSH_SERVER) ? "-ssh" : "");
	return io_flush_stdout(e);
}

int options_print_long_options(enum options_verb verb, struct err *e)
{
	for (size_t i = 0; i < array_len(specs); i++)
		if (specs[i].help && (specs[i].verbs & (verb ? verb : EVERY)))
			printf("--%s\n", specs[i].name);
	return io_flush_stdout(e);
}
