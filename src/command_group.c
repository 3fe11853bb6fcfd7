// SPDX-License-Identifier: GPL-2.0-or-later
#include "command_group.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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

static bool command_group_has_pipe(const struct command_group *g, pid_t pid)
{
	char path[32];
	struct dirent *d;
	struct stat st;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return errno == EACCES || errno == EPERM;
	while (!found && (d = readdir(dir)))
		found = fstatat(dirfd(dir), d->d_name, &st, 0) == 0 &&
			st.st_dev == g->dev && st.st_ino == g->ino;
	closedir(dir);
	return found;
}

static bool command_group_look(struct command_group *g)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;
	bool any = false;

	if (!proc)
		return command_group_lives(g);
	while ((d = readdir(proc))) {
		pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);

		if (pid <= 0 || getpgid(pid) != g->group ||
		    !command_group_has_pipe(g, pid))
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
	/* One that forks and exits while we look has another number then. */
	return command_group_lives(g) &&
	       (command_group_look(g) || command_group_look(g));
}

bool command_group_held(const struct command_group *g, pid_t pid)
{
	for (size_t i = 0; i < g->count; i++)
		if (g->holders[i] == pid)
			return true;
	return false;
}
