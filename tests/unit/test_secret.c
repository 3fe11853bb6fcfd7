// SPDX-License-Identifier: GPL-2.0-or-later
/* secret: bytes are wiped when their scope ends. */
#include "base/secret.h"
#include "tap.h"
#include "wrap.h"

static int wiped, clean;

static bool is_zero(const void *p, size_t len)
{
	const volatile uint8_t *bytes = p;

	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

WRAP(secret_wipe);
void __wrap_secret_wipe(struct secret *s)
{
	__real_secret_wipe(s);
	wiped++;
	clean += is_zero(s, sizeof *s);
}

WRAP(secret_wipe_traffic);
void __wrap_secret_wipe_traffic(struct traffic *t)
{
	__real_secret_wipe_traffic(t);
	wiped++;
	clean += is_zero(t, sizeof *t);
}

static int leave(int how)
{
	autowipe struct secret s = { 0 };
	autowipe_traffic struct traffic t = { 0 };

	memset(&s, 0xa5, sizeof s);
	memset(&t, 0xa5, sizeof t);
	if (how == 0)
		return s.bytes[0];
	for (;;) {
		autowipe struct secret inner = s;

		if (how == 1)
			return inner.bytes[1];
		break;
	}
	return t.key[0];
}

int main(void)
{
	static const struct {
		const char *name;
		int wipes;
	} ways[] = {
		{ "an early return", 2 },
		{ "a return out of a loop", 3 },
		{ "a break and the end", 3 },
	};

	for (int i = 0; i < (int)array_len(ways); i++) {
		wiped = clean = 0;
		is_int(leave(i), 0xa5, "%s still has the value", ways[i].name);
		is_int(wiped, ways[i].wipes, "%s wipes all", ways[i].name);
		is_int(clean, wiped, "%s leaves zeros", ways[i].name);
	}
	return tap_end();
}
