// SPDX-License-Identifier: GPL-2.0-or-later
#include "stats.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdbool.h>
#include <string.h>

#include "clock.h"
#include "io.h"

int stats_open(const char *path, bool append, struct err *e)
{
	int fd;

	if (!strcmp(path, "-"))
		return STDERR_FILENO;
	fd = open(path,
		  O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC) |
			  O_CLOEXEC | O_NOCTTY,
		  0666);
	if (fd < 0)
		return err_set(e, ERR_USAGE, errno, "--stats %s", path);
	return fd;
}

enum { STRING_MAX = 96 };

/* A JSON string, or null.  None of ours needs escaping. */
static const char *stats_string(const char *text, char out[static STRING_MAX])
{
	snprintf(out, STRING_MAX, text && *text ? "\"%s\"" : "null", text);
	return out;
}

int stats_write(int fd, const struct stats *s, int exit_status, struct err *e)
{
	static const char *const versions[] = { "TLS1.2", "TLS1.3" };
	static const char *const ciphers[] = { "AES-128-GCM", "AES-256-GCM",
					       "CHACHA20-POLY1305" };
	bool tls = s->mode && s->mode != &mode_none;
	const char *version = tls ? versions[s->mode->version] : NULL;
	const char *cipher = tls ? ciphers[s->mode->cipher] : NULL;
	uint64_t ms = clock_now_ms() - s->start_ms;
	char text[768], v[STRING_MAX], c[STRING_MAX], tx[STRING_MAX],
		rx[STRING_MAX], identity[STRING_MAX], peer[STRING_MAX];
	int len = snprintf(
		text, sizeof text,
		"{\"bytes\": %" PRIu64 ", \"seconds\": %" PRIu64
		".%03u, \"reconnects\": %" PRIu64 ", \"rotations\": %" PRIu64
		", \"tls_version\": %s, \"cipher\": %s, "
		"\"tx\": %s, \"rx\": %s, \"identity\": %s, \"peer\": %s, "
		"\"exit\": %d}\n",
		s->bytes, ms / 1000, (unsigned int)(ms % 1000), s->reconnects,
		s->rotations, stats_string(version, v), stats_string(cipher, c),
		stats_string(s->tx, tx), stats_string(s->rx, rx),
		stats_string(s->identity, identity),
		stats_string(s->peer, peer), exit_status);
	int ret = io_write_all(fd, text, (size_t)len, "--stats", e);

	if (fd != STDERR_FILENO && close(fd) < 0 && ret == 0)
		ret = err_set(e, ERR_IO, errno, "cannot write --stats");
	return ret;
}
