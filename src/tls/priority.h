/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which modes GnuTLS can negotiate with a kind of credential, and the priority
 * string that makes it offer these and nothing else.  Kinds are bits of enum
 * credential_kind.  Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tls/mode.h"

enum { PRIORITY_CHARS = 1024 }; /* more than all modes and kinds need */

/* Can GnuTLS negotiate mode with one of kinds? */
bool priority_mode_usable(const struct mode *mode, unsigned int kinds);

/* The TLS 1.3 modes that are usable with kinds, the best for this CPU first. */
void priority_default_modes(struct mode_list *list, unsigned int kinds);

/*
 * The priority string for modes and kinds: forward secrecy only.  Modes that
 * are not usable with kinds are left out.
 */
void priority_string(const struct mode_list *modes, unsigned int kinds,
		     char out[static PRIORITY_CHARS]);
