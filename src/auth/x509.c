// SPDX-License-Identifier: GPL-2.0-or-later
#include "auth/x509.h"

#include <arpa/inet.h>
#include <gnutls/x509-ext.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/log.h"
#include "base/net_address.h"

#define PEM_BEGIN "-----BEGIN "
#define PEM_END "-----END "
#define SAN_OID "2.5.29.17"

enum { SHOWN_MAX = 64 }; /* bytes of a name in a message, with NUL */

/* A list of certificates, as GnuTLS returns it. */
struct x509_list {
	gnutls_x509_crt_t *crt;
	unsigned int count;
};

static void x509_list_free(struct x509_list *l)
{
	for (unsigned int i = 0; i < l->count; i++)
		gnutls_x509_crt_deinit(l->crt[i]);
	gnutls_free(l->crt);
}

static void x509_crt_free(gnutls_x509_crt_t *crt)
{
	if (*crt)
		gnutls_x509_crt_deinit(*crt);
}

/*
 * Count the PEM blocks whose label is in words.  *other is the first label that
 * is not, or "".
 */
static unsigned int x509_count_blocks(const gnutls_datum_t *pem,
				      const char *const *words,
				      char other[static SHOWN_MAX])
{
	const uint8_t *p = pem->data, *end = p + pem->size;
	unsigned int count = 0;

	*other = '\0';
	while ((p = memmem(p, (size_t)(end - p), PEM_BEGIN,
			   strlen(PEM_BEGIN)))) {
		const char *const *w = words;
		char label[SHOWN_MAX];
		const uint8_t *dashes;

		p += strlen(PEM_BEGIN);
		dashes = memmem(p, (size_t)(end - p), "-----", 5);
		log_printable(label, sizeof label, p,
			      dashes ? (size_t)(dashes - p) : 0);
		while (*w && strcmp(*w, label))
			w++;
		count += *w != NULL;
		if (!*w && !*other)
			memcpy(other, label, sizeof label);
	}
	return count;
}

/* The error for a file that lacks the block that it is for. */
static int x509_foreign(const gnutls_datum_t *pem, const char *other,
			const char *kind, struct err *e)
{
	if (!pem->size)
		return err_set(e, ERR_KEY, 0, "is empty; it must hold %s",
			       kind);
	if (*other)
		return err_set(e, ERR_KEY, 0,
			       "holds no %s, but a PEM block '%s'; is it the "
			       "right file?",
			       kind, other);
	if (pem->data[0] == 0x30) /* a SEQUENCE */
		return err_set(e, ERR_KEY, 0,
			       "is not PEM, but looks like DER; 'openssl %s "
			       "-inform DER -in FILE -out NEW' converts it",
			       strcmp(kind, "certificate") ? "pkey" : "x509");
	return err_set(e, ERR_KEY, 0, "holds no %s in PEM", kind);
}

static size_t x509_count(const gnutls_datum_t *pem, const char *mark)
{
	const uint8_t *p = pem->data, *end = p + pem->size;
	size_t count = 0;

	while ((p = memmem(p, (size_t)(end - p), mark, strlen(mark)))) {
		p += strlen(mark);
		count++;
	}
	return count;
}

/*
 * Does a block lack its end, or even a part of its first line?  GnuTLS ignores
 * a block without a complete first line.
 */
static bool x509_is_cut(const gnutls_datum_t *pem)
{
	const uint8_t *line = memrchr(pem->data, '\n', pem->size);
	size_t len = line ? (size_t)(pem->data + pem->size - ++line) : 0;

	return x509_count(pem, PEM_BEGIN) != x509_count(pem, PEM_END) ||
	       (len && len < strlen(PEM_BEGIN) &&
		!memcmp(line, PEM_BEGIN, len));
}

static int x509_parse(const gnutls_datum_t *pem, struct x509_list *l,
		      struct err *e)
{
	static const char *const words[] = { "CERTIFICATE", "X509 CERTIFICATE",
					     NULL };
	char other[SHOWN_MAX];
	unsigned int count = x509_count_blocks(pem, words, other);
	int ret;

	if (!count)
		return x509_foreign(pem, other, "certificate", e);
	ret = gnutls_x509_crt_list_import2(&l->crt, &l->count, pem,
					   GNUTLS_X509_FMT_PEM, 0);
	if (ret < 0 || l->count != count || x509_is_cut(pem))
		return err_set(e, ERR_KEY, 0,
			       "holds a certificate that is cut short or "
			       "damaged (%s); copy the whole file again",
			       ret < 0 ? gnutls_strerror(ret)
				       : "not all of its PEM blocks are whole");
	return 0;
}

static const char *x509_date(time_t t, char out[static 32])
{
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(out, 32, "%Y-%m-%d %H:%M UTC", &tm))
		snprintf(out, 32, "a strange date");
	return out;
}

/* Is the certificate valid now?  The caller puts its name before the error. */
static int x509_check_time(gnutls_x509_crt_t crt, enum err_kind kind,
			   struct err *e)
{
	time_t from = gnutls_x509_crt_get_activation_time(crt);
	time_t to = gnutls_x509_crt_get_expiration_time(crt);
	time_t now = time(NULL);
	char date[32];

	if (now < from)
		return err_set(e, kind, 0,
			       "is not valid before %s; is the clock right?",
			       x509_date(from, date));
	if (now > to)
		return err_set(e, kind, 0, "expired on %s",
			       x509_date(to, date));
	return 0;
}

/* Can its key make a signature that mode_priority() offers? */
static int x509_check_kind(gnutls_x509_crt_t crt, struct err *e)
{
	int kind = gnutls_x509_crt_get_pk_algorithm(crt, NULL);

	switch (kind) {
	case GNUTLS_PK_RSA:
	case GNUTLS_PK_RSA_PSS:
	case GNUTLS_PK_ECDSA:
	case GNUTLS_PK_EDDSA_ED25519:
		return 0;
	}
	return err_set(e, ERR_KEY, 0,
		       "has a key of a kind that cannot be used here, %s; use "
		       "ECDSA, RSA or Ed25519",
		       kind < 0 ? gnutls_strerror(kind)
				: gnutls_pk_algorithm_get_name(
					  (gnutls_pk_algorithm_t)kind));
}

int x509_check_own(const gnutls_datum_t *pem, struct err *e)
{
	attr_cleanup(x509_list_free) struct x509_list l = { NULL, 0 };

	if (x509_parse(pem, &l, e) < 0 || x509_check_kind(l.crt[0], e) < 0)
		return -1;
	for (unsigned int i = 0; i < l.count; i++)
		if (x509_check_time(l.crt[i], ERR_KEY, e) < 0)
			return i ? err_wrap(e, "certificate %u of the chain",
					    i + 1)
				 : -1;
	return 0;
}

int x509_check_ca(const gnutls_datum_t *pem, struct err *e)
{
	attr_cleanup(x509_list_free) struct x509_list l = { NULL, 0 };

	if (x509_parse(pem, &l, e) < 0)
		return -1;
	/* A bundle may contain expired ones. */
	for (unsigned int i = l.count; i > 0; i--)
		if (x509_check_time(l.crt[i - 1], ERR_KEY, e) == 0) {
			*e = (struct err){ 0 };
			return 0;
		}
	return -1;
}

int x509_check_key(const gnutls_datum_t *pem, struct err *e)
{
	static const char *const words[] = { "PRIVATE KEY", "RSA PRIVATE KEY",
					     "EC PRIVATE KEY", NULL };
	static const char *const encrypted[] = { "ENCRYPTED PRIVATE KEY",
						 NULL };
	char other[SHOWN_MAX], ignored[SHOWN_MAX];

	if (x509_count_blocks(pem, encrypted, other) ||
	    memmem(pem->data, pem->size, "Proc-Type: 4,ENCRYPTED", 22))
		return err_set(e, ERR_KEY, 0,
			       "is encrypted, which is not supported; 'openssl "
			       "pkey -in FILE -out NEW' decrypts it");
	if (!x509_count_blocks(pem, words, ignored))
		return x509_foreign(pem, other, "private key", e);
	return 0;
}

int x509_set_own(gnutls_certificate_credentials_t c, const gnutls_datum_t *own,
		 const gnutls_datum_t *key, struct err *e)
{
	int ret = gnutls_certificate_set_x509_key_mem2(
		c, own, key, GNUTLS_X509_FMT_PEM, NULL, 0);

	if (ret == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		return err_set(e, ERR_KEY, 0,
			       "is not the key of the certificate; give the "
			       "certificate and its own key");
	if (ret < 0)
		return err_set(e, ERR_KEY, 0,
			       "holds a private key that is cut short, damaged "
			       "or of an unknown kind (%s)",
			       gnutls_strerror(ret));
	return 0;
}

int x509_set_ca(gnutls_certificate_credentials_t c, const gnutls_datum_t *pem,
		struct err *e)
{
	int ret = gnutls_certificate_set_x509_trust_mem(c, pem,
							GNUTLS_X509_FMT_PEM);

	if (ret < 1)
		return err_set(e, ERR_KEY, 0, "cannot be used: %s",
			       ret < 0 ? gnutls_strerror(ret)
				       : "no certificate");
	/* 112 bits: RSA of at least 2048, no SHA-1, no MD5 */
	gnutls_certificate_set_verify_flags(
		c, GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_MEDIUM));
	return 0;
}

static bool x509_same_text(const char *a, const char *b, size_t len)
{
	return !strncasecmp(a, b, len) && !memchr(a, '\0', len);
}

bool x509_dns_matches(const char *pattern, size_t len, const char *name,
		      bool wildcards)
{
	size_t name_len = strlen(name);
	const char *rest;

	/* "host.example.com." is the same name. */
	if (name_len && name[name_len - 1] == '.')
		name_len--;
	if (len == name_len && x509_same_text(pattern, name, len))
		return len;
	/*
	 * The left-most label alone, before two or more: RFC 9525 section 6.3
	 */
	if (!wildcards || len < 2 || memcmp(pattern, "*.", 2))
		return false;
	rest = memchr(name, '.', name_len);
	if (!rest || rest == name ||
	    (size_t)(name + name_len - rest) != len - 1)
		return false;
	return memchr(rest + 1, '.', len - 2) &&
	       x509_same_text(pattern + 1, rest, len - 1);
}

/* Parse an IP address, perhaps with a zone.  Returns its size, or 0. */
static size_t x509_address(const char *name, struct net_address *a)
{
	if (!net_address_parse(name, strcspn(name, "%"), a))
		return 0;
	return a->family == AF_INET ? 4 : 16;
}

static void x509_sans_free(gnutls_subject_alt_names_t *sans)
{
	if (*sans)
		gnutls_subject_alt_names_deinit(*sans);
}

static void x509_datum_free(gnutls_datum_t *d)
{
	gnutls_free(d->data);
}

/* The names in a certificate, to be read by index; perhaps none. */
static int x509_sans(gnutls_x509_crt_t crt, gnutls_subject_alt_names_t *sans)
{
	attr_cleanup(x509_datum_free) gnutls_datum_t der = { NULL, 0 };
	int ret = gnutls_subject_alt_names_init(sans);

	if (ret == 0)
		ret = gnutls_x509_crt_get_extension_by_oid2(crt, SAN_OID, 0,
							    &der, NULL);
	if (ret == 0)
		ret = gnutls_x509_ext_import_subject_alt_names(&der, *sans, 0);
	return ret;
}

static bool x509_san(gnutls_subject_alt_names_t sans, unsigned int i,
		     unsigned int *type, gnutls_datum_t *san)
{
	return sans &&
	       gnutls_subject_alt_names_get(sans, i, type, san, NULL) == 0;
}

static bool x509_has_name(gnutls_subject_alt_names_t sans, const char *name,
			  bool wildcards)
{
	struct net_address address;
	size_t address_len = x509_address(name, &address);
	gnutls_datum_t san;
	unsigned int type;

	for (unsigned int i = 0; x509_san(sans, i, &type, &san); i++) {
		if (type == GNUTLS_SAN_DNSNAME && !address_len &&
		    x509_dns_matches((const char *)san.data, san.size, name,
				     wildcards))
			return true;
		if (type == GNUTLS_SAN_IPADDRESS && address_len &&
		    san.size == address_len &&
		    !memcmp(san.data, address.bytes, address_len))
			return true;
	}
	return false;
}

/* The first of the rules' names that is in the certificate, or NULL. */
static const char *x509_which_name(gnutls_subject_alt_names_t sans,
				   const struct x509_rules *rules)
{
	for (size_t i = 0; i < rules->count; i++)
		if (x509_has_name(sans, rules->names[i], rules->wildcards))
			return rules->names[i];
	return NULL;
}

/* The first name or the subject of a certificate, for messages. */
static const char *x509_shown(gnutls_x509_crt_t crt,
			      gnutls_subject_alt_names_t sans,
			      char out[static SHOWN_MAX])
{
	attr_cleanup(x509_datum_free) gnutls_datum_t dn = { NULL, 0 };
	gnutls_datum_t san;
	unsigned int type = 0;

	snprintf(out, SHOWN_MAX, "nobody");
	if (x509_san(sans, 0, &type, &san) && type == GNUTLS_SAN_DNSNAME)
		log_printable(out, SHOWN_MAX, san.data, san.size);
	else if (type == GNUTLS_SAN_IPADDRESS && san.size == 4)
		inet_ntop(AF_INET, san.data, out, SHOWN_MAX);
	else if (type == GNUTLS_SAN_IPADDRESS && san.size == 16)
		inet_ntop(AF_INET6, san.data, out, SHOWN_MAX);
	else if (gnutls_x509_crt_get_dn3(crt, &dn, 0) == 0 && dn.size)
		log_printable(out, SHOWN_MAX, dn.data, dn.size);
	return out;
}

/* The peer sends its own certificate first, the end of its chain last. */
static gnutls_x509_crt_t x509_of_peer(gnutls_session_t session, bool last)
{
	unsigned int count = 0;
	const gnutls_datum_t *der =
		gnutls_certificate_get_peers(session, &count);
	gnutls_x509_crt_t crt = NULL;

	if (!der || !count || gnutls_x509_crt_init(&crt) < 0)
		return NULL;
	if (gnutls_x509_crt_import(crt, der + (last ? count - 1 : 0),
				   GNUTLS_X509_FMT_DER) < 0) {
		gnutls_x509_crt_deinit(crt);
		return NULL;
	}
	return crt;
}

/* Does --ca have a certificate with the name of crt's signer? */
static bool x509_knows_signer(gnutls_session_t session, gnutls_x509_crt_t crt)
{
	attr_cleanup(x509_datum_free) gnutls_datum_t dn = { NULL, 0 };
	attr_cleanup(x509_crt_free) gnutls_x509_crt_t ca = NULL;
	gnutls_x509_trust_list_t trusted;
	void *c = NULL;

	if (gnutls_credentials_get(session, GNUTLS_CRD_CERTIFICATE, &c) < 0 ||
	    gnutls_x509_crt_get_raw_issuer_dn(crt, &dn) < 0)
		return false;
	gnutls_certificate_get_trust_list(c, &trusted);
	return gnutls_x509_trust_list_get_issuer_by_dn(trusted, &dn, &ca, 0) >=
	       0;
}

/* A foreign CA and a missing intermediate certificate look the same. */
static int x509_no_signer(gnutls_session_t session, struct err *e)
{
	attr_cleanup(x509_datum_free) gnutls_datum_t dn = { NULL, 0 };
	attr_cleanup(x509_crt_free)
		gnutls_x509_crt_t crt = x509_of_peer(session, true);
	char issuer[SHOWN_MAX] = "unknown";

	if (crt && gnutls_x509_crt_get_issuer_dn3(crt, &dn, 0) == 0)
		log_printable(issuer, sizeof issuer, dn.data, dn.size);
	if (crt && x509_knows_signer(session, crt))
		return err_set(
			e, ERR_AUTH, 0,
			"leads to %s, but not to the key that --ca has for "
			"it; was that CA made again? --ca and the peer's "
			"certificate must be of the same one",
			issuer);
	return err_set(e, ERR_AUTH, 0,
		       "is not signed by a CA of --ca, but by %s; if that is "
		       "an intermediate one, its certificate is missing in "
		       "the peer's --cert file",
		       issuer);
}

static int x509_verify_error(gnutls_session_t session, gnutls_x509_crt_t crt,
			     unsigned int status, bool server,
			     enum record_alert *alert, struct err *e)
{
	*alert = RECORD_BAD_CERTIFICATE;
	if (status & GNUTLS_CERT_SIGNATURE_FAILURE)
		return err_set(e, ERR_AUTH, 0,
			       "has a signature that is not its CA's; was that "
			       "CA made again, with another key?");
	if (status & GNUTLS_CERT_INSECURE_ALGORITHM)
		return err_set(e, ERR_AUTH, 0,
			       "is too weak, or its CA's is: RSA needs 2048 "
			       "bits, and SHA-1 and MD5 are broken");
	*alert = RECORD_UNKNOWN_CA;
	if (status & GNUTLS_CERT_SIGNER_NOT_CA)
		return err_set(e, ERR_AUTH, 0,
			       "is signed with a certificate that is no CA's "
			       "(basic constraints)");
	if (status & GNUTLS_CERT_SIGNER_NOT_FOUND)
		return x509_no_signer(session, e);
	*alert = RECORD_CERTIFICATE_EXPIRED;
	if (status & (GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED))
		return x509_check_time(crt, ERR_AUTH, e) < 0
			       ? -1
			       : err_set(e, ERR_AUTH, 0,
					 "is signed by a CA whose certificate "
					 "has expired or is not valid yet");
	*alert = RECORD_UNSUPPORTED_CERTIFICATE;
	if (status & GNUTLS_CERT_PURPOSE_MISMATCH)
		return err_set(e, ERR_AUTH, 0,
			       "is not made for TLS %s (extended key usage)",
			       server ? "clients" : "servers");
	*alert = RECORD_BAD_CERTIFICATE;
	if (status & GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE)
		return err_set(e, ERR_AUTH, 0,
			       "breaks a rule of its CA: which names it may "
			       "have, how long its chain may be, or whether "
			       "that CA may sign at all (key usage)");
	return err_set(e, ERR_AUTH, 0, "is refused by GnuTLS (status %#x)",
		       status);
}

static int x509_judge_name(gnutls_subject_alt_names_t sans,
			   const struct x509_rules *rules, const char *shown,
			   enum record_alert *alert, struct err *e)
{
	gnutls_datum_t san;
	unsigned int type;

	if (!rules->count || x509_which_name(sans, rules))
		return 0;
	*alert = RECORD_ACCESS_DENIED;
	if (rules->count == 1)
		err_set(e, ERR_AUTH, 0,
			"is for another name than '%s' (subject alternative "
			"names)",
			rules->names[0]);
	if (rules->count == 1 && !rules->wildcards)
		return err_append(e, ", which --peer asks for");
	if (rules->count == 1)
		return x509_san(sans, 0, &type, &san)
			       ? err_append(e,
					    "; if that is the intended "
					    "host, give --peer %s",
					    shown)
			       : err_append(e, ": it has none");
	return err_set(e, ERR_AUTH, 0, "is for none of the names of --peer");
}

static void x509_identity(gnutls_subject_alt_names_t sans,
			  const struct x509_rules *rules,
			  char out[static KEY_IDENTITY_MAX + 1])
{
	const char *name = x509_which_name(sans, rules);
	gnutls_datum_t san;
	unsigned int type;

	memset(out, 0, KEY_IDENTITY_MAX + 1);
	if (name && key_text_identity_ok((const uint8_t *)name, strlen(name))) {
		memcpy(out, name, strlen(name));
		return;
	}
	for (unsigned int i = 0; x509_san(sans, i, &type, &san); i++)
		if (type == GNUTLS_SAN_DNSNAME &&
		    key_text_identity_ok(san.data, san.size)) {
			memcpy(out, san.data, san.size);
			return;
		}
}

int x509_judge(gnutls_session_t session, const struct x509_rules *rules,
	       char identity[static KEY_IDENTITY_MAX + 1],
	       enum record_alert *alert, struct err *e)
{
	gnutls_typed_vdata_st purpose = {
		.type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (unsigned char *)(rules->server
						  ? GNUTLS_KP_TLS_WWW_CLIENT
						  : GNUTLS_KP_TLS_WWW_SERVER),
	};
	attr_cleanup(x509_sans_free) gnutls_subject_alt_names_t sans = NULL;
	attr_cleanup(x509_crt_free)
		gnutls_x509_crt_t crt = x509_of_peer(session, false);
	struct err why = { 0 };
	unsigned int status = 0;
	char shown[SHOWN_MAX];
	int ret, san;

	*alert = RECORD_BAD_CERTIFICATE;
	if (!crt)
		return err_set(e, ERR_AUTH, 0,
			       "the peer's certificate does not parse");
	san = x509_sans(crt, &sans);
	x509_shown(crt, sans, shown);
	ret = gnutls_certificate_verify_peers(session, &purpose, 1, &status);
	if (ret < 0)
		ret = err_set(&why, ERR_AUTH, 0, "cannot be verified (%s)",
			      gnutls_strerror(ret));
	else if (status)
		ret = x509_verify_error(session, crt, status, rules->server,
					alert, &why);
	else if (san < 0 && san != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
		ret = err_set(&why, ERR_AUTH, 0, "has names that do not parse");
	else
		ret = x509_judge_name(sans, rules, shown, alert, &why);
	if (ret < 0)
		return err_set(e, ERR_AUTH, 0, "the peer's certificate (%s) %s",
			       shown, why.msg);
	x509_identity(sans, rules, identity);
	return 0;
}
