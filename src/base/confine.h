/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Give up all that a process no longer needs once it only carries bytes: root,
 * groups, capabilities, files (Landlock), most system calls (seccomp).
 * Ref: prctl(2) PR_SET_NO_NEW_PRIVS, landlock(7), seccomp(2).
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"

/* The user that a confined process of root becomes; else nobody. */
#define CONFINE_USER "btrfs-ktls-pipe"
enum { CONFINE_NOBODY = 65534 };

/* How far a process is confined */
struct confine {
	bool privileges; /* no user, group or capability of root */
	bool files; /* Landlock */
	unsigned int calls; /* system calls that are left; 0: all */
	uid_t uid;
	char missing[400]; /* what does not hold and why, or "" */
	bool serious; /* more is missing than Landlock */
};

/* What a confined process keeps all the same */
enum confine_keeps {
	/*
	 * raise(3).  Children inherit the filter, and so can signal this
	 * process, too: not for the listener of --keep.
	 */
	CONFINE_KEEPS_RAISE = 1,
	CONFINE_KEEPS_USER = 2, /* see confine_admits() */
};

/*
 * Confine this process and its future children, for good, as far as the kernel
 * allows it.  What does not hold is in c->missing.  keeps: confine_keeps, or 0.
 */
void confine_enter(struct confine *c, unsigned int keeps);

/*
 * Will a file still work once confine_enter() has changed the user?  Some file
 * systems look at the user at each call.  FUSE without allow_other refuses
 * fstat(2), for example, to all but the one who mounted it.  Tried in a process
 * of its own.
 */
bool confine_admits(int fd);

/*
 * For a confined process that starts no other one: it can no longer fork, and
 * its limit on open files is halved.  That limit also bounds the descriptors in
 * flight of its user (unix(7), ETOOMANYREFS); the other half is for other
 * processes.  Returns as setrlimit(2).
 */
int confine_limit(void);

/*
 * Give up root, groups and capabilities alone, for a process that needs files.
 * Returns 0, or -1 with errno set: some are left.
 */
int confine_drop(void);

/* Try confine_enter() in a process of its own, to learn what would hold. */
void confine_try(struct confine *c);

/* Can no file be opened?  Seccomp leaves no system call that opens one. */
bool confine_forbids_files(const struct confine *c);

/* "user 65534, no files, 61 system calls", or "no" */
enum { CONFINE_TEXT_BYTES = 80 };
void confine_text(const struct confine *c,
		  char text[static CONFINE_TEXT_BYTES]);
