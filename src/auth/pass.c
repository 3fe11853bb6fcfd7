// SPDX-License-Identifier: GPL-2.0-or-later
#include "auth/pass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/io.h"
#include "base/log.h"
#include "proto/frame.h"

/* The draft's CI, and what ADa and ADb begin with */
#define CHANNEL FRAME_ALPN
#define CONNECTING CHANNEL " connecting side"
#define LISTENING CHANNEL " listening side"

/* ADa or ADb: the role, and a message without its point */
struct pass_said {
	size_t len;
	uint8_t bytes[sizeof CONNECTING + PREFACE_HEAD_BYTES];
};

_Static_assert((int)PREFACE_POINT_BYTES == (int)PAKE_POINT_BYTES,
	       "points of one size");

void pass_wipe(struct pass *x)
{
	explicit_bzero(x, sizeof *x);
}

static struct pass_said pass_say(const char *role, const uint8_t *message)
{
	struct pass_said said = { .len = strlen(role) };

	memcpy(said.bytes, role, said.len);
	memcpy(said.bytes + said.len, message, PREFACE_HEAD_BYTES);
	said.len += PREFACE_HEAD_BYTES;
	return said;
}

static struct pake_input pass_input(const struct secret *password)
{
	return (struct pake_input){
		.password = { password->bytes, password->len },
		.channel = { CHANNEL, strlen(CHANNEL) },
	};
}

/* What a key is made of besides the password: both messages, whole. */
struct pass_exchange {
	const uint8_t *scalar; /* ours */
	const uint8_t *peer; /* the peer's point */
	const uint8_t *offer, *answer;
};

static struct cred *pass_cred(const struct pass_exchange *x,
			      const struct secret *password, bool server,
			      struct err *e)
{
	const struct pass_said a = pass_say(CONNECTING, x->offer);
	const struct pass_said b = pass_say(LISTENING, x->answer);
	const struct pake_transcript t = {
		.point_a = x->offer + PREFACE_HEAD_BYTES,
		.point_b = x->answer + PREFACE_HEAD_BYTES,
		.said_a = { a.bytes, a.len },
		.said_b = { b.bytes, b.len },
	};
	const struct pake_input in = pass_input(password);
	autowipe struct secret key = { 0 };

	if (pake_key(&in, x->scalar, x->peer, &t, &key, e) < 0)
		return NULL;
	return cred_new_password(&key, server, e);
}

/* Draw nonce and scalar, and write our message. */
static int pass_draw(enum preface_type type, const struct secret *password,
		     uint8_t *scalar, uint8_t *message, struct err *e)
{
	struct preface p = { .type = type, .version = PREFACE_VERSION };
	const struct pake_input in = pass_input(password);

	if (io_random(p.nonce, sizeof p.nonce, e) < 0 ||
	    pake_draw(&in, scalar, p.point, e) < 0)
		return -1;
	preface_encode(&p, message);
	return 0;
}

/* A new connection takes so few bytes at once. */
static int pass_send(int fd, const uint8_t *message, struct err *e)
{
	ssize_t n =
		send(fd, message, PREFACE_BYTES, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n == PREFACE_BYTES)
		return 0;
	return err_set(e, ERR_AUTH, n < 0 ? errno : 0,
		       "the connection was lost during the password exchange");
}

/* As recv(2).  *n 0: nothing there now.  Errors: ERR_AUTH. */
static int pass_recv(int fd, void *buf, size_t len, int flags, size_t *n,
		     struct err *e)
{
	ssize_t got = recv(fd, buf, len, MSG_DONTWAIT | flags);

	*n = 0;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got < 0)
		return err_set(e, ERR_AUTH, errno,
			       "the connection was lost during the handshake");
	if (got == 0)
		return err_set(e, ERR_AUTH, 0,
			       "the peer closed the connection during the "
			       "handshake");
	*n = (size_t)got;
	return 0;
}

int pass_receive(struct pass *x, int fd, enum preface_type type,
		 enum pass_event *event, struct err *e)
{
	size_t n;

	*event = PASS_WAIT;
	if (!x->have) {
		if (pass_recv(fd, x->came, 1, MSG_PEEK, &n, e) < 0)
			return -1;
		if (n && x->came[0] != type)
			*event = PASS_OTHER;
		if (!n || *event == PASS_OTHER)
			return 0;
	}
	if (pass_recv(fd, x->came + x->have, PREFACE_BYTES - x->have, 0, &n,
		      e) < 0)
		return -1;
	x->have += n;
	if (x->have == PREFACE_BYTES)
		*event = PASS_HERE;
	return 0;
}

int pass_offer(struct pass *x, int fd, const struct secret *password,
	       struct err *e)
{
	*x = (struct pass){ .have = 0 };
	if (pass_draw(PREFACE_OFFER, password, x->scalar, x->sent, e) < 0)
		return -1;
	return pass_send(fd, x->sent, e);
}

struct cred *pass_accept(struct pass *x, const struct secret *password,
			 enum preface_refusal *refusal, struct err *e)
{
	const struct pass_exchange exchange = { .scalar = x->scalar,
						.peer = x->came +
							PREFACE_HEAD_BYTES,
						.offer = x->sent,
						.answer = x->came };
	struct preface p;
	bool read = preface_decode(x->came, PREFACE_ANSWER, &p) == 0;

	*refusal = PREFACE_ACCEPTED;
	if (read && p.version == PREFACE_VERSION_OLD) {
		*refusal = PREFACE_REFUSED_VERSION;
		err_set(e, ERR_AUTH, 0, "%s",
			frame_version_text(FRAME_VERSION_OLD));
		return NULL;
	}
	if (read && p.refusal)
		*refusal = p.refusal;
	else if (read && p.version != PREFACE_VERSION)
		*refusal = PREFACE_REFUSED_VERSION;
	else if (read)
		return pass_cred(&exchange, password, false, e);
	if (*refusal)
		err_set(e, ERR_AUTH, 0, "refused: %s",
			preface_refusal_text(*refusal));
	else
		err_set(e, ERR_AUTH, 0,
			"the peer's part of the password exchange is invalid");
	return NULL;
}

void pass_refuse(int fd, enum preface_refusal refusal)
{
	const struct preface p = { .type = PREFACE_ANSWER,
				   .version = PREFACE_VERSION,
				   .refusal = refusal };
	uint8_t message[PREFACE_BYTES];
	struct err ignored = { 0 };

	preface_encode(&p, message);
	if (pass_send(fd, message, &ignored) < 0)
		log_debug("%s", ignored.msg);
}

/* Nothing here depends on whether the password is the peer's. */
static struct cred *pass_reply(const struct pass *x, int fd,
			       const struct secret *password, uint8_t *scalar,
			       struct err *e)
{
	uint8_t answer[PREFACE_BYTES];
	const struct pass_exchange exchange = { .scalar = scalar,
						.peer = x->came +
							PREFACE_HEAD_BYTES,
						.offer = x->came,
						.answer = answer };
	struct cred *c;

	if (pass_draw(PREFACE_ANSWER, password, scalar, answer, e) < 0)
		return NULL;
	c = pass_cred(&exchange, password, true, e);
	if (!c) {
		pass_refuse(fd, PREFACE_REFUSED_MALFORMED);
		return NULL;
	}
	if (pass_send(fd, answer, e) < 0) {
		cred_free(c);
		return NULL;
	}
	return c;
}

struct cred *pass_answer(const struct pass *x, int fd,
			 const struct secret *password, struct err *e)
{
	uint8_t scalar[PAKE_SCALAR_BYTES];
	struct preface p;
	struct cred *c;

	if (preface_decode(x->came, PREFACE_OFFER, &p) < 0) {
		pass_refuse(fd, PREFACE_REFUSED_MALFORMED);
		err_set(e, ERR_AUTH, 0,
			"the peer's part of the password exchange is invalid");
		return NULL;
	}
	if (p.version != PREFACE_VERSION) {
		pass_refuse(fd, PREFACE_REFUSED_VERSION);
		err_set(e, ERR_AUTH, 0, "%s",
			p.version == PREFACE_VERSION_OLD
				? frame_version_text(FRAME_VERSION_OLD)
				: preface_refusal_text(
					  PREFACE_REFUSED_VERSION));
		return NULL;
	}
	c = pass_reply(x, fd, password, scalar, e);
	explicit_bzero(scalar, sizeof scalar);
	return c;
}
