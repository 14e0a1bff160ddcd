/* memory.c - es_new(), es_alloc(), es_keep(), and the way back: es_free(), es_drop(), es_give().
 *
 * A pointer that comes back from user code may be anything. So its header is read before the runtime is entered: if that faults, the
 * fault is the process's own and is contained. Then state and owner decide. A header that was handed out again meanwhile
 * looks good: that a block was freed twice is found as long as nobody has it. */
#include "proc/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/alloc.h"
#include "proc/enter.h"
#include "proc/mailbox/send.h"
#include "proc/contain/trail.h"
#include "term/copy.h"
#include "term/parse.h"
#include "term/struct.h"
#include "term/tag.h"
#include "term/work.h"

/* Owner of what a thread keeps that is no process; lies on the heap. No pid's id: these have 61 bits. */
#define OUTSIDE UINT64_MAX

/* No block is that large; sizes below it can be added to without a thought. */
#define BLOCK_MAX (SIZE_MAX / 4)

#if defined(__clang__)
#define UNCHECKED __attribute__((noinline, no_sanitize("address", "thread")))
#else
#define UNCHECKED __attribute__((noinline, no_sanitize_address, no_sanitize_thread))
#endif

/* What stood in a header when it was looked at. */
struct seen {
    uint64_t owner, term;
    uint16_t state;
    bool is_typed;
};

/* Not seen by sanitizers: that the block may be freed, or another's, is what is to be found out. */
static UNCHECKED struct seen look_at(const struct esi_message *block)
{
    const volatile struct esi_message *b = block;
    return (struct seen){b->to, b->term.w, b->state, b->is_typed};
}

static ES_NORETURN void outside(const char *function)
{
    fprintf(stderr,
            "engset: %s() was called in a thread that is no process; start one with es_run() or es_spawn()\n",
            function);
    abort();
}

/* ---- hanging ---- */

void esi_memory_check(struct esi_process *self)
{
    size_t limit = self->extra ? self->extra->memory_limit_bytes : 0;
    if (!limit || self->memory_bytes <= (int64_t)limit || self->is_doomed || self->is_ending)
        return;
    self->is_faulted = true;
    self->extra->over_limit_bytes = self->memory_bytes;
    esi_trail_note(self);
    esi_process_doom(self, es_from_atom(es_am_killed));
}

void esi_memory_hang(struct esi_process *self, struct esi_message *block)
{
    block->state = ESI_BLOCK_OWNED;
    block->to = self->id;
    self->memory_bytes += (int64_t)block->size_bytes;
    esi_list_push_back(&self->memory, &block->in_list);
    esi_memory_check(self);
}

void esi_memory_unhang(struct esi_process *self, struct esi_message *block)
{
    esi_list_remove(&block->in_list);
    self->memory_bytes -= (int64_t)block->size_bytes;
}

/* ---- getting ---- */

/* A zeroed block of `size` bytes for es_free() or es_give(); NULL: no memory. Inline, so that the public function stands on the stack: reports find
 * the user's place behind it. */
static inline __attribute__((always_inline)) struct esi_message *
try_block(struct esi_process *self, size_t size, const struct es_struct_descriptor *type)
{
    struct esi_message *block = size < BLOCK_MAX ? esi_message_new(size) : NULL;
    if (!block)
        return NULL;
    memset(block->words, 0, size);
    block->is_typed = true;
    block->type = type;
    esi_memory_hang(self, block);
    if (self->is_doomed)
        esi_end_now(self);
    esi_charge(self, 1);
    return block;
}

/* Leaves the runtime. */
static inline __attribute__((always_inline)) void *new_block(struct esi_process *self, size_t size,
                                                             const struct es_struct_descriptor *type)
{
    struct esi_message *block = try_block(self, size, type);
    if (!block)
        esi_end_with(self, es_from_atom(es_am_system_limit));
    esi_leave();
    return block->words;
}

void *esi_new(const struct es_struct_descriptor *type)
{
    struct esi_process *self = esi_enter();
    if (!self)
        outside("es_new");
    return new_block(self, type->size, type);
}

void *es_alloc(size_t size_bytes)
{
    struct esi_process *self = esi_enter();
    if (!self)
        outside("es_alloc");
    return new_block(self, size_bytes, NULL);
}

void *esi_alloc_try(size_t size_bytes)
{
    struct esi_process *self = esi_enter();
    struct esi_message *block = try_block(self, size_bytes, NULL);
    esi_leave();
    return block ? block->words : NULL;
}

/* Needs no memory. A pattern is none of these: who copies it finds that it cannot be. */
static bool is_immediate(es_term term)
{
    return es_is_none(term) || esi_term_is_word(term);
}

es_err esi_keep_outside(es_term term, es_term *out)
{
    size_t words;
    if (is_immediate(term)) {
        *out = term;
        return ES_OK;
    }
    es_err error = esi_term_measure(term, &words);
    if (error != ES_OK)
        return error;
    size_t size = sizeof(struct esi_message) + words * sizeof(uint64_t);
    struct esi_message *block = esi_alloc(size);
    if (!block)
        return ES_ENOMEM;
    *block = (struct esi_message){.state = ESI_BLOCK_OWNED, .to = OUTSIDE, .size_bytes = size};
    block->term = esi_term_copy(term, block->words, &block->offheap);
    *out = block->term;
    if (!es_is_none(block->term))
        return ES_OK;
    esi_free(block);
    return ES_ENOMEM;
}

static es_err keep(struct esi_process *self, es_term term, es_term *out)
{
    struct esi_message *block;
    if (!self)
        return esi_keep_outside(term, out);
    *out = term;
    if (is_immediate(term))
        return ES_OK;
    es_err error = esi_message_copy(term, &block);
    if (error != ES_OK)
        return error;
    *out = block->term;
    esi_memory_hang(self, block);
    if (self->is_doomed)
        esi_end_now(self);
    return ES_OK;
}

es_term esi_keep(es_term term)
{
    struct esi_process *self = esi_enter();
    es_term kept = es_none();
    es_err error = keep(self, term, &kept);
    if (!self) {
        if (error != ES_OK) {
            fprintf(stderr, "engset: es_keep() in a thread that is no process: %s\n",
                    error == ES_EINVAL ? "a pattern cannot be kept" : es_strerror(error));
            abort();
        }
        return kept;
    }
    if (error == ES_EINVAL)
        esi_badarg(self, "keep");
    if (error != ES_OK)
        esi_end_with(self, es_from_atom(es_am_system_limit));
    esi_charge(self, 1);
    esi_leave();
    return kept;
}

es_err esi_keep_try(es_term term, es_term *out)
{
    struct esi_process *self = esi_enter();
    es_term kept = es_none();
    es_err error = keep(self, term, &kept);
    if (error == ES_OK)
        *out = kept;
    if (self)
        esi_leave();
    return error;
}

es_term esi_keep_reason(es_term reason)
{
    es_term kept = es_from_atom(es_am_system_limit);
    return esi_keep_try(reason, &kept) == ES_OK ? kept : es_from_atom(es_am_system_limit);
}

es_err es_parse_term(const char *text, es_term *out)
{
    struct esi_process *self = esi_enter();
    struct esi_parse_result result = {0};
    size_t length = strlen(text);
    es_term term = es_none();
    es_err error = esi_parse(text, length, &result);
    if (error == ES_OK) {
        error = keep(self, result.term, &term);
        esi_parse_free(&result);
        if (error != ES_OK)
            esi_fail(self, error, "%s", es_strerror(error));
    } else {
        esi_fail(self, error, "error[%s]: term, line %zu, column %zu: %s", result.code, result.line,
                 result.column, result.expected);
    }
    if (error == ES_OK)
        *out = term;
    if (self) {
        esi_charge(self, 1 + (int)(length / 64));
        esi_leave();
    }
    return error;
}

/* ---- giving back ---- */

static ES_NORETURN void misuse(struct esi_process *self, es_atom what, const void *address)
{
    self->is_faulted = true;
    esi_trail_note(self);
    esi_end_with(self, es_lend(ES_TUPLE(what, (int64_t)(intptr_t)address)));
}

/* Comes back only if what was `seen` in front of `address` is `self`'s own. */
static void check_owned(struct esi_process *self, struct seen seen, const void *address)
{
    if (seen.state == ESI_BLOCK_FREED)
        misuse(self, es_am_double_free, address);
    if (seen.state == ESI_BLOCK_SENT)
        misuse(self, es_am_use_after_give, address);
    if (seen.state != ESI_BLOCK_OWNED || seen.owner != self->id)
        misuse(self, es_am_not_owner, address);
}

static void free_own(struct esi_process *self, struct esi_message *block)
{
    esi_memory_unhang(self, block);
    esi_message_free(block);
}

void es_free(void *memory)
{
    if (!memory)
        return;
    struct esi_message *block = esi_message_of(memory);
    struct seen seen = look_at(block); /* before the runtime: see above */
    struct esi_process *self = esi_enter();
    if (!self)
        outside("es_free");
    check_owned(self, seen, memory);
    if (!seen.is_typed)
        misuse(self, es_am_not_owner, memory);
    free_own(self, block);
    esi_leave();
}

es_err es_give(es_pid to, void *memory)
{
    if (!memory)
        return ES_OK;
    struct esi_message *block = esi_message_of(memory);
    struct seen seen = look_at(block);
    struct esi_process *self = esi_enter();
    if (!self)
        outside("es_give");
    check_owned(self, seen, memory);
    if (!seen.is_typed || !block->type)
        esi_badarg(self, "give");
    esi_memory_unhang(self, block);
    block->state = ESI_BLOCK_SENT;
    block->kind = NULL;
    block->term = es_none();
    block->tag = esi_struct_tag(block->type);
    if (to.node)
        esi_message_free(
            block); /* nodes elsewhere: nobody carries there yet, as if the connection were down */
    else
        esi_send_block(self, to.id, block);
    esi_charge(self, 1);
    esi_leave();
    return ES_OK;
}

/* An answer stands behind a signal's payload, so that its block is not found from the term. It is mostly the newest. */
static struct esi_message *find_by_term(struct esi_process *self, es_term term)
{
    for (struct esi_list *it = self->memory.prev; it != &self->memory; it = it->prev) {
        struct esi_message *block = ESI_CONTAINER_OF(it, struct esi_message, in_list);
        if (block->term.w == term.w && !block->is_typed)
            return block;
    }
    return NULL;
}

static void drop_outside(struct esi_message *block, struct seen seen, es_term term)
{
    if (seen.term != term.w || seen.owner != OUTSIDE || seen.state != ESI_BLOCK_OWNED) {
        fprintf(stderr, "engset: es_drop() in a thread that is no process: %p is no term that it keeps%s\n",
                (void *)block, seen.state == ESI_BLOCK_FREED ? " (dropped before)" : "");
        abort();
    }
    esi_offheap_release(block->offheap);
    block->state = ESI_BLOCK_FREED;
    esi_free(block);
}

void esi_drop_outside(es_term term)
{
    if (is_immediate(term))
        return;
    struct esi_message *block = esi_message_of((const void *)(uintptr_t)(term.w & ~(uint64_t)7));
    drop_outside(block, look_at(block), term);
}

void es_drop(es_term term)
{
    if (es_is_none(term) || (esi_tag(term.w) != ESI_TAG_BOX && esi_tag(term.w) != ESI_TAG_CONS))
        return;
    const void *root = (const void *)(uintptr_t)(term.w & ~(uint64_t)7);
    struct esi_message *block = esi_message_of(root);
    struct seen seen = look_at(block);
    struct esi_process *self = esi_enter_here();
    if (!self || (seen.term == term.w && seen.owner == OUTSIDE && seen.state == ESI_BLOCK_OWNED)) {
        drop_outside(block, seen, term);
    } else if (seen.term == term.w && !seen.is_typed) {
        check_owned(self, seen, root);
        free_own(self, block);
    } else {
        block = find_by_term(self, term);
        if (!block || block->state != ESI_BLOCK_OWNED)
            misuse(self, es_am_not_owner, root);
        free_own(self, block);
    }
    if (self)
        esi_leave();
}

/* ---- the term room's memory ---- */

/* A comparison of deep terms, which has no other way to fail. In a thread that is no process it comes back, and the program ends. */
static void end_who_compares(void)
{
    struct esi_process *self = esi_enter();
    if (self)
        esi_end_with(self, es_from_atom(es_am_system_limit));
}

__attribute__((constructor(150))) static void plug_in(void)
{
    esi_work_no_memory = end_who_compares;
}
