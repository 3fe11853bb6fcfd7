// SPDX-License-Identifier: GPL-2.0-or-later
#include "auth/password_exchange.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/io.h"
#include "base/log.h"
#include "proto/frame.h"

/* The draft's CI, and the first part of ADa and ADb */
#define CHANNEL FRAME_ALPN
#define CONNECTING CHANNEL " connecting side"
#define LISTENING CHANNEL " listening side"

/* ADa or ADb: the role, and a message without its point */
struct password_exchange_said {
	size_t len;
	uint8_t bytes[sizeof CONNECTING + PASSWORD_MESSAGE_HEAD_BYTES];
};

_Static_assert((int)PASSWORD_MESSAGE_POINT_BYTES == (int)CPACE_POINT_BYTES,
	       "points of one size");

static struct password_exchange_said password_exchange_say(
	const char *role, const uint8_t *message)
{
	struct password_exchange_said said = { .len = strlen(role) };

	memcpy(said.bytes, role, said.len);
	memcpy(said.bytes + said.len, message, PASSWORD_MESSAGE_HEAD_BYTES);
	said.len += PASSWORD_MESSAGE_HEAD_BYTES;
	return said;
}

static struct cpace_input password_exchange_input(const struct secret *password)
{
	return (struct cpace_input){
		.password = { password->bytes, password->len },
		.channel = { CHANNEL, strlen(CHANNEL) },
	};
}

/* The key depends on the password and on all of both messages. */
static struct credential *password_exchange_cred(const uint8_t *scalar,
						 const uint8_t *offer,
						 const uint8_t *answer,
						 const struct secret *password,
						 bool server, struct err *e)
{
	const struct password_exchange_said a =
		password_exchange_say(CONNECTING, offer);
	const struct password_exchange_said b =
		password_exchange_say(LISTENING, answer);
	const struct cpace_transcript t = {
		.point_a = offer + PASSWORD_MESSAGE_HEAD_BYTES,
		.point_b = answer + PASSWORD_MESSAGE_HEAD_BYTES,
		.said_a = { a.bytes, a.len },
		.said_b = { b.bytes, b.len },
	};
	const struct cpace_input in = password_exchange_input(password);
	autowipe struct secret key = { 0 };

	if (cpace_key(&in, scalar, server ? t.point_a : t.point_b, &t, &key,
		      e) < 0)
		return NULL;
	return credential_new_password(&key, server, e);
}

/* Draw nonce and scalar; write our message. */
static int password_exchange_draw(struct password_exchange *x,
				  enum password_message_type type,
				  const struct secret *password, struct err *e)
{
	struct password_message p = { .type = type,
				      .version = PASSWORD_MESSAGE_VERSION };
	const struct cpace_input in = password_exchange_input(password);

	if (io_random(p.nonce, sizeof p.nonce, e) < 0 ||
	    cpace_draw(&in, x->scalar, p.point, e) < 0)
		return -1;
	password_message_encode(&p, x->sent);
	return 0;
}

/* The send buffer of a new connection has room for so few bytes. */
static int password_exchange_send(int fd, const uint8_t *message, struct err *e)
{
	ssize_t n = send(fd, message, PASSWORD_MESSAGE_BYTES,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n == PASSWORD_MESSAGE_BYTES)
		return 0;
	return err_set(e, ERR_AUTH, n < 0 ? errno : 0,
		       "the connection was lost during the password exchange");
}

/* As recv(2).  *n 0: nothing has arrived.  Errors: ERR_AUTH. */
static int password_exchange_recv(int fd, void *buf, size_t len, int flags,
				  size_t *n, struct err *e)
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

int password_exchange_receive(struct password_exchange *x, int fd,
			      enum password_message_type type,
			      enum password_exchange_event *event,
			      struct err *e)
{
	size_t n;

	*event = PASSWORD_EXCHANGE_WAIT;
	if (!x->have) {
		if (password_exchange_recv(fd, x->came, 1, MSG_PEEK, &n, e) < 0)
			return -1;
		if (n && x->came[0] != type)
			*event = PASSWORD_EXCHANGE_OTHER;
		if (!n || *event == PASSWORD_EXCHANGE_OTHER)
			return 0;
	}
	if (password_exchange_recv(fd, x->came + x->have,
				   PASSWORD_MESSAGE_BYTES - x->have, 0, &n,
				   e) < 0)
		return -1;
	x->have += n;
	if (x->have == PASSWORD_MESSAGE_BYTES)
		*event = PASSWORD_EXCHANGE_HERE;
	return 0;
}

int password_exchange_offer(struct password_exchange *x, int fd,
			    const struct secret *password, struct err *e)
{
	*x = (struct password_exchange){ .have = 0 };
	if (password_exchange_draw(x, PASSWORD_MESSAGE_OFFER, password, e) < 0)
		return -1;
	return password_exchange_send(fd, x->sent, e);
}

struct credential *password_exchange_accept(
	struct password_exchange *x, const struct secret *password,
	enum password_message_refusal *refusal, struct err *e)
{
	struct password_message p;

	*refusal = PASSWORD_MESSAGE_ACCEPTED;
	if (password_message_decode(x->came, PASSWORD_MESSAGE_ANSWER, &p) < 0) {
		err_set(e, ERR_AUTH, 0,
			"the peer's part of the password exchange is invalid");
		return NULL;
	}
	if (p.version == PASSWORD_MESSAGE_VERSION_OLD ||
	    (p.version != PASSWORD_MESSAGE_VERSION && !p.refusal))
		p.refusal = PASSWORD_MESSAGE_REFUSED_VERSION;
	*refusal = p.refusal;
	if (!p.refusal)
		return password_exchange_cred(x->scalar, x->sent, x->came,
					      password, false, e);
	err_set(e, ERR_AUTH, 0, "%s%s",
		p.version == PASSWORD_MESSAGE_VERSION_OLD ? "" : "refused: ",
		password_message_refusal_text(p.refusal, p.version));
	return NULL;
}

void password_exchange_refuse(int fd, enum password_message_refusal refusal)
{
	const struct password_message p = { .type = PASSWORD_MESSAGE_ANSWER,
					    .version = PASSWORD_MESSAGE_VERSION,
					    .refusal = refusal };
	uint8_t message[PASSWORD_MESSAGE_BYTES];
	struct err ignored = { 0 };

	password_message_encode(&p, message);
	if (password_exchange_send(fd, message, &ignored) < 0)
		log_debug("%s", ignored.msg);
}

/* Nothing here depends on whether both passwords are the same. */
static struct credential *password_exchange_reply(
	const struct password_exchange *x, int fd,
	const struct secret *password, struct err *e)
{
	attr_cleanup(password_exchange_wipe) struct password_exchange ours = {
		.have = 0
	};
	struct credential *c;

	if (password_exchange_draw(&ours, PASSWORD_MESSAGE_ANSWER, password,
				   e) < 0)
		return NULL;
	c = password_exchange_cred(ours.scalar, x->came, ours.sent, password,
				   true, e);
	if (!c) {
		password_exchange_refuse(fd,
					 PASSWORD_MESSAGE_REFUSED_MALFORMED);
		return NULL;
	}
	if (password_exchange_send(fd, ours.sent, e) < 0) {
		credential_free(c);
		return NULL;
	}
	return c;
}

struct credential *password_exchange_answer(const struct password_exchange *x,
					    int fd,
					    const struct secret *password,
					    struct err *e)
{
	struct password_message p;

	if (password_message_decode(x->came, PASSWORD_MESSAGE_OFFER, &p) < 0) {
		password_exchange_refuse(fd,
					 PASSWORD_MESSAGE_REFUSED_MALFORMED);
		err_set(e, ERR_AUTH, 0,
			"the peer's part of the password exchange is invalid");
		return NULL;
	}
	if (p.version != PASSWORD_MESSAGE_VERSION) {
		password_exchange_refuse(fd, PASSWORD_MESSAGE_REFUSED_VERSION);
		err_set(e, ERR_AUTH, 0, "%s",
			password_message_refusal_text(
				PASSWORD_MESSAGE_REFUSED_VERSION, p.version));
		return NULL;
	}
	return password_exchange_reply(x, fd, password, e);
}
