/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An id of this host, against reflection.  If both sides share one key, an
 * attacker can connect a host to itself (the Selfie attack, eprint 2019/347).
 * So the client sends its host id, and the listener refuses its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/frame.h"

/*
 * SHA-256 over a label, the machine id (machine-id(5)) and the boot id
 * (random(4)).  It is the same for all processes until the next boot, and does
 * not reveal either id.  All zero if one of them cannot be read.
 */
void host_id_own(uint8_t id[static FRAME_HOST_BYTES]);

/* Are both ids of the same host?  False if they are unknown (all zero). */
bool host_id_same(const uint8_t a[static FRAME_HOST_BYTES],
		  const uint8_t b[static FRAME_HOST_BYTES]);
