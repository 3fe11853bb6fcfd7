/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ssh-server that has a stream with a name waits at a socket, so that a
 * later ssh-server of the same user finds it: the visitor.  That brings the key
 * of its near host, and gets the port.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#include "base/err.h"
#include "cli/ssh_answer.h"
#include "cli/ssh_request.h"
#include "proto/frame.h"

/* Start with both -1. */
struct ssh_name {
	int fd; /* ours: where visitors come; else to where the owner is */
	int link_fd; /* between owner and visitor, who end with it; or -1 */
	bool ours;
	struct sockaddr_un at;
};

struct ssh_name_visit {
	uint8_t key[SSH_REQUEST_KEY_BYTES];
	char address[SSH_ANSWER_ADDRESS_MAX]; /* that the near host came to */
	int listen_fd; /* a socket that listens there, or -1 */
	int link_fd, err_fd; /* ssh_name_take(): owned by who took it */
};

/*
 * Become the owner of the stream that id names.  Returns 1, or 0 if another
 * process is.  Errors: ERR_NET, the folder of the sockets cannot be used.
 */
int ssh_name_claim(struct ssh_name *n,
		   const uint8_t id[static FRAME_NAME_BYTES],
		   struct err *e) attr_must_check;

/*
 * Visit the owner.  *port: where it listens at v->address, or 0 if nowhere.
 * Returns 0; 1 if the owner is gone.  Errors: ERR_NET, it gives no answer.
 */
int ssh_name_bring(struct ssh_name *n, const struct ssh_name_visit *v,
		   uint64_t *port, struct err *e) attr_must_check;

/* The visitor: wait until the owner or ssh, which has in_fd, ends. */
void ssh_name_stay(const struct ssh_name *n, int in_fd);

/* The owner: a visitor came.  Returns false if there is none after all. */
bool ssh_name_take(const struct ssh_name *n, struct ssh_name_visit *v);

/* Answer it with the port.  Closes all descriptors of v but the listening one. */
void ssh_name_answer(struct ssh_name *n, const struct ssh_name_visit *v,
		     uint64_t port);

/* Give up the name. */
void ssh_name_close(struct ssh_name *n);
