// SPDX-License-Identifier: GPL-2.0-or-later
/* key: contents of key files that are accepted, byte for byte, and refused. */
#include <ctype.h>

#include "auth/key.h"
#include "tap.h"
#include "tls/tls.h"

#define OURS "BTRFS-KTLS-PIPE PRE-SHARED KEY"
#define BEGIN(label) "-----BEGIN " label "-----\n"
#define END(label) "-----END " label "-----\n"
#define PEM(label, body) BEGIN(label) body "\n" END(label)

/* The bytes 0 to 31, 0 to 15 and 0 to 14 */
#define BASE64_32 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define BASE64_16 "AAECAwQFBgcICQoLDA0ODw=="
#define BASE64_15 "AAECAwQFBgcICQoLDA0O"
#define HEX_15 "000102030405060708090a0b0c0d0e"
#define HEX_16 HEX_15 "0f"
#define HEX_32 HEX_16 "101112131415161718191a1b1c1d1e1f"
#define CHARS_31 "It was a dark and stormy night,"

static struct key key;
static struct err e;

/* sizeof: the text may hold NULs. */
#define TEXT(s) (s), sizeof(s) - 1

/* All of these hold the bytes 0, 1, 2... */
static const struct {
	const char *name, *text;
	size_t len, bytes;
	const char *identity;
} good[] = {
	{ "our PEM", TEXT(PEM(OURS, BASE64_32)), 32, "" },
	{ "16 bytes of PEM", TEXT(PEM(OURS, BASE64_16)), 16, "" },
	{ "PEM without a newline at the end",
	  TEXT(BEGIN(OURS) BASE64_32 "\n-----END " OURS "-----"), 32, "" },
	{ "PEM with CRLF",
	  TEXT("-----BEGIN " OURS "-----\r\n" BASE64_32 "\r\n-----END " OURS
	       "-----\r\n"),
	  32, "" },
	{ "PEM with prose around it",
	  TEXT("For host b:\n" PEM(OURS, BASE64_32) "until June\n"), 32, "" },
	{ "PEM in several lines",
	  TEXT(PEM(OURS, "AAECAwQFBgcICQoLDA0O\nDxAREhMUFRYXGBkaGxwdHh8=")), 32,
	  "" },
	{ "identity:hex", TEXT("btrfs:" HEX_32 "\n"), 32, "btrfs" },
	{ "identity:hex without a newline", TEXT("b:" HEX_32), 32, "b" },
	{ "identity:hex with CRLF", TEXT("b:" HEX_32 "\r\n"), 32, "b" },
	{ "identity:hex, then empty lines", TEXT("b:" HEX_32 "\n\r\n\n"), 32,
	  "b" },
	{ "identity:hex of 16 bytes", TEXT("b:" HEX_16 "\n"), 16, "b" },
	{ "identity:HEX", TEXT("b:000102030405060708090A0B0C0D0E0F\n"), 16,
	  "b" },
	{ "identity:HeX", TEXT("b:000102030405060708090A0b0C0d0E0f\n"), 16,
	  "b" },
	{ "an identity of all kinds of characters", TEXT("9a.B_c@d-E:" HEX_16),
	  16, "9a.B_c@d-E" },
	{ "an identity of 64 characters",
	  TEXT("0123456789012345678901234567890123456789012345678901234567890"
	       "123:" HEX_16),
	  16,
	  "0123456789012345678901234567890123456789012345678901234567890"
	  "123" },
	{ "identity:hex behind a byte order mark",
	  TEXT("\xef\xbb\xbf"
	       "b:" HEX_16 "\n"),
	  16, "b" },
	{ "identity:hex behind comments and blank lines",
	  TEXT("# the key of b\n\n \t\nb:" HEX_16 "\n# the end\n"), 16, "b" },
	{ "the same with CRLF", TEXT("#c\r\n\r\nb:" HEX_16 "\r\n\r\n"), 16,
	  "b" },
	{ "a comment of any bytes", TEXT("# \xfc\xff\1\nb:" HEX_16 "\n"), 16,
	  "b" },
	{ "PEM behind a byte order mark",
	  TEXT("\xef\xbb\xbf" PEM(OURS, BASE64_32)), 32, "" },
	{ "raw bytes", TEXT("\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17"), 16,
	  "" },
};

static const struct {
	const char *name, *text;
	size_t len;
	const char *why;
} bad[] = {
	{ "nothing", TEXT(""), "is empty" },
	{ "15 bytes of PEM", TEXT(PEM(OURS, BASE64_15)), "too short: 15" },
	{ "15 bytes of hex", TEXT("b:" HEX_15 "\n"), "too short: 15" },
	{ "1 byte of hex", TEXT("b:00\n"), "too short: 1 " },
	{ "15 raw bytes", TEXT("\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16"),
	  "too short: 15" },

	{ "a certificate", TEXT(PEM("CERTIFICATE", BASE64_32)),
	  "(CERTIFICATE)" },
	{ "an old certificate", TEXT(PEM("X509 CERTIFICATE", BASE64_32)),
	  "(CERTIFICATE)" },
	{ "a certificate request",
	  TEXT(PEM("NEW CERTIFICATE REQUEST", BASE64_32)), "(CERTIFICATE)" },
	{ "a CRL", TEXT(PEM("X509 CRL", BASE64_32)), "(CRL)" },
	{ "a public key", TEXT(PEM("PUBLIC KEY", BASE64_32)), "(PUBLIC KEY)" },
	{ "an RSA public key", TEXT(PEM("RSA PUBLIC KEY", BASE64_32)),
	  "(PUBLIC KEY)" },
	{ "a private key", TEXT(PEM("PRIVATE KEY", BASE64_32)),
	  "(PRIVATE KEY)" },
	{ "an EC private key", TEXT(PEM("EC PRIVATE KEY", BASE64_32)),
	  "(PRIVATE KEY)" },
	{ "an encrypted private key",
	  TEXT(PEM("ENCRYPTED PRIVATE KEY", BASE64_32)), "(PRIVATE KEY)" },
	{ "an SSH private key", TEXT(PEM("OPENSSH PRIVATE KEY", BASE64_32)),
	  "(PRIVATE KEY)" },
	{ "DH parameters", TEXT(PEM("DH PARAMETERS", BASE64_32)),
	  "(PARAMETERS)" },
	{ "PKCS 7", TEXT(PEM("PKCS7", BASE64_32)), "(PKCS)" },
	{ "a CMS message", TEXT(PEM("CMS", BASE64_32)), "(CMS)" },
	{ "a PGP message", TEXT(PEM("PGP MESSAGE", BASE64_32)), "(PGP)" },
	{ "an OpenVPN key", TEXT(PEM("OpenVPN Static key V1", HEX_32)),
	  "no pre-shared key" },
	{ "a certificate with CRLF",
	  TEXT("-----BEGIN CERTIFICATE-----\r\n" BASE64_32
	       "\r\n-----END CERTIFICATE-----\r\n"),
	  "(CERTIFICATE)" },
	{ "a cut certificate", TEXT("-----BEGIN CERTIFICATE"),
	  "(CERTIFICATE)" },
	{ "our PEM, then a certificate",
	  TEXT(PEM(OURS, BASE64_32) PEM("CERTIFICATE", BASE64_32)),
	  "(CERTIFICATE)" },
	{ "a certificate, then our PEM",
	  TEXT(PEM("CERTIFICATE", BASE64_32) PEM(OURS, BASE64_32)),
	  "(CERTIFICATE)" },
	{ "our PEM twice", TEXT(PEM(OURS, BASE64_32) PEM(OURS, BASE64_16)),
	  "more than one PEM block" },
	{ "identity:hex, then a certificate",
	  TEXT("b:" HEX_32 "\n" PEM("CERTIFICATE", BASE64_32)),
	  "a PEM block and an identity:hex line" },
	{ "identity:hex, then our PEM",
	  TEXT("b:" HEX_32 "\n" PEM(OURS, BASE64_32)),
	  "a PEM block and an identity:hex line" },
	{ "our PEM, then identity:hex",
	  TEXT(PEM(OURS, BASE64_32) "b:" HEX_32 "\r\n"),
	  "a PEM block and an identity:hex line" },

	{ "PEM without an end", TEXT(BEGIN(OURS) BASE64_32 "\n"),
	  "does not parse" },
	{ "PEM without a body", TEXT(BEGIN(OURS) END(OURS)), "does not parse" },
	{ "PEM with a foreign character",
	  TEXT(PEM(OURS, "AAECAwQFBgcICQoLDA0O*xAREhMUFRYXGBkaGxwdHh8=")),
	  "does not parse" },
	{ "PEM that ends in its label", TEXT("-----BEGIN BTRFS"),
	  "does not parse" },
	{ "five dashes and a word", TEXT("-----BEGIN"), "does not parse" },

	{ "an odd digit", TEXT("b:" HEX_32 "2\n"), "odd number" },
	{ "one digit", TEXT("b:2\n"), "odd number" },
	{ "two identity:hex lines", TEXT("b:" HEX_32 "\nc:" HEX_32 "\n"),
	  "more than one" },
	{ "identity:hex, then prose", TEXT("b:" HEX_32 "\nuntil June\n"),
	  "more than one" },
	{ "identity:hex, then a NUL", TEXT("b:" HEX_32 "\n\0"),
	  "more than one" },

	{ "a word", TEXT("secret\n"), "looks like a password" },
	{ "one character", TEXT("x"), "looks like a password" },
	{ "an empty line", TEXT("\n"), "looks like a password" },
	{ "blank lines", TEXT("\n \n\t\r\n\n          \n          \n"),
	  "nothing but comments and blank lines" },
	{ "comments", TEXT("# It was a dark and stormy night\n#\n"),
	  "nothing but comments" },
	{ "identity:hex that is a comment", TEXT("#b:" HEX_32 "\n"),
	  "nothing but comments" },
	{ "a line of 31 characters", TEXT(CHARS_31), "like a password" },
	{ "31 characters and LF", TEXT(CHARS_31 "\n"), "like a password" },
	{ "31 characters and CRLF", TEXT(CHARS_31 "\r\n"), "like a password" },
	{ "user:password", TEXT("root:hunter2\n"), "malformed identity:hex" },
	{ "an identity without hex", TEXT("btrfs:\n"),
	  "looks like a password" },

	/* Almost identity:hex */
	{ "an identity that begins with a dot", TEXT(".b:" HEX_16 "\n"),
	  "line 1: has no proper identity" },
	{ "an identity with a blank", TEXT("b c:" HEX_16 "\n"),
	  "proper identity: the line has a blank" },
	{ "an identity with a NUL", TEXT("b\0c:" HEX_16 "\n"),
	  "proper identity: the line has a NUL" },
	{ "an identity of 65 characters",
	  TEXT("0123456789012345678901234567890123456789012345678901234567890"
	       "1234:" HEX_16),
	  "no proper identity: 1 to 64" },
	{ "no identity", TEXT(":" HEX_32 "\n"), "no proper identity" },
	{ "a colon in the second line only", TEXT("b\nc:" HEX_16 "\n"),
	  "line 2 is extra" },
	{ "CR in the middle of hex", TEXT("b:" HEX_16 "\r" HEX_16 "\n"),
	  "line 1: has a carriage return" },
	{ "CR instead of LF", TEXT("# b\rb:" HEX_16 "\r"),
	  "nothing but comments" },
	{ "a blank in front", TEXT(" b:" HEX_32 "\n"), "a blank in it" },
	{ "a blank behind", TEXT("b:" HEX_32 " \n"), "line 1: has a blank" },
	{ "a blank behind the colon", TEXT("# c\n\nb: " HEX_32 "\n"),
	  "line 3: has a blank" },
	{ "a blank behind each byte",
	  TEXT("b:00 01 02 03 04 05 06 07 08 09 0a\n"), "line 1: has a blank" },
	{ "a colon behind each byte",
	  TEXT("b:00:01:02:03:04:05:06:07:08:09:0a\n"),
	  "not made of hex digits alone" },
	{ "an equals sign", TEXT("b=" HEX_32 "\n"), "is not identity:hex" },
	{ "0x", TEXT("b:0x" HEX_32 "\n"), "not made of hex digits alone" },
	{ "a wrong digit", TEXT("b:" HEX_16 "O0" HEX_15 "\n"),
	  "not made of hex digits alone" },
	{ "quotes around it", TEXT("\"b:" HEX_32 "\"\n"), "quotation marks" },
	{ "quotes around the key", TEXT("b:'" HEX_32 "'\n"),
	  "line 1: has quotation marks" },
	{ "quotes around hex digits", TEXT("'" HEX_32 "'\n"),
	  "line 1: has quotation marks" },
	{ "a byte order mark and a blank",
	  TEXT("\xef\xbb\xbf"
	       " b:" HEX_32 "\n"),
	  "a blank in it" },
	{ "UTF-16",
	  TEXT("\xff\xfe"
	       "b\0:\0"
	       "0\0"
	       "1\0"
	       "2\0"
	       "3\0"
	       "4\0"
	       "5\0"
	       "6\0"
	       "7\0"
	       "8\0"
	       "9\0\n\0"),
	  "is UTF-16" },
	{ "UTF-16 of big ends",
	  TEXT("\xfe\xff\0b\0:\0"
	       "0\0"
	       "1\0"
	       "2\0"
	       "3\0"
	       "4\0"
	       "5\0"
	       "6\0"
	       "7\0"
	       "8\0"
	       "9\0\n"),
	  "is UTF-16" },
	{ "UTF-16 without a mark", TEXT("-\0-\0-\0-\0-\0B\0E\0G\0I\0N\0"),
	  "is UTF-16" },

	/* Almost PEM */
	{ "PEM without its first line", TEXT(BASE64_32 "\n" END(OURS)),
	  "looks like a PEM block" },
	{ "PEM with four dashes",
	  TEXT("----BEGIN " OURS "-----\n" BASE64_32 "\n"),
	  "looks like a PEM block" },
	{ "a public key of SSH2",
	  TEXT("---- BEGIN SSH2 PUBLIC KEY ----\n" BASE64_32 "\n"),
	  "looks like a PEM block" },
	{ "a key of PuTTY", TEXT("PuTTY-User-Key-File-3: ssh-ed25519\n"),
	  "looks like a PEM block" },

	/* Text with an invisible flaw, which would be another key */
	{ "a line behind a byte order mark",
	  TEXT("\xef\xbb\xbf" CHARS_31 "!\n"),
	  "line 1 begins with a byte order mark" },
	{ "a line behind a comment", TEXT("# k\n" CHARS_31 "!\n"),
	  "line 1 is a comment" },
	{ "a line behind a blank one", TEXT("\n" CHARS_31 "!\n"),
	  "line 1 is blank" },
	{ "two newlines", TEXT(CHARS_31 "!\n\n"), "line 2 is blank" },
	{ "a line with CRLF", TEXT(CHARS_31 "!\r\n"),
	  "line 1 has a carriage return" },
	{ "a line with a CR at its end", TEXT(CHARS_31 "!\r"),
	  "line 1 has a carriage return" },
	{ "hex without an identity, with CRLF", TEXT(HEX_32 "\r\n"),
	  "line 1 has a carriage return" },
	{ "a line that ends in a blank", TEXT(CHARS_31 "! \n"),
	  "line 1 begins or ends with a blank" },
	{ "a line that begins with a tab", TEXT("\t" CHARS_31 "!"),
	  "line 1 begins or ends with a blank" },
	{ "a line in quotes", TEXT("\"" CHARS_31 "!\"\n"),
	  "line 1 is in quotation marks" },
	{ "a line of UTF-8 with CRLF", TEXT("\xc3\xa9" CHARS_31 "\r\n"),
	  "line 1 has a carriage return" },
};

/* These are raw bytes, whatever they look like. */
static const struct {
	const char *name, *text;
	size_t len;
} raw[] = {
	{ "a line of 32 characters", TEXT(CHARS_31 "!") },
	{ "32 characters and LF", TEXT(CHARS_31 "!\n") },
	{ "31 characters with a tab",
	  TEXT("It was\ta dark and stormy night,") },
	{ "two lines", TEXT("It was a dark\nand stormy night\n") },
	{ "hex without an identity", TEXT(HEX_32 "\n") },
	{ "bytes that begin with a byte order mark",
	  TEXT("\xef\xbb\xbf\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17") },
	{ "bytes that begin like UTF-16",
	  TEXT("\xff\xfe\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17") },
	{ "bytes with a CR",
	  TEXT("\xee\r\n\xff\4\5\6\7\10\11\13\14\15\16\17\20") },
	{ "bytes that begin with #",
	  TEXT("#\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17") },
	{ "base64", TEXT(BASE64_32 "\n") },
	{ "a line of UTF-8", TEXT("\xc3\xa9" CHARS_31 "\n") },
};

static int parse(const char *text, size_t len)
{
	e = (struct err){ 0 };
	/* The former contents must not show. */
	memset(&key, 0x55, sizeof key);
	return key_parse((const uint8_t *)text, len, &key, &e);
}

static bool counts_up(size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (key.secret.bytes[i] != (uint8_t)i)
			return false;
	return key.secret.len == bytes;
}

static bool is_raw(const char *text, size_t len)
{
	return key.secret.len == len && !memcmp(key.secret.bytes, text, len) &&
	       !*key.identity;
}

static void test_tables(void)
{
	for (size_t i = 0; i < array_len(good); i++)
		if (!ok(parse(good[i].text, good[i].len) == 0 &&
				counts_up(good[i].bytes) &&
				!strcmp(key.identity, good[i].identity),
			"%s: %zu bytes", good[i].name, good[i].bytes))
			printf("#   '%s', %zu bytes (%s)\n", key.identity,
			       key.secret.len, e.msg);
	for (size_t i = 0; i < array_len(bad); i++)
		if (!ok(parse(bad[i].text, bad[i].len) == -1 &&
				e.kind == ERR_KEY && strstr(e.msg, bad[i].why),
			"refused: %s", bad[i].name))
			printf("#   %zu bytes (%s)\n", key.secret.len, e.msg);
	for (size_t i = 0; i < array_len(raw); i++)
		ok(parse(raw[i].text, raw[i].len) == 0 &&
			   is_raw(raw[i].text, raw[i].len),
		   "raw bytes: %s", raw[i].name);
}

static void test_raw_sizes(void)
{
	static char bytes[600];

	memset(bytes, 0xee, sizeof bytes);
	for (size_t len = 1; len < sizeof bytes; len++) {
		bool fits = len >= SECRET_MIN && len <= SECRET_MAX;

		if (parse(bytes, len) != (fits ? 0 : -1) ||
		    (fits && !is_raw(bytes, len))) {
			is_int(len, 0, "16 to 512 raw bytes are a key");
			return;
		}
	}
	ok(strstr(e.msg, "at most 512"), "16 to 512 raw bytes are a key");
}

/* A key of the bytes 0, 1, 2... as hex. */
static int parse_hex(size_t bytes, const char *digits)
{
	static char text[2 * 1024] = "b:";

	for (size_t i = 0; i < bytes; i++) {
		text[2 + 2 * i] = digits[i / 16 % 16];
		text[3 + 2 * i] = digits[i % 16];
	}
	return parse(text, 2 + 2 * bytes);
}

static void test_hex(void)
{
	ok(parse_hex(256, "0123456789abcdef") == 0 && counts_up(256),
	   "hex: all 256 values");
	ok(parse_hex(256, "0123456789ABCDEF") == 0 && counts_up(256),
	   "hex: all 256 values in capitals");
	ok(parse_hex(512, "0123456789abcdef") == 0 && counts_up(512),
	   "hex: 512 bytes are a key");
	ok(parse_hex(513, "0123456789abcdef") == -1 &&
		   strstr(e.msg, "at most 512"),
	   "hex: 513 bytes are too many");
}

/* Each of the 256 characters as one of the 32 digits of a key. */
static void test_digits(void)
{
	char text[] = "b:" HEX_16;
	int wrong = 0;

	for (int c = 0; c < 256; c++) {
		bool found;

		text[2 + 17] = (char)c;
		found = parse(text, sizeof text - 1) == 0 && *key.identity;
		if (found == (isxdigit(c) != 0))
			continue;
		wrong++;
		printf("# '%c' (%#x) is %sa digit\n", isprint(c) ? c : '?', c,
		       found ? "" : "not ");
	}
	is_int(wrong, 0, "0-9, a-f and A-F are hex digits, and nothing else");
}

/* Random bytes are a key, however many NULs and line ends are in them. */
static void test_random(void)
{
	uint8_t bytes[SECRET_MIN];
	unsigned int wrong = 0, x = 1;

	for (int n = 0; n < 100000; n++) {
		for (size_t i = 0; i < sizeof bytes; i++) {
			x = x * 1103515245 + 12345;
			bytes[i] = (uint8_t)(x >> 16);
		}
		wrong += parse((char *)bytes, sizeof bytes) < 0;
	}
	is_int(wrong, 0, "100,000 keys of 16 random bytes are taken");
}

static void test_identities(void)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{ "b", true },	    { "btrfs", true }, { "0", true },
		{ "a@b.c", true },  { "A-_.", true },  { "", false },
		{ ".a", false },    { "-a", false },   { "@", false },
		{ "_a", false },    { "a b", false },  { "a:b", false },
		{ "a/b", false },   { "a\n", false },  { "a\xc3\xa4", false },
		{ "a\x7f", false }, { "a+", false },
	};
	char text[KEY_IDENTITY_MAX + 2] = "";
	int wrong = 0;

	for (size_t i = 0; i < array_len(rows); i++)
		if (key_identity_ok(rows[i].text) != rows[i].good) {
			wrong++;
			printf("# row %zu is wrong\n", i);
		}
	is_int(wrong, 0, "identities follow their grammar");
	memset(text, 'a', KEY_IDENTITY_MAX);
	ok(key_identity_ok(text), "an identity may have 64 characters");
	text[KEY_IDENTITY_MAX] = 'a';
	ok(!key_identity_ok(text), "but no more");

	wrong = 0;
	for (int c = 1; c < 256; c++) {
		const char two[] = { 'a', (char)c, '\0' };
		bool good_char = (c < 128 && isalnum(c)) ||
				 strchr("._@-", c) != NULL;

		wrong += key_identity_ok(two) != good_char;
	}
	is_int(wrong, 0, "of all characters the right ones may follow");
}

static void test_wipe(void)
{
	static const struct key none;

	parse(TEXT("b:" HEX_32 "\n"));
	key_wipe(&key);
	ok(!memcmp(&key, &none, sizeof key), "key_wipe leaves zeros");
}

int main(void)
{
	if (tls_global_init(&e) < 0)
		return 1;
	test_tables();
	test_raw_sizes();
	test_hex();
	test_digits();
	test_random();
	test_identities();
	test_wipe();
	return tap_end();
}
