/* base/assert.c - the end of a node whose own state cannot be trusted. */
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/assert.h"
#include "base/text.h"

void (*esi_panic_hook)(const char *file, int line, const char *text);

/* The thread that panics first writes the dump; relaxed: nothing else is passed on by it. */
static atomic_flag is_ending = ATOMIC_FLAG_INIT;

void esi_panic(const char *file, int line, const char *text)
{
    char bytes[512];
    struct esi_text message;
    esi_text_init(&message, bytes, sizeof bytes - 1); /* the line end always fits */
    esi_text_str(&message, "engset: broken invariant at ");
    esi_text_str(&message, file);
    esi_text_char(&message, ':');
    esi_text_i64(&message, line);
    esi_text_str(&message, ": ");
    esi_text_str(&message, text);
    bytes[message.length] = '\n';
    if (write(STDERR_FILENO, bytes, message.length + 1) < 0) {
        /* Nobody is left to be told. */
    }
    if (!atomic_flag_test_and_set_explicit(&is_ending, memory_order_relaxed) && esi_panic_hook)
        esi_panic_hook(file, line, text);
    abort();
}
