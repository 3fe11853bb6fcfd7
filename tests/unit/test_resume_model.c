// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Resume and rekey as a state machine, all states explored.  Bytes,
 * acknowledgements and the outcome travel over a connection.  Between any two
 * steps it can be cut, replaced while it still stands, rekeyed, or start to
 * swallow what is sent; and either process can die.  This models the protocol
 * page.  Where the code decides by pure functions (conn/rekey, conn/stuck,
 * conn/retry), the model calls these.
 *
 * Checked in every reachable state:
 *   - each byte is received once and in order
 *   - if the sender or the receiver exits 0, everything was consumed
 *   - if a receiver exits with its outcome confirmed, the sender knows the
 *     outcome
 *   - while both live, some sequence of steps leads to both exiting 0, and
 *     neither has to give up
 *
 * Also checked is that these checks can fail, with wrong variants:
 *   - a receiver that takes FIN for the sender's confirmation
 *   - a receiver that acknowledges bytes that it does not have
 *   - a receiver that reads a new connection before the old one is empty
 *   - a sender that uses the old connection after it said where it ends
 *   - a sender that closes the old connection by earlier acknowledgements
 *   - a sender that does not miss the acknowledgement of its end
 *   - a receiver that does not say that it waits
 */
#include "base/clock.h"
#include "conn/rekey.h"
#include "conn/retry.h"
#include "conn/stuck.h"
#include "model.h"
#include "tap.h"

enum {
	BYTES = 6, /* of the stream */
	KEEPS = 4, /* room of the resend buffer */
	QUEUE = 5, /* room on the way, in one direction */
};

enum life { RUNS, EXITED_0, LOST, DIED };

/* On the way to the receiver: the number of a byte, or one of these */
enum { END = 100, CONFIRM };
/* On the way to the sender: an offset, perhaps plus WAITS, or DONE */
enum { WAITS = 16, DONE = 100 };

/* What the last ACK on this connection said */
enum word { NO_WORD, HAS_ALL, STILL_WAITS };

struct state {
	uint8_t sender, receiver; /* enum life */
	uint8_t head, acked, sent; /* the resend buffer */
	bool ended, ever_ended; /* END was sent on this connection; on any */
	uint8_t total; /* received */
	bool got_end, over, told; /* over: consumed; told: on this connection */
	uint8_t last_ack;
	bool up; /* there is a connection */
	bool hole; /* it swallows everything that the sender sends */
	uint8_t word; /* enum word: what the sender knows */
	bool confirmed; /* the receiver exited because the sender knew */
	bool wrong; /* a byte out of order, or an impossible frame */
	uint8_t to_receiver[QUEUE], to_sender[QUEUE];
	uint8_t receiver_n, sender_n;

	/* Rekey */
	uint8_t at; /* offset where the new connection begins */
	uint8_t phase; /* enum rekey_phase of the sender */
	bool answered; /* its HELLO was accepted */
	bool old, knows; /* the receiver reads an old one; knows its end */
	uint8_t on_old[QUEUE], old_n; /* on the way on the old one */
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
static struct model model = { .size = sizeof(struct state),
			      .most = 1 << 21,
			      .hashes = 1 << 23 };
static struct state *states; /* of the model */

static uint8_t take(uint8_t queue[QUEUE], uint8_t *n)
{
	uint8_t first = queue[0];

	memmove(queue, queue + 1, QUEUE - 1);
	queue[QUEUE - 1] = 0;
	--*n;
	return first;
}

/* The sender's rekey, as the code keeps it */
static struct rekey rekey_of(const struct state *s)
{
	return (struct rekey){ .phase = s->phase, .at = s->at };
}

static bool holds(const struct state *s)
{
	const struct rekey r = rekey_of(s);

	return rekey_holds(&r);
}

/* The sender dials, and its HELLO says where the new connection begins. */
static void agree(struct state *s)
{
	struct rekey r = rekey_of(s);

	s->wrong |= !rekey_dial(&r, KEEPS, KEEPS, 1);
	rekey_agree(&r);
	s->phase = r.phase;
	s->at = s->sent;
}

/* The receiver acknowledged so much: may the old connection be closed? */
static void retire_old(struct state *s, uint8_t acked)
{
	struct rekey r = rekey_of(s);

	/* What the receiver lacks must not be closed. */
	s->wrong |= rekey_drained(&r, acked) && s->total < s->at;
	s->phase = r.phase;
}

static void switch_at(struct state *s, uint8_t at, bool closes_early)
{
	struct rekey r = rekey_of(s);

	rekey_switch(&r, at);
	s->phase = r.phase;
	s->at = (uint8_t)r.at;
	if (closes_early)
		retire_old(s, s->acked);
}

static void drop_connection(struct state *s)
{
	s->up = s->ended = s->told = s->hole = false;
	s->word = NO_WORD;
	s->answered = s->old = s->knows = false;
	s->phase = REKEY_NONE;
	s->at = s->old_n = 0;
	memset(s->on_old, 0, QUEUE);
	memset(s->to_receiver, 0, QUEUE);
	memset(s->to_sender, 0, QUEUE);
	s->receiver_n = s->sender_n = 0;
}

/* The receiver has all of the old connection: it sends an ACK. */
static void arrive(struct state *s)
{
	if (!s->old || !s->knows || s->total < s->at)
		return;
	s->old = s->knows = false;
	s->old_n = 0;
	memset(s->on_old, 0, QUEUE);
	s->last_ack = UINT8_MAX;
}

/* Bytes on the way stay on the old connection. */
static void split(struct state *s)
{
	s->old = true;
	memcpy(s->on_old, s->to_receiver, QUEUE);
	s->old_n = s->receiver_n;
	memset(s->to_receiver, 0, QUEUE);
	memset(s->to_sender, 0, QUEUE);
	s->receiver_n = s->sender_n = 0;
}

/* The receiver learns of the new connection, and sends its frames there. */
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
	retire_old(s, what);
}

/* WELCOME: the sender continues at the receiver's offset. */
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
	GREET, /* the sender dials to rekey; */
	ANSWER, /* the receiver welcomes it, */
	SWITCH, /* the sender receives the WELCOME */
	ASK, /* the receiver dials, and the sender welcomes it; */
	LEARN, /* the receiver gets the WELCOME */
	RECEIVE_OLD,
	CALL_STUCK, /* the sender judges that nothing arrives */
	RECEIVER_LEAVES, /* the sender is gone */
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

/* Does --retry end, if nothing else happens?  Connections here are of use. */
static bool gives_up(const struct state *s)
{
	struct retry r = { .limit_ms = 1 };

	retry_lost(&r, 1);
	if (s->up) {
		retry_connected(&r, 2);
		retry_moved(&r);
	}
	return retry_deadline(&r) != CLOCK_NEVER;
}

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
		    (holds(s) && variant != NO_HOLD))
			return false;
		if (!s->hole)
			s->to_receiver[s->receiver_n++] = s->sent;
		s->sent++;
		return true;
	case SEND_END:
		if (!s->up || s->head < BYTES || s->sent < BYTES || s->ended ||
		    holds(s) || s->receiver_n == QUEUE)
			return false;
		if (!s->hole)
			s->to_receiver[s->receiver_n++] = END;
		s->ended = s->ever_ended = true;
		return true;
	case HEAR:
		if (!s->sender_n || holds(s))
			return false;
		sender_takes(s);
		return true;
	case SENDER_GIVES_UP:
		if (!gives_up(s))
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

/* What an ACK would say now */
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
			return true; /* the sender does not read there */
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
		if (!gives_up(s) ||
		    (step == RECEIVER_LEAVES && s->sender == RUNS))
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

/* Were bytes or the end sent on this connection and not acknowledged? */
static bool sender_owes(const struct state *s)
{
	return s->sent > s->acked || (s->ended && variant != FORGETS_END);
}

/* The sender's verdict, if the last ACK comes again and again */
static bool judges_stuck(const struct state *s)
{
	struct stuck stuck = stuck_begin(s->acked);

	for (uint64_t now = 1000; now < 3 * STUCK_MS; now += 5000) {
		if (s->word != NO_WORD)
			stuck_ack(&stuck, s->acked, s->word == STILL_WAITS);
		if (stuck_judge(&stuck, sender_owes(s), now))
			return true;
	}
	return false;
}

/*
 * A connection that swallows cannot be cut otherwise, and no rekey begins on
 * it.
 */
static bool step_hole(struct state *s, enum step step)
{
	switch (step) {
	case SWALLOW:
		if (!s->up || s->hole || s->phase != REKEY_NONE || s->old)
			return false;
		s->hole = true;
		memset(s->to_receiver, 0, QUEUE);
		s->receiver_n = 0;
		return true;
	case CALL_STUCK:
		if (!s->hole || s->sender != RUNS || !judges_stuck(s))
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
	bool calm = s->up && s->phase == REKEY_NONE && !s->old && !s->hole;

	if (s->sender != RUNS || s->receiver != RUNS)
		return false;
	switch (step) {
	case GREET:
		if (!calm || s->ended)
			return false;
		agree(s);
		return true;
	case ANSWER:
		if (!holds(s) || s->answered)
			return false;
		s->answered = true;
		split(s);
		learn(s);
		return true;
	case SWITCH:
		if (!s->answered)
			return false;
		s->answered = false;
		switch_at(s, s->at, variant == CLOSES_EARLY);
		return true;
	case ASK:
		if (!calm)
			return false;
		switch_at(s, s->sent, variant == CLOSES_EARLY);
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
	model_begin(&model, &first);
	for (uint32_t i = 0; i < model.count && !model.full; i++)
		for (enum step step = 0; step < STEPS; step++) {
			struct state next = states[i];

			if (take_step(&next, step))
				model_add(&model, &next);
		}
}

static unsigned int count_if(bool (*bad)(const struct state *s))
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < model.count; i++)
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

/* The old connection closes before the receiver knows of the new one. */
static bool is_pulled_away(const struct state *s)
{
	return s->up && s->old && !s->knows && s->phase != REKEY_DRAINS &&
	       s->sender == RUNS && s->receiver == RUNS;
}

static bool is_left_behind(const struct state *s)
{
	return s->confirmed && s->sender == RUNS;
}

/*
 * Count the states with both alive that cannot reach the end without a fault.
 */
static unsigned int dead_ends(void)
{
	bool *good = calloc(model.count, sizeof *good), changed = true;
	unsigned int n = 0;

	if (!good)
		bail();
	while (changed) {
		changed = false;
		for (uint32_t i = model.count; i-- > 0;) {
			const struct state *s = &states[i];

			if (good[i])
				continue;
			good[i] = s->sender == EXITED_0 &&
				  s->receiver == EXITED_0;
			for (enum step step = 0; step < FAULTS && !good[i];
			     step++) {
				struct state next = *s;

				if (take_step(&next, step))
					good[i] =
						good[model_add(&model, &next)];
			}
			changed |= good[i];
		}
	}
	for (uint32_t i = 0; i < model.count; i++)
		n += !good[i] && states[i].sender == RUNS &&
		     states[i].receiver == RUNS;
	free(good);
	return n;
}

int main(void)
{
	model_init(&model);
	states = (struct state *)model.states;

	explore();
	printf("# %u states\n", model.count);
	ok(!model.full, "every state was reached");
	ok(model.count > 1000, "there are many of them");
	is_int(count_if(is_wrong), 0, "no byte is lost or received twice");
	is_int(count_if(is_lie), 0, "exit 0 means that all was consumed");
	is_int(count_if(is_left_behind), 0,
	       "no sender is left without the outcome");
	is_int(count_if(is_pulled_away), 0,
	       "no rekey looks like a lost connection");
	is_int(dead_ends(), 0, "two living processes can always finish");

	variant = FIN_CONFIRMS;
	explore();
	ok(count_if(is_left_behind) > 0,
	   "if FIN confirmed, a sender would miss the outcome");
	variant = ACKS_TOO_MUCH;
	explore();
	ok(count_if(is_wrong) > 0, "an ACK beyond the total would lose a byte");
	variant = NEW_FIRST;
	explore();
	ok(count_if(is_wrong) > 0,
	   "reading the new connection first reorders bytes");
	variant = NO_HOLD;
	explore();
	ok(count_if(is_wrong) > 0,
	   "sending on during the rekey passes the agreed end");
	variant = CLOSES_EARLY;
	explore();
	ok(count_if(is_pulled_away) > 0,
	   "earlier ACKs would close the old connection too early");
	variant = FORGETS_END;
	explore();
	ok(dead_ends() > 0, "a lost END that is not missed blocks for ever");
	variant = NEVER_WAITS;
	explore();
	ok(dead_ends() > 0,
	   "without WAITS a stuck connection is never noticed");
	model_fini(&model);
	return tap_end();
}
