/* typed.c - typed messages become tuples and tuples become typed messages. */
#include "proc/mailbox/typed.h"

#include "term/struct.h"
#include "term/tag.h"

struct esi_message *esi_struct_to_message(const struct es_struct_descriptor *type, const void *payload)
{
    struct esi_message *message = esi_message_new(esi_struct_measure(type, payload) * sizeof(uint64_t));
    if (!message)
        return NULL;
    message->term = esi_struct_to_term(type, payload, message->words, &message->offheap);
    if (es_is_none(message->term)) {
        esi_message_free(message);
        return NULL;
    }
    message->tag = esi_term_tag(message->term);
    return message;
}

bool esi_struct_matches(const struct es_struct_descriptor *type, es_term term)
{
    es_atom name;
    return es_tuple_size(term) == type->field_count + 1 && esi_struct_atom(type, &name) == ES_OK &&
           es_is(es_tuple_get(term, 0), name);
}

void *esi_struct_from_message(struct esi_process *self, const struct es_struct_descriptor *type, es_term term)
{
    struct esi_message *block = esi_message_new(type->size);
    if (!block)
        esi_end_with(self, es_from_atom(es_am_system_limit));
    if (esi_struct_from_term(type, term, block->words) != ES_OK) {
        esi_message_free(block);
        return NULL;
    }
    block->state = ESI_BLOCK_OWNED;
    block->is_typed = true;
    block->type = type;
    block->to = self->id;
    self->memory_bytes += (int64_t)block->size_bytes;
    esi_list_push_back(&self->memory, &block->in_list);
    return block->words;
}
