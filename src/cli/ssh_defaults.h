/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file of defaults for the verb ssh, ~/.config/btrfs-ktls-pipe/ssh: a long
 * option a line, without its dashes: NAME or NAME VALUE.  # begins a comment.
 */
#pragma once

#include "base/err.h"

enum { SSH_DEFAULTS_MAX = 64, SSH_DEFAULTS_WORD_BYTES = 512 };

/* The options as words of a command line; the first word is the file's name. */
struct ssh_defaults {
	int count; /* of words; 0: there is no file */
	char *words[SSH_DEFAULTS_MAX + 1]; /* NULL-terminated */
	char (*text)[SSH_DEFAULTS_WORD_BYTES];
};

/*
 * Read the file, if there is one.  The caller calls ssh_defaults_fini(), after
 * an error too.  Errors: ERR_USAGE, if it cannot be read or is too long.
 */
int ssh_defaults_read(struct ssh_defaults *d, struct err *e) attr_must_check;

/* Turn a line, which it changes, into a word.  "": blank.  -1: too long. */
int ssh_defaults_parse(char *line, char word[static SSH_DEFAULTS_WORD_BYTES])
	attr_must_check;

void ssh_defaults_fini(struct ssh_defaults *d);
