/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which stream does a connection belong to?  Its first bytes tell, before
 * anything is authenticated: a hint and no more.  Pure: looks at bytes that the
 * caller got without taking them (MSG_PEEK).
 * Ref: RFC 8446 section 4.1.2, RFC 6066 section 3.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"

enum {
	PEEK_MAX = 4096, /* bytes to look at: ours need 500 */
	PEEK_NAME_MAX = 64,
};

enum peek_result {
	PEEK_MORE, /* a beginning: more bytes are needed to tell */
	PEEK_NONE, /* it tells nothing */
	PEEK_FOUND,
};

/* The server name of a ClientHello, in one record or more. */
enum peek_result peek_server_name(const uint8_t *bytes, size_t len,
				  char name[static PEEK_NAME_MAX + 1]);

/* The stream id of a HELLO in mode none. */
enum peek_result peek_stream(const uint8_t *bytes, size_t len,
			     uint8_t id[static FRAME_ID_BYTES]);
