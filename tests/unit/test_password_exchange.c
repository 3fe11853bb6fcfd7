// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * password_exchange: against a second implementation that follows the protocol
 * page word for word; and no byte of TLS is read.
 */
#include "auth/password_exchange.h"

#include <errno.h>
#include <sys/socket.h>

#include "tap.h"
#include "wrap.h"

/* The wrapper keeps the bytes that would become the pre-shared key. */
static struct secret psk;
static bool psk_server;

WRAP(credential_new_password);
struct credential *__wrap_credential_new_password(const struct secret *key,
						  bool server, struct err *e)
{
	psk = *key;
	psk_server = server;
	return (struct credential *)&psk;
}

static struct err e;
static int ours, theirs; /* two ends of a connection */
static const struct secret password = { .len = 4, .bytes = "word" };

static void connection(void)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		ok(false, "socketpair");
	ours = fds[0];
	theirs = fds[1];
	psk = (struct secret){ 0 };
}

static void end(void)
{
	close(ours);
	close(theirs);
}

/* ---- the other end, by the protocol page */

struct page {
	uint8_t scalar[32];
	uint8_t message[52];
	struct secret key;
};

static const struct cpace_input page_input = {
	.password = { "word", 4 },
	.channel = { "btrfs-ktls-pipe/2", 17 },
};

static void page_draw(struct page *p, uint8_t type)
{
	memset(p, 0, sizeof *p);
	p->message[0] = type;
	p->message[1] = 2;
	memcpy(p->message + 4, "sixteen bytes...", 16);
	if (cpace_draw(&page_input, p->scalar, p->message + 20, &e) < 0)
		ok(false, "%s", e.msg);
}

static void page_key(struct page *p, const uint8_t *offer,
		     const uint8_t *answer, const uint8_t *peer)
{
	uint8_t a[128], b[128];
	static const char role_a[] = "btrfs-ktls-pipe/2 connecting side";
	static const char role_b[] = "btrfs-ktls-pipe/2 listening side";
	const struct cpace_transcript t = {
		offer + 20,
		answer + 20,
		{ a, strlen(role_a) + 20 },
		{ b, strlen(role_b) + 20 },
	};

	memcpy(a, role_a, strlen(role_a));
	memcpy(a + strlen(role_a), offer, 20);
	memcpy(b, role_b, strlen(role_b));
	memcpy(b + strlen(role_b), answer, 20);
	if (cpace_key(&page_input, p->scalar, peer + 20, &t, &p->key, &e) < 0)
		ok(false, "%s", e.msg);
}

static bool same_key(const struct page *p)
{
	return psk.len == 64 && p->key.len == 64 &&
	       !memcmp(psk.bytes, p->key.bytes, 64);
}

/* ---- */

static enum password_exchange_event receive(struct password_exchange *x,
					    enum password_message_type type)
{
	enum password_exchange_event event = PASSWORD_EXCHANGE_WAIT;

	if (password_exchange_receive(x, ours, type, &event, &e) < 0)
		ok(false, "%s", e.msg);
	return event;
}

static void test_connecting(void)
{
	enum password_message_refusal refusal;
	uint8_t offer[64];
	struct page page;
	struct password_exchange x;

	connection();
	is_int(password_exchange_offer(&x, ours, &password, &e), 0,
	       "an offer is made");
	is_int(recv(theirs, offer, sizeof offer, MSG_DONTWAIT), 52,
	       "it has 52 bytes");
	ok(!memcmp(offer, "\x70\2\0\0", 4), "type, version and two zeros");
	page_draw(&page, 0x71);
	page_key(&page, offer, page.message, offer);
	is_int(send(theirs, page.message, 52, 0), 52, "an answer");
	is_int(receive(&x, PASSWORD_MESSAGE_ANSWER), PASSWORD_EXCHANGE_HERE,
	       "that comes");
	ok(password_exchange_accept(&x, &password, &refusal, &e) && !refusal &&
		   same_key(&page),
	   "the connecting side's key is the one of the page");
	ok(!psk_server, "for a client");
	end();
}

static void test_listening(void)
{
	struct password_exchange x = { .have = 0 };
	uint8_t answer[64];
	struct page page;

	connection();
	page_draw(&page, 0x70);
	is_int(send(theirs, page.message, 52, 0), 52, "an offer");
	is_int(receive(&x, PASSWORD_MESSAGE_OFFER), PASSWORD_EXCHANGE_HERE,
	       "that comes");
	ok(password_exchange_answer(&x, ours, &password, &e), "is answered");
	is_int(recv(theirs, answer, sizeof answer, MSG_DONTWAIT), 52,
	       "with 52 bytes");
	ok(!memcmp(answer, "\x71\2\0\0", 4), "type, version and two zeros");
	page_key(&page, page.message, answer, answer);
	ok(same_key(&page), "the listener's key is the one of the page");
	ok(psk_server, "for a server");
	/* The same offer again */
	psk = (struct secret){ 0 };
	ok(password_exchange_answer(&x, ours, &password, &e) &&
		   !same_key(&page),
	   "the same offer leads to another key each time");
	end();
}

/* One byte at a time, directly followed by TLS: each reads only its own. */
static void test_exact(void)
{
	struct password_exchange x = { .have = 0 };
	struct page page;
	char rest[8] = { 0 };
	int early = 0;

	connection();
	page_draw(&page, 0x70);
	is_int(receive(&x, PASSWORD_MESSAGE_OFFER), PASSWORD_EXCHANGE_WAIT,
	       "nothing is there");
	for (int i = 0; i < 51; i++) {
		if (send(theirs, page.message + i, 1, 0) != 1)
			ok(false, "send");
		early += receive(&x, PASSWORD_MESSAGE_OFFER) !=
			 PASSWORD_EXCHANGE_WAIT;
	}
	is_int(early, 0, "51 bytes are not all of it");
	is_int(send(theirs, page.message + 51, 1, 0), 1, "the last one");
	is_int(send(theirs, "TLS", 3, 0), 3, "and TLS behind it");
	is_int(receive(&x, PASSWORD_MESSAGE_OFFER), PASSWORD_EXCHANGE_HERE,
	       "are all of it");
	is_int(recv(ours, rest, sizeof rest, MSG_DONTWAIT), 3,
	       "the bytes behind it are unread");
	is_str(rest, "TLS", "all of it");
	end();
}

static void test_other(void)
{
	struct password_exchange x = { .have = 0 };
	char rest[8] = { 0 };

	connection();
	is_int(send(theirs, "\x16\3\1", 3, 0), 3, "a ClientHello begins");
	is_int(receive(&x, PASSWORD_MESSAGE_OFFER), PASSWORD_EXCHANGE_OTHER,
	       "it is something else");
	is_int(recv(ours, rest, sizeof rest, MSG_DONTWAIT), 3,
	       "and all of it is unread");
	shutdown(theirs, SHUT_WR);
	e.kind = ERR_NONE;
	ok(password_exchange_receive(&x, ours, PASSWORD_MESSAGE_OFFER,
				     &(enum password_exchange_event){ 0 },
				     &e) < 0 &&
		   e.kind == ERR_AUTH,
	   "the end of the connection is an error");
	end();
}

/* The connecting side gets these bytes as an answer. */
static struct credential *answered(const uint8_t *bytes,
				   enum password_message_refusal *refusal)
{
	struct password_exchange x;

	connection();
	if (password_exchange_offer(&x, ours, &password, &e) < 0 ||
	    send(theirs, bytes, 52, 0) != 52 ||
	    receive(&x, PASSWORD_MESSAGE_ANSWER) != PASSWORD_EXCHANGE_HERE)
		ok(false, "an exchange");
	end();
	return password_exchange_accept(&x, &password, refusal, &e);
}

static void test_lost(void)
{
	struct password_exchange x;

	connection();
	shutdown(theirs, SHUT_RD);
	e = (struct err){ 0 };
	is_int(password_exchange_offer(&x, ours, &password, &e), -1,
	       "an offer to nobody");
	ok(e.kind == ERR_AUTH && e.num == EPIPE, "is not a signal: %s", e.msg);
	end();
}

static void test_refused(void)
{
	uint8_t bytes[52] = { 0x71, 2, 3 };
	enum password_message_refusal refusal;

	ok(!answered(bytes, &refusal) &&
		   refusal == PASSWORD_MESSAGE_REFUSED_LATER &&
		   e.kind == ERR_AUTH,
	   "a refusal is one, and which");
	bytes[2] = 0;
	ok(!answered(bytes, &refusal) && !refusal && e.kind == ERR_AUTH,
	   "the neutral element is no answer");
	bytes[3] = 1;
	ok(!answered(bytes, &refusal) && !refusal && e.kind == ERR_AUTH &&
		   strstr(e.msg, "is invalid"),
	   "nor is a malformed one");
	bytes[3] = 0;
	bytes[1] = 3;
	ok(!answered(bytes, &refusal) &&
		   refusal == PASSWORD_MESSAGE_REFUSED_VERSION,
	   "nor is one of another version");
	bytes[1] = 1;
	ok(!answered(bytes, &refusal) &&
		   refusal == PASSWORD_MESSAGE_REFUSED_VERSION &&
		   !strcmp(e.msg, "the peer runs 0.1: upgrade it"),
	   "the old version is known by name");
	bytes[2] = 1;
	ok(!answered(bytes, &refusal) &&
		   refusal == PASSWORD_MESSAGE_REFUSED_VERSION &&
		   !strcmp(e.msg, "the peer runs 0.1: upgrade it"),
	   "also where it refuses us for ours");
}

/*
 * Our own offer, reflected as an answer, has the wrong type.  With the type of
 * an answer it leads to another transcript.
 */
static void test_reflected(void)
{
	enum password_message_refusal refusal;
	uint8_t offer[52];
	struct page page;
	struct password_exchange x;

	connection();
	if (password_exchange_offer(&x, ours, &password, &e) < 0 ||
	    recv(theirs, offer, 52, MSG_DONTWAIT) != 52)
		ok(false, "an offer");
	is_int(send(theirs, offer, 52, 0), 52, "an offer comes back");
	is_int(receive(&x, PASSWORD_MESSAGE_ANSWER), PASSWORD_EXCHANGE_OTHER,
	       "it is no answer");
	page_draw(&page, 0x71);
	page_key(&page, page.message, offer, offer);
	memcpy(x.came, page.message, 52);
	ok(password_exchange_accept(&x, &password, &refusal, &e) &&
		   !same_key(&page),
	   "with the roles the other way round the key is another");
	end();
}

int main(void)
{
	if (!ok(cpace_init(&e) == 0, "libsodium starts"))
		return tap_end();
	test_connecting();
	test_listening();
	test_exact();
	test_other();
	test_lost();
	test_refused();
	test_reflected();
	return tap_end();
}
