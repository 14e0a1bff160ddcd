/* term/atom.h - the table of atoms, for the rest of the runtime.
 *
 * Making, finding and reading atoms is public: see engset/term.h. */
#ifndef TERM_ATOM_H
#define TERM_ATOM_H

#include <engset/term.h>

enum { ESI_ATOM_LIMIT_DEFAULT = 1 << 20, ESI_ATOM_LIMIT_MAX = 1 << 22, ESI_ATOM_CHARACTERS_MAX = 255 };

/* Sets how many atoms there may be, at most ESI_ATOM_LIMIT_MAX. Those that are there stay. Any thread. */
void esi_atom_set_limit(uint32_t limit);

/* How many atoms there are. Any thread. */
uint32_t esi_atom_count(void);

/* The atom with that number, as in es_pid.node. */
static inline es_atom esi_atom_of_index(uint32_t index)
{
    es_atom atom = {(uint64_t)index << 3 | ESI_TAG_ATOM};
    return atom;
}

static inline uint32_t esi_atom_index(es_atom atom)
{
    return (uint32_t)(atom.w >> 3);
}

/* -1, 0, 1 in the order of their texts. Async-signal-safe. */
int esi_atom_compare(es_atom a, es_atom b);

#endif
