/* term/parse.h - Erlang text to a term.
 *
 * Understands what a shell or a configuration file holds: numbers, also 16#ff, 1_000 and $a; atoms; "strings" as lists;
 * binaries <<1, 2:8, "text"/utf8, 5:3>>; lists, tuples, maps; fun m:f/1; comments; and a full stop at the end or none.
 * Not here: expressions, variables, and pids, which have no text that Erlang would read. */
#ifndef TERM_PARSE_H
#define TERM_PARSE_H

#include <engset/term.h>
#include "base/text.h"

struct esi_offheap;

enum { ESI_PARSE_DEPTH_MAX = 10000 };

struct esi_parse_result {
    es_term term;    /* on ES_OK; lies in `words` */
    uint64_t *words; /* one block, or NULL if the term needs none */
    size_t word_count;
    struct esi_offheap *offheap;
    size_t line, column; /* where the error is, from 1; columns are characters */
    size_t offset;       /* the same in bytes, from 0 */
    const char *code;    /* "E0701" */
    char expected[96];   /* "expected ',' or '}' after atom" */
};

/* Reads the one term that `text` holds. On ES_OK `*out` is yours until esi_parse_free(); otherwise it tells where
 * and what:
 *   ES_ESYNTAX  the text is no term (E0701)
 *   ES_ELIMIT   too deep (E0702), or an atom that is too long or one too many (E0703)
 *   ES_ENOMEM   (E0704)
 * Any thread. */
ES_CHECKED es_err esi_parse(const char *text, size_t length, struct esi_parse_result *out);

/* Frees the term. The result of a failed parse needs it not, but may have it. */
void esi_parse_free(struct esi_parse_result *result);

/* Appends the error as a person reads it: "error[E0701]: term, column 14: expected ...", the line, and a caret below
 * the place. `text` is what was parsed. */
void esi_parse_explain(struct esi_text *out, const struct esi_parse_result *result, const char *text,
                       size_t length);

#endif
