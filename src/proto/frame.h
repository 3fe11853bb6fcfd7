/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Encode and decode the frames of protocol 2.  Pure; decodes a peer's bytes.
 * Frames of one type have one size; integers are big-endian.
 * Ref: btrfs-ktls-pipe-protocol(7).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_ALPN "btrfs-ktls-pipe/2"
/* The protocol of release 0.1: recognised only to be refused by name. */
#define FRAME_ALPN_OLD "btrfs-ktls-pipe/1"

enum {
	FRAME_VERSION = 2,
	FRAME_VERSION_OLD = 1,
	FRAME_ID_BYTES = 16,
	FRAME_HOST_BYTES = 32,
	FRAME_PROOF_BYTES = 32,
	FRAME_NAME_BYTES = 32,
	FRAME_DIGEST_BYTES = 32,
	FRAME_WORDS_MAX = 200,
	FRAME_MAX_BYTES = 8 + FRAME_WORDS_MAX, /* FRAME_WORDS is the longest */
};

enum frame_type {
	FRAME_HELLO = 1, /* connecting side, first */
	FRAME_WELCOME = 2, /* listener, in answer */
	FRAME_ACK = 3, /* receiver: bytes kept so far */
	FRAME_DONE = 4, /* receiver: all was consumed */
	FRAME_FAIL = 5, /* receiver: not all was consumed, and why */
	FRAME_NAME = 6, /* connecting side, after a HELLO with NAMED */
	FRAME_HAVE = 7, /* receiver, after WELCOME: the bytes it has already */
	FRAME_CHECKING = 8, /* sender: how much of its input was compared */
	FRAME_WORDS = 9, /* receiver, before FAIL: why, in words */
};

enum frame_role { FRAME_SENDS = 1, FRAME_RECEIVES = 2 };

/* Why the listener refuses; also the answer to an unexpected frame */
enum frame_refusal {
	FRAME_ACCEPTED = 0,
	FRAME_REFUSED_VERSION = 1,
	FRAME_REFUSED_ROLE = 2, /* both sides send, or both receive */
	FRAME_REFUSED_BUSY = 3,
	FRAME_REFUSED_STREAM = 4, /* cannot be resumed here */
	FRAME_REFUSED_SELF = 5, /* reflected back to its own host */
	FRAME_REFUSED_MALFORMED = 6,
	FRAME_REFUSED_NAME = 7, /* the listener takes no named streams */
	FRAME_REFUSAL_LAST = FRAME_REFUSED_NAME,
};

/* Flags of a HELLO */
enum {
	FRAME_HELLO_NAMED = 1, /* NAME follows */
	FRAME_HELLO_DISCARD = 2, /* abandon the named stream; only with NAMED */
	FRAME_HELLO_HAVE = 4, /* HAVE follows WELCOME; only of a receiver */
	FRAME_HELLO_FLAGS = 7,
};

/* Flags of a WELCOME */
enum {
	FRAME_WELCOME_HAVE = 1, /* HAVE follows; only of a receiver */
	FRAME_WELCOME_FLAGS = 1,
};

/* Flags of an ACK */
enum {
	FRAME_ACK_WAITS = 1, /* all is consumed: the receiver wants bytes */
	FRAME_ACK_FLAGS = 1,
};

/* The digest in a HAVE */
enum frame_digest { FRAME_XXH3_128 = 1 }; /* canonical form, then 16 zeros */

/* The state of a comparison */
enum frame_check {
	FRAME_CHECK_GOES_ON = 0,
	FRAME_CHECK_SAME = 1, /* the stream follows from this offset */
	FRAME_CHECK_OTHER = 2, /* another stream, or a shorter one */
};

enum frame_failure {
	FRAME_FAIL_STATUS = 1, /* the consumer exited with status detail */
	FRAME_FAIL_SIGNAL = 2, /* the consumer was killed by signal detail */
	FRAME_FAIL_UNREAD = 3, /* the consumer left bytes unread */
	FRAME_FAIL_READER = 4, /* the reader of the output went away */
	FRAME_FAIL_OUTPUT = 5, /* the output could not be written */
	FRAME_FAIL_START = 6, /* the consumer could not be started */
};

/* What a side offers for the stream, in HELLO and in WELCOME */
struct frame_limits {
	uint64_t buffer_bytes; /* of the sender's resend buffer */
	uint64_t record_limit; /* records under one key; 0: the protocol's */
	uint64_t
		retry_ms; /* HELLO: requested; WELCOME: granted; 0: no resume */
};

struct frame_hello {
	uint8_t version;
	enum frame_role role; /* of the connecting side */
	uint8_t flags; /* FRAME_HELLO_... */
	uint32_t connection; /* number within the stream, from 1, rising */
	uint8_t stream[FRAME_ID_BYTES];
	uint64_t offset; /* valid if the role is FRAME_RECEIVES */
	struct frame_limits limits;
	uint64_t rekey_at; /* offset of a rekey; 0: no rekey */
	uint8_t host[FRAME_HOST_BYTES];
	uint8_t proof[FRAME_PROOF_BYTES]; /* of the ticket; zeros: none */
};

struct frame_welcome {
	uint8_t version;
	enum frame_refusal refusal;
	enum frame_role role; /* of the listener */
	uint8_t flags; /* FRAME_WELCOME_... */
	uint64_t offset; /* valid if the role is FRAME_RECEIVES */
	struct frame_limits limits;
	uint64_t rekey_at;
	uint8_t handle[FRAME_ID_BYTES]; /* PSK identity for resuming */
};

struct frame_ack {
	uint8_t flags; /* FRAME_ACK_... */
	uint64_t offset; /* bytes below it are kept */
};

struct frame_have {
	enum frame_digest kind;
	uint64_t offset; /* bytes of the stream that the receiver has */
	uint8_t digest[FRAME_DIGEST_BYTES]; /* of those bytes */
};

struct frame_checking {
	enum frame_check check;
	uint64_t offset; /* bytes digested so far */
};

struct frame_words {
	uint8_t len; /* 1 to FRAME_WORDS_MAX */
	char text[FRAME_WORDS_MAX]; /* ASCII, printable; not terminated */
};

/* FRAME_DONE and FRAME_FAIL */
struct frame_outcome {
	enum frame_failure failure; /* 0: none */
	uint16_t detail;
	uint64_t total; /* bytes of the stream */
};

struct frame {
	enum frame_type type;
	union {
		struct frame_hello hello;
		struct frame_welcome welcome;
		struct frame_ack ack;
		struct frame_outcome outcome;
		uint8_t name[FRAME_NAME_BYTES]; /* hash of the name */
		struct frame_have have;
		struct frame_checking checking;
		struct frame_words words;
	};
};

/* The size of a frame by its first byte; 0: no such type. */
size_t frame_size(uint8_t first_byte);

/* Encode f into out.  Returns its size. */
size_t frame_encode(const struct frame *f, uint8_t out[static FRAME_MAX_BYTES]);

/*
 * Decode the frame in in[0] to in[frame_size(in[0]) - 1].  Returns 0, or -1 if
 * a field or flag has no meaning.  A HELLO or WELCOME of another version is no
 * error: then only its version, and the refusal of a WELCOME, are filled in.
 */
int frame_decode(const uint8_t *in, struct frame *f);

/* Do both say the same? */
bool frame_have_same(const struct frame_have *a, const struct frame_have *b);

/* Collects one frame from a byte stream, and no byte behind it. */
struct frame_reader {
	size_t have;
	uint8_t bytes[FRAME_MAX_BYTES];
};

/* How many bytes to append at bytes[have]; 0: the frame is complete. */
size_t frame_reader_wants(const struct frame_reader *r);

/* A refusal in words.  version: what the peer speaks */
const char *frame_refusal_text(enum frame_refusal refusal, uint8_t version);
