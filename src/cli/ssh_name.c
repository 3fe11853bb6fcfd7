// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/ssh_name.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/min.h"
#include "base/order.h"

enum { ANSWER_MS = 10000, FDS_MAX = 3 };

/* What a visitor sends, with descriptors: link, standard error, listener. */
struct message {
	uint32_t version;
	uint8_t key[SSH_REQUEST_KEY_BYTES];
	char address[SSH_ANSWER_ADDRESS_MAX];
};

union control {
	char bytes[CMSG_SPACE(sizeof(struct ucred)) +
		   CMSG_SPACE(FDS_MAX * sizeof(int))];
	struct cmsghdr align;
};

static int ssh_name_failed(const char *what, struct err *e)
{
	return err_set(e, ERR_NET, errno, "--name: cannot use %s", what);
}

/*
 * Open and lock the folder, which nobody else may enter.  It outlives the
 * login, as the stream does; $XDG_RUNTIME_DIR does not.
 */
static int ssh_name_lock(char folder[static 64], struct err *e)
{
	struct stat st;
	int fd;

	snprintf(folder, 64, "/tmp/btrfs-ktls-pipe-%u", geteuid());
	if (!geteuid())
		strcpy(folder, "/run/btrfs-ktls-pipe-ssh");
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return ssh_name_failed(folder, e);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return ssh_name_failed(folder, e);
	if (fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
	    !(st.st_mode & 077) && flock(fd, LOCK_EX) == 0)
		return fd;
	close(fd);
	return err_set(e, ERR_NET, 0,
		       "--name: %s must be a folder of user %u, of mode 0700",
		       folder, geteuid());
}

/* Nobody is there: an owner that was killed left its socket behind. */
static int ssh_name_bind(struct ssh_name *n, struct err *e)
{
	const int on = 1;

	unlink(n->at.sun_path);
	if (bind(n->fd, (const struct sockaddr *)&n->at, sizeof n->at) < 0 ||
	    setsockopt(n->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0)
		return ssh_name_failed(n->at.sun_path, e);
	n->ours = true;
	n->uid = geteuid();
	return 1;
}

int ssh_name_claim(struct ssh_name *n,
		   const uint8_t id[static FRAME_NAME_BYTES], struct err *e)
{
	char folder[64], *end = n->at.sun_path;
	autoclose int lock = ssh_name_lock(folder, e);

	if (lock < 0)
		return -1;
	n->at.sun_family = AF_UNIX;
	end += sprintf(end, "%s/", folder);
	for (size_t i = 0; i < FRAME_NAME_BYTES / 2; i++)
		end += sprintf(end, "%02x", id[i]);
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n->fd < 0)
		return ssh_name_failed("a socket", e);
	if (connect(n->fd, (const struct sockaddr *)&n->at, sizeof n->at) == 0)
		return 0;
	if (errno == ENOENT || errno == ECONNREFUSED)
		return ssh_name_bind(n, e);
	return ssh_name_failed(n->at.sun_path, e);
}

static bool ssh_name_send(const struct ssh_name *n,
			  const struct ssh_name_visit *v, int link_fd)
{
	struct message m = { .version = SSH_ANSWER_VERSION };
	int fds[FDS_MAX] = { link_fd, STDERR_FILENO, v->listen_fd };
	size_t size = (v->listen_fd < 0 ? 2 : 3) * sizeof *fds;
	union control c = { { 0 } };
	struct iovec iov = { &m, sizeof m };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = c.bytes,
			    .msg_controllen = CMSG_SPACE(size) };
	struct cmsghdr *rights = CMSG_FIRSTHDR(&h);
	bool sent;

	memcpy(m.key, v->key, sizeof m.key);
	memcpy(m.address, v->address, sizeof m.address);
	*rights = (struct cmsghdr){ .cmsg_len = CMSG_LEN(size),
				    .cmsg_level = SOL_SOCKET,
				    .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(rights), fds, size);
	sent = sendmsg(n->fd, &h, MSG_NOSIGNAL) == sizeof m;
	explicit_bzero(&m, sizeof m);
	return sent;
}

int ssh_name_bring(struct ssh_name *n, const struct ssh_name_visit *v,
		   uint64_t *port, struct err *e)
{
	struct pollfd p = { .events = POLLIN };
	int ends[2];
	bool sent;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return ssh_name_failed("a socket", e);
	p.fd = n->link_fd = ends[0];
	sent = ssh_name_send(n, v, ends[1]);
	close(ends[1]);
	if (sent && poll(&p, 1, ANSWER_MS) == 0)
		return err_set(e, ERR_NET, 0,
			       "the ssh-server that has the stream of that "
			       "name does not answer");
	if (sent &&
	    io_read(n->link_fd, port, sizeof *port) == (ssize_t)sizeof *port)
		return 0;
	ssh_name_close(n);
	return 1;
}

void ssh_name_stay(const struct ssh_name *n, int in_fd)
{
	struct pollfd p[] = { { n->link_fd, POLLIN, 0 }, { in_fd, POLLIN, 0 } };

	while (poll(p, array_len(p), -1) < 0 && errno == EINTR)
		;
}

static void ssh_name_take_fds(const struct cmsghdr *c, struct ssh_name_visit *v)
{
	int fds[FDS_MAX] = { -1, -1, -1 };

	memcpy(fds, CMSG_DATA(c),
	       min_u64(sizeof fds, c->cmsg_len - CMSG_LEN(0)));
	v->link_fd = fds[0];
	v->err_fd = fds[1];
	v->listen_fd = fds[2];
}

bool ssh_name_take(const struct ssh_name *n, struct ssh_name_visit *v)
{
	struct ucred from = { .uid = (uid_t)-1 };
	union control control;
	struct message m;
	struct iovec iov = { &m, sizeof m };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof control.bytes };
	ssize_t len = recvmsg(n->fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*v = (struct ssh_name_visit){ .link_fd = -1,
				      .err_fd = -1,
				      .listen_fd = -1 };
	if (len < 0)
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
		if (c->cmsg_type == SCM_CREDENTIALS)
			memcpy(&from, CMSG_DATA(c), sizeof from);
		else if (c->cmsg_type == SCM_RIGHTS)
			ssh_name_take_fds(c, v);
	}
	memcpy(v->key, m.key, sizeof v->key);
	memcpy(v->address, m.address, sizeof v->address);
	v->address[sizeof v->address - 1] = '\0';
	explicit_bzero(&m.key, sizeof m.key);
	if (len == sizeof m && m.version == SSH_ANSWER_VERSION &&
	    from.uid == n->uid && v->err_fd >= 0)
		return true;
	close(v->link_fd);
	close(v->err_fd);
	close(v->listen_fd);
	return false;
}

void ssh_name_answer(struct ssh_name *n, const struct ssh_name_visit *v,
		     uint64_t port)
{
	if (n->link_fd >= 0)
		close(n->link_fd);
	n->link_fd = v->link_fd;
	close(v->err_fd);
	/* Who does not read it is gone. */
	if (send(n->link_fd, &port, sizeof port, MSG_DONTWAIT | MSG_NOSIGNAL) <
	    0)
		close(steal_fd(&n->link_fd));
}

void ssh_name_close(struct ssh_name *n)
{
	/* If we are confined, it stays, as if we had been killed. */
	if (n->ours && !order_possible())
		unlink(n->at.sun_path);
	attr_close(&n->fd);
	attr_close(&n->link_fd);
	n->fd = n->link_fd = -1;
	n->ours = false;
}
