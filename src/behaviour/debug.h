/* behaviour/debug.h - what sys:trace(), log() and statistics() want of a behaviour's process: {debug, What}. Off as long as gen->more->debug is NULL. */
#ifndef BEHAVIOUR_DEBUG_H
#define BEHAVIOUR_DEBUG_H

#include "behaviour/gen.h"

/* {debug, What} came. */
void esi_debug_ask(struct esi_gen *gen, es_from from, es_term what);

/* A message is about to be handled, or a reply was sent. Only while it is on. */
void esi_debug_in(struct esi_gen *gen, es_term message);
void esi_debug_out(struct esi_gen *gen, es_term reply, es_from to);

#endif
