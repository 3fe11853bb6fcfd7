// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "auth/key_text.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/nowait.h"
#include "config.h"

/* A FIFO without a reader, or a lease (fcntl(2)), may still open. */
static bool stats_may_open(const char *path, int num)
{
	struct stat st;

	return num == EAGAIN ||
	       (num == ENXIO && stat(path, &st) == 0 && S_ISFIFO(st.st_mode));
}

/* Bytes of a device, such as a terminal, do not get into the stream. */
static int stats_check_stream(int fd, const char *path, int stream_fd,
			      struct err *e)
{
	if (stream_fd < 0 || io_kind(fd) == IO_DEVICE ||
	    !io_same_file(fd, stream_fd))
		return 0;
	return err_set(e, ERR_USAGE, 0,
		       "--stats %s: this is standard %s, which is the "
		       "stream's; take another file",
		       path, stream_fd == STDIN_FILENO ? "input" : "output");
}

/* EINVAL: there is nothing to truncate, as in a FIFO. */
static int stats_truncate(int fd, const char *path, struct err *e)
{
	if (ftruncate(fd, 0) < 0 && errno != EINVAL)
		return err_set(e, ERR_USAGE, errno, "--stats %s", path);
	return 0;
}

/* Open the file, and truncate nothing: it may be the stream's. */
static int stats_open_any(const char *path, bool append, struct err *e)
{
	int flags = O_WRONLY | O_CREAT | (append ? O_APPEND : 0) | O_CLOEXEC |
		    O_NOCTTY | O_NONBLOCK;
	uint64_t end_ms = clock_deadline(NOWAIT_MS);
	int fd, num;

	do {
		fd = open(path, flags, 0666);
		num = errno;
	} while (fd < 0 && stats_may_open(path, num) &&
		 clock_now_ms() < end_ms && poll(NULL, 0, 10) == 0);
	if (fd >= 0)
		return fd;
	err_set(e, ERR_USAGE, num, "--stats %s", path);
	return num != ENXIO ? -1
			    : err_append(e, " (a FIFO that nobody reads, or a "
					    "socket: - is standard error)");
}

int stats_open(const char *path, bool append, int stream_fd, struct err *e)
{
	autoclose int fd = -1;

	if (!strcmp(path, "-"))
		return STDERR_FILENO;
	fd = stats_open_any(path, append, e);
	if (fd < 0 || stats_check_stream(fd, path, stream_fd, e) < 0 ||
	    (!append && stats_truncate(fd, path, e) < 0))
		return -1;
	return steal_fd(&fd);
}

/* Add a member: a string or null.  Ref: RFC 8259. */
static void stats_add_string(FILE *out, const char *name, const char *value)
{
	const unsigned char *p = (const unsigned char *)value;

	fprintf(out, ", \"%s\": ", name);
	if (!value || !*value) {
		fprintf(out, "null");
		return;
	}
	fprintf(out, "\"");
	while (*p) {
		size_t len = key_text_utf8(p, strlen((const char *)p));

		if (!len)
			fprintf(out, "\\ufffd");
		else if (*p < 0x20 || *p == 0x7f)
			fprintf(out, "\\u%04x", *p);
		else
			fprintf(out, "%s%.*s", strchr("\"\\", *p) ? "\\" : "",
				(int)len, (const char *)p);
		p += len ? len : 1;
	}
	fprintf(out, "\"");
}

/* ISO 8601, in UTC */
static void stats_add_time(FILE *out, const char *name,
			   const struct timespec *when)
{
	char text[40] = "", whole[64];
	struct tm tm;

	if (gmtime_r(&when->tv_sec, &tm))
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(whole, sizeof whole, "%s.%03ldZ", text,
		 when->tv_nsec / 1000000);
	stats_add_string(out, name, whole);
}

static void stats_add_names(FILE *out, const struct stats *s)
{
	bool tls = s->mode && s->mode != &mode_none;

	stats_add_string(out, "tls_version",
			 tls ? mode_versions[s->mode->version] : NULL);
	stats_add_string(out, "cipher",
			 tls ? mode_ciphers[s->mode->cipher] : NULL);
	stats_add_string(out, "tx", s->tx);
	stats_add_string(out, "rx", s->rx);
	stats_add_string(out, "direction", s->sends ? "send" : "receive");
	stats_add_string(out, "stream", s->stream);
	stats_add_string(out, "method", s->method);
	stats_add_string(out, "identity", s->identity);
	stats_add_string(out, "peer", s->peer);
}

void stats_start(struct stats *s)
{
	s->start_ms = clock_now_ms();
	clock_gettime(CLOCK_REALTIME, &s->start);
}

/* Owned by the caller: free().  NULL: out of memory. */
static char *stats_format(const struct stats *s, int exit_status,
			  const char *error)
{
	uint64_t ms = clock_now_ms() - s->start_ms;
	struct timespec now;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	clock_gettime(CLOCK_REALTIME, &now);
	fprintf(out,
		"{\"bytes\": %" PRIu64 ", \"compared\": %" PRIu64
		", \"seconds\": %" PRIu64 ".%03u, \"reconnects\": %" PRIu64
		", \"rotations\": %" PRIu64 ", \"rekeys\": %" PRIu64,
		s->bytes, s->compared, ms / 1000, (unsigned int)(ms % 1000),
		s->reconnects, s->rekeys, s->rekeys);
	stats_add_time(out, "start", &s->start);
	stats_add_time(out, "end", &now);
	stats_add_names(out, s);
	stats_add_string(out, "version", PACKAGE_VERSION);
	stats_add_string(out, "error", error);
	fprintf(out, ", \"exit\": %d}\n", exit_status);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

int stats_write(int fd, const struct stats *s, int exit_status,
		const char *error, struct err *e)
{
	autofree char *text = stats_format(s, exit_status, error);
	int ret = text ? nowait_write_all(fd, text, strlen(text), "--stats", e)
		       : err_memory(e);

	if (fd != STDERR_FILENO && close(fd) < 0 && ret == 0)
		ret = err_set(e, ERR_IO, errno, "cannot write --stats");
	return ret;
}
