// SPDX-License-Identifier: GPL-2.0-or-later
#include "tls/tls.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "proto/frame.h"
#include "tls/alert.h"
#include "tls/key_schedule.h"

/*
 * GnuTLS's constructor runs before main() and reads the environment.  With this
 * it does nothing, and tls_global_init() starts GnuTLS.
 */
GNUTLS_SKIP_GLOBAL_INIT

enum {
	DH_BITS = 2048, /* RFC 9325 section 4.4 */
	HANDSHAKE_BYTES = 65536, /* of one message, such as a peer's chain */
};

struct tls {
	struct tls_params p;
	gnutls_session_t session; /* NULL: mode none */
	int lost_errno; /* the socket's first error, 0 if none */
	bool ended; /* the peer's FIN was read */
	bool old; /* the peer speaks the old version of the protocol */
	bool put_off, refused; /* see tls_put_off(), tls_refused() */
	struct credential_session peer;
	const struct mode *mode; /* NULL until it is negotiated */
	struct traffic keys[2]; /* raw, TLS 1.3: their secrets alone */
};

/*
 * Variables that make GnuTLS write secrets to a file, obey another
 * configuration than the system's, or print debug messages.
 */
static const char *const hostile_environment[] = {
	"SSLKEYLOGFILE",	   "GNUTLS_SYSTEM_PRIORITY_FILE",
	"GNUTLS_DEBUG_LEVEL",	   "GNUTLS_FORCE_FIPS_MODE",
	"GNUTLS_NO_EXPLICIT_INIT", "GNUTLS_SYSTEM_PRIORITY_FAIL_ON_INVALID",
};

void tls_clean_environment(void)
{
	for (size_t i = 0; i < array_len(hostile_environment); i++)
		unsetenv(hostile_environment[i]);
}

int tls_global_init(struct err *e)
{
	int ret = gnutls_global_init();

	if (ret < 0)
		return err_set(e, ERR_BUG, 0, "cannot start GnuTLS: %s",
			       gnutls_strerror(ret));
	return 0;
}

const char *tls_library_version(void)
{
	return gnutls_check_version(NULL);
}

static int tls_refuse_mode(const struct mode *mode, struct err *e)
{
	if (credential_psk_kinds() & CREDENTIAL_SHA384)
		return err_set(
			e, ERR_USAGE, 0,
			"mode %s: a client with a key or password "
			"cannot offer another mode of TLS 1.3 beside it; "
			"name it alone, or not at all",
			mode->name);
	return err_set(e, ERR_USAGE, 0,
		       "mode %s: with a key or password it needs a program "
		       "built with GnuTLS 3.8.11 or newer, and this one was "
		       "built with GnuTLS %s; for 256-bit keys use "
		       "tls13-chacha20-poly1305 or tls12-aes256-gcm, or "
		       "certificates",
		       mode->name, GNUTLS_VERSION);
}

int tls_check_modes(const struct mode_list *list, unsigned int kinds,
		    struct err *e)
{
	for (size_t i = 0; i < list->count; i++)
		if (!mode_usable(list->modes[i], kinds))
			return tls_refuse_mode(list->modes[i], e);
	return 0;
}

/*
 * The transport functions of GnuTLS, which reads errno, and keeps what the
 * socket does not take.
 */

/* Remember the first error of the socket. */
static ssize_t tls_moved(struct tls *t, ssize_t n)
{
	if (n < 0 && errno != EAGAIN && errno != EINTR && !t->lost_errno)
		t->lost_errno = errno;
	return n;
}

/*
 * A whole flight in one call, or a part of it where sendmsg(2) is refused.
 * GnuTLS would take ECONNRESET for an end of file.
 */
static ssize_t tls_push(gnutls_transport_ptr_t p, const giovec_t *parts,
			int count)
{
	const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
	struct tls *t = p;
	const struct msghdr m = { .msg_iov = (struct iovec *)parts,
				  .msg_iovlen = (size_t)count };
	ssize_t n = sendmsg(t->p.fd, &m, flags);

	if (n < 0 && err_refuses(errno))
		n = send(t->p.fd, parts->iov_base, parts->iov_len, flags);
	if (tls_moved(t, n) < 0 && t->lost_errno)
		gnutls_transport_set_errno(t->session, EPIPE);
	return n;
}

/*
 * Read only the bytes that GnuTLS asks for.  It reads one record at a time; the
 * bytes behind the handshake belong to the record layer.
 */
static ssize_t tls_pull(gnutls_transport_ptr_t p, void *buf, size_t len)
{
	struct tls *t = p;
	ssize_t n = recv(t->p.fd, buf, len, MSG_DONTWAIT);

	t->ended |= n == 0 && len;
	return tls_moved(t, n);
}

/* Traffic secrets, which a KeyUpdate needs: only a raw peer may send one. */
static int tls_on_secret(gnutls_session_t session,
			 gnutls_record_encryption_level_t level,
			 const void *read, const void *write, size_t bytes)
{
	struct tls *t = gnutls_transport_get_ptr(session);

	if (level != GNUTLS_ENCRYPTION_LEVEL_APPLICATION ||
	    bytes > sizeof t->keys[0].secret)
		return 0;
	for (int dir = RECORD_TX; dir <= RECORD_RX; dir++) {
		const void *secret = dir == RECORD_TX ? write : read;

		if (secret)
			memcpy(t->keys[dir].secret, secret,
			       t->keys[dir].secret_len = bytes);
	}
	return 0;
}

static int tls_pull_timeout(gnutls_transport_ptr_t p, unsigned int ms)
{
	return 1; /* the callers poll */
}

/*
 * ALPN (RFC 7301) distinguishes btrfs-ktls-pipe from other TLS programs.  A
 * raw listener offers the name too, to refuse a client that expects the
 * protocol.  The name of the old version is offered only to refuse it by name.
 */
static int tls_offer_protocol(struct tls *t)
{
	static const unsigned char name[] = FRAME_ALPN, old[] = FRAME_ALPN_OLD;
	const gnutls_datum_t alpn[] = {
		{ (unsigned char *)name, sizeof name - 1 },
		{ (unsigned char *)old, sizeof old - 1 },
	};
	unsigned int flags = GNUTLS_ALPN_SERVER_PRECEDENCE;

	if (t->p.raw && !t->p.server)
		return 0;
	if (!t->p.raw)
		flags |= GNUTLS_ALPN_MANDATORY;
	return gnutls_alpn_set_protocols(t->session, alpn, array_len(alpn),
					 flags);
}

/*
 * A client of the old version passes: the answer to its HELLO tells it why it
 * is refused.
 */
static int tls_check_protocol(struct tls *t, struct err *e)
{
	gnutls_datum_t alpn;
	bool ours = gnutls_alpn_get_selected_protocol(t->session, &alpn) >= 0;

	t->old = ours && alpn.size == strlen(FRAME_ALPN_OLD) &&
		 !memcmp(alpn.data, FRAME_ALPN_OLD, alpn.size);
	if (ours != t->p.raw && (!t->old || t->p.server))
		return 0;
	tls_alert(t, RECORD_NO_APPLICATION_PROTOCOL);
	if (t->old && !t->p.raw)
		return err_set(e, ERR_AUTH, 0, "%s",
			       frame_refusal_text(FRAME_REFUSED_VERSION,
						  FRAME_VERSION_OLD));
	if (t->p.raw)
		return err_set(e, ERR_AUTH, 0,
			       "the peer is btrfs-ktls-pipe without --raw; "
			       "give --raw to both sides or to none");
	return err_set(e, ERR_AUTH, 0,
		       "the peer is not btrfs-ktls-pipe, or runs with --raw; "
		       "--raw talks to other TLS programs");
}

/* As a server we let the client choose the hash of its key. */
static unsigned int tls_kinds(const struct tls *t)
{
	unsigned int kinds = credential_kinds(t->p.cred);

	if (t->p.server || mode_list_needs_sha384(t->p.modes))
		return kinds;
	return kinds & ~(unsigned int)CREDENTIAL_SHA384;
}

/* Returns GnuTLS's code. */
static int tls_init_session(struct tls *t)
{
	const struct tls_params *p = &t->p;
	unsigned int flags = GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL |
			     GNUTLS_NO_TICKETS | GNUTLS_NO_AUTO_REKEY;
	char priorities[MODE_PRIORITY_CHARS];
	int ret;

	/*
	 * Send our certificate even if it is of no CA that the server asks for:
	 * the server's alert then says why it is refused.
	 */
	flags |= p->server ? GNUTLS_SERVER
			   : GNUTLS_CLIENT | GNUTLS_FORCE_CLIENT_CERT;
	ret = gnutls_init(&t->session, flags);
	if (ret < 0)
		return ret;
	mode_priority(p->modes, tls_kinds(t), priorities);
	ret = gnutls_priority_set_direct(t->session, priorities, NULL);
	if (ret < 0)
		return ret;
	ret = tls_offer_protocol(t);
	if (ret < 0)
		return ret;
	gnutls_transport_set_ptr(t->session, t);
	gnutls_transport_set_vec_push_function(t->session, tls_push);
	gnutls_transport_set_pull_function(t->session, tls_pull);
	gnutls_transport_set_pull_timeout_function(t->session,
						   tls_pull_timeout);
	if (p->raw)
		gnutls_handshake_set_secret_function(t->session, tls_on_secret);
	gnutls_handshake_set_timeout(t->session, 0);
	gnutls_handshake_set_max_packet_length(t->session, HANDSHAKE_BYTES);
	/* DHE-PSK of TLS 1.2: the server may choose a group of its own. */
	gnutls_dh_set_prime_bits(t->session, DH_BITS);
	return credential_apply(p->cred, t->session, &t->peer, tls_kinds(t));
}

struct tls *tls_new(const struct tls_params *p, struct err *e)
{
	struct tls *t = err_alloc(sizeof *t, e);
	int ret;

	if (!t) {
		if (p->owns_cred)
			credential_free(p->cred);
		return NULL;
	}
	t->p = *p;
	if (p->modes->modes[0] == &mode_none) {
		t->mode = &mode_none;
		return t;
	}
	ret = tls_init_session(t);
	if (ret >= 0)
		return t;
	err_set(e, ERR_AUTH, 0, "cannot start TLS: %s", gnutls_strerror(ret));
	tls_free(t);
	return NULL;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	if (t->session)
		gnutls_deinit(t->session);
	if (t->p.owns_cred)
		credential_free(t->p.cred);
	explicit_bzero(t->keys, sizeof t->keys);
	free(t);
}

static int tls_peer_alert(struct tls *t, struct err *e)
{
	const char *identity = credential_identity(t->p.cred);
	const struct alert_context c = {
		.server = t->p.server,
		.psk = credential_kinds(t->p.cred) & CREDENTIAL_PSK,
		.password = credential_is_password(t->p.cred),
		.sha384 = !t->p.server && tls_kinds(t) & CREDENTIAL_SHA384,
		.identity = *identity ? identity : t->peer.asked,
	};
	uint8_t alert = (uint8_t)gnutls_alert_get(t->session);

	t->put_off = alert_is_busy(alert, &c);
	t->refused = !t->put_off;
	return alert_error(alert, &c, e);
}

static int tls_wrong_key(struct tls *t, struct err *e)
{
	const char *identity = t->peer.asked;

	if (credential_is_password(t->p.cred))
		return err_set(e, ERR_AUTH, 0,
			       strcmp(identity, CREDENTIAL_PASSWORD_IDENTITY)
				       ? "the peer has a key, but this side "
					 "has a password"
				       : "the peer has another password");
	if (!*identity)
		return err_set(e, ERR_AUTH, 0, "the peer has another key");
	return err_set(e, ERR_AUTH, 0,
		       credential_knows(t->p.cred, identity)
			       ? "the peer has another key for identity '%s'"
			       : "the peer's identity '%s' is unknown here",
		       identity);
}

static int tls_handshake_error(struct tls *t, int ret, struct err *e)
{
	switch (ret) {
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
		return tls_peer_alert(t, e);
	case GNUTLS_E_CERTIFICATE_ERROR:
		*e = t->peer.refusal;
		return -1;
	case GNUTLS_E_CERTIFICATE_REQUIRED:
	case GNUTLS_E_NO_CERTIFICATE_FOUND:
		return err_set(e, ERR_AUTH, 0, "the peer sent no certificate");
	case GNUTLS_E_HANDSHAKE_TOO_LARGE:
		return err_set(e, ERR_AUTH, 0,
			       "the peer sent a handshake message, such as a "
			       "certificate, of more than %d bytes",
			       HANDSHAKE_BYTES);
	case GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER:
	case GNUTLS_E_DECRYPTION_FAILED:
	case GNUTLS_E_UNKNOWN_SRP_USERNAME: /* PSK too */
	case GNUTLS_E_MAC_VERIFY_FAILED:
		if (credential_kinds(t->p.cred) & CREDENTIAL_PSK)
			return tls_wrong_key(t, e);
		break;
	case GNUTLS_E_NO_CIPHER_SUITES:
	case GNUTLS_E_UNKNOWN_CIPHER_SUITE:
	case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
	case GNUTLS_E_INSUFFICIENT_CREDENTIALS:
	case GNUTLS_E_NO_COMMON_KEY_SHARE:
		return err_set(e, ERR_AUTH, 0,
			       "no common mode with the peer; give both sides "
			       "the same -m and the same kind of credential "
			       "(%s)",
			       gnutls_strerror(ret));
	case GNUTLS_E_NO_APPLICATION_PROTOCOL:
		return err_set(e, ERR_AUTH, 0,
			       "the peer is not btrfs-ktls-pipe; --raw talks "
			       "to other TLS programs");
	case GNUTLS_E_UNEXPECTED_PACKET:
	case GNUTLS_E_UNEXPECTED_PACKET_LENGTH:
	case GNUTLS_E_RECORD_OVERFLOW:
		return err_set(e, ERR_AUTH, 0,
			       "the peer does not speak TLS (is it another "
			       "program, or does it use -m none?)");
	case GNUTLS_E_PREMATURE_TERMINATION:
		return err_set(e, ERR_AUTH, 0,
			       "the peer closed the connection during the "
			       "handshake%s",
			       t->p.server ? ""
					   : ", without a reason (does it use "
					     "-m none?)");
	case GNUTLS_E_PULL_ERROR:
	case GNUTLS_E_PUSH_ERROR:
		return err_set(e, ERR_AUTH, t->lost_errno,
			       "the connection was lost during the handshake");
	}
	return err_set(e, ERR_AUTH, 0, "handshake failed: %s",
		       gnutls_strerror(ret));
}

/* Send the alert for a failed handshake; GnuTLS sends none by itself. */
static void tls_send_reason(struct tls *t, int ret)
{
	bool v13 = gnutls_protocol_get_version(t->session) == GNUTLS_TLS1_3;
	enum record_alert alert;
	int level;

	switch (ret) {
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
	case GNUTLS_E_PREMATURE_TERMINATION:
		return;
	/* A PSK binder that does not verify: RFC 8446 section 4.2.11 */
	case GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER:
		alert = t->p.server ? RECORD_DECRYPT_ERROR
				    : RECORD_ILLEGAL_PARAMETER;
		break;
	case GNUTLS_E_CERTIFICATE_ERROR:
		alert = t->peer.alert;
		break;
	/* RFC 8446 section 4.4.2.4; RFC 5246 section 7.4.6 */
	case GNUTLS_E_CERTIFICATE_REQUIRED:
	case GNUTLS_E_NO_CERTIFICATE_FOUND:
		alert = v13 ? RECORD_CERTIFICATE_REQUIRED
			    : RECORD_HANDSHAKE_FAILURE;
		break;
	default:
		alert = (enum record_alert)gnutls_error_to_alert(ret, &level);
	}
	if (!t->lost_errno)
		tls_alert(t, alert);
}

static int tls_find_mode(struct tls *t, struct err *e)
{
	gnutls_protocol_t version = gnutls_protocol_get_version(t->session);
	gnutls_cipher_algorithm_t cipher = gnutls_cipher_get(t->session);

	for (size_t i = 0; i < MODE_COUNT; i++) {
		const struct mode *m = &mode_table[i];

		if (gnutls_protocol_get_id(mode_versions[m->version]) ==
			    version &&
		    gnutls_cipher_get_id(mode_ciphers[m->cipher]) == cipher) {
			t->mode = m;
			break;
		}
	}
	if (!t->mode || !mode_in_list(t->p.modes, t->mode)) {
		tls_alert(t, RECORD_HANDSHAKE_FAILURE);
		return err_set(e, ERR_AUTH, 0,
			       "no common mode with the peer: it chose %s, "
			       "which -m does not name",
			       t->mode ? t->mode->name : "an unsupported one");
	}
	return 0;
}

/* Client with a certificate: did the server request it? */
static int tls_check_asked(struct tls *t, struct err *e)
{
	if (t->p.server || !(credential_kinds(t->p.cred) & CREDENTIAL_X509) ||
	    gnutls_certificate_client_get_request_status(t->session))
		return 0;
	tls_alert(t, RECORD_HANDSHAKE_FAILURE);
	return err_set(e, ERR_AUTH, 0,
		       "the server did not request a client certificate, so "
		       "it would accept anyone; make it require one (openssl "
		       "s_server -Verify 1)");
}

/*
 * Without an extended master secret (RFC 7627) an attacker whom both ends
 * trust could make two TLS 1.2 connections share their keys.  Only GnuTLS 3.8
 * and newer can require it.
 */
static int tls_check_master_secret(struct tls *t, struct err *e)
{
	if (t->mode->version != MODE_TLS12 ||
	    gnutls_session_ext_master_secret_status(t->session))
		return 0;
	tls_alert(t, RECORD_HANDSHAKE_FAILURE);
	return err_set(e, ERR_AUTH, 0,
		       "the peer does TLS 1.2 without extended master secret "
		       "(RFC 7627), which is refused; use TLS 1.3, or a newer "
		       "library there");
}

/* The handshake is done: is its result acceptable? */
static int tls_handshake_check(struct tls *t, struct err *e)
{
	return tls_check_protocol(t, e) < 0 || tls_find_mode(t, e) < 0 ||
			       tls_check_master_secret(t, e) < 0 ||
			       tls_check_asked(t, e) < 0
		       ? -1
		       : 0;
}

/*
 * If a client of TLS 1.2 sends an alert in place of its certificate, GnuTLS
 * reports a missing certificate.  Without an alert the last one is 0, which is
 * close_notify.
 */
static int tls_handshake_step(struct tls *t)
{
	int ret;

	do
		ret = gnutls_handshake(t->session);
	while (ret < 0 && ret != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(ret));
	if (ret == GNUTLS_E_NO_CERTIFICATE_FOUND &&
	    gnutls_alert_get(t->session) != GNUTLS_A_CLOSE_NOTIFY)
		return GNUTLS_E_FATAL_ALERT_RECEIVED;
	return ret;
}

int tls_handshake(struct tls *t, enum tls_want *want, struct err *e)
{
	int ret;

	*want = TLS_DONE;
	if (t->mode)
		return 0;
	ret = tls_handshake_step(t);
	if (ret == GNUTLS_E_AGAIN) {
		*want = gnutls_record_get_direction(t->session) ? TLS_WANT_WRITE
								: TLS_WANT_READ;
		return 0;
	}
	if (ret < 0) {
		tls_send_reason(t, ret);
		return tls_handshake_error(t, ret, e);
	}
	return tls_handshake_check(t, e);
}

static int tls_export(const struct tls *t, const char *label,
		      uint8_t out[static TLS_EXPORT_BYTES], struct err *e)
{
	int ret = gnutls_prf_rfc5705(t->session, strlen(label), label, 0, NULL,
				     TLS_EXPORT_BYTES, (char *)out);

	if (ret < 0)
		return err_set(e, ERR_AUTH, 0, "cannot export a secret: %s",
			       gnutls_strerror(ret));
	return 0;
}

/* The keys of a direction; with their secret if a KeyUpdate may follow. */
static int tls_traffic(const struct tls *t, enum record_direction dir,
		       struct traffic *out, struct err *e)
{
	gnutls_datum_t mac, iv, key;
	int ret;

	*out = t->keys[dir];
	if (out->secret_len && key_schedule_derive(t->mode, out, e) < 0)
		return -1;
	ret = gnutls_record_get_state(t->session, dir == RECORD_RX, &mac, &iv,
				      &key, out->seq);
	if (ret < 0)
		return err_set(e, ERR_AUTH, 0,
			       "cannot get the traffic keys: %s",
			       gnutls_strerror(ret));
	if (key.size > sizeof out->key || iv.size > sizeof out->iv)
		return err_set(e, ERR_BUG, 0,
			       "a key of %u and an IV of %u bytes", key.size,
			       iv.size);
	if (out->secret_len && (key.size != out->key_len ||
				gnutls_memcmp(key.data, out->key, key.size)))
		return err_set(e, ERR_BUG, 0, "the keys are of another secret");
	out->key_len = key.size;
	out->iv_len = iv.size;
	memcpy(out->key, key.data, key.size);
	memcpy(out->iv, iv.data, iv.size);
	return 0;
}

static void tls_find_name(struct tls *t, struct tls_agreed *out)
{
	const char *name;

	out->psk = gnutls_auth_get_type(t->session) == GNUTLS_CRD_PSK;
	out->ticket = out->psk && t->peer.ticket;
	name = !out->psk     ? t->peer.name
	       : t->p.server ? t->peer.asked
			     : credential_identity(t->p.cred);
	snprintf(out->name, sizeof out->name, "%s", name);
}

int tls_finish(struct tls *t, struct tls_agreed *out, struct err *e)
{
	*out = (struct tls_agreed){ .mode = t->mode,
				    .raw = t->p.raw,
				    .old = t->old };
	if (!t->session)
		return 0;
	/* Bytes that GnuTLS has already decrypted would be lost. */
	if (gnutls_record_check_pending(t->session))
		return err_set(e, ERR_AUTH, 0, "the peer sent data too early");
	tls_find_name(t, out);
	if (tls_export(t, "EXPORTER-btrfs-ktls-pipe-resume", out->resume, e) <
		    0 ||
	    tls_export(t, "EXPORTER-btrfs-ktls-pipe-proof", out->proof, e) < 0)
		return -1;
	return tls_traffic(t, RECORD_TX, &out->keys[RECORD_TX], e) < 0
		       ? -1
		       : tls_traffic(t, RECORD_RX, &out->keys[RECORD_RX], e);
}

int tls_prove(const struct tls_agreed *a, const struct key *ticket,
	      uint8_t proof[static TLS_PROOF_BYTES], struct err *e)
{
	int ret = gnutls_hmac_fast(GNUTLS_MAC_SHA256, ticket->secret.bytes,
				   ticket->secret.len, a->proof,
				   sizeof a->proof, proof);

	if (ret < 0)
		return err_set(e, ERR_AUTH, 0, "cannot prove the ticket: %s",
			       gnutls_strerror(ret));
	return 0;
}

bool tls_shows_ticket(const struct tls_agreed *a, const struct key *ticket,
		      const uint8_t proof[static TLS_PROOF_BYTES])
{
	uint8_t right[TLS_PROOF_BYTES];
	struct err ignored = { 0 };

	if (a->psk)
		return !strcmp(a->name, ticket->identity);
	/* In TLS 1.2 two connections can be made to export the same value. */
	return a->mode->version == MODE_TLS13 &&
	       tls_prove(a, ticket, right, &ignored) == 0 &&
	       !gnutls_memcmp(right, proof, sizeof right);
}

/* In mode none the records are the plaintext. */
static void tls_plain_alert(struct tls *t, enum record_alert alert)
{
	uint8_t record[RECORD_HEADER_BYTES + RECORD_ALERT_BYTES];

	record_header(record, RECORD_ALERT, RECORD_ALERT_BYTES);
	record_alert(record + RECORD_HEADER_BYTES, alert);
	tls_moved(t, send(t->p.fd, record, sizeof record,
			  MSG_NOSIGNAL | MSG_DONTWAIT));
}

void tls_alert(struct tls *t, enum record_alert alert)
{
	if (!t->session)
		tls_plain_alert(t, alert);
	else
		gnutls_alert_send(t->session,
				  alert == RECORD_CLOSE_NOTIFY
					  ? GNUTLS_AL_WARNING
					  : GNUTLS_AL_FATAL,
				  (gnutls_alert_description_t)alert);
	if (t->lost_errno)
		log_debug("alert %s not sent: the connection was lost: %s",
			  record_alert_name((uint8_t)alert),
			  strerror(t->lost_errno));
}

bool tls_put_off(const struct tls *t)
{
	return t->put_off;
}

bool tls_refused(const struct tls *t)
{
	return t->refused;
}

bool tls_lost(const struct tls *t)
{
	return t->lost_errno || t->ended;
}
