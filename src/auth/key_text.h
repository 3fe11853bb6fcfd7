/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text of files with secrets: lines, comments, the line identity:hex, and
 * the damage that editors and shells do to it.  Pure; parses any file.
 */
#pragma once

#include "base/err.h"
#include "base/secret.h"

enum { KEY_IDENTITY_MAX = 64 }; /* bytes, without the terminator */

/* The rest of a text, and the current line.  Borrows the text. */
struct key_text {
	const uint8_t *next, *end;
	const uint8_t *line;
	size_t len, number; /* number: counts from 1 */
	bool bom; /* the text began with the byte order mark of UTF-8 */
};

/* Skip a byte order mark of UTF-8.  Errors: ERR_KEY if the text is UTF-16. */
int key_text_begin(struct key_text *t, const uint8_t *data, size_t len,
		   struct err *e) attr_must_check;

/* Move to the next line, without its LF or CR LF.  False at the end. */
bool key_text_next(struct key_text *t);

/* Move to the next line that is neither blank nor a comment (#). */
bool key_text_next_entry(struct key_text *t);

/* Is the current line blank?  Is it a comment? */
bool key_text_blank(const struct key_text *t);
bool key_text_comment(const struct key_text *t);

/* Is it [A-Za-z0-9][A-Za-z0-9._@-]{0,63}? */
bool key_text_identity_ok(const uint8_t *text, size_t len);

/* Write len bytes as hex digits, and terminate them: room for 2 * len + 1. */
void key_text_hex(const uint8_t *bytes, size_t len, char *out);

/*
 * Decode an even number of hex digits.  Returns false if a character is none;
 * then out is meaningless.  No branch depends on a digit.
 */
bool key_text_unhex(const uint8_t *hex, size_t chars, uint8_t *out);

/*
 * Parse the current line as identity:hex.  identity is terminated.  Errors:
 * ERR_KEY, with the flaw of the line and a remedy.  The caller wipes *secret,
 * on failure too.
 */
int key_text_entry(const struct key_text *t,
		   char identity[static KEY_IDENTITY_MAX + 1],
		   struct secret *secret, struct err *e) attr_must_check;

/*
 * Does the current line look like a damaged identity:hex?  It does if it has
 * many hex digits, whatever is around and between them.  Hex digits alone do
 * not.
 */
bool key_text_looks_like_entry(const struct key_text *t);

/* Bytes of the UTF-8 character at text, or 0: it is none.  RFC 3629 */
size_t key_text_utf8(const uint8_t *text, size_t left);

/* Is it UTF-8 without control characters? */
bool key_text_is_text(const uint8_t *data, size_t len);
