/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files with secrets, as text: lines, comments, the line identity:hex, and what
 * editors and shells do to it.  Pure; fed with whatever is in a file.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"

enum { KEY_IDENTITY_MAX = 64 }; /* bytes, without the terminator */

/* What is left of a text, and the line that was taken from it.  Borrows it. */
struct key_text {
	const uint8_t *next, *end;
	const uint8_t *line;
	size_t len, number; /* number: counts from 1 */
	bool bom; /* the text began with the byte order mark of UTF-8 */
};

/* Skips the byte order mark of UTF-8.  Errors: ERR_KEY, if it is UTF-16. */
int key_text_begin(struct key_text *t, const uint8_t *data, size_t len,
		   struct err *e) attr_must_check;

/* The next line, without its LF or CR LF.  False: there is none. */
bool key_text_next(struct key_text *t);

/* The next line that is neither blank nor a comment (#). */
bool key_text_next_entry(struct key_text *t);

/* Is the present line blank, is it a comment? */
bool key_text_blank(const struct key_text *t);
bool key_text_comment(const struct key_text *t);

/* Is it [A-Za-z0-9][A-Za-z0-9._@-]{0,63}? */
bool key_text_identity_ok(const uint8_t *text, size_t len);

/*
 * Turn an even number of hex digits into bytes.  Returns whether all are hex
 * digits; if not, out holds nonsense.  No branch on a digit.
 */
bool key_text_unhex(const uint8_t *hex, size_t chars, uint8_t *out);

/*
 * Read the present line as identity:hex.  identity is terminated.  Errors:
 * ERR_KEY, which tells what is wrong with the line and what to do; *secret may
 * be filled.
 */
int key_text_entry(const struct key_text *t,
		   char identity[static KEY_IDENTITY_MAX + 1],
		   struct secret *secret, struct err *e) attr_must_check;

/*
 * Was the present line meant as identity:hex?  It was if it has many hex digits,
 * whatever is around and between them.  Hex digits alone are no entry.
 */
bool key_text_looks_like_entry(const struct key_text *t);

/* Is it UTF-8 without control characters? */
bool key_text_is_text(const uint8_t *data, size_t len);
