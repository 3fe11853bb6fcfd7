/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words of the verb ssh, in the order that ssh(1) itself takes them:
 * [OPTION]... [USER@]HOST [OPTION]... COMMAND [ARG]...  Every short option is
 * ssh's, every long one is ours.  Pure: it only sorts the words.
 */
#pragma once

#include "base/err.h"

/* The words point into argv; the lists end with NULL. */
struct ssh_args {
	char **ours; /* the verb, long options and their values */
	int ours_count;
	char **theirs; /* ssh's options and their values */
	size_t theirs_count;
	const char *host; /* as ssh takes it: [USER@]HOST, a URI; or NULL */
	char **command; /* the first word of COMMAND, or NULL */
	bool quiet; /* -q */
	int verbose; /* how many -v */
	int family; /* -4, -6: AF_INET, AF_INET6; else AF_UNSPEC */
};

/* Does our long option of this name (not terminated) take a value? */
typedef bool (*ssh_args_takes_value)(const char *name, size_t len);

/*
 * Sort the count words of argv, the first of which is the verb.  Borrows argv.
 * The caller calls ssh_args_fini(), after an error too.
 * Errors: ERR_USAGE, for an option that ssh does not have or that would take
 * standard input or output away from the stream.
 * Ref: main() of OpenSSH's ssh.c.
 */
int ssh_args_parse(struct ssh_args *a, int count, char **argv,
		   ssh_args_takes_value takes_value,
		   struct err *e) attr_must_check;

/*
 * COMMAND as ssh gives it to the far shell: its words, joined by spaces.  Owned
 * by the caller: free().  NULL: out of memory.
 */
char *ssh_args_join(char *const *words);

void ssh_args_fini(struct ssh_args *a);
