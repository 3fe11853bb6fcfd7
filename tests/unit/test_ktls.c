// SPDX-License-Identifier: GPL-2.0-or-later
/* ktls: the bytes that the kernel gets, and the messages for its errors. */
#include <errno.h>
#include <fcntl.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compat.h"
#include "proto/record.h"
#include "tap.h"
#include "tls/ktls.h"
#include "wrap.h"

enum { FD = 1000 }; /* only the wrappers below see it */

/* Calls of setsockopt(2): the last one, and errno for each, 0 at the end. */
static struct {
	int count, level, name;
	socklen_t len;
	uint8_t bytes[128];
	int answers[8];
} set;

WRAP64(setsockopt, __setsockopt64, setsockopt);
int __wrap_setsockopt(int fd, int level, int name, const void *value,
		      socklen_t len)
{
	set.level = level;
	set.name = name;
	set.len = len;
	if (len <= sizeof set.bytes)
		memcpy(set.bytes, value, len);
	errno = set.answers[set.count++];
	return errno ? -1 : 0;
}

/* The answer of getsockopt(2), and its arguments. */
static struct {
	uint16_t version, cipher;
	int num, level, name;
	socklen_t len;
} get;

WRAP64(getsockopt, __getsockopt64, getsockopt);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	uint16_t info[2] = { get.version, get.cipher };

	get.level = level;
	get.name = name;
	get.len = *len;
	errno = get.num;
	if (errno)
		return -1;
	memcpy(value, info, *len < sizeof info ? *len : sizeof info);
	return 0;
}

/* The errno of the call on -1 as socket */
static struct {
	int sendmsg, recvmsg;
} no_socket = { EBADF, EBADF };

/* What recvmsg(2) returns: a body, and a control message if level is not 0 */
static struct {
	ssize_t n;
	int num, flags, level, type;
	size_t data_len; /* of the control message */
	uint8_t data;
	int asked_flags;
} rcv;

WRAP64(recvmsg, __recvmsg64, recvmsg);
ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);

	if (fd < 0) {
		errno = no_socket.recvmsg;
		return -1;
	}
	rcv.asked_flags = flags;
	msg->msg_flags = rcv.flags;
	msg->msg_controllen = rcv.level ? CMSG_SPACE(rcv.data_len) : 0;
	if (rcv.level) {
		c->cmsg_level = rcv.level;
		c->cmsg_type = rcv.type;
		c->cmsg_len = CMSG_LEN(rcv.data_len);
		memset(CMSG_DATA(c), rcv.data, rcv.data_len);
	}
	memset(msg->msg_iov[0].iov_base, 'x', rcv.n > 0 ? (size_t)rcv.n : 0);
	errno = rcv.num;
	return rcv.n;
}

static struct {
	int flags, level, type;
	size_t control_len, iov_len, cmsg_len;
	uint8_t record_type, body[8];
} sent;

WRAP64(sendmsg, __sendmsg64, sendmsg);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);

	if (fd < 0) {
		errno = no_socket.sendmsg;
		return -1;
	}
	sent.flags = flags;
	sent.control_len = msg->msg_controllen;
	sent.level = c->cmsg_level;
	sent.type = c->cmsg_type;
	sent.cmsg_len = c->cmsg_len;
	sent.record_type = *CMSG_DATA(c);
	sent.iov_len = msg->msg_iov[0].iov_len;
	memcpy(sent.body, msg->msg_iov[0].iov_base, sent.iov_len);
	return (ssize_t)sent.iov_len;
}

/*
 * The kernel's ABI in numbers, from include/uapi/linux/tls.h: the offsets in
 * each mode's struct, and the length of GnuTLS's IV for it.
 */
static const struct {
	const char *name;
	uint16_t version, cipher;
	size_t size, iv, iv_len, key, key_len, salt, salt_len, seq;
	size_t traffic_iv_len;
} modes[] = {
	{ "tls13-aes128-gcm", 0x0304, 51, 40, 4, 8, 12, 16, 28, 4, 32, 12 },
	{ "tls13-aes256-gcm", 0x0304, 52, 56, 4, 8, 12, 32, 44, 4, 48, 12 },
	{ "tls13-chacha20-poly1305", 0x0304, 54, 56, 4, 12, 16, 32, 48, 0, 48,
	  12 },
	{ "tls12-aes128-gcm", 0x0303, 51, 40, 4, 8, 12, 16, 28, 4, 32, 4 },
	{ "tls12-aes256-gcm", 0x0303, 52, 56, 4, 8, 12, 32, 44, 4, 48, 4 },
};

static struct traffic known_traffic(size_t row)
{
	struct traffic t = { .key_len = modes[row].key_len,
			     .iv_len = modes[row].traffic_iv_len };

	for (size_t i = 0; i < sizeof t.key; i++)
		t.key[i] = (uint8_t)(0x10 + i);
	for (size_t i = 0; i < sizeof t.iv; i++)
		t.iv[i] = (uint8_t)(0xa0 + i);
	for (size_t i = 0; i < sizeof t.seq; i++)
		t.seq[i] = (uint8_t)(0xc0 + i);
	return t;
}

static const struct mode *mode_of(size_t row)
{
	struct mode_list list;
	struct err e;

	if (mode_parse(modes[row].name, &list, &e) < 0)
		bail();
	return list.modes[0];
}

static void test_bytes(size_t row, enum record_direction dir)
{
	struct traffic t = known_traffic(row);
	struct err e = { 0 };
	uint8_t want[128] = { 0 };
	bool tls12_gcm = modes[row].traffic_iv_len == 4;

	memcpy(want, &modes[row].version, 2);
	memcpy(want + 2, &modes[row].cipher, 2);
	memcpy(want + modes[row].iv,
	       tls12_gcm ? t.seq : t.iv + modes[row].salt_len,
	       modes[row].iv_len);
	memcpy(want + modes[row].key, t.key, modes[row].key_len);
	memcpy(want + modes[row].salt, t.iv, modes[row].salt_len);
	memcpy(want + modes[row].seq, t.seq, 8);

	memset(&set, 0, sizeof set);
	is_int(ktls_install(FD, dir, mode_of(row), &t, &e), 0, "%s installs",
	       modes[row].name);
	is_int(set.len, modes[row].size, "%s: the length is exact",
	       modes[row].name);
	ok(!memcmp(set.bytes, want, sizeof want), "%s: so is every byte",
	   modes[row].name);
	ok(set.level == 282 && set.name == (dir == RECORD_TX ? 1 : 2),
	   "%s: for direction %d", modes[row].name, dir);
}

static void test_misfits(size_t row)
{
	static const struct {
		int key, iv;
	} off[] = { { 1, 0 }, { -1, 0 }, { 0, 1 }, { 0, -1 }, { 0, -8 } };
	int refused = 0;

	memset(&set, 0, sizeof set);
	for (size_t i = 0; i < array_len(off); i++) {
		struct traffic t = known_traffic(row);
		struct err e = { 0 };

		t.key_len += (size_t)off[i].key;
		t.iv_len += (size_t)off[i].iv;
		refused += ktls_install(FD, RECORD_TX, mode_of(row), &t, &e) ==
				   -1 &&
			   e.kind == ERR_BUG;
	}
	ok(refused == array_len(off) && set.count == 0,
	   "%s: sizes that do not fit never get to the kernel",
	   modes[row].name);
}

enum call { ATTACH, INSTALL, AVAILABLE };

static const struct {
	const char *name;
	enum call call;
	int num;
	const char *why; /* NULL: no error */
	int err_num;
} errors[] = {
	{ "attach", ATTACH, 0, NULL, 0 },
	{ "attach", ATTACH, EEXIST, NULL, 0 },
	{ "attach", ATTACH, ENOENT, "modprobe tls", 0 },
	{ "attach", ATTACH, ENOPROTOOPT, "modprobe tls", 0 },
	{ "attach", ATTACH, ENOTCONN, "connection closed before", ENOTCONN },
	{ "attach", ATTACH, EPERM, "Operation not permitted", EPERM },
	{ "install", INSTALL, 0, NULL, 0 },
	{ "install", INSTALL, ENOENT, "lacks the cipher of tls13-", ENOENT },
	{ "install", INSTALL, EINVAL, "does not know tls13-", EINVAL },
	{ "install", INSTALL, ENOTCONN, "not attached", ENOTCONN },
	{ "install", INSTALL, ENOPROTOOPT, "not attached", ENOPROTOOPT },
	{ "install", INSTALL, EBUSY, "cannot give the keys of tls13-", EBUSY },
	{ "available", AVAILABLE, 0, NULL, 0 },
	{ "available", AVAILABLE, ENOTCONN, NULL, 0 },
	{ "available", AVAILABLE, ENOENT, "modprobe tls", 0 },
	{ "available", AVAILABLE, ENOPROTOOPT, "modprobe tls", 0 },
	{ "available", AVAILABLE, EACCES, "Permission denied", EACCES },
};

static int call(enum call which, struct err *e)
{
	struct traffic t = known_traffic(0);

	switch (which) {
	case ATTACH:
		return ktls_attach(FD, e);
	case INSTALL:
		return ktls_install(FD, RECORD_TX, mode_of(0), &t, e);
	case AVAILABLE:
		return ktls_available(e);
	}
	return -1;
}

static void test_errors(void)
{
	for (size_t i = 0; i < array_len(errors); i++) {
		struct err e = { 0 };
		int ret;

		memset(&set, 0, sizeof set);
		set.answers[0] = errors[i].num;
		ret = call(errors[i].call, &e);
		if (!errors[i].why)
			is_int(ret, 0, "%s: errno %d is success",
			       errors[i].name, errors[i].num);
		else if (!ok(ret == -1 && e.kind == ERR_KTLS &&
				     e.num == errors[i].err_num &&
				     strstr(e.msg, errors[i].why),
			     "%s: errno %d is '%s'", errors[i].name,
			     errors[i].num, errors[i].why))
			printf("#   %d %s\n", e.num, e.msg);
	}
	set.answers[set.count = 0] = 0;
	call(ATTACH, &(struct err){ 0 });
	ok(set.level == IPPROTO_TCP && set.name == TCP_ULP && set.len == 3 &&
		   !memcmp(set.bytes, "tls", 3),
	   "attaching names the ULP 'tls'");
}

/* Every call that kernel TLS needs is tried before the kernel has the keys. */
static void test_refused(const char *name, int *num)
{
	int before = *num;
	struct err e = { 0 };

	memset(&set, 0, sizeof set);
	*num = EPERM;
	ok(ktls_attach(FD, &e) == -1 && e.kind == ERR_KTLS && e.num == EPERM &&
		   strstr(e.msg, name),
	   "%s is refused: no kernel TLS, and the message names it", name);
	memset(&set, 0, sizeof set);
	*num = ENOSYS;
	is_int(ktls_available(&e), -1, "%s is missing: not available", name);
	*num = before;
}

static void test_verify(void)
{
	static const struct {
		const char *name;
		uint16_t version, cipher;
		int num, ret;
	} rows[] = {
		{ "the requested mode", 0x0304, 51, 0, 0 },
		{ "another version", 0x0303, 51, 0, -1 },
		{ "another cipher", 0x0304, 52, 0, -1 },
		{ "no keys at all", 0, 0, 0, -1 },
		{ "an error", 0x0304, 51, EBUSY, -1 },
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		struct err e = { 0 };

		memset(&get, 0, sizeof get);
		get.version = rows[i].version;
		get.cipher = rows[i].cipher;
		get.num = rows[i].num;
		ok(ktls_verify(FD, RECORD_RX, mode_of(0), &e) == rows[i].ret &&
			   e.num == rows[i].num &&
			   e.kind == (rows[i].ret ? ERR_KTLS : ERR_NONE),
		   "the kernel tells of %s", rows[i].name);
	}
	ok(get.level == 282 && get.name == 2 && get.len == 4,
	   "the kernel is asked for no key");
}

static void test_no_pad(void)
{
	memset(&set, 0, sizeof set);
	set.answers[1] = ENOPROTOOPT;
	ok(ktls_expect_no_pad(FD), "the kernel takes TLS_RX_EXPECT_NO_PAD");
	ok(set.level == 282 && set.name == 4 && set.len == sizeof(int) &&
		   set.bytes[0] + set.bytes[3] == 1,
	   "which is an int, 1");
	ok(!ktls_expect_no_pad(FD), "or does not know it");
}

static void test_send_record(void)
{
	is_int(ktls_send_record(FD, 21, "\1\0", 2), 2, "a record is sent");
	ok(sent.level == 282 && sent.type == 1 && sent.record_type == 21,
	   "of the type that was asked for");
	ok(sent.cmsg_len == CMSG_LEN(1) && sent.control_len >= CMSG_LEN(1),
	   "whose control message has one byte");
	ok(sent.iov_len == 2 && !memcmp(sent.body, "\1\0", 2), "with its body");
	is_int(sent.flags, MSG_NOSIGNAL | MSG_DONTWAIT,
	       "without a signal or a wait");
}

static const struct {
	const char *name;
	ssize_t n;
	int num, flags, level, cmsg_type;
	size_t data_len;
	uint8_t data;
	ssize_t want;
	unsigned int type;
} receipts[] = {
	{ "data", 9, 0, 0, 282, 2, 1, 23, 9, 23 },
	{ "data, cut at the buffer's end", 9, 0, 0, 282, 2, 1, 23, 9, 23 },
	{ "an alert", 2, 0, MSG_EOR, 282, 2, 1, 21, 2, 21 },
	{ "an empty alert", 0, 0, MSG_EOR, 282, 2, 1, 21, 0, 21 },
	{ "type 255", 1, 0, 0, 282, 2, 1, 255, 1, 255 },
	{ "an empty record of data", 0, 0, 0, 282, 2, 1, 23, 0, 23 },
	{ "the end of TCP", 0, 0, 0, 0, 0, 0, 0, 0, 0 },
	{ "data without a type", 9, 0, 0, 0, 0, 0, 0, 9, 23 },
	{ "nothing yet", -1, EAGAIN, 0, 0, 0, 0, 0, -EAGAIN, 23 },
	{ "a forged record", -1, EBADMSG, 0, 0, 0, 0, 0, -EBADMSG, 23 },
	{ "a cut control message", 9, 0, MSG_CTRUNC, 282, 2, 1, 23, -EBADMSG,
	  23 },
	{ "a lost control message", 9, 0, MSG_CTRUNC, 0, 0, 0, 0, -EBADMSG,
	  23 },
	{ "another level", 9, 0, 0, 1, 2, 1, 21, -EBADMSG, 23 },
	{ "another kind of message", 9, 0, 0, 282, 1, 1, 21, -EBADMSG, 23 },
	{ "a type without a byte", 9, 0, 0, 282, 2, 0, 0, -EBADMSG, 23 },
	{ "a type of four bytes", 9, 0, 0, 282, 2, 4, 21, -EBADMSG, 23 },
};

static void test_recv_record(void)
{
	for (size_t i = 0; i < array_len(receipts); i++) {
		unsigned int type = 0;
		char buf[16];
		ssize_t n;

		rcv.n = receipts[i].n;
		rcv.num = receipts[i].num;
		rcv.flags = receipts[i].flags;
		rcv.level = receipts[i].level;
		rcv.type = receipts[i].cmsg_type;
		rcv.data_len = receipts[i].data_len;
		rcv.data = receipts[i].data;
		n = ktls_recv_record(FD, &type, buf, sizeof buf);
		if (n < 0)
			n = -errno;
		if (!ok(n == receipts[i].want && type == receipts[i].type,
			"received: %s", receipts[i].name))
			printf("#   %zd of type %u\n", n, type);
	}
	is_int(rcv.asked_flags, MSG_DONTWAIT, "receiving does not wait");
}

/*
 * One errno for each step of a probe: is the ULP there, attach twice, TX, RX,
 * TX and RX again, no padding.
 */
static const struct {
	const char *name;
	int answers[8];
	struct ktls_support want;
} probes[] = {
	{ "no kernel TLS", { ENOENT }, { false, false, false, false } },
	{ "a new kernel", { ENOTCONN }, { true, true, true, true } },
	{ "no rekey",
	  { ENOTCONN, 0, 0, 0, 0, EBUSY },
	  { true, true, false, true } },
	{ "no rekey of RX",
	  { ENOTCONN, 0, 0, 0, 0, 0, EBUSY },
	  { true, true, false, true } },
	{ "an old kernel",
	  { ENOTCONN, 0, 0, 0, 0, EBUSY, ENOPROTOOPT },
	  { true, true, false, false } },
	{ "a missing cipher",
	  { ENOTCONN, 0, 0, ENOENT, ENOENT },
	  { false, false, false, false } },
	{ "no RX", { ENOTCONN, 0, 0, 0, EINVAL }, { .tx = true } },
};

static void test_probe(void)
{
	for (size_t i = 0; i < array_len(probes); i++) {
		struct err e = { 0 };
		struct ktls_support got;
		int wrong = 0;

		for (size_t row = 0; row < array_len(modes); row++) {
			memset(&set, 0, sizeof set);
			memcpy(set.answers, probes[i].answers,
			       sizeof set.answers);
			wrong += ktls_probe(mode_of(row), &got, &e) < 0 ||
				 got.tx != probes[i].want.tx ||
				 got.rx != probes[i].want.rx ||
				 got.rekey != probes[i].want.rekey ||
				 got.no_pad != probes[i].want.no_pad;
		}
		is_int(wrong, 0, "a probe of %s tells so for all modes",
		       probes[i].name);
	}
}

/* What splice(2) sends: records with so many pieces each, and more bytes */
static struct {
	uint8_t pieces[4];
	size_t rest;
} wire;

WRAP(splice);
ssize_t __wrap_splice(int in, off_t *in_at, int out, off_t *out_at, size_t len,
		      unsigned int flags)
{
	uint8_t bytes[400] = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < sizeof wire.pieces && wire.pieces[i]; i++) {
		record_header(bytes + n, RECORD_DATA, wire.pieces[i] + 17u);
		n += RECORD_HEADER_BYTES + wire.pieces[i] + 17u;
	}
	n += wire.rest;
	return write(out, bytes, n) == (ssize_t)n ? (ssize_t)len : -1;
}

static bool splices_pieces(const uint8_t pieces[4], size_t rest)
{
	memset(&set, 0, sizeof set);
	memcpy(wire.pieces, pieces, sizeof wire.pieces);
	wire.rest = rest;
	return ktls_splices_pieces(mode_find(MODE_TLS13, MODE_AES128_GCM));
}

static void test_pieces(void)
{
	static const uint8_t one[4] = { 40 }, three[4] = { 17, 17, 6 };
	static const uint8_t few[4] = { 17, 17 }, many[4] = { 40, 1 };
	static const uint8_t none[4] = { 0 };

	ok(splices_pieces(one, 0), "one record with all pieces");
	ok(splices_pieces(three, 0), "three records with all pieces");
	ok(!splices_pieces(three, 1), "a byte too many");
	ok(!splices_pieces(few, 23), "a header of zeros");
	ok(!splices_pieces(few, 0), "a piece is missing");
	ok(!splices_pieces(many, 0), "a piece too many");
	ok(!splices_pieces(none, 40), "no records");
}

int main(void)
{
	for (size_t row = 0; row < array_len(modes); row++) {
		test_bytes(row, RECORD_TX);
		test_bytes(row, RECORD_RX);
		test_misfits(row);
	}
	is_int(array_len(modes), MODE_COUNT, "all modes were tested");
	test_errors();
	test_refused("getsockopt", &get.num);
	test_refused("sendmsg", &no_socket.sendmsg);
	test_refused("recvmsg", &no_socket.recvmsg);
	test_verify();
	test_no_pad();
	test_send_record();
	test_recv_record();
	test_probe();
	test_pieces();
	return tap_end();
}
