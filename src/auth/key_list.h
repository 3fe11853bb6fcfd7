/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file of many keys, one identity:hex a line, as psktool(1) writes and
 * stunnel(8) reads it; and the key for an identity.
 */
#pragma once

#include "base/err.h"
#include "base/secret.h"

struct key_list;

/*
 * Read the file at path, "-" for standard input, or fd, which is that file,
 * unless fd is -1.  The caller frees the list with key_list_free().
 * NULL: ERR_KEY, which names the file and the line.
 */
struct key_list *key_list_read(const char *path, int fd, struct err *e);

/*
 * Open and check the file at path, to read it again.  Returns the descriptor,
 * owned by the caller.  Errors: ERR_KEY, which names the file.
 */
int key_list_open(const char *path, struct err *e) attr_must_check;

/* The same from the contents of such a file.  Borrows data. */
struct key_list *key_list_parse(const uint8_t *data, size_t len, struct err *e);

/* Wipes the keys. */
void key_list_free(struct key_list *k);

size_t key_list_count(const struct key_list *k);

/*
 * The key of an identity, borrowed from k, or NULL.  The time taken does not
 * depend on whether the identity exists.
 */
const struct secret *key_list_find(const struct key_list *k,
				   const char *identity);
