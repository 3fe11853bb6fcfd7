// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The greeting of a stream's first connection as a state machine, all states
 * explored: HELLO, WELCOME and HAVE, each of which a reset may destroy, or a
 * network that swallows what the listener says, and a thief with the client's
 * own key and the stream's id.  This models "Resume" of
 * the protocol page.  test_resume_model has what comes after the greeting.
 *
 * Checked in every reachable state:
 *   - the thief does not have the stream if anything of it has moved before
 *   - while client and listener run, and no thief came first, some sequence of
 *     steps leads to the end of the stream
 *
 * Also checked is that these checks can fail, with wrong variants:
 *   - a listener that gives a stream one ticket only
 *   - a listener that gives another ticket although something has moved
 *   - a client that takes the ticket before HAVE has left
 *   - a client that gives up when WELCOME does not come in time
 */
#include "model_rules.h"
#include "tap.h"

enum { BYTES = 2, RESETS = 4, THEFTS = 2 };

/* The ticket of a WELCOME without a handle, which the listener never gave */
enum { WRONG = 100 };

enum owner { NOBODY, CLIENT, THIEF };

enum phase {
	AWAY, /* it has no connection */
	ASKS, /* HELLO is on its way */
	AWAITS, /* the listener has welcomed it */
	DEAF, /* the same, but WELCOME never comes */
	HAS_TO_TELL, /* WELCOME is here; now HAVE */
	STREAMS,
};

struct state {
	/* The client */
	uint8_t phase;
	uint8_t ticket; /* 0: none yet */
	bool agreed; /* its first connection stood */

	/* The listener */
	uint8_t owner; /* of the stream: enum owner */
	uint8_t given; /* the only ticket that counts */
	uint8_t stolen; /* the thief's, or 0 */
	uint8_t moved;
	bool robbed; /* after something had moved */

	uint8_t said; /* the ticket of the WELCOME on its way */
	uint8_t resets, thefts; /* left; a swallowed WELCOME is a reset, too */
};

enum step {
	DIAL,
	WELCOME,
	HEAR,
	TELL,
	MOVE,
	RESET,
	SWALLOW,
	TIME_OUT,
	STEAL,
	STEPS
};

enum variant {
	AS_IT_IS,
	ONE_TICKET,
	TICKETS_ALWAYS,
	AGREES_FIRST,
	ONE_TIMEOUT
};

static enum variant variant;
static struct model model = { .size = sizeof(struct state),
			      .most = 1 << 16,
			      .hashes = 1 << 18 };

/* May a peer without the ticket have another one? */
static bool renews(const struct state *s)
{
	if (s->owner == NOBODY)
		return true;
	return variant != ONE_TICKET &&
	       (!s->moved || variant == TICKETS_ALWAYS);
}

/* The listener answers the client's HELLO. */
static bool welcome(struct state *s)
{
	if (s->phase != ASKS)
		return false;
	if (s->ticket) {
		if (s->ticket != s->given)
			return false;
		s->said = WRONG;
	} else {
		if (!renews(s))
			return false;
		s->said = ++s->given;
		s->owner = CLIENT;
	}
	s->phase = AWAITS;
	return true;
}

static void agree(struct state *s)
{
	if (!s->agreed)
		s->ticket = s->said;
}

static bool hear(struct state *s)
{
	if (s->phase != AWAITS)
		return false;
	if (variant == AGREES_FIRST)
		agree(s);
	s->phase = HAS_TO_TELL;
	return true;
}

static bool tell(struct state *s)
{
	if (s->phase != HAS_TO_TELL)
		return false;
	agree(s);
	s->agreed = true;
	s->said = 0;
	s->phase = STREAMS;
	return true;
}

static bool steal(struct state *s)
{
	if (!s->thefts || !renews(s))
		return false;
	s->thefts--;
	s->robbed |= s->moved;
	s->stolen = ++s->given;
	s->owner = THIEF;
	s->phase = AWAY;
	s->said = 0;
	return true;
}

static bool step_any(void *state, int step)
{
	struct state *s = state;

	switch (step) {
	case DIAL:
		if (s->phase != AWAY)
			return false;
		s->phase = ASKS;
		return true;
	case WELCOME:
		return welcome(s);
	case HEAR:
		return hear(s);
	case TELL:
		return tell(s);
	case MOVE:
		if (s->phase != STREAMS || s->moved == BYTES)
			return false;
		s->moved++;
		return true;
	case RESET:
		if (s->phase == AWAY || !s->resets)
			return false;
		s->resets--;
		s->phase = AWAY;
		s->said = 0;
		return true;
	case SWALLOW:
		if (s->phase != AWAITS || !s->resets)
			return false;
		s->resets--;
		s->phase = DEAF;
		return true;
	case TIME_OUT:
		if (s->phase != DEAF || variant == ONE_TIMEOUT)
			return false;
		s->phase = AWAY;
		s->said = 0;
		return true;
	case STEAL:
		return steal(s);
	}
	return false;
}

static bool is_honest(const void *state)
{
	const struct state *s = state;

	return !s->robbed;
}

static bool is_success(const void *state)
{
	const struct state *s = state;

	return s->moved == BYTES;
}

/* A thief who came first is like anybody who begins a stream with that key. */
static bool may_hope(const void *state)
{
	const struct state *s = state;

	return !s->stolen;
}

static const struct model_rules rules = { STEPS, step_any, is_honest,
					  is_success, may_hope };

static uint32_t explore(enum variant v)
{
	struct state first;

	variant = v;
	memset(&first, 0, sizeof first);
	first.resets = RESETS;
	first.thefts = THEFTS;
	return model_explore(&model, &rules, &first);
}

int main(void)
{
	model_init(&model);
	is_int(explore(AS_IT_IS), 0, "a stream that has moved is not stolen");
	ok(!model.full && model.count > 100, "all of %u states were explored",
	   model.count);
	is_int(model_hopeless(&model, &rules), 0,
	       "whatever is lost of a greeting, the client can go on");
	ok(explore(TICKETS_ALWAYS) > 0,
	   "the checks notice if a stream that has moved gets another ticket");
	explore(ONE_TICKET);
	ok(model_hopeless(&model, &rules) > 0,
	   "the checks notice if a lost WELCOME costs the stream");
	explore(AGREES_FIRST);
	ok(model_hopeless(&model, &rules) > 0,
	   "the checks notice if a ticket is taken before HAVE has left");
	explore(ONE_TIMEOUT);
	ok(model_hopeless(&model, &rules) > 0,
	   "the checks notice if a swallowed WELCOME costs the stream");
	model_fini(&model);
	return tap_end();
}
