// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/command_group.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAITS_MAX = 20 };

void command_group_init(struct command_group *g, pid_t command, int fd)
{
	/* Both processes do it, and one is first. */
	bool failed = setpgid(command, command) < 0;
	struct stat st;

	*g = (struct command_group){ .group = command };
	g->shared = failed && getpgid(command) != command;
	g->ino = fstat(fd, &st) < 0 ? 0 : st.st_ino;
}

void command_group_release(struct command_group *g)
{
	if (g->keeper)
		waitpid(g->keeper, NULL, __WCLONE);
	g->keeper = 0;
	g->gone = true;
}

int command_group_signal(const struct command_group *g, int sig)
{
	errno = ESRCH;
	return g->gone || g->shared || g->unkept ? -1 : kill(-g->group, sig);
}

/* A member is our child, unless its parent lives and left the group. */
static bool command_group_has_child(const struct command_group *g)
{
	siginfo_t ignored;

	return waitid(g->shared ? P_ALL : P_PGID, (id_t)g->group, &ignored,
		      WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* Is pid a member?  Sets blind if that cannot be known. */
static bool command_group_has(struct command_group *g, pid_t pid)
{
	siginfo_t ignored;
	pid_t group;

	if (g->shared)
		return waitid(P_PID, (id_t)pid, &ignored,
			      WEXITED | WNOHANG | WNOWAIT) == 0;
	group = getpgid(pid);
	g->blind |= group < 0 && errno != ESRCH;
	return group == g->group;
}

bool command_group_owns(const struct command_group *g, pid_t pid)
{
	pid_t group = getpgid(pid);

	return g->shared || group == g->group || group < 0;
}

enum holds { HOLDS_NOT, HOLDS, IS_ENDING };

/* What /proc says of a process that has ended */
static bool command_group_is_gone(int num)
{
	return num == ENOENT || num == ESRCH;
}

/*
 * Is this descriptor the stream's?  A process that is gone has none; one that
 * cannot be looked at for another reason may be.  The link is read, because
 * following it could ask a file system that does not answer.
 */
static bool command_group_is_stream(const struct command_group *g, int dir_fd,
				    const char *name)
{
	char link[64] = "", stream[64];

	if (!g->ino)
		return true;
	if (readlinkat(dir_fd, name, link, sizeof link - 1) < 0)
		return !command_group_is_gone(errno);
	snprintf(stream, sizeof stream, "pipe:[%ju]", (uintmax_t)g->ino);
	return !strcmp(link, stream);
}

/* A process that is ending closes everything before it becomes a zombie. */
static enum holds command_group_ask(const struct command_group *g, pid_t pid)
{
	char path[32];
	struct dirent *d;
	bool found = false, any = false;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir)
		return command_group_is_gone(errno) ? IS_ENDING : HOLDS;
	while (!found && (errno = 0, d = readdir(dir))) {
		if (*d->d_name == '.')
			continue;
		any = true;
		found = command_group_is_stream(g, dirfd(dir), d->d_name);
	}
	found |= errno && !command_group_is_gone(errno);
	closedir(dir);
	return found ? HOLDS : any ? HOLDS_NOT : IS_ENDING;
}

/* Is /proc there, and of our PID namespace? */
static bool command_group_proc_is_ours(void)
{
	char self[16] = "", ours[16];

	snprintf(ours, sizeof ours, "%d", (int)getpid());
	return readlink("/proc/self", self, sizeof self - 1) > 0 &&
	       !strcmp(self, ours);
}

static bool command_group_is_hidden(pid_t pid)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof path, "/proc/%d", (int)pid);
	return lstat(path, &st) < 0;
}

/* Our own zombie, or COMMAND, whose end waitid(2) reports */
static bool command_group_is_known(const struct command_group *g, pid_t pid)
{
	return pid == g->keeper || pid == g->group;
}

/* What a look at all processes shows of the group */
struct seen {
	bool member, holder, ending;
};

/* A free place, or that of a member that is gone and never had the stream */
static struct command_member *command_group_room(struct command_group *g)
{
	if (g->count < COMMAND_GROUP_MAX)
		return &g->members[g->count++];
	for (size_t i = 0; i < g->count; i++)
		if (!g->members[i].holds &&
		    !command_group_has(g, g->members[i].pid))
			return &g->members[i];
	return NULL;
}

static struct command_member *command_group_find_member(struct command_group *g,
							pid_t pid)
{
	for (size_t i = 0; i < g->count; i++)
		if (g->members[i].pid == pid)
			return &g->members[i];
	return NULL;
}

static void command_group_add(struct command_group *g, struct seen *seen,
			      pid_t pid, enum holds holds)
{
	struct command_member *m = command_group_find_member(g, pid);

	seen->member = true;
	seen->ending |= holds == IS_ENDING;
	seen->holder |= holds == HOLDS;
	/* COMMAND could have waited for one that ends when COMMAND does. */
	if (holds == IS_ENDING && g->was_held)
		return;
	if (holds == HOLDS)
		g->holder = pid;
	if (!m && (m = command_group_room(g)))
		*m = (struct command_member){ .pid = pid };
	if (m)
		m->holds |= holds == HOLDS;
}

/*
 * /proc may hide members (proc(5), hidepid).  Those in the list of our children
 * may have the stream.  Without that list (CONFIG_PROC_CHILDREN) we are blind
 * if even process 1 is hidden.
 */
static void command_group_look_for_hidden(struct command_group *g,
					  struct seen *seen)
{
	char path[48];
	FILE *children;
	int pid;

	snprintf(path, sizeof path, "/proc/self/task/%d/children",
		 (int)getpid());
	children = fopen(path, "re");
	if (!children) {
		g->blind |= command_group_is_hidden(1);
		return;
	}
	while (fscanf(children, "%d", &pid) == 1) {
		if (!command_group_is_known(g, pid) &&
		    command_group_has(g, pid) && command_group_is_hidden(pid))
			command_group_add(g, seen, pid, HOLDS);
	}
	fclose(children);
}

static struct seen command_group_look(struct command_group *g)
{
	DIR *proc = command_group_proc_is_ours() ? opendir("/proc") : NULL;
	struct seen seen = { .member = false };
	struct dirent *d;

	g->blind = !proc;
	while (proc && (errno = 0, d = readdir(proc))) {
		pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);

		if (pid > 0 && !command_group_is_known(g, pid) &&
		    command_group_has(g, pid))
			command_group_add(g, &seen, pid,
					  command_group_ask(g, pid));
	}
	g->blind |= proc && errno;
	if (proc) {
		closedir(proc);
		command_group_look_for_hidden(g, &seen);
	}
	seen.member |= g->blind && command_group_has_child(g);
	seen.holder |= g->blind && seen.member;
	return seen;
}

/* A process that forks and exits during a look has a new pid: look again. */
static struct seen command_group_look_twice(struct command_group *g)
{
	struct seen seen = command_group_look(g);

	return !seen.holder && (seen.member || command_group_has_child(g))
		       ? command_group_look(g)
		       : seen;
}

int command_group_keep(struct command_group *g)
{
	pid_t pid;
	int num;

	if (g->shared)
		return 0;
	/* Flags 0: its end sends no SIGCHLD, and no wait of ours reaps it. */
	pid = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
	num = errno;
	if (pid == 0)
		_exit(0);
	if (pid > 0) {
		g->keeper = pid;
		/* COMMAND may have gone to another group or session. */
		g->unkept = setpgid(pid, g->group) < 0;
		return 0;
	}
	g->gone = !command_group_look_twice(g).holder;
	errno = num;
	return g->gone ? 0 : -1;
}

bool command_group_lives(struct command_group *g)
{
	return !g->gone &&
	       (command_group_has_child(g) || command_group_look(g).member);
}

bool command_group_find(struct command_group *g)
{
	struct seen seen = { .member = false };

	if (!g->gone)
		seen = command_group_look_twice(g);
	g->was_held |= seen.holder;
	return seen.holder || (seen.ending && g->waits++ < WAITS_MAX);
}

enum command_group_counts command_group_counts(struct command_group *g,
					       pid_t pid, bool is_member)
{
	const struct command_member *m = command_group_find_member(g, pid);

	if (m && (m->holds || (is_member && g->blind)))
		return COMMAND_GROUP_COUNTS;
	return !m && is_member && g->was_held ? COMMAND_GROUP_UNKNOWN
					      : COMMAND_GROUP_IGNORES;
}
