// SPDX-License-Identifier: GPL-2.0-or-later
/* tls: handshakes of two ends in one process. */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <signal.h>

#include "base/log.h"
#include "pair.h"
#include "tap.h"
#include "tls/mode.h"
#include "tls/tls.h"
#include "wrap.h"

/* Does the socket take few bytes, and none each second time? */
static bool is_full;

WRAP64(sendmsg, __sendmsg64, sendmsg);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	static unsigned int calls;
	struct iovec part = *msg->msg_iov;
	const struct msghdr few = { .msg_iov = &part, .msg_iovlen = 1 };

	if (!is_full)
		return __real_sendmsg(fd, msg, flags);
	if (++calls % 2) {
		errno = EAGAIN;
		return -1;
	}
	if (part.iov_len > 200)
		part.iov_len = 200;
	return __real_sendmsg(fd, &few, flags);
}

static const struct pair_setup same_all = {
	.modes = { "tls13-aes128-gcm", "tls13-aes128-gcm" },
};

static const struct mode *agreed_mode(struct end *end)
{
	autowipe_agreed struct tls_agreed agreed = { 0 };

	if (tls_finish(end->tls, &agreed, &end->e) < 0)
		bail();
	return agreed.mode;
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
		bail();
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

/* Is a test skipped, as GnuTLS cannot bind a PSK to SHA-384? */
static bool lacks_sha384(const struct pair_setup *s)
{
	if (credential_psk_kinds() & CREDENTIAL_SHA384 ||
	    !(strstr(s->modes[CLIENT], "tls13-aes256-gcm") ||
	      strstr(s->modes[SERVER], "tls13-aes256-gcm")))
		return false;
	tap_skip(s->name ? s->name : s->modes[CLIENT], "needs GnuTLS 3.8.11");
	return true;
}

static void test_modes(void)
{
	for (size_t i = 0; i < MODE_COUNT; i++) {
		const struct mode *mode = &mode_table[i];
		struct pair_setup s = { .modes = { mode->name, mode->name } };
		struct end end[2] = { 0 };

		if (lacks_sha384(&s))
			continue;
		pair_init(end, &s);
		ok(handshake(end) && agreed_mode(&end[CLIENT]) == mode &&
			   agreed_mode(&end[SERVER]) == mode,
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
	/* A server takes a key with either hash. */
	{ { "tls13-aes256-gcm", "tls13-aes128-gcm,tls13-aes256-gcm" },
	  "tls13-aes256-gcm" },
	{ { "tls13-aes128-gcm", "tls13-aes256-gcm,tls13-aes128-gcm" },
	  "tls13-aes128-gcm" },
	{ { "tls12-aes128-gcm,tls13-aes256-gcm",
	    "tls13-aes128-gcm,tls13-aes256-gcm" },
	  "tls13-aes256-gcm" },
	{ { "tls12-aes128-gcm,tls13-aes256-gcm", "tls12-aes128-gcm" },
	  "tls12-aes128-gcm" },
};

static void test_choices(void)
{
	for (size_t i = 0; i < array_len(choices); i++) {
		struct pair_setup s = { .modes = { choices[i].modes[0],
						   choices[i].modes[1] } };
		struct end end[2] = { 0 };

		if (lacks_sha384(&s))
			continue;
		pair_init(end, &s);
		if (handshake(end))
			is_str(agreed_mode(&end[SERVER])->name, choices[i].mode,
			       "%s meets %s", s.modes[0], s.modes[1]);
		else if (!ok(false, "%s meets %s", s.modes[0], s.modes[1]))
			printf("#   %s\n#   %s\n", end[0].e.msg, end[1].e.msg);
		pair_fini(end);
	}
}

static const struct {
	struct pair_setup setup;
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
	{ { "another key, SHA-384",
	    { "tls13-aes256-gcm", "tls13-aes256-gcm" },
	    { NULL, NULL },
	    { 0, 1 } },
	  { "lacks GnuTLS 3.8.11", "another key" } },
	{ { "another hash",
	    { "tls13-aes256-gcm", "tls13-aes128-gcm" },
	    { NULL, NULL },
	    { 0, 0 } },
	  { "no common mode", "no common mode" } },
	{ { "another hash of the server",
	    { "tls13-aes128-gcm", "tls13-aes256-gcm" },
	    { NULL, NULL },
	    { 0, 0 } },
	  { "no common mode", "no common mode" } },
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
		struct end end[2] = { 0 };

		if (lacks_sha384(&failures[i].setup))
			continue;
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

/* What the socket does not take at once is neither lost nor sent twice. */
static void test_full_socket(void)
{
	for (size_t i = 0; i < MODE_COUNT; i++) {
		struct pair_setup s = { .modes = { mode_table[i].name,
						   mode_table[i].name } };
		struct end end[2] = { 0 };
		enum tls_want want;

		if (lacks_sha384(&s))
			continue;
		pair_init(end, &s);
		is_full = true;
		ok(tls_handshake(end[CLIENT].tls, &want, &end[CLIENT].e) == 0 &&
			   want == TLS_WANT_WRITE,
		   "%s: a handshake waits for a full socket", s.modes[0]);
		if (!ok(handshake(end), "and goes on"))
			printf("#   %s\n#   %s\n", end[0].e.msg, end[1].e.msg);
		is_full = false;
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
		bail();
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
		bail();
}

/* In TLS 1.2 the key is verified long after the identity has come. */
static void test_two_at_once(void)
{
	const struct pair_setup alice = {
		.modes = { "tls12-aes128-gcm", "tls12-aes128-gcm" },
		.identity = { "alice", "alice" },
		.key = { 1, 0 },
	};
	struct pair_setup mallory = alice;
	struct end end[2] = { 0 }, other[2] = { 0 };
	int wire[2]; /* the connection: the client's end, the rest */

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, wire) < 0)
		bail();
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
		struct end end[2] = { 0 };

		pair_init(end, &same_all);
		if (write(end[CLIENT].fd, rows[i].text, strlen(rows[i].text)) <
		    0)
			bail();
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

	mode_defaults(&list, CREDENTIAL_PSK);
	for (size_t i = 0; i < list.count; i++)
		all_13 &= list.modes[i]->version == MODE_TLS13;
	ok(list.count >= 2 && all_13, "by default only TLS 1.3 is offered");
	is_int(tls_check_modes(&list, CREDENTIAL_PSK, &e), 0,
	       "all of which can be had");
	is_int(list.modes[0]->cipher == MODE_CHACHA20_POLY1305,
	       !mode_cpu_has_aes(), "ChaCha20 first where AES is slow");
	mode_defaults(&list, CREDENTIAL_X509);
	ok(list.count == 3 && tls_check_modes(&list, CREDENTIAL_X509, &e) == 0,
	   "with certificates that is all of TLS 1.3");
	list.count = 0;
	mode_add(&list, mode_find(MODE_TLS13, MODE_AES256_GCM));
	ok(tls_check_modes(&list, CREDENTIAL_PSK, &e) == -1 &&
		   e.kind == ERR_USAGE && strstr(e.msg, list.modes[0]->name),
	   "a mode that cannot be had is refused by name");
	is_int(tls_check_modes(&list, credential_psk_kinds(), &e),
	       GNUTLS_VERSION_NUMBER < 0x03080b ? -1 : 0,
	       "but not where GnuTLS can bind a key to SHA-384");
}

int main(void)
{
	struct err e = { 0 };

	signal(SIGPIPE, SIG_IGN);
	alarm(900); /* under an emulator, on a busy machine */
	log_set_level(LOG_QUIET);
	setenv("SSLKEYLOGFILE", "/dev/null", 1);
	setenv("GNUTLS_SYSTEM_PRIORITY_FILE", "/dev/null", 1);
	tls_clean_environment();
	if (tls_global_init(&e) < 0)
		return 1;
	test_environment();
	test_mode_lists();
	test_modes();
	test_full_socket();
	test_names();
	test_choices();
	test_failures();
	test_two_at_once();
	test_strangers();
	return tap_end();
}
