// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Restart as a state machine, all states explored: processes of the sender
 * with one name come, die, restart, two at once, with the same stream or
 * another one; each may sleep between any two steps and wake up later.  This
 * models the section "Named streams" of the protocol page, not the code.
 * test_resume_model has what happens to one process.
 *
 * Checked in every reachable state:
 *   - what the receiver has is the beginning of one stream
 *   - it takes for an end only the end of exactly that stream
 *   - a sender exits 0 only if the receiver consumed all of its stream and no
 *     byte more
 *   - a sender of that stream is never told of success too early to believe it
 *   - while the receiver waits, some sequence of steps leads a process that
 *     sends that stream to success
 *
 * Also checked is that these checks can fail, with wrong variants:
 *   - nothing is compared
 *   - what was being compared when a connection was lost counts as compared
 *   - the ticket of the process before stays valid while bytes are compared
 *   - the outcome is told before the sender came to its end
 */
#include "model_rules.h"
#include "tap.h"

enum {
	BYTES = 2, /* of the stream */
	LONGEST = BYTES + 1,
	QUEUE = 2, /* room on the way, in one direction */
	PROCESSES = 2, /* at once */
	STARTS = 3, /* in all */
};

/* What a process sends: the stream, and others that begin like it */
enum kind { RIGHT, DIFFERS, SHORT, LONG, KINDS };

enum life { NONE, RUNS, EXITED_0, ENDED };
enum phase { BEGINS, COMPARES, SENDS };
enum outcome { OPEN, DONE, FAIL };

/* On the way to the receiver: a byte and its number, or one of these */
enum { END = 100, SAME, CONFIRM };

struct process {
	uint8_t life, kind, phase;
	uint8_t ticket; /* 0: none yet */
	uint8_t have; /* how much the receiver had */
	uint8_t at; /* compared, then sent */
	bool compared, ended, ever_ended;
};

struct state {
	struct process p[PROCESSES];
	uint8_t starts; /* left */

	/* The receiver */
	uint8_t life, total, bytes[LONGEST];
	bool got_end, told, awaits_end;
	uint8_t outcome; /* enum outcome */
	uint8_t ticket; /* the only one that counts */
	bool compares; /* until SAME comes */

	/* The connection */
	uint8_t owner; /* index of its process, plus 1; 0: none */
	uint8_t to_receiver[QUEUE], to_sender[QUEUE];
	uint8_t receiver_n, sender_n;
	bool wrong;
};

enum variant {
	AS_IT_IS,
	NEVER_COMPARES,
	FORGETS_TO_COMPARE,
	OLD_TICKETS,
	DONE_EARLY,
};

static enum variant variant;
static struct model model = { .size = sizeof(struct state),
			      .most = 1 << 20,
			      .hashes = 1 << 22 };

static uint8_t length(uint8_t kind)
{
	return kind == SHORT ? BYTES - 1 : kind == LONG ? LONGEST : BYTES;
}

static uint8_t byte_of(uint8_t kind, uint8_t at)
{
	return kind == DIFFERS && at == 1;
}

/* Has the receiver the beginning of this stream? */
static bool begins(const struct state *s, uint8_t kind)
{
	for (uint8_t i = 0; i < s->total; i++)
		if (i >= length(kind) || s->bytes[i] != byte_of(kind, i))
			return false;
	return true;
}

static bool is_whole(const struct state *s, uint8_t kind)
{
	return begins(s, kind) && s->total == length(kind);
}

static void drop(struct state *s)
{
	if (s->owner)
		s->p[s->owner - 1].ended = false;
	s->owner = 0;
	s->told = false;
	memset(s->to_receiver, 0, QUEUE);
	memset(s->to_sender, 0, QUEUE);
	s->receiver_n = s->sender_n = 0;
}

/* Without success, in whatever way */
static void ends(struct state *s, int i)
{
	if (s->owner == i + 1)
		drop(s);
	s->p[i] = (struct process){ .life = ENDED };
}

static bool push(struct state *s, uint8_t what)
{
	if (s->receiver_n == QUEUE)
		return false;
	s->to_receiver[s->receiver_n++] = what;
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
	START, /* and the three after it: one for each kind */
	DIE = START + KINDS,
	GIVE_UP,
	CONNECT,
	COMPARE,
	SEND,
	SEND_END,
	HEAR,
	PROCESS_STEPS
};

enum receiver_step {
	RECEIVE,
	CONSUME,
	CONSUMER_FAILS,
	TELL,
	CUT,
	RECEIVER_GIVES_UP,
	RECEIVER_STEPS
};

enum { STEPS = PROCESSES * PROCESS_STEPS + RECEIVER_STEPS };

/* A full handshake.  From now on only this process has a valid ticket. */
static bool restart(struct state *s, int i)
{
	struct process *p = &s->p[i];

	if (s->owner)
		return false; /* busy */
	drop(s);
	s->owner = (uint8_t)(i + 1);
	p->ticket = ++s->ticket;
	p->have = s->total;
	s->compares = s->total && variant != NEVER_COMPARES;
	p->phase = s->compares ? COMPARES : SENDS;
	p->at = s->compares ? 0 : s->total;
	return true;
}

/* A connection with the ticket; it may replace the process's own. */
static bool resume(struct state *s, int i)
{
	struct process *p = &s->p[i];

	if (p->ticket != s->ticket &&
	    (variant != OLD_TICKETS || p->phase != SENDS))
		return false;
	drop(s);
	s->owner = (uint8_t)(i + 1);
	if (variant == FORGETS_TO_COMPARE)
		s->compares = false;
	if (s->compares && p->compared)
		push(s, SAME);
	if (!s->compares || p->compared)
		p->phase = SENDS;
	if (p->phase == SENDS)
		p->at = s->total;
	return true;
}

static bool compare(struct state *s, int i)
{
	struct process *p = &s->p[i];

	if (p->phase != COMPARES)
		return false;
	if (p->at < p->have && p->at < length(p->kind)) {
		p->at++;
		return true;
	}
	if (p->at < p->have || !begins(s, p->kind)) {
		ends(s, i);
		return true;
	}
	p->compared = true;
	if (s->owner == i + 1) {
		p->phase = SENDS;
		return push(s, SAME);
	}
	return false;
}

/* DONE counts after the end, and for the right length. */
static void hear(struct state *s, int i)
{
	struct process *p = &s->p[i];
	uint8_t what = take(s->to_sender, &s->sender_n);

	if (what == FAIL) {
		p->life = ENDED;
	} else if (p->ever_ended && s->total == length(p->kind)) {
		p->life = EXITED_0;
	} else {
		s->wrong |= is_whole(s, p->kind);
		ends(s, i);
		return;
	}
	if (!push(s, CONFIRM))
		drop(s);
	*p = (struct process){ .life = p->life, .kind = p->kind };
}

static bool step_process(struct state *s, int i, int step)
{
	struct process *p = &s->p[i];
	bool owns = s->owner == i + 1;

	if (step < DIE) {
		if (p->life == RUNS || !s->starts)
			return false;
		s->starts--;
		if (owns)
			drop(s);
		*p = (struct process){ .life = RUNS,
				       .kind = (uint8_t)(step - START) };
		return true;
	}
	if (p->life != RUNS)
		return false;
	switch (step) {
	case DIE:
		ends(s, i);
		return true;
	case GIVE_UP:
		if (owns)
			return false;
		ends(s, i);
		return true;
	case CONNECT:
		if (s->life != RUNS)
			return false;
		return p->ticket ? resume(s, i) : restart(s, i);
	case COMPARE:
		return compare(s, i);
	case SEND:
		if (!owns || p->phase != SENDS || p->at == length(p->kind) ||
		    !push(s, (uint8_t)(2 * p->at + byte_of(p->kind, p->at))))
			return false;
		p->at++;
		return true;
	case SEND_END:
		if (!owns || p->phase != SENDS || p->at < length(p->kind) ||
		    p->ended || !push(s, END))
			return false;
		p->ended = p->ever_ended = true;
		return true;
	case HEAR:
		if (!owns || !s->sender_n || p->phase != SENDS)
			return false;
		hear(s, i);
		return true;
	}
	return false;
}

static void receive(struct state *s)
{
	const struct process *p = &s->p[s->owner - 1];
	uint8_t what = take(s->to_receiver, &s->receiver_n);

	if (what == SAME) {
		s->wrong |= !s->compares;
		s->compares = false;
		s->awaits_end = s->outcome == DONE && variant != DONE_EARLY;
	} else if (what == CONFIRM) {
		s->wrong |= s->outcome == OPEN;
		s->life = s->outcome == DONE ? EXITED_0 : ENDED;
		drop(s);
	} else if (s->compares) {
		s->wrong = true;
	} else if (s->outcome) {
		s->awaits_end = false;
	} else if (what == END) {
		s->wrong |= !is_whole(s, p->kind);
		s->got_end = true;
	} else {
		s->wrong |= what / 2 != s->total || s->total == LONGEST;
		if (s->total < LONGEST)
			s->bytes[s->total++] = what % 2;
	}
}

static bool step_receiver(struct state *s, int step)
{
	if (s->life != RUNS)
		return false;
	switch (step) {
	case RECEIVE:
		/* After the end nothing is read until the outcome is known. */
		if (!s->receiver_n || (s->got_end && !s->outcome))
			return false;
		receive(s);
		return true;
	case CONSUME:
		if (!s->got_end || s->outcome)
			return false;
		s->outcome = DONE;
		return true;
	case CONSUMER_FAILS:
		if (s->outcome)
			return false;
		s->outcome = FAIL;
		return true;
	case TELL:
		if (!s->owner || !s->outcome || s->told || s->compares ||
		    s->awaits_end || s->sender_n == QUEUE)
			return false;
		s->told = true;
		s->to_sender[s->sender_n++] = s->outcome;
		return true;
	case CUT:
		if (!s->owner)
			return false;
		drop(s);
		return true;
	case RECEIVER_GIVES_UP:
		if (s->owner)
			return false;
		s->life = s->outcome == DONE ? EXITED_0 : ENDED;
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
	return step_receiver(s, step - PROCESSES * PROCESS_STEPS);
}

static bool is_honest(const void *state)
{
	const struct state *s = state;
	bool one = false;

	for (uint8_t kind = 0; kind < KINDS; kind++)
		one |= begins(s, kind);
	for (int i = 0; i < PROCESSES; i++)
		if (s->p[i].life == EXITED_0 &&
		    (s->outcome != DONE || !is_whole(s, s->p[i].kind)))
			return false;
	return one && !s->wrong;
}

/* Can a process that is here, and has what the receiver waits for, succeed? */
static bool may_hope(const void *state)
{
	const struct state *s = state;

	if (s->life != RUNS || s->outcome == FAIL)
		return false;
	for (int i = 0; i < PROCESSES; i++) {
		const struct process *p = &s->p[i];

		if (p->life == RUNS && (!p->ticket || p->ticket == s->ticket) &&
		    (s->got_end ? is_whole(s, p->kind) : begins(s, p->kind)))
			return true;
	}
	return false;
}

static bool is_success(const void *state)
{
	const struct state *s = state;

	for (int i = 0; i < PROCESSES; i++)
		if (s->p[i].life == EXITED_0)
			return s->life == EXITED_0;
	return false;
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
		{ FORGETS_TO_COMPARE, "a lost connection ends a comparison" },
		{ OLD_TICKETS, "a ticket outlives a restart" },
		{ DONE_EARLY, "the outcome is told before the end" },
	};

	model_init(&model);
	is_int(explore(), 0,
	       "no byte is lost, comes twice or from another "
	       "stream");
	ok(!model.full && model.count > 1000, "all of %u states were explored",
	   model.count);
	is_int(model_hopeless(&model, &rules), 0,
	       "the right stream can always continue");
	for (size_t i = 0; i < array_len(wrong); i++) {
		variant = wrong[i].variant;
		ok(explore() > 0, "the checks notice if %s", wrong[i].what);
	}
	model_fini(&model);
	return tap_end();
}
