/* simulate/order.h - in which order processes run: at random, or by priorities that change at few moments (PCT).
 *
 * PCT: each process has a rank of its own, drawn; the highest runnable one runs, and gives way as soon as a higher one can run. At some
 * moments, drawn beforehand, whoever runs goes below all others. A bug that takes d orderings comes out with a probability of at least
 * 1 / (n k^(d-1)) with n processes and k steps. Source: Burckhardt, Kothari, Musuvathi, Nagarakatte: "A Randomized Scheduler with
 * Probabilistic Guarantees of Finding Bugs" (2010). */
#ifndef SIMULATE_ORDER_H
#define SIMULATE_ORDER_H

#include <stdbool.h>
#include <stdint.h>
#include "base/random.h"

enum { ESI_ORDER_CHANGES_MOST = 4 };

struct esi_order {
    struct esi_random random;
    uint64_t seed;
    bool is_by_rank;
    int change_count, changes_done;
    uint64_t changes[ESI_ORDER_CHANGES_MOST]; /* steps, ascending */
    uint64_t lowered
        [ESI_ORDER_CHANGES_MOST]; /* whom the changes put below all others, the first one the highest */
    uint64_t steps;               /* calls of the runtime so far */
};

/* The order for `seed`: of each two seeds one goes by rank, with changes within the first 32 to 32,768 steps. */
void esi_order_init(struct esi_order *order, uint64_t seed);

/* The rank of the process that is called `id`; unlike for different ones. When is_by_rank. */
uint64_t esi_order_rank(const struct esi_order *order, uint64_t id);

/* The process that is called `id` takes a step. True: now a change has put it below all others. */
bool esi_order_step(struct esi_order *order, uint64_t id);

#endif
