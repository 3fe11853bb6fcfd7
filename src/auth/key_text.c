// SPDX-License-Identifier: GPL-2.0-or-later
#include "auth/key_text.h"

#include <string.h>

#define KEYGEN_LINE "'btrfs-ktls-pipe keygen --identity NAME'"

enum {
	ENTRY_DIGITS = 16, /* this many in a row look like a key */
	MARKS_MIN = 3, /* of UTF-16: a third of the bytes are NUL */
};

static const uint8_t utf8_mark[] = { 0xef, 0xbb, 0xbf };

/* In UTF-16 every other byte of an ASCII text is NUL. */
static bool key_text_is_utf16(const uint8_t *data, size_t len)
{
	bool mark = len >= 2 && ((data[0] == 0xff && data[1] == 0xfe) ||
				 (data[0] == 0xfe && data[1] == 0xff));
	size_t nuls = 0, others = 0;

	for (size_t i = mark ? 2 : 0; i < len; i++) {
		bool text = (data[i] >= 0x20 && data[i] < 0x7f) ||
			    (data[i] && strchr("\t\r\n", data[i]));

		nuls += !data[i];
		others += data[i] && !text;
	}
	return nuls && nuls < len && nuls * MARKS_MIN >= len &&
	       (mark || !others);
}

int key_text_begin(struct key_text *t, const uint8_t *data, size_t len,
		   struct err *e)
{
	*t = (struct key_text){ .next = data, .end = data + len };
	if (key_text_is_utf16(data, len))
		return err_set(
			e, ERR_KEY, 0,
			"is UTF-16 text; save it as UTF-8, or convert it "
			"with 'iconv -f UTF-16 -t UTF-8'");
	if (len >= sizeof utf8_mark &&
	    !memcmp(data, utf8_mark, sizeof utf8_mark)) {
		t->next += sizeof utf8_mark;
		t->bom = true;
	}
	return 0;
}

bool key_text_next(struct key_text *t)
{
	size_t left = (size_t)(t->end - t->next);
	const uint8_t *eol = left ? memchr(t->next, '\n', left) : NULL;

	if (!left)
		return false;
	t->line = t->next;
	t->len = eol ? (size_t)(eol - t->line) : left;
	t->next += t->len + (eol ? 1 : 0);
	t->number++;
	if (t->len && t->line[t->len - 1] == '\r')
		t->len--;
	return true;
}

bool key_text_blank(const struct key_text *t)
{
	for (size_t i = 0; i < t->len; i++)
		if (t->line[i] != ' ' && t->line[i] != '\t')
			return false;
	return true;
}

bool key_text_comment(const struct key_text *t)
{
	return t->len && t->line[0] == '#';
}

bool key_text_next_entry(struct key_text *t)
{
	while (key_text_next(t))
		if (!key_text_blank(t) && !key_text_comment(t))
			return true;
	return false;
}

static bool key_text_alnum(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9');
}

bool key_text_identity_ok(const uint8_t *text, size_t len)
{
	if (len < 1 || len > KEY_IDENTITY_MAX || !key_text_alnum(text[0]))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!key_text_alnum(text[i]) &&
		    (!text[i] || !strchr("._@-", text[i])))
			return false;
	return true;
}

void key_text_hex(const uint8_t *bytes, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

/* The value of a hex digit; 0x100 for any other byte.  Without a branch. */
static unsigned int key_text_nibble(uint8_t c)
{
	unsigned int digit = c - '0', alpha = (c | 0x20) - 'a';
	/* The top bit of x - n says x < n, unless x itself is negative. */
	unsigned int is_digit = ((digit - 10u) & ~digit) >> 31;
	unsigned int is_alpha = ((alpha - 6u) & ~alpha) >> 31;
	unsigned int bad = 1u - (is_digit | is_alpha);

	return ((0u - is_digit) & digit) | ((0u - is_alpha) & (alpha + 10)) |
	       bad << 8;
}

bool key_text_unhex(const uint8_t *hex, size_t chars, uint8_t *out)
{
	unsigned int bad = 0;

	for (size_t i = 0; i < chars / 2; i++) {
		unsigned int v = key_text_nibble(hex[2 * i]) << 4 |
				 key_text_nibble(hex[2 * i + 1]);

		bad |= v;
		out[i] = (uint8_t)v;
	}
	return !(bad & ~0xffu);
}

static bool key_text_is_hex(const uint8_t *text, size_t len)
{
	unsigned int bad = 0;

	for (size_t i = 0; i < len; i++)
		bad |= key_text_nibble(text[i]);
	return !(bad & 0x100);
}

static bool key_text_has(const struct key_text *t, const char *set, size_t n)
{
	for (size_t i = 0; i < t->len; i++)
		if (memchr(set, t->line[i], n))
			return true;
	return false;
}

/* A character that no entry has, with the remedy, or NULL. */
static const char *key_text_foreign(const struct key_text *t)
{
	if (key_text_has(t, "\0", 1))
		return "a NUL in it; write it again with a text editor";
	if (key_text_has(t, "\"'`", 3))
		return "quotation marks in it; write identity:hex without them";
	if (key_text_has(t, "\r", 1))
		return "a carriage return in it; end each line with a line "
		       "feed";
	if (key_text_has(t, " \t", 2))
		return "a blank in it; write identity:hex without any";
	return NULL;
}

static int key_text_bad_identity(const char *foreign, struct err *e)
{
	if (foreign)
		return err_set(e, ERR_KEY, 0,
			       "has no proper identity: the line has %s",
			       foreign);
	return err_set(e, ERR_KEY, 0,
		       "has no proper identity: 1 to %d letters, digits and "
		       "._@-, the first a letter or digit",
		       KEY_IDENTITY_MAX);
}

static int key_text_take_hex(const uint8_t *hex, size_t chars,
			     struct secret *secret, struct err *e)
{
	if (!key_text_is_hex(hex, chars))
		return err_set(e, ERR_KEY, 0,
			       "its key is not made of hex digits alone; write "
			       "identity:hex");
	if (chars % 2)
		return err_set(e, ERR_KEY, 0,
			       "its key has an odd number of hex digits; copy "
			       "the whole line again");
	if (chars / 2 < SECRET_MIN)
		return err_set(e, ERR_KEY, 0,
			       "its key is too short: %zu bytes, at least %d "
			       "are needed; make one with " KEYGEN_LINE,
			       chars / 2, SECRET_MIN);
	if (chars / 2 > SECRET_MAX)
		return err_set(e, ERR_KEY, 0,
			       "its key is too long: %zu bytes, at most %d are "
			       "possible; make one with " KEYGEN_LINE,
			       chars / 2, SECRET_MAX);
	secret->len = chars / 2;
	if (!key_text_unhex(hex, chars, secret->bytes))
		return err_set(e, ERR_BUG, 0, "hex digits do not parse");
	return 0;
}

int key_text_entry(const struct key_text *t,
		   char identity[static KEY_IDENTITY_MAX + 1],
		   struct secret *secret, struct err *e)
{
	const uint8_t *colon = memchr(t->line, ':', t->len);
	size_t name = colon ? (size_t)(colon - t->line) : 0;
	const char *foreign = key_text_foreign(t);

	if (colon && !key_text_identity_ok(t->line, name))
		return key_text_bad_identity(foreign, e);
	if (foreign)
		return err_set(e, ERR_KEY, 0, "has %s", foreign);
	if (!colon)
		return err_set(e, ERR_KEY, 0,
			       "is not identity:hex; make such a line "
			       "with " KEYGEN_LINE);
	memset(identity, 0, KEY_IDENTITY_MAX + 1);
	memcpy(identity, t->line, name);
	return key_text_take_hex(colon + 1, t->len - name - 1, secret, e);
}

bool key_text_looks_like_entry(const struct key_text *t)
{
	const uint8_t *colon = memchr(t->line, ':', t->len);
	size_t name = colon ? (size_t)(colon - t->line) : 0;
	size_t run = 0, longest = 0;

	if (key_text_is_hex(t->line, t->len))
		return false;
	if (colon && key_text_identity_ok(t->line, name) && name + 1 < t->len &&
	    key_text_is_hex(colon + 1, t->len - name - 1))
		return true;
	for (size_t i = 0; i < t->len; i++) {
		uint8_t c = t->line[i];

		if (!c || strchr(" \t\r\"'`:-", c))
			continue;
		run = key_text_nibble(c) > 0xff ? 0 : run + 1;
		longest = run > longest ? run : longest;
	}
	return longest >= ENTRY_DIGITS;
}

size_t key_text_utf8(const uint8_t *text, size_t left)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = text[0] < 0x80    ? 1
		     : text[0] < 0xc2  ? 0
		     : text[0] < 0xe0  ? 2
		     : text[0] < 0xf0  ? 3
		     : text[0] <= 0xf4 ? 4
				       : 0;
	uint32_t c = len > 1 ? text[0] & (0x7fu >> len) : text[0];

	if (len > left)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (text[i] & 0x3f);
	}
	return c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)
		       ? 0
		       : len;
}

bool key_text_is_text(const uint8_t *data, size_t len)
{
	for (size_t i = 0, n; i < len; i += n) {
		n = key_text_utf8(data + i, len - i);
		if (!n || data[i] == 0x7f ||
		    (data[i] < 0x20 && !memchr("\t\r\n", data[i], 3)))
			return false;
	}
	return true;
}
