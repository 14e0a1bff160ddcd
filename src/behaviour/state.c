/* state.c - a state that is declared by ES_STRUCT(), as a term and back. */
#include <engset/behaviour.h>
#include <string.h>
#include "proc/end.h"
#include "proc/enter.h"
#include "proc/memory.h"
#include "proc/mailbox/typed.h"
#include "term/struct.h"

es_term esi_state_term(const struct es_struct_descriptor *type, const void *state)
{
    if (!type)
        return es_none();
    struct esi_process *self = esi_enter();
    struct esi_message *block = esi_struct_to_message(type, state);
    if (!block)
        esi_end_with(self, es_from_atom(es_am_system_limit));
    esi_memory_hang(self, block);
    esi_leave();
    return block->term;
}

es_err esi_state_from_term(const struct es_struct_descriptor *type, es_term term, void *state)
{
    if (!type)
        return ES_EINVAL;
    void *copy = esi_alloc_try(type->size);
    if (!copy)
        return ES_ENOMEM;
    es_err error = esi_struct_from_term(type, term, copy);
    if (error == ES_OK)
        memcpy(state, copy, type->size);
    es_free(copy);
    return error;
}
