// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Finds out what kernel, GnuTLS and CPU of this machine can do, mode by mode.
 * It tries each on loopback connections; it needs no peer and no privilege.
 */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/confine.h"
#include "base/io.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "tls/ktls.h"
#include "tls/mode.h"
#include "tls/tls.h"

struct probe {
	char kernel[65]; /* release */
	const char *gnutls;
	bool cpu_aes;
	bool ulp; /* the kernel has TLS */
	char ulp_why[512]; /* if not: the reason and the remedy */
	struct {
		bool gnutls; /* GnuTLS can negotiate it with a PSK */
		bool x509; /* with certificates */
		struct ktls_support kernel;
	} modes[MODE_COUNT]; /* in the order of mode_table */
	struct confine confine; /* of connect and listen */
	const struct mode *pick; /* what connect offers first */
	bool usable; /* pick runs in the kernel both ways */
};

/* Errors: ERR_KTLS if the loopback interface cannot be used. */
static int probe_run(struct probe *p, struct err *e)
{
	struct err why = { 0 };
	struct mode_list list;
	struct utsname u = { .release = "" };

	*p = (struct probe){ .gnutls = tls_library_version(),
			     .cpu_aes = mode_cpu_has_aes(),
			     .ulp = ktls_available(&why) == 0 };
	uname(&u);
	log_printable(p->kernel, sizeof p->kernel, u.release,
		      strlen(u.release));
	snprintf(p->ulp_why, sizeof p->ulp_why, "%s", why.msg);
	confine_try(&p->confine);
	log_defuse(p->confine.missing, strlen(p->confine.missing));
	mode_defaults(&list, CREDENTIAL_PSK);
	p->pick = list.modes[0];
	for (size_t i = 0; i < MODE_COUNT; i++) {
		p->modes[i].gnutls =
			mode_usable(&mode_table[i], credential_psk_kinds());
		p->modes[i].x509 = mode_usable(&mode_table[i], CREDENTIAL_X509);
		if (ktls_probe(&mode_table[i], &p->modes[i].kernel, e) < 0)
			return -1;
		if (&mode_table[i] == p->pick)
			p->usable = p->modes[i].kernel.tx &&
				    p->modes[i].kernel.rx;
	}
	return 0;
}

static const char *probe_yes(bool b)
{
	return b ? "yes" : "no";
}

static const char *probe_true(bool b)
{
	return b ? "true" : "false";
}

static void probe_print_confine(const struct confine *c)
{
	char text[CONFINE_TEXT_BYTES];

	confine_text(c, text);
	printf("confinement         %s%s%s\n", text,
	       *c->missing ? "; missing: " : "", c->missing);
}

static int probe_print(const struct probe *p, struct err *e)
{
	printf("kernel              %s\n", p->kernel);
	printf("GnuTLS              %s\n", p->gnutls);
	printf("CPU AES             %s\n", probe_yes(p->cpu_aes));
	printf("kernel TLS (ULP)    %s%s%s\n", probe_yes(p->ulp),
	       p->ulp ? "" : ": ", p->ulp_why);
	probe_print_confine(&p->confine);
	printf("\n%-25s %-7s %-4s %-4s %-6s %s\n", "mode", "GnuTLS", "TX", "RX",
	       "rekey", "no-pad");
	for (size_t i = 0; i < MODE_COUNT; i++) {
		const struct ktls_support *k = &p->modes[i].kernel;

		printf("%-25s %-7s %-4s %-4s %-6s %s\n", mode_table[i].name,
		       p->modes[i].x509 && !p->modes[i].gnutls
			       ? "certs"
			       : probe_yes(p->modes[i].gnutls),
		       probe_yes(k->tx), probe_yes(k->rx), probe_yes(k->rekey),
		       probe_yes(k->no_pad));
	}
	printf("\nconnect offers      %s first, records made in %s\n",
	       p->pick->name, p->usable ? "the kernel" : "user space");
	return io_flush_stdout(e);
}

/* No string printed here holds a quote, backslash or control character. */
static int probe_print_json(const struct probe *p, struct err *e)
{
	printf("{\"kernel\": \"%s\", \"gnutls\": \"%s\", \"cpu_aes\": %s,\n"
	       " \"ulp\": %s, \"ulp_why\": \"%s\",\n \"modes\": {\n",
	       p->kernel, p->gnutls, probe_true(p->cpu_aes), probe_true(p->ulp),
	       p->ulp_why);
	for (size_t i = 0; i < MODE_COUNT; i++) {
		const struct ktls_support *k = &p->modes[i].kernel;

		printf("  \"%s\": {\"gnutls\": %s, \"certificates\": %s, "
		       "\"tx\": %s, \"rx\": %s, "
		       "\"rekey\": %s, \"no_pad\": %s}%s\n",
		       mode_table[i].name, probe_true(p->modes[i].gnutls),
		       probe_true(p->modes[i].x509), probe_true(k->tx),
		       probe_true(k->rx), probe_true(k->rekey),
		       probe_true(k->no_pad), i + 1 < MODE_COUNT ? "," : "");
	}
	printf(" },\n \"confinement\": {\"user\": %u, \"privileges\": %s, "
	       "\"files\": %s, \"system_calls\": %u, \"missing\": \"%s\"},"
	       "\n \"pick\": {\"mode\": \"%s\", \"path\": \"%s\"},\n"
	       " \"usable\": %s}\n",
	       (unsigned int)p->confine.uid, probe_true(!p->confine.privileges),
	       probe_true(!confine_forbids_files(&p->confine)),
	       p->confine.calls, p->confine.missing, p->pick->name,
	       p->usable ? "kernel" : "user", probe_true(p->usable));
	return io_flush_stdout(e);
}

int cmd_probe(const struct options *o, struct err *e)
{
	struct probe p;

	if (probe_run(&p, e) < 0)
		return -1;
	if ((o->json ? probe_print_json(&p, e) : probe_print(&p, e)) < 0)
		return -1;
	if (!p.ulp)
		return err_set(e, ERR_KTLS, 0, "%s", p.ulp_why);
	if (!p.usable)
		return err_set(e, ERR_KTLS, 0,
			       "this kernel has TLS, but not for %s",
			       p.pick->name);
	return 0;
}
