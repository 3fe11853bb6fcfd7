/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds the stream that a connection belongs to in its first bytes, before
 * anything is authenticated: only a hint.  Pure: the caller gets the bytes with
 * MSG_PEEK, so they stay in the socket.
 * Ref: RFC 8446 section 4.1.2, RFC 6066 section 3.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"

enum {
	PEEK_MAX = 4096, /* bytes to look at; our client needs 500 */
	PEEK_NAME_MAX = 64,
};

enum peek_result {
	PEEK_MORE, /* undecided: more bytes are needed */
	PEEK_NONE, /* there is no name or id */
	PEEK_FOUND,
};

/* The server name of a ClientHello, in one record or more. */
enum peek_result peek_server_name(const uint8_t *bytes, size_t len,
				  char name[static PEEK_NAME_MAX + 1]);

/* The stream id of a HELLO in mode none. */
enum peek_result peek_stream(const uint8_t *bytes, size_t len,
			     uint8_t id[static FRAME_ID_BYTES]);
