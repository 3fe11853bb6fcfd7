/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The receiver: connection -> output, until the end of the stream.  When a
 * connection is lost it resumes on the next one.
 *
 * receiver.c has what its parts need: to wait, and to say why the output or the
 * connection failed.  receiver_transfer is the part up to the end of the
 * stream, receiver_run the rest and the whole.
 */
#pragma once

#include "base/err.h"
#include "conn/session.h"
#include "stream/command.h"
#include "stream/output.h"
#include "stream/progress.h"

/* Everything is borrowed. */
struct receiver_params {
	struct session *session;
	struct output *output; /* closed on success */
	struct command *consumer; /* COMMAND behind the output, or NULL */
	const char *consumer_name; /* for messages, if there is a consumer */
	bool no_consumer; /* it could not be started: just tell the sender */
	bool splice; /* if possible: no copy, but one record a call */
	bool raw; /* no frames: our close_notify is the answer */
	uint64_t start; /* bytes that the output had already */
	struct progress *progress;
};

/*
 * Receive a whole stream, make sure that it is consumed, and tell the sender
 * the outcome.  *total: bytes received, on failure too.
 * Errors: ERR_STREAM and ERR_KTLS (connection, sender), ERR_IO (output; or a
 * signal, also one that came before the sender knew of success), ERR_COMMAND
 * (consumer), ERR_BUG (out of resources).
 */
int receiver_run(const struct receiver_params *p, uint64_t *total,
		 struct err *e) attr_must_check;

/* What follows is for the parts; the errors are those of receiver_run(). */

/* What belongs to one connection; the next one begins with a new value. */
struct receiver_connection {
	unsigned int number; /* session->count */
	uint64_t heard_ms; /* when the last byte came */
	uint64_t acked; /* by our last ACK */
	uint64_t ack_due_ms;
	bool ended; /* the end came over it, or bytes beyond */
	bool told; /* the outcome was sent */
	bool mute; /* nothing can be sent to the sender */
	bool said_ready; /* poll(2) reported POLLIN */
	bool rest; /* leave the socket alone for spin_ms */
	unsigned int spin_ms;
};

struct receiver {
	const struct receiver_params *p;
	struct session *session;
	struct receiver_connection on; /* the newest connection */
	uint64_t now_ms; /* of this step */
	struct output *output;
	uint8_t *buffer;
	size_t start, end; /* bytes of buffer to be written */
	int pipe[2]; /* between socket and output, when splicing */
	size_t piped; /* bytes in it */
	bool splice;
	bool want_data, want_output; /* what the last step was blocked on */
	bool ended; /* the end of the stream was received */
	bool over; /* the outcome is known */
	bool begun; /* the sender's stream is the one whose bytes we have */
	bool differs; /* the sender's stream is another */
	bool reader_gone; /* nobody reads the output any more */
	uint64_t total; /* bytes received */
	uint64_t progress_due_ms;
	uint64_t session_due_ms; /* run the session, however busy we are */
	struct frame_outcome outcome; /* of a failure */
	struct frame_words words; /* len 0: there is nothing to say */
};

enum {
	RECEIVER_BUFFER_BYTES = 1 << 20, /* 64 records a call */
	RECEIVER_SPIN_MAX_MS = 20,
	RECEIVER_STEP_READS = 16, /* in a row, before anything else is done */
};

struct receiver_connection receiver_connection_new(const struct receiver *r);

/* The consumer failed: set e and the outcome for the sender.  Returns -1. */
int receiver_consumer_failed(struct receiver *r, const struct command_status *s,
			     struct err *e);

/* The output failed with *e: set the outcome for the sender.  Returns -1. */
int receiver_output_failed(struct receiver *r, struct err *e);

/*
 * The output failed with *e.  If there is a consumer, its exit status tells
 * why, as soon as it has exited.  Sets e and the outcome; returns -1.
 */
int receiver_output_error(struct receiver *r, struct err *e);

/* -1 if the consumer failed.  (One that succeeded may have all it wants.) */
int receiver_check_consumer(struct receiver *r, struct err *e);

/*
 * The connection failed with *e.  Returns 0 and clears *e if the stream can
 * resume over another one; else -1.
 */
int receiver_lost(struct receiver *r, struct err *e);

/*
 * Is the connection that we read not yet the stream's?  While we write,
 * the sender may compare, go on, and even rekey.
 */
bool receiver_compares(const struct receiver *r);

/*
 * DONE is for a stream that ends where ours did: a sender with its name, which
 * may have restarted, has to come to its end first.
 */
bool receiver_awaits_end(const struct receiver *r);

/* If all of the old connection was received, acknowledge it at once. */
void receiver_arrived(struct receiver *r);

/*
 * session_check(), except that while we still write the connection cannot prove
 * that it works.
 */
int receiver_check_session(struct receiver *r, struct err *e);

/*
 * Wait for what the last step was blocked on, or until until_ms, and do what is
 * due.  Returns at the first event.
 */
int receiver_wait(struct receiver *r, uint64_t until_ms, struct err *e);

/* Do what is due although the stream does not pause. */
int receiver_work_on(struct receiver *r, struct err *e);

/*
 * Move all bytes of the stream to the output, over as many connections as it
 * takes.
 */
int receiver_transfer(struct receiver *r, struct err *e);

/* Hear how far a restarted sender is.  Until it is done there is no data. */
int receiver_transfer_compare(struct receiver *r, struct err *e);
