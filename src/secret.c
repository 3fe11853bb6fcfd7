// SPDX-License-Identifier: GPL-2.0-or-later
#include "secret.h"

#include <string.h>

void secret_wipe(struct secret *s)
{
	explicit_bzero(s, sizeof *s);
}

void secret_wipe_traffic(struct traffic *t)
{
	explicit_bzero(t, sizeof *t);
}
