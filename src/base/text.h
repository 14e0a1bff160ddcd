/* base/text.h - building a line in a buffer of fixed size, also in a signal handler.
 *
 * All that is here is async-signal-safe and allocates nothing. What does not fit is cut and `cut` is set;
 * what is there is always a string that ends in 0. Not for text that must grow. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct esi_text {
    char *bytes;   /* the caller's; holds `length` characters and a 0 */
    size_t size;   /* of the buffer, at least 1 */
    size_t length; /* without the 0 */
    bool cut;      /* something did not fit; nothing is appended after that */
};

/* Makes an empty text in `bytes[size]`, size >= 1. The buffer stays the caller's. */
void esi_text_init(struct esi_text *text, char *bytes, size_t size);

/* Append: a string; `length` bytes as they are; one character; numbers in decimal; a number in decimal with
 * leading zeros up to `width`; a number in lower-case hexadecimal with no prefix. Strings are cut where the
 * buffer ends, numbers are there whole or not at all. */
void esi_text_str(struct esi_text *text, const char *string);
void esi_text_strn(struct esi_text *text, const char *bytes, size_t length);
void esi_text_char(struct esi_text *text, char c);
void esi_text_u64(struct esi_text *text, uint64_t value);
void esi_text_i64(struct esi_text *text, int64_t value);
void esi_text_padded(struct esi_text *text, uint64_t value, unsigned width);
void esi_text_hex(struct esi_text *text, uint64_t value);

/* Appends bytes that somebody else chose, fit for the inside of a JSON string: control characters (also DEL,
 * the C1 ones, line separators and those that turn the direction of writing), quotes and backslashes become
 * \n, \", \\ or \u001b; a byte that is not good UTF-8 becomes \ufffd. Cut between characters, never within.
 */
void esi_text_escaped(struct esi_text *text, const char *bytes, size_t length);

/* The same for a terminal or a log to be read: quotes and backslashes stand for themselves. */
void esi_text_printable(struct esi_text *text, const char *bytes, size_t length);

#endif
