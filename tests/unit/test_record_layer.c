// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * record_layer: records in user space.  Data arrives unchanged and nothing else
 * passes for data; keys change when they must; the end is the peer's word.
 */
#include <errno.h>
#include <signal.h>

#include "base/log.h"
#include "pair.h"
#include "tap.h"
#include "tls/aead.h"
#include "tls/record_layer.h"
#include "tls/key_schedule.h"

/* Two record layers, after a handshake. */
struct line {
	struct end end[2];
	struct record_layer *rl[2];
	int fd[2];
};

static struct err e;
static uint8_t in[1 << 20];

static void line_open(struct line *l, const char *mode, bool raw)
{
	*l = (struct line){ .end = { { .raw = raw }, { .raw = raw } } };
	connect_pair(l->end, mode);
	for (int side = 0; side < 2; side++) {
		l->fd[side] = l->end[side].fd;
		l->rl[side] =
			record_layer_new(l->end[side].tls, l->fd[side], &e);
		if (!l->rl[side])
			bail();
	}
	e = (struct err){ 0 };
}

static void line_close(struct line *l)
{
	record_layer_free(l->rl[CLIENT]);
	record_layer_free(l->rl[SERVER]);
	pair_fini(l->end);
}

static void put(struct record_layer *rl, const char *text)
{
	bool taken;

	if (record_layer_put(rl, text, strlen(text), &taken, &e) < 0 || !taken)
		bail();
}

/* Is this text what arrives next? */
static bool gets(struct record_layer *rl, const char *text)
{
	struct record_layer_io io;

	return record_layer_recv(rl, in, sizeof in, &io, &e) == 0 &&
	       !io.closed && io.bytes == strlen(text) &&
	       !memcmp(in, text, io.bytes);
}

/* Is this error what comes next, and ever after? */
static bool fails(struct record_layer *rl, enum err_kind kind, const char *why)
{
	struct record_layer_io io;

	for (int i = 0; i < 2; i++) {
		e = (struct err){ 0 };
		if (record_layer_recv(rl, in, sizeof in, &io, &e) == 0 ||
		    e.kind != kind || !strstr(e.msg, why)) {
			printf("# kind %d: %s\n", (int)e.kind, e.msg);
			return false;
		}
	}
	return true;
}

static bool ends(struct record_layer *rl)
{
	struct record_layer_io io;

	return record_layer_recv(rl, in, sizeof in, &io, &e) == 0 && io.closed;
}

/* ---- another maker of records in the place of one end, with its keys */

struct maker {
	int fd;
	const struct mode *mode;
	struct traffic tx, rx;
	struct aead *out, *in;
};

static struct aead *maker_aead(const struct maker *m, const struct traffic *t)
{
	struct aead *a = aead_new(m->mode, t, &e);

	if (!a)
		bail();
	return a;
}

static struct maker maker_of(const struct line *l, int side)
{
	struct maker m = { .fd = l->fd[side] };
	struct tls_agreed v;

	record_layer_give(l->rl[side], &v);
	m.mode = v.mode;
	m.tx = v.keys[RECORD_TX];
	m.rx = v.keys[RECORD_RX];
	m.out = maker_aead(&m, &m.tx);
	m.in = maker_aead(&m, &m.rx);
	return m;
}

static void maker_fini(struct maker *m)
{
	aead_free(m->out);
	aead_free(m->in);
}

static void make(struct maker *m, uint8_t type, const void *body, size_t len)
{
	uint8_t copy[RECORD_MAX + 1], out[RECORD_MAX + RECORD_OVERHEAD];
	size_t size;

	memcpy(copy, body, len);
	if (aead_encrypt(m->out, type, copy, len, out, &size, &e) < 0 ||
	    send(m->fd, out, size, 0) != (ssize_t)size)
		bail();
}

static void make_text(struct maker *m, const char *text)
{
	make(m, RECORD_DATA, text, strlen(text));
}

static void next_keys(struct maker *m, struct traffic *t, struct aead **a)
{
	aead_free(*a);
	if (key_schedule_next(m->mode, t, &e) < 0)
		bail();
	*a = maker_aead(m, t);
}

static void make_key_update(struct maker *m, uint8_t asks)
{
	const uint8_t message[] = { 24, 0, 0, 1, asks };

	make(m, RECORD_HANDSHAKE, message, sizeof message);
	next_keys(m, &m->tx, &m->out);
}

/* Read one record; returns its type, and the plaintext in in. */
static uint8_t take(struct maker *m, size_t *len)
{
	uint8_t record[RECORD_HEADER_BYTES + AEAD_BODY_MAX], type = 0;
	size_t body;

	if (recv(m->fd, record, RECORD_HEADER_BYTES, MSG_DONTWAIT) !=
	    RECORD_HEADER_BYTES)
		return 0;
	body = record_body_bytes(record);
	if (recv(m->fd, record + RECORD_HEADER_BYTES, body, MSG_DONTWAIT) !=
		    (ssize_t)body ||
	    aead_decrypt(m->in, record, &type, in, len) < 0)
		return 0;
	return type;
}

static bool takes_text(struct maker *m, const char *text)
{
	size_t len = 0;

	return take(m, &len) == RECORD_DATA && len == strlen(text) &&
	       !memcmp(in, text, len);
}

/* ---- keys */

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

static void keys_of(const struct record_layer *rl, struct traffic *tx,
		    struct traffic *rx)
{
	struct tls_agreed v;

	record_layer_give(rl, &v);
	*tx = v.keys[RECORD_TX];
	*rx = v.keys[RECORD_RX];
}

static void test_keys(size_t row, int from)
{
	const char *mode = sizes[row].mode;
	struct traffic out, to, back, last;
	struct line l;

	line_open(&l, mode, false);
	keys_of(l.rl[from], &out, &back);
	keys_of(l.rl[!from], &last, &to);
	ok(out.key_len == sizes[row].key_len && out.iv_len == sizes[row].iv_len,
	   "%s: a key of %zu and an IV of %zu bytes", mode, out.key_len,
	   out.iv_len);
	ok(same_traffic(&out, &to), "%s: the same at both ends", mode);
	ok(!same_traffic(&out, &back), "%s: others for each way", mode);
	ok(!out.secret_len, "%s: no secret of them is kept", mode);
	is_int(out.seq[7], sizes[row].seq, "%s: the next record's number",
	       mode);
	for (int i = 0; i < 3; i++) {
		put(l.rl[from], "data");
		if (!gets(l.rl[!from], "data"))
			bail();
	}
	keys_of(l.rl[from], &out, &back);
	keys_of(l.rl[!from], &last, &to);
	ok(same_traffic(&out, &to) && out.seq[7] == sizes[row].seq + 3,
	   "%s: which counts records", mode);
	line_close(&l);
}

/* As if another process went on: the record layer is made anew of its value. */
static void test_value(const char *mode)
{
	struct tls_agreed v;
	struct record_layer *again;
	struct line l;

	line_open(&l, mode, true);
	put(l.rl[CLIENT], "HELLO");
	if (!gets(l.rl[SERVER], "HELLO"))
		bail();
	put(l.rl[CLIENT], "bulk");
	record_layer_give(l.rl[SERVER], &v);
	again = record_layer_take(&v, l.fd[SERVER], &e);
	ok(again && gets(again, "bulk"), "%s: another process reads on", mode);
	put(again, "WELCOME");
	ok(gets(l.rl[CLIENT], "WELCOME"), "%s: and answers", mode);
	ok(!strcmp(record_layer_agreed(again)->name,
		   record_layer_agreed(l.rl[SERVER])->name) &&
		   record_layer_agreed(again)->mode ==
			   record_layer_agreed(l.rl[SERVER])->mode,
	   "%s: for the same peer", mode);
	record_layer_free(again);
	line_close(&l);
}

/* ---- bulk */

static uint8_t byte_at(size_t offset)
{
	return (uint8_t)(offset * 0x9e3779b97f4a7c15 >> 56);
}

static void keep(struct line *l)
{
	if (record_layer_keep(l->rl[CLIENT], RECORD_TX, true, &e) < 0 ||
	    record_layer_keep(l->rl[SERVER], RECORD_RX, true, &e) < 0)
		bail();
}

/* From client to server, len bytes at a time, read by up to most bytes. */
static void test_bulk(const char *mode, size_t total, size_t len, size_t most)
{
	static uint8_t out[300001];
	size_t sent = 0, got = 0, wrong = 0, done, stuck = 0;
	struct record_layer_io io;
	struct line l;

	line_open(&l, mode, false);
	keep(&l);
	while (got < total && stuck < 100) {
		size_t n = total - sent < len ? total - sent : len;

		for (size_t i = 0; i < n; i++)
			out[i] = byte_at(sent + i);
		if (record_layer_send(l.rl[CLIENT], out, n, &done, &e) < 0)
			break;
		sent += done;
		if (record_layer_recv(l.rl[SERVER], in, most, &io, &e) < 0 ||
		    io.closed)
			break;
		for (size_t i = 0; i < io.bytes; i++)
			wrong += in[i] != byte_at(got++);
		stuck = io.bytes ? 0 : stuck + 1;
	}
	is_int(got, total, "%s: %zu bytes by %zu arrive", mode, total, len);
	is_int(wrong, 0, "%s: unchanged", mode);
	record_layer_last_alert(l.rl[CLIENT], RECORD_CLOSE_NOTIFY);
	ok(!record_layer_pending(l.rl[CLIENT]) && ends(l.rl[SERVER]),
	   "%s: and then close_notify is the end", mode);
	line_close(&l);
}

/* A sender whose peer does not read. */
static void test_back_pressure(const char *mode)
{
	static uint8_t data[(1 << 20) + 1];
	size_t sent = 0, got = 0, done;
	struct record_layer_io io;
	bool empty = true, said = false;
	struct line l;

	line_open(&l, mode, false);
	keep(&l);
	do {
		if (record_layer_send(l.rl[CLIENT], data, 1 << 20, &done, &e) <
		    0)
			bail();
		sent += done;
	} while (done && sent < 100 << 20);
	is_int(done, 0, "%s: a full buffer takes no more", mode);
	ok(record_layer_pending(l.rl[CLIENT]), "%s: it has something to flush",
	   mode);
	ok(record_layer_put_alert(l.rl[CLIENT], RECORD_CLOSE_NOTIFY, &said,
				  &e) == 0 &&
		   said,
	   "%s: an alert has room behind it", mode);
	for (int i = 0; i < 1000 && (got < sent || !empty); i++) {
		if (record_layer_recv(l.rl[SERVER], in, sizeof in, &io, &e) <
			    0 ||
		    record_layer_flush(l.rl[CLIENT], &empty, &e) < 0)
			bail();
		got += io.bytes;
	}
	ok(got == sent && empty && ends(l.rl[SERVER]),
	   "%s: nothing of it is lost once the peer reads", mode);
	line_close(&l);
}

/* Before the keys go elsewhere, nothing behind a record may be read. */
static void test_exact(void)
{
	struct record_layer_io io;
	ssize_t left;
	struct line l;

	line_open(&l, "tls13-aes128-gcm", false);
	put(l.rl[CLIENT], "first");
	put(l.rl[CLIENT], "second");
	ok(record_layer_recv(l.rl[SERVER], in, 3, &io, &e) == 0 &&
		   io.bytes == 3 && record_layer_pending_read(l.rl[SERVER]),
	   "a part of a record is handed out");
	ok(record_layer_recv(l.rl[SERVER], in, 3, &io, &e) == 0 &&
		   io.bytes == 2 && !record_layer_pending_read(l.rl[SERVER]),
	   "and then the rest");
	left = recv(l.fd[SERVER], in, sizeof in, MSG_PEEK | MSG_DONTWAIT);
	is_int(left, 6 + 5 + 17, "the record behind it is not read");
	line_close(&l);
}

/* ---- ends */

enum ending { CLOSE_NOTIFY, FIN, ABORT, CUT, FORGED };

static const struct {
	const char *name;
	enum ending ending;
	const char *why; /* NULL: the end */
	bool lost;
} endings[] = {
	{ "close_notify", CLOSE_NOTIFY, NULL, false },
	{ "a connection that just closes", FIN, "without close_notify", true },
	{ "a fatal alert", ABORT, "gave up (alert internal_error)", false },
	{ "a cut record", CUT, "without close_notify", true },
	{ "a forged record", FORGED, "record authentication failed", true },
};

/* Take the record from the way to the server and change it. */
static void tamper(struct line *l, enum ending ending)
{
	uint8_t record[256];
	ssize_t n;

	put(l->rl[CLIENT], "secret");
	n = recv(l->fd[SERVER], record, sizeof record, MSG_DONTWAIT);
	if (n < 6)
		bail();
	if (ending == CUT)
		n--;
	else
		record[n - 1] ^= 1;
	if (write(l->fd[CLIENT], record, (size_t)n) != n)
		bail();
}

static void test_ending(size_t row, const char *mode, bool ahead)
{
	enum ending ending = endings[row].ending;
	struct line l;

	line_open(&l, mode, false);
	if (ahead)
		keep(&l);
	put(l.rl[CLIENT], "hello");
	if (!ahead && !gets(l.rl[SERVER], "hello"))
		bail();
	if (!ahead && (ending == CUT || ending == FORGED))
		tamper(&l, ending);
	if (ending == CLOSE_NOTIFY)
		record_layer_last_alert(l.rl[CLIENT], RECORD_CLOSE_NOTIFY);
	if (ending == ABORT)
		record_layer_last_alert(l.rl[CLIENT], RECORD_INTERNAL_ERROR);
	shutdown(l.fd[CLIENT], SHUT_WR);
	if (ahead)
		ok(gets(l.rl[SERVER], "hello"), "%s: data comes before %s",
		   mode, endings[row].name);
	if (ahead && (ending == CUT || ending == FORGED))
		ok(fails(l.rl[SERVER], ERR_NET, "without close_notify"),
		   "%s: FIN is no end", mode);
	else if (endings[row].why)
		ok(fails(l.rl[SERVER], ERR_NET, endings[row].why), "%s: %s",
		   mode, endings[row].name);
	else
		ok(ends(l.rl[SERVER]), "%s: %s", mode, endings[row].name);
	if (!ahead)
		is_int(record_layer_lost(l.rl[SERVER]), endings[row].lost,
		       "%s: %s: is the connection lost?", mode,
		       endings[row].name);
	line_close(&l);
}

static void test_data_after_end(const char *mode)
{
	struct line l;

	line_open(&l, mode, false);
	record_layer_last_alert(l.rl[CLIENT], RECORD_CLOSE_NOTIFY);
	put(l.rl[CLIENT], "late");
	ok(ends(l.rl[SERVER]) &&
		   fails(l.rl[SERVER], ERR_STREAM, "after close_notify") &&
		   !record_layer_lost(l.rl[SERVER]),
	   "%s: data after close_notify is a violation", mode);
	line_close(&l);
	line_open(&l, mode, false);
	record_layer_last_alert(l.rl[CLIENT], RECORD_INTERNAL_ERROR);
	put(l.rl[CLIENT], "late");
	ok(fails(l.rl[SERVER], ERR_NET, "internal_error"),
	   "%s: data after another alert is not read", mode);
	line_close(&l);
}

static void test_outcome_waits(bool kernel)
{
	struct line l;
	uint8_t buf[8] = "data";
	size_t done;
	int ret, p[2];

	line_open(&l, "tls13-aes128-gcm", false);
	if (record_layer_keep(l.rl[CLIENT], RECORD_TX, true, &e) < 0)
		bail();
	put(l.rl[SERVER], "outcome");
	close(l.end[SERVER].fd);
	l.end[SERVER].fd = -1;
	if (pipe(p) < 0 || write(p[1], buf, 4) != 4)
		bail();
	ret = kernel ? record_layer_splice_from(l.rl[CLIENT], p[0], 4, &done,
						&e)
		     : record_layer_send(l.rl[CLIENT], buf, 4, &done, &e);
	ok(ret < 0 && gets(l.rl[CLIENT], "outcome"),
	   "%s: what waits is read after a send failed (%s)",
	   kernel ? "kernel" : "user", e.msg);
	close(p[0]);
	close(p[1]);
	line_close(&l);
}

static void test_alerts(void)
{
	struct line l;

	line_open(&l, "tls13-aes128-gcm", true);
	record_layer_last_alert(l.rl[SERVER], RECORD_UNKNOWN_CA);
	ok(fails(l.rl[CLIENT], ERR_AUTH, "refused our certificate"),
	   "a certificate may be refused after the client's handshake");
	line_close(&l);
	line_open(&l, "tls13-aes128-gcm", false);
	record_layer_last_alert(l.rl[SERVER], RECORD_USER_CANCELED);
	ok(fails(l.rl[CLIENT], ERR_NET, "user_canceled") &&
		   record_layer_alert(l.rl[CLIENT]) == RECORD_USER_CANCELED,
	   "user_canceled means to try again later");
	line_close(&l);
	line_open(&l, "tls12-aes128-gcm", false);
	record_layer_last_alert(l.rl[SERVER], RECORD_BAD_RECORD_MAC);
	ok(fails(l.rl[CLIENT], ERR_NET, "bad_record_mac") &&
		   record_layer_lost(l.rl[CLIENT]),
	   "bad_record_mac means that the connection is lost");
	line_close(&l);
}

/* ---- records besides data */

static void test_key_update(const char *mode)
{
	struct maker m;
	size_t len = 0;
	struct line l;

	line_open(&l, mode, true);
	m = maker_of(&l, CLIENT);
	keep(&l);
	make_text(&m, "one");
	make_key_update(&m, 0);
	make_text(&m, "two");
	ok(gets(l.rl[SERVER], "one") && gets(l.rl[SERVER], "two"),
	   "%s: a KeyUpdate is followed", mode);
	put(l.rl[SERVER], "plain");
	ok(takes_text(&m, "plain"), "%s: it asks for none", mode);
	make_key_update(&m, 1);
	make_key_update(&m, 1);
	make_text(&m, "three");
	ok(gets(l.rl[SERVER], "three"), "%s: so are two that ask", mode);
	put(l.rl[SERVER], "answer");
	ok(take(&m, &len) == RECORD_HANDSHAKE && len == 5 &&
		   !memcmp(in, (uint8_t[]){ 24, 0, 0, 1, 0 }, 5),
	   "%s: our KeyUpdate comes before our data, once", mode);
	next_keys(&m, &m.rx, &m.in);
	ok(takes_text(&m, "answer"), "%s: which has the next keys", mode);
	put(l.rl[SERVER], "more");
	ok(takes_text(&m, "more"), "%s: and keeps them", mode);
	is_int(record_layer_records(l.rl[SERVER], RECORD_TX, 0), 2,
	       "%s: records are counted anew", mode);
	maker_fini(&m);
	line_close(&l);
}

static const struct {
	const char *name, *mode;
	bool raw;
	uint8_t type;
	size_t len;
	uint8_t body[10];
	unsigned int times;
	const char *why; /* NULL: it does no harm */
} others[] = {
	{ "a ticket",
	  "tls13-aes128-gcm",
	  true,
	  22,
	  6,
	  { 4, 0, 0, 2, 24, 0 },
	  1,
	  NULL },
	{ "40 tickets",
	  "tls13-aes128-gcm",
	  true,
	  22,
	  6,
	  { 4, 0, 0, 2, 24, 0 },
	  40,
	  NULL },
	{ "129 tickets",
	  "tls13-aes128-gcm",
	  true,
	  22,
	  6,
	  { 4, 0, 0, 2, 24, 0 },
	  129,
	  "too many session tickets" },
	{ "a ticket that does not end",
	  "tls13-aes128-gcm",
	  true,
	  22,
	  4,
	  { 4, 0, 0, 2 },
	  1,
	  "within another message" },
	{ "a ticket of our own protocol",
	  "tls13-aes128-gcm",
	  false,
	  22,
	  4,
	  { 4 },
	  1,
	  "unexpected type 22" },
	{ "a ticket",
	  "tls12-aes128-gcm",
	  true,
	  22,
	  4,
	  { 4 },
	  1,
	  "unexpected type 22" },
	{ "a KeyUpdate of our own protocol",
	  "tls13-aes128-gcm",
	  false,
	  22,
	  5,
	  { 24, 0, 0, 1, 0 },
	  1,
	  "which this protocol does not use" },
	{ "a KeyUpdate",
	  "tls12-aes128-gcm",
	  true,
	  22,
	  5,
	  { 24, 0, 0, 1, 0 },
	  1,
	  "unexpected type 22" },
	{ "a HelloRequest",
	  "tls12-aes128-gcm",
	  true,
	  22,
	  4,
	  { 0 },
	  1,
	  "wants to renegotiate" },
	{ "a HelloRequest",
	  "tls13-aes128-gcm",
	  true,
	  22,
	  4,
	  { 0 },
	  1,
	  "unexpected type 22" },
	{ "32 empty records",
	  "tls13-aes128-gcm",
	  true,
	  23,
	  0,
	  { 0 },
	  32,
	  NULL },
	{ "33 empty records",
	  "tls13-aes128-gcm",
	  true,
	  23,
	  0,
	  { 0 },
	  33,
	  "more than 32 empty records" },
	{ "33 empty records",
	  "tls12-aes128-gcm",
	  true,
	  23,
	  0,
	  { 0 },
	  33,
	  "more than 32 empty records" },
	{ "a heartbeat",
	  "tls13-aes128-gcm",
	  true,
	  24,
	  1,
	  { 0 },
	  1,
	  "unexpected type 24" },
	{ "only padding",
	  "tls13-aes128-gcm",
	  true,
	  0,
	  9,
	  { 0 },
	  1,
	  "unexpected type 0" },
	{ "half an alert",
	  "tls12-aes128-gcm",
	  true,
	  21,
	  1,
	  { 1 },
	  1,
	  "malformed record of type 21" },
};

static void test_others(size_t i)
{
	struct maker m;
	struct line l;

	line_open(&l, others[i].mode, others[i].raw);
	m = maker_of(&l, CLIENT);
	keep(&l);
	for (unsigned int n = 0; n < others[i].times; n++)
		make(&m, others[i].type, others[i].body, others[i].len);
	make_text(&m, "data");
	if (others[i].why)
		ok(fails(l.rl[SERVER], ERR_STREAM, others[i].why) &&
			   record_layer_violated(l.rl[SERVER]) &&
			   !record_layer_lost(l.rl[SERVER]),
		   "%s, %s: refused", others[i].mode, others[i].name);
	else
		ok(gets(l.rl[SERVER], "data"), "%s, %s: no harm done",
		   others[i].mode, others[i].name);
	maker_fini(&m);
	line_close(&l);
}

/* A library sends tickets by itself, before HELLO or WELCOME. */
static void test_early_ticket(void)
{
	static const uint8_t ticket[] = { 4, 0, 0, 1, 0 };
	struct maker m;
	struct line l;

	line_open(&l, "tls13-aes128-gcm", false);
	m = maker_of(&l, CLIENT);
	make(&m, RECORD_HANDSHAKE, ticket, sizeof ticket);
	make_text(&m, "WELCOME");
	ok(gets(l.rl[SERVER], "WELCOME"),
	   "a ticket before the stream does no harm");
	maker_fini(&m);
	line_close(&l);
}

static void test_many_key_updates(void)
{
	struct maker m;
	struct line l;

	line_open(&l, "tls13-aes128-gcm", true);
	m = maker_of(&l, CLIENT);
	for (int i = 0; i < 33; i++)
		make_key_update(&m, 0);
	ok(fails(l.rl[SERVER], ERR_STREAM, "too often"),
	   "33 KeyUpdates without data are too many");
	maker_fini(&m);
	line_close(&l);
}

/* A sender hears nothing else from its peer. */
static void test_key_updates_while_sending(void)
{
	uint8_t data[2] = { 'x' };
	struct record_layer_io io;
	struct maker m;
	struct line l;
	size_t done = 1;
	int count = 0;

	line_open(&l, "tls13-aes128-gcm", true);
	m = maker_of(&l, CLIENT);
	if (record_layer_keep(l.rl[SERVER], RECORD_TX, true, &e) < 0)
		bail();
	while (count < 100 && done) {
		make_key_update(&m, 0);
		if (record_layer_recv(l.rl[SERVER], in, sizeof in, &io, &e) <
			    0 ||
		    record_layer_send(l.rl[SERVER], data, 1, &done, &e) < 0)
			break;
		count++;
	}
	is_int(count, 100, "KeyUpdates while we send data are not too many");
	maker_fini(&m);
	line_close(&l);
}

static void test_padding(void)
{
	struct maker m;
	struct line l;

	line_open(&l, "tls13-aes128-gcm", true);
	m = maker_of(&l, CLIENT);
	make(&m, 0, "padded\x17\0\0", 9);
	make(&m, 0, "\x01\x00\x15\0", 4);
	ok(gets(l.rl[SERVER], "padded"), "padding is no data");
	ok(ends(l.rl[SERVER]), "an alert may have it too");
	maker_fini(&m);
	line_close(&l);
}

/* ---- mode none: no keys, so the bytes are known */

static const struct {
	const char *name;
	size_t len;
	uint8_t bytes[8];
	const char *says;
} bad[] = {
	{ "an unknown type", 6, { 22, 3, 3, 0, 1, 9 }, "-m none" },
	{ "another version", 6, { 23, 3, 1, 0, 1, 9 }, "-m none" },
	{ "no version", 6, { 23, 2, 3, 0, 1, 9 }, "-m none" },
	{ "an empty record", 5, { 23, 3, 3, 0, 0 }, "-m none" },
	{ "an empty alert", 5, { 21, 3, 3, 0, 0 }, "-m none" },
	{ "16385 bytes", 6, { 23, 3, 3, 64, 1, 9 }, "-m none" },
	{ "65535 bytes", 6, { 23, 3, 3, 255, 255, 9 }, "-m none" },
	{ "half an alert", 6, { 21, 3, 3, 0, 1, 0 }, "-m none" },
	{ "an alert too long", 8, { 21, 3, 3, 0, 3, 1, 0, 0 }, "-m none" },
	{ "text", 7, "GET / H", "-m none" },
	{ "an abort", 7, { 21, 3, 3, 0, 2, 2, 90 }, "user_canceled" },
	{ "another alert", 7, { 21, 3, 3, 0, 2, 2, 20 }, "bad_record_mac" },
};

static void test_plain(bool ahead)
{
	static const uint8_t data[] = { 23, 3, 3, 0, 3, 'a', 'b', 'c' };

	for (size_t i = 0; i < array_len(bad); i++) {
		struct line l;

		line_open(&l, "none", false);
		if (ahead)
			keep(&l);
		if (send(l.fd[CLIENT], data, sizeof data, 0) < 0 ||
		    send(l.fd[CLIENT], bad[i].bytes, bad[i].len, 0) < 0)
			bail();
		ok(gets(l.rl[SERVER], "abc") &&
			   fails(l.rl[SERVER], ERR_NET, bad[i].says),
		   "mode none, %s: an error, behind the data", bad[i].name);
		ok(!!record_layer_alert(l.rl[SERVER]) ==
			   !!strcmp(bad[i].says, "-m none"),
		   "mode none, %s: does the peer only wait for us to close?",
		   bad[i].name);
		line_close(&l);
	}
}

static void test_plain_bytes(void)
{
	static const uint8_t want[] = { 23, 3, 3, 0, 3, 'a', 'b', 'c',
					21, 3, 3, 0, 2, 1,   0 };
	struct record_layer_io io = { 0 };
	struct line l;

	line_open(&l, "none", false);
	put(l.rl[SERVER], "abc");
	record_layer_last_alert(l.rl[SERVER], RECORD_CLOSE_NOTIFY);
	ok(recv(l.fd[CLIENT], in, sizeof in, MSG_DONTWAIT) == sizeof want &&
		   !memcmp(in, want, sizeof want),
	   "mode none: records are as TLS has them, without encryption");
	for (size_t i = 0; i < sizeof want; i++) {
		if (send(l.fd[CLIENT], want + i, 1, 0) != 1 ||
		    record_layer_recv(l.rl[SERVER], in, sizeof in, &io, &e) < 0)
			bail();
		if (i == 7)
			is_int(io.bytes, 3, "mode none: byte after byte");
	}
	ok(io.closed, "mode none: up to the end");
	line_close(&l);
}

static void stuck(int signal)
{
	static const char text[] = "Bail out! a read waits for bytes\n";

	_exit(write(STDOUT_FILENO, text, sizeof text - 1) < 0 ? 2 : 1);
}

int main(void)
{
	static const char *const modes[] = { "tls13-aes128-gcm",
					     "tls12-aes128-gcm", "none" };

	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, stuck);
	alarm(900); /* under an emulator, on a busy machine */
	log_set_level(LOG_QUIET);
	if (tls_global_init(&e) < 0)
		return 1;
	for (size_t i = 0; i < array_len(sizes); i++) {
		test_keys(i, CLIENT);
		test_keys(i, SERVER);
		test_bulk(sizes[i].mode, 1 << 20, 300000, sizeof in);
	}
	test_bulk("none", 1 << 20, 300000, sizeof in);
	test_bulk("none", 100000, 30000, 1000);
	test_bulk("tls13-aes128-gcm", 3 * RECORD_MAX, RECORD_MAX, sizeof in);
	test_bulk("tls13-aes128-gcm", RECORD_MAX + 1, RECORD_MAX + 1, 20000);
	test_bulk("tls13-aes128-gcm", 5000, 1, 7);
	test_exact();
	for (size_t m = 0; m < array_len(modes); m++)
		test_value(modes[m]);
	for (size_t m = 0; m < array_len(modes); m++) {
		test_back_pressure(modes[m]);
		test_data_after_end(modes[m]);
		for (size_t i = 0; i < array_len(endings); i++)
			if (m < 2 || endings[i].ending != FORGED) {
				test_ending(i, modes[m], false);
				test_ending(i, modes[m], true);
			}
	}
	test_alerts();
	test_key_update("tls13-aes128-gcm");
	test_key_update("tls13-chacha20-poly1305");
	for (size_t i = 0; i < array_len(others); i++)
		test_others(i);
	test_early_ticket();
	test_many_key_updates();
	test_key_updates_while_sending();
	test_padding();
	test_plain(false);
	test_plain(true);
	test_plain_bytes();
	signal(SIGPIPE, SIG_IGN);
	test_outcome_waits(false);
	test_outcome_waits(true);
	return tap_end();
}
