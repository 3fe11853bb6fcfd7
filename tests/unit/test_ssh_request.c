// SPDX-License-Identifier: GPL-2.0-or-later
/* ssh_request: the request and the key line of the verb ssh. */
#include "cli/ssh_request.h"

#include "tap.h"

/* What becomes of a request that is written again; or the error */
static const char *again(const char *text)
{
	static char said[1024];
	struct err e = { 0 };
	struct ssh_request r;
	char *line = NULL;

	if (ssh_request_parse(&r, text, &e) == 0)
		line = ssh_request_format(&r, &e);
	snprintf(said, sizeof said, "%s", line ? line : e.msg);
	free(line);
	ssh_request_fini(&r);
	return said;
}

static void test_same(void)
{
	static const char *const good[] = {
		"1 send -- true",
		"1 receive -- btrfs%20receive%20/mnt",
		"1 receive reverse fallback ktls-told quiet verbose=2 "
		"port=7000 port-last=7100 retry-ms=120000 handshake-ms=10000 "
		"buffer=67108864 rekey-after=1048576 tcp-buffer=1 dscp=64 "
		"mode=tls13-aes128-gcm,tls13-aes256-gcm -- x",
		"1 receive discard name=00ff identity=ssh-0 host=me@there -- x",
		"1 send ktls=2 limit=1 congestion=bbr -- x",
		"1 receive -- %01%7f%ff%25%0a%5c%27%22",
		"1 send limit=9223372036854775807 -- x",
	};

	for (size_t i = 0; i < array_len(good); i++)
		is_str(again(good[i]), good[i], "the same: %.60s", good[i]);
}

static void test_command(void)
{
	const char *text = "a 'b' \"c\" \\ $d `e` %20 \303\251~*;|&<>()";
	struct ssh_request r = { .command = (char *)text }, back;
	struct err e = { 0 };
	char *line = ssh_request_format(&r, &e);

	ok(line && !line[strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789"
				      "/._-,:@+% =")],
	   "no shell changes the line");
	ok(ssh_request_parse(&back, line, &e) == 0, "it parses");
	is_str(back.command, text, "COMMAND is the same");
	ssh_request_fini(&back);
	free(line);
}

static void test_word(void)
{
	char word[SSH_REQUEST_WORD_MAX], longer[2 * SSH_REQUEST_WORD_MAX];

	ssh_request_set_word(word, "me@[fe80::1%eth0] x");
	is_str(word, "me@fe80::1eth0x", "what a word cannot hold is left out");
	memset(longer, 'x', sizeof longer);
	longer[sizeof longer - 1] = '\0';
	ssh_request_set_word(word, longer);
	is_int((long long)strlen(word), SSH_REQUEST_WORD_MAX - 1,
	       "a word is not too long");
}

static void test_too_long(void)
{
	static char command[SSH_REQUEST_MAX + 1];
	struct ssh_request r = { .command = command };
	struct err e = { 0 };

	memset(command, 'x', sizeof command - 1);
	ok(!ssh_request_format(&r, &e) && e.kind == ERR_USAGE,
	   "a COMMAND that is too long is an error");
}

/* An identity of 65 characters */
#define X13 "0123456789abc"
#define LONG_IDENTITY \
	"1 receive name=00ff identity=" X13 X13 X13 X13 X13 " -- x"

static void test_bad(void)
{
	static const char *const bad[] = {
		"",
		"1",
		"1 send",
		"1 send --",
		"1 send -- ",
		"1 -- true",
		"2 send -- true",
		"send -- true",
		"1 both -- true",
		"1 send  -- true",
		"1 send send -- true",
		"1 send quiet= -- true",
		"1 send quiet=1 -- true",
		"1 send port -- true",
		"1 send port= -- true",
		"1 send port=0 -- true",
		"1 send port=65536 -- true",
		"1 send port=9 port-last=8 -- true",
		"1 send port=+1 -- true",
		"1 send ktls=3 -- true",
		"1 send output=/etc/passwd -- true",
		"1 send congestion=../x;y -- true",
		"1 send mode=a%20b -- true",
		"1 send -- true false",
		"1 send -- a;b",
		"1 send -- %",
		"1 send -- %2",
		"1 send -- %00",
		"1 send -- %2G",
		"1 send -- %2F",
		"1 send -- a'b",
		"1 send --forced -- x",
		"1 send name=00ff -- x",
		"1 receive reverse name=00ff -- x",
		"1 receive fallback name=00ff -- x",
		"1 receive discard -- x",
		"1 receive name=00ff identity=a/b -- x",
		LONG_IDENTITY,
	};

	for (size_t i = 0; i < array_len(bad); i++)
		ok(strstr(again(bad[i]), "unknown or invalid word"),
		   "refused: %s", bad[i]);
}

static void test_secret(void)
{
	struct ssh_request_secret s = { .port = 65535,
					.address = "2001:db8::1" },
				  back;
	char line[SSH_REQUEST_LINE_BYTES], copy[sizeof line];
	struct err e = { 0 };

	s.key.secret.len = SSH_REQUEST_KEY_BYTES;
	for (size_t i = 0; i < s.key.secret.len; i++)
		s.key.secret.bytes[i] = (uint8_t)(7 * i);
	ssh_request_format_secret(&s, line);
	ok(ssh_request_parse_secret(line, &back, &e) == 0, "a key line parses");
	ok(!memcmp(&back, &s, sizeof s), "and is the same");
	ok(!memchr(line, '\0', sizeof line), "it has no NUL");
	for (size_t i = 0; i < sizeof line; i++) {
		memcpy(copy, line, sizeof line);
		copy[i] = '!';
		/* What stands where an address may stand is judged later. */
		if (i > 70 && i < sizeof line - 1)
			continue;
		ok(ssh_request_parse_secret(copy, &back, &e) < 0 &&
			   e.kind == ERR_USAGE,
		   "damaged byte %zu: refused", i);
	}
	s = (struct ssh_request_secret){ .port = 0 };
	ssh_request_format_secret(&s, line);
	ok(ssh_request_parse_secret(line, &back, &e) == 0 && !*back.address &&
		   !back.port,
	   "neither port nor address");
}

int main(void)
{
	test_same();
	test_command();
	test_word();
	test_too_long();
	test_bad();
	test_secret();
	return tap_end();
}
