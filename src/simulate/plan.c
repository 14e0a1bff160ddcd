/* plan.c - rates by the seed, and lists by name. */
#include "simulate/plan.h"

#include <stdlib.h>
#include <string.h>
#include "base/alloc.h"

/* In a million opportunities, for seeds that have that kind at all. */
static const struct {
    const char *name;
    uint32_t least, most;
} kinds[ESI_STRIKE_COUNT] = {
    [ESI_STRIKE_HAND_OVER] = {"hand_over", 5000, 500000},
    [ESI_STRIKE_WAKE] = {"wake", 1000, 100000},
    [ESI_STRIKE_KILL] = {"kill", 50, 10000},
    [ESI_STRIKE_CRASH] = {"crash", 50, 10000},
    [ESI_STRIKE_FREEZE] = {"freeze", 50, 10000},
    [ESI_STRIKE_NO_MEMORY] = {"no_memory", 20, 5000},
    [ESI_STRIKE_NO_DESCRIPTOR] = {"no_descriptor", 10000, 200000},
    [ESI_STRIKE_REFUSE] = {"refuse", 10000, 300000},
    [ESI_STRIKE_CUT] = {"cut", 200, 20000},
    [ESI_STRIKE_HALF_CLOSE] = {"half_close", 200, 20000},
    [ESI_STRIKE_DELAY] = {"delay", 5000, 300000},
    [ESI_STRIKE_SHORT_IO] = {"short_io", 10000, 500000},
    [ESI_STRIKE_DISK] = {"disk", 5000, 200000},
};

const char *esi_strike_name(enum esi_strike kind)
{
    return kinds[kind].name;
}

/* A number without a pattern for three numbers (the finaliser of SplitMix64, twice). */
static uint64_t mixed(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t x = a + b * UINT64_C(0x9e3779b97f4a7c15) + c * UINT64_C(0xd1b54a32d192ed03);
    for (int i = 0; i < 2; i++) {
        x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
        x ^= x >> 31;
    }
    return x;
}

enum { IS_OUT, HOW_OFTEN, BY_NUMBER }; /* what a kind's numbers are drawn for */

/* One seed in three goes without a kind. Rates lie between least and most, by powers of two, each as often as the others. */
static uint32_t rate_of(uint64_t seed, enum esi_strike kind)
{
    if (mixed(seed, (uint64_t)kind, IS_OUT) % 3 == 0)
        return 0;
    unsigned powers = 0;
    while (kinds[kind].most >> (powers + 1) >= kinds[kind].least)
        powers++;
    uint64_t rate = kinds[kind].most >> mixed(seed, (uint64_t)kind, HOW_OFTEN) % (powers + 1);
    return (uint32_t)(rate * (UINT64_C(1) << 32) / 1000000);
}

void esi_plan_init(struct esi_plan *plan, uint64_t seed, uint32_t wanted)
{
    *plan = (struct esi_plan){.seed = seed};
    for (int kind = 0; kind < ESI_STRIKE_COUNT; kind++)
        if (wanted >> kind & 1)
            plan->rates[kind] = rate_of(seed, (enum esi_strike)kind);
}

void esi_plan_fini(struct esi_plan *plan)
{
    esi_free(plan->listed);
    plan->listed = NULL;
}

/* ------------------------------------------------------------ by name */

/* The kind whose name is the first `length` bytes of `text`; ESI_STRIKE_COUNT: none. */
static enum esi_strike kind_called(const char *text, size_t length)
{
    int kind = 0;
    while (kind < ESI_STRIKE_COUNT &&
           (strlen(kinds[kind].name) != length || memcmp(kinds[kind].name, text, length) != 0))
        kind++;
    return (enum esi_strike)kind;
}

es_err esi_plan_kinds(const char *text, uint32_t *out)
{
    uint32_t found = 0;
    while (*text) {
        size_t length = strcspn(text, ",");
        enum esi_strike kind = kind_called(text, length);
        if (kind < ESI_STRIKE_COUNT)
            found |= 1u << kind;
        else if (length == 3 && memcmp(text, "all", 3) == 0)
            found |= (1u << ESI_STRIKE_COUNT) - 1;
        else if (length != 4 || memcmp(text, "none", 4) != 0)
            return ES_EINVAL;
        text += length + (text[length] == ',');
    }
    *out = found;
    return ES_OK;
}

/* One "kind@number" of `length` bytes. */
static bool get_opportunity(const char *text, size_t length, struct esi_opportunity *out)
{
    const char *at = memchr(text, '@', length);
    if (!at || at + 1 == text + length)
        return false;
    out->kind = kind_called(text, (size_t)(at - text));
    uint64_t number = 0;
    for (at++; at < text + length; at++) {
        if (*at < '0' || *at > '9' || number > UINT32_MAX / 10)
            return false;
        number = number * 10 + (uint64_t)(*at - '0');
    }
    out->number = (uint32_t)number;
    return out->kind < ESI_STRIKE_COUNT && number > 0 && number <= UINT32_MAX;
}

static int by_kind_and_number(const void *left, const void *right)
{
    const struct esi_opportunity *a = left, *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return (a->number > b->number) - (a->number < b->number);
}

es_err esi_plan_list(struct esi_plan *plan, const char *text)
{
    size_t room = 1, count = 0;
    for (const char *c = text; *c; c++)
        room += *c == ',';
    struct esi_opportunity *list = esi_alloc(room * sizeof *list);
    if (!list)
        return ES_ENOMEM;
    while (*text) {
        size_t length = strcspn(text, ",");
        if (!get_opportunity(text, length, &list[count++])) {
            esi_free(list);
            return ES_EINVAL;
        }
        text += length + (text[length] == ',');
    }
    qsort(list, count, sizeof *list, by_kind_and_number);
    esi_free(plan->listed);
    plan->listed = list;
    plan->listed_count = count;
    return ES_OK;
}

/* ------------------------------------------------------------ striking */

bool esi_plan_strikes(struct esi_plan *plan, enum esi_strike kind, uint32_t *number)
{
    if (!plan->listed && !plan->rates[kind])
        return false;
    *number = ++plan->seen[kind];
    if (plan->listed) {
        struct esi_opportunity wanted = {kind, *number};
        return bsearch(&wanted, plan->listed, plan->listed_count, sizeof wanted, by_kind_and_number);
    }
    return (uint32_t)mixed(plan->seed, (uint64_t)kind + 1000, *number) < plan->rates[kind];
}
