/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Protocol 2: our own frames to and from bytes.  Pure; fed with a peer's
 * bytes.  Every type has one size, integers are big-endian.
 * Ref: btrfs-ktls-pipe-protocol(7).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_ALPN "btrfs-ktls-pipe/2"
/* What release 0.1 spoke: recognised, so that a message can say so. */
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
};

enum frame_type {
	FRAME_HELLO = 1, /* connecting side, first */
	FRAME_WELCOME = 2, /* listener, in answer */
	FRAME_ACK = 3, /* receiver: bytes kept so far */
	FRAME_DONE = 4, /* receiver: all was consumed */
	FRAME_FAIL = 5, /* receiver: it was not, and why */
	FRAME_NAME = 6, /* connecting side, after a HELLO that says so */
	FRAME_HAVE = 7, /* receiver, after WELCOME: what it has already */
	FRAME_CHECKING = 8, /* sender: how far its input was compared */
	FRAME_WORDS = 9, /* receiver, before FAIL: what the consumer said */
};

/* Sizes on the wire, in bytes */
enum {
	FRAME_HELLO_BYTES = 128,
	FRAME_WELCOME_BYTES = 64,
	FRAME_ACK_BYTES = 16,
	FRAME_OUTCOME_BYTES = 16,
	FRAME_NAME_FRAME_BYTES = 40,
	FRAME_HAVE_BYTES = 48,
	FRAME_CHECKING_BYTES = 16,
	FRAME_WORDS_BYTES = 208,
	FRAME_MAX_BYTES = FRAME_WORDS_BYTES,
};

enum frame_role { FRAME_SENDS = 1, FRAME_RECEIVES = 2 };

/* A WELCOME that does not welcome, and a frame that nobody expected */
enum frame_refusal {
	FRAME_ACCEPTED = 0,
	FRAME_REFUSED_VERSION = 1,
	FRAME_REFUSED_ROLE = 2, /* both sides send, or both receive */
	FRAME_REFUSED_BUSY = 3,
	FRAME_REFUSED_STREAM = 4, /* cannot be resumed here */
	FRAME_REFUSED_SELF = 5, /* reflected back to its own host */
	FRAME_REFUSED_MALFORMED = 6,
	FRAME_REFUSED_NAME = 7, /* streams have no names here */
	FRAME_REFUSAL_LAST = FRAME_REFUSED_NAME,
};

/* Flags of a HELLO */
enum {
	FRAME_HELLO_NAMED = 1, /* NAME follows */
	FRAME_HELLO_DISCARD = 2, /* give the named stream up; only with NAMED */
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
	FRAME_ACK_WAITS = 1, /* nothing is left to consume: bytes are wanted */
	FRAME_ACK_FLAGS = 1,
};

/* What the digest of a HAVE is */
enum frame_digest { FRAME_XXH3_128 = 1 }; /* canonical form; then 16 zeros */

/* How a comparison stands */
enum frame_check {
	FRAME_CHECK_GOES_ON = 0,
	FRAME_CHECK_SAME = 1, /* the stream follows, from this offset on */
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

struct frame_hello {
	uint8_t version;
	enum frame_role role; /* of the connecting side */
	uint8_t flags; /* FRAME_HELLO_... */
	uint32_t connection; /* rising within a stream, from 1 */
	uint8_t stream[FRAME_ID_BYTES];
	uint64_t offset; /* counts if the role is FRAME_RECEIVES */
	uint64_t buffer_bytes; /* what the sender keeps */
	uint64_t record_limit; /* records under one key; 0: the protocol's */
	uint64_t retry_ms; /* wished for; 0: no resume */
	uint64_t rekey_at; /* offset; 0: no rotation */
	uint8_t host[FRAME_HOST_BYTES];
	uint8_t proof[FRAME_PROOF_BYTES]; /* of the ticket; zeros: none */
};

struct frame_welcome {
	uint8_t version;
	enum frame_refusal refusal;
	enum frame_role role; /* of the listener */
	uint8_t flags; /* FRAME_WELCOME_... */
	uint64_t offset; /* counts if the role is FRAME_RECEIVES */
	uint64_t buffer_bytes;
	uint64_t record_limit;
	uint64_t retry_ms; /* granted; 0: no resume */
	uint64_t rekey_at;
	uint8_t handle[FRAME_ID_BYTES]; /* PSK identity of a resumption */
};

struct frame_ack {
	uint8_t flags; /* FRAME_ACK_... */
	uint64_t offset; /* bytes below it are kept */
};

struct frame_have {
	enum frame_digest kind;
	uint64_t offset; /* bytes of the stream that are there */
	uint8_t digest[FRAME_DIGEST_BYTES]; /* of all of them */
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
		uint8_t name[FRAME_NAME_BYTES]; /* the hash of a name */
		struct frame_have have;
		struct frame_checking checking;
		struct frame_words words;
	};
};

/* Bytes on the wire of a frame that begins with this byte; 0: no such type. */
size_t frame_size(uint8_t first_byte);

/* Write f to out.  Returns its size. */
size_t frame_encode(const struct frame *f, uint8_t out[static FRAME_MAX_BYTES]);

/*
 * Read the frame that is in[0] to in[frame_size(in[0]) - 1].  Returns 0, or
 * -1 if a field has no meaning.  A HELLO or WELCOME of another version passes,
 * with that version (and a WELCOME's refusal) and nothing else filled in.
 * An unknown flag has no meaning either.
 */
int frame_decode(const uint8_t *in, struct frame *f);

/* Collects a frame from a byte stream, never reading beyond its end. */
struct frame_reader {
	size_t have;
	uint8_t bytes[FRAME_MAX_BYTES];
};

/* How many bytes to append to bytes[have] next; 0: a frame is complete. */
size_t frame_reader_wants(const struct frame_reader *r);

/* What a refusal or a failure means, for people. */
const char *frame_refusal_text(enum frame_refusal refusal);

/* The same of a peer that speaks this other version of the protocol. */
const char *frame_version_text(uint8_t version);
