// SPDX-License-Identifier: GPL-2.0-or-later
#include "cred.h"

#include <gnutls/crypto.h>
#include <stdio.h>
#include <string.h>

struct cred {
	bool server;
	bool password;
	gnutls_psk_client_credentials_t client_psk;
	gnutls_psk_server_credentials_t server_psk;
	struct key key;
	struct key admitted; /* no identity: none */
	char asked[KEY_IDENTITY_MAX + 1];
};

/*
 * An unknown identity gets a random key, so that the handshake takes the same
 * way and ends in the same alert as with a wrong key (RFC 9257 section 7.1.2).
 */
static int cred_find_psk(gnutls_session_t session, const char *identity,
			 gnutls_datum_t *key)
{
	struct cred *c = gnutls_session_get_ptr(session);
	bool admitted = *identity && !strcmp(identity, c->admitted.identity);
	const struct secret *s = admitted ? &c->admitted.secret
					  : &c->key.secret;

	snprintf(c->asked, sizeof c->asked, "%s", identity);
	key->data = gnutls_malloc(s->len);
	if (!key->data)
		return -1;
	key->size = (unsigned int)s->len;
	if (gnutls_rnd(GNUTLS_RND_KEY, key->data, s->len) < 0) {
		gnutls_free(key->data);
		key->data = NULL;
		return -1;
	}
	if (admitted || !strcmp(identity, c->key.identity))
		memcpy(key->data, s->bytes, s->len);
	return 0;
}

static int cred_init_client(struct cred *c)
{
	gnutls_datum_t psk = { c->key.secret.bytes,
			       (unsigned int)c->key.secret.len };
	int ret = gnutls_psk_allocate_client_credentials(&c->client_psk);

	if (ret < 0)
		return ret;
	return gnutls_psk_set_client_credentials(c->client_psk, c->key.identity,
						 &psk, GNUTLS_PSK_KEY_RAW);
}

static int cred_init_server(struct cred *c)
{
	int ret = gnutls_psk_allocate_server_credentials(&c->server_psk);

	if (ret < 0)
		return ret;
	gnutls_psk_set_server_credentials_function(c->server_psk,
						   cred_find_psk);
	/* For a TLS 1.2 peer that names no group: RFC 7919, 2048 bits and up */
	return gnutls_psk_set_server_known_dh_params(c->server_psk,
						     GNUTLS_SEC_PARAM_MEDIUM);
}

struct cred *cred_new_psk(const struct key *k, bool server, struct err *e)
{
	struct cred *c = calloc(1, sizeof *c);
	int ret;

	if (!c) {
		err_set(e, ERR_KEY, 0, "out of memory");
		return NULL;
	}
	c->server = server;
	c->key = *k;
	if (!*c->key.identity)
		snprintf(c->key.identity, sizeof c->key.identity, "%s",
			 CRED_DEFAULT_IDENTITY);
	ret = server ? cred_init_server(c) : cred_init_client(c);
	if (ret < 0) {
		err_set(e, ERR_KEY, 0, "cannot use the key: %s",
			gnutls_strerror(ret));
		cred_free(c);
		return NULL;
	}
	return c;
}

struct cred *cred_new_password(const struct secret *key, bool server,
			       struct err *e)
{
	autowipe_key struct key k = { .identity = CRED_PASSWORD_IDENTITY };
	struct cred *c;

	if (key)
		k.secret = *key;
	else
		k.secret.len = SECRET_MIN;
	if (!key &&
	    gnutls_rnd(GNUTLS_RND_KEY, k.secret.bytes, k.secret.len) < 0) {
		err_set(e, ERR_KEY, 0, "no random numbers");
		return NULL;
	}
	c = cred_new_psk(&k, server, e);
	if (c)
		c->password = true;
	return c;
}

bool cred_is_password(const struct cred *c)
{
	return c->password;
}

void cred_admit(struct cred *c, const struct key *k)
{
	c->admitted = *k;
}

void cred_free(struct cred *c)
{
	if (!c)
		return;
	key_wipe(&c->admitted);
	if (c->client_psk)
		gnutls_psk_free_client_credentials(c->client_psk);
	if (c->server_psk)
		gnutls_psk_free_server_credentials(c->server_psk);
	key_wipe(&c->key);
	free(c);
}

int cred_apply(struct cred *c, gnutls_session_t session)
{
	gnutls_session_set_ptr(session, c);
	return gnutls_credentials_set(session, GNUTLS_CRD_PSK,
				      c->server ? (void *)c->server_psk
						: (void *)c->client_psk);
}

const char *cred_identity(const struct cred *c)
{
	return c->key.identity;
}

const char *cred_asked_identity(const struct cred *c)
{
	return c->asked;
}
