/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds out what kernel, GnuTLS and CPU of this machine can do, mode by mode.
 * It tries each on loopback connections; it needs no peer and no privilege.
 */
#pragma once

#include <stdbool.h>

#include "base/confine.h"
#include "base/err.h"
#include "tls/ktls.h"
#include "tls/mode.h"

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
	struct confine confine; /* what holds of connect and listen */
	const struct mode *pick; /* what connect offers first */
	bool usable; /* pick runs in the kernel both ways */
};

/* Fill *p.  Errors: ERR_KTLS if the loopback interface cannot be used. */
int probe_run(struct probe *p, struct err *e) attr_must_check;

/* Print *p as text or as JSON.  Errors: ERR_IO. */
int probe_print(const struct probe *p, struct err *e) attr_must_check;
int probe_print_json(const struct probe *p, struct err *e) attr_must_check;
