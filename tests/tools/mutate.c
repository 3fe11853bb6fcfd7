// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mutate PORT KEYFILE SECONDS [SEED]: for so long, clients whose handshakes are
 * damaged on their way to the listener at PORT of 127.0.0.1: bytes are changed,
 * left out, repeated or made up.  KEYFILE: CERT,KEY,CA for certificates.
 * Prints the number of handshakes.  Exit status 1: the listener is gone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "auth/credential.h"
#include "auth/key.h"
#include "base/clock.h"
#include "tls/mode.h"
#include "tls_client.h"

enum { STEP_MS = 200, CHUNK_BYTES = 4096, MOST_BYTES = 2 * CHUNK_BYTES };

static uint64_t state;

/* xorshift64 */
static size_t draw(size_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return below ? (size_t)(state % below) : 0;
}

/* Damage the bytes once; returns how many there are then. */
static size_t damage(uint8_t *p, size_t len)
{
	size_t at = draw(len), n = 1 + draw(draw(4) ? 4 : 64);

	if (n > len - at)
		n = len - at;
	switch (draw(6)) {
	case 0: /* a bit */
		p[at] ^= (uint8_t)(1 << draw(8));
		return len;
	case 1: /* a byte that lengths and types like */
		p[at] = (uint8_t[]){ 0, 1, 0x7f, 0x80, 0xff, 22 }[draw(6)];
		return len;
	case 2: /* left out */
		memmove(p + at, p + at + n, len - at - n);
		return len - n;
	case 3: /* repeated */
		memmove(p + at + n, p + at, len - at);
		return len + n;
	case 4: /* cut */
		return at + 1;
	default: /* made up */
		for (size_t i = 0; i < n; i++)
			p[at + i] = (uint8_t)draw(256);
		return len;
	}
}

/* Pass on what came from one socket.  Returns false at the end. */
static bool pass(int from, int to, bool damages)
{
	uint8_t buf[MOST_BYTES];
	ssize_t n = recv(from, buf, CHUNK_BYTES, MSG_DONTWAIT);
	size_t len = n > 0 ? (size_t)n : 0;

	if (n == 0 || (n < 0 && errno != EAGAIN))
		return false;
	while (damages && len && len < CHUNK_BYTES && draw(2))
		len = damage(buf, len);
	return !len || send(to, buf, len, MSG_NOSIGNAL) >= 0;
}

/* One handshake, as far as it gets.  ends: ours for GnuTLS and for the wire. */
static void shake_damaged(struct tls *t, const int ends[2], int wire)
{
	uint64_t deadline = clock_deadline(STEP_MS);
	enum tls_want want = TLS_WANT_READ;

	while (clock_now_ms() < deadline && want != TLS_DONE) {
		struct pollfd p[] = { { .fd = ends[1], .events = POLLIN },
				      { .fd = wire, .events = POLLIN } };

		if (tls_handshake(t, &want, &e) < 0)
			break;
		if (poll(p, 2, 20) < 0 ||
		    (p[0].revents && !pass(ends[1], wire, true)) ||
		    (p[1].revents && !pass(wire, ends[1], false)))
			break;
	}
	/* Its alert, too */
	pass(ends[1], wire, true);
}

static int greet_peer(uint16_t port, struct credential *cred,
		      const struct mode_list *modes)
{
	struct tls_params p = { .cred = cred, .modes = modes };
	int ends[2], wire = dial(port);
	struct tls *t;

	if (wire < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) < 0) {
		close(wire);
		return err_set(&e, ERR_NET, errno, "socketpair");
	}
	p.fd = ends[0];
	t = tls_new(&p, &e);
	if (t)
		shake_damaged(t, ends, wire);
	tls_free(t);
	close(ends[0]);
	close(ends[1]);
	close(wire);
	return t ? 0 : -1;
}

static struct credential *credential(char *files)
{
	autowipe_key struct key key = { 0 };
	static const char *const names[] = { "server.example" };
	struct credential_x509 x = { .rules = { .names = names, .count = 1 } };

	if (!strchr(files, ','))
		return key_read(files, &key, &e) < 0
			       ? NULL
			       : credential_new_psk(&key, false, &e);
	x.cert = strsep(&files, ",");
	x.key = strsep(&files, ",");
	x.ca = files;
	return credential_new_x509(&x, false, &e);
}

int main(int argc, char **argv)
{
	struct credential *cred;
	struct mode_list modes = { 0 };
	unsigned long count = 0;
	uint64_t end;
	int ret = 0;

	if (argc < 4)
		return 2;
	state = argc > 4 ? strtoull(argv[4], NULL, 10) | 1 : clock_now_ms() | 1;
	printf("seed %llu\n", (unsigned long long)state);
	if (tls_global_init(&e) < 0 || !(cred = credential(argv[2])))
		return fail("mutate");
	mode_defaults(&modes, credential_kinds(cred));
	end = clock_deadline(strtoull(argv[3], NULL, 10) * 1000);
	while (ret == 0 && clock_now_ms() < end) {
		ret = greet_peer((uint16_t)strtoul(argv[1], NULL, 10), cred,
				 &modes);
		count += ret == 0;
	}
	printf("%lu handshakes\n", count);
	credential_free(cred);
	return ret ? fail("mutate") : 0;
}
