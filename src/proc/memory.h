/* proc/memory.h - blocks that belong to a process: counted, on its memory list, gone when it ends.
 *
 * What user code gets are payloads and terms inside such blocks; what it gives back is looked at before it is believed. */
#ifndef PROC_MEMORY_H
#define PROC_MEMORY_H

#include "proc/process.h"

/* Hangs `block` on `self`, whose own it is from here on. Over the memory limit `self` is doomed, with `killed`: the process
 * itself follows it by esi_end_now(). On behalf of `self`. */
void esi_memory_hang(struct esi_process *self, struct esi_message *block);

/* Takes `block` off again; it is the caller's. On behalf of `self`. */
void esi_memory_unhang(struct esi_process *self, struct esi_message *block);

/* Has `self` more than it may? Then it is doomed, with `killed`. For whoever adds to memory_bytes. On behalf of `self`. */
void esi_memory_check(struct esi_process *self);

/* As es_alloc(), but NULL comes back when there is no memory. Process only. */
void *esi_alloc_try(size_t size_bytes);

/* As es_keep(), but ES_ENOMEM comes back, and ES_EINVAL for a pattern. Any thread. */
ES_CHECKED es_err esi_keep_try(es_term term, es_term *out);

/* The same, or the atom system_limit in its place: for reasons, which must be told. Any thread. */
es_term esi_keep_reason(es_term reason);

/* A copy of `term` that belongs to no process, for a thread that is none: until es_drop(). ES_ENOMEM; ES_EINVAL: a pattern. Any thread. */
ES_CHECKED es_err esi_keep_outside(es_term term, es_term *out);

/* Frees what esi_keep_outside() gave; ES_NONE and immediates: nothing. Any thread, also in the runtime. */
void esi_drop_outside(es_term term);

#endif
