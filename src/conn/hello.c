// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/hello.h"

#include <poll.h>

#include "base/io.h"

static int hello_failed(struct err *e)
{
	e->kind = ERR_AUTH;
	return err_wrap(e, "while greeting");
}

int hello_recv(struct record_layer *rl, struct frame_reader *r,
	       enum frame_type type, struct frame *f, bool *got, struct err *e)
{
	struct record_layer_io io;
	size_t want;

	*got = false;
	while ((want = frame_reader_wants(r)) > 0) {
		if (record_layer_recv(rl, r->bytes + r->have, want, &io, e) < 0)
			return hello_failed(e);
		if (io.closed)
			return err_set(e, ERR_AUTH, 0,
				       "the peer closed the connection while "
				       "greeting");
		if (!io.bytes)
			return 0;
		r->have += io.bytes;
	}
	if (frame_decode(r->bytes, f) < 0 || f->type != type)
		return err_set(e, ERR_AUTH, 0,
			       "the peer does not greet as btrfs-ktls-pipe "
			       "does");
	*got = true;
	return 0;
}

int hello_send(struct record_layer *rl, int fd, const struct frame *f,
	       uint64_t deadline_ms, struct err *e)
{
	uint8_t bytes[FRAME_MAX_BYTES];
	size_t size = frame_encode(f, bytes);
	bool taken, empty = false;
	int ready;

	if (record_layer_put(rl, bytes, size, &taken, e) < 0 || !taken)
		return hello_failed(e);
	for (;;) {
		if (record_layer_flush(rl, &empty, e) < 0)
			return hello_failed(e);
		if (empty)
			return 0;
		ready = io_wait(fd, POLLOUT, deadline_ms, e);
		if (ready < 0)
			return -1;
		if (!ready)
			return err_set(e, ERR_AUTH, 0,
				       "the peer does not answer our greeting");
	}
}

int hello_check(const struct frame_welcome *w, enum frame_role role,
		struct err *e)
{
	enum frame_refusal refusal = w->refusal;

	if (!refusal && w->version != FRAME_VERSION)
		refusal = FRAME_REFUSED_VERSION;
	if (!refusal && w->role == role)
		refusal = FRAME_REFUSED_ROLE;
	if (!refusal)
		return 0;
	return err_set(e, ERR_AUTH, 0, "refused: %s",
		       frame_refusal_text(refusal, w->version));
}
