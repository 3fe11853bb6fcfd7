/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Orders to the launcher: the process with our privileges, which sees no
 * network and has no key.  Orders have one size; a field that an order does not
 * use is zero.  order_check() is pure.  The socket to the launcher is global.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "base/net_address.h"

enum order_kind {
	ORDER_PING = 1, /* answer */
	ORDER_COMMAND, /* role, words: start COMMAND and its supervisor */
	ORDER_CONTINUE, /* pid: let a stopped supervisor of COMMAND run */
	ORDER_STREAM_LAUNCHER, /* identity: fork one for the stream that asks */
	ORDER_SIGNAL, /* pid, number: signal a stream's process, or ssh */
	ORDER_RESOLVE, /* number: look up that host of argv, and that of -b */
	ORDER_DIAL, /* to, from: connect a socket to the port of argv */
	ORDER_DIAG, /* a socket: what does sock_diag say of it? */
	ORDER_GROW, /* a pipe, number: let it hold so many bytes */
	ORDER_REOPEN, /* number 0 to 2, access: /proc/self/fd/N, O_NONBLOCK */
	ORDER_NULL, /* open /dev/null for writing */
	ORDER_KEYS, /* open the file of --keys */
	/* Each with the folder of --output and FILE.part, which is locked */
	ORDER_PART_NOTE, /* bytes: so many are on the disk */
	ORDER_PART_NAME, /* rename FILE.part to FILE */
	ORDER_PART_DROP, /* delete FILE.part */
	ORDER_KINDS,
};

/* What COMMAND is told about its peer; "": nothing. */
enum order_word {
	ORDER_IDENTITY,
	ORDER_METHOD,
	ORDER_PEER,
	ORDER_STREAM,
	ORDER_WORDS,
};
enum { ORDER_WORD_BYTES = 96 };

struct order {
	uint32_t kind;
	uint32_t role; /* enum command_role */
	int32_t pid;
	int32_t number;
	int32_t access; /* O_RDONLY or O_WRONLY */
	struct net_address to, from; /* AF_UNSPEC: from anywhere */
	char words[ORDER_WORDS][ORDER_WORD_BYTES]; /* padded with zeros */
	uint32_t unused; /* fills a hole: order_check() compares all bytes */
	uint64_t bytes;
};

enum { ORDER_FDS_MAX = 2, ORDER_ANSWER_FDS = 3, ORDER_HOSTS_MAX = 3 };

/* The answer.  error.kind: 0, or why the launcher failed. */
struct order_answer {
	struct err error;
	int32_t value[2]; /* COMMAND: its supervisor; DIAG: TX, RX */
	int fds[ORDER_ANSWER_FDS]; /* -1: none; the sender's numbers */
};

/*
 * Is this an order that we could give, down to its last byte?  len: of bytes;
 * fds: the descriptors that came with it, besides the one for the answer.
 */
bool order_check(const void *bytes, size_t len, size_t fds) attr_must_check;

/* Put a word into an order.  A word that is too long is left out. */
void order_set_word(struct order *o, enum order_word word, const char *text);

/*
 * From here on orders go to the launcher at the other end of the socket fd,
 * which order_disconnect() closes.  The socket that was used before is closed.
 *
 * alone: no other process gives orders over it.  Then answers come back over
 * it.  Else each order brings a descriptor for its answer, which the kernel may
 * refuse to send (unix(7), ETOOMANYREFS).
 */
void order_connect(int fd, bool alone);
void order_disconnect(void);

/* Is there a launcher? */
bool order_possible(void);

/* The socket to the launcher, for a child that keeps it; -1: none */
int order_socket(void);

/* May only the process that started the launcher give such an order? */
bool order_is_of_listener(uint32_t kind);

/* Can an order of this kind wait for a disk?  Those about FILE.part can. */
bool order_is_slow(uint32_t kind);

/*
 * Give an order, together with descriptor fd unless that is -1, and wait for
 * the answer: 10 s at most, but as long as it takes if the order is slow.  On
 * success the caller owns the descriptors in a->fds.  Errors: that of the
 * launcher; or ERR_STREAM if it does not answer.
 */
int order_ask(const struct order *o, int fd, struct order_answer *a,
	      struct err *e) attr_must_check;

/* The same with two descriptors. */
int order_ask_with(const struct order *o, const int fds[static ORDER_FDS_MAX],
		   struct order_answer *a, struct err *e) attr_must_check;

/*
 * The same for an order whose answer is one descriptor: returns it, or -1 with
 * errno set, too; EBADMSG if the answer came without it.
 */
int order_ask_fd(const struct order *o, struct err *e) attr_must_check;

/*
 * Send sig to a process: by the launcher if there is one, else by kill(2),
 * whose errors are ignored.  Errors: as of order_ask().  Unless sig is SIGUSR1,
 * a launcher that does not answer is given up: order_socket() is shut down, and
 * further orders fail at once.
 */
int order_signal(pid_t pid, int sig, struct err *e) attr_must_check;

/* An order that the launcher received */
struct order_received {
	struct order order;
	pid_t from; /* who asks, as the kernel says; 0: unknown */
	int reply_fd; /* for the answer; -1: the socket that it came over */
	int fds[ORDER_FDS_MAX]; /* -1: none */
};

/*
 * For the launcher.  Receive one order from a socket with SO_PASSCRED.  Returns
 * 1: carry it out; the caller owns its descriptors.  0: do not: it is invalid,
 * nobody waits for its answer, or it has to be received again.  -1: nobody can
 * give orders any more; errno is 0, or that of recvmsg(2).
 */
int order_receive(int socket_fd, struct order_received *r);

/*
 * Send the answer with its descriptors over reply_fd or, if that is -1, over
 * socket_fd; then close these descriptors and reply_fd.
 */
void order_reply(int socket_fd, int reply_fd, struct order_answer *a);
