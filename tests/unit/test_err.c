// SPDX-License-Identifier: GPL-2.0-or-later
/* err: messages of one line that never exceed the buffer. */
#include <errno.h>

#include "base/err.h"
#include "tap.h"

#define ROOM (sizeof((struct err *)0)->msg)

/* An error, and a fence behind it that must not change. */
static struct {
	struct err e;
	char fence[64];
} guarded;

/* The longest that fits, and one longer by less than the fence */
static char longest[ROOM], longer[ROOM + 32];

static void reset(void)
{
	memset(&guarded, 0x55, sizeof guarded);
	guarded.e = (struct err){ 0 };
}

static bool fits(void)
{
	for (size_t i = 0; i < sizeof guarded.fence; i++)
		if (guarded.fence[i] != 0x55)
			return false;
	return memchr(guarded.e.msg, '\0', ROOM);
}

static void test_set(void)
{
	struct err *e = &guarded.e;

	reset();
	is_int(err_set(e, ERR_NET, ECONNREFUSED, "cannot connect to %s", "x"),
	       -1, "err_set returns -1");
	is_int(e->kind, ERR_NET, "err_set keeps the kind");
	is_int(e->num, ECONNREFUSED, "err_set keeps the number");
	is_str(e->msg, "cannot connect to x: Connection refused",
	       "err_set appends what the number means");
	err_set(e, ERR_NET, EMFILE, "cannot listen");
	ok(strstr(e->msg, strerror(EMFILE)) && strstr(e->msg, " (raise ") &&
		   strstr(e->msg, "ulimit -n"),
	   "err_set names the limit that is to be raised: %s", e->msg);
	err_set(e, ERR_BUG, ENOMEM, "no buffer");
	ok(strstr(e->msg, "ulimit -v"), "that on memory, too: %s", e->msg);
	err_set(e, ERR_NET, ENFILE, "cannot listen");
	ok(strstr(e->msg, "fs.file-max"), "that of all processes: %s", e->msg);
	is_int(err_memory(e), -1, "err_memory returns -1");
	ok(strstr(e->msg, "out of memory") && strstr(e->msg, "ulimit -v"),
	   "with the remedy, and needs none: %s", e->msg);
	errno = EINVAL;
	err_call(e, ERR_NET, "poll", "cannot wait");
	ok(strstr(e->msg, "ulimit -n"),
	   "what poll(2) says above the limit on files: %s", e->msg);
	err_set(e, ERR_KEY, 0, "%d%%", 7);
	is_str(e->msg, "7%", "err_set without a number appends nothing");
	is_int(e->num, 0, "err_set replaces the number");
}

static void test_wrap(void)
{
	struct err *e = &guarded.e;

	reset();
	err_set(e, ERR_KEY, ENOENT, "cannot be opened");
	is_int(err_wrap(e, "key file %s", "k"), -1, "err_wrap returns -1");
	is_str(e->msg,
	       "key file k: cannot be opened: No such file or directory",
	       "err_wrap puts context in front");
	ok(e->kind == ERR_KEY && e->num == ENOENT,
	   "err_wrap keeps kind and number");
	is_int(err_append(e, " (%s)", "remedy"), -1, "err_append returns -1");
	is_str(e->msg,
	       "key file k: cannot be opened: No such file or directory "
	       "(remedy)",
	       "err_append puts it behind");
	ok(e->kind == ERR_KEY && e->num == ENOENT,
	   "err_append keeps kind and number");
}

static void test_truncation(void)
{
	struct err *e = &guarded.e;

	memset(longest, 'x', sizeof longest - 1);
	memset(longer, 'y', sizeof longer - 1);

	reset();
	err_set(e, ERR_NET, EPIPE, "%s", longer);
	ok(fits() && strlen(e->msg) == ROOM - 1, "err_set cuts a long message");
	reset();
	err_set(e, ERR_NET, EPIPE, "%s", longest);
	ok(fits() && !strcmp(e->msg, longest),
	   "err_set leaves the number's text out where none fits");
	reset();
	err_set(e, ERR_NET, EPIPE, "%s", longest + 4);
	ok(fits() && !strcmp(e->msg + ROOM - 6, "x: Br"),
	   "err_set cuts the number's text");
	reset();
	err_set(e, ERR_NET, 0, "%s", longest);
	err_wrap(e, "ab");
	ok(fits() && !strncmp(e->msg, "ab: xxx", 7) &&
		   strlen(e->msg) == ROOM - 1,
	   "err_wrap cuts the old message at its end");
	err_wrap(e, "%s", longer);
	ok(fits() && e->msg[0] == 'y' && strlen(e->msg) == ROOM - 1,
	   "err_wrap cuts a long context");
	err_append(e, "z");
	ok(fits() && strlen(e->msg) == ROOM - 1 && !strchr(e->msg, 'z'),
	   "err_append to a full message changes nothing");
	reset();
	err_set(e, ERR_NET, 0, "a");
	err_append(e, "%s", longer);
	ok(fits() && !strncmp(e->msg, "ayy", 3) && strlen(e->msg) == ROOM - 1,
	   "err_append cuts what it appends");
}

static void test_call(void)
{
	struct err *e = &guarded.e;

	reset();
	errno = EMFILE;
	is_int(err_call(e, ERR_NET, "pipe2", "cannot make %d pipes", 2), -1,
	       "err_call returns -1");
	ok(!strncmp(e->msg, "cannot make 2 pipes: ", 21) &&
		   strstr(e->msg, strerror(EMFILE)) && e->num == EMFILE &&
		   e->kind == ERR_NET,
	   "err_call is err_set with errno");
	errno = EAGAIN;
	err_call(e, ERR_STREAM, "clone", "cannot start it");
	ok(strstr(e->msg, "ulimit -u, or TasksMax="), "%s", e->msg);
	reset();
	errno = ENOSYS;
	err_call(e, ERR_STREAM, "pipe2", "cannot make a pipe");
	ok(strstr(e->msg, "pipe: pipe2: Function not implemented") &&
		   strstr(e->msg, "allow pipe2 in") && e->num == ENOSYS,
	   "a call that is refused is named, with the remedy");
	ok(err_refuses(EPERM) && err_refuses(ENOSYS) && !err_refuses(EACCES),
	   "EPERM and ENOSYS are refusals");
	reset();
	errno = EPERM;
	err_call(e, ERR_NET, "pipe2", "%s", longer);
	ok(fits(), "err_call cuts a long message");
}

int main(void)
{
	test_set();
	test_wrap();
	test_truncation();
	test_call();
	return tap_end();
}
