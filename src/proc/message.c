/* message.c - blocks from the pools of whoever asks. */
#include "proc/message.h"

#include "proc/worker.h"
#include "term/copy.h"
#include "term/tag.h"

/* The pool cache of the scheduler that this thread holds; NULL in a thread that holds none. Not kept over a wait. */
static struct esi_pool_cache *own_cache(void)
{
    struct esi_worker *worker = esi_worker_here();
    return worker && worker->scheduler ? &worker->scheduler->pool : NULL;
}

void *esi_block_alloc(size_t bytes)
{
    struct esi_pool_cache *cache = own_cache();
    return cache ? esi_pool_alloc(cache, bytes) : esi_pool_alloc_foreign(&esi_node.pool, bytes);
}

void esi_block_free(void *block, size_t bytes)
{
    struct esi_pool_cache *cache = own_cache();
    if (cache)
        esi_pool_free(cache, block, bytes);
    else
        esi_pool_free_foreign(&esi_node.pool, block, bytes);
}

struct esi_message *esi_message_new(size_t payload_bytes)
{
    size_t size = sizeof(struct esi_message) + payload_bytes;
    struct esi_message *message = esi_block_alloc(size);
    if (!message)
        return NULL;
    *message = (struct esi_message){.state = ESI_BLOCK_SENT, .size_bytes = size};
    return message;
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

/* The usual message, a tuple of what needs no words of its own. */
static es_err copy_flat(es_term tuple, size_t words, struct esi_message **out)
{
    struct esi_message *message = esi_message_new(words * sizeof(uint64_t));
    if (!message)
        return ES_ENOMEM;
    for (size_t i = 0; i < words; i++)
        message->words[i] = esi_box(tuple.w)[i];
    message->term = (es_term){esi_word_of_box(message->words)};
    message->tag = esi_term_tag(message->term);
    *out = message;
    return ES_OK;
}

es_err esi_message_copy(es_term term, struct esi_message **out)
{
    size_t words = esi_term_flat_words(term);
    if (words)
        return copy_flat(term, words, out);
    if (!esi_term_is_word(term))
        return esi_message_copy_behind(0, term, out);
    struct esi_message *message = esi_message_new(0);
    if (!message)
        return ES_ENOMEM;
    message->term = term;
    message->tag = esi_term_tag(term);
    *out = message;
    return ES_OK;
}

void esi_message_free(struct esi_message *message)
{
    if (!message->is_typed && message->offheap)
        esi_offheap_release(message->offheap);
    message->state = ESI_BLOCK_FREED;
    esi_block_free(message, message->size_bytes);
}
