/* term/compare.h - the order of all terms, for the rest of the runtime.
 *
 * es_compare() and es_equal() are public: see engset/term.h. */
#ifndef TERM_COMPARE_H
#define TERM_COMPARE_H

#include <engset/term.h>

/* The order of keys in maps: as es_compare(), but an integer is before a float, so that 1 and 1.0 are two keys. */
int esi_compare_keys(es_term a, es_term b);

/* Tells what this node is called: pids of this and of other nodes are ordered by their nodes' names. Any thread;
 * before that it is nonode@nohost with creation 0. */
void esi_node_set(es_atom name, uint32_t creation);

/* What was set. */
es_atom esi_node_name(void);
uint32_t esi_node_creation(void);

#endif
