/* simulate/plan.h - which opportunities for a fault are taken. Pure: no clock, no processes.
 *
 * Whether the n-th opportunity of a kind is taken depends on the seed, the kind and n alone. So a plan can be cut down to some of what it
 * struck, and these are the same as before, as far as the program still comes there. */
#ifndef SIMULATE_PLAN_H
#define SIMULATE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <engset/base.h>
#include "platform/strike.h"

/* One opportunity: the number-th of its kind, from 1. */
struct esi_opportunity {
    enum esi_strike kind;
    uint32_t number;
};

struct esi_plan {
    uint64_t seed;
    uint32_t rates[ESI_STRIKE_COUNT]; /* in 2^32 opportunities */
    uint32_t seen[ESI_STRIKE_COUNT];  /* opportunities so far */
    struct esi_opportunity
        *listed; /* NULL: by the rates; else these and no others. In order of kind and number */
    size_t listed_count;
};

/* "kill", "hand_over" ... */
const char *esi_strike_name(enum esi_strike kind);

/* A plan for `seed` with faults of the kinds in `kinds` (bit 1 << kind): some are left out, the others get a rate. */
void esi_plan_init(struct esi_plan *plan, uint64_t seed, uint32_t kinds);
void esi_plan_fini(struct esi_plan *plan);

/* From "all", "none", "kill,cut": the kinds as bits. ES_EINVAL: a word that is none; `*kinds` is untouched. */
ES_CHECKED es_err esi_plan_kinds(const char *text, uint32_t *kinds);

/* From "kill@3,cut@17", or the empty text: these and no others. ES_EINVAL: something else; ES_ENOMEM. The plan is then as before. */
ES_CHECKED es_err esi_plan_list(struct esi_plan *plan, const char *text);

/* One more opportunity of `kind`: is it taken? Its number is written to `*number`. */
bool esi_plan_strikes(struct esi_plan *plan, enum esi_strike kind, uint32_t *number);

#endif
