/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The credential of a handshake: a pre-shared key with its identity (a listener
 * may have many), the key of a password exchange, or a certificate.  Knows
 * nothing of sockets and modes.
 */
#pragma once

#include <gnutls/gnutls.h>

#include "auth/key.h"
#include "auth/key_list.h"
#include "auth/x509.h"
#include "base/err.h"
#include "proto/record.h"

/* The identity if neither the key file nor --identity gives one. */
#define CREDENTIAL_DEFAULT_IDENTITY "btrfs"

/* The identity of a key that a password exchange made. */
#define CREDENTIAL_PASSWORD_IDENTITY "password"

struct credential;

/* Bits: a listener with certificates also accepts the ticket of a stream. */
enum credential_kind {
	CREDENTIAL_PSK = 1,
	CREDENTIAL_X509 = 2,
	CREDENTIAL_SHA384 = 4, /* the PSK can be bound to SHA-384 (TLS 1.3) */
};

/* CREDENTIAL_PSK, with CREDENTIAL_SHA384 if GnuTLS can (since 3.8.11). */
unsigned int credential_psk_kinds(void);

/* Certificates: our files, and the rules for the peer's.  All is borrowed. */
struct credential_x509 {
	const char *cert, *key, *ca; /* paths of PEM files */
	struct x509_rules rules; /* rules.server is ignored */
};

/*
 * A credential with one key, for the connecting side (server false) or the
 * listening side.  Borrows k.  Its own copy of the key is the only one that
 * lasts; in a forked process it is zeros (secret_alloc).  NULL: ERR_KEY.
 */
struct credential *credential_new_psk(const struct key *k, bool server,
				      struct err *e);

/*
 * The same with the key of a password exchange.  Key NULL: with a random key
 * that nobody knows, so that only credential_admit() lets a peer in.  NULL:
 * ERR_KEY.
 */
struct credential *credential_new_password(const struct secret *key,
					   bool server, struct err *e);

/* Was it made by credential_new_password()? */
bool credential_is_password(const struct credential *c);

/*
 * A credential with certificates.  Borrows the names until credential_free().
 * NULL: ERR_KEY, which names the file and its flaw.
 */
struct credential *credential_new_x509(const struct credential_x509 *x,
				       bool server, struct err *e);

/* The kinds that a new handshake can use: bits of enum credential_kind. */
unsigned int credential_kinds(const struct credential *c);

/*
 * A listener's credential with many keys: each of k lets its client in.  Owns
 * k, on failure too.  NULL: ERR_KEY.
 */
struct credential *credential_new_keys(struct key_list *k, struct err *e);

/* Replace the keys, from the next handshake on.  Owns k. */
void credential_set_keys(struct credential *c, struct key_list *k);

/*
 * Server: also let in a client that has k, which is borrowed until
 * credential_dismiss(): at most CREDENTIAL_ADMITTED_MAX at the same time.  If k
 * is wiped before that, it lets nobody in.
 */
enum { CREDENTIAL_ADMITTED_MAX = 96 };
enum credential_admission {
	CREDENTIAL_TICKET, /* it can continue its own stream only */
	CREDENTIAL_CLIENT, /* as good as the credential's own key */
};
void credential_admit(struct credential *c, const struct key *k,
		      enum credential_admission as);
void credential_dismiss(struct credential *c, const struct key *k);

/* Forget all keys: this process does no more handshakes. */
void credential_forget(struct credential *c);

void credential_free(struct credential *c);

/* The state of one of the TLS sessions that share a credential. */
struct credential_session {
	struct credential *cred;
	char asked[KEY_IDENTITY_MAX + 1]; /* the client's identity, or "" */
	char name[KEY_IDENTITY_MAX + 1]; /* in the peer's certificate, or "" */
	bool ticket; /* asked was admitted as CREDENTIAL_TICKET */
	/* After GNUTLS_E_CERTIFICATE_ERROR: why we refuse the peer's */
	struct err refusal;
	enum record_alert alert; /* to send */
};

/*
 * Set the credential of a session.  The session's user pointer becomes s, for
 * the callbacks of a server.  c and s must outlive the session.  A client's PSK
 * is bound to SHA-384 if kinds has that bit, else to SHA-256; a server accepts
 * what it can.  Returns GnuTLS's code.
 */
int credential_apply(struct credential *c, gnutls_session_t session,
		     struct credential_session *s, unsigned int kinds);

/* Server: does identity have a key? */
bool credential_knows(const struct credential *c, const char *identity);

/* The method, as COMMAND sees it: "psk", "password" or "certificate". */
const char *credential_method(const struct credential *c);

/*
 * The identity that a client presents or a server expects.  "" with
 * certificates, or on a server with many keys.
 */
const char *credential_identity(const struct credential *c);
