/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The traffic keys of TLS 1.3 from their secret, and the next ones after a
 * KeyUpdate.  Pure.  Ref: RFC 8446 sections 7.1 to 7.3.
 */
#pragma once

#include "base/err.h"
#include "base/secret.h"
#include "tls/mode.h"

/*
 * Fill in key and IV of t from its secret; the sequence number becomes 0.
 * Errors: ERR_BUG.
 */
int key_schedule_derive(const struct mode *mode, struct traffic *t,
			struct err *e) attr_must_check;

/*
 * After a KeyUpdate: replace secret, key and IV of t by the next ones; the
 * sequence number becomes 0.  Errors: ERR_BUG.
 */
int key_schedule_next(const struct mode *mode, struct traffic *t,
		      struct err *e) attr_must_check;
