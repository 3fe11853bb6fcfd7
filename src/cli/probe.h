/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this machine can do: its kernel, its GnuTLS, its CPU, mode by mode.
 * Found out by trying, on loopback connections; no peer, no privilege.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "tls/ktls.h"
#include "tls/mode.h"

struct probe {
	char kernel[65]; /* release */
	const char *gnutls;
	bool cpu_aes;
	bool ulp; /* the kernel has TLS */
	char ulp_why[512]; /* if not: why, and how to get it */
	struct {
		bool gnutls; /* the library can negotiate it with a PSK */
		bool x509; /* or with certificates */
		struct ktls_support kernel;
	} modes[MODE_COUNT]; /* as in mode_table */
	const struct mode *pick; /* what connect would offer first */
	bool usable; /* pick runs in the kernel both ways */
};

/* Errors: ERR_KTLS, when the loopback device cannot be used. */
int probe_run(struct probe *p, struct err *e) attr_must_check;

int probe_print(const struct probe *p, struct err *e) attr_must_check;
int probe_print_json(const struct probe *p, struct err *e) attr_must_check;
