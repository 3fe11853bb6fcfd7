// SPDX-License-Identifier: GPL-2.0-or-later
/* tls: two sessions that talk to each other in one process. */
#include <gnutls/gnutls.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/log.h"
#include "tap.h"
#include "tls/priority.h"
#include "tls/tls.h"

enum { CLIENT, SERVER };

/* One end of a connection. */
struct end {
	int fd;
	struct credential *cred;
	struct mode_list modes;
	struct tls *tls;
	int ret; /* of the handshake */
	struct err e;
};

struct setup {
	const char *name;
	const char *modes[2];
	const char *identity[2];
	uint8_t key[2];
};

static const struct setup same_all = {
	.modes = { "tls13-aes128-gcm", "tls13-aes128-gcm" },
};

static void end_init(struct end *end, int side, const struct setup *s)
{
	struct key key = { .secret.len = 32 };
	struct tls_params p = { .server = side == SERVER, .fd = end->fd };

	memset(key.secret.bytes, 'k' + s->key[side], 32);
	if (s->identity[side])
		snprintf(key.identity, sizeof key.identity, "%s",
			 s->identity[side]);
	end->e = (struct err){ 0 };
	end->cred = credential_new_psk(&key, side == SERVER, &end->e);
	if (!end->cred || mode_parse(s->modes[side], &end->modes, &end->e) < 0)
		exit(1);
	p.cred = end->cred;
	p.modes = &end->modes;
	end->tls = tls_new(&p, &end->e);
	if (!end->tls)
		exit(1);
}

static void pair_init(struct end end[2], const struct setup *s)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		exit(1);
	for (int side = 0; side < 2; side++) {
		end[side].fd = fds[side];
		end_init(&end[side], side, s);
	}
}

static void pair_fini(struct end end[2])
{
	for (int side = 0; side < 2; side++) {
		tls_free(end[side].tls);
		credential_free(end[side].cred);
		if (end[side].fd >= 0)
			close(end[side].fd);
	}
}

/* Step one end until it has to wait; true when it is done or has failed. */
static bool step(struct end *end)
{
	enum tls_want want;

	end->ret = tls_handshake(end->tls, &want, &end->e);
	return end->ret < 0 || want == TLS_DONE;
}

/*
 * Step both in turn, also to deliver the alert of a failure; true on success.
 */
static bool handshake(struct end end[2])
{
	bool done[2] = { false };

	for (int i = 0; i < 100 && !(done[0] && done[1]); i++)
		if (!done[i % 2])
			done[i % 2] = step(&end[i % 2]);
	return done[0] && done[1] && end[0].ret == 0 && end[1].ret == 0;
}

static void connect_pair(struct end end[2], const char *modes)
{
	struct setup s = { .modes = { modes, modes } };

	pair_init(end, &s);
	if (!handshake(end)) {
		printf("# %s\n# %s\n", end[0].e.msg, end[1].e.msg);
		exit(1);
	}
}

/*
 * Another TLS client sends any bytes as its identity.  Returns whether the
 * server accepts it with the right key.
 */
static bool name_gets_in(struct end *server, const void *name, unsigned int len)
{
	gnutls_psk_client_credentials_t cred;
	gnutls_datum_t user = { (void *)(uintptr_t)name, len };
	gnutls_datum_t alpn = { (void *)(uintptr_t) "btrfs-ktls-pipe/2", 17 };
	unsigned char bytes[32];
	gnutls_datum_t key = { bytes, sizeof bytes };
	gnutls_session_t session;
	bool done = false;
	int fds[2], ret = GNUTLS_E_AGAIN;

	memset(bytes, 'k', sizeof bytes);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
		exit(1);
	server->fd = fds[SERVER];
	end_init(server, SERVER, &same_all);
	gnutls_psk_allocate_client_credentials(&cred);
	gnutls_psk_set_client_credentials2(cred, &user, &key,
					   GNUTLS_PSK_KEY_RAW);
	gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NONBLOCK);
	gnutls_priority_set_direct(session,
				   "NONE:+VERS-TLS1.3:+ECDHE-PSK:+AES-128-GCM:"
				   "+AEAD:+SIGN-ALL:+GROUP-X25519",
				   NULL);
	gnutls_alpn_set_protocols(session, &alpn, 1, 0);
	gnutls_credentials_set(session, GNUTLS_CRD_PSK, cred);
	gnutls_transport_set_int(session, fds[CLIENT]);
	for (int i = 0; i < 20 && !done; i++) {
		if (ret == GNUTLS_E_AGAIN)
			ret = gnutls_handshake(session);
		done = step(server);
	}
	done = done && server->ret == 0;
	gnutls_deinit(session);
	gnutls_psk_free_client_credentials(cred);
	tls_free(server->tls);
	credential_free(server->cred);
	close(fds[0]);
	close(fds[1]);
	return done;
}

static void test_names(void)
{
	struct end server;
	char longer[70] = "btrfs";

	memset(longer + 5, 'x', sizeof longer - 5);
	ok(name_gets_in(&server, "btrfs", 5), "the right name gets in");
	ok(!name_gets_in(&server, "btrfs", 6), "but not with a NUL behind it");
	ok(!name_gets_in(&server, "btrfs\0x", 7), "nor with more behind that");
	ok(!name_gets_in(&server, "btrf", 4), "nor a part of it");
	ok(!name_gets_in(&server, longer, sizeof longer), "nor a longer one");
	ok(!name_gets_in(&server, "a\nb\33", 4) &&
		   !strpbrk(server.e.msg, "\n\33"),
	   "a name that cannot be printed is not");
}

static void test_modes(void)
{
	for (size_t i = 0; i < MODE_COUNT; i++) {
		const struct mode *mode = &mode_table[i];
		struct setup s = { .modes = { mode->name, mode->name } };
		struct end end[2];

		if (!priority_mode_usable(mode, CREDENTIAL_PSK)) {
			tap_skip(mode->name, "GnuTLS cannot do it");
			continue;
		}
		pair_init(end, &s);
		ok(handshake(end) && tls_mode(end[CLIENT].tls) == mode &&
			   tls_mode(end[SERVER].tls) == mode,
		   "%s is negotiated", mode->name);
		pair_fini(end);
	}
}

/* Each with the mode that is negotiated. */
static const struct {
	const char *modes[2], *mode;
} choices[] = {
	{ { "tls13-chacha20-poly1305,tls13-aes128-gcm", "tls13-aes128-gcm" },
	  "tls13-aes128-gcm" },
	{ { "tls13-aes128-gcm", "tls13-chacha20-poly1305,tls13-aes128-gcm" },
	  "tls13-aes128-gcm" },
	{ { "tls13-aes128-gcm,tls12-aes256-gcm", "tls12-aes256-gcm" },
	  "tls12-aes256-gcm" },
	/* The client's order counts, but 1.3 comes before 1.2. */
	{ { "tls13-chacha20-poly1305,tls13-aes128-gcm",
	    "tls13-aes128-gcm,tls13-chacha20-poly1305" },
	  "tls13-chacha20-poly1305" },
	{ { "tls13-aes128-gcm,tls13-chacha20-poly1305",
	    "tls13-chacha20-poly1305,tls13-aes128-gcm" },
	  "tls13-aes128-gcm" },
	{ { "tls12-aes128-gcm,tls13-aes128-gcm",
	    "tls12-aes128-gcm,tls13-aes128-gcm" },
	  "tls13-aes128-gcm" },
};

static void test_choices(void)
{
	for (size_t i = 0; i < array_len(choices); i++) {
		struct setup s = { .modes = { choices[i].modes[0],
					      choices[i].modes[1] } };
		struct end end[2];

		pair_init(end, &s);
		if (handshake(end))
			is_str(tls_mode(end[SERVER].tls)->name, choices[i].mode,
			       "%s meets %s", s.modes[0], s.modes[1]);
		else if (!ok(false, "%s meets %s", s.modes[0], s.modes[1]))
			printf("#   %s\n#   %s\n", end[0].e.msg, end[1].e.msg);
		pair_fini(end);
	}
}

static const struct {
	struct setup setup;
	const char *why[2]; /* the messages of client and server */
} failures[] = {
	{ { "another key, TLS 1.3",
	    { "tls13-aes128-gcm", "tls13-aes128-gcm" },
	    { NULL, NULL },
	    { 0, 1 } },
	  { "(alert decrypt_error)", "another key" } },
	{ { "another key, TLS 1.2",
	    { "tls12-aes256-gcm", "tls12-aes256-gcm" },
	    { NULL, NULL },
	    { 0, 1 } },
	  { "(alert bad_record_mac)", "another key for identity 'btrfs'" } },
	{ { "another identity, TLS 1.3",
	    { "tls13-aes128-gcm", "tls13-aes128-gcm" },
	    { "alice", "bob" },
	    { 0, 0 } },
	  { "(alert decrypt_error)", "identity 'alice' is unknown" } },
	{ { "another identity, TLS 1.2",
	    { "tls12-aes128-gcm", "tls12-aes128-gcm" },
	    { "alice", "bob" },
	    { 0, 0 } },
	  { "(alert bad_record_mac)", "identity 'alice' is unknown" } },
	{ { "another cipher",
	    { "tls13-aes128-gcm", "tls13-chacha20-poly1305" },
	    { NULL, NULL },
	    { 0, 0 } },
	  { "no common mode", "no common mode" } },
	{ { "an older version",
	    { "tls12-aes128-gcm", "tls13-aes128-gcm" },
	    { NULL, NULL },
	    { 0, 0 } },
	  { "no common mode", "no common mode" } },
	{ { "a newer version",
	    { "tls13-aes128-gcm", "tls12-aes128-gcm" },
	    { NULL, NULL },
	    { 0, 0 } },
	  { "no common mode", "no common mode" } },
};

static void test_failures(void)
{
	for (size_t i = 0; i < array_len(failures); i++) {
		const char *name = failures[i].setup.name;
		struct end end[2];

		pair_init(end, &failures[i].setup);
		ok(!handshake(end), "%s is no connection", name);
		for (int side = 0; side < 2; side++)
			if (!ok(end[side].ret == -1 &&
					end[side].e.kind == ERR_AUTH &&
					strstr(end[side].e.msg,
					       failures[i].why[side]),
				"%s: the %s knows why", name,
				side ? "server" : "client"))
				printf("#   %s\n", end[side].e.msg);
		pair_fini(end);
	}
}

/* Copy the bytes that have arrived, or one record, to another socket. */
static void forward(int from, int to, bool record)
{
	static uint8_t bytes[65536];
	ssize_t n = recv(from, bytes, record ? 5 : sizeof bytes, MSG_DONTWAIT);

	if (record && n == 5)
		n += recv(from, bytes + 5, (size_t)bytes[3] << 8 | bytes[4],
			  MSG_DONTWAIT);
	if (n > 0 && write(to, bytes, (size_t)n) != n)
		exit(1);
}

/* Let the server use c, a credential that another server uses too. */
static void share_cred(struct end end[2], struct credential *c)
{
	struct tls_params p = { .server = true,
				.fd = end[SERVER].fd,
				.cred = c,
				.modes = &end[SERVER].modes };

	tls_free(end[SERVER].tls);
	end[SERVER].tls = tls_new(&p, &end[SERVER].e);
	if (!end[SERVER].tls)
		exit(1);
}

/* In TLS 1.2 the key is verified long after the identity has come. */
static void test_two_at_once(void)
{
	const struct setup alice = {
		.modes = { "tls12-aes128-gcm", "tls12-aes128-gcm" },
		.identity = { "alice", "alice" },
		.key = { 1, 0 },
	};
	struct setup mallory = alice;
	struct end end[2], other[2];
	int wire[2]; /* the connection: the client's end, the rest */

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, wire) < 0)
		exit(1);
	pair_init(end, &alice);
	mallory.identity[CLIENT] = "mallory";
	pair_init(other, &mallory);
	share_cred(other, end[SERVER].cred);
	/*
	 * The client's former socket leads to the server; it talks to wire[1].
	 */
	dup2(wire[0], 100);
	dup2(end[CLIENT].fd, 101);
	dup2(100, end[CLIENT].fd);
	step(&end[CLIENT]); /* ClientHello */
	forward(wire[1], 101, false);
	step(&end[SERVER]);
	forward(101, wire[1], false);
	step(&end[CLIENT]); /* its key exchange, and Finished */
	forward(wire[1], 101, true);
	ok(!step(&end[SERVER]), "a server has the identity, and not all yet");
	ok(!handshake(other), "another client of it is refused");
	forward(wire[1], 101, false);
	ok(step(&end[SERVER]) && end[SERVER].ret < 0,
	   "then so is the first, whose key is wrong");
	if (!ok(strstr(end[SERVER].e.msg, "'alice'"), "under its own name"))
		printf("#   %s\n", end[SERVER].e.msg);
	close(100);
	close(101);
	close(wire[0]);
	close(wire[1]);
	pair_fini(other);
	pair_fini(end);
}

/* A server whose peer sends something else than a ClientHello. */
static void test_strangers(void)
{
	static const struct {
		const char *name, *text, *why;
	} rows[] = {
		{ "HTTP", "GET / HTTP/1.1\r\n\r\n", "does not speak TLS" },
		{ "ssh", "SSH-2.0-OpenSSH_9.2\r\n", "does not speak TLS" },
		{ "silence", "", "closed the connection" },
		{ "half a hello", "\x16\x03\x01\x01", "" },
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		struct end end[2];

		pair_init(end, &same_all);
		if (write(end[CLIENT].fd, rows[i].text, strlen(rows[i].text)) <
		    0)
			exit(1);
		shutdown(end[CLIENT].fd, SHUT_WR);
		/*
		 * GnuTLS reports the end within a record with its second call.
		 */
		if (!ok((step(&end[SERVER]) || step(&end[SERVER])) &&
				end[SERVER].ret == -1 &&
				end[SERVER].e.kind == ERR_AUTH &&
				strstr(end[SERVER].e.msg, rows[i].why),
			"%s is no handshake", rows[i].name))
			printf("#   %s\n", end[SERVER].e.msg);
		pair_fini(end);
	}
}

static bool zero(const uint8_t *bytes, size_t len)
{
	while (len && !bytes[len - 1])
		len--;
	return !len;
}

static bool same_traffic(const struct traffic *a, const struct traffic *b)
{
	return a->key_len == b->key_len && a->iv_len == b->iv_len &&
	       !memcmp(a->key, b->key, a->key_len) &&
	       !memcmp(a->iv, b->iv, a->iv_len) && !memcmp(a->seq, b->seq, 8);
}

static const struct {
	const char *mode;
	size_t key_len, iv_len;
	uint8_t seq; /* TLS 1.2 counts its Finished */
} sizes[] = {
	{ "tls13-aes128-gcm", 16, 12, 0 },
	{ "tls13-chacha20-poly1305", 32, 12, 0 },
	{ "tls12-aes128-gcm", 16, 4, 1 },
	{ "tls12-aes256-gcm", 32, 4, 1 },
};

static void test_traffic(size_t row, int from)
{
	struct traffic out = { 0 }, in = { 0 }, back = { 0 };
	const char *mode = sizes[row].mode;
	char text[4];
	struct end end[2];
	struct err e;
	size_t done;
	bool eof;

	connect_pair(end, mode);
	ok(tls_traffic(end[from].tls, TLS_WRITE, &out, &e) == 0 &&
		   tls_traffic(end[!from].tls, TLS_READ, &in, &e) == 0 &&
		   tls_traffic(end[from].tls, TLS_READ, &back, &e) == 0,
	   "%s: there are traffic keys", mode);
	ok(out.key_len == sizes[row].key_len && out.iv_len == sizes[row].iv_len,
	   "%s: a key of %zu and an IV of %zu bytes", mode, out.key_len,
	   out.iv_len);
	ok(same_traffic(&out, &in), "%s: the same at both ends", mode);
	ok(!same_traffic(&out, &back), "%s: others for each way", mode);
	ok(zero(out.seq, 7) && out.seq[7] == sizes[row].seq,
	   "%s: the next record is number %u", mode, out.seq[7]);
	for (int i = 0; i < 3; i++)
		if (tls_send(end[from].tls, "data", 4, &done, &e) < 0 ||
		    tls_recv(end[!from].tls, text, 4, &done, &eof, &e) < 0)
			exit(1);
	ok(tls_traffic(end[from].tls, TLS_WRITE, &out, &e) == 0 &&
		   tls_traffic(end[!from].tls, TLS_READ, &in, &e) == 0 &&
		   same_traffic(&out, &in) && out.seq[7] == sizes[row].seq + 3,
	   "%s: which counts records", mode);
	pair_fini(end);
}

static uint8_t byte_at(size_t offset)
{
	return (uint8_t)(offset * 0x9e3779b97f4a7c15 >> 56);
}

/* Send from client to server, len bytes at a time, as the sockets allow. */
static void test_bulk(const char *mode, size_t total, size_t len)
{
	static uint8_t out[300000], in[300000];
	size_t put = 0, got = 0, wrong = 0, done, stuck = 0;
	struct end end[2];
	struct err e = { 0 };
	bool eof = false;

	connect_pair(end, mode);
	if (tls_bulk(end[CLIENT].tls, TLS_WRITE, &e) < 0 ||
	    tls_bulk(end[SERVER].tls, TLS_READ, &e) < 0)
		exit(1);
	while (got < total && stuck < 100) {
		size_t n = total - put < len ? total - put : len;

		for (size_t i = 0; i < n; i++)
			out[i] = byte_at(put + i);
		if (tls_send(end[CLIENT].tls, out, n, &done, &e) < 0)
			break;
		put += done;
		if (tls_recv(end[SERVER].tls, in, sizeof in, &done, &eof, &e) <
			    0 ||
		    eof)
			break;
		for (size_t i = 0; i < done; i++)
			wrong += in[i] != byte_at(got++);
		stuck = done ? 0 : stuck + 1;
	}
	is_int(got, total, "%s: %zu bytes by %zu arrive", mode, total, len);
	is_int(wrong, 0, "%s: unchanged", mode);
	tls_alert(end[CLIENT].tls, RECORD_CLOSE_NOTIFY);
	ok(!tls_pending_write(end[CLIENT].tls) &&
		   tls_recv(end[SERVER].tls, in, 1, &done, &eof, &e) == 0 &&
		   done == 0 && eof,
	   "%s: and then close_notify is the end", mode);
	pair_fini(end);
}

/* A sender whose peer does not read. */
static void test_back_pressure(void)
{
	static uint8_t data[1 << 20], in[1 << 20];
	size_t put = 0, got = 0, done;
	struct end end[2];
	struct err e = { 0 };
	bool eof, empty = true;

	connect_pair(end, "tls13-aes128-gcm");
	if (tls_bulk(end[CLIENT].tls, TLS_WRITE, &e) < 0)
		exit(1);
	do {
		if (tls_send(end[CLIENT].tls, data, sizeof data, &done, &e) < 0)
			exit(1);
		put += done;
	} while (done && put < 100 * sizeof data);
	is_int(done, 0, "a full buffer takes no more");
	ok(tls_pending_write(end[CLIENT].tls), "and has something to flush");
	ok(tls_flush(end[CLIENT].tls, &empty, &e) == 0 && !empty,
	   "which a full socket does not take");
	for (int i = 0; i < 1000 && (got < put || !empty); i++) {
		if (tls_recv(end[SERVER].tls, in, sizeof in, &done, &eof, &e) <
			    0 ||
		    tls_flush(end[CLIENT].tls, &empty, &e) < 0)
			exit(1);
		got += done;
	}
	ok(got == put && empty, "nothing of it is lost once the peer reads");
	pair_fini(end);
}

enum ending { CLOSE_NOTIFY, FIN, ABORT, CUT, FORGED };

static const struct {
	const char *name;
	enum ending ending;
	const char *why; /* NULL: the end */
} endings[] = {
	{ "close_notify", CLOSE_NOTIFY, NULL },
	{ "a connection that just closes", FIN, "without close_notify" },
	{ "a fatal alert", ABORT, "gave up (alert internal_error)" },
	{ "a cut record", CUT, "" },
	{ "a forged record", FORGED, "record authentication failed" },
};

/* Take the record from the way to the server and change it. */
static void tamper(struct end end[2], enum ending ending)
{
	uint8_t record[256];
	struct err e;
	size_t done;
	ssize_t n;

	if (tls_send(end[CLIENT].tls, "secret", 6, &done, &e) < 0)
		exit(1);
	n = recv(end[SERVER].fd, record, sizeof record, MSG_DONTWAIT);
	if (n < 6)
		exit(1);
	if (ending == CUT)
		n--;
	else
		record[n - 1] ^= 1;
	if (write(end[CLIENT].fd, record, (size_t)n) != n)
		exit(1);
}

/* GnuTLS reports the end within a record with its second call. */
static int recv_end(struct end *end, size_t *done, bool *eof, struct err *e)
{
	char buf[64];

	if (tls_recv(end->tls, buf, sizeof buf, done, eof, e) < 0)
		return -1;
	return *done || *eof
		       ? 0
		       : tls_recv(end->tls, buf, sizeof buf, done, eof, e);
}

static void test_ending(size_t row, const char *mode, bool bulk)
{
	struct end end[2];
	struct err e = { 0 };
	char in[64];
	size_t done;
	bool eof = false;
	int ret;

	connect_pair(end, mode);
	if (bulk && tls_bulk(end[SERVER].tls, TLS_READ, &e) < 0)
		exit(1);
	if (tls_send(end[CLIENT].tls, "hello", 5, &done, &e) < 0)
		exit(1);
	/* Bytes that arrived before come first, and alone. */
	if (tls_recv(end[SERVER].tls, in, sizeof in, &done, &eof, &e) < 0 ||
	    done != 5)
		exit(1);
	if (endings[row].ending == CUT || endings[row].ending == FORGED)
		tamper(end, endings[row].ending);
	if (endings[row].ending == CLOSE_NOTIFY)
		tls_alert(end[CLIENT].tls, RECORD_CLOSE_NOTIFY);
	if (endings[row].ending == ABORT)
		tls_alert(end[CLIENT].tls, RECORD_INTERNAL_ERROR);
	shutdown(end[CLIENT].fd, SHUT_WR);

	for (int again = 0; again < 2; again++) {
		e = (struct err){ 0 };
		ret = recv_end(&end[SERVER], &done, &eof, &e);
		if (!ok(done == 0 && eof == !endings[row].why &&
				ret == (endings[row].why ? -1 : 0) &&
				(!endings[row].why ||
				 (e.kind == ERR_NET &&
				  strstr(e.msg, endings[row].why))),
			"%s: %s%s", mode, endings[row].name,
			again ? ", asked again" : ""))
			printf("#   %d, end %d (%s)\n", ret, eof, e.msg);
	}
	pair_fini(end);
}

/* Bytes before an end are returned before it, in one call or in more. */
static void test_data_then_end(enum record_alert alert)
{
	struct end end[2];
	struct err e = { 0 };
	char in[64];
	size_t done;
	bool eof = true;

	connect_pair(end, "tls13-aes128-gcm");
	if (tls_bulk(end[SERVER].tls, TLS_READ, &e) < 0 ||
	    tls_send(end[CLIENT].tls, "hello", 5, &done, &e) < 0)
		exit(1);
	tls_alert(end[CLIENT].tls, alert);
	ok(tls_recv(end[SERVER].tls, in, sizeof in, &done, &eof, &e) == 0 &&
		   done == 5 && !eof,
	   "data comes before %s", record_alert_name((uint8_t)alert));
	ok(tls_recv(end[SERVER].tls, in, sizeof in, &done, &eof, &e) ==
			   (alert ? -1 : 0) &&
		   eof == !alert,
	   "and then comes %s", record_alert_name((uint8_t)alert));
	pair_fini(end);
}

static void test_environment(void)
{
	ok(!getenv("SSLKEYLOGFILE") && !getenv("GNUTLS_SYSTEM_PRIORITY_FILE"),
	   "what would make GnuTLS log secrets is gone");
}

static void test_mode_lists(void)
{
	struct mode_list list = { 0 };
	struct err e = { 0 };
	bool all_13 = true;

	priority_default_modes(&list, CREDENTIAL_PSK);
	for (size_t i = 0; i < list.count; i++)
		all_13 &= list.modes[i]->version == MODE_TLS13;
	ok(list.count >= 2 && all_13, "by default only TLS 1.3 is offered");
	is_int(tls_check_modes(&list, CREDENTIAL_PSK, &e), 0,
	       "all of which can be had");
	is_int(list.modes[0]->cipher == MODE_CHACHA20_POLY1305,
	       !mode_cpu_has_aes(), "ChaCha20 first where AES is slow");
	priority_default_modes(&list, CREDENTIAL_X509);
	ok(list.count == 3 && tls_check_modes(&list, CREDENTIAL_X509, &e) == 0,
	   "with certificates that is all of TLS 1.3");
	list.count = 0;
	for (size_t i = 0; i < MODE_COUNT; i++)
		if (!priority_mode_usable(&mode_table[i], CREDENTIAL_PSK))
			mode_add(&list, &mode_table[i]);
	if (list.count)
		ok(tls_check_modes(&list, CREDENTIAL_PSK, &e) == -1 &&
			   e.kind == ERR_USAGE &&
			   strstr(e.msg, list.modes[0]->name),
		   "a mode that cannot be had is refused by name");
	else
		tap_skip("a mode that cannot be had", "GnuTLS can do all");
}

int main(void)
{
	struct err e = { 0 };

	signal(SIGPIPE, SIG_IGN);
	alarm(900); /* under an emulator, on a busy machine */
	log_set_level(LOG_QUIET);
	setenv("SSLKEYLOGFILE", "/dev/null", 1);
	setenv("GNUTLS_SYSTEM_PRIORITY_FILE", "/dev/null", 1);
	if (tls_global_init(&e) < 0)
		return 1;
	test_environment();
	test_mode_lists();
	test_modes();
	test_names();
	test_choices();
	test_failures();
	test_two_at_once();
	test_strangers();
	for (size_t i = 0; i < array_len(sizes); i++) {
		test_traffic(i, CLIENT);
		test_traffic(i, SERVER);
		test_bulk(sizes[i].mode, 4 << 20, 300000);
	}
	test_bulk("tls13-aes128-gcm", 3 * RECORD_MAX, RECORD_MAX);
	test_bulk("tls13-aes128-gcm", RECORD_MAX + 1, RECORD_MAX + 1);
	test_bulk("tls13-aes128-gcm", 5000, 1);
	test_back_pressure();
	for (size_t i = 0; i < array_len(endings); i++) {
		test_ending(i, "tls13-aes128-gcm", false);
		test_ending(i, "tls12-aes128-gcm", true);
	}
	test_data_then_end(RECORD_CLOSE_NOTIFY);
	test_data_then_end(RECORD_INTERNAL_ERROR);
	return tap_end();
}
