// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "cli/options_table.h"

static void options_help_spec(const struct options_spec *spec, bool letters)
{
	const char *line = spec->help, *end;
	char left[64];
	int n;

	if (!spec->help)
		return;
	n = snprintf(left, sizeof left,
		     spec->letter && letters ? "-%c, " : "    ", spec->letter);
	snprintf(left + n, sizeof left - (size_t)n, "--%s%s%s", spec->name,
		 spec->arg ? " " : "", spec->arg ? spec->arg : "");
	/* A left column that is too wide gets a line of its own. */
	if (strlen(left) > 21) {
		printf("  %s\n", left);
		left[0] = '\0';
	}
	for (; line; line = end ? end + 1 : NULL) {
		end = strchr(line, '\n');
		printf("  %-21s %.*s\n", left,
		       end ? (int)(end - line) : (int)strlen(line), line);
		left[0] = '\0';
	}
}

/* Does the row stand in this help?  Without a verb each option stands once. */
static bool options_help_has(const struct options_spec *spec,
			     enum options_verb verb)
{
	if (verb)
		return spec->verbs & verb;
	for (size_t i = 0; i < OPTIONS_TABLE_SPECS; i++)
		if (options_table_specs[i].verbs & BOTH &&
		    !strcmp(options_table_specs[i].name, spec->name))
			return spec == &options_table_specs[i];
	return true;
}

int options_help(enum options_verb verb, struct err *e)
{
	const char *lead = "usage:";

	for (size_t i = 0; i < OPTIONS_TABLE_VERBS; i++) {
		if (verb && options_table_verbs[i].verb != verb)
			continue;
		printf("%-6s btrfs-ktls-pipe %s\n", lead,
		       options_table_verbs[i].synopsis);
		lead = "";
	}
	printf("\n");
	for (size_t i = 0; i < OPTIONS_TABLE_VERBS; i++)
		if (!verb || options_table_verbs[i].verb == verb)
			printf("  %-10s %s\n", options_table_verbs[i].name,
			       options_table_verbs[i].help);
	if (!verb)
		printf("\n"
		       "  btrfs send /snap | btrfs-ktls-pipe connect HOST\n"
		       "  btrfs-ktls-pipe listen | btrfs receive /mnt\n"
		       "  btrfs send /snap | btrfs-ktls-pipe ssh HOST btrfs "
		       "receive /mnt\n");
	printf("\n");
	for (size_t i = 0; i < OPTIONS_TABLE_SPECS; i++)
		if (options_help_has(&options_table_specs[i], verb))
			options_help_spec(&options_table_specs[i],
					  verb != OPTIONS_SSH);
	if (!verb)
		printf("\n'btrfs-ktls-pipe VERB --help' lists the options of "
		       "one verb.");
	printf("\nSee btrfs-ktls-pipe%s(1).\n",
	       verb & (OPTIONS_SSH | OPTIONS_SSH_SERVER) ? "-ssh" : "");
	return io_flush_stdout(e);
}

int options_help_long_options(enum options_verb verb, struct err *e)
{
	for (size_t i = 0; i < OPTIONS_TABLE_SPECS; i++)
		if (options_table_specs[i].help &&
		    (options_table_specs[i].verbs & (verb ? verb : EVERY)))
			printf("--%s\n", options_table_specs[i].name);
	return io_flush_stdout(e);
}
