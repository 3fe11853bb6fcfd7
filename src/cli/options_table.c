// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/options_table.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>

#include "auth/key.h"

#define ONE_KIND ": give exactly one kind of credential"
#define RAW_PEER ": the peer is another TLS program"
#define MODES_HELP                                            \
	"what may be negotiated, best first (TLS 1.3), of:\n" \
	"tls13-aes128-gcm, tls13-aes256-gcm,\n"               \
	"tls13-chacha20-poly1305,\n"                          \
	"tls12-aes128-gcm, tls12-aes256-gcm"

#define NAME_HELP "by this name another process can continue the stream"
#define OUTPUT_HELP \
	"write FILE, complete or not at all; FILE.part is\ncontinued"
#define NO_METER ": SIGUSR1 prints the progress of all streams"

#define FIELD(f) offsetof(struct options, f)

/* Most rows end before the column value. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
const struct options_spec options_table_specs[] = {
	{ "key", 'k', BOTH, TYPE_FILE, FIELD(key), "FILE",
	  "pre-shared key: PEM, identity:hex or raw bytes\n"
	  "(" KEY_DEFAULT_FILE ")",
	  .not_with = { NONE } },
	{ "identity", 0, BOTH, TYPE_IDENTITY, FIELD(identity), "NAME",
	  "identity that goes with the key (btrfs)", .not_with = { NONE } },
	{ "identity", 0, OPTIONS_KEYGEN, TYPE_IDENTITY, FIELD(identity), "NAME",
	  "make a line identity:hex for a listener's keys" },
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
	  "listen: a name to accept (default: any); repeatable",
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
	  "go through ssh if no direct connection is possible",
	  .not_with = { KTLS_REQUIRE } },
	{ "forced", 0, OPTIONS_SSH_SERVER, TYPE_FLAG, FIELD(forced), NULL,
	  "let FILTER judge and run the COMMAND" },
	{ "reverse-to", 0, OPTIONS_SSH_SERVER, TYPE_STRING, FIELD(reverse_to),
	  "NET", "where we may connect to besides the client" },
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
	  "how long to go on after a lost connection (2m); with\n"
	  "--name also how long HOST waits for another process:\n"
	  "then both are 1h" },
	{ "retry", 0, BOTH, TYPE_DURATION, FIELD(retry_ms), "DURATION",
	  "connect: how long to go on trying to connect (2m);\n"
	  "listen: the longest time that it grants (1h)" },
	{ "name", 0, OPTIONS_CONNECT, TYPE_STRING, FIELD(name), "NAME",
	  NAME_HELP, .not_with = { NO_BUFFER, NONE } },
	{ "name", 0, OPTIONS_SSH, TYPE_STRING, FIELD(name), "NAME", NAME_HELP,
	  .not_with = { NO_BUFFER, "--receive: over ssh it is for the sender",
			"--reverse: the receiver listens",
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
	{ "output", 0, OPTIONS_CONNECT, TYPE_STRING, FIELD(output), "FILE",
	  OUTPUT_HELP, .needs = { "--receive" },
	  .not_with = { "--raw", COMMAND } },
	{ "output", 0, OPTIONS_LISTEN, TYPE_STRING, FIELD(output), "FILE",
	  OUTPUT_HELP,
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

_Static_assert(OPTIONS_TABLE_SPECS <= 64,
	       "options.given has a bit for each row");

const struct options_verb_row options_table_verbs[] = {
	{ "connect", OPTIONS_CONNECT, "connect [OPTION]... HOST [-- COMMAND]",
	  "reach a listener and send it standard input" },
	{ "listen", OPTIONS_LISTEN, "listen [OPTION]... [-- COMMAND]",
	  "wait for a peer and write what it sends to standard output" },
	{ "ssh", OPTIONS_SSH,
	  "ssh [OPTION]... [SSH-OPTION]... [USER@]HOST COMMAND",
	  "start COMMAND on HOST by ssh and send it standard input" },
	{ "ssh-server", OPTIONS_SSH_SERVER,
	  "ssh-server [OPTION]... --forced FILTER [ARG]...",
	  "what ssh starts on HOST" },
	{ "keygen", OPTIONS_KEYGEN, "keygen [OPTION]...",
	  "make a pre-shared key" },
	{ "probe", OPTIONS_PROBE, "probe [--json]",
	  "tell what this kernel and GnuTLS can do" },
};

int attr_printf(3, 4) options_table_wrong(const struct options *o,
					  struct err *e, const char *fmt, ...)
{
	char what[sizeof e->msg / 2];
	const char *verb = "", *blank = "";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < OPTIONS_TABLE_VERBS; i++)
		if (options_table_verbs[i].verb == o->verb) {
			verb = options_table_verbs[i].name;
			blank = " ";
		}
	return err_set(e, ERR_USAGE, 0, "%s; see 'btrfs-ktls-pipe%s%s --help'",
		       what, blank, verb);
}
