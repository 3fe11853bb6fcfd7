// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * thief PORT KEYFILE sends|receives STREAM NUMBER...: tries to take a stream
 * over.  It has the key (or a certificate: CERT,KEY,CA in place of KEYFILE) and
 * the id of the stream (32 hexadecimal digits), but not its ticket.  It
 * connects to 127.0.0.1, sends a HELLO for the stream with connection NUMBER,
 * and prints the listener's answer.  For each further NUMBER it does so again
 * over a new connection, with the ticket of the first one if that was accepted.
 * NUMBER+: for another stream.  sends+: one more byte follows the HELLO in its
 * record.  sends=NAME: for the stream of that name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/credential.h"
#include "base/clock.h"
#include "conn/hello.h"
#include "conn/stream_name.h"
#include "tls/mode.h"
#include "tls_client.h"

/* The PSK of later connections, as session_agree() makes it. */
static int take_ticket(struct record_layer *rl,
		       const uint8_t handle[FRAME_ID_BYTES], struct key *key)
{
	key_wipe(key);
	for (int i = 0; i < FRAME_ID_BYTES; i++)
		sprintf(key->identity + 2 * i, "%02x", handle[i]);
	key->secret.len = TLS_EXPORT_BYTES;
	memcpy(key->secret.bytes, record_layer_agreed(rl)->resume,
	       TLS_EXPORT_BYTES);
	return 0;
}

static int send_one_more(struct record_layer *rl, const struct frame *f)
{
	uint8_t bytes[FRAME_MAX_BYTES + 1] = { 0 };
	bool taken;

	return record_layer_put(rl, bytes, frame_encode(f, bytes) + 1, &taken,
				&e);
}

static int send_name(struct record_layer *rl, int fd, const char *name)
{
	struct frame f = { .type = FRAME_NAME };

	return stream_name_hash(name, f.name, &e) < 0 ||
			       hello_send(rl, fd, &f, clock_deadline(10000),
					  &e) < 0
		       ? -1
		       : 0;
}

static int ask(struct record_layer *rl, int fd, char **argv, const char *number,
	       struct key *key)
{
	struct frame f = { .type = FRAME_HELLO };
	struct frame_reader reader = { 0 };
	const char *name = strchr(argv[3], '=');
	bool got = false;

	f.hello = (struct frame_hello){
		.version = FRAME_VERSION,
		.role = strncmp(argv[3], "sends", 5) ? FRAME_RECEIVES
						     : FRAME_SENDS,
		.connection = (uint32_t)strtoul(number, NULL, 10),
		.limits.buffer_bytes = 1 << 20,
		.limits.retry_ms = 60000,
		.flags = name ? FRAME_HELLO_NAMED : 0,
	};
	for (int i = 0; i < FRAME_ID_BYTES; i++)
		if (sscanf(argv[4] + 2 * i, "%2hhx", &f.hello.stream[i]) != 1)
			return err_set(&e, ERR_USAGE, 0, "bad stream id");
	f.hello.stream[0] ^= strchr(number, '+') ? 1 : 0;
	if (strchr(argv[3], '+')
		    ? send_one_more(rl, &f) < 0
		    : hello_send(rl, fd, &f, clock_deadline(10000), &e) < 0)
		return -1;
	if (name && send_name(rl, fd, name + 1) < 0)
		return -1;
	while (!got)
		if (hello_recv(rl, &reader, FRAME_WELCOME, &f, &got, &e) < 0 ||
		    (!got && wait_for(fd, POLLIN) < 0))
			return -1;
	printf("%s\n", f.welcome.refusal ? frame_refusal_text(f.welcome.refusal,
							      FRAME_VERSION)
					 : "welcome");
	if (f.welcome.refusal || number != argv[5])
		return 0;
	return take_ticket(rl, f.welcome.handle, key);
}

static struct credential *credential(const char *files, const struct key *key)
{
	static char copy[4096];
	char *rest = copy;
	struct credential_x509 x = { 0 };

	if (!strchr(files, ','))
		return credential_new_psk(key, false, &e);
	snprintf(copy, sizeof copy, "%s", files);
	x.cert = strsep(&rest, ",");
	x.key = strsep(&rest, ",");
	x.ca = rest;
	return credential_new_x509(&x, false, &e);
}

static int greet_peer(char **argv, const char *number, struct key *key)
{
	struct mode_list modes = { 0 };
	struct tls_params p = { .modes = &modes };
	struct record_layer *rl;
	int ret;

	p.cred = credential(argv[2], key);
	if (p.cred)
		mode_defaults(&modes, credential_kinds(p.cred));
	p.fd = p.cred ? dial((uint16_t)strtoul(argv[1], NULL, 10)) : -1;
	if (p.fd < 0)
		return -1;
	rl = handshake(&p);
	ret = rl ? ask(rl, p.fd, argv, number, key) : -1;
	record_layer_free(rl);
	credential_free(p.cred);
	return ret;
}

int main(int argc, char **argv)
{
	struct key key = { 0 };

	if (argc < 6)
		return 2;
	if (tls_global_init(&e) < 0 ||
	    (!strchr(argv[2], ',') && key_read(argv[2], &key, &e) < 0))
		return fail("thief");
	for (int i = 5; i < argc; i++)
		if (greet_peer(argv, argv[i], &key) < 0)
			return fail("thief");
	key_wipe(&key);
	return 0;
}
