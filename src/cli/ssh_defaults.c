// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/ssh_defaults.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"

static const char blank[] = " \t\r\n";

/* Services of systemd have no HOME, unless they say User=.  NULL: none */
static const char *ssh_defaults_home(void)
{
	const char *home = getenv("HOME");
	const struct passwd *p = home && *home ? NULL : getpwuid(geteuid());

	return p ? p->pw_dir : home;
}

/* Returns false if there is no home, or its name is too long. */
static bool ssh_defaults_path(char path[static SSH_DEFAULTS_WORD_BYTES])
{
	const char *config = getenv("XDG_CONFIG_HOME");
	const char *home = ssh_defaults_home();
	bool own = config && *config;
	int n;

	if (!own && (!home || !*home))
		return false;
	n = snprintf(path, SSH_DEFAULTS_WORD_BYTES, "%s%s/btrfs-ktls-pipe/ssh",
		     own ? config : home, own ? "" : "/.config");
	return n < SSH_DEFAULTS_WORD_BYTES;
}

int ssh_defaults_parse(char *line, char word[static SSH_DEFAULTS_WORD_BYTES])
{
	char *name = line + strspn(line, blank), *value, *end;
	int n;

	*word = '\0';
	if (!*name || *name == '#')
		return 0;
	for (end = name + strlen(name); strchr(blank, end[-1]); end--)
		end[-1] = '\0';
	if (!strncmp(name, "--", 2) && name[2])
		name += 2;
	value = name + strcspn(name, blank);
	if (*value) {
		*value++ = '\0';
		value += strspn(value, blank);
	}
	n = snprintf(word, SSH_DEFAULTS_WORD_BYTES, "--%s%s%s", name,
		     *value ? "=" : "", value);
	return n < SSH_DEFAULTS_WORD_BYTES ? 0 : -1;
}

static int ssh_defaults_fill(struct ssh_defaults *d, FILE *in, struct err *e)
{
	autofree char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, in) >= 0) {
		char *word = d->text[d->count];

		if (ssh_defaults_parse(line, word) < 0)
			return err_set(e, ERR_USAGE, 0,
				       "%s has an option that is too long: "
				       "%.40s...",
				       d->words[0], word);
		if (!*word)
			continue;
		if (d->count == SSH_DEFAULTS_MAX)
			return err_set(e, ERR_USAGE, 0,
				       "%s has more than %d options",
				       d->words[0], SSH_DEFAULTS_MAX - 1);
		d->words[d->count++] = word;
	}
	if (ferror(in))
		return err_set(e, ERR_USAGE, errno, "cannot read %s",
			       d->words[0]);
	return 0;
}

/* A pipe would make us wait, and a device may have no end. */
static FILE *ssh_defaults_open(const char *path, struct err *e)
{
	autoclose int fd =
		open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	FILE *in = NULL;

	if (fd >= 0 && io_kind(fd) != IO_FILE && io_kind(fd) != IO_OTHER) {
		err_set(e, ERR_USAGE, 0, "%s is not a regular file", path);
		return NULL;
	}
	in = fd < 0 ? NULL : fdopen(fd, "r");
	if (in)
		steal_fd(&fd);
	else
		err_set(e, ERR_USAGE, errno, "cannot read %s", path);
	return in;
}

int ssh_defaults_read(struct ssh_defaults *d, struct err *e)
{
	char path[SSH_DEFAULTS_WORD_BYTES];
	FILE *in;
	int ret;

	*d = (struct ssh_defaults){ .count = 0 };
	if (!ssh_defaults_path(path))
		return 0;
	in = ssh_defaults_open(path, e);
	if (!in && (e->num == ENOENT || e->num == ENOTDIR)) {
		*e = (struct err){ 0 };
		return 0;
	}
	if (!in)
		return -1;
	d->text = calloc(SSH_DEFAULTS_MAX + 1, sizeof *d->text);
	if (!d->text) {
		fclose(in);
		return err_memory(e);
	}
	d->words[d->count++] = strcpy(d->text[0], path);
	ret = ssh_defaults_fill(d, in, e);
	fclose(in);
	return ret;
}

void ssh_defaults_fini(struct ssh_defaults *d)
{
	free(d->text);
	*d = (struct ssh_defaults){ .count = 0 };
}
