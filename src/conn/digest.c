// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/digest.h"

#include <string.h>

#include "config.h"

#ifdef HAVE_LIBXXHASH
#include <xxhash.h>

_Static_assert(sizeof(XXH128_canonical_t) <= FRAME_DIGEST_BYTES,
	       "the size of a digest in HAVE");

struct digest {
	XXH3_state_t *state;
	uint64_t bytes;
};

int digest_check(struct err *e)
{
	return 0;
}

struct digest *digest_new(struct err *e)
{
	struct digest *d = err_alloc(sizeof *d, e);

	if (!d)
		return NULL;
	d->state = XXH3_createState();
	if (!d->state || XXH3_128bits_reset(d->state) != XXH_OK) {
		err_memory(e);
		digest_free(d);
		return NULL;
	}
	return d;
}

void digest_free(struct digest *d)
{
	if (d)
		XXH3_freeState(d->state);
	free(d);
}

void digest_update(struct digest *d, const void *buf, size_t len)
{
	/* It fails for a NULL buffer only. */
	XXH3_128bits_update(d->state, buf, len);
	d->bytes += len;
}

uint64_t digest_bytes(const struct digest *d)
{
	return d->bytes;
}

void digest_have(const struct digest *d, struct frame_have *have)
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(d->state));
	*have = (struct frame_have){ .kind = FRAME_XXH3_128,
				     .offset = d->bytes };
	memcpy(have->digest, &canonical, sizeof canonical);
}

#else

int digest_check(struct err *e)
{
	return err_set(e, ERR_USAGE, 0,
		       "this program was built without libxxhash");
}

struct digest *digest_new(struct err *e)
{
	if (digest_check(e) == 0)
		err_set(e, ERR_BUG, 0, "no digest");
	return NULL;
}

/* There is no digest without digest_new(). */
void digest_free(struct digest *d)
{
}

void digest_update(struct digest *d, const void *buf, size_t len)
{
}

uint64_t digest_bytes(const struct digest *d)
{
	return 0;
}

void digest_have(const struct digest *d, struct frame_have *have)
{
	*have = (struct frame_have){ .kind = FRAME_XXH3_128 };
}

#endif
