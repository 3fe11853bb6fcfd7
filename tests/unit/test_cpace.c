// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cpace: the vectors of draft-irtf-cfrg-cpace-21, appendix B.3; and a recorded
 * exchange is of no use for guesses.
 */
#include "auth/cpace.h"

#include <stdlib.h>

#include "tap.h"

#define STRING(text)                     \
	{                                \
		(text), sizeof(text) - 1 \
	}

static struct err e;

static uint8_t *unhex(const char *hex, uint8_t out[static 64])
{
	size_t len = strlen(hex) / 2;

	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)strtoul(
			(char[]){ hex[2 * i], hex[2 * i + 1], '\0' }, NULL, 16);
	return out;
}

static bool is_hex(const uint8_t *bytes, const char *hex)
{
	uint8_t want[64];

	unhex(hex, want);
	return !memcmp(bytes, want, strlen(hex) / 2);
}

/* ---- appendix B.3 */

static const char ya[] =
	"da3d23700a9e5699258aef94dc060dfda5ebb61f02a5ea77fad53f4ff0976d08";
static const char yb[] =
	"d2316b454718c35362d83d69df6320f38578ed5984651435e2949762d900b80d";
static const char point_a[] =
	"d6bac480f2c386c394efc7c47adb9925dcd2630b64f240c50f8d0eec482b9157";
static const char point_b[] =
	"3ea7e0b19560d7c0b0f5734f63b955286dfa8232b5ebe63324e2d9e7433f7258";
static const char isk_ir[] =
	"b69effbf61b51d56401c0f65601abe428de8206feaaf0e32198896dcae7b35cd"
	"2b38950a39dfd5d4a79164614c2984f7daa460b588c1e80c3fa2068af7900447";

static const struct cpace_input vector_input = {
	.password = STRING("Password"),
	.channel = STRING("\013A_initiator\013B_responder"),
	.session = STRING("\x7e\x4b\x47\x91\xd6\xa8\xef\x01\x9b\x93\x6c\x79"
			  "\xfb\x7f\x2c\x57"),
};

static void test_generator(uint8_t g[static CPACE_POINT_BYTES])
{
	is_int(cpace_generator(&vector_input, g, &e), 0, "a generator");
	ok(is_hex(g, "222b6b195fe84b1652badb6f6a3ae3d24341e7306967f0b8"
		     "115b40d5698c7e56"),
	   "the draft's generator g");
}

static void test_points(const uint8_t g[static CPACE_POINT_BYTES])
{
	uint8_t scalar[64], peer[64], out[CPACE_POINT_BYTES];
	const char k[] = "80b69a8a76457ab6a4d7f887a4bf6b55a2f80ac19c333f91"
			 "7a05fc9887c8b40f";

	ok(cpace_multiply(unhex(ya, scalar), g, out, &e) == 0 &&
		   is_hex(out, point_a),
	   "the draft's Ya");
	ok(cpace_multiply(unhex(yb, scalar), g, out, &e) == 0 &&
		   is_hex(out, point_b),
	   "the draft's Yb");
	ok(cpace_multiply(unhex(ya, scalar), unhex(point_b, peer), out, &e) ==
			   0 &&
		   is_hex(out, k),
	   "the draft's K from ya and Yb");
	ok(cpace_multiply(unhex(yb, scalar), unhex(point_a, peer), out, &e) ==
			   0 &&
		   is_hex(out, k),
	   "the draft's K from yb and Ya");
}

static int vector_key(const char *scalar_hex, const char *peer_hex,
		      struct secret *key)
{
	uint8_t scalar[64], peer[64], a[64], b[64];
	const struct cpace_transcript t = { unhex(point_a, a),
					    unhex(point_b, b), STRING("ADa"),
					    STRING("ADb") };

	return cpace_key(&vector_input, unhex(scalar_hex, scalar),
			 unhex(peer_hex, peer), &t, key, &e);
}

static void test_key(void)
{
	autowipe struct secret key = { 0 };

	is_int(vector_key(ya, point_b, &key), 0, "A gets a key");
	ok(key.len == CPACE_KEY_BYTES && is_hex(key.bytes, isk_ir),
	   "the draft's ISK_IR at A");
	key = (struct secret){ 0 };
	is_int(vector_key(yb, point_a, &key), 0, "B gets a key");
	ok(key.len == CPACE_KEY_BYTES && is_hex(key.bytes, isk_ir),
	   "the draft's ISK_IR at B");
}

/* B.3.10 and B.3.11 */
static void test_validity(void)
{
	const char s[] = "7cd0e075fa7955ba52c02759a6c90dbbfc10e6d40aea8d28"
			 "3e407d88cf538a05";
	const char x[] = "2c3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41b"
			 "d47d93d654b4a51c";
	static const struct {
		const char *what, *hex;
	} invalid[] = {
		{ "the draft's Y_i1",
		  "2b3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d6"
		  "54b4a51c" },
		{ "the neutral element, the draft's Y_i2",
		  "00000000000000000000000000000000000000000000000000000000"
		  "00000000" },
		/* RFC 9496, A.3 */
		{ "a field element that is not canonical",
		  "edffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		  "ffffff7f" },
		{ "one with bit 255 set",
		  "00ffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		  "ffffffff" },
		{ "a negative one",
		  "01000000000000000000000000000000000000000000000000000000"
		  "00000000" },
		{ "one whose x^2 is no square",
		  "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd"
		  "8d81d371" },
	};
	uint8_t scalar[64], point[64], out[CPACE_POINT_BYTES];
	struct secret key;

	ok(cpace_multiply(unhex(s, scalar), unhex(x, point), out, &e) == 0 &&
		   is_hex(out, "7c13645fe790a468f62c39beb7388e541d8405d1ade6"
			       "9d1778c5fe3e7f6b600e"),
	   "the draft's product of valid inputs");
	for (size_t i = 0; i < array_len(invalid); i++) {
		e.kind = ERR_NONE;
		ok(cpace_multiply(scalar, unhex(invalid[i].hex, point), out,
				  &e) < 0 &&
			   e.kind == ERR_AUTH,
		   "%s is refused as a factor", invalid[i].what);
		ok(vector_key(ya, invalid[i].hex, &key) < 0,
		   "%s ends the exchange", invalid[i].what);
	}
}

/* ---- both sides */

struct side {
	struct cpace_input in;
	uint8_t scalar[CPACE_SCALAR_BYTES];
	uint8_t point[CPACE_POINT_BYTES];
	struct secret key;
};

static struct cpace_input input(const char *password, size_t len)
{
	return (struct cpace_input){ .password = { password, len },
				     .channel = STRING("channel") };
}

/* Draw, exchange and compute; both see the same messages, except for said_b. */
static void exchange(struct side *a, struct side *b, const char *said_b)
{
	const struct cpace_transcript at_a = {
		a->point, b->point, STRING("a"), { said_b, strlen(said_b) }
	};
	const struct cpace_transcript at_b = { a->point, b->point, STRING("a"),
					       STRING("b") };

	ok(cpace_draw(&a->in, a->scalar, a->point, &e) == 0 &&
		   cpace_draw(&b->in, b->scalar, b->point, &e) == 0,
	   "both draw");
	ok(cpace_key(&a->in, a->scalar, b->point, &at_a, &a->key, &e) == 0 &&
		   cpace_key(&b->in, b->scalar, a->point, &at_b, &b->key, &e) ==
			   0,
	   "both have a key, whatever it is");
}

static bool same_key(const struct side *a, const struct side *b)
{
	return a->key.len == b->key.len &&
	       !memcmp(a->key.bytes, b->key.bytes, a->key.len);
}

/* Computed by another program, from the definitions of the draft */
static void test_long_passwords(void)
{
	static const struct {
		size_t len;
		const char *generator;
	} vectors[] = {
		{ 108, "e49412b6ecc8595a0e01d4a147b04aba04f3a6c28085b5e82084"
		       "b445feb59555" },
		{ 109, "d444792937a640899397b22f4e549fddb4069a8398265fcc72b6"
		       "4ec617a7e92f" },
		{ 300, "06a3a8d0f0e4466f9fbf3761b3cf81e8a44d206284e91098cf46"
		       "c37b265e6d03" },
	};
	uint8_t g[CPACE_POINT_BYTES];
	char text[300];

	memset(text, 'p', sizeof text);
	for (size_t i = 0; i < array_len(vectors); i++) {
		struct cpace_input in = input(text, vectors[i].len);

		ok(cpace_generator(&in, g, &e) == 0 &&
			   is_hex(g, vectors[i].generator),
		   "the generator of %zu bytes of password", vectors[i].len);
	}
}

static void test_agreement(void)
{
	/* Lengths at which padding or LEB128 change, and the longest */
	static const size_t lengths[] = { 1,   8,   107, 108, 109, 127,
					  128, 129, 255, 256, 511, 512 };
	char text[512];
	struct side a, b;

	memset(text, 'p', sizeof text);
	for (size_t i = 0; i < array_len(lengths); i++) {
		a.in = b.in = input(text, lengths[i]);
		exchange(&a, &b, "b");
		ok(same_key(&a, &b), "%zu bytes of password agree", lengths[i]);
		b.in.password.len--;
		exchange(&a, &b, "b");
		ok(!same_key(&a, &b), "one byte less does not");
	}
	a.in = b.in = input("word", 4);
	exchange(&a, &b, "B");
	ok(!same_key(&a, &b), "who heard something else has another key");
	b.in.channel.len--;
	exchange(&a, &b, "b");
	ok(!same_key(&a, &b), "another protocol is another key");
	b.in = a.in;
	b.in.session = (struct cpace_string)STRING("s");
	exchange(&a, &b, "b");
	ok(!same_key(&a, &b), "another session is another key");
}

/* ---- recorded exchanges */

/* l - 1 and l - 2, little-endian; l is the order of the group, a prime. */
static const char order_less_one[] =
	"ecd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
static const char order_less_two[] =
	"ebd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

/*
 * A recorded point tells nothing about a guess if the guess's generator g
 * generates the whole group: then it is some multiple of g, for every guess.
 * It does if lg = 0, since g is not 0 and l is prime.  No scalar is l, but (l
 * - 2)g = 2(l - 1)g says the same.
 */
static void test_generators(void)
{
	static const char *const guessed[] = { "123456", "password", "hunter2",
					       "a", "" };
	uint8_t less_one[64], less_two[64], two[CPACE_SCALAR_BYTES] = { 2 };
	uint8_t g[CPACE_POINT_BYTES], left[CPACE_POINT_BYTES];
	uint8_t right[CPACE_POINT_BYTES];

	unhex(order_less_one, less_one);
	unhex(order_less_two, less_two);
	for (size_t i = 0; i < array_len(guessed); i++) {
		struct cpace_input in = input(guessed[i], strlen(guessed[i]));

		ok(cpace_generator(&in, g, &e) == 0 &&
			   cpace_multiply(less_two, g, left, &e) == 0 &&
			   cpace_multiply(less_one, g, right, &e) == 0 &&
			   cpace_multiply(two, right, right, &e) == 0 &&
			   !memcmp(left, right, sizeof left),
		   "'%s' stands for a generator of the whole group",
		   guessed[i]);
	}
}

/*
 * The right password and a recording of both messages do not give the key: with
 * other scalars the same password leads to another key.
 */
static void test_recorded(void)
{
	struct side a, b, eve;
	struct cpace_transcript t = { a.point, b.point, STRING("a"),
				      STRING("b") };

	a.in = b.in = eve.in = input("right", 5);
	exchange(&a, &b, "b");
	ok(same_key(&a, &b), "a recorded exchange");
	ok(cpace_draw(&eve.in, eve.scalar, eve.point, &e) == 0 &&
		   cpace_key(&eve.in, eve.scalar, b.point, &t, &eve.key, &e) ==
			   0 &&
		   !same_key(&eve, &a),
	   "the password, the record and a scalar of one's own do not give its "
	   "key");
	ok(cpace_key(&eve.in, eve.scalar, a.point, &t, &eve.key, &e) == 0 &&
		   !same_key(&eve, &a),
	   "nor from the other side");
	/* Replay: B draws a new scalar, and the recording lacks A's. */
	eve = b;
	memcpy(eve.point, a.point, sizeof a.point);
	ok(cpace_draw(&b.in, b.scalar, b.point, &e) == 0 &&
		   cpace_key(&b.in, b.scalar, a.point, &t, &b.key, &e) == 0 &&
		   !same_key(&b, &eve),
	   "a first message that is replayed leads to another key each time");
}

int main(void)
{
	uint8_t g[CPACE_POINT_BYTES];

	if (!ok(cpace_init(&e) == 0, "libsodium starts"))
		return tap_end();
	test_generator(g);
	test_points(g);
	test_key();
	test_validity();
	test_long_passwords();
	test_agreement();
	test_generators();
	test_recorded();
	return tap_end();
}
