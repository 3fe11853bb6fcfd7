// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/ssh_name.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/order.h"
#include "base/rights.h"
#include "cli/ssh_request.h"

enum { ANSWER_MS = 10000 };

/* What a caller sends, with descriptors: link, standard error, listener. */
struct message {
	uint32_t version;
	uint8_t key[SSH_REQUEST_KEY_BYTES];
	char identity[KEY_IDENTITY_MAX + 1];
	char address[SSH_ANSWER_ADDRESS_MAX];
};

static const struct ssh_name_caller nobody = { .listen_fd = -1,
					       .link_fd = -1,
					       .err_fd = -1 };

static int ssh_name_failed(const char *what, struct err *e)
{
	return err_set(e, ERR_NET, errno, "--name: cannot use %s", what);
}

static void ssh_name_forget(struct ssh_name_caller *c)
{
	attr_close(&c->listen_fd);
	attr_close(&c->link_fd);
	attr_close(&c->err_fd);
	key_wipe(&c->key);
	*c = nobody;
}

void ssh_name_init(struct ssh_name *n)
{
	*n = (struct ssh_name){ .fd = -1, .watch_fd = -1, .link_fd = -1 };
}

static bool ssh_name_watch(const struct ssh_name *n, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };

	return epoll_ctl(n->watch_fd, EPOLL_CTL_ADD, fd, &ev) == 0;
}

static int ssh_name_make_callers(struct ssh_name *n, struct err *e)
{
	n->callers = secret_alloc(SSH_NAME_CALLERS * sizeof *n->callers);
	if (!n->callers)
		return err_memory(e);
	for (size_t i = 0; i < SSH_NAME_CALLERS; i++)
		n->callers[i] = nobody;
	return 0;
}

/* There is no owner: one that was killed left its socket behind. */
static int ssh_name_bind(struct ssh_name *n, const struct sockaddr_un *at,
			 struct err *e)
{
	const int on = 1;

	unlink(at->sun_path);
	n->uid = geteuid();
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	n->watch_fd = epoll_create1(EPOLL_CLOEXEC);
	if (n->fd < 0 || n->watch_fd < 0 ||
	    bind(n->fd, (const struct sockaddr *)at, sizeof *at) < 0)
		return ssh_name_failed(n->path, e);
	n->ours = true;
	if (setsockopt(n->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0 ||
	    !ssh_name_watch(n, n->fd))
		return ssh_name_failed("a socket", e);
	return ssh_name_make_callers(n, e) < 0 ? -1 : 1;
}

/* In the folder.  Returns as ssh_name_claim(). */
static int ssh_name_claim_here(struct ssh_name *n, int lock, struct err *e)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	strcpy(at.sun_path, strrchr(n->path, '/') + 1);
	ssh_folder_tidy(lock, &at);
	n->fd = ssh_folder_connect(&at);
	if (n->fd >= 0)
		return 0;
	if (errno == ENOENT || errno == ECONNREFUSED)
		return ssh_name_bind(n, &at, e);
	return ssh_name_failed(n->path, e);
}

/*
 * The folder that was checked is used, not its path: another user may be able
 * to rename what leads to it.
 */
int ssh_name_claim(struct ssh_name *n,
		   const uint8_t id[static FRAME_NAME_BYTES], struct err *e)
{
	static const char here[] = "the current directory";
	autoclose int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int lock = -1;
	int ret;

	if (before < 0)
		return ssh_name_failed(here, e);
	lock = ssh_folder_lock(n->path, id, e);
	if (lock < 0)
		return -1;
	if (fchdir(lock) < 0)
		return ssh_name_failed(n->path, e);
	ret = ssh_name_claim_here(n, lock, e);
	return fchdir(before) < 0 ? ssh_name_failed(here, e) : ret;
}

static int ssh_name_no_answer(struct err *e)
{
	return err_set(e, ERR_NET, 0,
		       "the ssh-server that has the stream of that name does "
		       "not answer (is it stopped, or its host overloaded?)");
}

/* Returns 0; 1 if the owner is gone.  A busy one may have no room yet. */
static int ssh_name_send(const struct ssh_name *n,
			 const struct ssh_name_caller *c, int link_fd,
			 uint64_t deadline_ms, struct err *e)
{
	struct message m = { .version = SSH_ANSWER_VERSION };
	const int fds[] = { link_fd, c->err_fd, c->listen_fd };
	ssize_t sent;
	int ready = 1;

	memcpy(m.key, c->key.secret.bytes, sizeof m.key);
	memcpy(m.identity, c->key.identity, sizeof m.identity);
	memcpy(m.address, c->address, sizeof m.address);
	do
		sent = rights_send(n->fd, &m, sizeof m, fds,
				   c->listen_fd < 0 ? 2 : 3, 0);
	while (sent < 0 && errno == EAGAIN &&
	       (ready = io_wait(n->fd, POLLOUT, deadline_ms, e)) > 0);
	explicit_bzero(&m, sizeof m);
	if (ready <= 0)
		return ready < 0 ? -1 : ssh_name_no_answer(e);
	if (sent == sizeof m)
		return 0;
	if (errno == ECONNREFUSED || errno == ECONNRESET || errno == ENOTCONN)
		return 1;
	return ssh_name_failed("the socket of the stream", e);
}

/* The owner's answer.  Returns as ssh_name_bring(). */
static int ssh_name_hear(const struct ssh_name *n, uint64_t *port,
			 uint64_t deadline_ms, struct err *e)
{
	int ready = io_wait(n->link_fd, POLLIN, deadline_ms, e);

	if (ready <= 0)
		return ready < 0 ? -1 : ssh_name_no_answer(e);
	return io_read(n->link_fd, port, sizeof *port) != (ssize_t)sizeof *port;
}

int ssh_name_bring(struct ssh_name *n, const struct ssh_name_caller *c,
		   uint64_t *port, struct err *e)
{
	uint64_t deadline_ms = clock_deadline(ANSWER_MS);
	int ends[2], ret;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return ssh_name_failed("a socket", e);
	n->link_fd = ends[0];
	ret = ssh_name_send(n, c, ends[1], deadline_ms, e);
	close(ends[1]);
	if (!ret)
		ret = ssh_name_hear(n, port, deadline_ms, e);
	if (ret > 0)
		ssh_name_close(n);
	return ret;
}

void ssh_name_stay(const struct ssh_name *n, int in_fd)
{
	struct pollfd p[] = { { n->link_fd, POLLIN, 0 }, { in_fd, POLLIN, 0 } };

	while (poll(p, array_len(p), -1) < 0 && errno == EINTR)
		;
}

/* A place for a caller, or NULL.  Those that are gone leave theirs. */
static struct ssh_name_caller *ssh_name_place(struct ssh_name *n)
{
	struct ssh_name_caller *place = NULL;

	for (size_t i = 0; i < SSH_NAME_CALLERS; i++) {
		struct ssh_name_caller *c = &n->callers[i];

		if (c->link_fd >= 0 && io_ready(c->link_fd, POLLIN))
			ssh_name_forget(c);
		if (c->link_fd < 0)
			place = c;
	}
	return place;
}

static void ssh_name_take_key(struct message *m, struct ssh_name_caller *c)
{
	c->key.secret.len = sizeof m->key;
	memcpy(c->key.secret.bytes, m->key, sizeof m->key);
	memcpy(c->key.identity, m->identity, sizeof m->identity);
	memcpy(c->address, m->address, sizeof c->address);
	c->key.identity[KEY_IDENTITY_MAX] = '\0';
	c->address[sizeof c->address - 1] = '\0';
	explicit_bzero(m->key, sizeof m->key);
}

/* Returns whether a message came; *c is what it brings. */
static bool ssh_name_recv(const struct ssh_name *n, struct ssh_name_caller *c)
{
	struct message m = { .version = 0 };
	struct rights rights;
	ssize_t len = rights_recv(n->fd, &m, sizeof m, MSG_DONTWAIT, &rights);

	*c = nobody;
	if (len < 0)
		return false;
	c->link_fd = steal_fd(&rights.fds[0]);
	c->err_fd = steal_fd(&rights.fds[1]);
	c->listen_fd = steal_fd(&rights.fds[2]);
	rights_close(&rights);
	ssh_name_take_key(&m, c);
	if (len == sizeof m && m.version == SSH_ANSWER_VERSION &&
	    rights.from.uid == n->uid && c->err_fd >= 0)
		return true;
	ssh_name_forget(c);
	return false;
}

struct ssh_name_caller *ssh_name_take(struct ssh_name *n)
{
	struct ssh_name_caller *place = ssh_name_place(n), c;

	if (!ssh_name_recv(n, &c))
		return NULL;
	if (!place || !ssh_name_watch(n, c.link_fd)) {
		ssh_name_answer(&c, 0);
		return NULL;
	}
	*place = c;
	key_wipe(&c.key);
	return place;
}

void ssh_name_answer(struct ssh_name_caller *c, uint64_t port)
{
	/* If we need no socket there, nobody may connect to it. */
	attr_close(&c->listen_fd);
	/* A caller that does not take the answer is gone. */
	if (send(c->link_fd, &port, sizeof port, MSG_DONTWAIT | MSG_NOSIGNAL) <
		    0 ||
	    !port)
		ssh_name_forget(c);
}

int ssh_name_err(const struct ssh_name *n, const char *identity)
{
	for (size_t i = 0; n->callers && i < SSH_NAME_CALLERS; i++)
		if (!strcmp(n->callers[i].key.identity, identity))
			return n->callers[i].err_fd;
	return -1;
}

void ssh_name_close(struct ssh_name *n)
{
	/* If we are confined, the socket stays, as if we had been killed. */
	if (n->ours && !order_possible())
		unlink(n->path);
	for (size_t i = 0; n->callers && i < SSH_NAME_CALLERS; i++)
		ssh_name_forget(&n->callers[i]);
	secret_free(n->callers, SSH_NAME_CALLERS * sizeof *n->callers);
	attr_close(&n->fd);
	attr_close(&n->watch_fd);
	attr_close(&n->link_fd);
	ssh_name_init(n);
}
