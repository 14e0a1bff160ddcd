/* oracle/words.h - a step's words as C's types, and what a step came to as an answer. */
#ifndef TESTS_ORACLE_WORDS_H
#define TESTS_ORACLE_WORDS_H

#include "oracle.h"

enum { WORDS_MAX = 6 };

/* A step's words behind the first: raw where they hold patterns or steps, otherwise values. */
struct words {
    es_term at[WORDS_MAX];
    int count;
};

static inline struct answer answer(es_term value)
{
    return (struct answer){value, false};
}

static inline struct answer is(es_atom atom)
{
    return answer(es_from_atom(atom));
}

static inline struct answer yes_or_no(bool yes)
{
    return is(yes ? es_am_true : es_am_false);
}

static inline struct answer number(int64_t value)
{
    return answer(es_keep(value));
}

/* What a function that gives an es_err said. */
static inline struct answer said(es_err err)
{
    return answer(atom_named(es_err_name(err)));
}

/* The same where Erlang's function fails. */
static inline struct answer said_or_failed(es_err err)
{
    return (struct answer){atom_named(es_err_name(err)), err != ES_OK};
}

/* ---- words as C's types ---- */

static inline es_pid pid(es_term word)
{
    es_pid out = ES_NO_PID;
    (void)es_get_pid(word, &out);
    return out;
}

static inline es_ref ref(es_term word)
{
    es_ref out = {0};
    (void)es_get_ref(word, &out);
    return out;
}

static inline es_atom atom(es_term word)
{
    es_atom out = es_am_undefined;
    (void)es_get_atom(word, &out);
    return out;
}

static inline int64_t integer(es_term word)
{
    int64_t out = 0;
    (void)es_get_int64(word, &out);
    return out;
}

/* The words of those that are raw are patterns, steps, roles, or values that the step takes by itself. */
struct step {
    const char *name;
    struct answer (*function)(struct script *s, const struct words *w);
    bool is_raw;
};

/* behaviour_steps.c: the step of that name, or NULL. */
const struct step *behaviour_step_called(const char *name);

#endif
