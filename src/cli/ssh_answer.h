/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What ssh-server says on its standard output, and hears after the key: lines
 * that begin with a magic word, so that what a login shell prints before them
 * is told apart.  Pure.
 */
#pragma once

#include "base/err.h"

#define SSH_ANSWER_MAGIC "btrfs-ktls-pipe/ssh "

/* Of ssh-server, its requests and its answers */
enum { SSH_ANSWER_VERSION = 1 };

enum {
	SSH_ANSWER_BANNER_MAX = 8192, /* bytes of others, before an answer */
	SSH_ANSWER_ADDRESS_MAX = 64, /* with its zone */
	SSH_ANSWER_LINE_MAX = 128,
};

enum ssh_answer_kind {
	SSH_ANSWER_NONE, /* not yet */
	SSH_ANSWER_LOGIN, /* ssh has logged in */
	SSH_ANSWER_READY, /* it reads the key */
	SSH_ANSWER_AT, /* it listens, or dials us, at this address and port */
	SSH_ANSWER_NOWHERE, /* there is no direct way; its messages say why */
	/* Either side says: */
	SSH_ANSWER_CHANNEL, /* the stream comes next, in this channel */
	SSH_ANSWER_GAVE_UP, /* there is no stream, or it has failed */
};

struct ssh_answer {
	enum ssh_answer_kind kind;
	uint64_t version; /* READY */
	char address[SSH_ANSWER_ADDRESS_MAX]; /* AT */
	uint64_t port; /* AT: 1 to 65535 */
};

/* Reads answers, byte by byte.  Start with zeros. */
struct ssh_answer_reader {
	char line[2 * SSH_ANSWER_LINE_MAX];
	size_t len;
	size_t bytes; /* since the last answer */
};

/*
 * Take the next byte.  Fills *a; its kind is NONE unless the byte ends an
 * answer.  Errors: ERR_NET, more than SSH_ANSWER_BANNER_MAX bytes and no
 * answer.
 */
int ssh_answer_take(struct ssh_answer_reader *r, char byte,
		    struct ssh_answer *a, struct err *e) attr_must_check;

/* Write the line, with its newline, and terminate it.  Returns its length. */
size_t ssh_answer_format(const struct ssh_answer *a,
			 char out[static SSH_ANSWER_LINE_MAX]);

/* Does an answer of this kind, or of a later one, end in these bytes? */
bool ssh_answer_has(struct ssh_answer_reader *r, enum ssh_answer_kind least,
		    const char *text, size_t len);

/*
 * For session_config: is GAVE_UP among these bytes, or an answer of a process
 * that does not know that the stream has begun?  reader is a struct
 * ssh_answer_reader.
 */
bool ssh_answer_gave_up(void *reader, const char *text, size_t len);
