// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/stream.h"

#include <stdio.h>

#include "base/log.h"
#include "base/signals.h"
#include "stream/command.h"
#include "stream/input.h"
#include "stream/output.h"
#include "stream/progress.h"
#include "stream/receiver.h"
#include "stream/resend_buffer.h"
#include "stream/sender.h"
#include "tls/ktls.h"

/* If nothing is kept: enough for full records and large sends */
#define SMALL_BUFFER_BYTES (1 << 20)

/* Found out once, early: a confined process cannot open the sockets. */
static bool stream_splices_pieces(const struct mode *mode)
{
	static enum { UNKNOWN, YES, NO } known[MODE_COUNT];
	size_t i = (size_t)(mode - mode_table);

	if (known[i] == UNKNOWN)
		known[i] = ktls_splices_pieces(mode) ? YES : NO;
	return known[i] == YES;
}

void stream_prepare(const struct stream_config *c, bool sends,
		    const struct mode_list *modes)
{
	if (sends && c->tx == STREAM_AUTO)
		for (size_t i = 0; i < modes->count; i++)
			stream_splices_pieces(modes->modes[i]);
}

/* Should --tx auto copy what comes through a pipe? */
static bool stream_auto_copies(const struct stream_config *c,
			       const struct session *session)
{
	if (c->tx != STREAM_AUTO)
		return false;
	/* If nothing is kept, the end of a btrfs stream cannot be checked. */
	if (session->p.config->raw && session->p.config->buffer_bytes)
		return true;
	if (stream_splices_pieces(connection_mode(session->conn)))
		return false;
	log_info("--tx auto: this kernel cannot splice safely");
	return true;
}

/*
 * Bytes from a pipe or a file need not be copied on their way into the kernel's
 * records.
 */
static struct resend_buffer *stream_resend_in_place(
	const struct stream_config *c, const struct session *session,
	const struct input *in, struct err *e)
{
	struct resend_buffer *s = NULL;

	if (!session->conn || !connection_in_kernel(session->conn) ||
	    c->tx == STREAM_COPY)
		return NULL;
	if (in->end)
		return resend_file_new(in, e);
	if (in->kind != IO_PIPE || stream_auto_copies(c, session))
		return NULL;
	s = resend_pipes_new(in, session->buffer_bytes, e);
	if (!s && c->tx == STREAM_SPLICE)
		log_notice("%s; using read and send instead (root may have "
			   "larger pipes; or raise "
			   "/proc/sys/fs/pipe-max-size)",
			   e->msg);
	return s;
}

static struct resend_buffer *stream_resend_buffer(const struct stream_config *c,
						  const struct session *session,
						  int in_fd, struct input *in,
						  struct err *e)
{
	uint64_t keeps = session->buffer_bytes;
	struct resend_buffer *s;

	if (input_init(in, in_fd, e) < 0)
		return NULL;
	s = stream_resend_in_place(c, session, in, e);
	log_debug("input by %s", s ? "splice" : "read and send");
	if (s)
		return s;
	*e = (struct err){ 0 };
	if (in->kind == IO_PIPE)
		io_grow_pipe(in->fd);
	return resend_memory_new(in, keeps ? keeps : SMALL_BUFFER_BYTES, 0,
				 keeps != 0, e);
}

static struct command *stream_command(const struct stream_config *c,
				      const struct session *session,
				      enum command_role role, struct err *e)
{
	char stream[SESSION_HEX_CHARS + 1];
	struct order start = { .kind = ORDER_COMMAND, .role = role };

	session_stream_name(session, stream);
	order_set_word(&start, ORDER_IDENTITY, session->identity);
	order_set_word(&start, ORDER_METHOD, session_method(session));
	order_set_word(&start, ORDER_PEER, session->name);
	order_set_word(&start, ORDER_STREAM, stream);
	return command_start(c->command, &start, c->passes_on, e);
}

/*
 * The stream cannot begin: the peer must not wait for it.  A peer that waits
 * for another process of ours goes on waiting.
 */
static int stream_give_up(struct session *session)
{
	if (session_suspends(session))
		session_say_suspended(session, session->offset);
	else if (session->conn)
		connection_abort(session->conn);
	return -1;
}

/* Where the stream comes from */
struct stream_source {
	struct command *command; /* or NULL: standard input */
	struct input input;
};

static struct resend_buffer *stream_source_open(struct stream_source *from,
						const struct stream_config *c,
						const struct session *session,
						struct err *e)
{
	int fd = STDIN_FILENO;

	if (c->command) {
		from->command = stream_command(c, session, COMMAND_SOURCE, e);
		if (!from->command)
			return NULL;
		fd = command_pipe_fd(from->command);
	}
	return stream_resend_buffer(c, session, fd, &from->input, e);
}

static void stream_source_close(struct stream_source *from)
{
	input_fini(&from->input);
	command_free(from->command);
	*from = (struct stream_source){ .input = { .own_fd = -1 } };
}

/* The new receiver needs bytes that we no longer hold. */
static int stream_source_rewind(struct stream_source *from, struct err *e)
{
	log_notice("the receiver was restarted: %s again",
		   from->command ? "starting COMMAND" : "reading the input");
	if (!from->command && input_rewind(&from->input, e) < 0)
		return -1;
	stream_source_close(from);
	return 0;
}

/* One run through the input; see sender_run(). */
static int stream_send_once(const struct stream_config *c,
			    struct session *session, struct progress *progress,
			    struct stream_source *from, uint64_t *bytes,
			    struct err *e)
{
	struct sender_params p = { .session = session,
				   .raw = session->p.config->raw,
				   .check_end =
					   session->p.config->buffer_bytes != 0,
				   .limit_bytes_per_s = c->limit_bytes_per_s,
				   .progress = progress };

	p.resend = stream_source_open(from, c, session, e);
	if (!p.resend)
		return stream_give_up(session);
	p.source = from->command;
	p.source_name = c->command_name;
	return sender_run(&p, bytes, e);
}

static int stream_send(const struct stream_config *c, struct session *session,
		       struct progress *progress, uint64_t *bytes,
		       struct err *e)
{
	struct stream_source from = { .input = { .own_fd = -1 } };
	int ret;

	for (;;) {
		session->restarted = false;
		*bytes = 0;
		ret = stream_send_once(c, session, progress, &from, bytes, e);
		if (ret < 0 || !session->restarted)
			break;
		ret = stream_source_rewind(&from, e);
		if (ret < 0) {
			stream_give_up(session);
			break;
		}
		progress_set_comparison(progress, 0, 0);
	}
	stream_source_close(&from);
	return ret;
}

static int stream_receive(const struct stream_config *c,
			  struct session *session, struct progress *progress,
			  uint64_t *bytes, struct err *e)
{
	struct output output;
	struct receiver_params p = { .session = session,
				     .output = &output,
				     .splice = c->rx == STREAM_SPLICE,
				     .raw = session->p.config->raw,
				     .progress = progress };
	struct digest *own = NULL;
	int ret;

	if (!session->named)
		session->digest = NULL;
	else if (!c->part && !(session->digest = own = digest_new(e)))
		return stream_give_up(session);
	if (c->part) {
		p.start = c->part->start;
		output_init_part(&output, c->part);
	} else if (c->command) {
		p.consumer = stream_command(c, session, COMMAND_CONSUMER, e);
		p.consumer_name = c->command_name;
		p.no_consumer = !p.consumer;
		output_init_borrowed(
			&output, p.consumer ? command_pipe_fd(p.consumer) : -1);
	} else {
		output_init(&output, STDOUT_FILENO);
	}
	ret = receiver_run(&p, bytes, e);
	session->digest = NULL;
	digest_free(own);
	output_fini(&output);
	command_free(p.consumer);
	return ret;
}

void stream_offer(struct session *session, struct part_file *p)
{
	if (!session || !p)
		return;
	session->digest = p->digest;
	session->prepare = part_file_prepare;
	session->prepare_arg = p;
}

/* The control direction is always in user space. */
static void stream_note_path(const struct session *session, struct stats *stats)
{
	bool sends = session->role == FRAME_SENDS;

	if (!session->conn)
		return;
	stats->tx = sends ? connection_path(session->conn) : "user";
	stats->rx = sends ? "user" : connection_path(session->conn);
}

static int stream_transfer(struct session *session,
			   const struct stream_config *c, struct stats *stats,
			   struct err *e)
{
	bool sends = session->role == FRAME_SENDS;
	struct progress progress;
	int ret;

	if (session->discarded) {
		log_notice("the stream is abandoned");
		return 0;
	}
	if (signals_arm(e) < 0)
		return stream_give_up(session);

	stats->mode = connection_mode(session->conn);
	snprintf(stats->identity, sizeof stats->identity, "%s",
		 session->identity);
	snprintf(stats->peer, sizeof stats->peer, "%s", session->name);
	stats->method = session_method(session);
	session_stream_name(session, stats->stream);
	stream_note_path(session, stats);
	progress_start(&progress, c->progress, c->size_bytes, c->counter);
	ret = sends ? stream_send(c, session, &progress, &stats->bytes, e)
		    : stream_receive(c, session, &progress, &stats->bytes, e);
	progress_finish(&progress, stats->bytes);
	signals_disarm();
	/* The stream has begun. */
	if (ret < 0 && e->kind == ERR_KTLS)
		e->kind = ERR_STREAM;
	/* The path was in user space while bytes were compared. */
	if (session->compared) {
		stats->compared = session->have.offset;
		stream_note_path(session, stats);
	}
	stats->rekeys = session->rekeys;
	stats->reconnects = session->count - 1 - session->rekeys;
	return ret;
}

int stream_run(struct session *session, const struct stream_config *c,
	       struct stats *stats, struct err *e)
{
	int ret = session ? stream_transfer(session, c, stats, e) : -1;

	session_free(session);
	return ret;
}
