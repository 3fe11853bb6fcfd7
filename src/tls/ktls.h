/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wall to kernel TLS: attach the upper layer protocol, install one
 * direction's keys from one cipher table, read back what was installed, and
 * send and receive records that are not application data.
 * Ref: kernel Documentation/networking/tls.rst.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/secret.h"
#include "tls/mode.h"

enum ktls_direction { KTLS_TX, KTLS_RX };

/*
 * Is the tls ULP there?  Where the module is missing a process with
 * CAP_NET_ADMIN makes the kernel load it.  Errors: ERR_KTLS with the remedy.
 */
int ktls_available(struct err *e) attr_must_check;

/*
 * Attach the ULP to a connected TCP socket.  Records pass untouched until keys
 * are installed.  Must come right after connect(2) or accept(2): the kernel
 * refuses when the peer's FIN is already here.  Errors: ERR_KTLS.
 */
int ktls_attach(int fd, struct err *e) attr_must_check;

/*
 * Install the keys of one direction; from then on the kernel owns its record
 * layer.  Borrows t, which the caller wipes.
 * Errors: ERR_KTLS; num ENOENT = cipher missing, EINVAL = unknown to the
 * kernel.
 */
int ktls_install(int fd, enum ktls_direction dir, const struct mode *mode,
		 const struct traffic *t, struct err *e) attr_must_check;

/* Ask the kernel which version and cipher dir runs; ERR_KTLS if not mode. */
int ktls_verify(int fd, enum ktls_direction dir, const struct mode *mode,
		struct err *e) attr_must_check;

/*
 * How many records dir's keys have made or opened so far: the sequence number
 * of the next.  Errors: ERR_KTLS.
 */
int ktls_records(int fd, enum ktls_direction dir, const struct mode *mode,
		 uint64_t *records, struct err *e) attr_must_check;

/*
 * Tell the kernel that no TLS 1.3 record is padded, so that it decrypts
 * straight into the reader's buffer (Linux 6.0).  Padded records still work.
 * Returns whether the kernel took it.
 */
bool ktls_expect_no_pad(int fd);

/* sendmsg(2) of one record of the given type; result and errno are its own. */
ssize_t ktls_send_record(int fd, uint8_t type, const void *body, size_t len);

/*
 * recvmsg(2) without waiting: bytes of one record type, which goes to *type
 * (never mixed; data records are joined up to len).  Result and errno are
 * recvmsg's own; 0 of RECORD_DATA is an empty record, and 0 of RECORD_NONE TCP's end.
 * EBADMSG also stands for a control message that does not make sense.
 */
ssize_t ktls_recv_record(int fd, unsigned int *type, void *buf, size_t len);

/* What a kernel can do for one mode, found out on a loopback connection. */
struct ktls_support {
	bool tx, rx;
	bool rekey; /* keys can be installed again: TLS 1.3, Linux 6.14 */
	bool no_pad; /* TLS_RX_EXPECT_NO_PAD */
};

/* Fills *out; all false where there is no kernel TLS.  Errors: ERR_KTLS. */
int ktls_probe(const struct mode *mode, struct ktls_support *out,
	       struct err *e) attr_must_check;

/*
 * Does the kernel put on the wire what it makes of spliced small pieces, and no
 * more?  Linux 6.5 to 6.17.3 (and 6.6.112, 6.12.53) sends bytes of memory that
 * was never written behind a record that came out shorter than expected, which
 * the peer takes for damage.  A trial with two sockets over the loopback device,
 * a millisecond; false if it cannot be made.
 * Ref: Linux 7f846c65ca11.
 */
bool ktls_splices_pieces(const struct mode *mode);
