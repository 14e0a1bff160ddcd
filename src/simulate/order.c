/* order.c - ranks by a hash of the process, so that nothing is to be kept for each. */
#include "simulate/order.h"

#include <stdlib.h>

static int ascending(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

void esi_order_init(struct esi_order *order, uint64_t seed)
{
    *order = (struct esi_order){.seed = seed};
    esi_random_seed(&order->random, seed);
    order->is_by_rank = esi_random_below(&order->random, 2);
    order->change_count = (int)esi_random_below(&order->random, ESI_ORDER_CHANGES_MOST + 1);
    uint64_t length = UINT64_C(32) << esi_random_below(&order->random, 11);
    for (int i = 0; i < order->change_count; i++)
        order->changes[i] = 1 + esi_random_below(&order->random, length);
    qsort(order->changes, (size_t)order->change_count, sizeof order->changes[0], ascending);
}

uint64_t esi_order_rank(const struct esi_order *order, uint64_t id)
{
    for (int i = order->changes_done; i-- > 0;)
        if (order->lowered[i] == id)
            return (uint64_t)(ESI_ORDER_CHANGES_MOST - i);
    uint64_t x = (id ^ order->seed) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 32) * UINT64_C(0x94d049bb133111eb);
    return (x ^ x >> 29) | UINT64_C(1) << 63;
}

bool esi_order_step(struct esi_order *order, uint64_t id)
{
    order->steps++;
    if (order->changes_done == order->change_count || order->changes[order->changes_done] > order->steps)
        return false;
    order->lowered[order->changes_done++] = id;
    return true;
}
