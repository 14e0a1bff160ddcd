/* engset/match.h - one vocabulary that builds terms and takes them apart.
 *
 *     es_send(to, ES_TUPLE(ping, es_self(), 42, "bytes", ES_LIST(1, 2), ES_MAP(ok, 1)));
 *     if (es_match(message, ES_TUPLE(ok, &n))) ...          // int64_t n
 *     if (es_match(message, ES_CONS(&head, &tail))) ...     // es_term head, tail
 *
 * In a pattern values match themselves (exactly: 1 does not match 1.0), pointers bind, ES_ANY matches anything:
 *
 *   pointer to                    binds
 *   es_term                       anything
 *   int, long, long long and the unsigned ones    an integer that fits
 *   double                        a float
 *   bool                          true or false
 *   es_atom, es_pid, es_ref, es_port    one of these
 *   es_bin                        a binary; the bytes are lent from the message
 *
 * What is bound as es_term or es_bin lives as long as the message; the others are copies. After a match that
 * failed, variables may hold anything. A pattern may be evaluated many times: no side effects in patterns.
 *
 * An ES_MAP in a pattern asks for its keys; the map may have more. Its keys are values, not patterns.
 * A string is a binary and ends at its NUL; 'a' is the integer 97; other bytes need es_bytes(data, size).
 * Literals live on the C stack until the block ends in which they are written. That is why they have a type of
 * their own: es_literal is not es_term. Patterns may be nested 64 deep.
 *
 * Not here: keeping a literal (es_keep) and sending it. Macros are C only. */
#ifndef ENGSET_MATCH_H
#define ENGSET_MATCH_H

#include <engset/term.h>
#include <engset/strict.h>
#include <engset/each.h>

ES_BEGIN_DECLS

/* What ES_TUPLE and its like make: a term or a pattern whose memory is the C stack. */
typedef struct es_literal {
    uint64_t w;
} es_literal;

/* What a binder points to: the kind, then the address. */
enum {
    ESI_BIND_TERM,
    ESI_BIND_ATOM,
    ESI_BIND_PID,
    ESI_BIND_I32,
    ESI_BIND_I64,
    ESI_BIND_U32,
    ESI_BIND_U64,
    ESI_BIND_DOUBLE,
    ESI_BIND_BOOL,
    ESI_BIND_REF,
    ESI_BIND_PORT,
    ESI_BIND_BIN
};

/* The whole of matching, for what is not done inline. Any thread. */
ES_API
bool esi_match_any(uint64_t term, uint64_t pattern);

/* Stores `term` in `variable`, of the type that `kind` says, if it is of that kind and fits. Any thread. */
ES_API
bool esi_bind(uint64_t term, uint64_t kind, void *variable);

/* words[1..2n] are key, value, key, value...; makes them the keys in order, then the values. Of equal keys the
 * last stays, and the header's count says how many there are. `words` has a header with count n. */
ES_API
void esi_map_sort(uint64_t *words);

ES_END_DECLS

#ifndef __cplusplus

/* Works inline wherever it is used, also without optimisation: a literal must lie in the caller's frame. */
#define ESI_INLINE static inline __attribute__((always_inline, unused))

/* ---- atoms ---- */

/* Declares atoms, at file scope: the name is the text, without one trailing '_' (exit_ is 'exit': use it for names
 * that libc or C owns). At most 32 at a time; the same name may be declared again in the same file. */
#define ES_ATOMS(...) ESI_ATOMS(__COUNTER__, __VA_ARGS__)
/* Declares one atom with any text: ES_ATOM(node_down, "node.down"); */
#define ES_ATOM(name, text) ESI_ATOM(__COUNTER__, name, text)

#define ESI_ATOM_VARIABLE(c, name) static es_atom name;
#define ESI_ATOM_ADDRESS(c, name)  &name,
#define ESI_ATOM_NAME(c, name)     #name,
#define ESI_ATOMS(number, ...)                                                        \
    ESI_EACH(ESI_ATOM_VARIABLE, ~, __VA_ARGS__)                                       \
    __attribute__((constructor(200))) static void ESI_CAT(esi_atoms_, number)(void)   \
    {                                                                                 \
        static es_atom *const atoms[] = {ESI_EACH(ESI_ATOM_ADDRESS, ~, __VA_ARGS__)}; \
        static const char *const names[] = {ESI_EACH(ESI_ATOM_NAME, ~, __VA_ARGS__)}; \
        esi_atoms_declare(atoms, names, ESI_COUNT(__VA_ARGS__), 1);                   \
    }                                                                                 \
    _Static_assert(1, "")
#define ESI_ATOM(number, name, text)                                                \
    static es_atom name;                                                            \
    __attribute__((constructor(200))) static void ESI_CAT(esi_atoms_, number)(void) \
    {                                                                               \
        static es_atom *const atoms[] = {&name};                                    \
        static const char *const names[] = {text};                                  \
        esi_atoms_declare(atoms, names, 1, 0);                                      \
    }                                                                               \
    _Static_assert(1, "")

/* ---- from C values to literals ---- */

/* Scratch for one element: a box that is built in place, or a binder. */
typedef struct esi_cell {
    uint64_t w[4];
} esi_cell;

/* Static analysers cannot follow a binder, which passes through an integer: for them (clang says so itself, gcc needs
 * -DES_ANALYZE) the functions that make binders are only declared, so that they take each variable as written. */
#if defined(ES_ANALYZE) || defined(__clang_analyzer__)
#define ESI_BINDER(name, type, kind) \
    ES_API                           \
    es_literal name(esi_cell *cell, type *variable);
#else
#define ESI_BINDER(name, type, kind)                                   \
    ESI_INLINE es_literal name(esi_cell *cell, type *variable)         \
    {                                                                  \
        cell->w[0] = kind;                                             \
        cell->w[1] = (uint64_t)(uintptr_t)variable;                    \
        return ESI_LITERAL(esi_word_of_box(cell->w) + ESI_TAG_BINDER); \
    }
#endif
#define ESI_LITERAL(word) ((es_literal){word})

ESI_BINDER(esi_bt, es_term, ESI_BIND_TERM)
ESI_BINDER(esi_ba, es_atom, ESI_BIND_ATOM)
ESI_BINDER(esi_bp, es_pid, ESI_BIND_PID)
ESI_BINDER(esi_br, es_ref, ESI_BIND_REF)
ESI_BINDER(esi_bo, es_port, ESI_BIND_PORT)
ESI_BINDER(esi_by, es_bin, ESI_BIND_BIN)
ESI_BINDER(esi_bb, bool, ESI_BIND_BOOL)
ESI_BINDER(esi_bd, double, ESI_BIND_DOUBLE)
ESI_BINDER(esi_bi, int, ESI_BIND_I32)
ESI_BINDER(esi_bu, unsigned, ESI_BIND_U32)
ESI_BINDER(esi_bl, long, ESI_BIND_I64)
ESI_BINDER(esi_bL, long long, ESI_BIND_I64)
ESI_BINDER(esi_bm, unsigned long, ESI_BIND_U64)
ESI_BINDER(esi_bM, unsigned long long, ESI_BIND_U64)

ESI_INLINE es_literal esi_ti(esi_cell *cell, int64_t value)
{
    if (esi_fits_small(value))
        return ESI_LITERAL(esi_word_of_small(value));
    cell->w[0] = value < 0 ? ESI_HEADER(ESI_BIG_MINUS, 1) : ESI_HEADER(ESI_BIG_PLUS, 1);
    cell->w[1] = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    return ESI_LITERAL(esi_word_of_box(cell->w));
}

ESI_INLINE es_literal esi_tu(esi_cell *cell, uint64_t value)
{
    if (value <= (uint64_t)ESI_SMALL_MAX)
        return ESI_LITERAL(esi_word_of_small((int64_t)value));
    cell->w[0] = ESI_HEADER(ESI_BIG_PLUS, 1);
    cell->w[1] = value;
    return ESI_LITERAL(esi_word_of_box(cell->w));
}

ESI_INLINE es_literal esi_td(esi_cell *cell, double value)
{
    cell->w[0] = ESI_HEADER(ESI_FLOAT, 1);
    memcpy(&cell->w[1], &value, sizeof value);
    return ESI_LITERAL(esi_word_of_box(cell->w));
}

ESI_INLINE es_literal esi_tb(esi_cell *cell, bool value)
{
    (void)cell;
    return ESI_LITERAL((uint64_t)(value ? ESI_AM_true : ESI_AM_false) << 3 | ESI_TAG_ATOM);
}

/* The tag is written again, though it is there: so the compiler knows it and drops the other branches. */
ESI_INLINE es_literal esi_ta(esi_cell *cell, es_atom value)
{
    (void)cell;
    return ESI_LITERAL((value.w & ~(uint64_t)7) | ESI_TAG_ATOM);
}

ESI_INLINE es_literal esi_tt(esi_cell *cell, es_term value)
{
    (void)cell;
    return ESI_LITERAL(value.w);
}

ESI_INLINE es_literal esi_tl(esi_cell *cell, es_literal value)
{
    (void)cell;
    return value;
}

ESI_INLINE es_literal esi_tp(esi_cell *cell, es_pid value)
{
    if (value.node == 0)
        return ESI_LITERAL(value.id << 3 | ESI_TAG_PID);
    cell->w[0] = ESI_HEADER(ESI_PID, 2);
    cell->w[1] = value.id;
    cell->w[2] = (uint64_t)value.node | (uint64_t)value.creation << 32;
    return ESI_LITERAL(esi_word_of_box(cell->w));
}

ESI_INLINE es_literal esi_tr(esi_cell *cell, es_ref value)
{
    cell->w[0] = ESI_HEADER(ESI_REF, (uint64_t)value.first | (uint64_t)(value.word_count & 7) << 32);
    cell->w[1] = value.id;
    cell->w[2] = value.pid;
    cell->w[3] = (uint64_t)value.node | (uint64_t)value.creation << 32;
    return ESI_LITERAL(esi_word_of_box(cell->w));
}

ESI_INLINE es_literal esi_to(esi_cell *cell, es_port value)
{
    cell->w[0] = ESI_HEADER(ESI_PORT, 2);
    cell->w[1] = value.id;
    cell->w[2] = (uint64_t)value.node | (uint64_t)value.creation << 32;
    return ESI_LITERAL(esi_word_of_box(cell->w));
}

ESI_INLINE es_literal esi_ty(esi_cell *cell, es_bin value)
{
    cell->w[0] = ESI_HEADER(ESI_BIN_LENT, 0);
    cell->w[1] = (uint64_t)value.size * 8;
    cell->w[2] = (uint64_t)(uintptr_t)value.data;
    return ESI_LITERAL(esi_word_of_box(cell->w));
}

ESI_INLINE es_literal esi_ts(esi_cell *cell, const char *value)
{
    return esi_ty(cell, es_bytes(value, strlen(value)));
}

ESI_INLINE es_literal esi_tz(esi_cell *cell, es_shared_bin value)
{
    es_bin bytes = es_shared_bin_bytes(value);
    cell->w[0] = ESI_HEADER(ESI_BIN_SHARED, 0);
    cell->w[1] = (uint64_t)bytes.size * 8;
    cell->w[2] = (uint64_t)(uintptr_t)bytes.data;
    cell->w[3] = (uint64_t)(uintptr_t)value.shared;
    return ESI_LITERAL(esi_word_of_box(cell->w));
}

/* The literal for a C value, or the binder for a pointer. Types that are not in this list are no terms. */
#define ES_T(x) \
    _Generic((x), _Bool: esi_tb, char: esi_ti, signed char: esi_ti, short: esi_ti, int: esi_ti,          \
        long: esi_ti, long long: esi_ti, unsigned char: esi_tu, unsigned short: esi_tu,                  \
        unsigned: esi_tu, unsigned long: esi_tu, unsigned long long: esi_tu, float: esi_td,              \
        double: esi_td, es_literal: esi_tl, es_term: esi_tt, es_atom: esi_ta, es_pid: esi_tp,            \
        es_ref: esi_tr, es_port: esi_to, es_bin: esi_ty, es_shared_bin: esi_tz, char *: esi_ts,          \
        const char *: esi_ts, _Bool *: esi_bb, int *: esi_bi, long *: esi_bl, long long *: esi_bL,       \
        unsigned *: esi_bu, unsigned long *: esi_bm, unsigned long long *: esi_bM, double *: esi_bd,     \
        es_term *: esi_bt, es_atom *: esi_ba, es_pid *: esi_bp, es_ref *: esi_br, es_port *: esi_bo,     \
        es_bin *: esi_by)(&(esi_cell){{0}}, (x))

/* ---- building ---- */

/* Matches anything; not to be sent. */
#define ES_ANY ESI_LITERAL(ESI_ANY_WORD)
/* The empty list. */
#define ES_NIL ESI_LITERAL(ESI_NIL_WORD)
/* {A, B, ...}, 0 to 32 elements. */
#define ES_TUPLE(...)            \
    ESI_LITERAL(esi_word_of_box( \
        (uint64_t[]){ESI_HEADER(ESI_TUPLE, ESI_COUNT(__VA_ARGS__)) ESI_EACH(ESI_ELEMENT, ~, __VA_ARGS__)}))
/* [A, B, ...], 0 to 32 elements. */
#define ES_LIST(...) esi_list((uint64_t[]){0 ESI_EACH(ESI_LIST_CELL, ~, __VA_ARGS__)}, ESI_COUNT(__VA_ARGS__))
/* [Head | Tail]. */
#define ES_CONS(head, tail) ESI_LITERAL(esi_word_of_cons((uint64_t[]){ES_T(head).w, ES_T(tail).w}))
/* #{Key => Value, ...}, 0 to 16 pairs. */
#define ES_MAP(...)                                                                     \
    esi_map((uint64_t[]){ESI_HEADER(ESI_MAP_LITERAL, ESI_PAIRS(ESI_COUNT(__VA_ARGS__))) \
                             ESI_EACH(ESI_ELEMENT, ~, __VA_ARGS__)},                    \
            ESI_COUNT(__VA_ARGS__) / 2)
/* A literal as a term: valid until the block ends in which it is written. */
#define es_lend(x) esi_lend(ES_T(x))
/* Does the es_term `term` match the pattern? Binds what the pattern's pointers point to. */
#define es_match(term, pattern) es_match_literal((term), ES_T(pattern))

#define ESI_ELEMENT(c, x)   , ES_T(x).w
#define ESI_LIST_CELL(c, x) , ES_T(x).w, ESI_NIL_WORD
#define ESI_PAIRS(count)                                                                           \
    ((count) / 2 + 0 * sizeof(struct {                                                             \
                       _Static_assert((count) % 2 == 0, "ES_MAP takes key, value, key, value..."); \
                       char unused;                                                                \
                   }))

/* words[0] is unused; after it come `count` cells whose tails are []. */
ESI_INLINE es_literal esi_list(uint64_t *words, size_t count)
{
    size_t i;
    if (count == 0)
        return ES_NIL;
    for (i = 1; i < count; i++)
        words[2 * i] = esi_word_of_cons(words + 2 * i + 1);
    return ESI_LITERAL(esi_word_of_cons(words + 1));
}

ESI_INLINE es_literal esi_map(uint64_t *words, size_t count)
{
    if (count > 1)
        esi_map_sort(words);
    return ESI_LITERAL(esi_word_of_box(words));
}

ESI_INLINE es_term esi_lend(es_literal literal)
{
    es_term term = {literal.w};
    return term;
}

/* ---- matching ---- */

/* Does `term` match? What es_match() does with its pattern. */
#if defined(ES_ANALYZE) || defined(__clang_analyzer__)
ES_API bool es_match_literal(es_term term, es_literal pattern);
#else
/* Integers are stored through these: an int64_t is long, but the variable may be long long. */
typedef int32_t __attribute__((may_alias)) esi_any_i32;
typedef int64_t __attribute__((may_alias)) esi_any_i64;

/* The common binders inline, the others by a call. Where gcc does not see the kind or the
 * size, it must not warn of what is done for the others. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Warray-bounds"
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#endif
ESI_INLINE bool esi_bind_inline(uint64_t term, uint64_t kind, void *variable)
{
    switch (kind) {
    case ESI_BIND_TERM:
        ((es_term *)variable)->w = term;
        return true;
    case ESI_BIND_ATOM:
        if (esi_tag(term) != ESI_TAG_ATOM)
            return false;
        ((es_atom *)variable)->w = term;
        return true;
    case ESI_BIND_I64:
        if (esi_tag(term) != ESI_TAG_INT)
            return esi_bind(term, kind, variable);
        *(esi_any_i64 *)variable = esi_small(term);
        return true;
    case ESI_BIND_I32:
        if (esi_tag(term) != ESI_TAG_INT || esi_small(term) != (int32_t)esi_small(term))
            return false;
        *(esi_any_i32 *)variable = (int32_t)esi_small(term);
        return true;
    case ESI_BIND_PID:
        if (esi_tag(term) != ESI_TAG_PID)
            return esi_bind(term, kind, variable);
        ((es_pid *)variable)->id = term >> 3;
        ((es_pid *)variable)->node = 0;
        ((es_pid *)variable)->creation = 0;
        return true;
    default:
        return esi_bind(term, kind, variable);
    }
}

/* One word of a pattern with what its binder says, read before anything is called: so the compiler still knows what
 * was stored there. */
struct esi_wanted {
    uint64_t word;
    uint64_t kind;
    void *variable;
};

ESI_INLINE struct esi_wanted esi_wanted(uint64_t word)
{
    struct esi_wanted wanted = {word, 0, NULL};
    if (esi_tag(word) == ESI_TAG_BINDER) {
        const uint64_t *binder = (const uint64_t *)(uintptr_t)(word - ESI_TAG_BINDER);
        wanted.kind = binder[0];
        wanted.variable = (void *)(uintptr_t)binder[1];
    }
    return wanted;
}

ESI_INLINE bool esi_match_element(uint64_t term, struct esi_wanted wanted)
{
    switch (esi_tag(wanted.word)) {
    case ESI_TAG_BINDER:
        return esi_bind_inline(term, wanted.kind, wanted.variable);
    case ESI_TAG_BOX:
    case ESI_TAG_CONS:
        return esi_match_any(term, wanted.word);
    case ESI_TAG_CONST:
        return wanted.word == ESI_ANY_WORD || term == wanted.word;
    default:
        return term == wanted.word;
    }
}

/* gcc sees through the pattern's stores, so that a small tuple becomes a few comparisons. clang does not: it gets
 * a look at arity and first element, and the rest by a call. */
ESI_INLINE bool es_match_literal(es_term term, es_literal pattern)
{
    const uint64_t *want, *have;
    uint64_t count;
    if (esi_tag(pattern.w) != ESI_TAG_BOX)
        return esi_match_element(term.w, esi_wanted(pattern.w));
    want = esi_box(pattern.w);
    if (want == NULL || esi_header_kind(want[0]) != ESI_TUPLE)
        return esi_match_any(term.w, pattern.w);
    if (esi_tag(term.w) != ESI_TAG_BOX || term.w == 0)
        return false;
    have = esi_box(term.w);
    if (have[0] != want[0])
        return false;
    count = esi_header_count(want[0]);
#if defined(__clang__)
    if (count > 0 && esi_tag(want[1]) == ESI_TAG_ATOM && have[1] != want[1])
        return false;
    return esi_match_any(term.w, pattern.w);
#else
    if (count > 4) {
        if (esi_tag(want[1]) == ESI_TAG_ATOM && have[1] != want[1])
            return false;
        return esi_match_any(term.w, pattern.w);
    }
    {
        const struct esi_wanted nothing = {0, 0, NULL};
        struct esi_wanted a = count > 0 ? esi_wanted(want[1]) : nothing;
        struct esi_wanted b = count > 1 ? esi_wanted(want[2]) : nothing;
        struct esi_wanted c = count > 2 ? esi_wanted(want[3]) : nothing;
        struct esi_wanted d = count > 3 ? esi_wanted(want[4]) : nothing;
        return (count < 1 || esi_match_element(have[1], a)) && (count < 2 || esi_match_element(have[2], b)) &&
               (count < 3 || esi_match_element(have[3], c)) && (count < 4 || esi_match_element(have[4], d));
    }
#endif
}

#pragma GCC diagnostic pop
#endif /* ES_ANALYZE */

#endif /* __cplusplus */
#endif
