// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * liar ARG...: the program itself, but one frame that it sends is a lie.
 * BKP_LIE="TYPE NTH AT HEX": in the NTH frame of type TYPE that it sends, the
 * bytes from AT on are HEX.  Another first byte makes it a frame of another
 * type, perhaps a longer one, which ends in zeros.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/key_text.h"
#include "proto/frame.h"
#include "../unit/wrap.h"

static _Noreturn void refuse(void)
{
	fprintf(stderr, "liar: BKP_LIE is TYPE NTH AT HEX\n");
	exit(70);
}

WRAP(frame_encode);
size_t __wrap_frame_encode(const struct frame *f,
			   uint8_t out[static FRAME_MAX_BYTES])
{
	static unsigned int seen;
	const char *lie = getenv("BKP_LIE");
	unsigned int type, nth, at;
	char hex[2 * FRAME_MAX_BYTES + 1];
	size_t size, chars;

	memset(out, 0, FRAME_MAX_BYTES);
	size = __real_frame_encode(f, out);
	if (!lie || sscanf(lie, "%u %u %u %416s", &type, &nth, &at, hex) != 4)
		refuse();
	if (f->type != type || ++seen != nth)
		return size;
	chars = strlen(hex);
	if (chars % 2 || at >= size || chars / 2 > FRAME_MAX_BYTES - at ||
	    !key_text_unhex((const uint8_t *)hex, chars, out + at))
		refuse();
	fprintf(stderr, "liar: lied\n");
	return frame_size(out[0]) ? frame_size(out[0]) : size;
}
