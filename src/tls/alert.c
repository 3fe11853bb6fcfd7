// SPDX-License-Identifier: GPL-2.0-or-later
#include "tls/alert.h"

#include "proto/record.h"

/* How the sentence "the peer refused our certificate: it ..." ends, or NULL. */
static const char *alert_verdict(uint8_t alert)
{
	switch (alert) {
	case RECORD_BAD_CERTIFICATE:
		return "finds it too weak, forged or damaged";
	case RECORD_UNSUPPORTED_CERTIFICATE:
		return "says that the certificate is for the other side of TLS "
		       "(extended key usage), or is of a kind that the peer "
		       "cannot check";
	case RECORD_CERTIFICATE_REVOKED:
		return "knows that it is revoked";
	case RECORD_CERTIFICATE_EXPIRED:
		return "finds that it, or its CA's, has expired or is not "
		       "valid yet";
	case RECORD_CERTIFICATE_UNKNOWN:
		return "does not say why";
	case RECORD_UNKNOWN_CA:
		return "does not know the CA that signed it; its --ca is "
		       "another, or our --cert file lacks the certificate of "
		       "an intermediate CA behind ours";
	case RECORD_ACCESS_DENIED:
		return "does not accept the names in it (--peer), or expects "
		       "another host";
	case RECORD_CERTIFICATE_REQUIRED:
		return "got none, but requires one; give --cert, --cert-key "
		       "and --ca";
	default:
		return NULL;
	}
}

bool alert_judges_certificate(uint8_t alert)
{
	return alert_verdict(alert);
}

bool alert_is_busy(uint8_t alert, const struct alert_context *c)
{
	return alert == RECORD_USER_CANCELED && !c->server && !c->password;
}

/* The only alert that reports no fault of ours: RFC 8446 section 6.1. */
static int alert_canceled(const struct alert_context *c, struct err *e)
{
	const char *alert = record_alert_name(RECORD_USER_CANCELED);

	if (c->server)
		return err_set(e, ERR_AUTH, 0, "the peer gave up (alert %s)",
			       alert);
	return err_set(e, ERR_AUTH, 0,
		       "the peer has too many handshakes at the same time, or "
		       "has just ended (alert %s)%s",
		       alert,
		       c->password
			       ? "; not retried by itself, because each try "
				 "gives the server one guess at the password"
			       : "");
}

int alert_error(uint8_t alert, const struct alert_context *c, struct err *e)
{
	const char *name = record_alert_name(alert);
	const char *hint = c->sha384 ? "; or the peer lacks GnuTLS 3.8.11, "
				       "which tls13-aes256-gcm needs"
				     : "";

	if (alert_verdict(alert))
		return err_set(e, ERR_AUTH, 0,
			       "the peer refused our certificate: it %s "
			       "(alert %s)",
			       alert_verdict(alert), name);
	switch (alert) {
	case RECORD_USER_CANCELED:
		return alert_canceled(c, e);
	case RECORD_DECRYPT_ERROR:
	case RECORD_BAD_RECORD_MAC:
	case RECORD_UNKNOWN_PSK_IDENTITY:
	case RECORD_ILLEGAL_PARAMETER:
		if (c->password)
			return err_set(e, ERR_AUTH, 0,
				       "the peer has another password%s (alert "
				       "%s)",
				       hint, name);
		if (!c->psk)
			break;
		return err_set(e, ERR_AUTH, 0,
			       "the peer refused the key: both sides need the "
			       "same key and the same identity, here '%s'%s "
			       "(alert %s)",
			       c->identity, hint, name);
	case RECORD_HANDSHAKE_FAILURE:
	case RECORD_INSUFFICIENT_SECURITY:
	case RECORD_PROTOCOL_VERSION:
		return err_set(e, ERR_AUTH, 0,
			       "no common mode with the peer; give both sides "
			       "the same -m and the same kind of credential "
			       "(alert %s)",
			       name);
	case RECORD_NO_APPLICATION_PROTOCOL:
		return err_set(e, ERR_AUTH, 0,
			       "the peer does not speak btrfs-ktls-pipe's "
			       "protocol, or not with this side's --raw (alert "
			       "%s)",
			       name);
	}
	return err_set(e, ERR_AUTH, 0,
		       "the peer refused the handshake (alert %s)", name);
}
