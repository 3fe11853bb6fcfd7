// SPDX-License-Identifier: GPL-2.0-or-later
/* Certificate files with any bytes: accepted, or refused with a message. */
#include <assert.h>

#include "auth/x509.h"
#include "tls/tls.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct err e;

	return tls_global_init(&e);
}

static void check(int ret, struct err *e)
{
	assert(ret == 0 || (e->kind == ERR_KEY && *e->msg));
	*e = (struct err){ 0 };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	gnutls_datum_t pem = { (unsigned char *)data, (unsigned int)size };
	struct err e = { 0 };

	check(x509_check_own(&pem, &e), &e);
	check(x509_check_ca(&pem, &e), &e);
	check(x509_check_key(&pem, &e), &e);
	/* a peer's pattern against an expected name */
	x509_dns_matches((const char *)data, size, "host.example.com", true);
	return 0;
}
