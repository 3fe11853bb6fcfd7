// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/ssh_answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/net_address.h"
#include "base/parse.h"

_Static_assert(sizeof SSH_ANSWER_MAGIC + SSH_ANSWER_ADDRESS_MAX + 16 <
		       SSH_ANSWER_LINE_MAX,
	       "an answer fits into its line");

/* The words of the lines; address and port come behind AT. */
static const char *const words[] = {
	[SSH_ANSWER_LOGIN] = "login",	  [SSH_ANSWER_READY] = "ready",
	[SSH_ANSWER_AT] = "at",		  [SSH_ANSWER_NOWHERE] = "nowhere",
	[SSH_ANSWER_CHANNEL] = "channel", [SSH_ANSWER_GAVE_UP] = "gave-up",
};

/* An IPv4 or IPv6 address, the latter perhaps with a zone */
static bool ssh_answer_is_address(const char *text)
{
	size_t len = strcspn(text, "%");
	struct net_address a;

	return net_address_parse(text, len, &a) &&
	       (!text[len] || (a.family == AF_INET6 && text[len + 1]));
}

static bool ssh_answer_number(const char *text, uint64_t max, uint64_t *n)
{
	struct err ignored = { 0 };

	return parse_uint(text, 1, max, n, &ignored) == 0;
}

/* text: what stands behind the magic word */
static void ssh_answer_parse(char *text, struct ssh_answer *a)
{
	char *rest = strchr(text, ' '), *port = NULL;
	struct ssh_answer found = { .kind = SSH_ANSWER_NONE };
	bool ok = !rest;

	if (rest)
		*rest++ = '\0';
	for (size_t i = SSH_ANSWER_LOGIN; i < array_len(words); i++)
		if (!strcmp(text, words[i]))
			found.kind = (enum ssh_answer_kind)i;
	if (found.kind == SSH_ANSWER_READY) {
		ok = rest &&
		     ssh_answer_number(rest, UINT32_MAX, &found.version);
	} else if (found.kind == SSH_ANSWER_AT) {
		port = rest ? strchr(rest, ' ') : NULL;
		if (port)
			*port++ = '\0';
		ok = port && strlen(rest) < sizeof found.address &&
		     ssh_answer_is_address(rest) &&
		     ssh_answer_number(port, 65535, &found.port);
		if (ok)
			strcpy(found.address, rest);
	}
	if (ok)
		*a = found;
}

/* Drop the older half: a banner may end without a newline. */
static void ssh_answer_make_room(struct ssh_answer_reader *r)
{
	size_t kept = r->len / 2;

	memmove(r->line, r->line + r->len - kept, kept);
	r->len = kept;
}

int ssh_answer_take(struct ssh_answer_reader *r, char byte,
		    struct ssh_answer *a, struct err *e)
{
	char *magic;

	*a = (struct ssh_answer){ .kind = SSH_ANSWER_NONE };
	if (++r->bytes > SSH_ANSWER_BANNER_MAX)
		return err_set(
			e, ERR_NET, 0,
			"the other host prints more than %d bytes and no "
			"answer (does its shell print something at "
			"login?)",
			SSH_ANSWER_BANNER_MAX);
	if (byte != '\n') {
		if (r->len == sizeof r->line - 1)
			ssh_answer_make_room(r);
		/* A NUL would end the text. */
		r->line[r->len++] = byte ? byte : '?';
		return 0;
	}
	r->line[r->len] = '\0';
	r->len = 0;
	magic = strstr(r->line, SSH_ANSWER_MAGIC);
	if (magic)
		ssh_answer_parse(magic + strlen(SSH_ANSWER_MAGIC), a);
	if (a->kind)
		r->bytes = 0;
	return 0;
}

size_t ssh_answer_format(const struct ssh_answer *a,
			 char out[static SSH_ANSWER_LINE_MAX])
{
	char rest[SSH_ANSWER_ADDRESS_MAX + 32] = "";

	if (a->kind == SSH_ANSWER_READY)
		snprintf(rest, sizeof rest, " %" PRIu64, a->version);
	else if (a->kind == SSH_ANSWER_AT)
		snprintf(rest, sizeof rest, " %s %" PRIu64, a->address,
			 a->port);
	return (size_t)snprintf(out, SSH_ANSWER_LINE_MAX, "%s%s%s\n",
				SSH_ANSWER_MAGIC, words[a->kind], rest);
}

bool ssh_answer_has(struct ssh_answer_reader *r, enum ssh_answer_kind least,
		    const char *text, size_t len)
{
	struct err ignored = { 0 };
	struct ssh_answer a = { .kind = SSH_ANSWER_NONE };

	for (size_t i = 0; i < len && a.kind < least; i++)
		if (ssh_answer_take(r, text[i], &a, &ignored) < 0)
			return false;
	return a.kind >= least;
}

bool ssh_answer_gave_up(void *reader, const char *text, size_t len)
{
	return ssh_answer_has(reader, SSH_ANSWER_NOWHERE, text, len);
}
