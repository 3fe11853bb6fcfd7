// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * records PORT KEYFILE MODE [sends|receives] RECORD...: a client for a listener
 * with --raw; with sends or receives it exchanges HELLO and WELCOME first.
 * After the handshake it sends the given records, properly encrypted, and
 * prints how the listener ends the connection.  RECORD is TYPE:HEX; a *N after
 * it repeats it N times, a +N appends N zero bytes.  In place of records:
 * "secrets" prints those of the connection, 32 bytes each, then "ready", and
 * waits for the end of standard input.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "auth/credential.h"
#include "auth/key.h"
#include "base/clock.h"
#include "conn/hello.h"
#include "tls/aead.h"
#include "tls_client.h"

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

/* A reader that wakes up for each record may never see many at once. */
static void cork(int fd, bool on)
{
	int value = on;

	setsockopt(fd, IPPROTO_TCP, TCP_CORK, &value, sizeof value);
}

static int send_record(struct aead *s, int fd, const char *text)
{
	uint8_t body[AEAD_BODY_MAX], out[AEAD_BODY_MAX + RECORD_OVERHEAD];
	unsigned long type, times = 1, zeros = 0;
	size_t len = 0, size = 0;
	char *hex;

	type = strtoul(text, &hex, 10);
	for (hex += *hex == ':'; hex[0] && hex[1] && !strchr("*+", *hex);
	     hex += 2)
		if (len == sizeof body ||
		    sscanf(hex, "%2hhx", &body[len++]) != 1)
			return err_set(&e, ERR_USAGE, 0, "bad record %s", text);
	if (*hex == '*')
		times = strtoul(hex + 1, NULL, 10);
	if (*hex == '+')
		zeros = strtoul(hex + 1, NULL, 10);
	memset(body + len, 0, zeros);
	len += zeros;
	cork(fd, times > 1);
	while (times--)
		if (aead_encrypt(s, (uint8_t)type, body, len, out, &size, &e) <
			    0 ||
		    put(fd, out, size) < 0)
			return -1;
	cork(fd, false);
	return 0;
}

static int send_records(struct record_layer *rl, int fd, char **records)
{
	autowipe_agreed struct tls_agreed value = { .mode = NULL };
	struct aead *s;
	int ret = 0;

	record_layer_give(rl, &value);
	s = aead_new(value.mode, &value.keys[RECORD_TX], &e);
	while (s && ret == 0 && *records)
		ret = send_record(s, fd, *records++);
	aead_free(s);
	return s ? ret : -1;
}

static void print_hex(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < 32; i++)
		printf("%02x", bytes[i % len]);
	putchar('\n');
}

static int print_secrets(struct record_layer *rl)
{
	autowipe_agreed struct tls_agreed v = { .mode = NULL };
	char ignored;

	record_layer_give(rl, &v);
	print_hex(v.resume, sizeof v.resume);
	print_hex(v.proof, sizeof v.proof);
	print_hex(v.keys[RECORD_TX].key, v.keys[RECORD_TX].key_len);
	print_hex(v.keys[RECORD_RX].key, v.keys[RECORD_RX].key_len);
	if (puts("ready") < 0 || fflush(stdout) || read(0, &ignored, 1) < 0)
		return err_set(&e, ERR_IO, errno, "standard output");
	return 0;
}

/* Exchange HELLO and WELCOME for a new stream. */
static int greet(struct record_layer *rl, int fd, enum frame_role role)
{
	struct frame f = { .type = FRAME_HELLO };
	struct frame_reader reader = { 0 };
	bool got = false;

	f.hello = (struct frame_hello){ .version = FRAME_VERSION,
					.role = role,
					.connection = 1,
					.limits.buffer_bytes = 1 << 20,
					.limits.retry_ms = 1000 };
	memset(f.hello.stream, role + 1, sizeof f.hello.stream);
	memcpy(f.hello.stream, &(pid_t){ getpid() }, sizeof(pid_t));
	if (hello_send(rl, fd, &f, clock_deadline(10000), &e) < 0)
		return -1;
	while (!got)
		if (hello_recv(rl, &reader, FRAME_WELCOME, &f, &got, &e) < 0 ||
		    (!got && wait_for(fd, POLLIN) < 0))
			return -1;
	return hello_check(&f.welcome, role, &e);
}

/* The listener may close before the last record. */
static bool is_over(int num)
{
	return num == EPIPE || num == ECONNRESET;
}

/* Print how it ends: the name of an alert, or how TCP closes. */
static void print_end(struct record_layer *rl, int fd)
{
	struct record_layer_io io = { 0 };
	char bytes[4096];

	while (!io.closed &&
	       record_layer_recv(rl, bytes, sizeof bytes, &io, &e) == 0)
		if (!io.bytes && !io.closed && wait_for(fd, POLLIN) < 0)
			break;
	printf("%s\n", io.closed ? "close_notify" : e.msg);
}

/* Returns whether a role was named. */
static bool find_role(const char *word, enum frame_role *role)
{
	*role = strcmp(word, "sends") ? FRAME_RECEIVES : FRAME_SENDS;
	return !strcmp(word, "sends") || !strcmp(word, "receives");
}

int main(int argc, char **argv)
{
	autowipe_key struct key key = { 0 };
	struct mode_list modes = { 0 };
	struct tls_params p = { .modes = &modes };
	enum frame_role role;
	struct record_layer *rl;
	int ret = -1;

	if (argc < 5)
		return 2;
	p.raw = !find_role(argv[4], &role);
	if (tls_global_init(&e) < 0 || key_read(argv[2], &key, &e) < 0 ||
	    mode_parse(argv[3], &modes, &e) < 0)
		return fail("records");
	p.cred = credential_new_psk(&key, false, &e);
	p.fd = p.cred ? dial((uint16_t)strtoul(argv[1], NULL, 10)) : -1;
	rl = p.fd < 0 ? NULL : handshake(&p);
	if (rl)
		ret = p.raw ? 0 : greet(rl, p.fd, role);
	if (ret == 0 && !strcmp(argv[4 + !p.raw], "secrets"))
		ret = print_secrets(rl);
	else if (ret == 0)
		ret = send_records(rl, p.fd, argv + 4 + !p.raw);
	if (ret < 0 && is_over(e.num))
		ret = 0;
	if (ret == 0)
		print_end(rl, p.fd);
	record_layer_free(rl);
	credential_free(p.cred);
	return ret ? fail("records") : 0;
}
