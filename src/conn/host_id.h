/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which host is this?  Two sides with one key can be made to talk to themselves
 * by whoever reflects a connection (the Selfie attack, eprint 2019/347): the
 * connecting side says its host id, and the listener recognises its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/frame.h"

/*
 * SHA-256 over a label, the machine id (machine-id(5)) and the boot id
 * (random(4)): the same for all processes until the next boot, and none of
 * another host's business.  All zero if one of them cannot be read.
 */
void host_id_own(uint8_t id[static FRAME_HOST_BYTES]);

/* Are they of the same host, as far as is known? */
bool host_id_same(const uint8_t a[static FRAME_HOST_BYTES],
		  const uint8_t b[static FRAME_HOST_BYTES]);
