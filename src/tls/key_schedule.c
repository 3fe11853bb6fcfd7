// SPDX-License-Identifier: GPL-2.0-or-later
#include "tls/key_schedule.h"

#include <gnutls/crypto.h>
#include <string.h>

enum { LABEL_MAX = 32 };

/* HKDF-Expand-Label with an empty context, section 7.1 */
static int key_schedule_expand(const struct mode *mode, const struct traffic *t,
			       const char *label, uint8_t *out, size_t len,
			       struct err *e)
{
	static const char prefix[] = "tls13 ";
	size_t label_len = strlen(prefix) + strlen(label), n = 0;
	gnutls_datum_t secret = { (uint8_t *)t->secret,
				  (unsigned int)t->secret_len };
	uint8_t bytes[LABEL_MAX];
	gnutls_datum_t info = { bytes, 0 };
	int ret;

	bytes[n++] = 0;
	bytes[n++] = (uint8_t)len;
	bytes[n++] = (uint8_t)label_len;
	memcpy(bytes + n, prefix, strlen(prefix));
	memcpy(bytes + n + strlen(prefix), label, strlen(label));
	n += label_len;
	bytes[n++] = 0;
	info.size = (unsigned int)n;
	/* The hash of the mode's cipher suite, RFC 8446 appendix B.4 */
	ret = gnutls_hkdf_expand(mode->cipher == MODE_AES256_GCM
					 ? GNUTLS_MAC_SHA384
					 : GNUTLS_MAC_SHA256,
				 &secret, &info, out, len);
	if (ret < 0)
		return err_set(e, ERR_BUG, 0, "cannot derive a key: %s",
			       gnutls_strerror(ret));
	return 0;
}

int key_schedule_derive(const struct mode *mode, struct traffic *t,
			struct err *e)
{
	t->key_len = mode->cipher == MODE_AES128_GCM ? 16 : 32;
	t->iv_len = sizeof t->iv;
	memset(t->seq, 0, sizeof t->seq);
	if (key_schedule_expand(mode, t, "key", t->key, t->key_len, e) < 0)
		return -1;
	return key_schedule_expand(mode, t, "iv", t->iv, t->iv_len, e);
}

int key_schedule_next(const struct mode *mode, struct traffic *t, struct err *e)
{
	autowipe_traffic struct traffic next = { .secret_len = t->secret_len };

	if (key_schedule_expand(mode, t, "traffic upd", next.secret,
				next.secret_len, e) < 0 ||
	    key_schedule_derive(mode, &next, e) < 0)
		return -1;
	*t = next;
	return 0;
}
