/* term/decimal.h - numbers as Erlang text.
 *
 * Reading back what is written gives the same number. Async-signal-safe where not said otherwise. */
#ifndef TERM_DECIMAL_H
#define TERM_DECIMAL_H

#include <stddef.h>
#include <stdint.h>

enum { ESI_DOUBLE_TEXT = 40 };

/* The shortest text that reads back as `value`, nearest to it, as Erlang writes it: 1.0, 1.0e-5, -0.0. No NUL at the
 * end. Gives its length. `value` is finite. */
size_t esi_double_text(double value, char out[ESI_DOUBLE_TEXT]);

/* The decimal digits of a magnitude of `count` words, which become 0. Room for 20 digits a word is needed. Gives the
 * number of digits. */
size_t esi_magnitude_text(uint64_t *words, size_t count, char *out);

#endif
