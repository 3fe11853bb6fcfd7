/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Key and password files: read them, refuse unsafe or damaged ones, generate
 * new keys.  credential makes a TLS credential of a key.
 */
#pragma once

#include "auth/key_text.h"
#include "base/err.h"
#include "base/secret.h"

#define KEY_DEFAULT_FILE "/etc/btrfs-ktls-pipe/key"

struct key {
	char identity[KEY_IDENTITY_MAX + 1]; /* "" if the file names none */
	struct secret secret;
};

SECRET_WIPER(key_wipe, struct key)
#define autowipe_key attr_cleanup(key_wipe)

enum { KEY_FILE_MAX = 16384 }; /* bytes; an RSA key, a PSK with comments */

/* The contents of a file with a secret. */
struct key_file {
	size_t len; /* above KEY_FILE_MAX: the file is longer */
	uint8_t bytes[KEY_FILE_MAX + 1];
};

SECRET_WIPER(key_wipe_file, struct key_file)
#define autowipe_key_file attr_cleanup(key_wipe_file)

/* Does text follow [A-Za-z0-9][A-Za-z0-9._@-]{0,63}? */
bool key_identity_ok(const char *text);

/*
 * Read the file with secrets at path, "-" for standard input.  Refuses a file
 * that other users can read or write.  *len: bytes read; if it is size, there
 * may be more.  A pipe may have its writer later; after 3 s a notice says that
 * we wait.  The caller wipes bytes, on failure too.  Errors: ERR_KEY; num is
 * the errno of a system call that failed.
 */
int key_load(const char *path, uint8_t *bytes, size_t size, size_t *len,
	     struct err *e) attr_must_check;

/*
 * The two halves of it: open and check the file, without waiting, and read it.
 * The caller owns the descriptor.  Errors: as of key_load().
 */
int key_open(const char *path, struct err *e) attr_must_check;
int key_load_from(int fd, const char *path, uint8_t *bytes, size_t size,
		  size_t *len, struct err *e) attr_must_check;

/*
 * Read the key file at path, "-" for standard input.  The caller owns and wipes
 * *k.  Errors: ERR_KEY, with a remedy.
 */
int key_read(const char *path, struct key *k, struct err *e) attr_must_check;

/*
 * Find the key in the contents of a key file: a PEM block, else one
 * identity:hex line, else the bytes themselves unless they look like a damaged
 * PEM block or identity:hex line.  Borrows data.  Errors: ERR_KEY.
 */
int key_parse(const uint8_t *data, size_t len, struct key *k,
	      struct err *e) attr_must_check;

/*
 * Read a password: the first line of the file at path, "-" for standard input,
 * without its line end and without a byte order mark.  The file must be as safe
 * as a key file.  The caller owns and wipes *password.  Errors: ERR_KEY.
 */
int key_read_password(const char *path, struct secret *password,
		      struct err *e) attr_must_check;

/*
 * Write a new random 32-byte key to path, which must not exist (mode 0600), or
 * to standard output if path is NULL or "-".  The format is PEM if identity is
 * NULL, else the line identity:hex.  Errors: ERR_KEY; ERR_IO, writing failed,
 * and path is removed.
 */
int key_generate(const char *path, const char *identity,
		 struct err *e) attr_must_check;
