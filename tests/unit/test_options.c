// SPDX-License-Identifier: GPL-2.0-or-later
/* options: command lines, accepted and refused, and the help. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio_ext.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/options.h"
#include "tap.h"

#define CERTIFICATES " --cert c --cert-key k --ca a"

/* The words of a line are separated by one space; "''" is an empty word. */
static int parse(const char *line, struct options *o, struct err *e)
{
	static char text[1024], empty[] = "", name[] = "btrfs-ktls-pipe";
	char *argv[32] = { name }, *rest = text, *word;
	int argc = 1;

	*e = (struct err){ 0 };
	snprintf(text, sizeof text, "%s", line);
	while (*text && (word = strsep(&rest, " ")))
		argv[argc++] = strcmp(word, "''") ? word : empty;
	return options_parse(o, argc, argv, e);
}

/* All of struct options as text, so that a row can name any part of it. */
static const char *describe(const struct options *o)
{
	static char text[2048];
	char modes[8] = "", wait[32] = "never", peers[64] = "";

	for (size_t i = 0; i < o->modes.count; i++)
		modes[i] = (char)('0' + (o->modes.modes[i] - mode_table));
	for (size_t i = 0, n = 0; i < o->peers.count; i++)
		n += (size_t)snprintf(peers + n, sizeof peers - n, "%s,",
				      o->peers.names[i]);
	if (o->wait_ms != CLOCK_NEVER)
		snprintf(wait, sizeof wait, "%" PRIu64, o->wait_ms);
	snprintf(text, sizeof text,
		 " action=%d verb=%d host=%s bind=%s port=%" PRIu64
		 " family=%d key=%s identity=%s cert=%s,%s,%s"
		 " peers=%s modes=%s ktls=%d tx=%d rx=%d"
		 " wait=%s handshake=%" PRIu64
		 " ready=%d raw=%d json=%d output=%s quiet=%d verbose=%d"
		 " keys=%s dscp=%d ",
		 o->action, o->verb, o->host, o->bind ? o->bind : "-", o->port,
		 o->family == AF_INET	 ? 4
		 : o->family == AF_INET6 ? 6
					 : o->family,
		 o->key ? o->key : "-", o->identity ? o->identity : "-",
		 o->cert ? o->cert : "-", o->cert_key ? o->cert_key : "-",
		 o->ca ? o->ca : "-", peers, modes, o->ktls, o->tx, o->rx, wait,
		 o->handshake_ms, o->ready_fd, o->raw, o->json,
		 o->output ? o->output : "-", o->quiet, o->verbose,
		 o->keys ? o->keys : "-", o->tcp.dscp);
	return text;
}

static const struct {
	const char *line, *part;
} accepted[] = {
	{ "connect h",
	  "action=0 verb=1 host=h bind=- port=6330 family=0 key=- "
	  "identity=- cert=-,-,- peers= modes= ktls=0 tx=0 rx=0 wait=never "
	  "handshake=10000 ready=-1 raw=0 json=0 output=- "
	  "quiet=0 verbose=0" },
	{ "listen", "verb=2 host= bind=- port=6330" },
	{ "keygen", "verb=4" },
	{ "probe", "verb=8" },

	{ "connect h:7000", "host=h bind=- port=7000" },
	{ "connect h:1", "port=1" },
	{ "connect h:65535", "port=65535" },
	{ "connect 192.0.2.1:7", "host=192.0.2.1 bind=- port=7" },
	{ "connect ::1", "host=::1 bind=- port=6330" },
	{ "connect ::", "host=:: bind" },
	{ "connect [::1]", "host=::1 bind=- port=6330" },
	{ "connect [::1]:7", "host=::1 bind=- port=7" },
	{ "connect [h]:7", "host=h bind=- port=7" },
	{ "connect fe80::1%eth0", "host=fe80::1%eth0 bind=- port=6330" },
	{ "connect [fe80::1%eth0]:7", "host=fe80::1%eth0 bind=- port=7" },
	{ "connect -p 7 ::1", "host=::1 bind=- port=7" },
	{ "connect h -p 7", "host=h bind=- port=7" },
	{ "connect h -- -h", "host=h bind" },

	{ "connect" CERTIFICATES " h", "cert=c,k,a peers= modes" },
	{ "connect --peer p" CERTIFICATES " h", "cert=c,k,a peers=p, modes" },
	{ "listen --peer p --peer q" CERTIFICATES, "peers=p,q, modes" },
	{ "listen --raw -m tls13-aes256-gcm" CERTIFICATES, "peers= modes=1" },
	{ "listen --cert-key -"
	  " --cert c --ca a",
	  "cert=c,-,a" },
	{ "connect -k f h", "key=f" },
	{ "connect --key=f h", "key=f" },
	{ "connect --key f h", "key=f" },
	{ "connect -kf h", "key=f" },
	{ "listen -k -", "key=-" },
	{ "listen --identity a.B_c@d-9", "identity=a.B_c@d-9" },
	{ "listen --keys f", "keys=f" },
	{ "listen --keys f --keep -- c", "keys=f" },
	{ "listen -p 0", "port=0" },
	{ "listen -p 65535", "port=65535" },
	{ "listen -p 1 -p 2", "port=2" },
	{ "listen -b ::1", "bind=::1" },
	{ "listen -4", "family=4" },
	{ "listen -6", "family=6" },
	{ "listen --ipv4 --ipv6", "family=6" },
	{ "listen -m tls12-aes256-gcm,tls13-aes128-gcm", "modes=40" },
	{ "listen -m tls13-aes128-gcm -m tls12-aes128-gcm", "modes=3" },
	{ "listen --ktls auto", "ktls=0" },
	{ "listen --ktls require", "ktls=1" },
	{ "listen --ktls off", "ktls=2" },
	{ "listen --tx auto --rx auto", "tx=0 rx=0" },
	{ "listen --tx splice --rx splice", "tx=1 rx=1" },
	{ "listen --tx send --rx read", "tx=2 rx=2" },
	{ "listen --wait 90s", "wait=90000" },
	{ "listen --wait 0", "wait=0" },
	{ "listen -b [::1]", "bind=::1" },
	{ "listen -b 2001:db8::1:1234", "bind=2001:db8::1:1234" },
	{ "listen --handshake-timeout 500ms", "handshake=500" },
	{ "listen --ready-fd 7", "ready=7" },
	{ "listen --ready-fd 2147483647", "ready=2147483647" },
	{ "connect --raw h", "raw=1" },
	{ "connect h", "dscp=-1" },
	{ "connect --dscp le h", "dscp=1" },
	{ "connect --dscp va h", "dscp=44" },
	{ "connect --dscp ef h", "dscp=46" },
	{ "connect --dscp cs0 h", "dscp=0" },
	{ "connect --dscp cs7 h", "dscp=56" },
	{ "connect --dscp af11 h", "dscp=10" },
	{ "connect --dscp af43 h", "dscp=38" },
	{ "listen --dscp 63", "dscp=63" },
	{ "keygen -o f", "output=f" },
	{ "probe --json", "json=1" },
	{ "listen -q", "quiet=1" },
	{ "listen -v", "verbose=1" },
	{ "listen -vv --verbose", "verbose=3" },
	{ "listen --verb", "verbose=1" },
	{ "listen -qvp7", "port=7" },

	{ "--help", "action=1 verb=0" },
	{ "-h", "action=1 verb=0" },
	{ "-V", "action=2 verb=0" },
	{ "--long-options", "action=3 verb=0" },
	{ "connect --help", "action=1 verb=1" },
	{ "keygen -h too many words", "action=1 verb=4" },
	{ "probe --version", "action=2 verb=8" },
};

static const struct {
	const char *line, *why;
} refused[] = {
	{ "", "no verb" },
	{ "''", "unknown verb ''" },
	{ "send h", "unknown verb 'send'" },
	{ "conn h", "unknown verb 'conn'" },
	{ "-q connect h", "the verb comes first" },
	{ "-p 7", "the verb comes first" },
	{ "connect", "needs a HOST" },
	{ "connect a b", "takes one HOST, 'b' is another word: write -- "
			 "before a COMMAND; see 'btrfs-ktls-pipe connect "
			 "--help'" },
	{ "listen h", "unexpected argument 'h': write -- before a COMMAND;" },
	{ "listen 10.1.2.3", "'10.1.2.3': -b chooses the address;" },
	{ "listen ::1", "'::1': -b chooses the address;" },
	{ "keygen f", "unexpected argument 'f'" },
	{ "probe h", "unexpected argument 'h'" },
	{ "keygen -- c", "only connect, listen and ssh take a COMMAND" },

	{ "connect ''", "names no host" },
	{ "connect :7", "names no host" },
	{ "connect []", "names no host" },
	{ "connect []:7", "names no host" },
	{ "connect [::1", "is not [address]:port" },
	{ "connect [::1]7", "is not [address]:port" },
	{ "connect [::1]]", "is not [address]:port" },
	{ "connect h:", "port in 'h:': ''" },
	{ "connect h:0", "port in 'h:0'" },
	{ "connect h:65536", "'65536' is not a number from 1 to 65535" },
	{ "connect h:http", "'http' is not a number" },
	{ "connect [::1]:", "port in '[::1]:'" },
	{ "connect -p 0 h", "port 0" },
	{ "connect -p 7 h:7", "given twice" },
	{ "connect -p 6330 [::1]:7", "given twice" },
	{ "connect -k - h", "--key -: standard input is the stream" },
	{ "connect --cert c --cert-key - --ca a h", "--cert-key -: standard" },
	{ "connect --password-file - h", "--password-file -: standard" },
	{ "listen --keys - --send", "--keys -: standard" },

	{ "listen --cert c", "--cert needs --cert-key" },
	{ "listen --cert c --ca a", "--cert needs --cert-key" },
	{ "listen --cert c --cert-key k", "--cert needs --ca" },
	{ "listen --cert-key k --ca a", "--cert-key needs --cert" },
	{ "listen --ca a", "--ca needs --cert" },
	{ "listen --peer p", "--peer needs --cert" },
	{ "listen -k f" CERTIFICATES, "cannot be used with --key" },
	{ "listen --identity i" CERTIFICATES,
	  "cannot be used with --identity" },
	{ "listen --password-file f" CERTIFICATES,
	  "used with --password-file" },
	{ "listen -m none" CERTIFICATES, "--cert cannot be used with --mode" },
	{ "listen -m none -k f", "--key cannot be used with --mode none" },
	{ "listen -m none --identity i", "--identity cannot be used with" },
	{ "listen -m none --password-file f",
	  "--password-file cannot be used with --mode none" },
	{ "listen -m none --raw", "--raw cannot be used with --mode none" },
	{ "listen -m none --ktls require",
	  "--ktls require cannot be used with --mode none" },
	{ "connect --password-file f -k g h",
	  "used with --key: give exactly one kind of credential" },
	{ "connect --password-file f --identity i h",
	  "--password-file cannot be used with --identity" },
	{ "connect --password-file f --raw h",
	  "--raw cannot be used with --password-file" },
	{ "connect --peer p --peer q" CERTIFICATES " h", "takes one --peer" },
	{ "listen --peer ''" CERTIFICATES, "--peer: needs a value" },

	{ "listen --keys f -k g", "--keys cannot be used with --key" },
	{ "listen --identity a --keys f",
	  "--keys cannot be used with --identity" },
	{ "listen --keys f --password-file g",
	  "--keys cannot be used with --password-file" },
	{ "listen --keys f" CERTIFICATES, "--keys cannot be used with --cert" },
	{ "listen --keys f -m none", "--keys cannot be used with --mode none" },
	{ "connect --keys f h", "--keys is for listen" },
	{ "listen --keep", "--keep needs a COMMAND" },
	{ "listen --keep --raw -- c", "--raw cannot be used with --keep" },
	{ "listen --keep --progress -- c",
	  "--keep cannot be used with --progress" },
	{ "listen --keep --size 1 -- c", "--keep cannot be used with --size" },
	{ "listen --per-client 1", "--per-client needs --keep" },
	{ "connect --discard h", "--discard needs --name" },
	{ "connect --discard --name n h -- c",
	  "--discard cannot be used with a COMMAND" },
	{ "connect --name n --receive h",
	  "--name with --receive needs --output FILE" },
	{ "connect --output f h", "--output needs --receive" },
	{ "connect --name n --buffer 0K h",
	  "--name cannot be used with --buffer 0" },
	{ "connect --name n -m none h",
	  "--name cannot be used with --mode none" },
	{ "connect --name n --raw h", "--raw cannot be used with --name" },
	{ "listen --output f --send", "--output cannot be used with --send" },
	{ "listen --output f --keep -- c",
	  "--output cannot be used with --keep" },
	{ "listen --output f --raw", "--output cannot be used with --raw" },
	{ "listen --output f -- c", "--output cannot be used with a COMMAND" },
	{ "connect --keep h -- c", "--keep is for listen" },
	{ "listen -k", "option -k needs a value" },
	{ "listen --key", "option --key needs a value" },
	{ "listen --key=", "--key: needs a value" },
	{ "listen -b ''", "--bind: needs a value" },
	{ "keygen -o ''", "--output: needs a value" },
	{ "listen --identity ''", "--identity: an identity is" },
	{ "listen --identity a:b", "--identity: an identity is" },
	{ "listen -p 65536", "--port: '65536'" },
	{ "listen -p -1", "--port: '-1'" },
	{ "listen -m tls14", "--mode: unknown mode 'tls14'" },
	{ "listen --ktls on", "--ktls: 'on' is not one of auto|require|off" },
	{ "listen --ktls ''", "--ktls: ''" },
	{ "listen --ktls of", "--ktls: 'of'" },
	{ "listen --tx read", "--tx: 'read' is not one of auto|splice|send" },
	{ "listen --rx send", "--rx: 'send' is not one of auto|splice|read" },
	{ "listen --rx AUTO", "--rx: 'AUTO'" },
	{ "listen --tx |", "--tx: '|'" },
	{ "listen --tx auto|splice", "--tx: 'auto|splice'" },
	{ "listen --wait soon", "--wait: 'soon' is not a duration" },
	{ "listen --ready-fd 2147483648", "--ready-fd: '2147483648'" },
	{ "listen --ready-fd -1", "--ready-fd: '-1'" },
	{ "connect --raw=1 h", "--raw takes no value" },

	{ "listen -x", "no option -x; see 'btrfs-ktls-pipe listen --help'" },
	{ "listen -qx", "no option -x;" },
	{ "listen -?", "no option -?;" },
	{ "connect -q -\303\251 h", "no option -\303\251;" },
	{ "connect -\351", "no option -\351;" },
	{ "ssh -4\303\251 h cat", "ssh has no option -\303\251;" },
	{ "listen --nonsense", "no option --nonsense;" },
	{ "listen --kye=f", "no option --kye;" },
	{ "--nonsense", "no option --nonsense; see 'btrfs-ktls-pipe --help'" },
	{ "listen --h", "--h can be --handshake-timeout, --help;" },
	{ "listen --re=7", "--re can be --retry, --rekey-after, --ready-fd;" },
	{ "connect --wait 1s h", "--wait is for listen;" },
	{ "connect --ready-fd 7 h", "--ready-fd is for listen;" },
	{ "listen --json", "--json is for probe;" },
	{ "ssh --key f h cat", "--key is for connect, listen;" },
	{ "keygen -k f", "-k is for connect, listen;" },
	{ "probe -o f", "-o is for keygen;" },
	{ "listen -k", "option -k needs a value;" },

	{ "listen -b 10.0.0.1:7", "-b: '10.0.0.1:7' has a port: choose that "
				  "with -p" },
	{ "listen -b [::1]:7", "-b: '[::1]:7' has a port" },
	{ "connect -b fe80::1% h", "fe80::1%INTERFACE" },
	{ "ssh --address h:7 h cat", "--address: 'h:7' has a port: choose "
				     "that with --port" },
	{ "ssh --reverse --address nas h cat",
	  "--address with --reverse: 'nas' is not an address in numbers" },
	{ "ssh --reverse --address fe80::1%eth0 h cat",
	  "'fe80::1%eth0' is not an address in numbers" },
	{ "listen --handshake-timeout 0", "--handshake-timeout: at least" },
	{ "ssh-server --reverse-to x --forced cat", "'x' is not a network" },
	{ "ssh-server --reverse-to 10.0.0.0/33 --forced cat",
	  "'10.0.0.0/33' is not a network" },
};

static void test_parse(void)
{
	struct options o;
	struct err e;

	for (size_t i = 0; i < array_len(accepted); i++) {
		char part[512];
		int ret = parse(accepted[i].line, &o, &e);

		snprintf(part, sizeof part, " %s", accepted[i].part);
		if (!ok(ret == 0 && strstr(describe(&o), part), "%s",
			accepted[i].line))
			printf("#   got%s(%s)\n", describe(&o), e.msg);
		ssh_args_fini(&o.ssh);
	}
	for (size_t i = 0; i < array_len(refused); i++) {
		if (!ok(parse(refused[i].line, &o, &e) == -1 &&
				e.kind == ERR_USAGE &&
				strstr(e.msg, refused[i].why),
			"refused: %s", refused[i].line))
			printf("#   got%s(%s)\n", describe(&o), e.msg);
		ssh_args_fini(&o.ssh);
	}
}

static void test_long_host(void)
{
	struct options o;
	struct err e;
	char line[300] = "connect ";

	memset(line + 8, 'a', 255);
	ok(parse(line, &o, &e) == 0 && strlen(o.host) == 255,
	   "a host name may have 255 characters");
	line[8 + 255] = 'a';
	ok(parse(line, &o, &e) == -1, "but no more");
}

static void test_many_names(void)
{
	static char name[] = "btrfs-ktls-pipe", verb[] = "listen",
		    peer[] = "--peer=p";
	char *argv[2 + OPTIONS_NAMES_MAX + 1] = { name, verb };
	struct options o;
	struct err e = { 0 };

	for (size_t i = 2; i < array_len(argv); i++)
		argv[i] = peer;
	ok(options_parse(&o, array_len(argv), argv, &e) == -1 &&
		   o.peers.count == OPTIONS_NAMES_MAX,
	   "more names than there is room for: %s", e.msg);
	is_str(e.msg, "--peer: may be given at most 64 times", "are refused");
}

/* The text that print() writes to standard output. */
static const char *capture(int (*print)(enum options_verb, struct err *),
			   enum options_verb verb)
{
	static char text[16384];
	struct err e = { 0 };
	FILE *file = tmpfile();
	int saved = dup(STDOUT_FILENO);
	ssize_t n;

	fflush(stdout);
	if (!file || saved < 0 || dup2(fileno(file), STDOUT_FILENO) < 0 ||
	    print(verb, &e) < 0)
		bail();
	dup2(saved, STDOUT_FILENO);
	close(saved);
	n = pread(fileno(file), text, sizeof text - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	fclose(file);
	return text;
}

static size_t widest(const char *text)
{
	size_t max = 0;

	while (*text) {
		size_t len = strcspn(text, "\n");

		max = len > max ? len : max;
		text += len + (text[len] == '\n');
	}
	return max;
}

static void test_help(void)
{
	static const struct {
		enum options_verb verb;
		const char *name;
	} verbs[] = {
		{ 0, "usage:" },
		{ OPTIONS_CONNECT, "connect" },
		{ OPTIONS_LISTEN, "listen" },
		{ OPTIONS_KEYGEN, "keygen" },
		{ OPTIONS_PROBE, "probe" },
	};
	char options[4096], *rest, *option;

	for (size_t i = 0; i < array_len(verbs); i++) {
		const char *help;
		int missing = 0;

		snprintf(options, sizeof options, "%s",
			 capture(options_help_long_options, verbs[i].verb));
		help = capture(options_help, verbs[i].verb);
		ok(strstr(help, verbs[i].name), "the help has '%s'",
		   verbs[i].name);
		ok(widest(help) <= 79, "the help for '%s' has 79 columns",
		   verbs[i].name);
		ok(!strchr(help, '\t') && !strstr(help, " \n"),
		   "and neither tabs nor blanks at an end of line");
		ok(strstr(options, "--help\n"), "every verb has --help");
		rest = options;
		while ((option = strsep(&rest, "\n")))
			missing += !strstr(help, option);
		is_int(missing, 0, "every long option is in the help");
	}
	ok(!strstr(capture(options_help, OPTIONS_KEYGEN), "--port"),
	   "an option is in the help of its verbs alone");
	ok(!strstr(capture(options_help_long_options, OPTIONS_LISTEN),
		   "--json"),
	   "and in the list of theirs");
}

static void test_full(void)
{
	struct err e = { 0 };
	int full = open("/dev/full", O_WRONLY), saved = dup(STDOUT_FILENO);

	if (full < 0) {
		tap_skip("help that cannot be written", "no /dev/full");
		return;
	}
	dup2(full, STDOUT_FILENO);
	if (options_help(0, &e) == 0)
		e.kind = ERR_NONE;
	__fpurge(stdout);
	clearerr(stdout);
	dup2(saved, STDOUT_FILENO);
	is_int(e.kind, ERR_IO, "help that cannot be written is an error");
	close(full);
	close(saved);
}

int main(void)
{
	test_parse();
	test_long_host();
	test_many_names();
	test_help();
	test_full();
	return tap_end();
}
