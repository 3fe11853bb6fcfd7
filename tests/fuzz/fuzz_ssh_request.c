// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The request of the verb ssh with any bytes: what parses is written again, and
 * parses to the same; an error has a message.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ssh_request.h"

static void check_request(const char *text)
{
	struct ssh_request r, again;
	struct err e = { 0 };
	char *line, *twice;

	if (ssh_request_parse(&r, text, &e) < 0) {
		assert(e.kind == ERR_USAGE && *e.msg && !r.command);
		return;
	}
	assert(*r.command && strlen(r.command) <= strlen(text));
	line = ssh_request_format(&r, &e);
	assert(line || strlen(text) > SSH_REQUEST_MAX);
	if (line) {
		assert(ssh_request_parse(&again, line, &e) == 0);
		twice = ssh_request_format(&again, &e);
		assert(twice && !strcmp(line, twice) &&
		       !strcmp(r.command, again.command));
		free(twice);
		ssh_request_fini(&again);
	}
	free(line);
	ssh_request_fini(&r);
}

static void check_secret(const uint8_t *data, size_t size)
{
	char *line = malloc(SSH_REQUEST_LINE_BYTES);
	struct ssh_request_secret s;
	struct err e = { 0 };

	assert(line);
	memset(line, ' ', SSH_REQUEST_LINE_BYTES);
	memcpy(line, data,
	       size < SSH_REQUEST_LINE_BYTES ? size : SSH_REQUEST_LINE_BYTES);
	if (ssh_request_parse_secret(line, &s, &e) == 0)
		assert(s.port <= 65535 &&
		       memchr(s.address, '\0', sizeof s.address));
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	assert(text);
	memcpy(text, data, size);
	text[size] = '\0';
	check_request(text);
	free(text);
	check_secret(data, size);
	return 0;
}
