// SPDX-License-Identifier: GPL-2.0-or-later
/* guess: five wrong passwords at once, then one a second, and each for itself. */
#include "guess.h"
#include "tap.h"

static struct guess g;

static const uint8_t *source(unsigned int n)
{
	static uint8_t address[GUESS_SOURCE_BYTES];

	address[0] = (uint8_t)(n >> 16);
	address[1] = (uint8_t)(n >> 8);
	address[2] = (uint8_t)n;
	address[3] = 1;
	return address;
}

/* How many of so many tries at one moment are let through? */
static int wrong(unsigned int who, int tries, uint64_t now_ms)
{
	int through = 0;

	while (tries--)
		through += guess_begin(&g, source(who), now_ms);
	return through;
}

static void test_rate(void)
{
	uint64_t t = 100000;
	int through = 0;

	g = (struct guess){ 0 };
	is_int(wrong(1, 20, t), GUESS_BURST, "five at once");
	is_int(wrong(1, 20, t + 999), 0, "none within the next second");
	is_int(wrong(1, 20, t + 1000), 1, "then one");
	is_int(wrong(1, 20, t + 1999), 0, "one a second");
	is_int(wrong(1, 20, t + 4000), 3, "what is not used is saved up");
	is_int(wrong(1, 20, t + 3600000), GUESS_BURST, "but no more than five");
	t += 7200000;
	for (int ms = 0; ms < 60000; ms += 10)
		through += wrong(1, 1, t + (uint64_t)ms);
	is_int(through, GUESS_BURST + 59, "a minute of trying: 5 and 59");
}

static void test_others(void)
{
	uint64_t t = 1;

	g = (struct guess){ 0 };
	wrong(1, 1000, t);
	is_int(wrong(2, 20, t), GUESS_BURST, "another address is not held up");
	is_int(wrong(1, 1, t), 0, "nor does it help the first");
}

static void test_right(void)
{
	uint64_t t = 5000;
	int through = 0;

	g = (struct guess){ 0 };
	for (int i = 0; i < 1000; i++) {
		through += guess_begin(&g, source(1), t);
		guess_right(&g, source(1));
	}
	is_int(through, 1000, "right passwords are not limited");
	is_int(wrong(1, 20, t), GUESS_BURST, "and leave nothing behind");
	guess_right(&g, source(1));
	is_int(wrong(1, 20, t), 1, "a right one gives back its own try alone");
	guess_right(&g, source(77));
	is_int(wrong(77, 20, t), GUESS_BURST, "one that is forgotten is none");
	/* Handshakes that have begun and are not over yet */
	g = (struct guess){ 0 };
	is_int(wrong(1, 32, t), GUESS_BURST, "many at the same time are many");
}

static void test_memory(void)
{
	uint64_t t = 1000000;
	int through = 0;

	g = (struct guess){ 0 };
	wrong(1, 5, t);
	for (unsigned int i = 2; i <= GUESS_SOURCES; i++)
		wrong(i, 5, t + 1);
	is_int(wrong(1, 5, t + 2), 0,
	       "as many addresses as fit are remembered");
	/* One a moment from each of many more than fit: nobody is held up. */
	for (unsigned int i = 0; i < 100000; i++)
		through += wrong(100000 + i, 1, t + 10 + i / 100);
	is_int(through, 100000, "more than fit hold up nobody");
	is_int(wrong(5, 20, t + 3600000), GUESS_BURST,
	       "and in time all is well");
}

int main(void)
{
	test_rate();
	test_others();
	test_right();
	test_memory();
	return tap_end();
}
