/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The only module that calls kernel TLS: attach the upper layer protocol (ULP),
 * install the keys of a direction, read back the installed mode, and send and
 * receive records that are not application data.
 * Ref: kernel Documentation/networking/tls.rst.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "base/secret.h"
#include "proto/record.h"
#include "tls/mode.h"

/*
 * Does the kernel have the tls ULP?  If the module is not loaded and we have
 * CAP_NET_ADMIN, the kernel loads it.  Errors: ERR_KTLS, with a remedy.
 */
int ktls_available(struct err *e) attr_must_check;

/*
 * Attach the ULP to a connected TCP socket.  Bytes pass unchanged until keys
 * are installed.  Call it right after connect(2) or accept(2): the kernel
 * refuses once the peer's FIN has arrived.  Errors: ERR_KTLS; num is ENOTCONN
 * in that case.
 */
int ktls_attach(int fd, struct err *e) attr_must_check;

/*
 * Install the keys of one direction; from then on the kernel owns its record
 * layer.  Borrows t, which the caller wipes.  Errors: ERR_KTLS; num is ENOENT
 * if the cipher is missing, EINVAL if the kernel does not know it.
 */
int ktls_install(int fd, enum record_direction dir, const struct mode *mode,
		 const struct traffic *t, struct err *e) attr_must_check;

/* Check that dir runs mode.  Errors: ERR_KTLS, also if it runs another mode. */
int ktls_verify(int fd, enum record_direction dir, const struct mode *mode,
		struct err *e) attr_must_check;

/*
 * Records under dir's keys so far, which is the sequence number of the next
 * one.  Errors: ERR_KTLS.
 */
int ktls_records(int fd, enum record_direction dir, const struct mode *mode,
		 uint64_t *records, struct err *e) attr_must_check;

/*
 * Tell the kernel to expect no padding in TLS 1.3 records, so that it decrypts
 * straight into the reader's buffer (Linux 6.0).  Padded records still work.
 * Returns whether the kernel accepted it.
 */
bool ktls_expect_no_pad(int fd);

/* sendmsg(2) of one record of the given type, with its result and errno. */
ssize_t ktls_send_record(int fd, uint8_t type, const void *body, size_t len);

/*
 * recvmsg(2) without waiting.  All bytes are of one record *type; data of
 * several records is joined, up to len.  Result and errno are recvmsg's.  0
 * with RECORD_DATA: an empty record.  0 with RECORD_NONE: the peer's FIN.
 * EBADMSG also reports an invalid control message.
 */
ssize_t ktls_recv_record(int fd, unsigned int *type, void *buf, size_t len);

/* What the kernel supports in one mode. */
struct ktls_support {
	bool tx, rx;
	bool rekey; /* keys can be replaced: TLS 1.3, Linux 6.14 */
	bool no_pad; /* TLS_RX_EXPECT_NO_PAD */
};

/*
 * Try a mode on a loopback connection; without kernel TLS all is false.
 * Errors: ERR_KTLS.
 */
int ktls_probe(const struct mode *mode, struct ktls_support *out,
	       struct err *e) attr_must_check;

/*
 * Does the kernel send spliced small pieces correctly?  Linux 6.5 to 6.17.3
 * (and 6.6.112, 6.12.53) sends uninitialised memory behind a record that came
 * out shorter than expected; the peer sees a damaged record.  Tries it on two
 * sockets over the loopback device, which takes a millisecond; false if that
 * fails.
 * Ref: Linux 7f846c65ca11.
 */
bool ktls_splices_pieces(const struct mode *mode);
