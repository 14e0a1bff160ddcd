/* message.c - blocks from the pools of whoever asks. */
#include "proc/mailbox/block.h"

void *esi_block_alloc(size_t bytes)
{
    return esi_block_alloc_here(bytes);
}

void esi_block_free(void *block, size_t bytes)
{
    esi_block_free_here(block, bytes);
}

struct esi_message *esi_message_new(size_t payload_bytes)
{
    return esi_message_new_here(payload_bytes);
}

es_err esi_message_copy_behind(size_t payload_bytes, es_term term, struct esi_message **out)
{
    size_t words;
    es_err error = esi_term_measure(term, &words);
    if (error != ES_OK)
        return error;
    payload_bytes = (payload_bytes + 7) & ~(size_t)7;
    struct esi_message *message = esi_message_new(payload_bytes + words * sizeof(uint64_t));
    if (!message)
        return ES_ENOMEM;
    message->term = esi_term_copy(term, message->words + payload_bytes / sizeof(uint64_t), &message->offheap);
    if (es_is_none(message->term)) { /* a long binary found no memory of its own */
        esi_message_free(message);
        return ES_ENOMEM;
    }
    message->tag = esi_term_tag(message->term);
    *out = message;
    return ES_OK;
}

es_err esi_message_copy(es_term term, struct esi_message **out)
{
    return esi_message_copy_here(term, out);
}

void esi_message_free(struct esi_message *message)
{
    esi_message_free_here(message);
}
