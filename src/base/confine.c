// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/compat.h"
#include "base/confine_calls.h"

enum { FILES_MIN = 512 }; /* see confine_limit() */

/* struct landlock_ruleset_attr of the newest version that we know (6.12) */
struct landlock_rights {
	uint64_t fs, net, scoped;
};

/* The rights that Landlock of this version can take away. */
static struct landlock_rights confine_rights(long version)
{
	struct landlock_rights r = { .fs = (1 << 13) - 1 };

	if (version >= 2)
		r.fs |= 1 << 13; /* REFER */
	if (version >= 3)
		r.fs |= 1 << 14; /* TRUNCATE */
	if (version >= 4)
		r.net = 3; /* BIND_TCP, CONNECT_TCP */
	if (version >= 5)
		r.fs |= 1 << 15; /* IOCTL_DEV */
	if (version >= 6)
		r.scoped = 3; /* abstract unix sockets, signals */
	return r;
}

/* A ruleset without rules: nothing can be opened, made, renamed, executed. */
static int confine_files(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
	struct landlock_rights r = confine_rights(version);
	size_t size = version >= 6   ? sizeof r
		      : version >= 4 ? 2 * sizeof r.fs
				     : sizeof r.fs;
	autoclose int fd = -1;

	if (CONFINE_SANITIZED)
		errno = ENOTSUP;
	if (CONFINE_SANITIZED || version <= 0)
		return -1;
	fd = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
	return fd < 0 ? -1 : (int)syscall(SYS_landlock_restrict_self, fd, 0);
}

/* Read the file alone: other sources (nsswitch.conf(5)) may make us wait. */
static void confine_find_user(uid_t *uid, gid_t *gid)
{
	FILE *file = fopen("/etc/passwd", "re");
	struct passwd *p;

	*uid = *gid = CONFINE_NOBODY;
	while (file && (p = fgetpwent(file)))
		if (!strcmp(p->pw_name, CONFINE_USER) && p->pw_uid) {
			*uid = p->pw_uid;
			*gid = p->pw_gid;
			break;
		}
	if (file)
		fclose(file);
}

static int confine_user(uid_t uid, gid_t gid)
{
	if (geteuid() != 0)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0)
		return -1;
	return 0;
}

/* A process that is not root may have some, too. */
static int confine_capabilities(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct none[2] = { { 0 } };

	return (int)syscall(SYS_capset, &header, none);
}

int confine_drop(void)
{
	uid_t uid;
	gid_t gid;

	confine_find_user(&uid, &gid);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
			       confine_user(uid, gid) < 0 ||
			       confine_capabilities() < 0
		       ? -1
		       : 0;
}

attr_printf(2, 3) static void confine_miss(struct confine *c, const char *fmt,
					   ...)
{
	size_t len = strlen(c->missing);
	va_list ap;

	if (len + 3 > sizeof c->missing)
		return;
	if (len)
		len += (size_t)sprintf(c->missing + len, "; ");
	va_start(ap, fmt);
	vsnprintf(c->missing + len, sizeof c->missing - len, fmt, ap);
	va_end(ap);
}

/* Does this step hold?  ret: -1 with errno set if it does not. */
static bool confine_holds(struct confine *c, int ret, const char *step)
{
	if (ret < 0)
		confine_miss(c, "%s: %s", step, strerror(errno));
	return ret >= 0;
}

int confine_limit(void)
{
	struct rlimit none = { 0, 0 }, files;

	if (setrlimit(RLIMIT_NPROC, &none) < 0 ||
	    getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -1;
	/* A small limit leaves nothing to share. */
	if (files.rlim_cur <= FILES_MIN)
		return 0;
	files.rlim_cur /= 2;
	files.rlim_max = files.rlim_cur;
	return setrlimit(RLIMIT_NOFILE, &files);
}

void confine_enter(struct confine *c, unsigned int keeps)
{
	struct err e = { 0 };
	char become[40];
	uid_t uid;
	gid_t gid;
	char random;

	*c = (struct confine){ .uid = geteuid(), .serious = true };
	/* GnuTLS would open a file each time that it needs random bytes. */
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0 &&
	    err_refuses(errno)) {
		confine_miss(c, "getrandom: %s: random bytes come from a file",
			     strerror(errno));
		return;
	}
	confine_find_user(&uid, &gid);
	snprintf(become, sizeof become, "cannot become user %u",
		 (unsigned int)uid);
	c->privileges = confine_holds(c, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
				      "no_new_privs");
	c->files = confine_holds(c, confine_files(), "Landlock");
	if (keeps & CONFINE_KEEPS_USER) {
		uid = gid = 0;
		c->privileges = false;
		confine_miss(c, "user 0 stays: the file system of the input or "
				"output admits no other user; if it is FUSE, "
				"mount it with allow_other");
	}
	c->privileges &= confine_holds(c, confine_user(uid, gid), become);
	c->privileges &= confine_holds(c, confine_capabilities(), "capset");
	/* The change of user set it to the sysctl fs.suid_dumpable. */
	c->privileges &= confine_holds(
		c, prctl(PR_SET_DUMPABLE, CONFINE_SANITIZED, 0, 0, 0),
		"PR_SET_DUMPABLE");
	c->uid = geteuid();
	c->serious = !c->privileges;
	if (confine_calls(keeps & CONFINE_KEEPS_RAISE, &c->calls, &e) < 0) {
		confine_miss(c, "%s", e.msg);
		c->serious = true;
	} else if (CONFINE_SOCKETCALL) {
		confine_miss(c, "the arguments of socket calls are not limited "
				"on this machine");
	}
}

void confine_try(struct confine *c)
{
	autoclose_pair int ends[2] = { -1, -1 };
	pid_t pid = -1;

	*c = (struct confine){ .missing = "no process to try it",
			       .serious = true };
	if (pipe2(ends, O_CLOEXEC) == 0)
		pid = fork();
	if (pid == 0) {
		struct confine tried;

		confine_enter(&tried, CONFINE_KEEPS_RAISE);
		_exit(write(ends[1], &tried, sizeof tried) < 0);
	}
	attr_close(&ends[1]);
	if (pid > 0) {
		/* So short a message is read whole, or not at all: pipe(7). */
		while (read(ends[0], c, sizeof *c) < 0 && errno == EINTR)
			;
		waitpid(pid, NULL, 0);
	}
}

/* Ask the file system itself, not what the kernel remembers. */
static int confine_examine(int fd)
{
	struct statx st;

	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC,
		     STATX_BASIC_STATS, &st);
}

bool confine_admits(int fd)
{
	int wstatus = 0;
	struct stat st;
	pid_t pid;

	if (geteuid() != 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return true;
	pid = fork();
	if (pid == 0)
		_exit(confine_examine(fd) == 0 && confine_drop() == 0 &&
		      confine_examine(fd) < 0);
	while (pid > 0 && waitpid(pid, &wstatus, 0) < 0 && errno == EINTR)
		;
	return !WIFEXITED(wstatus) || !WEXITSTATUS(wstatus);
}

bool confine_forbids_files(const struct confine *c)
{
	return c->files || c->calls;
}

void confine_text(const struct confine *c, char text[static CONFINE_TEXT_BYTES])
{
	size_t len = 0;

	*text = '\0';
	if (c->privileges)
		len = (size_t)snprintf(text, CONFINE_TEXT_BYTES, "user %u",
				       (unsigned int)c->uid);
	if (confine_forbids_files(c))
		len += (size_t)snprintf(text + len, CONFINE_TEXT_BYTES - len,
					"%sno files", len ? ", " : "");
	if (c->calls)
		len += (size_t)snprintf(text + len, CONFINE_TEXT_BYTES - len,
					"%s%u system calls", len ? ", " : "",
					c->calls);
	if (!len)
		snprintf(text, CONFINE_TEXT_BYTES, "no");
}
