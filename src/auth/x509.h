/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * X.509: what is in PEM files, whether a peer's certificate is good, and whom
 * it names.  Knows nothing of files, options and sockets.
 * Ref: RFC 5280; RFC 9525 (names).
 */
#pragma once

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "proto/record.h"

/*
 * The three of them look at what a file holds, with an error that goes on after
 * the file's name and says what to do.  Borrow pem.  Errors: ERR_KEY.
 *
 * Our own certificate, perhaps with its chain behind it: all valid now, and its
 * key of a kind that can be used.
 */
int x509_check_own(const gnutls_datum_t *pem, struct err *e) attr_must_check;

/* A private key that is not encrypted. */
int x509_check_key(const gnutls_datum_t *pem, struct err *e) attr_must_check;

/* Certificates of those who may sign the peer's: one is valid now at least. */
int x509_check_ca(const gnutls_datum_t *pem, struct err *e) attr_must_check;

/*
 * Give c the certificate and key that were checked.  GnuTLS keeps copies.
 * Errors: ERR_KEY, in words that go on after the name of the key's file.
 */
int x509_set_own(gnutls_certificate_credentials_t c, const gnutls_datum_t *own,
		 const gnutls_datum_t *key, struct err *e) attr_must_check;

/* Let c trust the certificates that were checked, and nothing weak. */
int x509_set_ca(gnutls_certificate_credentials_t c, const gnutls_datum_t *pem,
		struct err *e) attr_must_check;

/* What a peer has to show.  Everything is borrowed. */
struct x509_rules {
	bool server; /* we are: the peer must be a client, else a server */
	const char *const *names; /* one of them must be in the SAN */
	size_t count; /* 0: whoever the CA has signed */
	bool wildcards; /* *.example.com stands for host.example.com */
};

/*
 * Is the certificate that the session's peer sent good, now, for its role and
 * under one of the names?  If not, *alert is what to tell it.  Bytes of the
 * certificate reach the error printable only.  Errors: ERR_AUTH.
 */
int x509_judge(gnutls_session_t session, const struct x509_rules *rules,
	       enum record_alert *alert, struct err *e) attr_must_check;

/*
 * The name under which a peer that was found good is known: the first of the
 * rules' that matches, else the first DNS name in its certificate; only one
 * that fits.  "" if there is none.
 */
void x509_identity(gnutls_session_t session, const struct x509_rules *rules,
		   bool (*fits)(const char *name), char *out, size_t size);

/* Does the name in a certificate, len bytes, stand for name?  DNS only. */
bool x509_dns_matches(const char *pattern, size_t len, const char *name,
		      bool wildcards);
