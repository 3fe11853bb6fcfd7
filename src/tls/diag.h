/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ask the kernel's sock_diag what a TCP socket really does with TLS: the same
 * answer that ss -ti prints.  Kernels below 7 tell only CAP_NET_ADMIN.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

/* linux/tls.h TLS_CONF_*; DIAG_UNKNOWN where the kernel does not tell. */
enum diag_conf {
	DIAG_UNKNOWN,
	DIAG_BASE, /* not in the kernel */
	DIAG_SW,
	DIAG_HW,
	DIAG_HW_RECORD,
};

struct diag_tls {
	enum diag_conf tx, rx;
};

/*
 * Fill *out for a connected TCP socket.  Not being told is no error.
 * Errors: ERR_KTLS, when the question itself fails.
 */
int diag_tls(int fd, struct diag_tls *out, struct err *e) attr_must_check;

/* "sw", "hw"; NULL for the others. */
const char *diag_conf_name(enum diag_conf conf);
