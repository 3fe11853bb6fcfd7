/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The states that a model has reached: a set in which each has a number. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

struct model {
	size_t size; /* bytes of a state */
	uint32_t most; /* states */
	uint32_t hashes;
	uint8_t *states;
	uint32_t *table; /* by hash: number of a state, plus 1 */
	uint32_t count;
	bool full; /* there are more states */
};

static void model_init(struct model *m)
{
	m->states = malloc(m->most * m->size);
	m->table = malloc(m->hashes * sizeof *m->table);
	if (!m->states || !m->table)
		bail();
}

static void model_fini(struct model *m)
{
	free(m->states);
	free(m->table);
}

static uint32_t model_hash(const struct model *m, const uint8_t *state)
{
	uint32_t h = 2166136261;

	for (size_t i = 0; i < m->size; i++)
		h = (h ^ state[i]) * 16777619;
	return h % m->hashes;
}

/* Returns the state's number; adds the state if it is new. */
static uint32_t model_add(struct model *m, const void *state)
{
	uint32_t at = model_hash(m, state);

	while (m->table[at] &&
	       memcmp(m->states + (m->table[at] - 1) * m->size, state, m->size))
		at = (at + 1) % m->hashes;
	if (!m->table[at] && m->count == m->most) {
		m->full = true;
		return 0;
	}
	if (!m->table[at]) {
		memcpy(m->states + m->count * m->size, state, m->size);
		m->table[at] = ++m->count;
	}
	return m->table[at] - 1;
}

/* Begin again, with this state alone. */
static void model_begin(struct model *m, const void *first)
{
	memset(m->table, 0, m->hashes * sizeof *m->table);
	m->count = 0;
	m->full = false;
	model_add(m, first);
}
