// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/hello.h"

#include <errno.h>
#include <poll.h>

#include "base/clock.h"

static int hello_wait(int fd, short events, uint64_t deadline_ms, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n = poll(&p, 1, clock_poll_ms(deadline_ms));

	if (n < 0 && errno != EINTR)
		return err_call(e, ERR_NET, "poll", "cannot wait");
	if (n == 0)
		return err_set(e, ERR_AUTH, 0,
			       "the peer does not answer our greeting");
	return 0;
}

int hello_recv(struct tls *t, struct frame_reader *r, enum frame_type type,
	       struct frame *f, bool *got, struct err *e)
{
	size_t want, n;
	bool end;

	*got = false;
	while ((want = frame_reader_wants(r)) > 0) {
		if (tls_recv(t, r->bytes + r->have, want, &n, &end, e) < 0) {
			e->kind = ERR_AUTH;
			return err_wrap(e, "while greeting");
		}
		if (end)
			return err_set(e, ERR_AUTH, 0,
				       "the peer closed the connection while "
				       "greeting");
		if (!n)
			return 0;
		r->have += n;
	}
	if (frame_decode(r->bytes, f) < 0 || f->type != type)
		return err_set(e, ERR_AUTH, 0,
			       "the peer does not greet as btrfs-ktls-pipe "
			       "does");
	*got = true;
	return 0;
}

int hello_send(struct tls *t, int fd, const struct frame *f,
	       uint64_t deadline_ms, struct err *e)
{
	uint8_t bytes[FRAME_MAX_BYTES];
	size_t size = frame_encode(f, bytes), done;
	bool empty = false;

	if (tls_send(t, bytes, size, &done, e) < 0 || done != size) {
		e->kind = ERR_AUTH;
		return err_wrap(e, "while greeting");
	}
	for (;;) {
		if (tls_flush(t, &empty, e) < 0) {
			e->kind = ERR_AUTH;
			return err_wrap(e, "while greeting");
		}
		if (empty)
			return 0;
		if (hello_wait(fd, POLLOUT, deadline_ms, e) < 0)
			return -1;
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
	if (refusal == FRAME_REFUSED_VERSION)
		return err_set(e, ERR_AUTH, 0, "refused: %s",
			       frame_version_text(w->version));
	return err_set(e, ERR_AUTH, 0, "refused: %s",
		       frame_refusal_text(refusal));
}
