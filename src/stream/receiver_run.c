// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/receiver_run.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "stream/receiver_end.h"
#include "stream/receiver_transfer.h"

/* For a sender that restarts */
static void receiver_have(void *arg, struct frame_have *have)
{
	const struct receiver *r = arg;

	digest_have(r->p->digest, have);
}

static int receiver_loop(struct receiver *r, struct err *e)
{
	r->buffer = mmap(NULL, RECEIVER_BUFFER_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r->buffer == MAP_FAILED)
		return err_call(e, ERR_STREAM, "mmap",
				"no memory for a buffer");
	if (r->p->no_consumer) {
		r->outcome.failure = FRAME_FAIL_START;
		return -1;
	}
	r->splice = r->p->splice && !r->p->digest &&
		    connection_in_kernel(r->session->conn) &&
		    output_takes_splice(r->output);
	log_debug("output by %s", r->splice ? "splice" : "read and write");
	if (r->splice) {
		if (pipe2(r->pipe, O_CLOEXEC) < 0)
			return err_call(e, ERR_STREAM, "pipe2",
					"cannot make a pipe");
		io_grow_pipe(r->pipe[0]);
		/* On an empty pipe it fails with EAGAIN if it is allowed. */
		r->splice = splice(r->pipe[0], NULL, output_fd(r->output), NULL,
				   1, SPLICE_F_NONBLOCK) >= 0 ||
			    !err_refuses(errno);
	}
	if (receiver_transfer(r, e) < 0)
		return -1;
	return receiver_end_consume(r, e);
}

/* Does the sender wait for another process that receives the rest? */
static bool receiver_is_suspended(const struct receiver *r)
{
	const struct session *session = r->session;

	return session_suspends(session) && !r->outcome.failure &&
	       !r->differs &&
	       !(session->conn && connection_gave_up(session->conn));
}

int receiver_run(const struct receiver_params *p, struct receiver_end *end,
		 struct err *e)
{
	struct receiver r = { .p = p,
			      .session = p->session,
			      .output = p->output,
			      .pipe = { -1, -1 },
			      .total = p->start,
			      .begun = !session_compares(p->session),
			      .now_ms = clock_now_ms() };
	int ret;

	r.on = receiver_connection_new(&r);

	if (p->digest) {
		p->session->ask = receiver_have;
		p->session->ask_arg = &r;
	}
	ret = receiver_loop(&r, e);
	if (!p->raw && (ret == 0 || r.outcome.failure))
		receiver_end_tell(&r);
	else if (p->raw && ret == 0)
		receiver_end_tell_raw(&r);
	else if (ret < 0 && p->session->conn && !session_suspends(p->session) &&
		 !connection_lost(p->session->conn))
		connection_abort(p->session->conn);
	p->session->ask = NULL;
	end->total = r.total;
	end->suspended = ret < 0 && receiver_is_suspended(&r);
	if (r.buffer != MAP_FAILED)
		munmap(r.buffer, RECEIVER_BUFFER_BYTES);
	attr_close(&r.pipe[0]);
	attr_close(&r.pipe[1]);
	return ret;
}
