// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/ssh_request.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "auth/key_text.h"
#include "base/parse.h"
#include "conn/connection.h"

enum ssh_request_type { TYPE_FLAG, TYPE_NUMBER, TYPE_WORD };

#define FIELD(f) offsetof(struct ssh_request, f)
#define SIZE_MAX_BYTES INT64_MAX

static const struct field {
	const char *name;
	enum ssh_request_type type;
	size_t offset;
	uint64_t max; /* TYPE_NUMBER; the least is 1 */
} fields[] = {
	{ "reverse", TYPE_FLAG, FIELD(reverse), 0 },
	{ "fallback", TYPE_FLAG, FIELD(fallback), 0 },
	{ "ktls-told", TYPE_FLAG, FIELD(ktls_told), 0 },
	{ "quiet", TYPE_FLAG, FIELD(quiet), 0 },
	{ "discard", TYPE_FLAG, FIELD(discard), 0 },
	{ "ktls", TYPE_NUMBER, FIELD(ktls), CONNECTION_KTLS_OFF },
	{ "verbose", TYPE_NUMBER, FIELD(verbose), 9 },
	{ "port", TYPE_NUMBER, FIELD(port), 65535 },
	{ "port-last", TYPE_NUMBER, FIELD(port_last), 65535 },
	{ "retry-ms", TYPE_NUMBER, FIELD(retry_ms), SIZE_MAX_BYTES },
	{ "handshake-ms", TYPE_NUMBER, FIELD(handshake_ms), SIZE_MAX_BYTES },
	{ "buffer", TYPE_NUMBER, FIELD(buffer_bytes), SIZE_MAX_BYTES },
	{ "rekey-after", TYPE_NUMBER, FIELD(rekey_bytes), SIZE_MAX_BYTES },
	{ "limit", TYPE_NUMBER, FIELD(limit_bytes_per_s), SIZE_MAX_BYTES },
	{ "tcp-buffer", TYPE_NUMBER, FIELD(tcp_buffer_bytes), SIZE_MAX_BYTES },
	{ "dscp", TYPE_NUMBER, FIELD(dscp), 64 },
	{ "congestion", TYPE_WORD, FIELD(congestion), 0 },
	{ "mode", TYPE_WORD, FIELD(modes), 0 },
	{ "name", TYPE_WORD, FIELD(name), 0 },
	{ "identity", TYPE_WORD, FIELD(identity), 0 },
	{ "host", TYPE_WORD, FIELD(host), 0 },
};

static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-,:@+";

static void ssh_request_write_field(FILE *out, const struct field *f,
				    const void *value)
{
	switch (f->type) {
	case TYPE_FLAG:
		if (*(const bool *)value)
			fprintf(out, " %s", f->name);
		break;
	case TYPE_NUMBER:
		if (*(const uint64_t *)value)
			fprintf(out, " %s=%" PRIu64, f->name,
				*(const uint64_t *)value);
		break;
	case TYPE_WORD:
		if (*(const char *)value)
			fprintf(out, " %s=%s", f->name, (const char *)value);
		break;
	}
}

char *ssh_request_format(const struct ssh_request *r, struct err *e)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out) {
		err_memory(e);
		return NULL;
	}
	fprintf(out, "%d %s", SSH_ANSWER_VERSION,
		r->sends ? "send" : "receive");
	for (size_t i = 0; i < array_len(fields); i++)
		ssh_request_write_field(out, &fields[i],
					(const char *)r + fields[i].offset);
	fprintf(out, " -- ");
	for (const char *c = r->command; *c; c++)
		fprintf(out, strchr(plain, *c) ? "%c" : "%%%02x",
			(unsigned char)*c);
	if (fclose(out) == EOF || size > SSH_REQUEST_MAX) {
		err_set(e, ERR_USAGE, 0, "COMMAND is too long");
		free(text);
		return NULL;
	}
	return text;
}

static int ssh_request_bad(const char *word, struct err *e)
{
	return err_set(e, ERR_USAGE, 0,
		       "the request has an unknown or invalid word '%s' (is "
		       "the other host's btrfs-ktls-pipe of another release?)",
		       word);
}

static int ssh_request_store(const struct field *f, void *value,
			     const char *text, struct err *e)
{
	switch (f->type) {
	case TYPE_FLAG:
		*(bool *)value = true;
		return 0;
	case TYPE_NUMBER:
		return parse_uint(text, 1, f->max, value, e);
	case TYPE_WORD:
		if (!text || !*text || strlen(text) >= SSH_REQUEST_WORD_MAX ||
		    text[strspn(text, plain)])
			return -1;
		strcpy(value, text);
		return 0;
	}
	return -1;
}

static int ssh_request_parse_word(struct ssh_request *r, char *word,
				  struct err *e)
{
	char *value = strchr(word, '=');
	size_t len = value ? (size_t)(value - word) : strlen(word);

	for (size_t i = 0; i < array_len(fields); i++) {
		const struct field *f = &fields[i];

		if (strlen(f->name) != len || memcmp(f->name, word, len))
			continue;
		if ((f->type == TYPE_FLAG) == (value != NULL) ||
		    ssh_request_store(f, (char *)r + f->offset,
				      value ? value + 1 : NULL, e) < 0)
			break;
		return 0;
	}
	return ssh_request_bad(word, e);
}

/* Decode in place.  Returns false if the text is not what we write. */
static bool ssh_request_decode(char *text)
{
	char *out = text;

	for (const char *c = text; *c; c++) {
		uint8_t byte;

		if (strchr(plain, *c)) {
			*out++ = *c;
			continue;
		}
		if (*c != '%' || strspn(c + 1, "0123456789abcdef") < 2 ||
		    !key_text_unhex((const uint8_t *)c + 1, 2, &byte) || !byte)
			return false;
		*out++ = (char)byte;
		c += 2;
	}
	*out = '\0';
	return out > text;
}

/* Do the words go together? */
static int ssh_request_check(const struct ssh_request *r, struct err *e)
{
	if (r->port_last && r->port_last < r->port)
		return ssh_request_bad("port-last", e);
	/* Only a receiver that listens can wait for another process. */
	if (*r->name ? r->sends || r->reverse || r->fallback : r->discard)
		return ssh_request_bad(*r->name ? "name" : "discard", e);
	if (*r->identity && !key_text_identity_ok((const uint8_t *)r->identity,
						  strlen(r->identity)))
		return ssh_request_bad("identity", e);
	return 0;
}

int ssh_request_parse(struct ssh_request *r, const char *text, struct err *e)
{
	autofree char *copy = strdup(text);
	char *next = copy, *word;
	uint64_t version;

	*r = (struct ssh_request){ 0 };
	if (!copy)
		return err_memory(e);
	word = strsep(&next, " ");
	if (parse_uint(word, SSH_ANSWER_VERSION, SSH_ANSWER_VERSION, &version,
		       e) < 0)
		return ssh_request_bad(word, e);
	word = strsep(&next, " ");
	r->sends = word && !strcmp(word, "send");
	if (!r->sends && (!word || strcmp(word, "receive")))
		return ssh_request_bad(word ? word : "", e);
	while ((word = strsep(&next, " ")) && strcmp(word, "--"))
		if (ssh_request_parse_word(r, word, e) < 0)
			return -1;
	if (!next || !ssh_request_decode(next))
		return ssh_request_bad(next ? next : "", e);
	if (ssh_request_check(r, e) < 0)
		return -1;
	r->command = strdup(next);
	return r->command ? 0 : err_memory(e);
}

enum { PORT_AT = 2 * SSH_REQUEST_KEY_BYTES + 1, ADDRESS_AT = PORT_AT + 6 };

void ssh_request_format_secret(const struct ssh_request_secret *s,
			       char line[static SSH_REQUEST_LINE_BYTES])
{
	char rest[SSH_REQUEST_LINE_BYTES];

	key_text_hex(s->key.secret.bytes, SSH_REQUEST_KEY_BYTES, line);
	/* The address is padded. */
	snprintf(rest, sizeof rest, " %05u %-*s", (unsigned int)s->port,
		 SSH_ANSWER_ADDRESS_MAX - 1, s->address);
	memcpy(line + PORT_AT - 1, rest, SSH_REQUEST_LINE_BYTES - PORT_AT);
	line[SSH_REQUEST_LINE_BYTES - 1] = '\n';
}

static bool ssh_request_parse_place(const char *line,
				    struct ssh_request_secret *s)
{
	const char *address = line + ADDRESS_AT;
	size_t len = strcspn(address, " \n");

	for (const char *c = line + PORT_AT; c < address - 1; c++) {
		if (*c < '0' || *c > '9')
			return false;
		s->port = 10 * s->port + (uint64_t)(*c - '0');
	}
	memcpy(s->address, address, len);
	return s->port <= 65535 &&
	       strspn(address + len, " ") == SSH_ANSWER_ADDRESS_MAX - 1 - len;
}

int ssh_request_parse_secret(const char line[static SSH_REQUEST_LINE_BYTES],
			     struct ssh_request_secret *s, struct err *e)
{
	*s = (struct ssh_request_secret){ .key.secret.len =
						  SSH_REQUEST_KEY_BYTES };
	if (line[SSH_REQUEST_LINE_BYTES - 1] == '\n' &&
	    line[PORT_AT - 1] == ' ' && line[ADDRESS_AT - 1] == ' ' &&
	    key_text_unhex((const uint8_t *)line, PORT_AT - 1,
			   s->key.secret.bytes) &&
	    ssh_request_parse_place(line, s))
		return 0;
	return err_set(e, ERR_USAGE, 0,
		       "there is no key line on standard input: ssh-server "
		       "is started by 'btrfs-ktls-pipe ssh'");
}

void ssh_request_fini(struct ssh_request *r)
{
	free(r->command);
	r->command = NULL;
}

void ssh_request_set_word(char word[static SSH_REQUEST_WORD_MAX],
			  const char *text)
{
	size_t len = 0;

	for (; *text && len < SSH_REQUEST_WORD_MAX - 1; text++)
		if (strchr(plain, *text))
			word[len++] = *text;
	word[len] = '\0';
}
