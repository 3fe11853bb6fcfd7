// SPDX-License-Identifier: GPL-2.0-or-later
/* password_message: every field in its place; invalid values are refused. */
#include "proto/password_message.h"
#include "tap.h"

static struct password_message filled(enum password_message_type type)
{
	struct password_message p = { .type = type,
				      .version = PASSWORD_MESSAGE_VERSION };

	for (uint8_t i = 0; i < PASSWORD_MESSAGE_NONCE_BYTES; i++)
		p.nonce[i] = (uint8_t)(0xa0 + i);
	for (uint8_t i = 0; i < PASSWORD_MESSAGE_POINT_BYTES; i++)
		p.point[i] = (uint8_t)(0x40 + i);
	return p;
}

static void test_bytes(enum password_message_type type)
{
	struct password_message p = filled(type), back;
	uint8_t out[PASSWORD_MESSAGE_BYTES],
		want[PASSWORD_MESSAGE_BYTES] = { (uint8_t)type, 2 };

	memcpy(want + 4, p.nonce, sizeof p.nonce);
	memcpy(want + 20, p.point, sizeof p.point);
	password_message_encode(&p, out);
	is_int(sizeof out, 52, "%#x has 52 bytes", type);
	ok(!memcmp(out, want, sizeof out), "%#x as the page says", type);
	ok(password_message_decode(out, type, &back) == 0 &&
		   back.type == type && back.version == 2 && !back.refusal &&
		   !memcmp(back.nonce, p.nonce, sizeof p.nonce) &&
		   !memcmp(back.point, p.point, sizeof p.point),
	   "%#x and back", type);
	out[3] = 1;
	is_int(password_message_decode(out, type, &back), -1,
	       "%#x with a byte that must be 0", type);
}

static void test_types(void)
{
	struct password_message p = filled(PASSWORD_MESSAGE_OFFER);
	uint8_t out[PASSWORD_MESSAGE_BYTES];
	struct password_message back;

	password_message_encode(&p, out);
	is_int(password_message_decode(out, PASSWORD_MESSAGE_ANSWER, &back), -1,
	       "an offer is no answer");
	for (int first = 0; first < 256; first++) {
		out[0] = (uint8_t)first;
		if (first != PASSWORD_MESSAGE_OFFER &&
		    password_message_decode(out, PASSWORD_MESSAGE_OFFER,
					    &back) == 0)
			ok(false, "%#x is no offer", first);
	}
	/* RFC 8446, B.1: record types; and the SSLv2 hello of RFC 5246 */
	for (uint8_t type = 20; type < 64; type++)
		if (type == PASSWORD_MESSAGE_OFFER ||
		    type == PASSWORD_MESSAGE_ANSWER)
			ok(false, "a message begins like a record");
	ok(!(PASSWORD_MESSAGE_OFFER & 0x80) &&
		   !(PASSWORD_MESSAGE_ANSWER & 0x80),
	   "nor like SSL 2.0");
}

static void test_refusals(void)
{
	uint8_t out[PASSWORD_MESSAGE_BYTES],
		zeros[PASSWORD_MESSAGE_BYTES - 3] = { 0 };
	struct password_message p = filled(PASSWORD_MESSAGE_ANSWER), back;

	for (int code = 1; code < 256; code++) {
		p.refusal = (enum password_message_refusal)code;
		password_message_encode(&p, out);
		if (out[2] != code || memcmp(out + 3, zeros, sizeof zeros))
			ok(false, "refusal %d says more than that", code);
		if (password_message_decode(out, PASSWORD_MESSAGE_ANSWER,
					    &back) < 0 ||
		    (int)back.refusal != code)
			ok(false, "refusal %d is read", code);
		if (!*password_message_refusal_text(
			    (enum password_message_refusal)code, 2))
			ok(false, "refusal %d has words", code);
	}
	ok(true, "refusals say what they say and nothing else");
	out[0] = PASSWORD_MESSAGE_OFFER;
	is_int(password_message_decode(out, PASSWORD_MESSAGE_OFFER, &back), -1,
	       "an offer does not refuse");
}

static void test_versions(void)
{
	struct password_message p = filled(PASSWORD_MESSAGE_OFFER), back;
	uint8_t out[PASSWORD_MESSAGE_BYTES],
		zeros[PASSWORD_MESSAGE_POINT_BYTES] = { 0 };

	p.version = 3;
	password_message_encode(&p, out);
	out[2] = out[3] = 9;
	ok(password_message_decode(out, PASSWORD_MESSAGE_OFFER, &back) == 0 &&
		   back.version == 3 &&
		   !memcmp(back.point, zeros, sizeof zeros),
	   "of another version the version is read");
}

int main(void)
{
	test_bytes(PASSWORD_MESSAGE_OFFER);
	test_bytes(PASSWORD_MESSAGE_ANSWER);
	test_types();
	test_refusals();
	test_versions();
	return tap_end();
}
