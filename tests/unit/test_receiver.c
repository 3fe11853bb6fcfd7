// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * receiver: whatever a consumer does between two questions about it, the
 * verdict is the same; and the sender hears of a failure at the beginning.
 */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "stream/receiver.h"
#include "tap.h"
#include "wrap.h"

enum { STREAM_BYTES = 1000 };

static struct link the_link;

/* A consumer that acts as soon as it was asked about so many times */
static struct {
	int acts_after;
	size_t leaves; /* bytes that it does not read */
	int asked;
} consumer;

static bool has_acted(void)
{
	return consumer.asked++ >= consumer.acts_after;
}

WRAP(sink_unread);
size_t __wrap_sink_unread(const struct sink *s)
{
	(void)s;
	return has_acted() ? consumer.leaves : STREAM_BYTES;
}

WRAP(child_ended);
bool __wrap_child_ended(struct child *c, struct child_status *s)
{
	(void)c;
	*s = (struct child_status){ 0 };
	return has_acted();
}

WRAP(child_status_fd);
int __wrap_child_status_fd(const struct child *c)
{
	(void)c;
	return -1;
}

WRAP(child_close_pipe);
void __wrap_child_close_pipe(struct child *c)
{
	(void)c;
}

/* The sender: one piece, the end, and after the outcome the confirmation */
static int received;
static struct frame said;

WRAP(chan_recv);
int __wrap_chan_recv(struct chan *c, void *buf, size_t len, struct chan_io *io,
		     struct err *e)
{
	static const struct chan_io script[] = {
		{ .bytes = STREAM_BYTES },
		{ .mark = CHAN_END },
		{ .mark = CHAN_CONFIRMED },
	};

	(void)c;
	(void)len;
	(void)e;
	memset(buf, 'x', STREAM_BYTES);
	*io = script[received++];
	return 0;
}

WRAP(chan_send_frame);
int __wrap_chan_send_frame(struct chan *c, const struct frame *f, bool *taken,
			   struct err *e)
{
	(void)c;
	(void)e;
	said = *f;
	*taken = true;
	return 0;
}

WRAP(chan_control_end);
int __wrap_chan_control_end(struct chan *c, bool *done, struct err *e)
{
	(void)c;
	(void)e;
	*done = true;
	return 0;
}

static bool in_kernel;

WRAP(chan_in_kernel);
bool __wrap_chan_in_kernel(const struct chan *c)
{
	(void)c;
	return in_kernel;
}

WRAP(chan_pending);
bool __wrap_chan_pending(const struct chan *c)
{
	(void)c;
	return false;
}

WRAP(link_wear);
int __wrap_link_wear(struct link *l, struct err *e)
{
	(void)l;
	(void)e;
	return 0;
}

WRAP(link_run);
int __wrap_link_run(struct link *l, const struct link_span *span, struct err *e)
{
	(void)l;
	(void)span;
	(void)e;
	return 0;
}

static bool aborted;

WRAP(chan_abort);
void __wrap_chan_abort(struct chan *c)
{
	(void)c;
	aborted = true;
}

WRAP(chan_lost);
bool __wrap_chan_lost(const struct chan *c)
{
	(void)c;
	return false;
}

static bool no_memory, no_pipe;

WRAP64(mmap, mmap64, mmap64);
void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd,
		  off_t offset)
{
	errno = ENOMEM;
	return no_memory ? MAP_FAILED
			 : __real_mmap(addr, len, prot, flags, fd, offset);
}

WRAP(pipe2);
int __wrap_pipe2(int fds[2], int flags)
{
	errno = EMFILE;
	return no_pipe ? -1 : __real_pipe2(fds, flags);
}

static void stuck(int signal)
{
	static const char text[] = "Bail out! waited too long\n";

	(void)signal;
	_exit(write(STDOUT_FILENO, text, sizeof text - 1) < 0 ? 2 : 1);
}

/* A whole stream; the outcome is in said. */
static int receive(struct err *e)
{
	struct status status;
	struct sink sink;
	struct receiver_params p = { .link = &the_link,
				     .sink = &sink,
				     .consumer = (struct child *)&consumer,
				     .consumer_name = "consumer",
				     .how = RECEIVER_SPLICE,
				     .status = &status,
				     .stop_fd = -1 };
	uint64_t total;
	int fds[2], ret;

	if (pipe(fds) < 0)
		exit(1);
	said = (struct frame){ 0 };
	aborted = false;
	received = 0;
	the_link = (struct link){ .chan = (struct chan *)&the_link,
				  .count = 1,
				  .fd = -1,
				  .due_ms = CLOCK_NEVER,
				  .final = "nobody comes back" };
	status_start(&status, false, 0);
	sink_init_borrowed(&sink, fds[1]);
	ret = receiver_run(&p, &total, e);
	close(fds[0]);
	close(fds[1]);
	return ret;
}

static void test_consumer(int acts_after, size_t leaves)
{
	struct err e = { 0 };
	bool good = !leaves;

	consumer.acts_after = acts_after;
	consumer.leaves = leaves;
	consumer.asked = 0;
	is_int(receive(&e), good ? 0 : -1,
	       "a consumer that leaves %zu bytes and ends after %d questions",
	       leaves, acts_after);
	is_int(said.type, good ? FRAME_DONE : FRAME_FAIL, "the sender hears");
	if (!good)
		is_int(said.outcome.failure, FRAME_FAIL_UNREAD,
		       "that bytes were left");
}

/* Nothing of the stream was taken: the sender is to hear that at once. */
static void test_resources(const char *name, bool *missing)
{
	struct err e = { 0 };

	in_kernel = *missing = true;
	is_int(receive(&e), -1, "%s", name);
	in_kernel = *missing = false;
	is_int(e.kind, ERR_STREAM, "is a system out of resources, and no bug");
	ok(aborted || said.type == FRAME_FAIL, "and the sender hears of it");
}

int main(void)
{
	signal(SIGALRM, stuck);
	alarm(20);
	for (int questions = 0; questions < 7; questions++) {
		test_consumer(questions, 0);
		test_consumer(questions, 1);
	}
	test_resources("no memory", &no_memory);
	test_resources("no pipe", &no_pipe);
	return tap_end();
}
