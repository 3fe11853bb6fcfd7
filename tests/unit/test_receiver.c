// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * receiver: the verdict is the same whenever a consumer acts between two
 * checks; the sender is told of a failure at the beginning; it splices only
 * through a pipe with room for any record; and a sender that never pauses does
 * not keep it from a signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/signals.h"
#include "stream/receiver.h"
#include "tap.h"
#include "wrap.h"

enum { STREAM_BYTES = 1000 };

static const struct session_config config;
static struct session the_link;

/* A consumer that acts after it was checked so many times */
static struct {
	int acts_after;
	size_t leaves; /* bytes that it does not read */
	int asked;
} consumer;

static bool has_acted(void)
{
	return consumer.asked++ >= consumer.acts_after;
}

WRAP(output_unread);
size_t __wrap_output_unread(const struct output *s)
{
	(void)s;
	return has_acted() ? consumer.leaves : STREAM_BYTES;
}

WRAP(command_ended);
bool __wrap_command_ended(struct command *c, struct command_status *s)
{
	(void)c;
	*s = (struct command_status){ 0 };
	return has_acted();
}

WRAP(command_status_fd);
int __wrap_command_status_fd(const struct command *c)
{
	(void)c;
	return -1;
}

WRAP(command_close_pipe);
void __wrap_command_close_pipe(struct command *c)
{
	(void)c;
}

/*
 * The sender: one piece, the end, and the confirmation after the outcome; or
 * pieces without end, while a signal comes
 */
static int received;
static bool endless, no_consumer;
enum { SIGNAL_AT = 10, RECEIVED_MAX = 100000 };
static struct frame said;

WRAP(connection_recv);
int __wrap_connection_recv(struct connection *c, void *buf, size_t len,
			   struct connection_io *io, struct err *e)
{
	static const struct connection_io script[] = {
		{ .bytes = STREAM_BYTES },
		{ .mark = CONNECTION_END },
		{ .mark = CONNECTION_CONFIRMED },
	};

	(void)c;
	(void)len;
	(void)e;
	memset(buf, 'x', STREAM_BYTES);
	if (endless) {
		if (++received == SIGNAL_AT)
			raise(SIGTERM);
		if (received == RECEIVED_MAX) {
			ok(false, "there is an end to receiving");
			exit(tap_end());
		}
		*io = script[0];
		return 0;
	}
	*io = script[received++];
	return 0;
}

static bool splices;

WRAP(connection_splice_to);
int __wrap_connection_splice_to(struct connection *c, int pipe_fd, size_t len,
				struct connection_io *io, struct err *e)
{
	uint8_t bytes[STREAM_BYTES];

	splices = true;
	if (__wrap_connection_recv(c, bytes, len, io, e) < 0 ||
	    write(pipe_fd, bytes, io->bytes) < 0)
		bail();
	return 0;
}

WRAP(connection_send_frame);
int __wrap_connection_send_frame(struct connection *c, const struct frame *f,
				 bool *taken, struct err *e)
{
	(void)c;
	(void)e;
	said = *f;
	*taken = true;
	return 0;
}

WRAP(connection_end);
int __wrap_connection_end(struct connection *c, bool *done, struct err *e)
{
	(void)c;
	(void)e;
	*done = true;
	return 0;
}

static bool in_kernel;

WRAP(connection_in_kernel);
bool __wrap_connection_in_kernel(const struct connection *c)
{
	(void)c;
	return in_kernel;
}

WRAP(connection_pending);
bool __wrap_connection_pending(const struct connection *c)
{
	(void)c;
	return false;
}

WRAP(session_check_rekey);
int __wrap_session_check_rekey(struct session *l, struct err *e)
{
	(void)l;
	(void)e;
	return 0;
}

WRAP(session_run);
int __wrap_session_run(struct session *l, const struct session_span *span,
		       struct err *e)
{
	(void)l;
	(void)span;
	(void)e;
	return 0;
}

static bool aborted;

WRAP(connection_abort);
void __wrap_connection_abort(struct connection *c)
{
	(void)c;
	aborted = true;
}

WRAP(connection_lost);
bool __wrap_connection_lost(const struct connection *c)
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

static int pipe_bytes; /* as many as the limits of the system allow */

WRAP(io_grow_pipe);
void __wrap_io_grow_pipe(int fd)
{
	if (fcntl(fd, F_SETPIPE_SZ, pipe_bytes) < 0)
		bail();
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
	struct progress progress;
	struct output output;
	struct receiver_params p = { .session = &the_link,
				     .output = &output,
				     .consumer = (struct command *)&consumer,
				     .consumer_name = "consumer",
				     .no_consumer = no_consumer,
				     .splice = true,
				     .progress = &progress };
	uint64_t total;
	int fds[2], ret;

	if (pipe(fds) < 0)
		bail();
	if (endless) {
		close(fds[1]);
		fds[1] = open("/dev/null", O_WRONLY);
	}
	said = (struct frame){ 0 };
	aborted = false;
	received = 0;
	the_link = (struct session){ .conn = (struct connection *)&the_link,
				     .count = 1,
				     .fd = -1,
				     .lifeline_fd = -1,
				     .p.config = &config,
				     .due_ms = CLOCK_NEVER,
				     .final = "no peer reconnects" };
	progress_start(&progress, false, 0, NULL);
	output_init_borrowed(&output, fds[1]);
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

/* The receiver fails at once: the sender must be told. */
static void test_resources(const char *name, bool *missing)
{
	struct err e = { 0 };

	in_kernel = *missing = true;
	is_int(receive(&e), -1, "%s", name);
	in_kernel = *missing = false;
	is_int(e.kind, ERR_STREAM, "is a system out of resources, and no bug");
	ok(aborted || said.type == FRAME_FAIL, "and the sender hears of it");
}

/* What has no pipe with room for any record reads. */
static void test_pipe(const char *name, bool missing, int bytes, bool suffices)
{
	struct err e = { 0 };

	consumer.acts_after = consumer.leaves = consumer.asked = 0;
	pipe_bytes = bytes;
	in_kernel = true;
	no_pipe = missing;
	splices = false;
	is_int(receive(&e), 0, "%s: the stream is delivered", name);
	is_int(said.outcome.total, STREAM_BYTES, "with all its bytes");
	is_int(splices, suffices, suffices ? "by splice" : "by read");
	in_kernel = no_pipe = false;
}

/* The output takes all, and the connection always has more. */
static void test_signal(void)
{
	struct err e = { 0 };

	endless = true;
	consumer.acts_after = INT_MAX;
	consumer.asked = 0;
	is_int(receive(&e), -1, "a signal ends a stream that never pauses");
	is_int(e.kind, ERR_IO, "and is named: %s", e.msg);
	signals_note(0);
	no_consumer = true;
	receive(&e);
	ok(received < RECEIVED_MAX, "and the wait of a receiver that failed");
	signals_note(0);
	no_consumer = endless = false;
}

int main(void)
{
	struct err e = { 0 };

	signal(SIGALRM, stuck);
	alarm(60);
	for (int questions = 0; questions < 7; questions++) {
		test_consumer(questions, 0);
		test_consumer(questions, 1);
	}
	test_resources("no memory", &no_memory);
	test_pipe("no pipe", true, 0, false);
	test_pipe("a pipe of one buffer", false, 4096, false);
	test_pipe("a pipe of 16 buffers", false, 65536, false);
	test_pipe("a pipe of 256 buffers", false, 1 << 20, true);
	if (signals_arm(&e) < 0)
		return 1;
	test_signal();
	signals_disarm();
	return tap_end();
}
