// SPDX-License-Identifier: GPL-2.0-or-later
#include "auth/credential.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

enum {
	PEM_FILE_MAX = 1 << 20, /* bytes: all CA certificates of a system */
	DECOY_BYTES = 32, /* of a random key, which nobody has */
};

struct credential {
	bool server;
	bool password;
	bool certified;
	gnutls_certificate_credentials_t x509; /* NULL: not, or forgotten */
	struct x509_rules rules;
	/* Bound to SHA-256; to SHA-384, or NULL */
	gnutls_psk_client_credentials_t client_psk, client_psk384;
	gnutls_psk_server_credentials_t server_psk;
	struct key *key; /* secret_alloc(); without identity: see keys */
	struct key_list *keys; /* or NULL */
	struct credential_admitted {
		const struct key *key; /* or NULL */
		enum credential_admission as;
	} admitted[CREDENTIAL_ADMITTED_MAX];
};

/*
 * The key of an identity, or NULL.  *ticket: it was admitted as
 * CREDENTIAL_TICKET.
 */
static const struct secret *credential_lookup(const struct credential *c,
					      const char *identity,
					      bool *ticket)
{
	*ticket = false;
	if (!*identity)
		return NULL;
	for (size_t i = 0; i < CREDENTIAL_ADMITTED_MAX; i++) {
		const struct credential_admitted *a = &c->admitted[i];

		if (a->key && !strcmp(identity, a->key->identity)) {
			*ticket = a->as == CREDENTIAL_TICKET;
			return &a->key->secret;
		}
	}
	if (!strcmp(identity, c->key->identity))
		return &c->key->secret;
	return c->keys ? key_list_find(c->keys, identity) : NULL;
}

/*
 * An unknown identity gets a random key, so that the handshake takes the same
 * course and ends in the same alert as with a wrong key (RFC 9257 section
 * 7.1.2).  An identity with a NUL in it is unknown.
 */
static int credential_find_psk(gnutls_session_t session,
			       const gnutls_datum_t *name, gnutls_datum_t *key)
{
	struct credential_session *peer = gnutls_session_get_ptr(session);
	const struct credential *c = peer->cred;
	const struct secret *s = NULL;
	size_t len = c->key->secret.len;

	log_printable(peer->asked, sizeof peer->asked, name->data, name->size);
	if (key_text_identity_ok(name->data, name->size))
		s = credential_lookup(c, peer->asked, &peer->ticket);
	if (s)
		len = s->len;
	key->data = gnutls_malloc(len);
	if (!key->data)
		return -1;
	key->size = (unsigned int)len;
	if (gnutls_rnd(GNUTLS_RND_KEY, key->data, len) < 0) {
		gnutls_free(key->data);
		key->data = NULL;
		return -1;
	}
	if (s)
		memcpy(key->data, s->bytes, s->len);
	return 0;
}

/* GnuTLS asks for the key when it needs it, and so keeps no copy. */
static int credential_give_psk(gnutls_session_t session, gnutls_datum_t *name,
			       gnutls_datum_t *key)
{
	const struct credential_session *peer = gnutls_session_get_ptr(session);
	const struct credential *c = peer->cred;
	size_t len = strlen(c->key->identity);

	name->data = gnutls_malloc(len);
	key->data = gnutls_malloc(c->key->secret.len);
	if (!name->data || !key->data) {
		gnutls_free(name->data);
		gnutls_free(key->data);
		return -1;
	}
	memcpy(name->data, c->key->identity, len);
	memcpy(key->data, c->key->secret.bytes, c->key->secret.len);
	name->size = (unsigned int)len;
	key->size = (unsigned int)c->key->secret.len;
	return 0;
}

/*
 * TLS 1.3 binds a PSK to a hash: SHA-256, unless GnuTLS is 3.8.11 or newer.
 * There UNKNOWN makes a server try SHA-384, then SHA-256.
 */
#if GNUTLS_VERSION_NUMBER < 0x03080b
enum { PSK_KINDS = CREDENTIAL_PSK };
#define gnutls_psk_allocate_client_credentials2(c, hash) \
	gnutls_psk_allocate_client_credentials(c)
#define gnutls_psk_allocate_server_credentials2(c, hash) \
	gnutls_psk_allocate_server_credentials(c)
#else
enum { PSK_KINDS = CREDENTIAL_PSK | CREDENTIAL_SHA384 };
#endif

unsigned int credential_psk_kinds(void)
{
	return PSK_KINDS;
}

static int credential_init_client(gnutls_psk_client_credentials_t *psk,
				  gnutls_mac_algorithm_t hash)
{
	int ret = gnutls_psk_allocate_client_credentials2(psk, hash);

	if (ret >= 0)
		gnutls_psk_set_client_credentials_function2(
			*psk, credential_give_psk);
	return ret;
}

static int credential_init_clients(struct credential *c)
{
	int ret = credential_init_client(&c->client_psk, GNUTLS_MAC_SHA256);

	if (ret < 0 || !(PSK_KINDS & CREDENTIAL_SHA384))
		return ret;
	return credential_init_client(&c->client_psk384, GNUTLS_MAC_SHA384);
}

static int credential_init_server(struct credential *c)
{
	int ret = gnutls_psk_allocate_server_credentials2(&c->server_psk,
							  GNUTLS_MAC_UNKNOWN);

	if (ret < 0)
		return ret;
	gnutls_psk_set_server_credentials_function2(c->server_psk,
						    credential_find_psk);
	/* For a TLS 1.2 peer that names no group: RFC 7919, 2048 bits */
	return gnutls_psk_set_server_known_dh_params(c->server_psk,
						     GNUTLS_SEC_PARAM_MEDIUM);
}

/*
 * Without an identity, and with a random key: so far only credential_admit()
 * can let a peer in.
 */
static struct credential *credential_new(bool server, struct err *e)
{
	struct credential *c = err_alloc(sizeof *c, e);
	int ret;

	if (!c)
		return NULL;
	c->server = server;
	c->key = secret_alloc(sizeof *c->key);
	if (!c->key) {
		err_memory(e);
		free(c);
		return NULL;
	}
	c->key->secret.len = DECOY_BYTES;
	ret = gnutls_rnd(GNUTLS_RND_KEY, c->key->secret.bytes, DECOY_BYTES);
	if (ret >= 0)
		ret = server ? credential_init_server(c)
			     : credential_init_clients(c);
	if (ret >= 0)
		return c;
	err_set(e, ERR_KEY, 0, "cannot use a key: %s", gnutls_strerror(ret));
	credential_free(c);
	return NULL;
}

struct credential *credential_new_psk(const struct key *k, bool server,
				      struct err *e)
{
	struct credential *c = credential_new(server, e);

	if (!c)
		return NULL;
	*c->key = *k;
	if (!*c->key->identity)
		snprintf(c->key->identity, sizeof c->key->identity, "%s",
			 CREDENTIAL_DEFAULT_IDENTITY);
	return c;
}

struct credential *credential_new_keys(struct key_list *k, struct err *e)
{
	struct credential *c = credential_new(true, e);

	if (c)
		c->keys = k;
	else
		key_list_free(k);
	return c;
}

void credential_set_keys(struct credential *c, struct key_list *k)
{
	key_list_free(c->keys);
	c->keys = k;
}

struct credential *credential_new_password(const struct secret *key,
					   bool server, struct err *e)
{
	struct credential *c = credential_new(server, e);

	if (!c)
		return NULL;
	c->password = true;
	snprintf(c->key->identity, sizeof c->key->identity, "%s",
		 CREDENTIAL_PASSWORD_IDENTITY);
	if (key)
		c->key->secret = *key;
	return c;
}

bool credential_is_password(const struct credential *c)
{
	return c->password;
}

/* Read a file that holds no secret. */
static int credential_read_public(const char *path, gnutls_datum_t *out,
				  struct err *e)
{
	autofree uint8_t *bytes = malloc(PEM_FILE_MAX);
	autoclose int fd =
		open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t len;

	if (!bytes)
		return err_memory(e);
	if (fd < 0)
		return err_set(e, ERR_KEY, errno, "cannot be opened");
	if (key_load_from(fd, path, bytes, PEM_FILE_MAX, &len, e) < 0)
		return -1;
	if (len == PEM_FILE_MAX)
		return err_set(e, ERR_KEY, 0, "is too long: 1 MiB or more");
	*out = (gnutls_datum_t){ bytes, (unsigned int)len };
	bytes = NULL;
	return 0;
}

static void credential_datum_free(gnutls_datum_t *d)
{
	free(d->data);
}

static int credential_load_ca(struct credential *c, const char *path,
			      struct err *e)
{
	attr_cleanup(credential_datum_free) gnutls_datum_t pem = { NULL, 0 };

	if (credential_read_public(path, &pem, e) < 0 ||
	    x509_check_ca(&pem, e) < 0 || x509_set_ca(c->x509, &pem, e) < 0)
		return err_wrap(e, "CA file %s", path);
	return 0;
}

static int credential_load_own(struct credential *c,
			       const struct credential_x509 *x, struct err *e)
{
	attr_cleanup(credential_datum_free) gnutls_datum_t own = { NULL, 0 };
	autowipe_key_file struct key_file f = { .len = 0 };
	gnutls_datum_t key = { f.bytes, 0 };

	if (credential_read_public(x->cert, &own, e) < 0 ||
	    x509_check_own(&own, e) < 0)
		return err_wrap(e, "certificate file %s", x->cert);
	if (key_load(x->key, f.bytes, sizeof f.bytes, &f.len, e) < 0)
		return err_wrap(e, "private key file %s", x->key);
	if (f.len > KEY_FILE_MAX)
		return err_set(e, ERR_KEY, 0,
			       "private key file %s: is too long: at most %d "
			       "bytes are possible",
			       x->key, KEY_FILE_MAX);
	key.size = (unsigned int)f.len;
	if (x509_check_key(&key, e) < 0 ||
	    x509_set_own(c->x509, &own, &key, e) < 0)
		return err_wrap(e, "private key file %s", x->key);
	return 0;
}

struct credential *credential_new_x509(const struct credential_x509 *x,
				       bool server, struct err *e)
{
	struct credential *c = credential_new(server, e);
	int ret;

	if (!c)
		return NULL;
	c->certified = true;
	c->rules = x->rules;
	c->rules.server = server;
	ret = gnutls_certificate_allocate_credentials(&c->x509);
	if (ret < 0)
		err_set(e, ERR_KEY, 0, "cannot use certificates: %s",
			gnutls_strerror(ret));
	else if (credential_load_own(c, x, e) == 0 &&
		 credential_load_ca(c, x->ca, e) == 0)
		return c;
	credential_free(c);
	return NULL;
}

unsigned int credential_kinds(const struct credential *c)
{
	if (!c->certified)
		return PSK_KINDS;
	for (size_t i = 0; i < CREDENTIAL_ADMITTED_MAX; i++)
		if (c->admitted[i].key)
			return CREDENTIAL_X509 | CREDENTIAL_PSK;
	return CREDENTIAL_X509;
}

static void credential_replace(struct credential *c, const struct key *old,
			       struct credential_admitted a)
{
	size_t i = 0;

	while (i < CREDENTIAL_ADMITTED_MAX && c->admitted[i].key != old)
		i++;
	if (i < CREDENTIAL_ADMITTED_MAX)
		c->admitted[i] = a;
}

void credential_admit(struct credential *c, const struct key *k,
		      enum credential_admission as)
{
	credential_dismiss(c, k);
	credential_replace(c, NULL, (struct credential_admitted){ k, as });
}

void credential_dismiss(struct credential *c, const struct key *k)
{
	credential_replace(c, k, (struct credential_admitted){ .key = NULL });
}

void credential_forget(struct credential *c)
{
	key_list_free(c->keys);
	c->keys = NULL;
	key_wipe(c->key);
	if (c->x509)
		gnutls_certificate_free_credentials(c->x509);
	c->x509 = NULL;
	memset(c->admitted, 0, sizeof c->admitted);
}

void credential_free(struct credential *c)
{
	if (!c)
		return;
	credential_forget(c);
	if (c->client_psk)
		gnutls_psk_free_client_credentials(c->client_psk);
	if (c->client_psk384)
		gnutls_psk_free_client_credentials(c->client_psk384);
	if (c->server_psk)
		gnutls_psk_free_server_credentials(c->server_psk);
	secret_free(c->key, sizeof *c->key);
	free(c);
}

static int credential_judge(gnutls_session_t session)
{
	struct credential_session *peer = gnutls_session_get_ptr(session);

	return x509_judge(session, &peer->cred->rules, peer->name, &peer->alert,
			  &peer->refusal);
}

static int credential_apply_x509(struct credential *c, gnutls_session_t session)
{
	gnutls_session_set_verify_function(session, credential_judge);
	if (c->server)
		gnutls_certificate_server_set_request(session,
						      GNUTLS_CERT_REQUIRE);
	return gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, c->x509);
}

int credential_apply(struct credential *c, gnutls_session_t session,
		     struct credential_session *s, unsigned int kinds)
{
	int ret = c->x509 ? credential_apply_x509(c, session) : 0;

	*s = (struct credential_session){ .cred = c };
	gnutls_session_set_ptr(session, s);
	if (ret < 0 || !(credential_kinds(c) & CREDENTIAL_PSK))
		return ret;
	return gnutls_credentials_set(session, GNUTLS_CRD_PSK,
				      c->server ? (void *)c->server_psk
				      : kinds & CREDENTIAL_SHA384
					      ? (void *)c->client_psk384
					      : (void *)c->client_psk);
}

const char *credential_identity(const struct credential *c)
{
	return c->key->identity;
}

bool credential_knows(const struct credential *c, const char *identity)
{
	bool ignored;

	return credential_lookup(c, identity, &ignored);
}

const char *credential_method(const struct credential *c)
{
	if (c->certified)
		return "certificate";
	return c->password ? "password" : "psk";
}
