/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What connect and listen do alike before they open a socket. */
#pragma once

#include "chan.h"
#include "cred.h"
#include "err.h"
#include "mode.h"
#include "opt.h"

struct setup {
	struct mode_list modes;
	struct cred *cred;
};

/*
 * Check what can be checked before a peer is there: modes, kernel TLS where it
 * is required, and the key, which becomes a credential.
 * The caller calls setup_fini().  Errors: ERR_USAGE, ERR_KTLS, ERR_KEY.
 */
int setup_init(struct setup *s, const struct opts *o,
	       struct err *e) attr_must_check;
void setup_fini(struct setup *s);
#define autofini_setup attr_cleanup(setup_fini)

enum chan_ktls setup_ktls(const struct opts *o);
