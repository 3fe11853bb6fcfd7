// SPDX-License-Identifier: GPL-2.0-or-later
/* command: COMMAND runs and ends as promised, and leaves no process behind. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "stream/command.h"
#include "tap.h"
#include "wrap.h"

static char dir[] = "/tmp/test_child.XXXXXX";

static void stuck(int signal)
{
	static const char text[] = "Bail out! waited too long\n";

	_exit(write(STDOUT_FILENO, text, sizeof text - 1) < 0 ? 2 : 1);
}

static struct command *start(enum command_role role, char *const argv[])
{
	struct err e = { 0 };
	const struct order of_nobody = { .role = role };
	struct command *c = command_start(argv, &of_nobody, false, &e);

	if (!c) {
		printf("Bail out! %s\n", e.msg);
		bail();
	}
	return c;
}

static struct command *start_sh(enum command_role role, const char *script)
{
	char sh[] = "sh", c[] = "-c", text[512];

	snprintf(text, sizeof text, "%s", script);
	return start(role, (char *[]){ sh, c, text, NULL });
}

/* Has it ended within ms?  Fills *s. */
static bool ends(struct command *c, int ms, struct command_status *s)
{
	struct pollfd fd = { .fd = command_status_fd(c), .events = POLLIN };

	if (fd.fd >= 0)
		poll(&fd, 1, ms);
	return command_ended(c, s);
}

/* All output of a source, as a string, within 5 s. */
static const char *output(struct command *c)
{
	struct pollfd fd = { .fd = command_pipe_fd(c), .events = POLLIN };
	static char text[512];
	size_t len = 0;
	ssize_t n;

	while (poll(&fd, 1, 5000) > 0 &&
	       (n = read(fd.fd, text + len, sizeof text - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return text;
}

static void sleep_ms(int ms)
{
	poll(NULL, 0, ms);
}

/* The path of a file in our directory. */
static const char *name_of(const char *name)
{
	static char path[64];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static bool exists(const char *name, int ms)
{
	for (; ms > 0 && access(name_of(name), F_OK) < 0; ms -= 10)
		sleep_ms(10);
	return access(name_of(name), F_OK) == 0;
}

static void test_status(enum command_role role, const char *name)
{
	static const struct {
		const char *script;
		struct command_status status;
		const char *says;
	} rows[] = {
		{ "exit 0", { 0 }, NULL },
		{ "exit 7", { .exit_status = 7 }, "x exited with status 7" },
		{ "exit 255",
		  { .exit_status = 255 },
		  "x exited with status 255" },
		{ "kill -KILL $$",
		  { .signal = SIGKILL },
		  "x was killed by signal 9 (Killed)" },
		{ "kill -TERM $$",
		  { .signal = SIGTERM },
		  "x was killed by signal 15 (Terminated)" },
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		struct command *c = start_sh(role, rows[i].script);
		struct command_status s = { .exit_status = 99 };
		struct err e = { 0 };

		ok(ends(c, 5000, &s) && !s.start_errno &&
			   s.signal == rows[i].status.signal &&
			   s.exit_status == rows[i].status.exit_status,
		   "%s: %s", name, rows[i].script);
		ok(command_ended(c, &s) && command_status_fd(c) == -1 &&
			   s.signal == rows[i].status.signal,
		   "%s: and so it stays", name);
		is_int(command_succeeded(&s), i == 0, "%s: success %d", name,
		       i == 0);
		command_free(c);
		if (!rows[i].says)
			continue;
		command_fail(&s, "x", &e);
		is_str(e.msg, rows[i].says, "it has a text");
		is_int(e.kind, ERR_COMMAND, "and is COMMAND's fault");
	}
}

static void test_missing(const char *program, int num)
{
	/* COMMAND and its supervisor race: try often. */
	for (int i = 0; i < 10; i++) {
		char text[64], *argv[] = { text, NULL };
		struct command_status s;
		struct command *c;
		struct err e;

		snprintf(text, sizeof text, "%s", program);
		c = start(i & 1 ? COMMAND_SOURCE : COMMAND_CONSUMER, argv);
		if (!ends(c, 5000, &s) || s.start_errno != num ||
		    command_succeeded(&s) || command_fail(&s, "x", &e) == 0 ||
		    e.kind != ERR_COMMAND || e.num != num) {
			command_free(c);
			ok(false, "%s cannot be started", program);
			return;
		}
		command_free(c);
	}
	ok(true, "%s cannot be started", program);
}

static void test_source(void)
{
	struct command_status s;
	struct command *c = start_sh(COMMAND_SOURCE, "echo hello; echo world");

	ok(fcntl(command_pipe_fd(c), F_GETFL) & O_NONBLOCK,
	   "our end does not block");
	is_str(output(c), "hello\nworld\n", "a source's output arrives");
	ok(ends(c, 5000, &s) && command_succeeded(&s), "and it ends well");
	command_close_pipe(c);
	is_int(command_pipe_fd(c), -1, "the pipe can be closed");
	command_close_pipe(c);
	command_free(c);
	c = start_sh(COMMAND_SOURCE, "exec cat /dev/zero");
	command_close_pipe(c);
	ok(ends(c, 5000, &s) && s.signal == SIGPIPE,
	   "a source without a reader gets SIGPIPE");
	command_free(c);
	command_free(NULL);
}

static void test_consumer(void)
{
	struct command_status s;
	char script[128], text[16] = "";
	struct command *c;
	int fd;

	snprintf(script, sizeof script, "cat >%s", name_of("copy"));
	c = start_sh(COMMAND_CONSUMER, script);
	is_int(write(command_pipe_fd(c), "hello", 5), 5,
	       "a consumer has input");
	ok(!ends(c, 200, &s), "and waits for more");
	command_close_pipe(c);
	ok(ends(c, 5000, &s) && command_succeeded(&s), "until its end");
	command_free(c);
	fd = open(name_of("copy"), O_RDONLY);
	is_int(read(fd, text, sizeof text), 5, "it got all");
	is_str(text, "hello", "as it was written");
	close(fd);
	unlink(name_of("copy"));
}

static void test_descriptors(void)
{
	static const char script[] =
		"i=0; while [ $i -lt 300 ]; do"
		" [ -e /proc/$$/fd/$i ] && printf '%s ' $i; i=$((i+1)); done";
	char ls[] = "ls", self[] = "/proc/self/fd";
	struct command *c;
	int fds[3] = { dup2(2, 9), dup2(2, 77), dup2(2, 250) };

	c = start_sh(COMMAND_SOURCE, script);
	is_str(output(c), "0 1 2 ", "COMMAND has descriptors 0, 1 and 2");
	command_free(c);
	/* 3 is the directory that ls reads. */
	c = start(COMMAND_SOURCE, (char *[]){ ls, self, NULL });
	is_str(output(c), "0\n1\n2\n3\n", "and ls sees no other");
	command_free(c);
	for (size_t i = 0; i < array_len(fds); i++)
		close(fds[i]);
}

static void test_signals(void)
{
	struct command_status s;
	unsigned long long ignored;
	struct command *c;
	sigset_t all;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	c = start_sh(COMMAND_SOURCE, "grep SigIgn /proc/$$/status");
	ignored = strtoull(output(c) + strlen("SigIgn:"), NULL, 16);
	/* 32 and 33 are the C library's own.  Children of posix_spawn(3), which
	 * make uses, ignore them for ever. */
	is_int(ignored & ~0x180000000ull, 0, "COMMAND ignores no signal");
	command_free(c);
	signal(SIGINT, SIG_DFL);
	sigemptyset(&all);
	sigaddset(&all, SIGTERM);
	sigaddset(&all, SIGCHLD);
	sigprocmask(SIG_BLOCK, &all, NULL);
	/* The shell reads it itself: it blocks all signals while it forks. */
	c = start_sh(COMMAND_SOURCE,
		     "sleep .3; while read -r k v; do "
		     "[ $k != SigBlk: ] || echo $v; done </proc/$$/status");
	is_str(output(c), "0000000000000000\n", "nor is one blocked");
	ok(ends(c, 3000, &s) && command_succeeded(&s),
	   "the end is reported although SIGCHLD is blocked");
	command_free(c);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
}

/* Inherited, as after trap '' CHLD in a shell. */
static void test_sigchld_ignored(void)
{
	struct command_status s;
	bool ended = true;

	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 50 && ended; i++) {
		struct command *c = start_sh(COMMAND_SOURCE, "exit 7");

		ended = ends(c, 3000, &s) && !s.signal && s.exit_status == 7;
		command_free(c);
	}
	ok(ended, "the end is reported although SIGCHLD is ignored");
	signal(SIGCHLD, SIG_DFL);
}

/* Is a process of this group alive? */
static bool group_lives(pid_t group)
{
	return kill(-group, 0) == 0 || errno != ESRCH;
}

static void test_free(const char *name, enum command_role role,
		      const char *script, uint64_t least_ms)
{
	struct command *c;
	char text[256];
	uint64_t took;
	int group = 0;
	FILE *f;

	snprintf(text, sizeof text, "echo $$ >%s/pid; mv %s/pid %s/group; %s",
		 dir, dir, dir, script);
	c = start_sh(role, text);
	ok(exists("group", 5000), "%s runs", name);
	sleep_ms(50);
	f = fopen(name_of("group"), "r");
	if (!f || fscanf(f, "%d", &group) != 1)
		bail();
	fclose(f);
	unlink(name_of("group"));
	ok(group_lives(group), "%s has a group of its own", name);
	took = clock_now_ms();
	command_free(c);
	took = clock_now_ms() - took;
	ok(took >= least_ms && took < 3000, "%s ends within 3 s (%d ms)", name,
	   (int)took);
	ok(!group_lives(group), "%s leaves no process behind", name);
}

static void test_no_eof(const char *name, const char *before)
{
	struct command_status s;
	char script[128];
	struct command *c;

	snprintf(script, sizeof script, "%s cat >/dev/null; touch %s", before,
		 name_of("eof"));
	c = start_sh(COMMAND_CONSUMER, script);
	if (write(command_pipe_fd(c), "x", 1) != 1)
		bail();
	ok(!ends(c, 200, &s), "%s: the consumer reads", name);
	command_free(c);
	ok(!exists("eof", 200), "%s: it never saw an end", name);
}

/* The process that uses it dies: none is left to close anything. */
static void test_parent_dies(int sig)
{
	char script[128];
	pid_t pid = fork();

	if (pid == 0) {
		snprintf(script, sizeof script,
			 "touch %s/run; cat >/dev/null; touch %s/eof", dir,
			 dir);
		start_sh(COMMAND_CONSUMER, script);
		pause();
	}
	ok(exists("run", 5000), "a consumer runs in another process");
	sleep_ms(50);
	kill(pid, sig);
	waitpid(pid, NULL, 0);
	ok(!exists("eof", 500), "signal %d there is no end of its input", sig);
	unlink(name_of("run"));
}

/* A process of this number, in its own group; -1: the number is in use. */
static pid_t stranger(pid_t number)
{
	struct clone_args a = {
		.exit_signal = SIGCHLD,
		.set_tid = (uint64_t)(uintptr_t)&number,
		.set_tid_size = 1,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &a, sizeof a);

	if (pid == 0) {
		setpgid(0, 0);
		for (;;)
			pause();
	}
	return pid;
}

/* Root alone may choose a number. */
static void test_number(void)
{
	struct command *c;
	pid_t pid, group = 0, other, stray = 0;
	char script[200];
	FILE *f;

	if (geteuid() || stranger(1) != -1 || errno != EEXIST) {
		tap_skip("the number of a group is not reused",
			 "needs root and clone3(2)");
		return;
	}
	/* The supervisor waits for the second one: it left the group. */
	snprintf(script, sizeof script,
		 "setsid sh -c 'trap \"\" TERM; echo $0 $$ >%1$s/new; "
		 "mv %1$s/new %1$s/run; sleep 60' $$ & wait",
		 dir);
	c = start_sh(COMMAND_SOURCE, script);
	ok(exists("run", 5000), "COMMAND and a child that left its group run");
	f = fopen(name_of("run"), "r");
	if (!f || fscanf(f, "%d %d", &group, &stray) != 2)
		bail();
	fclose(f);
	unlink(name_of("run"));
	pid = fork();
	if (pid == 0) {
		command_free(c);
		_exit(0);
	}
	for (int ms = 0; (other = stranger(group)) < 0 && ms < 500; ms += 10)
		sleep_ms(10);
	is_int(other, -1,
	       "while the supervisor may signal COMMAND's group, "
	       "nobody else gets the number");
	kill(-stray, SIGKILL);
	if (other > 0)
		kill(other, SIGKILL);
	waitpid(pid, NULL, 0);
	command_free(c);
}

static int hides; /* ENOENT: there is no /proc; EACCES: not all may be seen */

DIR *__real_opendir(const char *name);
WRAP(opendir);
DIR *__wrap_opendir(const char *name)
{
	errno = hides;
	return hides == ENOENT || (hides && strcmp(name, "/proc"))
		       ? NULL
		       : __real_opendir(name);
}

static void test_left_behind(void)
{
	static const struct {
		const char *script;
		int hides, ms;
		bool waits; /* at least ms; else less */
		const char *what;
	} rows[] = {
		{ "sleep 1.5 &", 0, 300, true, "holds the stream" },
		{ "sleep 4 >/dev/null &", 0, 3000, false, "does not hold it" },
		{ "sleep 1.5 &", ENOENT, 300, true, "holds it, without /proc" },
		{ "sleep 3 >/dev/null &", EACCES, 2500, true,
		  "may hold it: it is another user's" },
	};
	struct command_status s;

	for (size_t i = 0; i < array_len(rows); i++) {
		struct command *c;

		hides = rows[i].hides;
		c = start_sh(COMMAND_SOURCE, rows[i].script);
		is_int(!ends(c, rows[i].ms, &s), rows[i].waits,
		       "COMMAND has left a process that %s", rows[i].what);
		ok(ends(c, 5000, &s) && command_succeeded(&s), "it ends well");
		command_free(c);
	}
	hides = 0;
}

static bool no_fork;

WRAP(fork);
pid_t __wrap_fork(void)
{
	errno = EAGAIN;
	return no_fork ? -1 : __real_fork();
}

static int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_no_fork(void)
{
	const struct order of_nobody = { .role = COMMAND_SOURCE };
	char name[] = "true";
	struct err e = { 0 };
	int before = open_descriptors();

	no_fork = true;
	ok(!command_start((char *[]){ name, NULL }, &of_nobody, false, &e),
	   "COMMAND is not started where fork fails");
	no_fork = false;
	is_int(e.kind, ERR_COMMAND, "which is a failure of COMMAND");
	is_int(open_descriptors(), before, "and no descriptor stays open");
}

int main(void)
{
	test_no_fork();
	signal(SIGALRM, stuck);
	alarm(120);
	if (!mkdtemp(dir))
		bail();
	/* A directory that we may not search would turn ENOENT into EACCES. */
	setenv("PATH", "/usr/bin:/bin", 1);
	test_status(COMMAND_SOURCE, "source");
	test_status(COMMAND_CONSUMER, "consumer");
	test_missing("/nonexistent/program", ENOENT);
	test_missing("no-such-program-in-path", ENOENT);
	test_missing("/dev/null", EACCES);
	test_source();
	test_consumer();
	test_descriptors();
	test_signals();
	test_sigchld_ignored();
	test_free("a sleeping source", COMMAND_SOURCE, "sleep 60; :", 0);
	test_free("a sleeping consumer", COMMAND_CONSUMER, "sleep 60; :", 0);
	test_free("a family", COMMAND_SOURCE, "sleep 60 & sleep 60 & wait", 0);
	test_free("a stopped one", COMMAND_SOURCE, "kill -STOP $$; :", 0);
	test_free("a deaf one", COMMAND_CONSUMER,
		  "trap '' TERM; sleep 60; :", 1500);
	test_no_eof("a consumer", "");
	test_no_eof("a deaf consumer", "trap '' TERM;");
	test_left_behind();
	test_number();
	test_parent_dies(SIGTERM);
	test_parent_dies(SIGKILL);
	rmdir(dir);
	return tap_end();
}
