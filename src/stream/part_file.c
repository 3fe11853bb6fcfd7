// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/part_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/signals.h"
#include "stream/durable.h"

enum {
	SYNC_BYTES = 64 << 20, /* between two syncs, */
	SYNC_MS = 5000, /* but no more than this while bytes come */
	READ_BYTES = 256 << 10,
	READS = 16, /* of one part_file_prepare() */
	LOCK_MS = 2000, /* longest wait for another process */
	LEAVE_MS = 20000, /* longest wait for the disk after the stream, */
	SILENT_MS = 3000, /* and without a message */
	LOOK_MS = 5, /* between looks at a process meanwhile */
};

/* RENAME_NOREPLACE of linux/fs.h, which glibc and musl declare elsewhere */
enum { RENAME_NO_REPLACE = 1 };

static struct durable part_file_durable(const struct part_file *p)
{
	return (struct durable){ p->dir_fd, p->fd, p->part };
}

/* Find the names of FILE and FILE.part in the path. */
static int part_file_names(struct part_file *p, struct err *e)
{
	const char *slash = strrchr(p->path, '/');
	const char *name = slash ? slash + 1 : p->path;
	int n = snprintf(p->part, sizeof p->part, "%s.part", name);

	if (!*name || !strcmp(name, ".") || !strcmp(name, "..") || n < 0 ||
	    (size_t)n >= sizeof p->part)
		return err_set(e, ERR_USAGE, 0,
			       "--output: '%s' is no name for a file", p->path);
	snprintf(p->name, sizeof p->name, "%s", name);
	return 0;
}

/* The folder of path is opened once: it may be moved meanwhile. */
static int part_file_open_folder(struct part_file *p, struct err *e)
{
	const char *slash = strrchr(p->path, '/');
	autofree char *folder = NULL;

	if (part_file_names(p, e) < 0)
		return -1;
	/* "/" is its own folder. */
	folder = slash ? strndup(p->path, (size_t)(slash - p->path) + 1)
		       : strdup(".");
	if (!folder)
		return err_memory(e);
	p->dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->dir_fd < 0)
		return err_set(e, ERR_IO, errno, "--output: directory %s",
			       folder);
	return 0;
}

static int part_file_error(const struct part_file *p, int num, struct err *e)
{
	return err_set(e, ERR_IO, num, "--output: %s.part", p->path);
}

static int part_file_refuse(const struct part_file *p, const char *why,
			    struct err *e)
{
	return err_set(e, ERR_IO, 0, "--output: %s.part %s", p->path, why);
}

/* Returns 0 if it is what FILE.part names, ESTALE if not, or another errno. */
static int part_file_named(const struct part_file *p, struct stat *st)
{
	struct stat named;

	if (fstat(p->fd, st) < 0)
		return errno;
	if (fstatat(p->dir_fd, p->part, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? ESTALE : errno;
	return named.st_dev == st->st_dev && named.st_ino == st->st_ino
		       ? 0
		       : ESTALE;
}

/*
 * Remove what this process made: under our lock, or where nobody gets one.
 * Else it may be another process's.
 */
static void part_file_unmake(const struct part_file *p)
{
	if (p->made)
		unlinkat(p->dir_fd, p->part, 0);
}

/* Somebody else may have chosen what lies there. */
static int part_file_check(const struct part_file *p, struct stat *st,
			   struct err *e)
{
	int num;

	if (fstat(p->fd, st) < 0)
		return part_file_error(p, errno, e);
	if (!S_ISREG(st->st_mode))
		return part_file_refuse(p, "is no regular file", e);
	/* A file system may know no owners or modes. */
	if (!p->made && (st->st_uid != geteuid() || (st->st_mode & 077)))
		return part_file_refuse(
			p,
			"is not ours alone: remove it, or give it our user "
			"and mode 0600",
			e);
	/* The launcher of a killed receiver may hold the lock for a moment. */
	num = io_lock(p->fd, clock_deadline(LOCK_MS)) < 0 ? errno : 0;
	if (num == EWOULDBLOCK)
		return part_file_refuse(
			p, "is being written by another process", e);
	if (num) {
		part_file_unmake(p);
		return err_set(e, ERR_IO, num, "--output: cannot lock %s.part",
			       p->path);
	}
	/* It may have been renamed before we had the lock. */
	num = part_file_named(p, st);
	if (num == ESTALE || (!num && st->st_nlink != 1))
		return part_file_refuse(p, "has changed, or has two names", e);
	return num ? part_file_error(p, num, e) : 0;
}

/* Cut to the noted bytes: others may be zeros, or of another stream. */
static int part_file_cut(struct part_file *p, struct stat *st, struct err *e)
{
	const struct durable d = part_file_durable(p);
	uint64_t noted, size = (uint64_t)st->st_size;
	int num = durable_read(&d, &noted);

	if (num)
		return err_set(
			e, ERR_IO, num,
			"--output: cannot tell how much of %s.part is on "
			"the disk",
			p->path);
	if (noted == DURABLE_NONE && size)
		return part_file_refuse(
			p, "is not a part of ours: move it away", e);
	p->start = noted > size ? 0 : noted;
	p->bytes = p->synced = p->start;
	if (size > p->start)
		log_notice("%s.part: dropping %" PRIu64
			   " bytes that may not be on the disk",
			   p->path, size - p->start);
	if ((size > p->start && ftruncate(p->fd, (off_t)p->start) < 0) ||
	    lseek(p->fd, 0, SEEK_SET) < 0 || fstat(p->fd, st) < 0)
		return part_file_error(p, errno, e);
	p->modified = st->st_mtim;
	/* A note marks the part as ours, and must not promise lost bytes. */
	num = p->start ? 0 : durable_note(&d, 0);
	if (num && p->made)
		durable_forget(&d);
	if (num == DURABLE_NO_ROOM)
		return err_set(e, ERR_IO, 0,
			       "--output: there is no room to note how much of "
			       "%s.part is on the disk, or its name is too "
			       "long",
			       p->path);
	return num ? part_file_error(p, num, e) : 0;
}

static int part_file_make(struct part_file *p, struct err *e)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY |
			  O_NONBLOCK;

	p->fd = openat(p->dir_fd, p->part, flags | O_CREAT | O_EXCL, 0600);
	p->made = p->fd >= 0;
	if (!p->made && errno == EEXIST)
		p->fd = openat(p->dir_fd, p->part, flags);
	if (p->fd >= 0)
		return 0;
	if (errno == ELOOP)
		return part_file_refuse(p, "is a symbolic link: remove it", e);
	return part_file_error(p, errno, e);
}

/* Does another file stand in the way, now that FILE.part is ours? */
static int part_file_check_folder(const struct part_file *p, struct err *e)
{
	const struct durable d = part_file_durable(p);
	struct stat st;

	if (fstatat(p->dir_fd, p->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(
			e, ERR_IO, 0,
			"--output: %s exists already: remove it, or give "
			"another name",
			p->path);
	if (errno != ENOENT)
		return err_set(e, ERR_IO, errno, "--output: %s", p->path);
	if (!durable_possible(&d))
		return err_set(e, ERR_IO, 0,
			       "--output: %s.part.durable is no file of ours; "
			       "remove it",
			       p->path);
	return 0;
}

int part_file_open(struct part_file *p, const char *path, struct err *e)
{
	struct stat st;

	*p = (struct part_file){ .dir_fd = -1,
				 .fd = -1,
				 .path = path,
				 .sync_due_ms = clock_deadline(SYNC_MS) };
	if (part_file_open_folder(p, e) < 0 || part_file_make(p, e) < 0 ||
	    part_file_check(p, &st, e) < 0)
		return -1;
	if (part_file_check_folder(p, e) < 0 || part_file_cut(p, &st, e) < 0) {
		part_file_unmake(p);
		return -1;
	}
	/* Only from here on may part_file_close() drop it. */
	p->opened = true;
	p->digest = digest_new(e);
	return p->digest ? 0 : -1;
}

static int part_file_read_some(struct part_file *p, struct err *e)
{
	static uint8_t buf[READ_BYTES];
	uint64_t left = p->start - digest_bytes(p->digest);
	ssize_t n = io_read(p->fd, buf,
			    left < sizeof buf ? (size_t)left : sizeof buf);

	if (n < 0)
		return err_set(e, ERR_IO, errno,
			       "--output: cannot read %s.part", p->path);
	if (!n)
		return part_file_refuse(p, "became shorter", e);
	digest_update(p->digest, buf, (size_t)n);
	return 0;
}

int part_file_prepare(void *part_file, bool *ready, struct err *e)
{
	struct part_file *p = part_file;

	if (p->start && !digest_bytes(p->digest))
		log_notice("%s.part has %" PRIu64 " bytes: reading them",
			   p->path, p->start);
	for (int i = 0; i < READS && digest_bytes(p->digest) < p->start; i++)
		if (part_file_read_some(p, e) < 0)
			return -1;
	*ready = digest_bytes(p->digest) == p->start;
	return 0;
}

int part_file_unchanged(const struct part_file *p)
{
	struct stat st;

	if (fstat(p->fd, &st) < 0)
		return errno;
	if ((uint64_t)st.st_size != p->bytes)
		return ESTALE;
	/* What we write changes the time, too, even if there is no room. */
	if (!p->start || p->wrote)
		return 0;
	return st.st_mtim.tv_sec == p->modified.tv_sec &&
			       st.st_mtim.tv_nsec == p->modified.tv_nsec
		       ? 0
		       : ESTALE;
}

int part_file_before_write(struct part_file *p)
{
	int num = part_file_unchanged(p);

	p->wrote |= !num;
	return num;
}

/*
 * For a file system without second names: only a FILE that comes between these
 * two calls could be overwritten.  Returns 0 or an errno.
 */
static int part_file_rename_if_absent(const struct part_file *p)
{
	struct stat st;

	if (fstatat(p->dir_fd, p->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return EEXIST;
	if (errno != ENOENT)
		return errno;
	return renameat(p->dir_fd, p->part, p->dir_fd, p->name) < 0 ? errno : 0;
}

/* Never overwrite a FILE that came meanwhile.  Returns 0 or an errno. */
static int part_file_rename(const struct part_file *p)
{
	if (syscall(SYS_renameat2, p->dir_fd, p->part, p->dir_fd, p->name,
		    RENAME_NO_REPLACE) == 0)
		return 0;
	/* The file system or the container does without renameat2(2). */
	if (errno != EINVAL && errno != ENOSYS && errno != EPERM)
		return errno;
	if (linkat(p->dir_fd, p->part, p->dir_fd, p->name, 0) == 0)
		return unlinkat(p->dir_fd, p->part, 0) < 0 ? ECANCELED : 0;
	if (errno != EPERM && errno != ENOSYS && errno != ENOTSUP &&
	    errno != EMLINK)
		return errno;
	return part_file_rename_if_absent(p);
}

/*
 * What a confined process asks the launcher for.  FILE.part may be another
 * receiver's by now.  Returns 0 or an errno.
 */
static int part_file_carry_out(const struct part_file *p, const struct order *o)
{
	const struct durable d = part_file_durable(p);
	struct stat st;
	int num = part_file_named(p, &st);

	if (num)
		return num;
	if (o->kind == ORDER_PART_NOTE)
		return durable_note(&d, o->bytes);
	if (o->kind == ORDER_PART_NAME)
		num = part_file_rename(p);
	else
		num = unlinkat(p->dir_fd, p->part, 0) < 0 ? errno : 0;
	if (!num)
		durable_forget(&d);
	return num;
}

int part_file_obey(const char *path, const struct order *o,
		   const int fds[static 2])
{
	struct part_file p = { .path = path, .dir_fd = fds[0], .fd = fds[1] };
	struct err e = { 0 };

	if (part_file_names(&p, &e) < 0)
		return EINVAL;
	return part_file_carry_out(&p, o);
}

/* part_file_carry_out(), by the launcher if there is one */
static int part_file_order(const struct part_file *p, enum order_kind kind,
			   uint64_t bytes)
{
	const struct order o = { .kind = kind, .bytes = bytes };
	struct order_answer answer;
	struct err e = { 0 };

	if (!order_possible())
		return part_file_carry_out(p, &o);
	if (order_ask_with(&o, (int[]){ p->dir_fd, p->fd }, &answer, &e) == 0)
		return 0;
	/* The error is our own: the launcher may have done it, but is gone. */
	if (kind == ORDER_PART_NAME && e.kind == ERR_STREAM &&
	    e.num != EMFILE && e.num != ENFILE)
		return ECANCELED;
	return e.num ? e.num : EPROTO;
}

/*
 * Returns 0 if the disk has all that was written, or an errno.  A file system
 * of a program (FUSE) or of another host may store it as late as close(2) does:
 * that of a copy says so while our descriptor keeps the lock.
 */
static int part_file_flush(const struct part_file *p)
{
	int copy;

	if (fdatasync(p->fd) < 0)
		return errno;
	copy = dup(p->fd);
	if (copy < 0)
		return err_refuses(errno) ? 0 : errno;
	return close(copy) < 0 ? errno : 0;
}

static int part_file_note(const struct part_file *p)
{
	int num = part_file_flush(p);

	return num ? num : part_file_order(p, ORDER_PART_NOTE, p->synced);
}

/* While the stream runs, the previous note will do. */
static int part_file_note_if_room(const struct part_file *p)
{
	int num = part_file_note(p);

	return num == DURABLE_NO_ROOM ? 0 : num;
}

/* The stream is not complete: what is left for another receiver? */
static int part_file_settle(const struct part_file *p)
{
	int num = part_file_unchanged(p);

	if (num)
		return num;
	return p->bytes ? part_file_note(p)
			: part_file_order(p, ORDER_PART_DROP, 0);
}

/* All is written: give FILE its name. */
static int part_file_finish(const struct part_file *p)
{
	int num = part_file_flush(p);

	if (num || (num = part_file_unchanged(p)))
		return num;
	num = part_file_order(p, ORDER_PART_NAME, 0);
	if (!num)
		return durable_sync_folder(p->dir_fd) ? ECANCELED : 0;
	/* FILE may exist by now.  What is on the disk can be continued. */
	part_file_order(p, ORDER_PART_NOTE, p->bytes);
	return num;
}

/*
 * Fork a process that does work, which may wait long for the disk, and exits
 * with the result.  Returns 0 if there can be none.  output.c has the like for
 * other files.
 */
static pid_t part_file_fork(const struct part_file *p,
			    int (*work)(const struct part_file *p))
{
	pid_t pid = signals_fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		io_close_all_but(0, (int[]){ p->fd, p->dir_fd, order_socket() },
				 3);
		_exit(work(p));
	}
	return pid > 0 ? pid : 0;
}

/* Returns true if no process is left; *num is 0 or its errno. */
static bool part_file_reap(struct part_file *p, int *num)
{
	*num = 0;
	if (!p->sync_pid)
		return true;
	if (!signals_reap(p->sync_pid, num))
		return false;
	p->sync_pid = 0;
	if (*num)
		p->failed = *num;
	return true;
}

/* Do without a process if there can be none: that only costs durability. */
static void part_file_sync(struct part_file *p)
{
	p->synced = p->bytes;
	p->sync_due_ms = clock_deadline(SYNC_MS);
	p->sync_pid = part_file_fork(p, part_file_note_if_room);
}

int part_file_wrote(struct part_file *p, size_t bytes)
{
	int num;

	p->bytes += bytes;
	if (part_file_reap(p, &num) && !num &&
	    (p->bytes - p->synced >= SYNC_BYTES ||
	     (p->bytes > p->synced && clock_now_ms() >= p->sync_due_ms)))
		part_file_sync(p);
	return num;
}

bool part_file_finished(struct part_file *p, int *num)
{
	if (!part_file_reap(p, num))
		return false;
	if (*num || p->finishing)
		return true;
	p->finishing = true;
	p->sync_pid = part_file_fork(p, part_file_finish);
	if (p->sync_pid)
		return false;
	*num = part_file_finish(p);
	return true;
}

/* Wait for the process.  Returns its errno, or ETIMEDOUT: the disk hangs. */
static int part_file_await(struct part_file *p, uint64_t ended_ms,
			   uint64_t *tell_ms)
{
	int num;

	while (!part_file_reap(p, &num)) {
		uint64_t now_ms = clock_now_ms();

		if (now_ms >= ended_ms + LEAVE_MS)
			return ETIMEDOUT;
		if (now_ms >= *tell_ms) {
			*tell_ms = CLOCK_NEVER;
			log_notice("waiting until %s.part is on the disk",
				   p->path);
		}
		poll(NULL, 0, LOOK_MS);
	}
	return num;
}

/* Wait for the running sync, then for the last note.  Returns 0 or an errno. */
static int part_file_await_all(struct part_file *p)
{
	uint64_t ended_ms = clock_now_ms(), tell_ms = ended_ms + SILENT_MS;
	int num = part_file_await(p, ended_ms, &tell_ms);

	if (num)
		return num;
	p->synced = p->bytes;
	p->sync_pid = part_file_fork(p, part_file_settle);
	return p->sync_pid ? part_file_await(p, ended_ms, &tell_ms)
			   : part_file_settle(p);
}

/*
 * What arrived since the last sync is kept, too.  But the kernel reports a
 * failed write once: after a failed sync the next one would succeed, and lie.
 */
static void part_file_leave(struct part_file *p)
{
	int num = p->failed ? p->failed : part_file_await_all(p);

	if (num == ESTALE)
		log_notice("%s.part was changed, removed or replaced: it may "
			   "be impossible to continue it",
			   p->path);
	else if (num)
		log_notice(
			"%s.part keeps only what was noted before: %s", p->path,
			num == DURABLE_NO_ROOM ? "there is no room to note more"
			: num == ETIMEDOUT
				? "the disk or the launcher does not answer"
				: strerror(num));
	else if (p->bytes)
		log_notice("%s.part keeps the first %" PRIu64
			   " bytes of the stream",
			   p->path, p->bytes);
}

void part_file_close(struct part_file *p)
{
	if (p->fd >= 0 && p->opened && !p->finishing)
		part_file_leave(p);
	attr_close(&p->fd);
	attr_close(&p->dir_fd);
	digest_free(p->digest);
	p->digest = NULL;
}
