/* term/print.h - terms as text, for crash reports and the like.
 *
 * es_print() and es_fprint() are public: see engset/term.h. */
#ifndef TERM_PRINT_H
#define TERM_PRINT_H

#include <engset/term.h>
#include "base/text.h"

/* Where printing stops and writes "..." instead. */
struct esi_print_limits {
    unsigned depth;    /* nesting; at most 16 */
    unsigned elements; /* of each tuple, list and map */
    unsigned bytes;    /* of each bitstring */
};

/* Appends `term` to `text`. Allocates nothing; async-signal-safe, if nobody changes the term meanwhile. Big integers
 * of more than 1024 bits are written in base 16. */
void esi_print_bounded(struct esi_text *text, es_term term, struct esi_print_limits limits);

/* Appends the term as far as there is room, with limits fit for a line of a log. */
void esi_print_short(struct esi_text *text, es_term term);

#endif
