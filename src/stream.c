// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream.h"

#include "child.h"
#include "io.h"
#include "log.h"
#include "receiver.h"
#include "sender.h"
#include "sink.h"
#include "status.h"
#include "store_mem.h"
#include "store_pipe.h"

/* Without retention: enough to make full records and big sends. */
#define SMALL_STORE_BYTES (1 << 20)

enum chan_role stream_role(const struct opts *o)
{
	bool sends = o->verb == OPT_CONNECT ? !o->receive : o->send;

	return sends ? CHAN_SENDER : CHAN_RECEIVER;
}

enum frame_role stream_frame_role(const struct opts *o)
{
	return stream_role(o) == CHAN_SENDER ? FRAME_SENDS : FRAME_RECEIVES;
}

/*
 * splice(2) needs the kernel's records and a pipe to take bytes from, and
 * keeps nothing.
 */
static struct store *stream_store(const struct opts *o, struct chan *chan,
				  int in_fd, struct err *e)
{
	bool pipe = io_kind(in_fd) == IO_PIPE;
	bool splice = chan_in_kernel(chan) && pipe &&
		      (o->tx == OPT_HOW_SPLICE ||
		       (o->tx == OPT_HOW_AUTO && !o->buffer_bytes));
	bool keeps = !o->raw && o->buffer_bytes;

	log_debug("input by %s", splice ? "splice" : "read and send");
	if (splice)
		return store_pipe_new(in_fd, e);
	if (pipe)
		io_grow_pipe(in_fd);
	return store_mem_new(in_fd, keeps ? o->buffer_bytes : SMALL_STORE_BYTES,
			     0, keeps, e);
}

static int stream_send(const struct stream_params *sp, struct status *status,
		       uint64_t *bytes, struct err *e)
{
	const struct opts *o = sp->o;
	struct sender_params p = { .chan = sp->chan,
				   .raw = o->raw,
				   .check_end = o->buffer_bytes != 0,
				   .status = status,
				   .chore = sp->chore };
	int in_fd = STDIN_FILENO, ret;

	if (o->command) {
		p.source = child_start(o->command, CHILD_SOURCE, e);
		p.source_name = o->command[0];
		if (!p.source)
			return -1;
		in_fd = child_pipe_fd(p.source);
	}
	p.store = stream_store(o, sp->chan, in_fd, e);
	ret = p.store ? sender_run(&p, bytes, e) : -1;
	if (p.store)
		p.store->ops->free(p.store);
	child_free(p.source);
	return ret;
}

static int stream_receive(const struct stream_params *sp, struct status *status,
			  uint64_t *bytes, struct err *e)
{
	const struct opts *o = sp->o;
	static const enum receiver_how how[] = {
		[OPT_HOW_AUTO] = RECEIVER_AUTO,
		[OPT_HOW_SPLICE] = RECEIVER_SPLICE,
		[OPT_HOW_COPY] = RECEIVER_READ,
	};
	struct sink sink;
	struct receiver_params p = { .chan = sp->chan,
				     .sink = &sink,
				     .how = how[o->rx],
				     .peer_store_bytes = sp->peer_store_bytes,
				     .raw = o->raw,
				     .status = status,
				     .chore = sp->chore };
	int ret;

	if (o->command) {
		p.consumer = child_start(o->command, CHILD_CONSUMER, e);
		p.consumer_name = o->command[0];
		if (!p.consumer)
			return -1;
		sink_init_borrowed(&sink, child_pipe_fd(p.consumer));
	} else {
		sink_init(&sink, STDOUT_FILENO);
	}
	ret = receiver_run(&p, bytes, e);
	child_free(p.consumer);
	return ret;
}

int stream_run(const struct stream_params *p, struct stats *stats,
	       struct err *e)
{
	bool sends = stream_role(p->o) == CHAN_SENDER;
	struct status status;
	int ret;

	stats->mode = chan_mode(p->chan);
	/* The direction against the bulk is always made in user space. */
	stats->tx = sends ? chan_path(p->chan) : "user";
	stats->rx = sends ? "user" : chan_path(p->chan);
	status_start(&status, p->o->progress, p->o->size_bytes);
	ret = sends ? stream_send(p, &status, &stats->bytes, e)
		    : stream_receive(p, &status, &stats->bytes, e);
	status_finish(&status, stats->bytes);
	chan_close(p->chan);
	return ret;
}
