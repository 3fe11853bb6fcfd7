// SPDX-License-Identifier: GPL-2.0-or-later
/* pass: a connection goes on in another process, as itself. */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/rights.h"
#include "conn/pass.h"
#include "loopback.h"
#include "pair.h"
#include "tap.h"

static struct err e;

static bool gets(struct record_layer *rl, const char *text)
{
	struct record_layer_io io;
	char in[64];

	return record_layer_recv(rl, in, sizeof in, &io, &e) == 0 &&
	       io.bytes == strlen(text) && !memcmp(in, text, io.bytes);
}

static void put(struct record_layer *rl, const char *text)
{
	bool taken;

	if (record_layer_put(rl, text, strlen(text), &taken, &e) < 0 || !taken)
		bail();
}

static struct peer peer_of(struct end *end)
{
	struct peer peer = {
		.socket = { .fd = end->fd, .attached = true },
		.hello = { .connection = 7, .offset = 1234567890123 },
		.name = "192.0.2.1:1234",
		.reconnects = true,
	};

	peer.layer = record_layer_new(end->tls, end->fd, &e);
	if (!peer.layer)
		bail();
	memset(peer.hello.stream, 5, sizeof peer.hello.stream);
	return peer;
}

static void test_pass(const char *mode)
{
	struct end end[2] = { 0 };
	struct peer peer, taken = { 0 };
	struct record_layer *client;
	struct pass_news *news;
	int over[2];
	bool ended;

	connect_pair(end, mode);
	client = record_layer_new(end[CLIENT].tls, end[CLIENT].fd, &e);
	peer = peer_of(&end[SERVER]);
	put(client, "HELLO");
	if (!client || pass_open(over, &news) < 0 || !gets(peer.layer, "HELLO"))
		bail();
	ok(!pass_recv(over[1], news, &taken, &ended) && !ended,
	   "%s: nothing was passed yet", mode);
	is_int(pass_send(over[0], &peer), 0, "%s: it is passed", mode);
	record_layer_free(peer.layer);
	close(end[SERVER].fd);
	end[SERVER].fd = -1;
	put(client, "bulk");
	ok(pass_recv(over[1], news, &taken, &ended), "%s: and taken", mode);
	ok(!memcmp(&taken.hello, &peer.hello, sizeof peer.hello) &&
		   !strcmp(taken.name, peer.name) && taken.reconnects &&
		   taken.socket.attached,
	   "%s: with HELLO and all that is known", mode);
	ok(gets(taken.layer, "bulk"), "%s: it reads on", mode);
	put(taken.layer, "WELCOME");
	ok(gets(client, "WELCOME"), "%s: and answers", mode);
	close(over[0]);
	ok(!pass_recv(over[1], news, &taken, &ended) && ended,
	   "%s: the other process is gone", mode);
	record_layer_free(taken.layer);
	record_layer_free(client);
	close(taken.socket.fd);
	close(over[1]);
	pass_news_free(news);
	pair_fini(end);
}

/* Nobody takes them: the listener must not wait. */
static void test_full(void)
{
	struct end end[2] = { 0 };
	struct pass_news *news;
	struct peer peer;
	int over[2], count = 0;

	connect_pair(end, "tls13-aes128-gcm");
	peer = peer_of(&end[SERVER]);
	if (pass_open(over, &news) < 0)
		bail();
	while (count < 1000 && pass_send(over[0], &peer) == 0)
		count++;
	ok(count >= 8 && count < 1000 && errno == EAGAIN,
	   "a few connections wait for a stream (%d), and no more", count);
	close(over[1]);
	ok(pass_send(over[0], &peer) < 0 &&
		   (errno == EPIPE || errno == ECONNRESET),
	   "a process that has ended gets none");
	record_layer_free(peer.layer);
	close(over[0]);
	pass_news_free(news);
	pair_fini(end);
}

static void test_tell(void)
{
	struct pass_news *news, heard;
	int over[2];

	if (pass_open(over, &news) < 0)
		bail();
	heard = pass_hear(news);
	ok(!pass_alone_since(&heard), "a stream begins with a connection");
	pass_tell_connected(news, false);
	heard = pass_hear(news);
	ok(pass_alone_since(&heard) <= clock_now_ms() &&
		   pass_alone_since(&heard) + 1000 > clock_now_ms(),
	   "when it lost the connection is told");
	pass_tell_connected(news, true);
	pass_tell_restart(news, true);
	pass_tell_restart(news, false);
	pass_tell_restart(news, false);
	heard = pass_hear(news);
	ok(!pass_alone_since(&heard) && heard.restarted == 1 &&
		   heard.refused == 2,
	   "and that it has one, and how often it was restarted");
	/* From a process that was taken over */
	news->alone_ds = UINT32_MAX;
	heard = pass_hear(news);
	ok(pass_alone_since(&heard) <= clock_now_ms(),
	   "nothing is lost in the future");
	pass_news_free(news);
	close(over[0]);
	close(over[1]);
}

/* The kernel would close it for the listener, which may last for ever. */
static void test_one_way(void)
{
	struct pass_news *news;
	int over[2];

	if (pass_open(over, &news) < 0)
		bail();
	ok(rights_send(over[1], "", 1, over, 1, 0) < 0 && errno == EPIPE,
	   "a stream's process can pass no descriptor back");
	pass_news_free(news);
	close(over[0]);
	close(over[1]);
}

/* The stream's process has made the socket linger, and closed it. */
static void test_release(void)
{
	struct peer peer = { .name = "" };
	uint64_t began;
	int reader;

	if (pass_prepare(&e) < 0)
		bail();
	peer.socket.fd = loopback_lingering(&reader);
	began = clock_now_ms();
	pass_release(&peer);
	ok(clock_now_ms() - began < 5000,
	   "a connection that lingers is closed soon");
	close(reader);
}

/* No descriptor is free for a connection that was passed. */
static void test_dropped(bool restarts)
{
	struct peer peer, taken = { 0 };
	struct rlimit before, none;
	struct end end[2] = { 0 };
	struct pass_news *news;
	int over[2];
	bool ended;

	connect_pair(end, "none");
	peer = peer_of(&end[SERVER]);
	peer.restarts = restarts;
	if (pass_open(over, &news) < 0 || pass_send(over[0], &peer) < 0 ||
	    getrlimit(RLIMIT_NOFILE, &before) < 0)
		bail();
	none = (struct rlimit){ 0, before.rlim_max };
	setrlimit(RLIMIT_NOFILE, &none);
	ok(!pass_recv(over[1], news, &taken, &ended) && !ended,
	   "a connection is dropped");
	setrlimit(RLIMIT_NOFILE, &before);
	is_int(pass_hear(news).refused, restarts, "the listener is %s",
	       restarts ? "told" : "not told");
	/* A message that brings no descriptor, and one that does */
	if (send(over[0], "", 1, 0) < 0 || pass_send(over[0], &peer) < 0)
		bail();
	ok(pass_recv(over[1], news, &taken, &ended) && taken.layer,
	   "the connection behind a dropped one is taken");
	record_layer_free(taken.layer);
	close(taken.socket.fd);
	record_layer_free(peer.layer);
	close(over[0]);
	close(over[1]);
	pass_news_free(news);
	pair_fini(end);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	alarm(120);
	log_set_level(LOG_QUIET);
	if (tls_global_init(&e) < 0)
		return 1;
	test_pass("tls13-aes128-gcm");
	test_pass("tls12-aes256-gcm");
	test_pass("none");
	test_full();
	/* valgrind gives a descriptor beyond the limit, and lets no signal
	 * interrupt close(2). */
	if (!getenv("BKP_UNDER") || strcmp(getenv("BKP_UNDER"), "valgrind")) {
		test_dropped(false);
		test_dropped(true);
		test_release();
	}
	test_tell();
	test_one_way();
	return tap_end();
}
