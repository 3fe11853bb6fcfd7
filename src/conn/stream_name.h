/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The name of a stream, as NAME has it: the hash of what --name says. */
#pragma once

#include "base/err.h"
#include "proto/frame.h"

enum { STREAM_NAME_MAX = 255 }; /* bytes of a name; it has at least one */

/* Errors: ERR_BUG. */
int stream_name_hash(const char *name, uint8_t hash[static FRAME_NAME_BYTES],
		     struct err *e) attr_must_check;
