/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ssh-server that has a stream with a name, its owner, waits at a socket,
 * so that a later ssh-server of the same user finds it: the caller.  The caller
 * brings the key of its near host, and gets the port.  While both live, that
 * near host may connect; the owner's acceptor decides who gets the stream.
 */
#pragma once

#include "auth/key.h"
#include "base/err.h"
#include "cli/ssh_answer.h"
#include "cli/ssh_folder.h"
#include "proto/frame.h"

/* This many near hosts may connect at once, besides the owner's own. */
enum { SSH_NAME_CALLERS = 8 };

struct ssh_name_caller {
	struct key key; /* of the near host */
	char address[SSH_ANSWER_ADDRESS_MAX]; /* that it came to */
	int listen_fd; /* a socket that listens there, or -1 */
	int link_fd; /* to the caller; its end: the caller is gone; or -1 */
	int err_fd; /* where its messages go; or -1 */
};

/* Start with ssh_name_init(). */
struct ssh_name {
	int fd; /* owner: where callers come; else to the owner; or -1 */
	int watch_fd; /* owner: readable when a caller came or went; or -1 */
	int link_fd; /* caller: to the owner; or -1 */
	struct ssh_name_caller *callers; /* owner: secret_alloc(), or NULL */
	bool ours;
	uid_t uid; /* our user before we were confined */
	char path[SSH_FOLDER_PATH_BYTES]; /* of the owner's socket */
};

void ssh_name_init(struct ssh_name *n);

/*
 * Become the owner of the stream that id names.  Returns 1, or 0 if another
 * process is.  Errors: ERR_NET, the folder of the sockets cannot be used.
 */
int ssh_name_claim(struct ssh_name *n,
		   const uint8_t id[static FRAME_NAME_BYTES],
		   struct err *e) attr_must_check;

/*
 * Call the owner.  *port: where it listens at c->address; 0: it does not, or
 * has too many callers.  Returns 0; 1 if the owner is gone.  Errors: ERR_NET,
 * it gives no answer.
 */
int ssh_name_bring(struct ssh_name *n, const struct ssh_name_caller *c,
		   uint64_t *port, struct err *e) attr_must_check;

/* The caller: wait until the owner or ssh, which has in_fd, ends. */
void ssh_name_stay(const struct ssh_name *n, int in_fd);

/*
 * The owner: forget the callers that are gone, and take one that came.  The
 * key stays where it is, and becomes empty when the caller is gone.  NULL:
 * none came after all.
 */
struct ssh_name_caller *ssh_name_take(struct ssh_name *n);

/* Answer the caller with the port; 0 also forgets it. */
void ssh_name_answer(struct ssh_name_caller *c, uint64_t port);

/* Where the messages of the caller with this key go; -1: there is none. */
int ssh_name_err(const struct ssh_name *n, const char *identity);

/* Give up the name. */
void ssh_name_close(struct ssh_name *n);
