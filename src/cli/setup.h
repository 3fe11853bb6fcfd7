/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What connect and listen have in common before they open a socket. */
#pragma once

#include "auth/credential.h"
#include "auth/key.h"
#include "base/err.h"
#include "cli/options.h"
#include "conn/connection.h"
#include "conn/session.h"
#include "stream/stats.h"
#include "stream/stream.h"
#include "tls/mode.h"

struct setup {
	const struct options *o;
	struct mode_list modes;
	const char *host; /* the name that the peer must have, or NULL */
	struct credential *cred;
	struct secret *password; /* secret_alloc(), or NULL */
	struct session_config connections;
	uint8_t name[FRAME_NAME_BYTES]; /* hash of --name */
	struct session_params session; /* borrows all of the above */
	struct stream_config stream;
	struct part_file part; /* --output */
	struct stats stats;
	int stats_fd; /* -1: none */
	bool confined; /* setup_confine() was called */
};

/*
 * Check all that can be checked without a peer: the modes, kernel TLS if it is
 * required, and the credential.  That is the key, the certificates, or the
 * password, which is prompted for if no other credential was named.  The caller
 * calls setup_fini(), even after an error.
 * Borrows o.  s must not move.
 * Errors: ERR_USAGE, ERR_KTLS, ERR_KEY.
 */
int setup_init(struct setup *s, const struct options *o,
	       struct err *e) attr_must_check;

/* The same without the credential, which setup_use_key() brings. */
int setup_init_keyless(struct setup *s, const struct options *o,
		       struct err *e) attr_must_check;

/* The credential is this key.  Borrows it during the call.  Errors: ERR_KEY. */
int setup_use_key(struct setup *s, const struct key *key,
		  struct err *e) attr_must_check;

/*
 * The last step before the first byte from outside: prepare what needs files or
 * privileges, and confine this process as --confine says.  Logs how far that
 * worked.  A second call does nothing.  Errors: ERR_KTLS, for --confine
 * require.
 */
int setup_confine(struct setup *s, struct err *e) attr_must_check;

/*
 * The stream goes through ssh's channel, in mode none.  fd is the connection;
 * it is taken over by the session, client (connects) or server.
 */
void setup_use_channel(struct setup *s, int fd, bool connects);

void setup_fini(struct setup *s);
#define autofini_setup attr_cleanup(setup_fini)

/*
 * Write --stats, if given; a failure is only logged.  e: why the stream failed,
 * or NULL.  The exit status is that of its kind, or the signal's if one came.
 */
void setup_write_stats(struct setup *s, const struct err *e);
