// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/ssh_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "auth/key_text.h"
#include "base/clock.h"
#include "base/io.h"
#include "conn/stream_name.h"

#define ROOTS "/run/btrfs-ktls-pipe-ssh"

/* A socket is called HOST-ID, both in hex. */
enum {
	HOST_BYTES = 4,
	ID_BYTES = FRAME_NAME_BYTES / 2,
	LOCK_MS = 10000,
	NAME_CHARS = 2 * HOST_BYTES + 1 + 2 * ID_BYTES,
	FOLDER_BYTES = SSH_FOLDER_PATH_BYTES - NAME_CHARS -
		       1, /* with its NUL */
};

static int ssh_folder_open(const char *path, struct err *e)
{
	autoclose int fd = -1;
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_set(e, ERR_NET, errno, "--name: cannot make %s",
			       path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 ? errno != ELOOP && errno != ENOTDIR && errno != EACCES
		   : fstat(fd, &st) < 0)
		return err_set(e, ERR_NET, errno, "--name: cannot use %s",
			       path);
	if (fd >= 0 && st.st_uid == geteuid() && !(st.st_mode & 077)) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno == EWOULDBLOCK)
			return steal_fd(&fd);
		return err_set(e, ERR_NET, errno, "--name: cannot lock %s",
			       path);
	}
	return err_set(e, ERR_NET, 0,
		       "--name: %s is not a directory of user %u with mode "
		       "0700 (remove it, or let that user write to "
		       "~/.local/state)",
		       path, geteuid());
}

/* In the user's home, where no other user can be first */
static int ssh_folder_open_home(char path[static FOLDER_BYTES])
{
	static const char *const parts[] = { "/.local", "/state",
					     "/btrfs-ktls-pipe" };
	const char *home = getenv("HOME");
	struct err ignored = { 0 };

	if (!home || *home != '/' ||
	    strlen(home) + sizeof "/.local/state/btrfs-ktls-pipe" >
		    FOLDER_BYTES)
		return -1;
	strcpy(path, home);
	for (size_t i = 0; i < array_len(parts); i++) {
		strcat(path, parts[i]);
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return -1;
	}
	return ssh_folder_open(path, &ignored);
}

/* Not every home can be written to, and not every file system locks. */
static int ssh_folder_find(char path[static FOLDER_BYTES], struct err *e)
{
	int fd;

	if (!geteuid())
		return ssh_folder_open(strcpy(path, ROOTS), e);
	fd = ssh_folder_open_home(path);
	if (fd >= 0)
		return fd;
	snprintf(path, FOLDER_BYTES, "/tmp/btrfs-ktls-pipe-%u", geteuid());
	return ssh_folder_open(path, e);
}

/* Other processes hold the lock for a moment, unless they are stopped. */
static int ssh_folder_wait(int lock, const char *path, struct err *e)
{
	if (io_lock(lock, clock_deadline(LOCK_MS)) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		err_set(e, ERR_NET, 0,
			"--name: a stopped process holds the lock of %s (end it)",
			path);
	else
		err_set(e, ERR_NET, errno, "--name: cannot lock %s", path);
	close(lock);
	return -1;
}

int ssh_folder_lock(char path[static SSH_FOLDER_PATH_BYTES],
		    const uint8_t id[static FRAME_NAME_BYTES], struct err *e)
{
	uint8_t host[FRAME_NAME_BYTES];
	char name[256] = "", *end = path;
	int lock;

	/* Hosts may share a home. */
	if (gethostname(name, sizeof name - 1) < 0)
		return err_set(e, ERR_NET, errno, "cannot get the host's name");
	if (stream_name_hash(name, host, e) < 0)
		return -1;
	lock = ssh_folder_find(path, e);
	if (lock < 0 || ssh_folder_wait(lock, path, e) < 0)
		return -1;
	end += strlen(end);
	*end++ = '/';
	key_text_hex(host, HOST_BYTES, end);
	end += 2 * HOST_BYTES;
	*end++ = '-';
	key_text_hex(id, ID_BYTES, end);
	return lock;
}

int ssh_folder_connect(const struct sockaddr_un *at)
{
	autoclose int fd =
		socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)at, sizeof *at) < 0)
		return -1;
	return steal_fd(&fd);
}

void ssh_folder_tidy(int lock_fd, const struct sockaddr_un *at)
{
	struct sockaddr_un other = *at;
	char *name = other.sun_path;
	autoclose int fd = fcntl(lock_fd, F_DUPFD_CLOEXEC, 3);
	DIR *folder = fdopendir(fd);
	struct dirent *entry;

	if (folder)
		fd = -1; /* closedir(3) closes it */
	while (folder && (entry = readdir(folder))) {
		autoclose int other_fd = -1;

		if (strlen(entry->d_name) != NAME_CHARS ||
		    memcmp(entry->d_name, name, 2 * HOST_BYTES))
			continue;
		strcpy(name, entry->d_name);
		other_fd = ssh_folder_connect(&other);
		if (other_fd < 0 && errno == ECONNREFUSED)
			unlinkat(lock_fd, name, 0);
	}
	if (folder)
		closedir(folder);
}
