// SPDX-License-Identifier: GPL-2.0-or-later
/* confine: what a confined process cannot do any more, and what it can. */
#include "base/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "config.h"
#include "tap.h"

#if defined __SANITIZE_ADDRESS__ || !defined HAVE_LIBSECCOMP
enum { LISTED = 0 }; /* no list of allowed calls */
#else
enum { LISTED = 1 };
#endif

static int can_open(void)
{
	return open("/etc/passwd", O_RDONLY);
}

static int can_create(void)
{
	return open("/tmp/confined", O_WRONLY | O_CREAT, 0600);
}

static int can_exec(void)
{
	char *const argv[] = { (char[]){ "true" }, NULL };

	return execv("/bin/true", argv);
}

static int can_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static int can_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0);
}

/* Its socket was made before. */
static int socket_fd;

static int can_connect(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(9),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	if (connect(socket_fd, (struct sockaddr *)&sa, sizeof sa) == 0)
		return 0;
	/* Nobody listens there; it went out all the same. */
	return errno == ECONNREFUSED ? 0 : -1;
}

static int can_bind(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };

	return bind(socket_fd, (struct sockaddr *)&sa, sizeof sa);
}

static int can_attach_filter(void)
{
	int fd = 0;

	return setsockopt(socket_fd, SOL_SOCKET, SO_ATTACH_BPF, &fd, sizeof fd);
}

static int can_kill(void)
{
	return kill(getppid(), 0);
}

static int can_ptrace(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, 0, 0);
}

static int can_unshare(void)
{
	return unshare(CLONE_NEWUSER);
}

static int can_make_namespace(void)
{
	return (int)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
}

static int can_map_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
		       ? -1
		       : 0;
}

static int can_become_root(void)
{
	return setresuid(0, 0, 0);
}

static int can_signal_by_descriptor(void)
{
	return fcntl(socket_fd, F_SETOWN, getppid());
}

static int can_read_memory(void)
{
	return (int)syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0,
			    0);
}

static int can_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 || waitpid(pid, NULL, 0) != pid ? -1 : 0;
}

static int can_pipe(void)
{
	int ends[2];
	char byte;

	return pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0 ||
			       fcntl(ends[1], F_SETPIPE_SZ, 65536) < 0 ||
			       write(ends[1], "x", 1) != 1 ||
			       read(ends[0], &byte, 1) != 1
		       ? -1
		       : 0;
}

static int can_allocate(void)
{
	void *p = malloc(8 << 20);

	if (p)
		memset(p, 1, 8 << 20);
	free(p);
	return p ? 0 : -1;
}

static int can_raise(void)
{
	signal(SIGUSR2, SIG_IGN);
	return raise(SIGUSR2) ? -1 : 0;
}

static int can_fstat(void)
{
	struct stat st;

	return fstat(socket_fd, &st);
}

static int can_ask_for_terminal(void)
{
	return isatty(socket_fd) || errno == ENOTTY ? 0 : -1;
}

static int can_send(void)
{
	int ends[2];
	char byte;

	return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0 &&
			       send(ends[0], "x", 1, 0) == 1 &&
			       recv(ends[1], &byte, 1, 0) == 1
		       ? 0
		       : -1;
}

/* As the process of a stream with --keep could its listener */
static int can_signal_listener(void)
{
	int wstatus;
	pid_t pid = fork();

	if (pid == 0)
		_exit(syscall(SYS_tgkill, getppid(), getppid(), 0) < 0);
	return waitpid(pid, &wstatus, 0) != pid || wstatus ? -1 : 0;
}

/* Any number but 0, which is how the C library asks for its own */
static int can_read_limits(void)
{
	struct rlimit limit;

	return prlimit(getpid(), RLIMIT_NOFILE, NULL, &limit);
}

enum { CAN, CANNOT, REFUSED };

static bool alone = true;

/*
 * Confine a process and let it try.  Returns CAN, CANNOT (with an errno), or
 * REFUSED: it died of it, in a build of --enable-confine-kill.
 */
static int tries(int (*what)(void))
{
	struct confine c;
	int wstatus;
	pid_t pid = fork();

	if (pid == 0) {
		confine_enter(&c, alone ? CONFINE_KEEPS_RAISE : 0);
		_exit(what() < 0 ? CANNOT : CAN);
	}
	waitpid(pid, &wstatus, 0);
	if (WIFSIGNALED(wstatus) && WTERMSIG(wstatus) == SIGSYS)
		return REFUSED;
	return WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : -1;
}

static void cannot(const char *name, int (*what)(void))
{
	int result = tries(what);

#ifdef CONFINE_KILL
	is_int(result, REFUSED, "a confined process dies if it tries to %s",
	       name);
#else
	is_int(result, CANNOT, "a confined process cannot %s", name);
#endif
}

static void test_refused(void)
{
	if (!LISTED) {
		tap_skip("system calls are refused",
			 "this build has no list of system calls");
		return;
	}
	cannot("open a file", can_open);
	cannot("create a file", can_create);
	cannot("execute a program", can_exec);
	cannot("open a socket", can_socket);
	cannot("talk to the kernel by netlink", can_netlink);
	cannot("connect a socket that it has", can_connect);
	cannot("bind a socket that it has", can_bind);
	cannot("give the kernel a program", can_attach_filter);
	cannot("signal its parent", can_kill);
	cannot("signal by a descriptor", can_signal_by_descriptor);
	cannot("trace a process", can_ptrace);
	cannot("read another process", can_read_memory);
	cannot("leave a namespace", can_unshare);
	cannot("fork into a new namespace", can_make_namespace);
	cannot("map executable memory", can_map_code);
	cannot("become root again", can_become_root);
	cannot("ask for the limits of a process", can_read_limits);
	alone = false;
	is_int(tries(can_signal_listener), CANNOT,
	       "the child of one that is not alone cannot signal it");
	alone = true;
}

static void test_allowed(void)
{
	is_int(tries(can_fork), CAN, "a confined process can fork");
	is_int(tries(can_pipe), CAN, "and use pipes");
	is_int(tries(can_allocate), CAN, "and allocate memory");
	is_int(tries(can_raise), CAN, "and end itself by a signal");
	is_int(tries(can_fstat), CAN, "and tell what a descriptor is");
	is_int(tries(can_ask_for_terminal), CAN,
	       "and whether it is a terminal");
	is_int(tries(can_send), CAN, "and send and receive");
}

/* The value of a line of /proc/PID/status, in a static buffer */
static const char *status_of(pid_t pid, const char *name)
{
	static char value[128];
	char path[32], line[256];
	FILE *file;

	*value = '\0';
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof line, file))
		if (!strncmp(line, name, strlen(name)) &&
		    line[strlen(name)] == ':')
			snprintf(value, sizeof value, "%.*s",
				 (int)strcspn(line + strlen(name) + 2, "\n"),
				 line + strlen(name) + 2);
	if (file)
		fclose(file);
	return value;
}

/* A confined process that waits, how far it is confined, a pipe to end it */
static pid_t confined(struct confine *c, int *leash)
{
	int ends[2], report[2];
	char byte;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0 || pipe2(report, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(ends[1]);
		confine_enter(c, CONFINE_KEEPS_RAISE);
		if (write(report[1], c, sizeof *c) != sizeof *c ||
		    read(ends[0], &byte, 1) < 0)
			_exit(1);
		_exit(0);
	}
	close(ends[0]);
	close(report[1]);
	if (read(report[0], c, sizeof *c) != sizeof *c)
		pid = -1;
	close(report[0]);
	*leash = ends[1];
	return pid;
}

static void test_outside(void)
{
	struct confine c = { .calls = 0 };
	char text[CONFINE_TEXT_BYTES], want[64];
	int leash = -1;
	pid_t pid = confined(&c, &leash);

	is_str(status_of(pid, "CapEff"), "0000000000000000",
	       "it has no capability");
	is_str(status_of(pid, "CapPrm"), "0000000000000000", "nor any to take");
	is_str(status_of(pid, "NoNewPrivs"), "1", "no_new_privs holds");
	is_str(status_of(pid, "Seccomp"),
	       LISTED ? "2" : status_of(pid, "Seccomp"),
	       "a filter of system calls holds");
	snprintf(want, sizeof want, "%1$u\t%1$u\t%1$u\t%1$u",
		 (unsigned int)c.uid);
	is_str(status_of(pid, "Uid"), want,
	       "all of its users are what it says");
	if (geteuid() == 0) {
		ok(c.uid != 0, "root became another user");
		is_str(status_of(pid, "Groups"), " ", "and has no group");
	} else {
		is_int(c.uid, geteuid(), "an ordinary user stays who he is");
	}
	confine_text(&c, text);
	ok(!LISTED ||
		   (strstr(text, "no files") && strstr(text, "system calls")),
	   "it says how far it is confined: %s", text);
	close(leash);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	socket_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	test_refused();
	test_allowed();
	test_outside();
	close(socket_fd);
	return tap_end();
}
