/* term/struct.h - struct messages as tuples and back.
 *
 * The rules for each type of field stand in engset/struct.h. Who owns the struct is not our affair. */
#ifndef TERM_STRUCT_H
#define TERM_STRUCT_H

#include <engset/struct.h>
#include "term/copy.h"

/* The atom of the struct's name. ES_ELIMIT, ES_ENOMEM: as es_atom_make(). Any thread. */
ES_CHECKED es_err esi_struct_atom(const struct es_struct_descriptor *type, es_atom *out);

/* Whether both describe the same struct. Any thread. */
bool esi_struct_is_same(const struct es_struct_descriptor *a, const struct es_struct_descriptor *b);

/* The tag (term/tag.h) of the tuple that the struct becomes; ESI_TAG_OTHER if its atom cannot be made. */
uint32_t esi_struct_tag(const struct es_struct_descriptor *type);

/* How many words esi_struct_to_term() writes. Any thread. */
size_t esi_struct_measure(const struct es_struct_descriptor *type, const void *object);

/* Writes {name, Field, ...} at `to` and puts long binaries before `*chain`. No term if there is no memory for these or
 * for the atom, or a number is infinite or NaN, which Erlang does not have; `*chain` is then as it was. */
es_term esi_struct_to_term(const struct es_struct_descriptor *type, const void *object, uint64_t *to,
                           struct esi_offheap **chain);

/* Fills `*object` (type->size bytes) from such a tuple; on an error it may be written in part.
 *   ES_EINVAL  it is no tuple of this name and size, or an element is of another type
 *   ES_ERANGE  a number does not fit, bytes or elements are too many or too few
 * Any thread. */
ES_CHECKED es_err esi_struct_from_term(const struct es_struct_descriptor *type, es_term term, void *object);

#endif
