// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/cleanup.h"

#define ATTRIBUTE "user.btrfs-ktls-pipe.durable"

enum {
	DIGITS = 20, /* of the largest number */
	NAME_BYTES = 256,
};

/* Errors that say that another note may do, or that the one before stays */
static bool durable_lacks_attributes(int num)
{
	return num == ENOTSUP || num == EPERM || num == ENOSYS;
}

static bool durable_lacks_room(int num)
{
	return num == ENOSPC || num == EDQUOT || num == ENAMETOOLONG ||
	       num == EROFS;
}

/* The name of the file beside it; false: it would be too long. */
static bool durable_name(const struct durable *d, char name[static NAME_BYTES])
{
	int n = snprintf(name, NAME_BYTES, "%s.durable", d->name);

	return n > 0 && n < NAME_BYTES;
}

/* Somebody else may have chosen what lies there. */
static bool durable_is_ours(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_uid == geteuid() &&
	       st->st_nlink == 1;
}

static int durable_open(const struct durable *d, int flags)
{
	char name[NAME_BYTES];
	struct stat st;
	int fd = -1;

	if (durable_name(d, name))
		fd = openat(d->dir_fd, name,
			    flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY |
				    O_NONBLOCK,
			    0600);
	if (fd >= 0 && fstat(fd, &st) == 0 && durable_is_ours(&st))
		return fd;
	attr_close(&fd);
	errno = ENAMETOOLONG; /* no room for a note under this name */
	return -1;
}

bool durable_possible(const struct durable *d)
{
	char name[NAME_BYTES];
	struct stat st;

	return fgetxattr(d->fd, ATTRIBUTE, NULL, 0) >= 0 ||
	       !durable_lacks_attributes(errno) || !durable_name(d, name) ||
	       fstatat(d->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	       durable_is_ours(&st);
}

/* It is always as long, so that a write replaces it as a whole. */
static int durable_note_beside(const struct durable *d, uint64_t bytes)
{
	autoclose int fd = durable_open(d, O_WRONLY | O_CREAT);
	char text[DIGITS + 1];
	ssize_t n;

	if (fd < 0)
		return durable_lacks_room(errno) ? 0 : errno;
	snprintf(text, sizeof text, "%0*" PRIu64, DIGITS, bytes);
	n = pwrite(fd, text, DIGITS, 0);
	if (n < 0 || fdatasync(fd) < 0)
		return durable_lacks_room(errno) ? 0 : errno;
	/* Its name, too, has to be there. */
	return fsync(d->dir_fd) < 0 ? errno : 0;
}

int durable_note(const struct durable *d, uint64_t bytes)
{
	char text[DIGITS + 1];
	int len = snprintf(text, sizeof text, "%" PRIu64, bytes);

	if (fsetxattr(d->fd, ATTRIBUTE, text, (size_t)len, 0) == 0)
		return 0;
	if (durable_lacks_attributes(errno))
		return durable_note_beside(d, bytes);
	return durable_lacks_room(errno) ? 0 : errno;
}

uint64_t durable_read(const struct durable *d)
{
	char text[DIGITS + 1] = "", *end;
	ssize_t n = fgetxattr(d->fd, ATTRIBUTE, text, DIGITS);
	uint64_t bytes;

	if (n < 0 && durable_lacks_attributes(errno)) {
		autoclose int fd = durable_open(d, O_RDONLY);

		n = fd < 0 ? -1 : pread(fd, text, DIGITS, 0);
	}
	if (n <= 0)
		return 0;
	bytes = strtoull(text, &end, 10);
	return *end ? 0 : bytes;
}

void durable_forget(const struct durable *d)
{
	char name[NAME_BYTES];

	if (fremovexattr(d->fd, ATTRIBUTE) < 0 &&
	    durable_lacks_attributes(errno) && durable_name(d, name))
		unlinkat(d->dir_fd, name, 0);
}
