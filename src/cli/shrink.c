/* shrink.c - halves first, then smaller and smaller pieces are left out, as long as it fails without them. */
#include "cli/shrink.h"

#include <stdlib.h>
#include <string.h>

struct search {
    bool *keep, *trial;
    size_t count, asks_left;
    esi_shrink_fails *fails;
    void *context;
};

static size_t kept(const bool *keep, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += keep[i];
    return total;
}

/* Leaves out `size` kept items, from the `from`-th kept one on; true: it fails without them, and they are gone. */
static bool fails_without(struct search *s, size_t from, size_t size)
{
    if (!s->asks_left)
        return false;
    s->asks_left--;
    memcpy(s->trial, s->keep, s->count * sizeof *s->trial);
    size_t number = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (!s->keep[i])
            continue;
        if (number >= from && number < from + size)
            s->trial[i] = false;
        number++;
    }
    if (!s->fails(s->context, s->trial, s->count))
        return false;
    memcpy(s->keep, s->trial, s->count * sizeof *s->keep);
    return true;
}

/* Each piece of that size in turn; true: some went. */
static bool leave_out_pieces(struct search *s, size_t size)
{
    bool has_gone = false;
    for (size_t from = 0; from < kept(s->keep, s->count) && s->asks_left;)
        if (fails_without(s, from, size))
            has_gone = true; /* what follows has moved up */
        else
            from += size;
    return has_gone;
}

size_t esi_shrink(bool *keep, size_t count, size_t asks_most, esi_shrink_fails *fails, void *context)
{
    struct search s = {.keep = keep,
                       .trial = malloc(count + 1),
                       .count = count,
                       .asks_left = asks_most,
                       .fails = fails,
                       .context = context};
    for (size_t i = 0; i < count; i++)
        keep[i] = true;
    if (!s.trial)
        return count;
    if (!count || !fails_without(&s, 0, count))
        for (size_t size = (count + 1) / 2; size > 0 && s.asks_left;)
            if (!leave_out_pieces(&s, size) || size > 1)
                size /= 2;
    free(s.trial);
    return kept(keep, count);
}
