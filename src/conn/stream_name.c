// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/stream_name.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

int stream_name_hash(const char *name, uint8_t hash[static FRAME_NAME_BYTES],
		     struct err *e)
{
	int ret = gnutls_hash_fast(GNUTLS_DIG_SHA256, name, strlen(name), hash);

	if (ret < 0)
		return err_set(e, ERR_BUG, 0, "cannot hash a name: %s",
			       gnutls_strerror(ret));
	return 0;
}
