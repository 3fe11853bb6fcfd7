/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ask the kernel's sock_diag what a TCP socket really does with TLS: the same
 * answer that ss -ti prints.  Kernels below 7 tell only CAP_NET_ADMIN.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

/* linux/tls.h TLS_CONF_*; SOCK_DIAG_UNKNOWN where the kernel does not tell. */
enum sock_diag_conf {
	SOCK_DIAG_UNKNOWN,
	SOCK_DIAG_BASE, /* not in the kernel */
	SOCK_DIAG_SW,
	SOCK_DIAG_HW,
	SOCK_DIAG_HW_RECORD,
};

struct sock_diag_tls {
	enum sock_diag_conf tx, rx;
};

/*
 * Fill *out for a connected TCP socket.  Not being told is no error.
 * Errors: ERR_KTLS, when the question itself fails.
 */
int sock_diag_tls(int fd, struct sock_diag_tls *out,
		  struct err *e) attr_must_check;

/* "sw", "hw"; NULL for the others. */
const char *sock_diag_conf_name(enum sock_diag_conf conf);
