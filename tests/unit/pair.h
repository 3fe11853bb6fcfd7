/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Both ends of a TLS connection in one process. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/credential.h"
#include "tls/tls.h"
#include "tap.h"

enum { CLIENT, SERVER };

/* One end of a connection. */
struct end {
	int fd;
	struct credential *cred;
	struct mode_list modes;
	struct tls *tls;
	bool raw;
	int ret; /* of the handshake */
	struct err e;
};

struct pair_setup {
	const char *name;
	const char *modes[2];
	const char *identity[2];
	uint8_t key[2];
};

static inline void end_init(struct end *end, int side,
			    const struct pair_setup *s)
{
	struct key key = { .secret.len = 32 };
	struct tls_params p = { .server = side == SERVER,
				.fd = end->fd,
				.raw = end->raw };

	memset(key.secret.bytes, 'k' + s->key[side], 32);
	if (s->identity[side])
		snprintf(key.identity, sizeof key.identity, "%s",
			 s->identity[side]);
	end->e = (struct err){ 0 };
	end->cred = credential_new_psk(&key, side == SERVER, &end->e);
	if (!end->cred || mode_parse(s->modes[side], &end->modes, &end->e) < 0)
		bail();
	p.cred = end->cred;
	p.modes = &end->modes;
	end->tls = tls_new(&p, &end->e);
	if (!end->tls)
		bail();
}

static inline void pair_init(struct end end[2], const struct pair_setup *s)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		bail();
	for (int side = 0; side < 2; side++) {
		end[side].fd = fds[side];
		end_init(&end[side], side, s);
	}
}

static inline void pair_fini(struct end end[2])
{
	for (int side = 0; side < 2; side++) {
		tls_free(end[side].tls);
		credential_free(end[side].cred);
		if (end[side].fd >= 0)
			close(end[side].fd);
	}
}

/* Step one end until it has to wait; true when it is done or has failed. */
static inline bool step(struct end *end)
{
	enum tls_want want;

	end->ret = tls_handshake(end->tls, &want, &end->e);
	return end->ret < 0 || want == TLS_DONE;
}

/*
 * Step both in turn, also to deliver the alert of a failure; true on success.
 */
static inline bool handshake(struct end end[2])
{
	bool done[2] = { false };

	for (int i = 0; i < 100 && !(done[0] && done[1]); i++)
		if (!done[i % 2])
			done[i % 2] = step(&end[i % 2]);
	return done[0] && done[1] && end[0].ret == 0 && end[1].ret == 0;
}

static inline void connect_pair(struct end end[2], const char *modes)
{
	struct pair_setup s = { .modes = { modes, modes } };

	pair_init(end, &s);
	if (!handshake(end)) {
		printf("# %s\n# %s\n", end[0].e.msg, end[1].e.msg);
		bail();
	}
}
