// SPDX-License-Identifier: GPL-2.0-or-later
/* ssh_answer: the answers of ssh-server among what a login shell prints. */
#include "cli/ssh_answer.h"

#include "tap.h"

#define M SSH_ANSWER_MAGIC

static struct ssh_answer_reader reader;

/* The last answer in the text; its kind is -1 after an error. */
static struct ssh_answer hear(const char *text)
{
	struct ssh_answer last = { .kind = SSH_ANSWER_NONE }, a;
	struct err e = { 0 };

	reader = (struct ssh_answer_reader){ .len = 0 };
	for (; *text; text++) {
		if (ssh_answer_take(&reader, *text, &a, &e) < 0)
			return (struct ssh_answer){ .kind = -1 };
		if (a.kind)
			last = a;
	}
	return last;
}

static void test_answers(void)
{
	struct ssh_answer a = hear(M "at 192.0.2.7 4000\n");

	is_int(hear(M "ready 1\n").kind, SSH_ANSWER_READY, "ready");
	is_int((long long)hear(M "ready 12\n").version, 12, "its version");
	is_int(hear(M "login\n").kind, SSH_ANSWER_LOGIN, "login");
	is_int(hear(M "nowhere\n").kind, SSH_ANSWER_NOWHERE, "nowhere");
	is_int(hear(M "channel\n").kind, SSH_ANSWER_CHANNEL, "channel");
	is_int(hear(M "gave-up\n").kind, SSH_ANSWER_GAVE_UP, "gave-up");
	is_int(a.kind, SSH_ANSWER_AT, "at");
	is_str(a.address, "192.0.2.7", "its address");
	is_int((long long)a.port, 4000, "its port");
	is_str(hear(M "at fe80::1%eth0 1\n").address, "fe80::1%eth0",
	       "an IPv6 address with its zone");
}

static void test_gave_up(void)
{
	static const char text[] = "bye\n" M "gave-up\n";
	const size_t len = sizeof text - 1;

	reader = (struct ssh_answer_reader){ .len = 0 };
	ok(!ssh_answer_gave_up(&reader, text, len - 3) &&
		   ssh_answer_gave_up(&reader, text + len - 3, 3),
	   "gave-up in two pieces, behind other text");
	ok(ssh_answer_gave_up(&reader, M "nowhere\n", sizeof M + 7) &&
		   ssh_answer_gave_up(&reader, M "channel\n", sizeof M + 7),
	   "who asks for another way has no stream either");
	ok(!ssh_answer_gave_up(&reader, M "login\n", sizeof M + 5),
	   "another answer is none");
}

static void test_banners(void)
{
	is_int(hear("Welcome\n\nprompt> " M "ready 1\nx").kind,
	       SSH_ANSWER_READY, "an answer behind other text");
	is_int(hear(M "is what it is\n").kind, SSH_ANSWER_NONE,
	       "the magic word alone is none");
	is_int(hear("\0btrfs-ktls-pipe\n").kind, SSH_ANSWER_NONE,
	       "nor is half of it");
}

static void test_long_banner(void)
{
	static char text[2 * SSH_ANSWER_BANNER_MAX];

	memset(text, 'x', SSH_ANSWER_BANNER_MAX - 200);
	strcat(text, M "ready 1\n");
	is_int(hear(text).kind, SSH_ANSWER_READY,
	       "behind a long line without a newline");
	memset(text, 'x', SSH_ANSWER_BANNER_MAX);
	text[SSH_ANSWER_BANNER_MAX] = '\0';
	is_int(hear(text).kind, SSH_ANSWER_NONE, "8 KiB are taken");
	text[SSH_ANSWER_BANNER_MAX] = 'x';
	text[SSH_ANSWER_BANNER_MAX + 1] = '\0';
	is_int((int)hear(text).kind, -1, "more are not");
}

static void test_malformed(void)
{
	static const char *const bad[] = {
		M "ready\n",
		M "ready x\n",
		M "ready 0\n",
		M "ready 99999999999\n",
		M "ready 1 \n",
		M "at 192.0.2.7\n",
		M "at 192.0.2.7 0\n",
		M "at 192.0.2.7 65536\n",
		M "at 192.0.2.7 4000 \n",
		M "at host 4000\n",
		M "at 192.0.2.7%eth0 4000\n",
		M "at ::1% 4000\n",
		M "at  4000\n",
		M "at ::1%0123456789012345678901234567890123456789012345678901"
		  "234567890123456789 4000\n",
		M "login now\n",
		M "nowhere \n",
		M "\n",
	};

	for (size_t i = 0; i < array_len(bad); i++)
		is_int(hear(bad[i]).kind, SSH_ANSWER_NONE, "no answer: %.40s",
		       bad[i] + sizeof M - 1);
}

static void test_format(void)
{
	struct ssh_answer a = { .kind = SSH_ANSWER_AT,
				.address = "2001:db8::1",
				.port = 65535 };
	char line[SSH_ANSWER_LINE_MAX];

	size_t len = ssh_answer_format(&a, line);

	is_int((long long)len, (long long)strlen(line), "the length of a line");
	is_str(line, M "at 2001:db8::1 65535\n", "at");
	a = (struct ssh_answer){ .kind = SSH_ANSWER_READY, .version = 1 };
	ssh_answer_format(&a, line);
	is_str(line, M "ready 1\n", "ready");
	a.kind = SSH_ANSWER_CHANNEL;
	ssh_answer_format(&a, line);
	is_str(line, M "channel\n", "channel");
}

int main(void)
{
	test_answers();
	test_gave_up();
	test_banners();
	test_long_banner();
	test_malformed();
	test_format();
	return tap_end();
}
