/* base/assert.h - sentences about our own code that end the node when they are not true.
 *
 * For what is our fault only. What came from a user, from the wire or from the OS is answered with an
 * error. One condition each; `if (a) esi_assert(b);` for an implication. Always on. */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#include <engset/base.h>

#define esi_assert(condition)                          \
    do {                                               \
        if (__builtin_expect(!(condition), 0))         \
            esi_panic(__FILE__, __LINE__, #condition); \
    } while (0)

/* Called by esi_panic() before the end, to write a crash dump. Set once, before there are threads; NULL:
 * none. Must be async-signal-safe; a panic inside it ends at once. */
extern void (*esi_panic_hook)(const char *file, int line, const char *text);

/* Says where and what on stderr, calls the hook, and ends the OS process with abort(). Async-signal-safe. Any
 * thread. */
ES_NORETURN void esi_panic(const char *file, int line, const char *text);

#endif
