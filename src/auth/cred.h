/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a handshake authenticates with: one pre-shared key under one identity,
 * on the listening side also many, or a certificate for one of the same CA.
 * Knows nothing of sockets or modes.
 */
#pragma once

#include <gnutls/gnutls.h>
#include <stdbool.h>

#include "auth/key.h"
#include "auth/keys.h"
#include "base/err.h"
#include "proto/rec.h"

/* Used when neither the key file nor --identity names one. */
#define CRED_DEFAULT_IDENTITY "btrfs"

/* Stands for a password, once it has become a key. */
#define CRED_PASSWORD_IDENTITY "password"

struct cred;

/* Bits: a listener with certificates takes a stream's ticket beside them. */
enum cred_kind { CRED_PSK = 1, CRED_X509 = 2 };

/* Certificates: the files, and whom to expect.  All is borrowed. */
struct cred_x509 {
	const char *cert, *key, *ca; /* names of files in PEM */
	const char *const *names; /* the peer's certificate must be for one */
	size_t count; /* 0: for anybody */
	bool wildcards; /* is one for *.example.com good enough? */
};

/*
 * A credential for the connecting (server false) or the listening side.
 * Borrows k.  Its own copy of the key is the only one that lasts, and is empty
 * in a process that is forked (secret_alloc).  NULL: ERR_KEY.
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
 * The same with certificates, on both sides.  Borrows x->names until
 * cred_free().  NULL: ERR_KEY, which says what is wrong with which file.
 */
struct cred *cred_new_x509(const struct cred_x509 *x, bool server,
			   struct err *e);

/* Which kinds a session that begins now can use: bits of enum cred_kind. */
unsigned int cred_kinds(const struct cred *c);

/*
 * A credential for the listening side: each of k lets its client in.  Takes k
 * over, on failure too.  NULL: ERR_KEY.
 */
struct cred *cred_new_keys(struct keys *k, struct err *e);

/* From the next handshake on, k takes the place of the keys; takes k over. */
void cred_set_keys(struct cred *c, struct keys *k);

/*
 * Server: let whoever presents k in, too; one of them at a time.  Copies k,
 * until the next call or cred_free().
 */
void cred_admit(struct cred *c, const struct key *k);

/*
 * Forget every key but the one that was admitted.  Certificates stay: whoever
 * comes back may have to show one again.
 */
void cred_forget(struct cred *c);

void cred_free(struct cred *c);

static inline void cred_cleanup(struct cred **c)
{
	cred_free(*c);
}
#define autofree_cred attr_cleanup(cred_cleanup)

/* What belongs to one session of those that share a credential. */
struct cred_session {
	struct cred *cred;
	char asked[KEY_IDENTITY_MAX + 1]; /* as the client named itself; "" */
};

/*
 * Give the credential to a session, whose user pointer becomes s (a server's
 * callbacks need it).  c and s must outlive the session.  Returns GnuTLS's code.
 */
int cred_apply(struct cred *c, gnutls_session_t session,
	       struct cred_session *s);

/*
 * Certificates: why the peer's was refused, within the call of GnuTLS that just
 * failed, and what alert is to tell it.  Returns -1.
 */
int cred_refusal(const struct cred *c, enum rec_alert *alert, struct err *e);

/*
 * The name in the certificate of the session's peer, once the handshake is
 * done: the first of those that were expected, else its first DNS name that
 * follows the grammar of an identity, else "".
 */
void cred_peer_name(const struct cred *c, gnutls_session_t session,
		    char out[static KEY_IDENTITY_MAX + 1]);

/* Server: is there a key for this identity? */
bool cred_knows(const struct cred *c, const char *identity);

/* How it authenticates, as COMMAND is told: psk, password or certificate. */
const char *cred_method(const struct cred *c);

/*
 * Our identity: presented by a client, expected by a server.  "": certificates,
 * or a server that expects many.
 */
const char *cred_identity(const struct cred *c);
