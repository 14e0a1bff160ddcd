/* proc/mailbox/block.h - making and freeing a block, inline, for the few functions that do it for each message.
 *
 * All others call what proc/mailbox/message.h declares, which is the same out of line. */
#ifndef PROC_MAILBOX_BLOCK_H
#define PROC_MAILBOX_BLOCK_H

#include "proc/enter.h"
#include "proc/mailbox/message.h"
#include "term/copy.h"
#include "term/tag.h"

/* The pool cache of the scheduler that this thread holds; NULL in a thread that holds none. Not kept over a wait. */
static inline struct esi_pool_cache *esi_own_cache_here(void)
{
    struct esi_worker *worker = esi_worker_now();
    return worker && worker->scheduler ? &worker->scheduler->pool : NULL;
}

static inline void *esi_block_alloc_here(size_t bytes)
{
    struct esi_pool_cache *cache = esi_own_cache_here();
    return __builtin_expect(cache != NULL, 1) ? esi_pool_alloc(cache, bytes)
                                              : esi_pool_alloc_foreign(&esi_node.pool, bytes);
}

static inline void esi_block_free_here(void *block, size_t bytes)
{
    struct esi_pool_cache *cache = esi_own_cache_here();
    if (__builtin_expect(cache != NULL, 1))
        esi_pool_free(cache, block, bytes);
    else
        esi_pool_free_foreign(&esi_node.pool, block, bytes);
}

static inline struct esi_message *esi_message_new_here(size_t payload_bytes)
{
    size_t size = sizeof(struct esi_message) + payload_bytes;
    struct esi_message *message = esi_block_alloc_here(size);
    if (!message)
        return NULL;
    *message = (struct esi_message){.state = ESI_BLOCK_SENT, .size_bytes = size};
    return message;
}

static inline void esi_message_free_here(struct esi_message *message)
{
    if (!message->is_typed && message->offheap)
        esi_offheap_release(message->offheap);
    message->state = ESI_BLOCK_FREED;
    esi_block_free_here(message, message->size_bytes);
}

/* As esi_message_copy_behind(), for a payload of whole words. The usual message is a word, or a tuple of words. */
static inline es_err esi_message_copy_behind_here(size_t payload_bytes, es_term term,
                                                  struct esi_message **out)
{
    size_t words = 0;
    if (!esi_term_is_word(term) && !(words = esi_term_flat_words(term)))
        return esi_message_copy_behind(payload_bytes, term, out);
    struct esi_message *message = esi_message_new_here(payload_bytes + words * sizeof(uint64_t));
    if (!message)
        return ES_ENOMEM;
    uint64_t *to = message->words + payload_bytes / sizeof(uint64_t);
    for (size_t i = 0; i < words; i++)
        to[i] = esi_box(term.w)[i];
    message->term = words ? (es_term){esi_word_of_box(to)} : term;
    message->tag = esi_term_tag(message->term);
    *out = message;
    return ES_OK;
}

/* As esi_message_copy(). */
static inline es_err esi_message_copy_here(es_term term, struct esi_message **out)
{
    return esi_message_copy_behind_here(0, term, out);
}

#endif
