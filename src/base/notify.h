/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells the service manager, if one started us, the state of the service: the
 * protocol of sd_notify(3), without libsystemd.  The connection to it, and what
 * it has yet to be told, are global.
 *
 * Nothing here waits or fails.  Only the latest state and the latest status
 * count: while there is no room for them, notify_tick() tries again.
 */
#pragma once

#include "base/cleanup.h"

/*
 * Connect to NOTIFY_SOCKET.  Removes NOTIFY_SOCKET, WATCHDOG_USEC and
 * WATCHDOG_PID from the environment: they are not for COMMAND.
 */
void notify_init(void);

/* Does a service manager listen? */
bool notify_is_on(void);

enum notify_state {
	NOTIFY_READY = 1, /* the service works; also after a reload */
	NOTIFY_RELOADING, /* until NOTIFY_READY */
	NOTIFY_STOPPING, /* final */
};

/* Tell it the state, at once or as soon as its socket has room. */
void notify_set(enum notify_state state);

/* One line for people, shortened to 200 characters. */
void notify_status(const char *fmt, ...) attr_printf(1, 2);

/*
 * Call at notify_due() at the latest, in clock_now_ms() time.  Sends a sign of
 * life, if the service manager wants them, and what had no room before.
 */
uint64_t notify_due(void);
void notify_tick(void);

/* In a forked process that the service manager must not hear. */
void notify_after_fork(void);
