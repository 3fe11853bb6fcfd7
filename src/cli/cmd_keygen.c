// SPDX-License-Identifier: GPL-2.0-or-later
#include "auth/key.h"
#include "cli/cmd.h"

int cmd_keygen(const struct options *o, struct err *e)
{
	return key_generate(o->output, o->identity, e);
}
