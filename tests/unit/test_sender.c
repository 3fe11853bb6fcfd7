// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sender: a receiver that never pauses does not keep it from a signal, and it
 * compares its input to the end although there is no connection.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/signals.h"
#include "conn/digest.h"
#include "stream/resend_buffer.h"
#include "stream/sender.h"
#include "tap.h"
#include "wrap.h"

enum {
	SIGNAL_AT = 10, /* reads */
	READS_MAX = 100000,
	BYTES = 64 << 20,
	OUTAGE_MS = 2000, /* five times as long under valgrind */
};

/* A receiver that sends the same bytes for ever */
static uint8_t said[FRAME_MAX_BYTES];
static size_t said_bytes, said_next;
static int reads;

WRAP(record_layer_recv);
int __wrap_record_layer_recv(struct record_layer *rl, void *buf, size_t len,
			     struct record_layer_io *io, struct err *e)
{
	uint8_t *out = buf;

	(void)rl;
	(void)e;
	if (++reads == SIGNAL_AT)
		raise(SIGTERM);
	if (reads == READS_MAX) {
		ok(false, "there is an end to reading");
		exit(tap_end());
	}
	for (size_t i = 0; i < len; i++)
		out[i] = said[said_next++ % said_bytes];
	*io = (struct record_layer_io){ .bytes = len, .took = true };
	return 0;
}

WRAP(record_layer_in_kernel);
bool __wrap_record_layer_in_kernel(const struct record_layer *rl,
				   enum record_direction dir)
{
	(void)rl;
	(void)dir;
	return false;
}

WRAP(record_layer_pending);
bool __wrap_record_layer_pending(const struct record_layer *rl)
{
	(void)rl;
	return false;
}

WRAP(record_layer_flush);
int __wrap_record_layer_flush(struct record_layer *rl, bool *empty,
			      struct err *e)
{
	(void)rl;
	(void)e;
	*empty = true;
	return 0;
}

WRAP(record_layer_records);
uint64_t __wrap_record_layer_records(struct record_layer *rl,
				     enum record_direction dir, uint64_t enough)
{
	(void)rl;
	(void)dir;
	(void)enough;
	return 0;
}

WRAP(record_layer_alert);
uint8_t __wrap_record_layer_alert(const struct record_layer *rl)
{
	(void)rl;
	return 0;
}

WRAP(record_layer_violated);
bool __wrap_record_layer_violated(const struct record_layer *rl)
{
	(void)rl;
	return false;
}

WRAP(record_layer_last_alert);
void __wrap_record_layer_last_alert(struct record_layer *rl,
				    enum record_alert alert)
{
	(void)rl;
	(void)alert;
}

WRAP(record_layer_free);
void __wrap_record_layer_free(struct record_layer *rl)
{
	(void)rl;
}

WRAP(session_run);
int __wrap_session_run(struct session *s, const struct session_span *span,
		       struct err *e)
{
	(void)s;
	(void)span;
	(void)e;
	return 0;
}

static struct session session;
static struct session_config config;

static int run(const struct resend_buffer *resend, struct err *e)
{
	struct progress progress;
	struct sender_params p = { .resend = (struct resend_buffer *)resend,
				   .session = &session,
				   .raw = config.raw,
				   .progress = &progress };
	uint64_t confirmed;

	progress_start(&progress, false, 0, NULL);
	return sender_run(&p, &confirmed, e);
}

/* Whatever the receiver sends, and however fast, we see a signal. */
static void test_flood(bool raw)
{
	const struct frame ack = { .type = FRAME_ACK };
	struct connection_socket socket;
	struct connection_params params;
	struct input in;
	struct err e = { 0 };
	int fds[2], feed[2];

	if (pipe(feed) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0 ||
	    input_init(&in, feed[0], &e) < 0)
		bail();
	/* Readable, and at its end for a reader that only discards. */
	close(fds[1]);
	said_bytes = frame_encode(&ack, said);
	said_next = 0;
	reads = 0;
	config = (struct session_config){ .raw = raw };
	params = (struct connection_params){ .role = FRAME_SENDS,
					     .when = CONNECTION_KTLS_OFF,
					     .raw = raw,
					     .checks = true };
	session = (struct session){ .p.config = &config,
				    .count = 1,
				    .fd = -1,
				    .due_ms = CLOCK_NEVER,
				    .record_limit = 1 << 24,
				    .final = "no peer reconnects" };
	socket = (struct connection_socket){ .fd = fds[0] };
	session.conn = connection_open((struct record_layer *)&socket, &socket,
				       &params, &e);
	is_int(run(resend_memory_new(&in, RECORD_MAX, 0, true, &e), &e), -1,
	       "%s that never end do not hide a signal",
	       raw ? "a raw receiver's bytes" : "a receiver's frames");
	is_int(e.kind, ERR_IO, "the signal ends the sender: %s", e.msg);
	connection_close(session.conn);
	input_fini(&in);
	close(feed[0]);
	close(feed[1]);
	signals_note(0);
}

/* A file of zeros, and what the receiver has of it: everything. */
static void test_outage(void)
{
	char name[] = "test_sender.XXXXXX";
	struct err e = { 0 };
	struct input in;
	struct digest *d;
	autofree char *zeros = calloc(1, BYTES);
	int fd = mkstemp(name);

	if (fd < 0 || unlink(name) < 0 || ftruncate(fd, BYTES) < 0 || !zeros ||
	    input_init(&in, fd, &e) < 0)
		bail();
	config = (struct session_config){ 0 };
	session = (struct session){
		.p.config = &config,
		.count = 1,
		.fd = -1,
		.due_ms = CLOCK_NEVER,
		.record_limit = 1 << 24,
		.retry = { .limit_ms = getenv("BKP_UNDER") ? 5 * OUTAGE_MS
							   : OUTAGE_MS,
			   .since_ms = clock_now_ms() },
		.why.msg = "the connection was lost",
	};
	d = digest_new(&e);
	if (!d)
		bail();
	digest_update(d, zeros, BYTES);
	digest_have(d, &session.have);
	digest_free(d);
	is_int(run(resend_file_new(&in, &e), &e), -1, "an outage has an end");
	ok(session.compared, "until then everything was compared: %s", e.msg);
	input_fini(&in);
	close(fd);
}

int main(void)
{
	struct err e = { 0 };

	if (signals_arm(&e) < 0)
		return 1;
	test_flood(false);
	test_flood(true);
	if (digest_check(&e) == 0)
		test_outage();
	signals_disarm();
	return tap_end();
}
