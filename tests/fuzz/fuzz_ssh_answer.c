// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The output of a far host with any bytes: an answer is one that we would write
 * ourselves, and the limit of the banner holds.
 */
#include <assert.h>
#include <string.h>

#include "cli/ssh_answer.h"

static void check_answer(const struct ssh_answer *a)
{
	struct ssh_answer_reader reader = { .len = 0 };
	char line[SSH_ANSWER_LINE_MAX];
	size_t len = ssh_answer_format(a, line);
	struct ssh_answer again = { .kind = SSH_ANSWER_NONE };
	struct err e = { 0 };

	assert(len < sizeof line && strlen(line) == len);
	for (size_t i = 0; i < len; i++)
		assert(ssh_answer_take(&reader, line[i], &again, &e) == 0);
	assert(again.kind == a->kind && again.version == a->version &&
	       again.port == a->port && !strcmp(again.address, a->address));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ssh_answer_reader reader = { .len = 0 };
	size_t since = 0;

	for (size_t i = 0; i < size; i++) {
		struct err e = { 0 };
		struct ssh_answer a;

		if (ssh_answer_take(&reader, (char)data[i], &a, &e) < 0) {
			assert(e.kind == ERR_NET &&
			       ++since > SSH_ANSWER_BANNER_MAX);
			return 0;
		}
		since = a.kind ? 0 : since + 1;
		if (a.kind)
			check_answer(&a);
	}
	return 0;
}
