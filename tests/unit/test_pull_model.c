// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Restart of receivers as a state machine, all states explored: processes that
 * write a file each come, die, restart and wake up late; their disks keep
 * what was noted.  The sender listens, and reads its input again for each of
 * them, which may give other bytes by then.  This models "Named streams" of the
 * protocol page for a receiver that connects; test_restart_model has senders.
 *
 * Checked in every reachable state:
 *   - a part is the beginning of one stream, a file is the whole of one
 *   - the sender exits 0 only if a file has all of its stream
 *   - while sender and receiver are there, and the part begins the stream, some
 *     sequence of steps leads to success
 *
 * Also checked is that these checks can fail, with wrong variants:
 *   - nothing is compared
 *   - the sender does not read its input again
 *   - the ticket of the process before stays valid
 *   - DONE is told before the file has its name
 */
#include "model_rules.h"
#include "tap.h"

enum {
	BYTES = 2, /* of the stream */
	QUEUE = 2, /* room on the way, in one direction */
	PROCESSES = 2, /* each with a folder of its own */
	STARTS = 3, /* in all */
};

/* What the input gives: the second byte may have changed. */
enum kind { RIGHT, CHANGED, KINDS };

enum life { NONE, RUNS, EXITED_0, ENDED };
enum phase { BEGINS, COMPARES, STREAMS };

/* On the way: a byte and its number, what a receiver has, or one of these */
enum { HAVE = 50, DONE = 100, SAME, OTHER, END, CONFIRM };

struct process {
	uint8_t life, phase;
	uint8_t ticket; /* 0: none yet */
	uint8_t total;
	bool got_end, told;
	/* On its disk */
	uint8_t part[BYTES], durable;
	bool file;
};

struct state {
	struct process p[PROCESSES];
	uint8_t starts; /* left */

	/* The sender */
	uint8_t life, kind, phase, at;
	uint8_t ticket; /* the only one that counts */
	bool ended; /* over this connection... */
	bool told_end; /* ...or an earlier one of this process */

	/* The connection */
	uint8_t owner; /* index of its process, plus 1; 0: none */
	uint8_t to_receiver[QUEUE], to_sender[QUEUE];
	uint8_t receiver_n, sender_n;
	bool wrong;
};

enum variant {
	AS_IT_IS,
	NEVER_COMPARES,
	READS_ON,
	OLD_TICKETS,
	DONE_EARLY,
};

static enum variant variant;
static struct model model = { .size = sizeof(struct state),
			      .most = 1 << 21,
			      .hashes = 1 << 23 };

static uint8_t byte_of(uint8_t kind, uint8_t at)
{
	return kind == CHANGED && at == 1;
}

/* Do these n bytes begin this stream? */
static bool begins(const struct process *p, uint8_t n, uint8_t kind)
{
	for (uint8_t i = 0; i < n; i++)
		if (p->part[i] != byte_of(kind, i))
			return false;
	return true;
}

static void drop(struct state *s)
{
	if (s->owner)
		s->p[s->owner - 1].told = false;
	s->owner = 0;
	s->ended = false;
	memset(s->to_receiver, 0, QUEUE);
	memset(s->to_sender, 0, QUEUE);
	s->receiver_n = s->sender_n = 0;
}

/* What was not noted is lost with the process. */
static void ends(struct state *s, int i, uint8_t life)
{
	struct process *p = &s->p[i];
	struct process next = { .life = life,
				.durable = p->durable,
				.file = p->file };

	for (uint8_t b = 0; b < BYTES && (p->file || b < p->durable); b++)
		next.part[b] = p->part[b];
	if (s->owner == i + 1)
		drop(s);
	*p = next;
}

static bool push(uint8_t queue[QUEUE], uint8_t *n, uint8_t what)
{
	if (*n == QUEUE)
		return false;
	queue[(*n)++] = what;
	return true;
}

static uint8_t take(uint8_t queue[QUEUE], uint8_t *n)
{
	uint8_t first = queue[0];

	memmove(queue, queue + 1, QUEUE - 1);
	queue[QUEUE - 1] = 0;
	--*n;
	return first;
}

enum step {
	START,
	DIE,
	CONNECT,
	CONNECT_CHANGES, /* and the input gives the other bytes now */
	RECEIVE,
	NOTE,
	RENAME,
	TELL,
	PROCESS_STEPS
};

enum sender_step { SEND, SEND_END, HEAR, CUT, GIVE_UP, SENDER_STEPS };

enum { STEPS = PROCESSES * PROCESS_STEPS + SENDER_STEPS };

/* A full handshake: the sender begins again, for this process alone. */
static bool restart(struct state *s, int i, bool changes)
{
	struct process *p = &s->p[i];

	if (s->owner)
		return false; /* busy */
	s->told_end = false;
	s->owner = (uint8_t)(i + 1);
	p->ticket = ++s->ticket;
	if (variant != READS_ON) {
		s->kind ^= changes;
		s->at = 0;
	}
	p->phase = p->total ? COMPARES : STREAMS;
	s->phase = p->phase;
	if (p->total)
		push(s->to_sender, &s->sender_n, (uint8_t)(HAVE + p->total));
	return true;
}

/* A connection with the ticket; it may replace the process's own. */
static bool resume(struct state *s, int i)
{
	struct process *p = &s->p[i];

	if (p->ticket != s->ticket && variant != OLD_TICKETS) {
		ends(s, i, ENDED);
		return true;
	}
	drop(s);
	s->owner = (uint8_t)(i + 1);
	s->phase = p->phase;
	if (p->phase == COMPARES)
		push(s->to_sender, &s->sender_n, (uint8_t)(HAVE + p->total));
	else
		s->at = p->total;
	return true;
}

static void receive(struct state *s, struct process *p)
{
	uint8_t what = take(s->to_receiver, &s->receiver_n);

	if (what == SAME) {
		s->wrong |= p->phase != COMPARES;
		p->phase = STREAMS;
	} else if (what == OTHER) {
		ends(s, (int)(p - s->p), ENDED);
	} else if (what == CONFIRM) {
		ends(s, (int)(p - s->p), EXITED_0);
	} else if (what == END) {
		s->wrong |= p->total != BYTES;
		p->got_end = true;
	} else {
		s->wrong |= p->phase != STREAMS || what / 2 != p->total;
		if (p->total < BYTES)
			p->part[p->total++] = what % 2;
	}
}

static bool step_process(struct state *s, int i, int step)
{
	struct process *p = &s->p[i];

	if (step == START) {
		if (p->life == RUNS || !s->starts || p->file)
			return false;
		s->starts--;
		ends(s, i, RUNS);
		p->total = p->durable;
		return true;
	}
	if (p->life != RUNS)
		return false;
	switch (step) {
	case DIE:
		ends(s, i, ENDED);
		return true;
	case CONNECT:
	case CONNECT_CHANGES:
		if (s->life != RUNS || s->owner == i + 1)
			return false;
		if (!p->ticket)
			return restart(s, i, step == CONNECT_CHANGES);
		return step == CONNECT && resume(s, i);
	case RECEIVE:
		if (s->owner != i + 1 || !s->receiver_n)
			return false;
		receive(s, p);
		return true;
	case NOTE:
		if (p->file || p->durable == p->total)
			return false;
		p->durable = p->total;
		return true;
	case RENAME:
		if (!p->got_end || p->file)
			return false;
		p->file = true;
		return true;
	case TELL:
		if (s->owner != i + 1 || !p->got_end || p->told ||
		    (!p->file && variant != DONE_EARLY))
			return false;
		p->told = true;
		return push(s->to_sender, &s->sender_n, DONE);
	}
	return false;
}

static bool compare(struct state *s, uint8_t n)
{
	const struct process *p = &s->p[s->owner - 1];
	bool same = begins(p, n, s->kind) || variant == NEVER_COMPARES;

	if (same) {
		s->phase = STREAMS;
		s->at = n;
		return push(s->to_receiver, &s->receiver_n, SAME);
	}
	/* The connection is closed behind it. */
	ends(s, s->owner - 1, ENDED);
	s->life = ENDED;
	return true;
}

static bool hear(struct state *s)
{
	uint8_t what = take(s->to_sender, &s->sender_n);

	if (what != DONE)
		return compare(s, (uint8_t)(what - HAVE));
	s->wrong |= !s->told_end;
	s->life = EXITED_0;
	if (!push(s->to_receiver, &s->receiver_n, CONFIRM))
		drop(s);
	return true;
}

static bool step_sender(struct state *s, int step)
{
	if (s->life != RUNS)
		return false;
	switch (step) {
	case SEND:
		if (!s->owner || s->phase != STREAMS || s->at == BYTES ||
		    !push(s->to_receiver, &s->receiver_n,
			  (uint8_t)(2 * s->at + byte_of(s->kind, s->at))))
			return false;
		s->at++;
		return true;
	case SEND_END:
		if (!s->owner || s->phase != STREAMS || s->at < BYTES ||
		    s->ended || !push(s->to_receiver, &s->receiver_n, END))
			return false;
		s->ended = s->told_end = true;
		return true;
	case HEAR:
		return s->owner && s->sender_n && hear(s);
	case CUT:
		if (!s->owner)
			return false;
		drop(s);
		return true;
	case GIVE_UP:
		if (s->owner)
			return false;
		s->life = ENDED;
		return true;
	}
	return false;
}

static bool step_any(void *state, int step)
{
	struct state *s = state;

	if (step < PROCESSES * PROCESS_STEPS)
		return step_process(s, step / PROCESS_STEPS,
				    step % PROCESS_STEPS);
	return step_sender(s, step - PROCESSES * PROCESS_STEPS);
}

static bool is_honest(const void *state)
{
	const struct state *s = state;
	bool delivered = s->life != EXITED_0;

	for (int i = 0; i < PROCESSES; i++) {
		const struct process *p = &s->p[i];
		uint8_t n = p->file ? BYTES : p->total;

		if (!begins(p, n, RIGHT) && !begins(p, n, CHANGED))
			return false;
		delivered |= p->file && begins(p, BYTES, s->kind);
	}
	return delivered && !s->wrong;
}

/* Can a process that is here, and has the beginning of the stream, succeed? */
static bool may_hope(const void *state)
{
	const struct state *s = state;

	for (int i = 0; i < PROCESSES && s->life == RUNS; i++) {
		const struct process *p = &s->p[i];

		if (p->life == RUNS && (!p->ticket || p->ticket == s->ticket) &&
		    begins(p, p->total, s->kind))
			return true;
	}
	return false;
}

static bool is_success(const void *state)
{
	const struct state *s = state;

	return s->life == EXITED_0;
}

static const struct model_rules rules = { STEPS, step_any, is_honest,
					  is_success, may_hope };

static uint32_t explore(void)
{
	struct state first;

	memset(&first, 0, sizeof first);
	first.life = RUNS;
	first.starts = STARTS;
	return model_explore(&model, &rules, &first);
}

int main(void)
{
	static const struct {
		enum variant variant;
		const char *what;
	} wrong[] = {
		{ NEVER_COMPARES, "nothing is compared" },
		{ READS_ON, "the input is not read again" },
		{ OLD_TICKETS, "a ticket outlives a restart" },
		{ DONE_EARLY, "DONE is told before the file has its name" },
	};

	model_init(&model);
	is_int(explore(), 0,
	       "a file is whole, and of one stream; so is what is confirmed");
	ok(!model.full && model.count > 1000, "all of %u states were explored",
	   model.count);
	is_int(model_hopeless(&model, &rules), 0,
	       "the right part can always be continued");
	for (size_t i = 0; i < array_len(wrong); i++) {
		variant = wrong[i].variant;
		ok(explore() > 0, "the checks notice if %s", wrong[i].what);
	}
	model_fini(&model);
	return tap_end();
}
