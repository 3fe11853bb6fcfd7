// SPDX-License-Identifier: GPL-2.0-or-later
#include "setup.h"

#include <errno.h>
#include <stdio.h>

#include "ktls.h"
#include "log.h"

enum chan_ktls setup_ktls(const struct opts *o)
{
	static const enum chan_ktls when[] = {
		[OPT_KTLS_AUTO] = CHAN_KTLS_AUTO,
		[OPT_KTLS_REQUIRE] = CHAN_KTLS_REQUIRE,
		[OPT_KTLS_OFF] = CHAN_KTLS_OFF,
	};

	return when[o->ktls];
}

static int setup_key(struct setup *s, const struct opts *o, struct err *e)
{
	const char *path = o->key ? o->key : KEY_DEFAULT_FILE;
	autowipe_key struct key key = { 0 };

	if (!o->key && access(path, F_OK) < 0 && errno == ENOENT)
		return err_set(e, ERR_KEY, 0,
			       "no key: make one with 'btrfs-ktls-pipe keygen "
			       "-o FILE', copy it to the other host and name "
			       "it with -k FILE (or keep it in %s)",
			       path);
	if (key_read(path, &key, e) < 0)
		return -1;
	if (o->identity)
		snprintf(key.identity, sizeof key.identity, "%s", o->identity);
	s->cred = cred_new_psk(&key, o->verb == OPT_LISTEN, e);
	return s->cred ? 0 : -1;
}

int setup_init(struct setup *s, const struct opts *o, struct err *e)
{
	*s = (struct setup){ .modes = o->modes };
	if (!s->modes.count)
		tls_default_modes(&s->modes);
	if (tls_check_modes(&s->modes, e) < 0)
		return -1;
	if (o->ktls == OPT_KTLS_REQUIRE && ktls_available(e) < 0)
		return err_append(e, " (--ktls require)");
	if (o->raw)
		log_notice("--raw: the other side cannot confirm that the "
			   "stream was delivered");
	return setup_key(s, o, e);
}

void setup_fini(struct setup *s)
{
	cred_free(s->cred);
	s->cred = NULL;
}
