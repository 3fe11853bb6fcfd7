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
#include "auth/key_list.h"
#include "base/err.h"
#include "proto/record.h"

/* Used when neither the key file nor --identity names one. */
#define CREDENTIAL_DEFAULT_IDENTITY "btrfs"

/* Stands for a password, once it has become a key. */
#define CREDENTIAL_PASSWORD_IDENTITY "password"

struct credential;

/* Bits: a listener with certificates takes a stream's ticket beside them. */
enum credential_kind { CREDENTIAL_PSK = 1, CREDENTIAL_X509 = 2 };

/* Certificates: the files, and whom to expect.  All is borrowed. */
struct credential_x509 {
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
struct credential *credential_new_psk(const struct key *k, bool server,
				      struct err *e);

/*
 * The same of a key that a password exchange led to.  Key NULL: of one that
 * nobody knows, so that only who is admitted can come in.  NULL: ERR_KEY.
 */
struct credential *credential_new_password(const struct secret *key,
					   bool server, struct err *e);

/* Is it of a password exchange? */
bool credential_is_password(const struct credential *c);

/*
 * The same with certificates, on both sides.  Borrows x->names until
 * credential_free().  NULL: ERR_KEY, which says what is wrong with which file.
 */
struct credential *credential_new_x509(const struct credential_x509 *x,
				       bool server, struct err *e);

/* Which kinds a session that begins now can use: bits of enum credential_kind. */
unsigned int credential_kinds(const struct credential *c);

/*
 * A credential for the listening side: each of k lets its client in.  Takes k
 * over, on failure too.  NULL: ERR_KEY.
 */
struct credential *credential_new_keys(struct key_list *k, struct err *e);

/* From the next handshake on, k takes the place of the keys; takes k over. */
void credential_set_keys(struct credential *c, struct key_list *k);

/*
 * Server: let whoever presents k in, too; one of them at a time.  Copies k,
 * until the next call or credential_free().
 */
void credential_admit(struct credential *c, const struct key *k);

/*
 * Forget every key but the one that was admitted.  Certificates stay: whoever
 * comes back may have to show one again.
 */
void credential_forget(struct credential *c);

void credential_free(struct credential *c);

static inline void credential_cleanup(struct credential **c)
{
	credential_free(*c);
}
#define autofree_cred attr_cleanup(credential_cleanup)

/* What belongs to one session of those that share a credential. */
struct credential_session {
	struct credential *cred;
	char asked[KEY_IDENTITY_MAX + 1]; /* as the client named itself; "" */
};

/*
 * Give the credential to a session, whose user pointer becomes s (a server's
 * callbacks need it).  c and s must outlive the session.  Returns GnuTLS's code.
 */
int credential_apply(struct credential *c, gnutls_session_t session,
		     struct credential_session *s);

/*
 * Certificates: why the peer's was refused, within the call of GnuTLS that just
 * failed, and what alert is to tell it.  Returns -1.
 */
int credential_refusal(const struct credential *c, enum record_alert *alert,
		       struct err *e);

/*
 * The name in the certificate of the session's peer, once the handshake is
 * done: the first of those that were expected, else its first DNS name that
 * follows the grammar of an identity, else "".
 */
void credential_peer_name(const struct credential *c, gnutls_session_t session,
			  char out[static KEY_IDENTITY_MAX + 1]);

/* Server: is there a key for this identity? */
bool credential_knows(const struct credential *c, const char *identity);

/* How it authenticates, as COMMAND is told: psk, password or certificate. */
const char *credential_method(const struct credential *c);

/*
 * Our identity: presented by a client, expected by a server.  "": certificates,
 * or a server that expects many.
 */
const char *credential_identity(const struct credential *c);
