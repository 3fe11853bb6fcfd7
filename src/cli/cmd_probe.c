// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cmd.h"
#include "cli/probe.h"

int cmd_probe(const struct options *o, struct err *e)
{
	struct probe p;

	if (probe_run(&p, e) < 0)
		return -1;
	if ((o->json ? probe_print_json(&p, e) : probe_print(&p, e)) < 0)
		return -1;
	if (!p.ulp)
		return err_set(e, ERR_KTLS, 0, "%s", p.ulp_why);
	if (!p.usable)
		return err_set(e, ERR_KTLS, 0,
			       "kernel TLS is there, but not for %s",
			       p.pick->name);
	return 0;
}
