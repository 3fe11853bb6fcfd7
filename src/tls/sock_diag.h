/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ask the kernel's sock_diag for the TLS state of a TCP socket: the answer that
 * ss -ti prints.  Kernels below 7 answer only with CAP_NET_ADMIN.
 */
#pragma once

#include "base/err.h"

/* TLS_CONF_* of linux/tls.h; SOCK_DIAG_UNKNOWN: the kernel did not answer. */
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
 * Fill *out for a connected TCP socket.  A missing answer is no error.
 * Errors: ERR_KTLS, the query itself failed.
 */
int sock_diag_tls(int fd, struct sock_diag_tls *out,
		  struct err *e) attr_must_check;
