/* behaviour/unknown.h - what a behaviour does with what its callbacks do not know. */
#ifndef BEHAVIOUR_UNKNOWN_H
#define BEHAVIOUR_UNKNOWN_H

#include "behaviour/gen.h"

/* A call: its caller exits with {undef, Request}. Anything else: it is logged once for each kind, and counted. */
void esi_gen_unknown(struct esi_gen *gen, es_term what);

#endif
