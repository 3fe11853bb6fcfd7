// SPDX-License-Identifier: GPL-2.0-or-later
/* alert: the words for a peer's alert, by the way this side authenticates. */
#include "proto/record.h"
#include "tap.h"
#include "tls/alert.h"

static const struct alert_context client_key = { .psk = true,
						 .identity = "alice" };
static const struct alert_context client_sha384 = { .psk = true,
						    .sha384 = true,
						    .identity = "alice" };
static const struct alert_context server_key = { .server = true,
						 .psk = true,
						 .identity = "alice" };
static const struct alert_context client_password = { .psk = true,
						      .password = true,
						      .identity = "password" };
static const struct alert_context server_password = {
	.server = true, .psk = true, .password = true, .identity = "password"
};
static const struct alert_context client_x509 = { .identity = "" };

static const struct {
	uint8_t alert;
	const struct alert_context *context;
	const char *text, *name;
} texts[] = {
	{ RECORD_DECRYPT_ERROR, &client_key, "here 'alice'", "decrypt_error" },
	{ RECORD_DECRYPT_ERROR, &client_sha384,
	  "here 'alice'; or the peer lacks GnuTLS 3.8.11", "decrypt_error" },
	{ RECORD_UNKNOWN_PSK_IDENTITY, &client_key, "refused the key",
	  "unknown_psk_identity" },
	{ RECORD_BAD_RECORD_MAC, &server_key, "refused the key",
	  "bad_record_mac" },
	{ RECORD_ILLEGAL_PARAMETER, &client_password, "has another password",
	  "illegal_parameter" },
	{ RECORD_DECRYPT_ERROR, &server_password, "has another password",
	  "decrypt_error" },
	{ RECORD_DECRYPT_ERROR, &client_x509, "refused the handshake",
	  "decrypt_error" },
	{ RECORD_HANDSHAKE_FAILURE, &client_key, "no common mode",
	  "handshake_failure" },
	{ RECORD_PROTOCOL_VERSION, &client_x509, "no common mode",
	  "protocol_version" },
	{ RECORD_INSUFFICIENT_SECURITY, &server_key, "no common mode",
	  "insufficient_security" },
	{ RECORD_NO_APPLICATION_PROTOCOL, &client_key, "--raw",
	  "no_application_protocol" },
	{ RECORD_BAD_CERTIFICATE, &client_x509, "too weak", "bad_certificate" },
	{ RECORD_UNSUPPORTED_CERTIFICATE, &client_x509, "extended key usage",
	  "unsupported_certificate" },
	{ RECORD_CERTIFICATE_REVOKED, &client_x509, "revoked",
	  "certificate_revoked" },
	{ RECORD_CERTIFICATE_EXPIRED, &client_x509, "expired",
	  "certificate_expired" },
	{ RECORD_CERTIFICATE_UNKNOWN, &client_x509, "does not say why",
	  "certificate_unknown" },
	{ RECORD_UNKNOWN_CA, &client_x509, "--ca", "unknown_ca" },
	{ RECORD_ACCESS_DENIED, &client_x509, "--peer", "access_denied" },
	{ RECORD_CERTIFICATE_REQUIRED, &client_x509, "--cert-key",
	  "certificate_required" },
	{ RECORD_USER_CANCELED, &server_key, "the peer gave up",
	  "user_canceled" },
	{ RECORD_USER_CANCELED, &client_key, "too many handshakes",
	  "user_canceled" },
	{ RECORD_USER_CANCELED, &client_password, "one guess at the password",
	  "user_canceled" },
	{ 200, &client_key, "refused the handshake", "unknown" },
};

static void test_texts(void)
{
	char name[64];

	for (size_t i = 0; i < array_len(texts); i++) {
		struct err e = { 0 };

		snprintf(name, sizeof name, "(alert %s)", texts[i].name);
		ok(alert_error(texts[i].alert, texts[i].context, &e) == -1 &&
			   e.kind == ERR_AUTH && strstr(e.msg, name) &&
			   strstr(e.msg, texts[i].text),
		   "%s: %s", texts[i].name, texts[i].text);
	}
}

static void test_busy(void)
{
	ok(alert_is_busy(RECORD_USER_CANCELED, &client_key) &&
		   alert_is_busy(RECORD_USER_CANCELED, &client_x509),
	   "user_canceled asks a client to try again later");
	ok(!alert_is_busy(RECORD_USER_CANCELED, &server_key),
	   "user_canceled asks a server for nothing");
	ok(!alert_is_busy(RECORD_USER_CANCELED, &client_password),
	   "a client with a password does not try again by itself");
	ok(!alert_is_busy(RECORD_HANDSHAKE_FAILURE, &client_key),
	   "no other alert asks a client to try again");
}

int main(void)
{
	test_texts();
	test_busy();
	ok(alert_judges_certificate(RECORD_UNKNOWN_CA) &&
		   !alert_judges_certificate(RECORD_DECRYPT_ERROR),
	   "alerts about a certificate are told from others");
	return tap_end();
}
