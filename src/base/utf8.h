/* base/utf8.h - reading and writing single characters of UTF-8.
 *
 * Strict (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. All pure, any thread,
 * async-signal-safe. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads the first character of `bytes[length]` into `*out`. Gives back how many bytes it has, 1 to 4; 0, and
 * `*out` is untouched, if there is none: no bytes, bad ones, or the end of one is missing. */
unsigned esi_utf8_decode(const char *bytes, size_t length, uint32_t *out);

/* Writes `character` and gives back how many bytes that took, 1 to 4; 0 if it is no character. */
unsigned esi_utf8_encode(uint32_t character, char out[4]);

/* Whether all of `bytes[length]` is good. */
bool esi_utf8_is_valid(const char *bytes, size_t length);

/* Counts the characters. False, and `*out` is untouched, if it is not good UTF-8. */
bool esi_utf8_count(const char *bytes, size_t length, size_t *out);

#endif
