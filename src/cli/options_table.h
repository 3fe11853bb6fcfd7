/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of options, and that of verbs, from which the command line is
 * parsed, checked and explained.
 */
#pragma once

#include "cli/options.h"

enum options_type {
	TYPE_FLAG, /* bool: true */
	TYPE_COUNT, /* int: counts */
	TYPE_SET, /* int: the row's value */
	TYPE_STRING, /* const char *: not empty */
	TYPE_FILE, /* the same; -: standard input, if that is no stream */
	TYPE_NAMES, /* struct options_names: adds one, not empty */
	TYPE_IDENTITY, /* const char *: a valid identity */
	TYPE_DURATION, /* uint64_t: milliseconds */
	TYPE_SIZE, /* uint64_t: bytes */
	TYPE_PORT, /* uint64_t */
	TYPE_LIMIT, /* uint64_t: at least 1 */
	TYPE_FD, /* int */
	TYPE_WORD, /* int: index of one of the row's words */
	TYPE_MODES, /* struct mode_list */
	TYPE_DSCP, /* int */
};

struct options_spec {
	const char *name;
	char letter; /* '\0': long form only */
	unsigned int verbs;
	enum options_type type;
	size_t offset;
	const char *arg; /* name of its value in the help; NULL: none */
	const char *help; /* NULL: it is in no help */
	int value; /* TYPE_SET */
	const char *words[3]; /* TYPE_WORD */
	/*
	 * Other options, as "--name" or "--name: reason", or a condition of
	 * options_has().  A conflict is in one of the two rows.
	 */
	const char *needs[2], *not_with[5];
};

/* Conditions that are not the name of an option */
#define COMMAND "a COMMAND"
#define NO_BUFFER "--buffer 0"
#define NONE "--mode none: it encrypts nothing"
#define KTLS_REQUIRE "--ktls require: ssh's channel has no kernel TLS"

#define BOTH (OPTIONS_CONNECT | OPTIONS_LISTEN)
#define STREAM (BOTH | OPTIONS_SSH)
#define EVERY (STREAM | OPTIONS_SSH_SERVER | OPTIONS_KEYGEN | OPTIONS_PROBE)

/* --retry was not given; no duration is that long. */
#define RETRY_UNSET UINT64_MAX

enum { OPTIONS_TABLE_SPECS = 57, OPTIONS_TABLE_VERBS = 6 };

extern const struct options_spec options_table_specs[OPTIONS_TABLE_SPECS];

struct options_verb_row {
	const char *name;
	enum options_verb verb;
	const char *synopsis, *help;
};
extern const struct options_verb_row options_table_verbs[OPTIONS_TABLE_VERBS];

/* Wrong usage, and where to read about it: the help of the verb, if any */
int attr_printf(3, 4) options_table_wrong(const struct options *o,
					  struct err *e, const char *fmt, ...);
