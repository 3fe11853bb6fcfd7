// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/command_group.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAITS_MAX = 20 };

void command_group_init(struct command_group *g, pid_t group, int fd)
{
	struct stat st = { 0 };

	fstat(fd, &st);
	*g = (struct command_group){ .group = group,
				     .dev = st.st_dev,
				     .ino = st.st_ino };
}

bool command_group_lives(const struct command_group *g)
{
	return kill(-g->group, 0) == 0 || errno == EPERM;
}

enum holds { HOLDS_NOT, HOLDS, IS_ENDING };

/* A process that is ending closes everything before it becomes a zombie. */
static enum holds command_group_ask(const struct command_group *g, pid_t pid)
{
	char path[32];
	struct dirent *d;
	struct stat st;
	bool found = false, any = false;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir)
		return errno == EACCES || errno == EPERM ? HOLDS : IS_ENDING;
	while (!found && (d = readdir(dir))) {
		if (*d->d_name == '.')
			continue;
		any = true;
		found = fstatat(dirfd(dir), d->d_name, &st, 0) == 0 &&
			st.st_dev == g->dev && st.st_ino == g->ino;
	}
	closedir(dir);
	return found ? HOLDS : any ? HOLDS_NOT : IS_ENDING;
}

static bool command_group_look(struct command_group *g, bool *ending)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;
	bool any = false;

	if (!proc)
		return command_group_lives(g);
	while ((d = readdir(proc))) {
		pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);
		enum holds holds;

		if (pid <= 0 || getpgid(pid) != g->group)
			continue;
		holds = command_group_ask(g, pid);
		*ending |= holds == IS_ENDING;
		if (holds != HOLDS)
			continue;
		any = true;
		if (!command_group_held(g, pid) && g->count < COMMAND_GROUP_MAX)
			g->holders[g->count++] = pid;
	}
	closedir(proc);
	return any;
}

bool command_group_find(struct command_group *g)
{
	bool ending = false;

	/*
	 * Look twice: a process that forks and exits meanwhile has a new pid.
	 */
	if (command_group_lives(g) &&
	    (command_group_look(g, &ending) || command_group_look(g, &ending)))
		return true;
	return ending && g->waits++ < WAITS_MAX;
}

bool command_group_held(const struct command_group *g, pid_t pid)
{
	for (size_t i = 0; i < g->count; i++)
		if (g->holders[i] == pid)
			return true;
	return false;
}
