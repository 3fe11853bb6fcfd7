/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HELLO and WELCOME over a session whose handshake is done, before the bulk
 * direction changes hands.  Ref: btrfs-ktls-pipe-protocol(7).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "frame.h"
#include "tls.h"

/*
 * Take what is there of the next frame, which must be of the given type.
 * *got: it is complete.  Errors: ERR_AUTH.
 */
int greet_recv(struct tls *t, struct frame_reader *r, enum frame_type type,
	       struct frame *f, bool *got, struct err *e) attr_must_check;

/* Send f, waiting for fd until deadline_ms.  Errors: ERR_AUTH. */
int greet_send(struct tls *t, int fd, const struct frame *f,
	       uint64_t deadline_ms, struct err *e) attr_must_check;

/*
 * The connecting side: send hello, wait for the answer.  A refusal is an
 * ERR_AUTH with the reason.
 */
int greet_connect(struct tls *t, int fd, const struct frame_hello *hello,
		  uint64_t deadline_ms, struct frame_welcome *welcome,
		  struct err *e) attr_must_check;
