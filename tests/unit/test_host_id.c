// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/host_id.h"

#include <unistd.h>

#include "tap.h"

int main(void)
{
	uint8_t id[FRAME_HOST_BYTES], again[FRAME_HOST_BYTES];
	uint8_t unknown[FRAME_HOST_BYTES] = { 0 };
	bool known = access("/etc/machine-id", R_OK) == 0;

	host_id_own(id);
	memset(again, 0xff, sizeof again);
	host_id_own(again);
	ok(!memcmp(id, again, sizeof id), "the id stays the same");
	if (known)
		ok(host_id_same(id, again), "a host recognises its own id");
	else
		ok(!host_id_same(id, again), "an unknown id is not recognised");
	ok(!host_id_same(unknown, unknown),
	   "two unknown ids are not the same host");
	again[31] ^= 1;
	ok(!host_id_same(id, again), "a difference of one bit is another host");
	return tap_end();
}
