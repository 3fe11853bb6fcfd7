/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sender: input -> resend buffer -> connection, until the receiver has
 * confirmed the stream.  When a connection is lost it resumes on the next one.
 *
 * Its parts: sender_input takes bytes from the input, sender_send gives them to
 * the connection, sender_hear reads what the receiver says; sender_run is the
 * whole.
 */
#pragma once

#include "base/err.h"
#include "conn/session.h"
#include "conn/stuck.h"
#include "stream/command.h"
#include "stream/comparison.h"
#include "stream/pace.h"
#include "stream/progress.h"
#include "stream/read_ahead.h"
#include "stream/resend_buffer.h"

/* Everything but the resend buffer is borrowed. */
struct sender_params {
	struct resend_buffer *resend; /* sender_run() frees it */
	struct session *session;
	struct command *source; /* COMMAND, or NULL: standard input */
	const char *source_name; /* for messages, if there is a source */
	bool raw; /* no frames: a close_notify is all we get */
	bool check_end; /* a btrfs stream must end with its last command */
	uint64_t limit_bytes_per_s; /* 0: no limit */
	struct progress *progress;
};

/*
 * Send the input to its end, and wait until the receiver confirms that
 * everything was consumed.  Sets *confirmed, on failure too: how many bytes
 * were acknowledged.  If session->restarted, it returned 0 early, because
 * another receiver came: call it again, with the input from its beginning.
 * Errors: ERR_IO (input failed or is truncated, or a signal came), ERR_STREAM
 * and ERR_KTLS (connection), ERR_COMMAND (source, or the receiver's consumer),
 * ERR_BUG (out of resources).
 */
int sender_run(const struct sender_params *p, uint64_t *confirmed,
	       struct err *e) attr_must_check;

/* What follows is for the parts; the errors are those of sender_run(). */

/* A receiver sends an ACK every 5 s (btrfs-ktls-pipe-protocol(7)). */
enum { SENDER_SILENCE_MS = 30000 };

/* How long we wait for others before we log it */
enum { SENDER_SPEAK_MS = 5000 };

/* What belongs to one connection; the next one begins with a new value. */
struct sender_connection {
	unsigned int number; /* session->count */
	uint64_t heard_ms; /* when the receiver's last frame came */
	struct stuck stuck; /* does the connection still work? */
	bool blocked; /* the socket took less than it was given */
	bool more; /* there is more to send, or to compare, at once */
	bool unheard; /* there may be more to read at once */
	bool ended; /* the end was sent */
	bool key_used_up; /* nothing more may be sent under these keys */
	uint64_t partial_ms; /* when the unfinished record began, or 0 */
	uint64_t push_ms; /* when it is sent unfinished */
};

struct sender {
	const struct sender_params *p;
	struct resend_buffer *resend;
	struct session *session;
	struct sender_connection on; /* the newest connection */
	uint64_t now_ms; /* of this step */
	uint64_t confirmed; /* the receiver has this much */
	uint64_t progress_due_ms;
	bool is_btrfs; /* the stream began with the magic */
	bool complete; /* the input ended without a failure */
	bool told_end; /* the end was sent on some connection */
	uint64_t speak_ms; /* when to log whom we wait for */
	bool done; /* the receiver confirmed the stream */
	bool refused; /* the receiver sent FAIL */
	bool disputed; /* it confirmed too early, or another length */
	char words[FRAME_WORDS_MAX + 1]; /* of the receiver, about its FAIL */
	struct read_ahead ahead;
	struct pace pace;
	struct comparison comparison; /* with what the receiver has */
	uint64_t paced_ms; /* when --limit allows more; 0: now */
};

/*
 * Poll the input if there is room and nothing of it waits for the socket.
 * While unsent bytes are left in a file that is the input, poll(2) would return
 * at once, so only time counts then.
 */
bool sender_input_wanted(struct sender *s);

/*
 * Fill the buffer even while the socket is full.  A file that was not polled
 * may have grown by now; to read another input then could block.
 */
int sender_input_take(struct sender *s, const struct pollfd *input,
		      struct err *e);

/*
 * Set s->complete if the input is.  Its end proves nothing: a killed producer
 * looks the same, except that a COMMAND has an exit status and a btrfs stream
 * has a last command.  A failing source fails the stream, with or without an
 * end of file.
 */
int sender_input_check(struct sender *s, struct err *e);

/* Send whole records, or all that is there if no more input comes. */
int sender_send(struct sender *s, struct err *e);

/* Flush the connection; after the last byte send the end: s->on.ended. */
int sender_send_flush(struct sender *s, struct err *e);

/* On another connection: go back to what the receiver does not have. */
int sender_send_again(struct sender *s, struct err *e);

/*
 * Handle events of the connection: read what the receiver says, and judge its
 * silence.
 */
int sender_hear(struct sender *s, short revents, struct err *e);

/* Read what the receiver said before the connection failed, for 1 s at most. */
int sender_hear_last(struct sender *s, struct err *e);
