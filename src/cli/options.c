// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/options.h"

bool options_mode_none(const struct options *o)
{
	return o->modes.count && o->modes.modes[0] == &mode_none;
}

bool options_sends(const struct options *o)
{
	return o->verb == OPTIONS_CONNECT  ? !o->receive
	       : o->verb == OPTIONS_LISTEN ? o->send
					   : true;
}

void options_fini(struct options *o)
{
	ssh_args_fini(&o->ssh);
	ssh_defaults_fini(&o->defaults);
}
