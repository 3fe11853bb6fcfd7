// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"

enum {
	RETRY_MS = 500, /* if the socket of the service manager is full */
	STATUS_BYTES = 201,
};

static struct {
	int fd; /* a connected datagram socket; -1: nobody listens */
	enum notify_state state; /* 0: nothing was said yet */
	char status[STATUS_BYTES];
	bool state_pending, status_pending; /* not sent yet */
	uint64_t retry_ms; /* when to send what is pending */
	uint64_t watchdog_ms; /* between signs of life; 0: none are wanted */
	uint64_t watchdog_due_ms;
} notify = { .fd = -1 };

/*
 * Move a variable from the environment to out, shortened to size.  Returns
 * false if it is not set.
 */
static bool notify_take(const char *name, char *out, size_t size)
{
	const char *value = getenv(name);

	snprintf(out, size, "%s", value ? value : "");
	unsetenv(name);
	return value;
}

/* An absolute path, or '@' and the name of an abstract socket: unix(7) */
static int notify_connect(const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	autoclose int fd = -1;

	if ((*name != '/' && *name != '@') || !name[1] ||
	    len >= sizeof sa.sun_path) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	memcpy(sa.sun_path, name, len);
	if (*name == '@')
		sa.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	len += offsetof(struct sockaddr_un, sun_path) + (*name == '/');
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, (socklen_t)len) < 0)
		return -1;
	return steal_fd(&fd);
}

/* Send signs of life twice as often as asked: sd_watchdog_enabled(3) */
static void notify_init_watchdog(const char *usec, const char *pid)
{
	struct err ignored = { 0 };
	uint64_t us, ours;

	if (*pid && (parse_uint(pid, 1, INT32_MAX, &ours, &ignored) < 0 ||
		     ours != (uint64_t)getpid()))
		return;
	if (parse_uint(usec, 1, UINT64_MAX, &us, &ignored) < 0) {
		log_notice("WATCHDOG_USEC is not a number: no signs of life");
		return;
	}
	notify.watchdog_ms = us < 2000 ? 1 : us / 2000;
}

void notify_init(void)
{
	char path[sizeof(struct sockaddr_un)], usec[24], pid[24];
	bool on = notify_take("NOTIFY_SOCKET", path, sizeof path);
	bool watched = notify_take("WATCHDOG_USEC", usec, sizeof usec);

	notify_take("WATCHDOG_PID", pid, sizeof pid);
	notify_after_fork();
	memset(&notify, 0, sizeof notify);
	notify.fd = -1;
	if (!on || !*path)
		return;
	notify.fd = notify_connect(path);
	if (notify.fd < 0)
		log_notice("cannot tell the service manager anything: "
			   "NOTIFY_SOCKET %s: %s",
			   path, strerror(errno));
	else if (watched)
		notify_init_watchdog(usec, pid);
}

bool notify_is_on(void)
{
	return notify.fd >= 0;
}

/* What is pending, as one datagram, which is large enough for all of it */
static void notify_write(char *text, size_t size, bool alive)
{
	static const char *const states[] = {
		[NOTIFY_READY] = "READY=1\n",
		[NOTIFY_RELOADING] = "RELOADING=1\n",
		[NOTIFY_STOPPING] = "STOPPING=1\n",
	};
	bool status = notify.status_pending;
	struct timespec now = { 0 };
	char when[48] = "";

	/* The service manager compares this with its own clock. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (notify.state_pending && notify.state == NOTIFY_RELOADING)
		snprintf(when, sizeof when, "MONOTONIC_USEC=%" PRIu64 "\n",
			 (uint64_t)now.tv_sec * 1000000 +
				 (uint64_t)now.tv_nsec / 1000);
	snprintf(text, size, "%s%s%s%s%s%s",
		 notify.state_pending ? states[notify.state] : "", when,
		 status ? "STATUS=" : "", status ? notify.status : "",
		 status ? "\n" : "", alive ? "WATCHDOG=1\n" : "");
}

/*
 * Send what is pending and, if alive, a sign of life: in one datagram or not at
 * all.  notify.fd is open, and at least one of them is to be sent.
 */
static void notify_flush(bool alive)
{
	char text[STATUS_BYTES + 128];

	notify_write(text, sizeof text, alive);
	if (send(notify.fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) <
	    0) {
		notify.retry_ms = clock_deadline(RETRY_MS);
		if (alive)
			notify.watchdog_due_ms = notify.retry_ms;
		log_debug("cannot tell the service manager now: %s",
			  strerror(errno));
		return;
	}
	notify.state_pending = notify.status_pending = false;
	if (alive)
		notify.watchdog_due_ms = clock_deadline(notify.watchdog_ms);
}

void notify_set(enum notify_state state)
{
	if (notify.fd < 0 || notify.state == NOTIFY_STOPPING)
		return;
	notify.state = state;
	notify.state_pending = true;
	notify_flush(false);
}

void notify_status(const char *fmt, ...)
{
	char status[STATUS_BYTES];
	va_list ap;

	if (notify.fd < 0)
		return;
	va_start(ap, fmt);
	vsnprintf(status, sizeof status, fmt, ap);
	va_end(ap);
	/* A newline would begin another assignment. */
	log_defuse(status, strlen(status));
	if (!strcmp(status, notify.status))
		return;
	strcpy(notify.status, status);
	notify.status_pending = true;
	notify_flush(false);
}

uint64_t notify_due(void)
{
	uint64_t due_ms = CLOCK_NEVER;

	if (notify.fd < 0)
		return CLOCK_NEVER;
	if (notify.watchdog_ms)
		due_ms = notify.watchdog_due_ms;
	if (notify.state_pending || notify.status_pending)
		due_ms = clock_earlier(due_ms, notify.retry_ms);
	return due_ms;
}

void notify_tick(void)
{
	uint64_t now = clock_now_ms();

	if (now >= notify_due())
		notify_flush(notify.watchdog_ms &&
			     now >= notify.watchdog_due_ms);
}

void notify_after_fork(void)
{
	attr_close(&notify.fd);
}
