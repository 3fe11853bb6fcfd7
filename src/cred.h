/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a handshake authenticates with.  So far: one pre-shared key under one
 * identity.  Knows nothing of sockets, files or modes.
 */
#pragma once

#include <gnutls/gnutls.h>
#include <stdbool.h>

#include "err.h"
#include "key.h"

/* Used when neither the key file nor --identity names one. */
#define CRED_DEFAULT_IDENTITY "btrfs"

/* Stands for a password, once it has become a key. */
#define CRED_PASSWORD_IDENTITY "password"

struct cred;

/*
 * A credential for the connecting (server false) or the listening side.
 * Borrows k; GnuTLS keeps a copy of the key until cred_free(), which 3.7.9
 * then frees without wiping it on the client's side.  NULL: ERR_KEY.
 */
struct cred *cred_new_psk(const struct key *k, bool server, struct err *e);

/*
 * The same of a key that a password exchange led to.  Key NULL: of one that
 * nobody knows, so that only who is admitted can come in.  NULL: ERR_KEY.
 */
struct cred *cred_new_password(const struct secret *key, bool server,
			       struct err *e);

/* Is it of a password exchange? */
bool cred_is_password(const struct cred *c);

/*
 * Server: let whoever presents k in, too; one of them at a time.  Copies k,
 * until the next call or cred_free().
 */
void cred_admit(struct cred *c, const struct key *k);

void cred_free(struct cred *c);

static inline void cred_cleanup(struct cred **c)
{
	cred_free(*c);
}
#define autofree_cred attr_cleanup(cred_cleanup)

/*
 * Give the credential to a session, whose user pointer it takes (a server's
 * callback needs it).  c must outlive the session.  Returns GnuTLS's code.
 */
int cred_apply(struct cred *c, gnutls_session_t session);

/* The identity that a client named last, as it came; "" before. */
const char *cred_asked_identity(const struct cred *c);

/* Our identity: presented by a client, expected by a server. */
const char *cred_identity(const struct cred *c);
