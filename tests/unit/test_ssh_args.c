// SPDX-License-Identifier: GPL-2.0-or-later
/* ssh_args: which word of the verb ssh is whose. */
#include "cli/ssh_args.h"

#include <sys/socket.h>

#include "tap.h"

static bool takes_value(const char *name, size_t len)
{
	return len == 4 && !strncmp(name, "port", len);
}

/* The words of a, in one line: ours | theirs | host | command */
static const char *sorted(const struct ssh_args *a)
{
	static char text[512];
	char *const none[] = { NULL };
	char *ours = ssh_args_join(a->ours + 1),
	     *theirs = ssh_args_join(a->theirs);
	char *command = ssh_args_join(a->command ? a->command : none);

	snprintf(text, sizeof text, "%s|%s|%s|%s", ours, theirs,
		 a->host ? a->host : "", command);
	free(ours);
	free(theirs);
	free(command);
	return text;
}

/* Parse the words of line, which are separated by spaces. */
static const char *parse(const char *line)
{
	static char copy[256], said[sizeof((struct err *)0)->msg];
	char *words[32] = { (char[]){ "ssh" } }, *next = copy;
	struct err e = { 0 };
	struct ssh_args a;
	int count = 1, ret;

	snprintf(copy, sizeof copy, "%s", line);
	while (*copy && next)
		words[count++] = strsep(&next, " ");
	ret = ssh_args_parse(&a, count, words, takes_value, &e);
	snprintf(said, sizeof said, "%s", ret < 0 ? e.msg : sorted(&a));
	ssh_args_fini(&a);
	return said;
}

static void test_order(void)
{
	is_str(parse("host cmd"), "||host|cmd", "HOST and COMMAND");
	is_str(parse("host cmd -v --port"), "||host|cmd -v --port",
	       "nothing behind COMMAND is an option");
	is_str(parse("-p 22 -oA=b --port 1 me@host cmd"),
	       "--port 1|-p 22 -oA=b|me@host|cmd", "options before HOST");
	is_str(parse("host -p 22 --port 1 cmd x"), "--port 1|-p 22|host|cmd x",
	       "options behind HOST");
	is_str(parse("host -4C -i id -- -cmd"), "|-4C -i id|host|-cmd",
	       "-- behind HOST ends the options");
	is_str(parse("-v -- host -v cmd"), "|-v|host|-v cmd",
	       "-- before HOST ends them for good, as in ssh");
	is_str(parse("--port=1 --receive host cmd"),
	       "--port=1 --receive||host|cmd", "=VALUE; an option without one");
	is_str(parse("-vvJ jump host cmd"), "|-vvJ jump|host|cmd",
	       "the last letter of a group takes the value");
	is_str(parse("-ofoo host"), "|-ofoo|host|", "no COMMAND");
	is_str(parse(""), "|||", "nothing");
	is_str(parse("-- "), "|||", "an empty HOST is ssh's to refuse");
}

static void test_errors(void)
{
	const char *const refused[] = { "-f", "-n", "-N", "-s", "-t",
					"-W", "-O", "-G", "-Q", "-V" };

	for (size_t i = 0; i < array_len(refused); i++) {
		char line[32];

		snprintf(line, sizeof line, "%s host cmd", refused[i]);
		ok(strstr(parse(line), "cannot be used"), "%s is refused",
		   refused[i]);
		snprintf(line, sizeof line, "-4%s host cmd", refused[i] + 1);
		ok(strstr(parse(line), "cannot be used"),
		   "so is -4%s, in a group", refused[i] + 1);
	}
	ok(strstr(parse("-z host cmd"), "ssh has no option -z"),
	   "an option that ssh lacks is named");
	ok(strstr(parse("host -p"), "ssh's option -p needs a value"),
	   "a value is missing");
	ok(strstr(parse("host --port"), "option --port needs a value"),
	   "a value of ours is missing");
	is_str(parse("-ofN host cmd"), "|-ofN|host|cmd",
	       "letters of a value are not options");
}

static void test_counted(void)
{
	char *words[] = { (char[]){ "ssh" }, (char[]){ "-qv4vv" },
			  (char[]){ "host" }, (char[]){ "-6" } };
	struct err e = { 0 };
	struct ssh_args a;

	ok(ssh_args_parse(&a, 4, words, takes_value, &e) == 0, "flags parse");
	ok(a.quiet && a.verbose == 3, "-q and -v count for us too");
	is_int(a.family, AF_INET6, "of -4 and -6 the last counts");
	is_int((long long)a.theirs_count, 2, "and ssh gets them");
	ssh_args_fini(&a);
}

int main(void)
{
	test_order();
	test_errors();
	test_counted();
	return tap_end();
}
