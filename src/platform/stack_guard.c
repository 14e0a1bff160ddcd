/* platform/stack_guard.c - guards by MADV_GUARD_INSTALL, or by mprotect where the kernel is older than 6.13.
 *
 * A guard by madvise lives in the page tables and leaves the mapping in one piece. One by mprotect is a mapping of its
 * own and splits off another; there are vm.max_map_count of them for the whole OS process, malloc's and the libraries'
 * included, so we stop before they are all ours. */
#include "platform/stack_guard.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include "platform/stack.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define MAPPINGS_FOR_OTHERS 4096

static pthread_once_t probed = PTHREAD_ONCE_INIT;
/* relaxed everywhere below: written under `probed` or while no stack is open, and counts need no order. */
static _Atomic int kind;
static _Atomic size_t guard_limit;
static _Atomic size_t guard_count; /* by mprotect, now */

static size_t limit_from_kernel(void)
{
    long mappings = 65530; /* the kernel's own default */
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    if (file) {
        if (fscanf(file, "%ld", &mappings) != 1 || mappings < 0)
            mappings = 65530;
        fclose(file);
    }
    /* Each guard costs two: itself, and the stack that it parts from its neighbour. */
    size_t others = mappings > 4 * MAPPINGS_FOR_OTHERS ? MAPPINGS_FOR_OTHERS : (size_t)mappings / 4;
    return ((size_t)mappings - others) / 2;
}

static void probe(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int found = ESI_GUARD_MPROTECT;
    void *memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED) {
        if (madvise(memory, page, MADV_GUARD_INSTALL) == 0)
            found = ESI_GUARD_MADVISE;
        munmap(memory, page);
    }
    atomic_store_explicit(&guard_limit, limit_from_kernel(), memory_order_relaxed);
    atomic_store_explicit(&kind, found, memory_order_relaxed);
}

enum esi_guard_kind esi_stack_guard_kind(void)
{
    pthread_once(&probed, probe);
    return (enum esi_guard_kind)atomic_load_explicit(&kind, memory_order_relaxed);
}

void esi_stack_guard_use(enum esi_guard_kind wanted, size_t limit_count)
{
    pthread_once(&probed, probe);
    atomic_store_explicit(&kind, (int)wanted, memory_order_relaxed);
    atomic_store_explicit(&guard_limit, limit_count ? limit_count : limit_from_kernel(),
                          memory_order_relaxed);
}

static es_err install_by_mprotect(char *low, size_t bytes)
{
    size_t before = atomic_fetch_add_explicit(&guard_count, 1, memory_order_relaxed);
    if (before < atomic_load_explicit(&guard_limit, memory_order_relaxed)) {
        if (mprotect(low, bytes, PROT_NONE) == 0)
            return ES_OK;
    }
    atomic_fetch_sub_explicit(&guard_count, 1, memory_order_relaxed);
    return ES_ELIMIT;
}

es_err esi_guard_install(char *low, size_t bytes, bool *costs_mapping)
{
    /* madvise fails when there is no memory for page tables, and when the program has locked its memory. */
    *costs_mapping =
        esi_stack_guard_kind() == ESI_GUARD_MPROTECT || madvise(low, bytes, MADV_GUARD_INSTALL) != 0;
    return *costs_mapping ? install_by_mprotect(low, bytes) : ES_OK;
}

void esi_guard_forget(size_t count)
{
    atomic_fetch_sub_explicit(&guard_count, count, memory_order_relaxed);
}
