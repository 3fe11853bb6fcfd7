/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line: one table for parsing, checks and help.
 * Ref: the manual page; a test compares it with the table.
 */
#pragma once

#include "base/err.h"
#include "cli/ssh_args.h"
#include "cli/ssh_defaults.h"
#include "conn/tcp_options.h"
#include "tls/mode.h"

enum options_verb {
	OPTIONS_CONNECT = 1,
	OPTIONS_LISTEN = 2,
	OPTIONS_KEYGEN = 4,
	OPTIONS_PROBE = 8,
	OPTIONS_SSH = 16,
	OPTIONS_SSH_SERVER = 32,
};

/* What to do.  Everything but RUN ignores the other options. */
enum options_action {
	OPTIONS_RUN,
	OPTIONS_HELP,
	OPTIONS_VERSION,
	OPTIONS_LONG_OPTIONS, /* for tests and shell completion */
};

/* --confine, in the order of the words in the table */
enum options_confine {
	OPTIONS_CONFINE_AUTO,
	OPTIONS_CONFINE_REQUIRE,
	OPTIONS_CONFINE_OFF
};

/* The values of an option that may be repeated */
enum { OPTIONS_NAMES_MAX = 64 };
struct options_names {
	size_t count;
	const char *names[OPTIONS_NAMES_MAX];
};

struct options {
	enum options_action action;
	enum options_verb verb; /* 0: none was given; only with an action */
	uint64_t given; /* a bit for each row of the table */

	char host[256]; /* connect: no port, no brackets */
	const char *bind; /* or NULL; no brackets, and none in address */
	char address_text[256]; /* of bind or address */
	uint64_t port; /* UINT64_MAX while parsing: not given */
	uint64_t last_port; /* of a range, or 0 */
	int family; /* AF_UNSPEC, AF_INET, AF_INET6 */

	const char *key; /* or NULL */
	const char *identity; /* or NULL */
	const char *keys; /* listen: keys of many clients, or NULL */
	const char *password_file; /* or NULL */
	const char *cert, *cert_key, *ca; /* all or none; else NULL */
	struct options_names peers;
	struct mode_list modes; /* empty: the default */

	int ktls, tx, rx; /* enum connection_ktls, enum stream_how */
	int confine; /* enum options_confine */
	uint64_t wait_ms; /* CLOCK_NEVER: for ever */
	uint64_t handshake_ms;
	int ready_fd; /* -1: none */
	bool raw;
	bool receive; /* connect */
	bool send; /* listen */
	uint64_t buffer_bytes;
	uint64_t retry_ms; /* 0: no resume, one attempt */
	uint64_t rekey_bytes; /* rekey after so much at the latest */
	uint64_t limit_bytes_per_s; /* 0: none */
	struct tcp_options tcp;
	bool progress;
	uint64_t size_bytes; /* 0: not known */
	const char *stats; /* or NULL */
	char **command; /* NULL-terminated, or NULL */
	bool passes_on; /* ssh-server: see command_start() */
	const char *name; /* connect, ssh: of the stream, or NULL */
	bool discard; /* the same: abandon the stream of that name */
	bool allow_self; /* listen */
	bool keep; /* listen */
	uint64_t per_client; /* listen --keep; 0: the default */
	bool json;

	struct ssh_args ssh; /* ssh: what ssh gets */
	struct ssh_defaults defaults; /* ssh: from the file */
	const char *address; /* ssh: of the host that listens, or NULL */
	const char *others[2]; /* ssh: hosts to try after host, or NULL */
	bool reverse; /* ssh: the far host connects */
	bool fallback; /* ssh: go through ssh if there is no other way */
	bool forced; /* ssh-server: words are FILTER, not a request */
	const char *reverse_to; /* ssh-server: NET, or NULL */
	char **words; /* ssh-server: NULL-terminated, or NULL */
	const char *output; /* keygen -o; --output of a receiver; or NULL */

	bool quiet;
	int verbose; /* how many -v */
};

/*
 * Parse argv into *o.  Borrows the strings of argv.  The caller calls
 * options_fini(), after an error too.  Errors: ERR_USAGE.
 */
int options_parse(struct options *o, int argc, char **argv,
		  struct err *e) attr_must_check;

void options_fini(struct options *o);
#define autofini_options attr_cleanup(options_fini)

/* Does --mode say none? */
bool options_mode_none(const struct options *o);

/* Does this side send the stream? */
bool options_sends(const struct options *o);

/*
 * Do the options of the stream fit this machine and the direction?  For options
 * that no command line made.  Errors: ERR_USAGE.
 */
int options_check_stream(const struct options *o,
			 struct err *e) attr_must_check;

/*
 * Check what was parsed, and fill in the host, the defaults and the words that
 * are no options.  Errors: ERR_USAGE.
 */
int options_check(struct options *o, int argc, char **argv,
		  struct err *e) attr_must_check;

/* Print the help for a verb (0: for the program).  Errors: ERR_IO. */
int options_help(enum options_verb verb, struct err *e) attr_must_check;

/* Print the long options of a verb, one a line.  Errors: ERR_IO. */
int options_help_long_options(enum options_verb verb,
			      struct err *e) attr_must_check;
