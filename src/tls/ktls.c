// SPDX-License-Identifier: GPL-2.0-or-later
#include "tls/ktls.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/compat.h"

union crypto_info {
	struct tls_crypto_info info;
	struct tls12_crypto_info_aes_gcm_128 gcm128;
	struct tls12_crypto_info_aes_gcm_256 gcm256;
	struct tls12_crypto_info_chacha20_poly1305 chacha;
	uint8_t bytes[1]; /* the offsets below count from here */
};

/* The layout of one cipher's struct; offsets and sizes in bytes. */
struct cipher_row {
	uint16_t kernel_id;
	uint8_t size; /* of the struct: optlen must be exact */
	uint8_t key, key_len;
	uint8_t salt, salt_len; /* the first bytes of the IV */
	uint8_t iv, iv_len; /* the rest of it */
	uint8_t seq;
};

#define CIPHER_ROW(id, type, salt_bytes)                                       \
	{                                                                      \
		.kernel_id = (id), .size = sizeof(struct type),                \
		.key = offsetof(struct type, key),                             \
		.key_len = sizeof((struct type *)0)->key,                      \
		.salt = offsetof(struct type, salt), .salt_len = (salt_bytes), \
		.iv = offsetof(struct type, iv),                               \
		.iv_len = sizeof((struct type *)0)->iv,                        \
		.seq = offsetof(struct type, rec_seq),                         \
	}

static const struct cipher_row cipher_rows[] = {
	[MODE_AES128_GCM] = CIPHER_ROW(TLS_CIPHER_AES_GCM_128,
				       tls12_crypto_info_aes_gcm_128, 4),
	[MODE_AES256_GCM] = CIPHER_ROW(TLS_CIPHER_AES_GCM_256,
				       tls12_crypto_info_aes_gcm_256, 4),
	[MODE_CHACHA20_POLY1305] =
		CIPHER_ROW(TLS_CIPHER_CHACHA20_POLY1305,
			   tls12_crypto_info_chacha20_poly1305, 0),
};

SECRET_WIPER(crypto_info_wipe, union crypto_info)

static uint16_t ktls_version(const struct mode *mode)
{
	return mode->version == MODE_TLS12 ? TLS_1_2_VERSION : TLS_1_3_VERSION;
}

static int ktls_option(enum record_direction dir)
{
	return dir == RECORD_TX ? TLS_TX : TLS_RX;
}

/*
 * Does seccomp refuse another call that kernel TLS needs?  Once the kernel has
 * the keys there is no way back.
 */
static int ktls_check_calls(int fd, struct err *e)
{
	struct tls_crypto_info info;
	struct msghdr msg = { 0 };
	socklen_t len = sizeof info;
	const char *call = NULL;

	/*
	 * Seccomp comes first: only a call that it allows fails because no keys
	 * are installed, or because -1 is no socket.
	 */
	if (getsockopt(fd, SOL_TLS, TLS_TX, &info, &len) < 0 &&
	    err_refuses(errno))
		call = "getsockopt";
	else if (sendmsg(-1, &msg, 0) < 0 && err_refuses(errno))
		call = "sendmsg";
	else if (recvmsg(-1, &msg, 0) < 0 && err_refuses(errno))
		call = "recvmsg";
	return call ? err_call(e, ERR_KTLS, call, "cannot use kernel TLS") : 0;
}

/* Report by errno why the ULP was not attached. */
static int ktls_unattached(struct err *e, const char *what)
{
	if (errno == ENOENT || errno == ENOPROTOOPT)
		return err_set(e, ERR_KTLS, 0,
			       "this kernel has no TLS; load it with 'modprobe "
			       "tls', and at every boot with 'tls' in "
			       "/etc/modules-load.d/tls.conf");
	return err_call(e, ERR_KTLS, "setsockopt", "%s", what);
}

int ktls_available(struct err *e)
{
	autoclose int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_call(e, ERR_KTLS, "socket", "cannot open a socket");
	/* A kernel with the ULP complains only that we are not connected. */
	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 3) == 0 ||
	    errno == ENOTCONN)
		return ktls_check_calls(fd, e);
	return ktls_unattached(e, "cannot use kernel TLS");
}

int ktls_attach(int fd, struct err *e)
{
	/* EEXIST: the process that passed us the socket did it. */
	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 3) == 0 ||
	    errno == EEXIST)
		return ktls_check_calls(fd, e);
	if (errno == ENOTCONN)
		return err_set(e, ERR_KTLS, errno,
			       "the connection closed before kernel TLS could "
			       "be attached");
	return ktls_unattached(e, "cannot attach kernel TLS");
}

/*
 * In TLS 1.2 GnuTLS returns only the 4-byte salt.  The explicit nonce continues
 * where GnuTLS stopped, at the sequence number: any other start could repeat a
 * nonce.  In TLS 1.3 and with ChaCha20, salt and iv form one 12-byte IV.
 */
static int ktls_fill(union crypto_info *ci, const struct mode *mode,
		     const struct traffic *t, struct err *e)
{
	const struct cipher_row *row = &cipher_rows[mode->cipher];
	bool explicit_nonce = mode->version == MODE_TLS12 && row->salt_len;
	size_t iv_len = row->salt_len;

	if (!explicit_nonce)
		iv_len += row->iv_len;
	if (t->key_len != row->key_len || t->iv_len != iv_len)
		return err_set(e, ERR_BUG, 0,
			       "%s: key of %zu and IV of %zu bytes do not fit",
			       mode->name, t->key_len, t->iv_len);
	ci->info.version = ktls_version(mode);
	ci->info.cipher_type = row->kernel_id;
	memcpy(ci->bytes + row->key, t->key, row->key_len);
	memcpy(ci->bytes + row->salt, t->iv, row->salt_len);
	memcpy(ci->bytes + row->iv,
	       explicit_nonce ? t->seq : t->iv + row->salt_len, row->iv_len);
	memcpy(ci->bytes + row->seq, t->seq, sizeof t->seq);
	return 0;
}

int ktls_install(int fd, enum record_direction dir, const struct mode *mode,
		 const struct traffic *t, struct err *e)
{
	attr_cleanup(crypto_info_wipe) union crypto_info ci = { 0 };

	if (ktls_fill(&ci, mode, t, e) < 0)
		return -1;
	if (setsockopt(fd, SOL_TLS, ktls_option(dir), &ci,
		       cipher_rows[mode->cipher].size) == 0)
		return 0;
	switch (errno) {
	case ENOENT:
		return err_set(e, ERR_KTLS, errno,
			       "the kernel lacks the cipher of %s; load its "
			       "module (gcm and aes, or chacha20poly1305)",
			       mode->name);
	case EINVAL:
		return err_set(e, ERR_KTLS, errno,
			       "this kernel's TLS does not know %s",
			       mode->name);
	case ENOTCONN:
	case ENOPROTOOPT:
		return err_set(e, ERR_KTLS, errno,
			       "kernel TLS is not attached to the connection");
	default:
		return err_call(e, ERR_KTLS, "setsockopt",
				"cannot give the keys of %s to the kernel",
				mode->name);
	}
}

int ktls_verify(int fd, enum record_direction dir, const struct mode *mode,
		struct err *e)
{
	struct tls_crypto_info info = { 0 };
	socklen_t len = sizeof info;

	/* The short form returns version and cipher without keys. */
	if (getsockopt(fd, SOL_TLS, ktls_option(dir), &info, &len) < 0)
		return err_call(e, ERR_KTLS, "getsockopt",
				"cannot read back the kernel's TLS state");
	if (info.version != ktls_version(mode) ||
	    info.cipher_type != cipher_rows[mode->cipher].kernel_id)
		return err_set(e, ERR_KTLS, 0,
			       "the kernel runs version %#x, cipher %u instead "
			       "of %s",
			       info.version, info.cipher_type, mode->name);
	return 0;
}

int ktls_records(int fd, enum record_direction dir, const struct mode *mode,
		 uint64_t *records, struct err *e)
{
	const struct cipher_row *row = &cipher_rows[mode->cipher];
	/* The long form returns the keys too: wipe them. */
	attr_cleanup(crypto_info_wipe) union crypto_info ci = { 0 };
	socklen_t len = row->size;
	uint64_t seq;

	if (getsockopt(fd, SOL_TLS, ktls_option(dir), &ci, &len) < 0)
		return err_set(e, ERR_KTLS, errno,
			       "cannot read the kernel's record sequence");
	memcpy(&seq, ci.bytes + row->seq, sizeof seq);
	*records = be64toh(seq);
	return 0;
}

bool ktls_expect_no_pad(int fd)
{
	int on = 1;

	return setsockopt(fd, SOL_TLS, TLS_RX_EXPECT_NO_PAD, &on, sizeof on) ==
	       0;
}

ssize_t ktls_send_record(int fd, uint8_t type, const void *body, size_t len)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof type)];
	} control = { 0 };
	struct iovec iov = { (void *)body, len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof control };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_TLS;
	c->cmsg_type = TLS_SET_RECORD_TYPE;
	c->cmsg_len = CMSG_LEN(sizeof type);
	*CMSG_DATA(c) = type;
	msg.msg_controllen = c->cmsg_len;
	return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

ssize_t ktls_recv_record(int fd, unsigned int *type, void *buf, size_t len)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(1) + 64];
	} control;
	struct iovec iov = { buf, len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof control };
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);
	struct cmsghdr *c;

	*type = RECORD_DATA;
	if (n < 0)
		return n;
	c = CMSG_FIRSTHDR(&msg);
	if (!c && !(msg.msg_flags & MSG_CTRUNC)) {
		*type = n ? RECORD_DATA : RECORD_NONE;
		return n;
	}
	if (!c || (msg.msg_flags & MSG_CTRUNC) || c->cmsg_level != SOL_TLS ||
	    c->cmsg_type != TLS_GET_RECORD_TYPE || c->cmsg_len != CMSG_LEN(1)) {
		errno = EBADMSG;
		return -1;
	}
	*type = *CMSG_DATA(c);
	return n;
}

/* Keys that protect no user's data. */
static void ktls_dummy_keys(const struct mode *mode, struct traffic *dummy)
{
	const struct cipher_row *row = &cipher_rows[mode->cipher];

	*dummy = (struct traffic){ .key_len = row->key_len,
				   .iv_len = row->salt_len };
	if (mode->version == MODE_TLS13 || !row->salt_len)
		dummy->iv_len += row->iv_len;
}

/* Two ends of one TCP connection over the loopback device. */
static int ktls_pair(int pair[static 2], struct err *e)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof sa;
	autoclose int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || pair[0] < 0 ||
	    bind(listener, (struct sockaddr *)&sa, sizeof sa) < 0 ||
	    listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&sa, &len) < 0 ||
	    connect(pair[0], (struct sockaddr *)&sa, sizeof sa) < 0)
		return err_set(e, ERR_KTLS, errno,
			       "cannot probe over the loopback device (is 'lo' "
			       "up?)");
	pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (pair[1] < 0)
		return err_set(e, ERR_KTLS, errno, "cannot probe");
	return 0;
}

enum {
	PIECES = 40, /* of one byte: more than the fragments of two records */
	TRIAL_MS = 200,
};

/* Fill a pipe with the pieces, each in a buffer of its own. */
static int ktls_make_pieces(int p[static 2])
{
	if (pipe2(p, O_CLOEXEC | O_DIRECT | O_NONBLOCK) < 0 ||
	    fcntl(p[1], F_SETPIPE_SZ, PIECES * 4096) < 0)
		return -1;
	for (int i = 0; i < PIECES; i++)
		if (write(p[1], "", 1) != 1)
			return -1;
	return 0;
}

/* Are these bytes whole records with all the pieces and nothing else? */
static bool ktls_whole_records(int fd, const struct mode *mode)
{
	size_t overhead = mode->version == MODE_TLS13 ? 17 : 24, body;
	struct pollfd in = { .fd = fd, .events = POLLIN };
	uint8_t record[RECORD_HEADER_BYTES + RECORD_MAX];
	size_t pieces = 0;

	while (pieces < PIECES) {
		if (poll(&in, 1, TRIAL_MS) <= 0 ||
		    recv(fd, record, RECORD_HEADER_BYTES, MSG_DONTWAIT) !=
			    RECORD_HEADER_BYTES)
			return false;
		body = record_body_bytes(record);
		if (record[0] != RECORD_DATA || body <= overhead ||
		    body > overhead + PIECES ||
		    recv(fd, record, body, MSG_DONTWAIT) != (ssize_t)body)
			return false;
		pieces += body - overhead;
	}
	return pieces == PIECES &&
	       recv(fd, record, sizeof record, MSG_DONTWAIT) < 0;
}

bool ktls_splices_pieces(const struct mode *mode)
{
	autoclose_pair int pair[2] = { -1, -1 };
	autoclose_pair int p[2] = { -1, -1 };
	struct traffic dummy;
	struct err e = { 0 };

	ktls_dummy_keys(mode, &dummy);
	if (ktls_pair(pair, &e) < 0 || ktls_make_pieces(p) < 0 ||
	    ktls_attach(pair[0], &e) < 0 ||
	    ktls_install(pair[0], RECORD_TX, mode, &dummy, &e) < 0)
		return false;
	for (ssize_t n, left = PIECES; left; left -= n) {
		n = splice(p[0], NULL, pair[0], NULL, (size_t)left, 0);
		if (n <= 0)
			return false;
	}
	return ktls_whole_records(pair[1], mode);
}

int ktls_probe(const struct mode *mode, struct ktls_support *out, struct err *e)
{
	autoclose_pair int pair[2] = { -1, -1 };
	struct traffic dummy;

	ktls_dummy_keys(mode, &dummy);
	*out = (struct ktls_support){ 0 };
	if (ktls_available(e) < 0)
		return 0;
	if (ktls_pair(pair, e) < 0 || ktls_attach(pair[0], e) < 0 ||
	    ktls_attach(pair[1], e) < 0)
		return -1;
	out->tx = ktls_install(pair[0], RECORD_TX, mode, &dummy, e) == 0;
	out->rx = ktls_install(pair[1], RECORD_RX, mode, &dummy, e) == 0;
	out->rekey = out->tx && out->rx &&
		     ktls_install(pair[0], RECORD_TX, mode, &dummy, e) == 0 &&
		     ktls_install(pair[1], RECORD_RX, mode, &dummy, e) == 0;
	out->no_pad = out->rx && ktls_expect_no_pad(pair[1]);
	return 0;
}
