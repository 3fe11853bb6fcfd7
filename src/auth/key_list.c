// SPDX-License-Identifier: GPL-2.0-or-later
#include "auth/key_list.h"

#include <string.h>
#include <sys/stat.h>

#include "auth/key.h"

enum {
	KEY_LIST_MAX = 4096, /* identities; 2.4 MB of memory */
	KEY_LIST_FILE_MAX = 8 << 20, /* bytes; so many long lines need less */
};

struct key_list_entry {
	char identity[KEY_IDENTITY_MAX]; /* padded with zeros */
	size_t line;
	struct secret secret;
};

struct key_list {
	size_t count, size;
	struct key_list_entry *entries;
};

static int key_list_take_line(struct key_list *k, const struct key_text *t,
			      struct err *e)
{
	struct key_list_entry *new = &k->entries[k->count];
	char identity[KEY_IDENTITY_MAX + 1];

	k->count++; /* from here on the entry is wiped */
	if (key_text_entry(t, identity, &new->secret, e) < 0)
		return -1;
	memcpy(new->identity, identity, sizeof new->identity);
	new->line = t->number;
	for (size_t i = 0; i + 1 < k->count; i++)
		if (!memcmp(k->entries[i].identity, new->identity,
			    sizeof new->identity))
			return err_set(e, ERR_KEY, 0,
				       "has the identity of line %zu; every "
				       "client needs one of its own",
				       k->entries[i].line);
	return 0;
}

static int key_list_fill(struct key_list *k, const uint8_t *data, size_t len,
			 struct err *e)
{
	struct key_text t, all;

	if (key_text_begin(&t, data, len, e) < 0)
		return -1;
	/* Is it a key file for -k, given to --keys by mistake? */
	if (memmem(data, len, "-----BEGIN ", 11))
		return err_set(e, ERR_KEY, 0,
			       "holds a PEM block, which has no name for its "
			       "client; write a line identity:hex for each, as "
			       "'btrfs-ktls-pipe keygen --identity NAME' "
			       "prints it (-k takes PEM)");
	all = t;
	while (key_text_next_entry(&t))
		k->size++;
	if (!k->size)
		return err_set(e, ERR_KEY, 0,
			       "has no key; write a line identity:hex for each "
			       "client, as 'btrfs-ktls-pipe keygen --identity "
			       "NAME' prints it");
	if (k->size > KEY_LIST_MAX)
		return err_set(e, ERR_KEY, 0,
			       "has too many keys: at most %d are possible",
			       KEY_LIST_MAX);
	k->entries = secret_alloc(k->size * sizeof *k->entries);
	if (!k->entries)
		return err_memory(e);
	while (key_text_next_entry(&all))
		if (key_list_take_line(k, &all, e) < 0)
			return err_wrap(e, "line %zu", all.number);
	return 0;
}

struct key_list *key_list_parse(const uint8_t *data, size_t len, struct err *e)
{
	struct key_list *k = err_alloc(sizeof *k, e);

	if (!k)
		return NULL;
	if (key_list_fill(k, data, len, e) < 0) {
		key_list_free(k);
		return NULL;
	}
	return k;
}

/* A pipe could make us wait, and can be read only once. */
int key_list_open(const char *path, struct err *e)
{
	struct stat st;
	int fd = -1;

	if (!strcmp(path, "-") ||
	    (stat(path, &st) == 0 && !S_ISREG(st.st_mode)))
		err_set(e, ERR_KEY, 0, "not a regular file");
	else
		fd = key_open(path, e);
	if (fd < 0)
		err_wrap(e, "keys file %s", path);
	return fd;
}

struct key_list *key_list_read(const char *path, int fd, struct err *e)
{
	enum { ROOM = KEY_LIST_FILE_MAX + 1 }; /* to see that it is too long */
	uint8_t *bytes = malloc(ROOM);
	struct key_list *k = NULL;
	size_t len = 0;
	bool read = bytes && (fd < 0 ? key_load(path, bytes, ROOM, &len, e)
				     : key_load_from(fd, path, bytes, ROOM,
						     &len, e)) == 0;

	if (!bytes)
		err_memory(e);
	else if (read && len > KEY_LIST_FILE_MAX)
		err_set(e, ERR_KEY, 0, "is too long: at most %d bytes",
			KEY_LIST_FILE_MAX);
	else if (read)
		k = key_list_parse(bytes, len, e);
	if (!k)
		err_wrap(e, "keys file %s",
			 strcmp(path, "-") ? path : "(standard input)");
	if (bytes)
		explicit_bzero(bytes, len);
	free(bytes);
	return k;
}

void key_list_free(struct key_list *k)
{
	if (!k)
		return;
	secret_free(k->entries, k->size * sizeof *k->entries);
	free(k);
}

size_t key_list_count(const struct key_list *k)
{
	return k->count;
}

/* All bits set if both are the same, else none.  Constant time. */
static size_t key_list_same(const char *a, const char *b)
{
	unsigned int differ = 0;

	for (size_t i = 0; i < KEY_IDENTITY_MAX; i++)
		differ |= (unsigned char)(a[i] ^ b[i]);
	return (size_t)0 - ((differ - 1u) >> 31);
}

const struct secret *key_list_find(const struct key_list *k,
				   const char *identity)
{
	char asked[KEY_IDENTITY_MAX] = { 0 };
	size_t len = strlen(identity), found = 0;

	/* An identity that is too long is looked up as "", which has no key. */
	memcpy(asked, identity, len <= sizeof asked ? len : 0);
	for (size_t i = 0; i < k->count; i++)
		found |= key_list_same(asked, k->entries[i].identity) & (i + 1);
	return found ? &k->entries[found - 1].secret : NULL;
}
