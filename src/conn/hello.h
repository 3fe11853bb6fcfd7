/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Send and receive HELLO and WELCOME: after the TLS handshake, and before
 * kernel TLS takes over the bulk direction.  Ref: btrfs-ktls-pipe-protocol(7).
 */
#pragma once

#include "base/err.h"
#include "proto/frame.h"
#include "tls/record_layer.h"

/*
 * Read into r what has arrived of the next frame, which must be of the given
 * type.  *got: it is complete, and in *f.  Errors: ERR_AUTH.
 */
int hello_recv(struct record_layer *rl, struct frame_reader *r,
	       enum frame_type type, struct frame *f, bool *got,
	       struct err *e) attr_must_check;

/*
 * Send f; blocks until it is sent or deadline_ms (clock_now_ms() time) has
 * passed.  fd is the socket of rl.  Errors: ERR_AUTH; ERR_NET if poll(2) fails.
 */
int hello_send(struct record_layer *rl, int fd, const struct frame *f,
	       uint64_t deadline_ms, struct err *e) attr_must_check;

/* Client: does the WELCOME accept us, with our role?  Else ERR_AUTH. */
int hello_check(const struct frame_welcome *w, enum frame_role role,
		struct err *e) attr_must_check;
