// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * relay PORT [ACTION [OPTION]...]: listens on a free port of 127.0.0.1, prints
 * that port, and forwards every connection to 127.0.0.1:PORT, doing harm once
 * per connection.  It changes the payload of TCP, so the kernels see no damage.
 *
 *  pass     no harm (default)
 *  fin      FIN to the reader of the harmed direction; discard later bytes
 *  cut      FIN to both ends
 *  rst      RST to both ends
 *  hole     discard all that follows in the harmed direction, its end too: the
 *           connections stay open, and nothing moves
 *  silence  forward nothing more, keep both connections open
 *  pause    wait -w milliseconds, then continue
 *  flip     flip one bit of the next byte (-r: amid the next record, or of its
 *           byte -o)
 *  drop     omit the next -n bytes (-r: the next record)
 *  dup      send the next -n bytes (-r: the next record) twice
 *  swap     exchange the next two pieces of -n bytes (-r: records)
 *  insert   insert the bytes -i HEX, without waiting for more to forward
 *  random   one of rst, cut, fin, flip for each connection, by chance; with -w
 *           silence for one in 64; after 0 to -a BYTES of the counted direction
 *           or some of the other; in any case rst after -a BYTES more
 *
 * Prints a dot on standard error for each harm done.
 *
 *  -a BYTES    after that many bytes of the counted direction (default 0)
 *  -r RECORDS  after that many TLS records of it
 *  -l LEN      before the first of its records with a body of LEN bytes; a
 *              TLS 1.3 close_notify has 19, one of TLS 1.2 with AES-GCM 26
 *  -c DIR      the counted direction, c2s (default) or s2c; c is the client
 *  -x DIR      the harmed direction (default: the counted one)
 *  -k COUNT    to the first COUNT connections only
 *  -s SEED     of random, for all connections together
 *  -p          once the first connection is accepted, stop until SIGCONT; that
 *              connection goes on
 *  -f BYTES    instead, reset the first connection after BYTES, counted in both
 *              directions; -k does not count it
 *  -d FILE     write the bytes from the client of connection N (from 0) to
 *              FILE.N
 *  -n LEN, -w MS, -i HEX, -o BYTE   as above
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "listener.h"

#define UNIT_BYTES 65536 /* more than 5 + 16384 + 256, the longest TLS record */
#define LIFE_SECONDS 3600 /* then exit, in case that a test left us behind */

enum action {
	PASS,
	FIN,
	CUT,
	RST,
	HOLE,
	SILENCE,
	PAUSE,
	FLIP,
	DROP,
	DUP,
	SWAP,
	INSERT,
	RANDOM,
	ACTIONS
};

static const char *const action_names[ACTIONS] = {
	"pass", "fin",	"cut", "rst",  "hole",	 "silence", "pause",
	"flip", "drop", "dup", "swap", "insert", "random",
};

enum { C2S, S2C };

struct plan {
	enum action action;
	int counted, harmed;
	bool by_record;
	bool pauses; /* -p */
	uint64_t after;
	size_t record_len; /* 0 = any */
	size_t len;
	long flip_byte; /* of a record; negative: in the middle of its body */
	long wait_ms;
	unsigned char insert[256];
	size_t insert_len;
	unsigned long count; /* connections that are harmed */
	unsigned int seed;
	uint64_t patience; /* of random: so much later, reset; 0: never */
	uint64_t first_bytes; /* of -f; 0: none */
	bool both; /* both directions are counted */
	const char *record; /* FILE of -d, or NULL */
	int record_fd;
};

struct dir {
	int from, to;
	uint64_t bytes, records;
	bool discard; /* read on, forward nothing */
	bool swallow; /* discard the end, too */
	bool ended;
};

struct conn {
	struct dir dir[2];
	bool len_seen; /* a record of record_len bytes is next */
	bool harm_done;
};

static void die(const char *what)
{
	fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void reset_all(struct conn *c)
{
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };

	for (int i = 0; i < 2; i++) {
		setsockopt(c->dir[i].from, SOL_SOCKET, SO_LINGER, &hard,
			   sizeof hard);
		close(c->dir[i].from);
	}
	exit(0);
}

/* Reads exactly len bytes, fewer only at the end of the stream. */
static size_t read_full(struct conn *c, int fd, unsigned char *buf, size_t len)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = recv(fd, buf + have, len - have, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			reset_all(c);
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return have;
}

/* One TLS record: five bytes of header, the last two of them the length. */
static size_t read_record(struct conn *c, struct dir *d, unsigned char *buf)
{
	size_t have = read_full(c, d->from, buf, 5), body;

	if (have < 5)
		return have;
	body = (size_t)buf[3] << 8 | buf[4];
	have += read_full(c, d->from, buf + 5, body);
	d->records++;
	return have;
}

static size_t read_some(struct conn *c, struct dir *d, unsigned char *buf,
			size_t max)
{
	ssize_t n = recv(d->from, buf, max, 0);

	if (n < 0)
		reset_all(c);
	return (size_t)n;
}

static void forward(struct dir *d, const unsigned char *buf, size_t len)
{
	while (len && !d->discard) {
		ssize_t n = send(d->to, buf, len, MSG_NOSIGNAL);

		if (n < 0) /* reset; bytes sent before may still be there */
			d->discard = true;
		else
			buf += n, len -= (size_t)n;
	}
}

static bool is_due(const struct conn *c, const struct plan *p)
{
	const struct dir *d = &c->dir[p->counted];

	if (p->action == PASS || c->harm_done)
		return false;
	if (p->record_len)
		return c->len_seen;
	if (p->both)
		return c->dir[C2S].bytes + c->dir[S2C].bytes >= p->after;
	return (p->by_record ? d->records : d->bytes) >= p->after;
}

static void look_ahead(struct conn *c, const struct dir *d,
		       const struct plan *p)
{
	unsigned char head[5];

	if (recv(d->from, head, 5, MSG_PEEK | MSG_WAITALL) == 5)
		c->len_seen = ((size_t)head[3] << 8 | head[4]) == p->record_len;
}

/* Read the next unit to harm: a record, or exactly len bytes. */
static size_t read_unit(struct conn *c, struct dir *d, const struct plan *p,
			unsigned char *buf)
{
	if (p->by_record)
		return read_record(c, d, buf);
	return read_full(c, d->from, buf, p->action == FLIP ? 1 : p->len);
}

static size_t flip_at(const struct plan *p, size_t len)
{
	if (!p->by_record)
		return 0;
	if (p->flip_byte >= 0 && (size_t)p->flip_byte < len)
		return (size_t)p->flip_byte;
	return 5 + (len - 5) / 2;
}

static void note_harm(void)
{
	if (write(STDERR_FILENO, ".", 1) != 1)
		die("standard error");
}

static void harm_data(struct conn *c, struct dir *d, const struct plan *p)
{
	static unsigned char unit[UNIT_BYTES + 5], next[UNIT_BYTES + 5];
	size_t len, next_len = 0;

	c->harm_done = true;
	note_harm();
	len = read_unit(c, d, p, unit);
	if (p->action == SWAP)
		next_len = read_unit(c, d, p, next);
	if (p->action == FLIP && len)
		unit[flip_at(p, len)] ^= 0x10;
	forward(d, next, next_len);
	if (p->action != DROP)
		forward(d, unit, len);
	if (p->action == DUP)
		forward(d, unit, len);
}

/* Do harm that needs no data.  Returns false if the action needs some. */
static bool harm_now(struct conn *c, const struct plan *p)
{
	struct timespec t = { p->wait_ms / 1000, p->wait_ms % 1000 * 1000000 };
	bool data = p->action == FLIP || p->action == DROP ||
		    p->action == DUP || p->action == SWAP;

	if (data)
		return false;
	note_harm();
	switch (p->action) {
	case CUT:
		shutdown(c->dir[!p->harmed].to, SHUT_WR);
		c->dir[!p->harmed].discard = true;
		/* fall through */
	case FIN:
		shutdown(c->dir[p->harmed].to, SHUT_WR);
		c->dir[p->harmed].discard = true;
		break;
	case RST:
		reset_all(c);
		break;
	case INSERT:
		forward(&c->dir[p->harmed], p->insert, p->insert_len);
		break;
	case HOLE:
		c->dir[p->harmed].discard = c->dir[p->harmed].swallow = true;
		break;
	case SILENCE:
		for (;;)
			pause();
	case PAUSE:
		nanosleep(&t, NULL);
		break;
	default:
		return false;
	}
	c->harm_done = true;
	return true;
}

static void pass_on(struct conn *c, struct dir *d, const struct plan *p)
{
	static unsigned char buf[UNIT_BYTES + 5];
	size_t max = UNIT_BYTES, len;

	if (d == &c->dir[p->counted] && p->record_len)
		look_ahead(c, d, p);
	if (is_due(c, p) && harm_now(c, p))
		return;
	if (d == &c->dir[p->harmed] && is_due(c, p)) {
		harm_data(c, d, p);
		return;
	}
	if (d == &c->dir[p->counted] && d->bytes < p->after &&
	    p->after - d->bytes < max)
		max = (size_t)(p->after - d->bytes);
	len = p->by_record ? read_record(c, d, buf) : read_some(c, d, buf, max);
	if (len == 0) {
		d->ended = true;
		if (!d->swallow)
			shutdown(d->to, SHUT_WR);
	}
	if (p->record && d == &c->dir[C2S] &&
	    write(p->record_fd, buf, len) != (ssize_t)len)
		die(p->record);
	forward(d, buf, len);
	d->bytes += len;
}

static void serve(int client, int server, const struct plan *p)
{
	struct conn c = { .dir = { { .from = client, .to = server },
				   { .from = server, .to = client } } };

	while (!c.dir[C2S].ended || !c.dir[S2C].ended) {
		struct pollfd fds[2];

		/*
		 * Some harm leaves the stream as it is: that to an ignored bit,
		 * that to the other direction, and that which waits for
		 * acknowledgements that do not come.
		 */
		if (p->patience && c.dir[C2S].bytes + c.dir[S2C].bytes >
					   p->after + p->patience) {
			if (!c.harm_done)
				note_harm();
			reset_all(&c);
		}
		if (is_due(&c, p) && harm_now(&c, p))
			continue;
		for (int i = 0; i < 2; i++)
			fds[i] = (struct pollfd){
				.fd = c.dir[i].ended ? -1 : c.dir[i].from,
				.events = POLLIN,
			};
		if (poll(fds, 2, -1) < 0)
			die("poll");
		for (int i = 0; i < 2; i++)
			if (fds[i].revents)
				pass_on(&c, &c.dir[i], p);
	}
	exit(0);
}

static int dial(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

/* Draw the harm for connection n. */
static struct plan plan_for(const struct plan *all, unsigned long n)
{
	static const enum action kinds[] = { RST, CUT, FIN, FLIP };
	struct plan p = *all;

	if (p.first_bytes && n-- == 0)
		return (struct plan){ .action = RST,
				      .both = true,
				      .after = p.first_bytes };
	if (n >= p.count)
		p.action = PASS;
	if (p.action != RANDOM)
		return p;
	p.action = kinds[random() % 4];
	if (p.wait_ms && random() % 64 == 0)
		p.action = SILENCE;
	p.patience = p.after;
	/* A handshake and its WELCOME are 330 bytes, an acknowledgement is 38,
	 * and there may be as few as one for a MiB. */
	p.after = (uint64_t)random() % (p.after + 1);
	if (random() % 2)
		p.after %= 1500;
	if (random() % 4 == 0) {
		p.counted = !p.counted;
		p.after %= 450;
	}
	p.harmed = p.action == FLIP ? p.counted : random() % 2;
	/* Without a first connection there is no stream that can resume. */
	if (!n)
		p.after += 3000;
	if (!n && p.counted != all->counted) {
		p.counted = all->counted;
		p.action = RST;
	}
	return p;
}

static int open_record(const struct plan *p, unsigned long n)
{
	char name[256];
	int fd;

	if (!p->record)
		return -1;
	snprintf(name, sizeof name, "%s.%lu", p->record, n);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		die(name);
	return fd;
}

static void accept_all(int acceptor, uint16_t port, const struct plan *all)
{
	pid_t self = getpid();
	int one = 1;

	signal(SIGCHLD, SIG_IGN);
	srandom(all->seed);
	for (unsigned long n = 0;; n++) {
		int client = accept4(acceptor, NULL, NULL, SOCK_CLOEXEC);
		struct plan plan = plan_for(all, n);

		if (client < 0)
			die("accept");
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != self)
				exit(1);
			alarm(LIFE_SECONDS);
			close(acceptor);
			plan.record_fd = open_record(&plan, n);
			setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one,
				   sizeof one);
			serve(client, dial(port), &plan);
		}
		close(client);
		if (all->pauses && n == 0)
			raise(SIGSTOP);
	}
}

static int usage(const char *what)
{
	fprintf(stderr,
		"relay: bad %s\n"
		"usage: relay PORT [ACTION [-a BYTES | -r RECORDS | -l LEN] "
		"[-c DIR] [-x DIR] [-n LEN] [-w MS] [-i HEX] [-k COUNT] "
		"[-s SEED] [-o BYTE] [-f BYTES] [-d FILE] [-p]]\n",
		what);
	exit(2);
}

static int direction(const char *s)
{
	if (strcmp(s, "c2s") && strcmp(s, "s2c"))
		usage("direction");
	return strcmp(s, "c2s") ? S2C : C2S;
}

static enum action action(const char *s)
{
	for (int i = 0; i < ACTIONS; i++)
		if (!strcmp(s, action_names[i]))
			return (enum action)i;
	usage("action");
	return PASS;
}

static void hex(struct plan *p, const char *s)
{
	unsigned int byte;

	while (*s && p->insert_len < sizeof p->insert) {
		if (sscanf(s, "%2x", &byte) != 1)
			usage("hex");
		p->insert[p->insert_len++] = (unsigned char)byte;
		s += s[1] ? 2 : 1;
	}
}

static void options(struct plan *p, int argc, char **argv)
{
	p->harmed = -1;
	for (int c;
	     (c = getopt(argc, argv, "a:r:l:c:x:n:w:i:k:s:o:f:d:p")) != -1;) {
		switch (c) {
		case 'r':
		case 'a':
			p->by_record = c == 'r';
			p->after = strtoull(optarg, NULL, 10);
			break;
		case 'l':
			p->by_record = true;
			p->record_len = strtoul(optarg, NULL, 10);
			break;
		case 'c':
			p->counted = direction(optarg);
			break;
		case 'x':
			p->harmed = direction(optarg);
			break;
		case 'n':
			p->len = strtoul(optarg, NULL, 10);
			break;
		case 'w':
			p->wait_ms = strtol(optarg, NULL, 10);
			break;
		case 'i':
			hex(p, optarg);
			break;
		case 'k':
			p->count = strtoul(optarg, NULL, 10);
			break;
		case 'p':
			p->pauses = true;
			break;
		case 'f':
			p->first_bytes = strtoull(optarg, NULL, 10);
			break;
		case 'd':
			p->record = optarg;
			break;
		case 'o':
			p->flip_byte = strtol(optarg, NULL, 10);
			break;
		case 's':
			p->seed = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		default:
			usage("option");
		}
	}
	if (p->harmed < 0)
		p->harmed = p->counted;
	if (p->len < 1 || p->len > UNIT_BYTES)
		usage("length");
}

int main(int argc, char **argv)
{
	struct plan plan = { .len = 1, .flip_byte = -1, .count = ULONG_MAX };

	if (argc < 2)
		usage("PORT");
	if (argc > 2) {
		plan.action = action(argv[2]);
		options(&plan, argc - 2, argv + 2);
	} else {
		plan.harmed = plan.counted;
	}
	accept_all(open_listener(), (uint16_t)strtoul(argv[1], NULL, 10),
		   &plan);
	return 0;
}
