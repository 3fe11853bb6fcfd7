// SPDX-License-Identifier: GPL-2.0-or-later
/* key_list: lines that are a key, the key of an identity, and refusals. */
#include <stdlib.h>

#include "auth/key_list.h"
#include "tap.h"

#define HEX_15 "000102030405060708090a0b0c0d0e"
#define HEX_16 HEX_15 "0f"
#define HEX_32 HEX_16 "101112131415161718191a1b1c1d1e1f"
#define NAME_63 \
	"012345678901234567890123456789012345678901234567890123456789012"

/* sizeof: the text may hold NULs. */
#define TEXT(s) (s), sizeof(s) - 1

/* In each file the key of name is the bytes 0, 1, 2... */
static const struct {
	const char *title, *text;
	size_t len, count, bytes;
	const char *name;
} good[] = {
	{ "one line", TEXT("a:" HEX_16 "\n"), 1, 16, "a" },
	{ "one without a newline", TEXT("a:" HEX_32), 1, 32, "a" },
	{ "one with CRLF", TEXT("a:" HEX_16 "\r\n"), 1, 16, "a" },
	{ "a byte order mark of UTF-8",
	  TEXT("\xef\xbb\xbf"
	       "a:" HEX_16 "\r\n# b\r\n\r\n"),
	  1, 16, "a" },
	{ "a byte order mark in front of a comment",
	  TEXT("\xef\xbb\xbf# b\na:" HEX_16 "\n"), 1, 16, "a" },
	{ "the last of several",
	  TEXT("b:" HEX_32 "\nc:" HEX_32 "\na:" HEX_16 "\n"), 3, 16, "a" },
	{ "comments and blank lines",
	  TEXT("# a:" HEX_32 "\n\n \t\r\na:" HEX_16 "\n#"), 1, 16, "a" },
	{ "HEX in capitals", TEXT("a:000102030405060708090A0B0C0D0E0F"), 1, 16,
	  "a" },
	{ "an identity of 64 characters", TEXT(NAME_63 "3:" HEX_16), 1, 16,
	  NAME_63 "3" },
	{ "names that only begin alike",
	  TEXT("a1:" HEX_32 "\na:" HEX_16 "\na.:" HEX_32), 3, 16, "a" },
	{ "names of another case", TEXT("A:" HEX_32 "\na:" HEX_16), 2, 16,
	  "a" },
};

static const struct {
	const char *title, *text;
	size_t len;
	const char *why;
} bad[] = {
	{ "an empty file", TEXT(""), "has no key" },
	{ "comments alone", TEXT("# nobody\n\n#\n"), "has no key" },
	{ "no colon", TEXT("# x\n\n" HEX_32 "\n"), "line 3: is not identity" },
	{ "an empty identity", TEXT(":" HEX_32), "line 1: has no proper" },
	{ "a blank in front", TEXT(" a:" HEX_32),
	  "proper identity: the line has a blank" },
	{ "a comment behind a blank", TEXT(" # a"), "line 1: has a blank" },
	{ "two words", TEXT("a: " HEX_32), "line 1: has a blank" },
	{ "a blank in the key", TEXT("a:" HEX_16 " " HEX_16), "has a blank" },
	{ "a tab", TEXT("a:" HEX_32 "\t\n"), "line 1: has a blank" },
	{ "quotes around the line", TEXT("\"a:" HEX_32 "\"\n"),
	  "proper identity: the line has quotation marks" },
	{ "quotes around the key", TEXT("a:'" HEX_32 "'\n"),
	  "line 1: has quotation marks" },
	{ "lines that end in CR", TEXT("a:" HEX_32 "\rb:" HEX_32 "\r"),
	  "line 1: has a carriage return" },
	{ "a comment, then a blank line, then a blank behind the key",
	  TEXT("# x\n\na:" HEX_16 " \n"), "line 3: has a blank" },
	{ "UTF-16",
	  TEXT("\xff\xfe"
	       "a\0:\0"
	       "0\0"
	       "0\0\n\0"),
	  "is UTF-16" },
	{ "UTF-16 of big ends",
	  TEXT("\xfe\xff\0a\0:\0"
	       "0\0"
	       "0\0\n"),
	  "is UTF-16" },
	{ "UTF-16 without a mark",
	  TEXT("a\0:\0"
	       "0\0"
	       "0\0\n\0"),
	  "is UTF-16" },
	{ "a mark of UTF-8 in the second line",
	  TEXT("a:" HEX_16 "\n\xef\xbb\xbf"
	       "b:" HEX_16 "\n"),
	  "line 2: has no proper identity: 1" },
	{ "an identity of 65 characters", TEXT(NAME_63 "34:" HEX_32),
	  "no proper" },
	{ "a slash", TEXT("../a:" HEX_32), "no proper" },
	{ "a dot in front", TEXT(".a:" HEX_32), "no proper" },
	{ "a shell's words", TEXT("a;rm -rf $HOME`id`:" HEX_32), "no proper" },
	{ "a NUL", TEXT("a\0b:" HEX_32), "no proper" },
	{ "an escape", TEXT("a\033[2J:" HEX_32), "no proper" },
	{ "UTF-8", TEXT("\303\244:" HEX_32), "no proper" },
	{ "an identity twice", TEXT("a:" HEX_16 "\nb:" HEX_16 "\na:" HEX_32),
	  "line 3: has the identity of line 1" },
	{ "no digits", TEXT("b:" HEX_32 "\na:\n"), "line 2: its key is too" },
	{ "an odd number of digits", TEXT("a:" HEX_32 "0"), "odd number" },
	{ "15 bytes", TEXT("a:" HEX_15), "too short: 15 bytes" },
	{ "no hex", TEXT("a:" HEX_15 "0g"), "hex digits alone" },
	{ "a NUL for a digit", TEXT("a:" HEX_15 "0\0"), "has a NUL" },
	{ "a second colon", TEXT("a:b:" HEX_16), "hex digits alone" },
	{ "a blank behind", TEXT("a:" HEX_16 "  "), "has a blank" },
	{ "PEM", TEXT("-----BEGIN X-----\nAAAA\n"),
	  "holds a PEM block, which has no name for its client" },
	{ "PEM behind a line", TEXT("a:" HEX_16 "\n-----BEGIN X-----\nAAAA\n"),
	  "keygen --identity NAME" },
	{ "no PEM", TEXT("hello\n"), "line 1: is not identity:hex" },
};

static bool counts_up(const struct secret *s, size_t bytes)
{
	if (!s || s->len != bytes)
		return false;
	for (size_t i = 0; i < bytes; i++)
		if (s->bytes[i] != i)
			return false;
	return true;
}

static struct key_list *parse(const char *text, size_t len, struct err *e)
{
	*e = (struct err){ 0 };
	return key_list_parse((const uint8_t *)text, len, e);
}

static void test_good(void)
{
	struct err e;

	for (size_t i = 0; i < array_len(good); i++) {
		struct key_list *k = parse(good[i].text, good[i].len, &e);

		if (!ok(k, "taken: %s", good[i].title)) {
			printf("#   %s\n", e.msg);
			continue;
		}
		is_int(key_list_count(k), good[i].count, "all of it");
		ok(counts_up(key_list_find(k, good[i].name), good[i].bytes),
		   "and the key is the right one");
		ok(!key_list_find(k, "") && !key_list_find(k, "nobody") &&
			   !key_list_find(k, NAME_63 "345"),
		   "nobody else has one");
		key_list_free(k);
	}
}

static void test_bad(void)
{
	struct err e;

	for (size_t i = 0; i < array_len(bad); i++) {
		struct key_list *k = parse(bad[i].text, bad[i].len, &e);

		if (!ok(!k && e.kind == ERR_KEY && strstr(e.msg, bad[i].why),
			"refused: %s", bad[i].title))
			printf("#   %s\n", e.msg);
		for (const char *p = e.msg; *p; p++)
			if (*p < ' ' || *p > '~')
				ok(false, "the message can be printed");
		key_list_free(k);
	}
}

/* A file of count lines, with names and digits of the given lengths. */
static struct key_list *parse_many(size_t count, size_t name, size_t digits,
				   struct err *e)
{
	size_t line = name + 1 + digits + 1;
	char *text = malloc(count * line + 1), *p = text;
	struct key_list *k;

	if (!text)
		return NULL;
	for (size_t i = 0; i < count; i++, p += line) {
		memset(p, '0', line);
		for (size_t n = i, at = name; n; n /= 10)
			p[--at] = (char)('0' + n % 10);
		p[name] = ':';
		p[line - 1] = '\n';
	}
	k = parse(text, count * line, e);
	free(text);
	return k;
}

static void test_sizes(void)
{
	struct err e;
	struct key_list *k = parse_many(1, 4, 1024, &e);

	ok(k && key_list_find(k, "0000")->len == 512, "512 bytes of key");
	key_list_free(k);
	ok(!parse_many(1, 4, 1026, &e) && strstr(e.msg, "too long: 513 bytes"),
	   "but no more");
	ok(!parse_many(2, 1 << 20, 32, &e) && strstr(e.msg, "line 1: ") &&
		   strlen(e.msg) < 200,
	   "an identity of 1 MiB has a line of reasonable length");
	k = parse_many(4096, 6, 32, &e);
	ok(k && key_list_find(k, "004095") && !key_list_find(k, "004096"),
	   "4096 identities");
	key_list_free(k);
	ok(!parse_many(4097, 6, 32, &e) && strstr(e.msg, "too many keys"),
	   "but no more");
}

int main(void)
{
	test_good();
	test_bad();
	test_sizes();
	return tap_end();
}
