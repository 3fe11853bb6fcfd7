// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Resume and rotation as a state machine, explored to its last state: bytes,
 * acknowledgements and outcome over a connection that can be cut between any
 * two steps, or replaced while it still stands, or rotated, or that swallows
 * what is sent from some moment on, with either process dying at any moment.  It
 * models the protocol page, not the code.
 *
 * Checked in every state that can be reached:
 *   - a byte is received once, in its place
 *   - the sender's 0 and the receiver's 0 mean that all was consumed
 *   - a receiver that leaves with the outcome confirmed leaves no sender behind
 *     that does not know it
 *   - as long as both live, a way leads to both having exited 0, without any
 *     process giving up
 * And that the checks can fail: with a receiver that takes FIN for the sender's
 * confirmation, with one that acknowledges what it has not got, with one that
 * reads from a new connection before the old one is empty, with a sender
 * that keeps using the old one after it said where it ends, with one that does
 * not miss the ACK of its end, and with a receiver that does not say that it
 * waits.
 */
#include <stdlib.h>

#include "tap.h"

enum {
	BYTES = 6, /* of the stream */
	KEEPS = 4, /* what the store holds */
	QUEUE = 5, /* what is on its way in one direction */
	STATES_MAX = 1 << 21,
	HASH = 1 << 23,
};

enum life { RUNS, EXITED_0, LOST, DIED };

/* On its way to the receiver: a byte's number, or one of */
enum { END = 100, CONFIRM };
/* On its way to the sender: an acknowledged offset, with WAITS or not, or */
enum { WAITS = 16, DONE = 100 };

/* The receiver's latest word on this connection */
enum word { NO_WORD, HAS_ALL, STILL_WAITS };

struct state {
	uint8_t sender, receiver; /* enum life */
	uint8_t head, acked, sent; /* the store */
	bool ended, ever_ended; /* END was sent on this connection, on any */
	uint8_t total; /* received */
	bool got_end, over, told; /* over: consumed, told: on this connection */
	uint8_t last_ack;
	bool up; /* there is a connection */
	bool hole; /* which swallows what the sender sends */
	uint8_t word; /* enum word, as the sender knows it */
	bool confirmed; /* the receiver left because it knew */
	bool wrong; /* a byte out of its place, or an impossible frame */
	uint8_t to_receiver[QUEUE], to_sender[QUEUE];
	uint8_t receiver_n, sender_n;

	/* Rotation */
	uint8_t at; /* where the new connection takes over */
	bool rekey_agreed,
		answered; /* the sender's HELLO is out, was accepted */
	bool keeps_old; /* the sender, until an ACK on the new one covers it */
	bool old, knows; /* the receiver reads an old one, and knows where to */
	uint8_t on_old[QUEUE], old_n; /* what is on its way there */
};

enum variant {
	AS_IT_IS,
	FIN_CONFIRMS,
	ACKS_TOO_MUCH,
	NEW_FIRST,
	NO_HOLD,
	CLOSES_EARLY,
	FORGETS_END,
	NEVER_WAITS,
};

static enum variant variant;
static struct state *states;
static uint32_t *table; /* hash: index into states, plus 1 */
static uint32_t count;
static bool full;

static uint32_t hash_of(const struct state *s)
{
	const uint8_t *p = (const uint8_t *)s;
	uint32_t h = 2166136261;

	for (size_t i = 0; i < sizeof *s; i++)
		h = (h ^ p[i]) * 16777619;
	return h % HASH;
}

/* The state's index; it is added if it is new. */
static uint32_t intern(const struct state *s)
{
	uint32_t at = hash_of(s);

	while (table[at] && memcmp(&states[table[at] - 1], s, sizeof *s))
		at = (at + 1) % HASH;
	if (!table[at] && count == STATES_MAX) {
		full = true;
		return 0;
	}
	if (!table[at]) {
		states[count++] = *s;
		table[at] = count;
	}
	return table[at] - 1;
}

static uint8_t take(uint8_t queue[QUEUE], uint8_t *n)
{
	uint8_t first = queue[0];

	memmove(queue, queue + 1, QUEUE - 1);
	queue[QUEUE - 1] = 0;
	--*n;
	return first;
}

static void drop_connection(struct state *s)
{
	s->up = s->ended = s->told = s->hole = false;
	s->word = NO_WORD;
	s->rekey_agreed = s->answered = s->keeps_old = s->old = s->knows =
		false;
	s->at = s->old_n = 0;
	memset(s->on_old, 0, QUEUE);
	memset(s->to_receiver, 0, QUEUE);
	memset(s->to_sender, 0, QUEUE);
	s->receiver_n = s->sender_n = 0;
}

/* The receiver is done with the old connection, and says so by an ACK. */
static void arrive(struct state *s)
{
	if (!s->old || !s->knows || s->total < s->at)
		return;
	s->old = s->knows = false;
	s->old_n = 0;
	memset(s->on_old, 0, QUEUE);
	s->last_ack = UINT8_MAX;
}

/* What is on its way stays with the old connection. */
static void split(struct state *s)
{
	s->old = true;
	memcpy(s->on_old, s->to_receiver, QUEUE);
	s->old_n = s->receiver_n;
	memset(s->to_receiver, 0, QUEUE);
	memset(s->to_sender, 0, QUEUE);
	s->receiver_n = s->sender_n = 0;
}

/* The receiver hears of the new connection, which carries its frames. */
static void learn(struct state *s)
{
	s->knows = true;
	s->told = false;
	arrive(s);
}

static void receiver_takes(struct state *s, uint8_t what)
{
	if (what == CONFIRM) {
		s->wrong |= !s->over;
		s->receiver = EXITED_0;
		s->confirmed = true;
		drop_connection(s);
	} else if (what == END) {
		s->got_end = true;
	} else if (!s->over) {
		s->wrong |= what != s->total;
		s->total++;
	}
	arrive(s);
}

static void sender_takes(struct state *s)
{
	uint8_t what = take(s->to_sender, &s->sender_n);

	if (what == DONE) {
		s->wrong |= !s->ever_ended;
		s->sender = EXITED_0;
		if (s->receiver_n < QUEUE && !s->hole)
			s->to_receiver[s->receiver_n++] = CONFIRM;
		else
			drop_connection(s);
		return;
	}
	s->word = what & WAITS ? STILL_WAITS : HAS_ALL;
	what &= WAITS - 1;
	s->wrong |= what > s->sent;
	if (what > s->acked)
		s->acked = what;
	if (s->keeps_old && s->acked >= s->at)
		s->keeps_old = false;
}

/* WELCOME: the receiver's offset counts; what was acknowledged is gone. */
static void connect_again(struct state *s)
{
	drop_connection(s);
	s->up = true;
	s->wrong |= s->total < s->acked || s->total > s->head;
	s->sent = s->total;
	if (s->total > s->acked)
		s->acked = s->total;
	s->last_ack = s->total;
}

enum step {
	READ,
	SEND,
	SEND_END,
	RECEIVE,
	ACK,
	CONSUME,
	TELL,
	HEAR,
	CONNECT,
	GREET, /* the sender dials a rotation; */
	ANSWER, /* the receiver welcomes it, */
	SWITCH, /* which the sender hears */
	ASK, /* the receiver dials, and the sender welcomes it; */
	LEARN, /* which the receiver hears */
	RECEIVE_OLD,
	CALL_STUCK, /* the sender, of a connection that moves nothing */
	RECEIVER_LEAVES, /* nobody is there any more */
	FAULTS,
	CUT = FAULTS,
	SWALLOW,
	TAKE_OVER,
	SENDER_DIES,
	RECEIVER_DIES,
	SENDER_GIVES_UP,
	RECEIVER_GIVES_UP,
	STEPS
};

static bool step_sender(struct state *s, enum step step)
{
	if (s->sender != RUNS)
		return false;
	switch (step) {
	case READ:
		if (s->head == BYTES || s->head - s->acked == KEEPS)
			return false;
		s->head++;
		return true;
	case SEND:
		if (!s->up || s->sent == s->head || s->receiver_n == QUEUE ||
		    (s->rekey_agreed && variant != NO_HOLD))
			return false;
		if (!s->hole)
			s->to_receiver[s->receiver_n++] = s->sent;
		s->sent++;
		return true;
	case SEND_END:
		if (!s->up || s->head < BYTES || s->sent < BYTES || s->ended ||
		    s->rekey_agreed || s->receiver_n == QUEUE)
			return false;
		if (!s->hole)
			s->to_receiver[s->receiver_n++] = END;
		s->ended = s->ever_ended = true;
		return true;
	case HEAR:
		if (!s->sender_n || s->rekey_agreed)
			return false;
		sender_takes(s);
		return true;
	case SENDER_GIVES_UP:
		if (s->up)
			return false;
		s->sender = LOST;
		return true;
	case SENDER_DIES:
		s->sender = DIED;
		drop_connection(s);
		return true;
	default:
		return false;
	}
}

/* What an ACK says now. */
static uint8_t ack_of(const struct state *s)
{
	bool waits = !s->got_end && variant != NEVER_WAITS;

	return s->total + (waits ? WAITS : 0);
}

static bool step_receiver(struct state *s, enum step step)
{
	if (s->receiver != RUNS)
		return false;
	switch (step) {
	case RECEIVE:
		if (!s->receiver_n || (s->old && variant != NEW_FIRST))
			return false;
		receiver_takes(s, take(s->to_receiver, &s->receiver_n));
		return true;
	case RECEIVE_OLD:
		if (!s->old_n)
			return false;
		receiver_takes(s, take(s->on_old, &s->old_n));
		return true;
	case ACK:
		if (!s->up || s->over || s->last_ack == ack_of(s) ||
		    s->sender_n == QUEUE)
			return false;
		s->last_ack = ack_of(s);
		if (s->old && !s->knows)
			return true; /* the sender does not listen there */
		s->to_sender[s->sender_n++] =
			ack_of(s) +
			(variant == ACKS_TOO_MUCH && s->total < s->sent);
		return true;
	case CONSUME:
		if (!s->got_end || s->over)
			return false;
		s->over = true;
		return true;
	case TELL:
		if (!s->up || !s->over || s->told || s->sender_n == QUEUE)
			return false;
		s->told = true;
		if (!s->old || s->knows)
			s->to_sender[s->sender_n++] = DONE;
		return true;
	case RECEIVER_GIVES_UP:
	case RECEIVER_LEAVES:
		if (s->up || (step == RECEIVER_LEAVES && s->sender == RUNS))
			return false;
		s->receiver = s->over ? EXITED_0 : LOST;
		return true;
	case RECEIVER_DIES:
		s->receiver = DIED;
		drop_connection(s);
		return true;
	default:
		return false;
	}
}

/* Bytes or the end were sent over this connection and not acknowledged. */
static bool sender_owes(const struct state *s)
{
	return s->sent > s->acked || (s->ended && variant != FORGETS_END);
}

/*
 * A connection that swallows lives for ever otherwise, and a rotation does not
 * begin on it.
 */
static bool step_hole(struct state *s, enum step step)
{
	switch (step) {
	case SWALLOW:
		if (!s->up || s->hole || s->rekey_agreed || s->keeps_old ||
		    s->old)
			return false;
		s->hole = true;
		memset(s->to_receiver, 0, QUEUE);
		s->receiver_n = 0;
		return true;
	case CALL_STUCK:
		if (!s->hole || s->sender != RUNS || !sender_owes(s) ||
		    s->word != STILL_WAITS)
			return false;
		drop_connection(s);
		return true;
	default:
		return false;
	}
}

static bool step_connection(struct state *s, enum step step)
{
	switch (step) {
	case CUT:
		if (!s->up || s->hole)
			return false;
		if (variant == FIN_CONFIRMS && s->told && s->receiver == RUNS) {
			s->receiver = EXITED_0;
			s->confirmed = true;
		}
		drop_connection(s);
		return true;
	case CONNECT:
	case TAKE_OVER:
		if (s->up != (step == TAKE_OVER) || s->sender != RUNS ||
		    s->receiver != RUNS)
			return false;
		connect_again(s);
		return true;
	default:
		return false;
	}
}

static bool step_rekey(struct state *s, enum step step)
{
	bool calm = s->up && !s->rekey_agreed && !s->keeps_old && !s->old &&
		    !s->hole;

	if (s->sender != RUNS || s->receiver != RUNS)
		return false;
	switch (step) {
	case GREET:
		if (!calm || s->ended)
			return false;
		s->rekey_agreed = true;
		s->at = s->sent;
		return true;
	case ANSWER:
		if (!s->rekey_agreed || s->answered)
			return false;
		s->answered = true;
		split(s);
		learn(s);
		return true;
	case SWITCH:
		if (!s->answered)
			return false;
		s->rekey_agreed = s->answered = false;
		s->keeps_old = variant != CLOSES_EARLY || s->acked < s->at;
		return true;
	case ASK:
		if (!calm)
			return false;
		s->at = s->sent;
		s->keeps_old = variant != CLOSES_EARLY || s->acked < s->at;
		s->ended = false;
		split(s);
		return true;
	case LEARN:
		if (!s->old || s->knows)
			return false;
		learn(s);
		return true;
	default:
		return false;
	}
}

/* Returns whether the step can be taken. */
static bool take_step(struct state *s, enum step step)
{
	return step_sender(s, step) || step_receiver(s, step) ||
	       step_hole(s, step) || step_connection(s, step) ||
	       step_rekey(s, step);
}

static void explore(void)
{
	struct state first;

	memset(&first, 0, sizeof first);
	memset(table, 0, HASH * sizeof *table);
	count = 0;
	full = false;
	intern(&first);
	for (uint32_t i = 0; i < count && !full; i++)
		for (enum step step = 0; step < STEPS; step++) {
			struct state next = states[i];

			if (take_step(&next, step))
				intern(&next);
		}
}

static unsigned int count_if(bool (*bad)(const struct state *s))
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < count; i++)
		n += bad(&states[i]);
	return n;
}

static bool is_wrong(const struct state *s)
{
	return s->wrong;
}

static bool is_lie(const struct state *s)
{
	return (s->sender == EXITED_0 && !s->over) ||
	       (s->receiver == EXITED_0 && (!s->over || s->total != BYTES));
}

/* The old connection goes before the receiver has heard of the new one. */
static bool is_pulled_away(const struct state *s)
{
	return s->up && s->old && !s->knows && !s->keeps_old &&
	       s->sender == RUNS && s->receiver == RUNS;
}

static bool is_left_behind(const struct state *s)
{
	return s->confirmed && s->sender == RUNS;
}

/* How many states with both alive have no way, without a fault, to the end? */
static unsigned int dead_ends(void)
{
	bool *good = calloc(count, sizeof *good), changed = true;
	unsigned int n = 0;

	if (!good)
		exit(1);
	while (changed) {
		changed = false;
		for (uint32_t i = count; i-- > 0;) {
			const struct state *s = &states[i];

			if (good[i])
				continue;
			good[i] = s->sender == EXITED_0 &&
				  s->receiver == EXITED_0;
			for (enum step step = 0; step < FAULTS && !good[i];
			     step++) {
				struct state next = *s;

				if (take_step(&next, step))
					good[i] = good[intern(&next)];
			}
			changed |= good[i];
		}
	}
	for (uint32_t i = 0; i < count; i++)
		n += !good[i] && states[i].sender == RUNS &&
		     states[i].receiver == RUNS;
	free(good);
	return n;
}

int main(void)
{
	states = malloc(STATES_MAX * sizeof *states);
	table = malloc(HASH * sizeof *table);
	if (!states || !table)
		return 1;

	explore();
	printf("# %u states\n", count);
	ok(!full, "every state was reached");
	ok(count > 1000, "and they are many");
	is_int(count_if(is_wrong), 0, "no byte is lost or comes twice");
	is_int(count_if(is_lie), 0, "0 means that all was consumed");
	is_int(count_if(is_left_behind), 0, "no sender is left behind");
	is_int(count_if(is_pulled_away), 0, "no rotation looks like a loss");
	is_int(dead_ends(), 0, "who lives can always finish");

	variant = FIN_CONFIRMS;
	explore();
	ok(count_if(is_left_behind) > 0,
	   "a FIN that confirms would leave a sender behind");
	variant = ACKS_TOO_MUCH;
	explore();
	ok(count_if(is_wrong) > 0, "an ACK too far would lose a byte");
	variant = NEW_FIRST;
	explore();
	ok(count_if(is_wrong) > 0,
	   "who reads the new one first mixes bytes up");
	variant = NO_HOLD;
	explore();
	ok(count_if(is_wrong) > 0,
	   "who does not hold sends bytes past the end");
	variant = CLOSES_EARLY;
	explore();
	ok(count_if(is_pulled_away) > 0,
	   "who goes by older ACKs closes the old one too early");
	variant = FORGETS_END;
	explore();
	ok(dead_ends() > 0, "who forgets its end waits for ever if it is lost");
	variant = NEVER_WAITS;
	explore();
	ok(dead_ends() > 0, "without the word that it waits nobody finds out");
	free(states);
	free(table);
	return tap_end();
}
