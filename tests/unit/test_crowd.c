// SPDX-License-Identifier: GPL-2.0-or-later
/* crowd: which pending handshake is evicted when all places are taken. */
#include "conn/crowd.h"

#include <string.h>

#include "tap.h"

enum { PLACES = 32, NOW_MS = 1000000 };

static struct net_address sources[PLACES];
static struct crowd_place places[PLACES];

static struct net_address source_of(const char *address)
{
	struct net_address a;

	net_address_parse(address, strlen(address), &a);
	return net_address_source(a);
}

static void clear(void)
{
	memset(places, 0, sizeof places);
}

static void take(int i, const char *address, uint64_t age_ms)
{
	sources[i] = source_of(address);
	places[i] = (struct crowd_place){ &sources[i], NOW_MS - age_ms };
}

/* Take places first to last, a millisecond apart. */
static void take_some(int first, int last, const char *address, uint64_t age_ms)
{
	for (int i = first; i <= last; i++)
		take(i, address, age_ms - (uint64_t)(i - first));
}

static int pick(void)
{
	return crowd_pick(places, PLACES, NOW_MS);
}

static void test_one_source(void)
{
	clear();
	is_int(pick(), -1, "no peer: none is evicted");
	take(5, "::ffff:192.0.2.1", 499);
	is_int(pick(), -1, "a new peer stays");
	take(5, "::ffff:192.0.2.1", 500);
	is_int(pick(), 5, "until its grace is over");
	take(3, "::ffff:192.0.2.2", 501);
	is_int(pick(), 3, "of two the older one is evicted");
	take(9, "::ffff:192.0.2.1", 300);
	is_int(pick(), 5,
	       "whatever its age, the source with more places loses");
}

static void test_crowd(void)
{
	clear();
	take_some(0, CROWD_MAX, "2001:db8::1", 50);
	take(31, "2001:db8:1::1", 400);
	is_int(pick(), 0, "a source with more than 8 places has no grace");
	places[0].source = NULL;
	is_int(pick(), -1, "one with 8 places has a short grace");
	take_some(0, CROWD_MAX - 1, "2001:db8::1", 80);
	is_int(pick(), 0, "an eighth of the full grace");
	take(31, "2001:db8:1::1", 9000);
	is_int(pick(), 0, "then it loses to a single older peer");
}

static void test_addresses_of_a_subnet(void)
{
	clear();
	for (int i = 0; i < PLACES - 1; i++) {
		char address[64];

		snprintf(address, sizeof address, "2001:db8::%x:1", i + 1);
		take(i, address, (uint64_t)(40 - i));
	}
	take(PLACES - 1, "2001:db8:1::1", 400);
	is_int(pick(), 0, "all addresses of a /64 are one source");
}

static void test_subnets_of_a_site(void)
{
	clear();
	for (int i = 0; i < PLACES - 1; i++) {
		char address[64];

		snprintf(address, sizeof address, "2001:db8:0:%x::1", i + 1);
		take(i, address, (uint64_t)(40 - i));
	}
	take(PLACES - 1, "2001:db8:1::1", 400);
	is_int(pick(), 0, "a /48 with more than 16 places has no grace");
	for (int i = CROWD_SITE_MAX; i < PLACES - 1; i++)
		places[i].source = NULL;
	is_int(pick(), -1, "one with 16 places has some");
}

/* Several hosts hold all places but one; the last peer is another host's. */
static int pick_among(int hosts, uint64_t age_ms)
{
	clear();
	for (int i = 0; i < PLACES - 1; i++) {
		char address[64];

		snprintf(address, sizeof address, "::ffff:192.0.2.%d",
			 i % hosts);
		take(i, address, age_ms);
	}
	take(PLACES - 1, "::ffff:198.51.100.1", 499);
	return pick();
}

static void test_several(void)
{
	ok(pick_among(2, 0) == 0, "2 hosts hold all places: no grace");
	ok(pick_among(4, 72) == 0, "4 hosts: less than a tenth of a second");
	ok(pick_among(8, 126) == 0, "8 hosts: an eighth of a second");
	ok(pick_among(31, 0) == -1, "31 hosts, a place each: full grace");
	ok(pick_among(31, 501) == 0, "until it is over");
}

int main(void)
{
	test_one_source();
	test_crowd();
	test_addresses_of_a_subnet();
	test_subnets_of_a_site();
	test_several();
	return tap_end();
}
