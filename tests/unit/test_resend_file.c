// SPDX-License-Identifier: GPL-2.0-or-later
/* resend_file: the stream is the file, from its current offset on. */
#include <errno.h>
#include <sys/mman.h>

#include "bytes.h"
#include "stream/resend_buffer.h"
#include "tap.h"
#include "wrap.h"

enum { START = 1000, SIZE = 3 << 20 };

static bool in_kernel, refuses;
static int file;

WRAP(connection_in_kernel);
bool __wrap_connection_in_kernel(const struct connection *c)
{
	return in_kernel;
}

WRAP(connection_send);
int __wrap_connection_send(struct connection *c, uint8_t *buf, size_t len,
			   size_t *done, struct err *e)
{
	return take_lent(buf, len, done);
}

WRAP(connection_sendfile);
int __wrap_connection_sendfile(struct connection *c, int file_fd,
			       uint64_t offset, size_t len, size_t *done,
			       struct err *e)
{
	static uint8_t bytes[SIZE];
	ssize_t n;

	if (refuses)
		return err_set(e, ERR_IO, EINVAL, "cannot send a file");
	n = pread(file_fd, bytes, draw(len) + 1, (off_t)offset);
	return take(bytes, n > 0 ? (size_t)n : 0, done);
}

/* Append to the stream, which begins behind START other bytes. */
static uint64_t grow(uint64_t have, uint64_t bytes)
{
	for (uint64_t end = have + bytes; have < end; have += 4096)
		feed(file, have, 4096);
	return have;
}

static struct resend_buffer *begin(void)
{
	static const char before[START];
	struct err e = { 0 };
	struct resend_buffer *s;

	file = memfd_create("file", MFD_CLOEXEC);
	if (file < 0 || write(file, before, START) != START)
		bail();
	grow(0, SIZE);
	lseek(file, START, SEEK_SET);
	s = resend_file_new(input_from(file), &e);
	if (!s || s->ops->fill(s, &e) < 0)
		bail();
	sent = 0;
	differ = 0;
	return s;
}

/* Send everything, rewinding now and then.  Returns 0 or -1. */
static int send_all(struct resend_buffer *s, bool changes, struct err *e)
{
	size_t done;

	while (!s->eof || s->sent < s->head) {
		if (s->sent == s->head && s->ops->fill(s, e) < 0)
			return -1;
		if (s->sent < s->head &&
		    s->ops->send(s, NULL, s->head - s->sent, &done, e) < 0)
			return -1;
		if (draw(10))
			continue;
		s->ops->ack(s, s->acked + draw(sent - s->acked + 1));
		sent = s->acked + draw(sent - s->acked + 1);
		if (resend_buffer_rewind(s, sent, e) < 0)
			return -1;
		if (changes)
			in_kernel = draw(2);
	}
	return 0;
}

static void test_whole(const char *how, bool kernel, bool no_sendfile,
		       bool changes)
{
	struct resend_buffer *s = begin();
	struct err e = { 0 };
	uint8_t last[10];

	in_kernel = kernel;
	refuses = no_sendfile;
	is_int(s->head, SIZE, "%s: as long as the rest of the file", how);
	is_int(send_all(s, changes, &e), 0, "%s: all is sent", how);
	is_int(sent, SIZE, "%s: to the end", how);
	is_int(differ, 0, "%s: unchanged", how);
	is_int(lseek(file, 0, SEEK_CUR), START + SIZE,
	       "%s: the next reader finds the end", how);
	ok(s->ops->peek(s, SIZE - 10, last, 10, &e) == 0 &&
		   bytes_right(last, SIZE - 10, 10),
	   "%s: the last bytes can be seen", how);
	ok(s->ops->peek(s, SIZE - 9, last, 10, &e) < 0, "%s: and none behind",
	   how);
	s->ops->free(s);
	close(file);
}

static void test_growing(void)
{
	struct resend_buffer *s = begin();
	struct err e = { 0 };

	in_kernel = true;
	refuses = false;
	lseek(file, 0, SEEK_END);
	grow(SIZE, 8192);
	is_int(send_all(s, false, &e), 0, "a file that grows is sent");
	is_int(sent, SIZE + 8192, "to its new end");
	is_int(differ, 0, "and right");
	s->ops->free(s);
	close(file);
}

static void test_shrinking(bool kernel)
{
	struct resend_buffer *s = begin();
	struct err e = { 0 };
	uint8_t last[10];

	in_kernel = kernel;
	refuses = false;
	if (ftruncate(file, START + 5000) < 0)
		bail();
	is_int(send_all(s, false, &e), -1, "a file that shrinks is no success");
	is_int(e.kind, ERR_IO, "the input is to blame");
	ok(strstr(e.msg, "shorter"), "the message says so: %s", e.msg);
	e = (struct err){ 0 };
	is_int(s->ops->peek(s, SIZE - 10, last, 10, &e), -1,
	       "and peeking into it fails");
	ok(strstr(e.msg, "shorter"), "likewise: %s", e.msg);
	s->ops->free(s);
	close(file);
}

static void test_cut_after_sending(void)
{
	struct resend_buffer *s = begin();
	struct err e = { 0 };

	s->sent = s->head;
	if (ftruncate(file, START + SIZE - 1) < 0)
		bail();
	is_int(s->ops->fill(s, &e), -1,
	       "nor is one that shrinks once all is sent");
	s->ops->free(s);
	close(file);
}

int main(void)
{
	test_whole("kernel", true, false, false);
	test_whole("user space", false, false, false);
	test_whole("no sendfile", true, true, false);
	test_whole("changing", true, false, true);
	test_growing();
	test_shrinking(true);
	test_shrinking(false);
	test_cut_after_sending();
	return tap_end();
}
