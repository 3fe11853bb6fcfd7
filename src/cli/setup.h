/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What connect and listen do alike before they open a socket. */
#pragma once

#include "auth/credential.h"
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
	const char *host; /* the name to expect, or NULL */
	struct credential *cred;
	struct secret *password; /* secret_alloc(), or NULL */
	struct session_config connections;
	struct session_params session; /* borrows all of the above */
	struct stream_config stream;
	struct stats stats;
	int stats_fd; /* -1: none */
};

/*
 * Check what can be checked before a peer is there: modes, kernel TLS where it
 * is required, and the credential: the key, the certificates, or the password,
 * which is asked for if nothing else was named.  Borrows o, and s must stay
 * where it is.
 * The caller calls setup_fini().  Errors: ERR_USAGE, ERR_KTLS, ERR_KEY.
 */
int setup_init(struct setup *s, const struct options *o,
	       struct err *e) attr_must_check;
void setup_fini(struct setup *s);
#define autofini_setup attr_cleanup(setup_fini)

/*
 * With --stats: write it, and say so if that fails.  e: how the stream failed, or
 * NULL; the exit status is that of its kind, unless a signal came.
 */
void setup_write_stats(struct setup *s, const struct err *e);
