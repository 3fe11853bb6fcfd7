// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/secret.h"

#include <sys/mman.h>

enum { SCRUB_BYTES = 65536 }; /* more than a handshake uses */

void *secret_alloc(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	/* Best effort: an old kernel may lack either. */
	madvise(p, bytes, MADV_DONTDUMP);
	madvise(p, bytes, MADV_WIPEONFORK);
	return p;
}

void secret_free(void *p, size_t bytes)
{
	if (!p)
		return;
	explicit_bzero(p, bytes);
	munmap(p, bytes);
}

__attribute__((noinline)) void secret_scrub_stack(void)
{
	uint8_t below[SCRUB_BYTES];

	explicit_bzero(below, sizeof below);
}

void secret_wipe(struct secret *s)
{
	explicit_bzero(s, sizeof *s);
}

void secret_wipe_traffic(struct traffic *t)
{
	explicit_bzero(t, sizeof *t);
}
