// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cmd.h"
#include "cli/setup.h"
#include "conn/link_dial.h"
#include "stream/stream.h"

int cmd_connect(const struct opts *o, struct err *e)
{
	autofini_setup struct setup setup = { .cred = NULL };
	struct link *link;
	int ret = -1;

	if (setup_init(&setup, o, e) < 0)
		return -1;
	link = link_dial_new(&setup.link, e);
	if (link && link_first(link, e) == 0)
		ret = stream_run(link, &setup.stream, &setup.stats, e);
	link_free(link);
	setup_write_stats(&setup, ret < 0 ? e : NULL);
	return ret;
}
