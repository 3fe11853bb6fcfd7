/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * X.509: check the contents of PEM files, verify a peer's certificate, match
 * the names in it.  Knows nothing of files, options and sockets.
 * Ref: RFC 5280; RFC 9525 (names).
 */
#pragma once

#include <gnutls/gnutls.h>

#include "auth/key_text.h"
#include "base/err.h"
#include "proto/record.h"

/*
 * These three check the contents of a file.  They borrow pem.  Errors:
 * ERR_KEY, to be prefixed with the name of the file.
 *
 * Our own certificate, perhaps followed by its chain: all are valid now, and
 * the type of its key is supported.
 */
int x509_check_own(const gnutls_datum_t *pem, struct err *e) attr_must_check;

/* A private key that is not encrypted. */
int x509_check_key(const gnutls_datum_t *pem, struct err *e) attr_must_check;

/* Certificates of the CAs that may sign the peer's: one is valid now. */
int x509_check_ca(const gnutls_datum_t *pem, struct err *e) attr_must_check;

/*
 * Give c our certificate and key, both checked.  GnuTLS keeps copies.  Errors:
 * ERR_KEY, to be prefixed with the name of the key's file.
 */
int x509_set_own(gnutls_certificate_credentials_t c, const gnutls_datum_t *own,
		 const gnutls_datum_t *key, struct err *e) attr_must_check;

/* Let c trust these CAs, already checked, and no weak algorithm. */
int x509_set_ca(gnutls_certificate_credentials_t c, const gnutls_datum_t *pem,
		struct err *e) attr_must_check;

/* The rules for a peer's certificate.  All is borrowed. */
struct x509_rules {
	bool server; /* we are the server: the peer must be a client */
	const char *const *names; /* one of them must be in its SAN */
	size_t count; /* 0: any certificate of the CA will do */
	bool wildcards; /* *.example.com matches host.example.com */
};

/*
 * Verify the certificate of the session's peer: its chain and time, its role
 * and its names.  identity: the first of the rules' names that matches, else
 * the first DNS name in the certificate.  Only a valid identity counts; "" if
 * there is none.  Errors: ERR_AUTH, with the *alert to send; bytes of the
 * certificate are made printable.
 */
int x509_judge(gnutls_session_t session, const struct x509_rules *rules,
	       char identity[static KEY_IDENTITY_MAX + 1],
	       enum record_alert *alert, struct err *e) attr_must_check;

/* Does pattern, a DNS name of len bytes in a certificate, match name? */
bool x509_dns_matches(const char *pattern, size_t len, const char *name,
		      bool wildcards);
