/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Key files: where a pre-shared key comes from, what is refused, and how a
 * new one is made.  The TLS credential made of a key is cred's business.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/key_text.h"
#include "base/err.h"
#include "base/secret.h"

#define KEY_DEFAULT_FILE "/etc/btrfs-ktls-pipe/key"

struct key {
	char identity[KEY_IDENTITY_MAX + 1]; /* "" if the file names none */
	struct secret secret;
};

void key_wipe(struct key *k);
#define autowipe_key attr_cleanup(key_wipe)

enum { KEY_FILE_MAX = 16384 }; /* bytes; RSA keys, PSKs with much prose */

/* The bytes of a file with a secret, while it is being read. */
struct key_file {
	size_t len; /* above KEY_FILE_MAX: there is more */
	uint8_t bytes[KEY_FILE_MAX + 1];
};

void key_wipe_file(struct key_file *f);
#define autowipe_key_file attr_cleanup(key_wipe_file)

/* Does text follow [A-Za-z0-9][A-Za-z0-9._@-]{0,63}? */
bool key_identity_ok(const char *text);
bool key_identity_span(const char *text, size_t len);

/*
 * Read a file that holds secrets, "-" for standard input; it must not be open to
 * others.  *len: bytes read; size of them: there may be more.  The caller wipes
 * bytes, on failure too.  Errors: ERR_KEY, with num where the system said no.
 */
int key_load(const char *path, uint8_t *bytes, size_t size, size_t *len,
	     struct err *e) attr_must_check;

/*
 * Read the key file at path, "-" for standard input.  Every refusal is an
 * ERR_KEY that says what to do.  The caller owns and wipes *k.
 */
int key_read(const char *path, struct key *k, struct err *e) attr_must_check;

/*
 * Find the key in the bytes of a key file: a PEM block, else one identity:hex
 * line, else the bytes themselves; but not where these look like a damaged PEM
 * block or identity:hex line.  Borrows data.
 */
int key_parse(const uint8_t *data, size_t len, struct key *k,
	      struct err *e) attr_must_check;

/*
 * Read a password: the first line of the file at path, "-" for standard input,
 * without its line end and without a byte order mark.  What holds for a key's
 * file holds for this one.  The caller owns and wipes *password.
 */
int key_read_password(const char *path, struct secret *password,
		      struct err *e) attr_must_check;

/*
 * Write a new random 32-byte key to path, a file that must not exist yet (mode
 * 0600), or to standard output if path is NULL or "-": as PEM, or if identity is
 * not NULL as the line identity:hex.
 */
int key_generate(const char *path, const char *identity,
		 struct err *e) attr_must_check;
