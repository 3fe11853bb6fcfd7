// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/ssh_args.h"

#include <string.h>
#include <sys/socket.h>

/* ssh(1), OpenSSH 7 to 10 */
static const char flags[] = "1246AaCfGgKkMNnqsTtVvXxYyZ";
static const char valued[] = "BbcDEeFIiJLlmOoPpQRSWw";

/*
 * These fork, close or replace standard input or output, or run no command:
 * there would be no stream.
 */
static const char refused[] = "fGNnOQstVW";

struct parser {
	struct ssh_args *a;
	char **argv;
	int count, next; /* the next word */
};

/* rest: what is left of a word, from the letter on */
static int ssh_args_flag(struct ssh_args *a, const char *rest, struct err *e)
{
	char letter = *rest;

	if (strchr(refused, letter))
		return err_set(e, ERR_USAGE, 0,
			       "ssh's option -%c cannot be used: standard "
			       "input and output are the stream%s",
			       letter, letter == 'V' ? "; see --version" : "");
	if (!strchr(flags, letter) && !strchr(valued, letter))
		return err_set(e, ERR_USAGE, 0,
			       "ssh has no option -%.*s; ours are long: see "
			       "'btrfs-ktls-pipe ssh --help'",
			       letter & 0x80 ? (int)strlen(rest) : 1, rest);
	a->quiet |= letter == 'q';
	a->verbose += letter == 'v';
	if (letter == '4' || letter == '6')
		a->family = letter == '4' ? AF_INET : AF_INET6;
	return 0;
}

/* Letters behind one dash; the value of the last may be the next word. */
static int ssh_args_letters(struct parser *p, struct err *e)
{
	char *word = p->argv[p->next++];
	const char *letter = word + 1;

	p->a->theirs[p->a->theirs_count++] = word;
	for (; *letter; letter++) {
		if (ssh_args_flag(p->a, letter, e) < 0)
			return -1;
		if (strchr(valued, *letter))
			break;
	}
	if (!*letter || letter[1])
		return 0;
	if (p->next == p->count)
		return err_set(e, ERR_USAGE, 0,
			       "ssh's option -%c needs a value", *letter);
	p->a->theirs[p->a->theirs_count++] = p->argv[p->next++];
	return 0;
}

static int ssh_args_long(struct parser *p, ssh_args_takes_value takes_value,
			 struct err *e)
{
	char *word = p->argv[p->next++];
	size_t len = strcspn(word, "=");

	p->a->ours[p->a->ours_count++] = word;
	if (word[len] || !takes_value(word + 2, len - 2))
		return 0;
	if (p->next == p->count)
		return err_set(e, ERR_USAGE, 0, "option %s needs a value",
			       word);
	p->a->ours[p->a->ours_count++] = p->argv[p->next++];
	return 0;
}

/*
 * Options stand before HOST and behind it.  As in ssh, "--" ends them: before
 * HOST for good, behind HOST before COMMAND.
 */
static int ssh_args_sort(struct parser *p, ssh_args_takes_value takes_value,
			 struct err *e)
{
	struct ssh_args *a = p->a;

	while (p->next < p->count) {
		char *word = p->argv[p->next];
		bool ends = !strcmp(word, "--");
		int ret = 0;

		if (ends)
			p->next++;
		else if (!strncmp(word, "--", 2))
			ret = ssh_args_long(p, takes_value, e);
		else if (*word == '-' && word[1])
			ret = ssh_args_letters(p, e);
		else if (a->host)
			break;
		else
			a->host = p->argv[p->next++];
		if (ret < 0)
			return -1;
		if (!ends)
			continue;
		if (!a->host && p->next < p->count)
			a->host = p->argv[p->next++];
		break;
	}
	if (p->next < p->count)
		a->command = p->argv + p->next;
	return 0;
}

int ssh_args_parse(struct ssh_args *a, int count, char **argv,
		   ssh_args_takes_value takes_value, struct err *e)
{
	struct parser p = { .a = a, .argv = argv, .count = count, .next = 1 };

	*a = (struct ssh_args){ 0 };
	a->ours = calloc((size_t)count + 1, sizeof *a->ours);
	a->theirs = calloc((size_t)count + 1, sizeof *a->theirs);
	if (!a->ours || !a->theirs)
		return err_memory(e);
	a->ours[a->ours_count++] = argv[0];
	return ssh_args_sort(&p, takes_value, e);
}

char *ssh_args_join(char *const *words)
{
	size_t size = 1;
	char *joined, *end;

	for (char *const *w = words; *w; w++)
		size += strlen(*w) + 1;
	end = joined = malloc(size);
	if (!joined)
		return NULL;
	*joined = '\0';
	for (char *const *w = words; *w; w++) {
		if (w != words)
			*end++ = ' ';
		end = stpcpy(end, *w);
	}
	return joined;
}

void ssh_args_fini(struct ssh_args *a)
{
	free(a->ours);
	free(a->theirs);
	*a = (struct ssh_args){ 0 };
}
