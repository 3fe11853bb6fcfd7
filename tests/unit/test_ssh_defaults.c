// SPDX-License-Identifier: GPL-2.0-or-later
/* ssh_defaults: the lines of the file of defaults. */
#include "cli/ssh_defaults.h"

#include "tap.h"

static const struct {
	const char *line, *word;
} cases[] = {
	{ "", "" },
	{ " \t\r\n", "" },
	{ "# port 1\n", "" },
	{ "  # port 1\n", "" },
	{ "fallback\n", "--fallback" },
	{ "  fallback \r\n", "--fallback" },
	{ "port 7000-7100\n", "--port=7000-7100" },
	{ "\tport \t 7000-7100 \t", "--port=7000-7100" },
	{ "stats a file\n", "--stats=a file" },
	{ "--port 1", "--port=1" },
	{ "--\n", "----" },
};

int main(void)
{
	char word[SSH_DEFAULTS_WORD_BYTES], line[2 * sizeof word];

	for (size_t i = 0; i < array_len(cases); i++) {
		snprintf(line, sizeof line, "%s", cases[i].line);
		is_int(ssh_defaults_parse(line, word), 0, "line %zu", i + 1);
		is_str(word, cases[i].word, "its word");
	}
	memset(line, 'x', sizeof line - 1);
	line[sizeof line - 1] = '\0';
	is_int(ssh_defaults_parse(line, word), -1, "a line that is too long");
	return tap_end();
}
