/* oracle/terms.c - variables of a script, and the values and patterns that hold them. */
#include "oracle.h"

static uint64_t *words(size_t count)
{
    return es_alloc(count * sizeof(uint64_t));
}

static es_term term_of(uint64_t word)
{
    return (es_term){word};
}

es_term cons(es_term head, es_term tail)
{
    uint64_t *cell = words(2);
    cell[0] = head.w;
    cell[1] = tail.w;
    return term_of(esi_word_of_cons(cell));
}

/* A tuple whose elements are to be written at words + 1. */
static uint64_t *tuple_words(size_t arity)
{
    uint64_t *box = words(1 + arity);
    box[0] = ESI_HEADER(ESI_TUPLE, arity);
    return box;
}

es_term pair(es_term first, es_term second)
{
    uint64_t *box = tuple_words(2);
    box[1] = first.w;
    box[2] = second.w;
    return term_of(esi_word_of_box(box));
}

es_term atom_named(const char *text)
{
    es_atom atom;
    if (es_atom_make(text, strlen(text), &atom) != ES_OK)
        es_abort();
    return es_from_atom(atom);
}

bool is_variable(es_term term)
{
    es_atom atom;
    if (!es_get_atom(term, &atom) || es_is(term, es_am_EXIT) || es_is(term, es_am_DOWN))
        return false;
    char first = *es_atom_text(atom);
    return first >= 'A' && first <= 'Z';
}

static bool is_anything(es_term term)
{
    es_atom atom;
    return es_get_atom(term, &atom) && strcmp(es_atom_text(atom), "_") == 0;
}

static const es_term *find(const struct script *s, es_term name)
{
    for (int i = 0; i < s->variable_count; i++)
        if (es_equal(s->variables[i].name, name))
            return &s->variables[i].value;
    return NULL;
}

void set_variable(struct script *s, es_term name, es_term value)
{
    es_term *known = (es_term *)find(s, name);
    if (known) {
        *known = value;
        return;
    }
    if (s->variable_count == VARIABLES_MAX)
        es_exit(atom_named("too_many_variables"));
    s->variables[s->variable_count].name = name;
    s->variables[s->variable_count++].value = value;
}

/* One walk for values and patterns: what stands for a leaf is `leaf`'s to say. */
static es_term walk(struct script *s, es_term term, es_term (*leaf)(struct script *, es_term))
{
    es_term head, tail;
    if (es_get_cons(term, &head, &tail)) {
        es_term new_head = walk(s, head, leaf);
        return cons(new_head, walk(s, tail, leaf));
    }
    if (!es_is_tuple(term))
        return leaf(s, term);
    size_t arity = es_tuple_size(term);
    uint64_t *box = tuple_words(arity);
    for (size_t i = 0; i < arity; i++)
        box[1 + i] = walk(s, es_tuple_get(term, i), leaf).w;
    return term_of(esi_word_of_box(box));
}

static es_term value_of_leaf(struct script *s, es_term leaf)
{
    if (!is_variable(leaf))
        return leaf;
    const es_term *value = find(s, leaf);
    if (!value)
        es_exit(ES_TUPLE(atom_named("unbound"), leaf));
    return *value;
}

es_term value_of(struct script *s, es_term term)
{
    return walk(s, term, value_of_leaf);
}

/* What has no value binds a variable of its own, in the words behind its binder. */
static es_term pattern_of_leaf(struct script *s, es_term leaf)
{
    const es_term *value = find(s, leaf);
    if (value)
        return *value;
    if (!is_variable(leaf) && !is_anything(leaf))
        return leaf;
    uint64_t *binder = words(3);
    binder[0] = ESI_BIND_TERM;
    binder[1] = (uint64_t)(uintptr_t)(binder + 2);
    return term_of(esi_word_of_box(binder) + ESI_TAG_BINDER);
}

es_literal pattern_of(struct script *s, es_term term)
{
    return ESI_LITERAL(walk(s, term, pattern_of_leaf).w);
}

static es_term bound_leaf(struct script *unused, es_term leaf)
{
    (void)unused;
    if (esi_tag(leaf.w) != ESI_TAG_BINDER)
        return es_keep(leaf);
    const uint64_t *binder = (const uint64_t *)(uintptr_t)(leaf.w - ESI_TAG_BINDER);
    return es_keep(term_of(binder[2]));
}

es_term what_matched(es_literal pattern)
{
    return walk(NULL, term_of(pattern.w), bound_leaf);
}

void bind_variables(struct script *s, es_term pattern, es_term value)
{
    es_term head, tail, value_head, value_tail;
    if (is_variable(pattern) && !find(s, pattern))
        set_variable(s, pattern, value);
    if (es_get_cons(pattern, &head, &tail) && es_get_cons(value, &value_head, &value_tail)) {
        bind_variables(s, head, value_head);
        bind_variables(s, tail, value_tail);
    }
    for (size_t i = 0; i < es_tuple_size(pattern); i++)
        bind_variables(s, es_tuple_get(pattern, i), es_tuple_get(value, i));
}
