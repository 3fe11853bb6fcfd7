// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/host_id.h"

#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"

#define LABEL "btrfs-ktls-pipe host id 1"

/* Appends the first word of a file.  Returns whether there was one. */
static bool host_id_append(const char *path, char *text, size_t size)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t len = strlen(text);
	ssize_t n = fd < 0 ? -1 : io_read(fd, text + len, size - len - 1);

	if (n <= 0)
		return false;
	text[len + (size_t)n] = '\0';
	text[len + strcspn(text + len, " \n")] = '\0';
	return text[len] != '\0';
}

static void host_id_find(uint8_t id[static FRAME_HOST_BYTES])
{
	char text[256] = LABEL;

	memset(id, 0, FRAME_HOST_BYTES);
	if (!host_id_append("/etc/machine-id", text, sizeof text) ||
	    !host_id_append("/proc/sys/kernel/random/boot_id", text,
			    sizeof text))
		return;
	if (gnutls_hash_fast(GNUTLS_DIG_SHA256, text, strlen(text), id) < 0)
		memset(id, 0, FRAME_HOST_BYTES);
}

/* Found once, at the start: a confined process can open no file. */
void host_id_own(uint8_t id[static FRAME_HOST_BYTES])
{
	static uint8_t own[FRAME_HOST_BYTES];
	static bool found;

	if (!found)
		host_id_find(own);
	found = true;
	memcpy(id, own, sizeof own);
}

bool host_id_same(const uint8_t a[static FRAME_HOST_BYTES],
		  const uint8_t b[static FRAME_HOST_BYTES])
{
	static const uint8_t unknown[FRAME_HOST_BYTES];

	return memcmp(a, unknown, FRAME_HOST_BYTES) &&
	       !memcmp(a, b, FRAME_HOST_BYTES);
}
