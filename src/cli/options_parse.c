// SPDX-License-Identifier: GPL-2.0-or-later
#include <assert.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "auth/key.h"
#include "base/clock.h"
#include "base/parse.h"
#include "cli/options_table.h"
#include "conn/tcp_options.h"

enum { BUFFER_BYTES = 64 << 20 };

static enum options_verb options_find_verb(const char *name)
{
	for (size_t i = 0; i < OPTIONS_TABLE_VERBS; i++)
		if (!strcmp(options_table_verbs[i].name, name))
			return options_table_verbs[i].verb;
	return 0;
}

static int options_word(const struct options_spec *spec, const char *text,
			int *out, struct err *e)
{
	const char *const *words = spec->words;

	for (int i = 0; i < (int)array_len(spec->words); i++)
		if (!strcmp(words[i], text)) {
			*out = i;
			return 0;
		}
	return err_set(e, ERR_USAGE, 0, "'%s' is not one of %s|%s|%s", text,
		       words[0], words[1], words[2]);
}

static int options_string(const char *text, const char **out, struct err *e)
{
	if (!*text)
		return err_set(e, ERR_USAGE, 0, "needs a value");
	*out = text;
	return 0;
}

static int options_name(const char *text, struct options_names *list,
			struct err *e)
{
	if (list->count == OPTIONS_NAMES_MAX)
		return err_set(e, ERR_USAGE, 0, "may be given at most %d times",
			       OPTIONS_NAMES_MAX);
	return options_string(text, &list->names[list->count++], e);
}

static int options_fd(const char *text, int *out, struct err *e)
{
	uint64_t fd;

	if (parse_uint(text, 0, INT_MAX, &fd, e) < 0)
		return -1;
	*out = (int)fd;
	return 0;
}

static int options_identity(const char *text, const char **out, struct err *e)
{
	if (!key_identity_ok(text))
		return err_set(e, ERR_USAGE, 0,
			       "an identity is 1 to 64 letters, digits and "
			       "._@-, and begins with a letter or digit");
	*out = text;
	return 0;
}

/* PORT, or a range A-B */
static int options_port(const char *text, struct options *o, struct err *e)
{
	char first[8];
	size_t len = strcspn(text, "-");

	o->last_port = 0;
	if (!len || !text[len] || len >= sizeof first)
		return parse_uint(text, 0, 65535, &o->port, e);
	memcpy(first, text, len);
	first[len] = '\0';
	if (parse_uint(first, 1, 65535, &o->port, e) < 0)
		return -1;
	return parse_uint(text + len + 1, o->port, 65535, &o->last_port, e);
}

static int options_store(struct options *o, const struct options_spec *spec,
			 const char *text, struct err *e)
{
	void *field = (char *)o + spec->offset;

	switch (spec->type) {
	case TYPE_FLAG:
		*(bool *)field = true;
		return 0;
	case TYPE_COUNT:
		++*(int *)field;
		return 0;
	case TYPE_SET:
		*(int *)field = spec->value;
		return 0;
	case TYPE_STRING:
	case TYPE_FILE:
		return options_string(text, field, e);
	case TYPE_NAMES:
		return options_name(text, field, e);
	case TYPE_IDENTITY:
		return options_identity(text, field, e);
	case TYPE_DURATION:
		return parse_duration(text, field, e);
	case TYPE_SIZE:
		return parse_size(text, field, e);
	case TYPE_PORT:
		return options_port(text, o, e);
	case TYPE_LIMIT:
		return parse_uint(text, 1, UINT32_MAX, field, e);
	case TYPE_FD:
		return options_fd(text, field, e);
	case TYPE_WORD:
		return options_word(spec, text, field, e);
	case TYPE_MODES:
		return mode_parse(text, field, e);
	case TYPE_DSCP:
		return tcp_options_dscp(text, field, e);
	}
	return err_set(e, ERR_BUG, 0, "option type");
}

/* The rows of one verb as getopt_long(3) wants them */
struct options_getopt {
	char letters[2 * OPTIONS_TABLE_SPECS + 3];
	struct option names[OPTIONS_TABLE_SPECS + 1];
};

static void options_fill_getopt(struct options_getopt *g,
				enum options_verb verb)
{
	char *letter = g->letters;
	size_t n = 0;

	/* What follows FILTER or a request is not ours. */
	if (verb == OPTIONS_SSH_SERVER)
		*letter++ = '+';
	/* Distinguish a missing value from an unknown option. */
	*letter++ = ':';
	for (size_t i = 0; i < OPTIONS_TABLE_SPECS; i++) {
		const struct options_spec *spec = &options_table_specs[i];

		if (!(spec->verbs & verb))
			continue;
		g->names[n++] = (struct option){
			.name = spec->name,
			.has_arg = spec->arg ? required_argument : no_argument,
			.val = 256 + (int)i,
		};
		if (!spec->letter || verb == OPTIONS_SSH)
			continue;
		*letter++ = spec->letter;
		if (spec->arg)
			*letter++ = ':';
	}
	*letter = '\0';
	g->names[n] = (struct option){ 0 };
}

static const struct options_spec *options_find_spec(enum options_verb verb,
						    int val)
{
	if (val >= 256)
		return &options_table_specs[val - 256];
	for (size_t i = 0; i < OPTIONS_TABLE_SPECS; i++)
		if ((options_table_specs[i].verbs & verb) &&
		    options_table_specs[i].letter == val)
			return &options_table_specs[i];
	return NULL;
}

/* An option that getopt_long(3) refused */
struct refused {
	char letter; /* 0: it is long, or no letter of ours */
	const char *name; /* a long one's, len bytes; NULL: it is short */
	size_t len;
};

static bool options_is(const struct options_spec *spec, const struct refused *r)
{
	if (!r->name)
		return r->letter && spec->letter == r->letter;
	return strlen(spec->name) == r->len &&
	       !memcmp(spec->name, r->name, r->len);
}

/* Add a word to a list that has room for it.  Returns the list's length. */
static size_t options_list(char list[static 128], size_t n, const char *dashes,
			   const char *word)
{
	return n + (size_t)snprintf(list + n, n < 128 ? 128 - n : 0, "%s%s%s",
				    n ? ", " : "", dashes, word);
}

/* List our verb's options that begin with the name.  Returns their number. */
static size_t options_likely(const struct options *o, const struct refused *r,
			     char list[static 128])
{
	size_t count = 0, n = 0;

	for (size_t i = 0; i < OPTIONS_TABLE_SPECS && n < 128; i++)
		if ((options_table_specs[i].verbs & o->verb) &&
		    options_table_specs[i].help &&
		    !strncmp(options_table_specs[i].name, r->name, r->len)) {
			n = options_list(list, n, "--",
					 options_table_specs[i].name);
			count++;
		}
	return count;
}

/* List the verbs that have it.  Returns whether there are any. */
static bool options_elsewhere(const struct refused *r, char list[static 128])
{
	unsigned int others = 0;
	size_t n = 0;

	for (size_t i = 0; i < OPTIONS_TABLE_SPECS; i++)
		if (options_is(&options_table_specs[i], r))
			others |= options_table_specs[i].verbs;
	for (size_t i = 0; i < OPTIONS_TABLE_VERBS; i++)
		if (others & options_table_verbs[i].verb)
			n = options_list(list, n, "",
					 options_table_verbs[i].name);
	return others;
}

/*
 * Say why.  optopt is a letter; or 0: the word before optind is a long option;
 * or 256 plus a row: that option takes no value, but got one.
 */
static int options_unknown(const struct options *o, char **argv, struct err *e)
{
	const int row = optopt - 256;
	struct refused r = { .letter = '\0' };
	char text[128], list[128] = "";

	if (row >= 0 && row < (int)OPTIONS_TABLE_SPECS)
		return options_table_wrong(o, e, "--%s takes no value",
					   options_table_specs[row].name);
	if (!optopt) {
		r.name = argv[optind - 1] + 2;
		r.len = strcspn(r.name, "=");
		snprintf(text, sizeof text, "--%.*s", (int)r.len, r.name);
	} else if (optopt > 0 && optopt < 127) {
		r.letter = (char)optopt;
		snprintf(text, sizeof text, "-%c", optopt);
	} else { /* a byte of a letter beyond ASCII: the whole word */
		snprintf(text, sizeof text, "%s",
			 argv[optind] && strchr(argv[optind], (char)optopt)
				 ? argv[optind]
				 : argv[optind - 1]);
	}
	if (r.len && options_likely(o, &r, list) > 1)
		return options_table_wrong(o, e, "%s can be %s", text, list);
	*list = '\0';
	if (options_elsewhere(&r, list) && o->verb)
		return options_table_wrong(o, e, "%s is for %s", text, list);
	return options_table_wrong(o, e, "no option %s", text);
}

static int options_parse_options(struct options *o, int argc, char **argv,
				 struct err *e)
{
	struct options_getopt g;
	int val;

	options_fill_getopt(&g, o->verb ? o->verb : EVERY);
	opterr = 0;
	optind = 0;
	while ((val = getopt_long(argc, argv, g.letters, g.names, NULL)) >= 0) {
		const struct options_spec *spec;

		if (val == ':')
			return options_table_wrong(o, e,
						   "option %s needs a value",
						   argv[optind - 1]);
		if (val == '?')
			return options_unknown(o, argv, e);
		spec = options_find_spec(o->verb ? o->verb : EVERY, val);
		assert(spec);
		if (options_store(o, spec, optarg, e) < 0)
			return err_wrap(e, "--%s", spec->name);
		o->given |= UINT64_C(1) << (spec - options_table_specs);
	}
	return 0;
}

/* Everything after the first "--" is COMMAND. */
static int options_split_command(struct options *o, int *argc, char **argv,
				 struct err *e)
{
	for (int i = 1; i < *argc; i++) {
		if (strcmp(argv[i], "--"))
			continue;
		if (i + 1 == *argc || !*argv[i + 1])
			return err_set(e, ERR_USAGE, 0,
				       "no COMMAND after '--'");
		o->command = argv + i + 1;
		argv[i] = NULL;
		*argc = i;
		return 0;
	}
	return 0;
}

static bool options_takes_value(const char *name, size_t len)
{
	for (size_t i = 0; i < OPTIONS_TABLE_SPECS; i++)
		if ((options_table_specs[i].verbs & OPTIONS_SSH) &&
		    options_table_specs[i].arg &&
		    !strncmp(options_table_specs[i].name, name, len))
			return true;
	return false;
}

/* Options of the file come before those of the command line. */
static int options_parse_defaults(struct options *o, struct err *e)
{
	int ret = ssh_defaults_read(&o->defaults, e);

	if (ret == 0 && o->defaults.count &&
	    options_parse_options(o, o->defaults.count, o->defaults.words, e) <
		    0)
		ret = err_wrap(e, "%s", o->defaults.words[0]);
	o->action = OPTIONS_RUN;
	return ret;
}

/* The verb ssh: what is ssh's was sorted out, the rest is ours. */
static int options_parse_ssh(struct options *o, int argc, char **argv,
			     struct err *e)
{
	struct err of_file = { 0 };
	int ret;

	if (ssh_args_parse(&o->ssh, argc, argv, options_takes_value, e) < 0)
		return -1;
	ret = options_parse_defaults(o, &of_file);
	if (options_parse_options(o, o->ssh.ours_count, o->ssh.ours, e) < 0)
		return -1;
	o->quiet |= o->ssh.quiet;
	o->verbose += o->ssh.verbose;
	o->family = o->ssh.family;
	if (o->action != OPTIONS_RUN)
		return 0;
	/* A wrong file keeps nobody from the help. */
	if (ret < 0)
		*e = of_file;
	return ret < 0 ? -1 : options_check(o, 0, NULL, e);
}

int options_parse(struct options *o, int argc, char **argv, struct err *e)
{
	bool verb_first = argc > 1 && argv[1][0] != '-';

	*o = (struct options){ .port = UINT64_MAX,
			       .wait_ms = CLOCK_NEVER,
			       .handshake_ms = 10000,
			       .retry_ms = RETRY_UNSET,
			       .ready_fd = -1,
			       .tcp.dscp = -1,
			       .buffer_bytes = BUFFER_BYTES,
			       .rekey_bytes = UINT64_MAX };
	if (verb_first)
		o->verb = options_find_verb(argv[1]);
	if (!(o->verb & (OPTIONS_SSH | OPTIONS_SSH_SERVER)) &&
	    options_split_command(o, &argc, argv, e) < 0)
		return -1;
	if (argc < 2)
		return options_table_wrong(o, e, "no verb given");
	if (verb_first) {
		if (!o->verb)
			return options_table_wrong(o, e, "unknown verb '%s'",
						   argv[1]);
		argc--;
		argv++;
	}
	if (o->verb == OPTIONS_SSH)
		return options_parse_ssh(o, argc, argv, e);
	if (options_parse_options(o, argc, argv, e) < 0)
		return -1;
	if (o->action != OPTIONS_RUN)
		return 0;
	if (!o->verb)
		return options_table_wrong(
			o, e,
			"the verb comes first: connect, listen, "
			"ssh, keygen or probe");
	return options_check(o, argc - optind, argv + optind, e);
}
