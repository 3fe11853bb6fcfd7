// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/durable.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/err.h"

#define ATTRIBUTE "user.btrfs-ktls-pipe.durable"

enum {
	DIGITS = 20, /* of the largest number */
	NAME_BYTES = 256,
};

/* Does num say that there are no attributes?  Then a file beside may do. */
static bool durable_lacks_attributes(int num)
{
	return num == ENOTSUP || num == EPERM || num == ENOSYS;
}

/* errno num of either note, as durable_note() returns it */
static int durable_error(int num)
{
	return num == ENOSPC || num == EDQUOT || num == ENAMETOOLONG ||
			       num == EROFS
		       ? DURABLE_NO_ROOM
		       : num;
}

/* Errors that say that there is no note, or none of ours */
static bool durable_is_absent(int num)
{
	return num == ENODATA || num == ENOENT || num == ERANGE ||
	       num == ENAMETOOLONG;
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

/* Does num of open(2) mean a file that durable_is_ours() would refuse? */
static bool durable_is_foreign(int num)
{
	return num == ELOOP || num == EACCES || num == EISDIR || num == ENXIO;
}

/* The file beside it, or -1; ENAMETOOLONG: its name would be too long. */
static int durable_open(const struct durable *d, int flags)
{
	autoclose int fd = -1;
	char name[NAME_BYTES];
	struct stat st;

	errno = ENAMETOOLONG;
	if (!durable_name(d, name))
		return -1;
	fd = openat(d->dir_fd, name,
		    flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		    0600);
	if (fd < 0 ? !durable_is_foreign(errno) : fstat(fd, &st) < 0)
		return -1;
	if (fd >= 0 && durable_is_ours(&st))
		return steal_fd(&fd);
	errno = ENAMETOOLONG;
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

int durable_sync_folder(int dir_fd)
{
	if (fsync(dir_fd) == 0 || errno == EINVAL || err_refuses(errno))
		return 0;
	return errno;
}

/* Every note is of one length, so that a write replaces the whole of it. */
static int durable_note_beside(const struct durable *d, uint64_t bytes)
{
	autoclose int fd = durable_open(d, O_WRONLY | O_CREAT);
	char text[DIGITS + 1];
	ssize_t n;

	if (fd < 0)
		return durable_error(errno);
	snprintf(text, sizeof text, "%0*" PRIu64, DIGITS, bytes);
	n = pwrite(fd, text, DIGITS, 0);
	if (n < 0 || fdatasync(fd) < 0)
		return durable_error(errno);
	/* The name must be on the disk, too. */
	return durable_sync_folder(d->dir_fd);
}

int durable_note(const struct durable *d, uint64_t bytes)
{
	char text[DIGITS + 1];
	int len = snprintf(text, sizeof text, "%" PRIu64, bytes);

	if (fsetxattr(d->fd, ATTRIBUTE, text, (size_t)len, 0) == 0)
		return 0;
	if (durable_lacks_attributes(errno))
		return durable_note_beside(d, bytes);
	return durable_error(errno);
}

/* Returns as pread(2), but 0 for a note that is not whole. */
static ssize_t durable_read_beside(const struct durable *d,
				   char text[static DIGITS + 1])
{
	autoclose int fd = durable_open(d, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : pread(fd, text, DIGITS, 0);

	return n < 0 || n == DIGITS ? n : 0;
}

/*
 * There is no attribute.  Is that because none can be set, though one could be
 * read?  An attribute that is not there cannot be replaced, so this changes
 * nothing.
 */
static bool durable_cannot_set(const struct durable *d)
{
	return fsetxattr(d->fd, ATTRIBUTE, "", 0, XATTR_REPLACE) < 0 &&
	       durable_lacks_attributes(errno);
}

/* After errno num of fgetxattr(2) or fremovexattr(2): is the note beside? */
static bool durable_is_beside(const struct durable *d, int num)
{
	return durable_lacks_attributes(num) ||
	       (num == ENODATA && durable_cannot_set(d));
}

int durable_read(const struct durable *d, uint64_t *bytes)
{
	char text[DIGITS + 1] = "";
	ssize_t n = fgetxattr(d->fd, ATTRIBUTE, text, DIGITS);
	int num = n < 0 ? errno : 0;

	*bytes = DURABLE_NONE;
	if (num && durable_is_beside(d, num)) {
		n = durable_read_beside(d, text);
		num = n < 0 ? errno : 0;
	}
	if (num)
		return durable_is_absent(num) ? 0 : num;
	if (n > 0 && strspn(text, "0123456789") == (size_t)n)
		*bytes = strtoull(text, NULL, 10);
	return 0;
}

int durable_forget(const struct durable *d)
{
	char name[NAME_BYTES];
	int num = fremovexattr(d->fd, ATTRIBUTE) < 0 ? errno : 0;

	if (num && durable_is_beside(d, num))
		num = durable_name(d, name) && unlinkat(d->dir_fd, name, 0) < 0
			      ? errno
			      : 0;
	return durable_is_absent(num) ? 0 : num;
}
