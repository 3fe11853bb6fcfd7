/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HELLO and WELCOME over a session whose handshake is done, before the bulk
 * direction changes hands.  Ref: btrfs-ktls-pipe-protocol(7).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/frame.h"
#include "tls/tls.h"

/*
 * Take what is there of the next frame, which must be of the given type.
 * *got: it is complete.  Errors: ERR_AUTH.
 */
int hello_recv(struct tls *t, struct frame_reader *r, enum frame_type type,
	       struct frame *f, bool *got, struct err *e) attr_must_check;

/* Send f, waiting for fd until deadline_ms.  Errors: ERR_AUTH. */
int hello_send(struct tls *t, int fd, const struct frame *f,
	       uint64_t deadline_ms, struct err *e) attr_must_check;

/* Is the connecting side, of the given role, welcome?  Else ERR_AUTH. */
int hello_check(const struct frame_welcome *w, enum frame_role role,
		struct err *e) attr_must_check;
