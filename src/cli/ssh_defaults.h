/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file of defaults for the verb ssh, ~/.config/btrfs-ktls-pipe/ssh: a long
 * option a line, without its dashes: NAME or NAME VALUE.  # begins a comment.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"

/* The options as words of a command line; the first word is the file's name. */
struct ssh_defaults {
	char **words; /* NULL-terminated; NULL: there is no file */
	int count;
};

/*
 * Read the file, if there is one.  The caller calls ssh_defaults_fini(), after
 * an error too.  Errors: ERR_USAGE, if it cannot be read or has a line that is
 * none.
 */
int ssh_defaults_read(struct ssh_defaults *d, struct err *e) attr_must_check;

/* Parse a line, which it changes.  Owned by the caller: free().  "": blank. */
char *ssh_defaults_parse(char *line);

void ssh_defaults_fini(struct ssh_defaults *d);
