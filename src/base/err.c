// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *err_remedy(int num)
{
	switch (num) {
	case EMFILE:
		return " (raise the limit on open files: ulimit -n, or "
		       "LimitNOFILE= in a unit)";
	case ENFILE:
		return " (raise the sysctl fs.file-max)";
	case EFBIG:
		return " (raise the limit on the size of a file: ulimit -f, or "
		       "LimitFSIZE= in a unit; or use a file system that "
		       "allows larger files)";
	case ENOMEM:
		return " (free memory, or raise the limit on it: ulimit -v, or "
		       "MemoryMax= in a unit)";
	}
	return "";
}

int err_set(struct err *e, enum err_kind kind, int num, const char *fmt, ...)
{
	va_list ap;
	int n;

	e->kind = kind;
	e->num = num;
	va_start(ap, fmt);
	n = vsnprintf(e->msg, sizeof e->msg, fmt, ap);
	va_end(ap);
	if (num && n >= 0 && (size_t)n < sizeof e->msg)
		snprintf(e->msg + n, sizeof e->msg - (size_t)n, ": %s%s",
			 strerror(num), err_remedy(num));
	return -1;
}

int err_memory(struct err *e)
{
	return err_set(e, ERR_BUG, 0, "out of memory%s", err_remedy(ENOMEM));
}

bool err_refuses(int num)
{
	return num == EPERM || num == ENOSYS;
}

int err_call(struct err *e, enum err_kind kind, const char *call,
	     const char *fmt, ...)
{
	char what[sizeof e->msg / 2];
	int num = errno;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	/* More descriptors than the process may have open: its only cause */
	if (num == EINVAL && !strcmp(call, "poll"))
		num = EMFILE;
	if (!err_refuses(num)) {
		err_set(e, kind, num, "%s", what);
		if (num == EAGAIN &&
		    (strstr(call, "clone") || strstr(call, "execve")))
			err_append(e, " (raise the limit on processes: "
				      "ulimit -u, or TasksMax= in a unit)");
		if (num == ENOSPC && !strcmp(call, "epoll_ctl"))
			err_append(e, " (raise the sysctl "
				      "fs.epoll.max_user_watches)");
		return -1;
	}
	err_set(e, kind, num, "%s: %s", what, call);
	return err_append(e,
			  " (allow %s in this container's system call list "
			  "(seccomp), or use a newer kernel)",
			  call);
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char context[sizeof e->msg / 2];
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	vsnprintf(context, sizeof context - 2, fmt, ap);
	va_end(ap);
	strcat(context, ": ");
	len = strlen(context);
	memmove(e->msg + len, e->msg, sizeof e->msg - len);
	memcpy(e->msg, context, len);
	e->msg[sizeof e->msg - 1] = '\0';
	return -1;
}

int err_append(struct err *e, const char *fmt, ...)
{
	size_t n = strlen(e->msg);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->msg + n, sizeof e->msg - n, fmt, ap);
	va_end(ap);
	return -1;
}
