/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The request: what the verb ssh asks of ssh-server on the far host.  One line
 * of a fixed grammar, which stands behind "btrfs-ktls-pipe ssh-server " in the
 * command that ssh sends:
 *   VERSION send|receive [NAME=NUMBER | NAME=WORD | FLAG]... -- COMMAND
 * COMMAND is one word: what is neither a letter nor a digit nor one of /._-,:@+
 * is %XX.  So no shell on the way changes it, and nobody has to unquote it.
 * Pure.
 */
#pragma once

#include "auth/key.h"
#include "base/err.h"
#include "cli/ssh_answer.h"

enum {
	SSH_REQUEST_MAX = 120000, /* bytes; one argument may have 128 KiB */
	SSH_REQUEST_WORD_MAX = 128,
};

/* Zero or "" is not written. */
struct ssh_request {
	bool sends; /* the far host does; else it receives */
	bool reverse; /* the far host connects */
	bool fallback; /* the stream may go through ssh's channel */
	bool ktls_told; /* the near host reports that it lacks kernel TLS */
	bool quiet;
	bool discard; /* abandon the stream of that name */
	uint64_t ktls; /* enum connection_ktls */
	uint64_t verbose;
	uint64_t port, port_last; /* 0: any */
	uint64_t retry_ms, handshake_ms;
	uint64_t buffer_bytes, rekey_bytes, limit_bytes_per_s;
	uint64_t tcp_buffer_bytes;
	uint64_t dscp; /* the code point, plus 1 */
	char congestion[SSH_REQUEST_WORD_MAX];
	char modes[SSH_REQUEST_WORD_MAX]; /* a list, as --mode takes it */
	char name[SSH_REQUEST_WORD_MAX]; /* its hash, in hex; "": none */
	char identity[SSH_REQUEST_WORD_MAX]; /* of the key; "": the default */
	char host[SSH_REQUEST_WORD_MAX]; /* how the user calls the far host */
	char *command; /* free() */
};

/*
 * The key line, which ssh-server reads from its standard input.  Its length is
 * known, because nothing else may be read from there.
 */
enum {
	SSH_REQUEST_KEY_BYTES = 32,
	SSH_REQUEST_LINE_BYTES =
		2 * SSH_REQUEST_KEY_BYTES + sizeof " 65535 " - 1 +
		SSH_ANSWER_ADDRESS_MAX, /* with its newline, not terminated */
};

struct ssh_request_secret {
	struct key key; /* its identity is in the request, not in this line */
	uint64_t port; /* reverse: where we listen; else 0 */
	char address[SSH_ANSWER_ADDRESS_MAX]; /* and at which address, or "" */
};

void ssh_request_format_secret(const struct ssh_request_secret *s,
			       char line[static SSH_REQUEST_LINE_BYTES]);

/* The caller wipes *s, after an error too.  Errors: ERR_USAGE. */
int ssh_request_parse_secret(const char line[static SSH_REQUEST_LINE_BYTES],
			     struct ssh_request_secret *s,
			     struct err *e) attr_must_check;

/*
 * Write the request and terminate it.  Owned by the caller: free().  NULL:
 * ERR_USAGE, COMMAND is too long; ERR_BUG, out of memory.
 */
char *ssh_request_format(const struct ssh_request *r, struct err *e);

/*
 * Parse it.  The caller calls ssh_request_fini(), after an error too.  Errors:
 * ERR_USAGE.
 */
int ssh_request_parse(struct ssh_request *r, const char *text,
		      struct err *e) attr_must_check;

void ssh_request_fini(struct ssh_request *r);

/* Put text into a word of a request.  What it cannot hold is left out. */
void ssh_request_set_word(char word[static SSH_REQUEST_WORD_MAX],
			  const char *text);
