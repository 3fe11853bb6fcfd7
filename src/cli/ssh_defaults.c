// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/ssh_defaults.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LINES_MAX = 100 };

static const char blank[] = " \t\r\n";

/* NULL: there is no home, or no memory. */
static char *ssh_defaults_path(void)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char *path = NULL;
	int n = -1;

	if (config && *config)
		n = asprintf(&path, "%s/btrfs-ktls-pipe/ssh", config);
	else if (home && *home)
		n = asprintf(&path, "%s/.config/btrfs-ktls-pipe/ssh", home);
	return n < 0 ? NULL : path;
}

char *ssh_defaults_parse(char *line)
{
	char *name = line + strspn(line, blank), *value, *word = NULL, *end;
	int n;

	if (!*name || *name == '#')
		return strdup("");
	for (end = name + strlen(name); strchr(blank, end[-1]); end--)
		end[-1] = '\0';
	value = name + strcspn(name, blank);
	if (*value) {
		*value++ = '\0';
		value += strspn(value, blank);
	}
	n = asprintf(&word, "--%s%s%s", name, *value ? "=" : "", value);
	return n < 0 ? NULL : word;
}

static int ssh_defaults_fill(struct ssh_defaults *d, FILE *in, struct err *e)
{
	autofree char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, in) >= 0) {
		char *word = ssh_defaults_parse(line);

		if (word && *word && d->count < LINES_MAX) {
			d->words[d->count++] = word;
			continue;
		}
		if (!word || *word) {
			free(word);
			return err_set(e, ERR_USAGE, 0,
				       "%s has more than %d options",
				       d->words[0], LINES_MAX - 1);
		}
		free(word);
	}
	if (ferror(in))
		return err_set(e, ERR_USAGE, errno, "cannot read %s",
			       d->words[0]);
	return 0;
}

int ssh_defaults_read(struct ssh_defaults *d, struct err *e)
{
	autofree char *path = ssh_defaults_path();
	FILE *in = path ? fopen(path, "re") : NULL;
	int ret;

	*d = (struct ssh_defaults){ 0 };
	if (!in && path && errno != ENOENT && errno != ENOTDIR)
		return err_set(e, ERR_USAGE, errno, "cannot read %s", path);
	if (!in)
		return 0;
	d->words = calloc(LINES_MAX + 2, sizeof *d->words);
	if (!d->words) {
		fclose(in);
		return err_set(e, ERR_BUG, 0, "out of memory");
	}
	d->words[d->count++] = path;
	path = NULL;
	ret = ssh_defaults_fill(d, in, e);
	fclose(in);
	return ret;
}

void ssh_defaults_fini(struct ssh_defaults *d)
{
	for (int i = 0; i < d->count; i++)
		free(d->words[i]);
	free(d->words);
	*d = (struct ssh_defaults){ 0 };
}
