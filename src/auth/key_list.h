/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file of many keys, one identity:hex a line, as psktool(1) and stunnel(8)
 * have it; and which key goes with an identity.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"

struct key_list;

/*
 * Read the file at path, "-" for standard input.  Every refusal is an ERR_KEY
 * that names the file and the line.  The caller ends with key_list_free().
 */
struct key_list *key_list_read(const char *path, struct err *e);

/* The same from the bytes of such a file.  Borrows data. */
struct key_list *key_list_parse(const uint8_t *data, size_t len, struct err *e);

/* Wipes them. */
void key_list_free(struct key_list *k);

size_t key_list_count(const struct key_list *k);

/*
 * The key of an identity, or NULL.  Takes as long for those that exist as for
 * those that do not.  Borrowed from k.
 */
const struct secret *key_list_find(const struct key_list *k,
				   const char *identity);
