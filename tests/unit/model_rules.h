/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Explores a model, and asks from which of its states it can succeed. */
#pragma once

#include "model.h"
#include "tap.h"

/* A model's own functions; a state is as in model_add(). */
struct model_rules {
	int steps;
	bool (*step)(void *state, int step); /* false: it cannot be taken */
	bool (*is_honest)(const void *state);
	bool (*is_success)(const void *state);
	bool (*may_hope)(const void *state); /* success must be possible */
};

/* Take a step from state number i.  Returns whether it can be taken. */
static bool model_step(const struct model *m, const struct model_rules *r,
		       uint32_t i, int step, void *next)
{
	memcpy(next, m->states + i * m->size, m->size);
	return r->step(next, step);
}

/* Explore from first.  Returns the number of states that are not honest. */
static uint32_t model_explore(struct model *m, const struct model_rules *r,
			      const void *first)
{
	uint8_t *next = malloc(m->size);
	uint32_t bad = 0;

	if (!next)
		bail();
	model_begin(m, first);
	for (uint32_t i = 0; i < m->count && !m->full; i++) {
		if (!r->is_honest(m->states + i * m->size)) {
			bad++;
			continue;
		}
		for (int step = 0; step < r->steps; step++)
			if (model_step(m, r, i, step, next))
				model_add(m, next);
	}
	free(next);
	return bad;
}

/*
 * Which states can lead to success?  Repeat until no more are found.  Returns
 * how many of those that may hope cannot.
 */
static uint32_t model_hopeless(struct model *m, const struct model_rules *r)
{
	bool *good = calloc(m->count, sizeof *good);
	uint8_t *next = malloc(m->size);
	uint32_t hopeless = 0;
	bool more = true;

	if (!good || !next)
		bail();
	for (uint32_t i = 0; i < m->count; i++)
		good[i] = r->is_success(m->states + i * m->size);
	while (more) {
		more = false;
		for (uint32_t i = m->count; i-- > 0;)
			for (int step = 0; step < r->steps && !good[i]; step++)
				if (model_step(m, r, i, step, next) &&
				    good[model_add(m, next)])
					more = good[i] = true;
	}
	for (uint32_t i = 0; i < m->count; i++)
		hopeless += r->may_hope(m->states + i * m->size) && !good[i];
	free(next);
	free(good);
	return hopeless;
}
