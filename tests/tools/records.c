// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * records PORT KEYFILE MODE TYPE:HEX...: a client without a protocol of its own,
 * for a listener with --raw. It shakes hands, sends the records as they are
 * named, properly encrypted, and then prints how the listener ends it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cred.h"
#include "key.h"
#include "seal.h"
#include "visitor.h"

static int put(int fd, const uint8_t *p, size_t len)
{
	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n > 0)
			p += n, len -= (size_t)n;
		else if (errno != EAGAIN || wait_for(fd, POLLOUT) < 0)
			return err_set(&e, ERR_NET, errno, "send");
	}
	return 0;
}

static int send_record(struct seal *s, int fd, const char *text)
{
	uint8_t body[REC_MAX], out[REC_MAX + REC_OVERHEAD];
	size_t len = 0, size = 0;
	char *hex;
	unsigned long type = strtoul(text, &hex, 10);

	for (hex += *hex == ':'; hex[0] && hex[1]; hex += 2)
		if (len == sizeof body ||
		    sscanf(hex, "%2hhx", &body[len++]) != 1)
			return err_set(&e, ERR_USAGE, 0, "bad record %s", text);
	if (seal_encrypt(s, (uint8_t)type, body, len, out, &size, &e) < 0)
		return -1;
	return put(fd, out, size);
}

static int send_records(struct tls *t, int fd, char **records)
{
	autowipe_traffic struct traffic traffic = { 0 };
	struct seal *s;
	int ret = 0;

	if (tls_traffic(t, TLS_WRITE, &traffic, &e) < 0)
		return -1;
	s = seal_new(tls_mode(t), &traffic, &e);
	while (s && ret == 0 && *records)
		ret = send_record(s, fd, *records++);
	seal_free(s);
	return s ? ret : -1;
}

/* The listener may have enough of it before the last. */
static bool is_over(int num)
{
	return num == EPIPE || num == ECONNRESET;
}

/* How it ends: an alert's name, or the way that TCP does. */
static void print_end(struct tls *t, int fd)
{
	char bytes[4096];
	bool end = false;
	size_t n;

	while (!end && tls_recv(t, bytes, sizeof bytes, &n, &end, &e) == 0)
		if (!n && !end && wait_for(fd, POLLIN) < 0)
			break;
	printf("%s\n", end ? "close_notify" : e.msg);
}

int main(int argc, char **argv)
{
	autowipe_key struct key key = { 0 };
	struct mode_list modes = { 0 };
	struct tls_params p = { .modes = &modes, .raw = true };
	struct tls *t;
	int ret = -1;

	if (argc < 5)
		return 2;
	if (tls_global_init(&e) < 0 || key_read(argv[2], &key, &e) < 0 ||
	    mode_parse(argv[3], &modes, &e) < 0)
		return fail("records");
	p.cred = cred_new_psk(&key, false, &e);
	p.fd = p.cred ? dial((uint16_t)strtoul(argv[1], NULL, 10)) : -1;
	t = p.fd < 0 ? NULL : tls_new(&p, &e);
	if (t && shake_hands(t, p.fd) == 0)
		ret = send_records(t, p.fd, argv + 4);
	if (ret < 0 && is_over(e.num))
		ret = 0;
	if (ret == 0)
		print_end(t, p.fd);
	tls_free(t);
	cred_free(p.cred);
	return ret ? fail("records") : 0;
}
