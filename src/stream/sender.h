/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of a sender.  Its parts: sender_input takes bytes from the input,
 * sender_send gives them to the connection, sender_hear reads what the receiver
 * says; sender_run is the whole.
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

/* How far it came. */
struct sender_end {
	uint64_t sent, confirmed; /* bytes; confirmed: acknowledged */
	bool suspended; /* another process with its name can continue it */
	bool restarted; /* another receiver came: begin the input again */
};

/* A receiver sends an ACK every 5 s (btrfs-ktls-pipe-protocol(7)). */
enum { SENDER_SILENCE_MS = 30000 };

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
	uint64_t speak_ms; /* when to log that we wait for the outcome */
	bool done; /* the receiver confirmed the stream */
	bool refused; /* the receiver sent FAIL */
	bool disputed; /* it confirmed a stream of another length */
	char words[FRAME_WORDS_MAX + 1]; /* the last line of its COMMAND */
	struct read_ahead ahead;
	struct pace pace;
	struct comparison comparison; /* with what the receiver has */
	uint64_t paced_ms; /* when --limit allows more; 0: now */
};
