// SPDX-License-Identifier: GPL-2.0-or-later
/* record: the meaning of records that are not data; names of alerts. */
#include <ctype.h>
#include <gnutls/gnutls.h>

#include "proto/record.h"
#include "tap.h"

static const struct {
	const char *name;
	unsigned int type;
	size_t len;
	uint8_t body[10];
	enum record_meaning meaning;
	uint8_t alert;
} records[] = {
	{ "close_notify", 21, 2, { 1, 0 }, RECORD_MEANS_END, 0 },
	{ "close_notify marked fatal", 21, 2, { 2, 0 }, RECORD_MEANS_END, 0 },
	{ "bad_record_mac", 21, 2, { 2, 20 }, RECORD_MEANS_ABORT, 20 },
	{ "user_canceled, a warning",
	  21,
	  2,
	  { 1, 90 },
	  RECORD_MEANS_ABORT,
	  90 },
	{ "an unknown alert", 21, 2, { 2, 255 }, RECORD_MEANS_ABORT, 255 },
	{ "an empty alert", 21, 0, { 1, 0 }, RECORD_MEANS_VIOLATION, 10 },
	{ "half an alert", 21, 1, { 1, 0 }, RECORD_MEANS_VIOLATION, 50 },
	{ "an alert too long", 21, 3, { 1, 0 }, RECORD_MEANS_VIOLATION, 50 },
	{ "two alerts", 21, 4, { 1, 0, 1, 0 }, RECORD_MEANS_VIOLATION, 50 },
	{ "a ticket", 22, 4, { 4, 0, 0, 0 }, RECORD_MEANS_TICKET, 0 },
	{ "a cut ticket", 22, 1, { 4 }, RECORD_MEANS_TICKET, 0 },
	{ "a ticket that goes on in the next record",
	  22,
	  6,
	  { 4, 0, 1, 0, 24, 0 },
	  RECORD_MEANS_TICKET,
	  0 },
	{ "two tickets",
	  22,
	  10,
	  { 4, 0, 0, 1, 24, 4, 0, 0, 1, 24 },
	  RECORD_MEANS_TICKET,
	  0 },
	{ "a KeyUpdate",
	  22,
	  5,
	  { 24, 0, 0, 1, 0 },
	  RECORD_MEANS_KEY_UPDATE,
	  0 },
	{ "a KeyUpdate that asks for one",
	  22,
	  5,
	  { 24, 0, 0, 1, 1 },
	  RECORD_MEANS_KEY_UPDATE_BOTH,
	  0 },
	{ "a ticket and a KeyUpdate",
	  22,
	  10,
	  { 4, 0, 0, 1, 4, 24, 0, 0, 1, 1 },
	  RECORD_MEANS_KEY_UPDATE_BOTH,
	  0 },
	{ "a KeyUpdate of kind 2",
	  22,
	  5,
	  { 24, 0, 0, 1, 2 },
	  RECORD_MEANS_VIOLATION,
	  47 },
	{ "a cut KeyUpdate",
	  22,
	  4,
	  { 24, 0, 0, 1 },
	  RECORD_MEANS_VIOLATION,
	  50 },
	{ "a KeyUpdate of two bytes",
	  22,
	  6,
	  { 24, 0, 0, 2, 0, 0 },
	  RECORD_MEANS_VIOLATION,
	  50 },
	{ "two KeyUpdates",
	  22,
	  10,
	  { 24, 0, 0, 1, 0, 24, 0, 0, 1, 0 },
	  RECORD_MEANS_VIOLATION,
	  10 },
	{ "an empty handshake", 22, 0, { 4 }, RECORD_MEANS_VIOLATION, 10 },
	{ "a client hello", 22, 4, { 1 }, RECORD_MEANS_RENEGOTIATION, 10 },
	{ "a hello request", 22, 4, { 0 }, RECORD_MEANS_RENEGOTIATION, 10 },
	{ "a certificate request", 22, 4, { 13 }, RECORD_MEANS_VIOLATION, 10 },
	{ "a ticket and a client hello",
	  22,
	  8,
	  { 4, 0, 0, 0, 1 },
	  RECORD_MEANS_RENEGOTIATION,
	  10 },
	{ "a change of ciphers", 20, 1, { 1 }, RECORD_MEANS_VIOLATION, 10 },
	{ "data like an alert", 23, 2, { 1, 0 }, RECORD_MEANS_VIOLATION, 10 },
	{ "a heartbeat", 24, 2, { 1, 0 }, RECORD_MEANS_VIOLATION, 10 },
	{ "type 0", 0, 2, { 1, 0 }, RECORD_MEANS_VIOLATION, 10 },
	{ "type 277, 21 in 8 bits",
	  277,
	  2,
	  { 1, 0 },
	  RECORD_MEANS_VIOLATION,
	  10 },
};

/* All that RFC 8446 section 6 defines */
static const uint8_t rfc8446[] = { 0,  10, 20,	22,  40,  42,  43,  44,	 45,
				   46, 47, 48,	49,  50,  51,  70,  71,	 80,
				   86, 90, 109, 110, 112, 113, 115, 116, 120 };

static void test_parse(void)
{
	for (size_t i = 0; i < array_len(records); i++) {
		struct record_message m = { 0 };
		uint8_t alert = 77;
		enum record_meaning got = record_parse(&m, records[i].type,
						       records[i].body,
						       records[i].len, &alert);

		ok(got == records[i].meaning && alert == records[i].alert,
		   "%s means %d", records[i].name, records[i].meaning);
	}
	ok(record_parse(&(struct record_message){ 0 }, RECORD_HANDSHAKE, NULL,
			0, &(uint8_t){ 0 }) == RECORD_MEANS_VIOLATION,
	   "a record without a body may be NULL");
}

/*
 * A ticket in pieces: its bytes mean nothing, even those that look like another
 * message, and until its last byte no record of another type may come.
 */
static void test_pieces(void)
{
	static const uint8_t all[] = { 4, 0,  0,  6, 24, 0, 0, 1,
				       1, 21, 24, 0, 0,	 1, 1 };
	static const size_t ticket = 10;

	for (size_t cut = 1; cut < ticket; cut++) {
		struct record_message m = { 0 };
		struct record_message copy;
		uint8_t alert = 77;

		is_int(record_parse(&m, 22, all, cut, &alert),
		       RECORD_MEANS_TICKET, "%zu bytes of a ticket", cut);
		ok(record_message_open(&m), "it is not complete");
		copy = m;
		ok(record_parse(&copy, 21, (const uint8_t[]){ 1, 0 }, 2,
				&alert) == RECORD_MEANS_VIOLATION &&
			   alert == RECORD_UNEXPECTED_MESSAGE,
		   "an alert may not come now");
		copy = m;
		is_int(record_parse(&copy, 22, all + cut, ticket - cut, &alert),
		       RECORD_MEANS_TICKET, "but the rest of it may");
		ok(!record_message_open(&copy), "it is complete then");
		is_int(record_parse(&m, 22, all + cut, sizeof all - cut,
				    &alert),
		       RECORD_MEANS_KEY_UPDATE_BOTH,
		       "and a KeyUpdate behind it");
	}
}

static void test_alert(void)
{
	uint8_t body[RECORD_ALERT_BYTES];

	record_alert(body, RECORD_CLOSE_NOTIFY);
	ok(body[0] == 1 && body[1] == 0, "close_notify is a warning");
	record_alert(body, RECORD_BAD_RECORD_MAC);
	ok(body[0] == 2 && body[1] == 20, "bad_record_mac is fatal");
}

/* "GNUTLS_A_CLOSE_NOTIFY" becomes "close_notify". */
static bool same_name(const char *ours, const char *gnutls)
{
	gnutls += strlen("GNUTLS_A_");
	while (*ours && *ours == tolower((unsigned char)*gnutls))
		ours++, gnutls++;
	return *ours == *gnutls;
}

static void test_names(void)
{
	int odd = 0, unlike = 0, wrong = 0;

	for (int i = 0; i < 256; i++) {
		const char *name = record_alert_name((uint8_t)i);
		const char *gnutls =
			gnutls_alert_get_strname((gnutls_alert_description_t)i);
		bool named = strcmp(name, "unknown");

		odd += !*name || strspn(name, "abcdefghijklmnopqrstuvwxyz_") <
					 strlen(name);
		unlike += named && gnutls && !same_name(name, gnutls);
		if (named == !memchr(rfc8446, i, sizeof rfc8446)) {
			wrong++;
			printf("# alert %d is called %s\n", i, name);
		}
	}
	is_int(odd, 0, "every alert is called something");
	is_int(unlike, 0, "GnuTLS has the same names");
	is_int(wrong, 0, "the alerts of RFC 8446 have names, and no others");
}

int main(void)
{
	test_parse();
	test_pieces();
	test_alert();
	test_names();
	return tap_end();
}
