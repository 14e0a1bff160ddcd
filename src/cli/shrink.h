/* cli/shrink.h - the few of many that are enough. Pure: whoever asks tells whether a choice still fails. */
#ifndef CLI_SHRINK_H
#define CLI_SHRINK_H

#include <stdbool.h>
#include <stddef.h>

/* Does it fail with those items alone for which keep[i]? */
typedef bool esi_shrink_fails(void *context, const bool *keep, size_t count);

/* Leaves in `keep`, all true at first, a choice of the `count` items that fails and would not without any one of them, asking at most `asks_most`
 * times; when these are used up, the smallest choice so far. Gives how many are kept. Source: Zeller, Hildebrandt, "Simplifying and isolating
 * failure-inducing input" (2002). */
size_t esi_shrink(bool *keep, size_t count, size_t asks_most, esi_shrink_fails *fails, void *context);

#endif
