// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/rekey.h"

bool rekey_dial(struct rekey *r, uint64_t records, uint64_t limit,
		uint64_t now_ms)
{
	if (r->phase != REKEY_NONE || records < rekey_early(limit))
		return false;
	*r = (struct rekey){ .phase = REKEY_DIALS, .since_ms = now_ms };
	return true;
}

void rekey_cancel(struct rekey *r)
{
	if (r->phase == REKEY_DIALS)
		*r = (struct rekey){ 0 };
}

void rekey_agree(struct rekey *r)
{
	if (r->phase == REKEY_DIALS)
		r->phase = REKEY_AGREED;
}

void rekey_switch(struct rekey *r, uint64_t at)
{
	*r = (struct rekey){ .phase = REKEY_DRAINS, .at = at };
}

bool rekey_drained(struct rekey *r, uint64_t offset)
{
	if (r->phase != REKEY_DRAINS || offset < r->at)
		return false;
	*r = (struct rekey){ 0 };
	return true;
}
