// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/notify.h"
#include "cli/cmd.h"
#include "cli/setup.h"
#include "conn/session_client.h"
#include "stream/stream.h"

int cmd_connect(const struct options *o, struct err *e)
{
	autofini_setup struct setup setup = { .cred = NULL };
	struct session *session = NULL;
	int ret;

	if (setup_init(&setup, o, e) < 0)
		return -1;
	if (setup_confine(&setup, e) == 0)
		session = session_client_new(&setup.session, e);
	stream_offer(session, setup.stream.part);
	session = session_first(session, e);
	if (session)
		notify_set(NOTIFY_READY);
	ret = stream_run(session, &setup.stream, &setup.stats, e);
	setup_write_stats(&setup, ret < 0 ? e : NULL);
	return ret;
}
