// SPDX-License-Identifier: GPL-2.0-or-later
/* x509: names, and contents of files; certificates.bats has real ones. */
#include "auth/x509.h"
#include "tap.h"

#define TEXT(s) s, sizeof s - 1

static const struct {
	const char *pattern;
	size_t len;
	const char *name;
	bool exact, wild; /* does it match, without wildcards and with them */
} names[] = {
	{ TEXT("host"), "host", true, true },
	{ TEXT("HOST.Example"), "host.eXample", true, true },
	{ TEXT("host.example"), "host.example.", true, true },
	{ TEXT("host.example."), "host.example", false, false },
	{ TEXT("host"), "hos", false, false },
	{ TEXT("host"), "hosts", false, false },
	{ TEXT("host\0"), "host", false, false },
	{ TEXT("ho\0t"), "ho", false, false },
	{ TEXT("ho\0t"), "host", false, false },
	{ TEXT(""), "", false, false },
	{ TEXT(""), ".", false, false },

	{ TEXT("*.example.com"), "host.example.com", false, true },
	{ TEXT("*.EXAMPLE.com"), "host.example.com.", false, true },
	{ TEXT("*.example.com"), "a.example.com", false, true },
	{ TEXT("*.example.com"), "a.host.example.com", false, false },
	{ TEXT("*.example.com"), "example.com", false, false },
	{ TEXT("*.example.com"), ".example.com", false, false },
	{ TEXT("*.example.com"), "host.example.org", false, false },
	{ TEXT("*.exa\0ple.com"), "host.exa", false, false },
	{ TEXT("*.com"), "example.com", false, false },
	{ TEXT("*."), "host.", false, false },
	{ TEXT("*"), "host", false, false },
	{ TEXT("h*.example.com"), "host.example.com", false, false },
	{ TEXT("host.*.com"), "host.example.com", false, false },
};

static void test_names(void)
{
	for (size_t i = 0; i < array_len(names); i++) {
		const char *pattern = names[i].pattern, *name = names[i].name;
		size_t len = names[i].len;

		ok(x509_dns_matches(pattern, len, name, false) ==
			   names[i].exact,
		   "'%s' as it is, and '%s'", pattern, name);
		ok(x509_dns_matches(pattern, len, name, true) == names[i].wild,
		   "'%s' with wildcards, and '%s'", pattern, name);
	}
}

#define BLOCK(label) \
	"-----BEGIN " label "-----\nAAAA\n-----END " label "-----\n"

static const struct {
	const char *name, *text, *own, *key; /* refusals; NULL: accepted */
} files[] = {
	{ "nothing", "", "is empty", "is empty" },
	{ "prose", "hello\n", "holds no certificate", "holds no private key" },
	{ "a block of nonsense", BLOCK("CERTIFICATE"), "cut short or damaged",
	  "but a PEM block 'CERTIFICATE'" },
	{ "a beginning", "-----BEGIN CERTIFICATE-----", "cut short or damaged",
	  "but a PEM block" },
	{ "a beginning of a beginning", "-----BEGIN ", "holds no certificate",
	  "holds no private key" },
	{ "a label of another kind", BLOCK("X\x1b[31mY"), "'X?[31mY'",
	  "'X?[31mY'" },
	{ "a private key", BLOCK("PRIVATE KEY"), "'PRIVATE KEY'", NULL },
	{ "an encrypted key", BLOCK("ENCRYPTED PRIVATE KEY"),
	  "'ENCRYPTED PRIVATE KEY'", "is encrypted" },
	{ "DER", "0\x82", "is not PEM, but looks like DER; 'openssl x509",
	  "is not PEM, but looks like DER; 'openssl pkey" },
};

static void refused(int ret, const struct err *e, const char *why,
		    const char *name, const char *what)
{
	bool right = why ? ret == -1 && e->kind == ERR_KEY &&
				     strstr(e->msg, why)
			 : ret == 0;

	if (!ok(right, "%s as %s", name, what))
		printf("#   %s\n", e->msg);
}

static void test_files(void)
{
	for (size_t i = 0; i < array_len(files); i++) {
		const char *name = files[i].name;
		gnutls_datum_t pem = { (unsigned char *)files[i].text,
				       (unsigned int)strlen(files[i].text) };
		struct err own = { 0 }, ca = { 0 }, key = { 0 };

		refused(x509_check_own(&pem, &own), &own, files[i].own, name,
			"a certificate");
		refused(x509_check_ca(&pem, &ca), &ca, files[i].own, name,
			"a CA");
		refused(x509_check_key(&pem, &key), &key, files[i].key, name,
			"a key");
	}
}

int main(void)
{
	test_names();
	test_files();
	return tap_end();
}
