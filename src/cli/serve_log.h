/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listen --keep: bounds the lines that a client can cause by beginning streams,
 * as log_limit() does.  A client is an identity or, where it has none, a source.
 */
#pragma once

#include <stdbool.h>

#include "auth/key.h"
#include "base/log.h"
#include "base/net_source.h"
#include "conn/net.h"

/* Then the one that was idle longest is forgotten. */
enum { SERVE_LOG_CLIENTS = 32 };

struct serve_log_client {
	char identity[KEY_IDENTITY_MAX + 1];
	struct net_source source;
	char name[KEY_IDENTITY_MAX + 1 + NET_NAME_MAX]; /* of its last stream */
	struct log_limit streams;
};

struct serve_log {
	struct serve_log_client clients[SERVE_LOG_CLIENTS];
};

/* A client begins a stream: may that stream be logged? */
bool serve_log_may(struct serve_log *l, const char *identity,
		   const struct net_source *source, const char *name);

/* Log how many streams were not. */
void serve_log_end(const struct serve_log *l);
