/* world.c - the memory in which every run begins anew.
 *
 * Who writes says so before (world_touch): the page is copied the first time, and put back before the next run. So a run costs what it
 * touches. It covers the program's data, and the memory of the stand-ins for malloc and mmap, which give the same addresses in each run and
 * never one twice in a run: what was freed stays out of bounds. Thread-locals are the program's one block, of which each logical thread
 * has a copy. */
#include "internal.h"

#include <link.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "world.h"

enum {
    PAGE = 4096,
    PAGES = 1 << 13,
    GRAIN = 16,
    LOCALS_MAX = 4096,
    STACK_BYTES = 256 << 10,
    UNMAPPED_MAX = 16
};
#define HEAP_BYTES ((size_t)256 << 20)
#define MAPS_BYTES ((size_t)16 << 30)
#define MAP_ALIGN  ((size_t)256 << 10) /* what the pools ask for */

struct page {
    uintptr_t at;
    uint32_t touched; /* in run number ... */
    bool is_saved;
    char saved[PAGE];
};

struct block {
    size_t bytes;
    uint64_t unused;
};

static struct {
    struct page *pages; /* a hash table */
    struct page **touched;
    int touched_count;
    uint32_t run; /* 0: nothing is remembered yet */
    char *heap, *maps;
    size_t heap_used, maps_used, heap_remembered, maps_remembered;
    uint8_t *is_freed; /* by GRAIN of the heap */
    size_t freed_low, freed_high;
    struct {
        char *at;
        size_t bytes;
    } unmapped[UNMAPPED_MAX];
    int unmapped_count;
    char *locals, *locals_of[EXPLORE_THREADS], *locals_first;
    size_t locals_bytes;
    char *stacks;
    uint64_t now_ns, now_remembered_ns;
    char *data_remembered, *memory_remembered; /* as a whole: what the runs must begin with */
} * w;

extern char __data_start[], _end[]; /* the linker's: of the program */

static size_t data_bytes(void)
{
    return (size_t)(_end - __data_start);
}

void *world_own(size_t bytes)
{
    void *memory =
        __real_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        abort();
    return memory;
}

static int find_locals(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size, (void)unused;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_TLS) {
            w->locals = info->dlpi_tls_data;
            w->locals_bytes = info->dlpi_phdr[i].p_memsz;
        }
    return 1; /* the program comes first, and alone is ours */
}

/* Before the program's own constructors. */
__attribute__((constructor(101))) static void world_open(void)
{
    w = world_own(sizeof *w);
    w->pages = world_own(PAGES * sizeof *w->pages);
    w->touched = world_own(PAGES * sizeof *w->touched);
    w->heap = world_own(HEAP_BYTES);
    w->is_freed = world_own(HEAP_BYTES / GRAIN);
    w->maps = (char *)(((uintptr_t)world_own(MAPS_BYTES + MAP_ALIGN) + MAP_ALIGN - 1) & ~(MAP_ALIGN - 1));
    w->stacks = world_own((size_t)EXPLORE_THREADS * STACK_BYTES);
    w->freed_low = SIZE_MAX;
    w->now_ns = UINT64_C(1000000000);
    dl_iterate_phdr(find_locals, NULL);
    if (w->locals_bytes > LOCALS_MAX)
        abort();
    w->locals_first = world_own(LOCALS_MAX);
    for (int i = 0; i < EXPLORE_THREADS; i++)
        w->locals_of[i] = world_own(LOCALS_MAX);
}

/* ------------------------------------------------------------ pages */

static void touch_page(uintptr_t at)
{
    struct page *page = &w->pages[(at / PAGE * 0x9e3779b97f4a7c15u) >> 51];
    while (page->at && page->at != at)
        page = page == &w->pages[PAGES - 1] ? w->pages : page + 1;
    if (page->touched == w->run)
        return;
    page->touched = w->run;
    page->at = at;
    if (!page->is_saved)
        __real_memcpy(page->saved, (void *)at, PAGE);
    page->is_saved = true;
    w->touched[w->touched_count++] = page;
    if (w->touched_count == PAGES / 2)
        violation("a run writes to more pages than are provided for");
}

/* Data, or memory of the stand-ins; not a stack, nor what is a thread's own. */
static bool is_ours(uintptr_t at)
{
    uintptr_t heap = (uintptr_t)w->heap, maps = (uintptr_t)w->maps;
    return (at >= (uintptr_t)__data_start && at < (uintptr_t)_end) ||
           (at >= heap && at < heap + HEAP_BYTES) || (at >= maps && at < maps + MAPS_BYTES);
}

bool world_is_shared(uintptr_t at)
{
    uintptr_t stacks = (uintptr_t)w->stacks;
    return is_ours(at) || (at >= stacks && at < stacks + (size_t)EXPLORE_THREADS * STACK_BYTES);
}

void world_touch(uintptr_t at, size_t bytes)
{
    if (!w || !w->run || !bytes || !is_ours(at))
        return;
    for (uintptr_t page = at & ~(uintptr_t)(PAGE - 1); page < at + bytes; page += PAGE)
        touch_page(page);
}

void world_remember(void)
{
    w->run = 1;
    w->heap_remembered = w->heap_used;
    w->maps_remembered = w->maps_used;
    w->now_remembered_ns = w->now_ns;
    __real_memcpy(w->locals_first, w->locals, w->locals_bytes);
    w->data_remembered = world_own(data_bytes() + 1);
    w->memory_remembered = world_own(w->heap_used + 1);
    __real_memcpy(w->data_remembered, __data_start, data_bytes());
    __real_memcpy(w->memory_remembered, w->heap, w->heap_used);
}

/* Finds the first byte that a restored world has otherwise than it was remembered: somebody wrote who did not say so. */
static void compare(const char *now, const char *before, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (now[i] != before[i])
            violation("the explorer did not see who wrote to %p", (const void *)(now + i));
}

void world_compare(void)
{
    world_restore();
    compare(__data_start, w->data_remembered, data_bytes());
    compare(w->heap, w->memory_remembered, w->heap_remembered);
}

void world_restore(void)
{
    for (int i = 0; i < w->unmapped_count; i++)
        mprotect(w->unmapped[i].at, w->unmapped[i].bytes, PROT_READ | PROT_WRITE);
    for (int i = 0; i < w->touched_count; i++)
        __real_memcpy((void *)w->touched[i]->at, w->touched[i]->saved, PAGE);
    if (w->freed_low < w->freed_high)
        __real_memset(w->is_freed + w->freed_low, 0, w->freed_high - w->freed_low);
    w->freed_low = SIZE_MAX;
    w->freed_high = 0;
    w->touched_count = w->unmapped_count = 0;
    w->run++;
    w->heap_used = w->heap_remembered;
    w->maps_used = w->maps_remembered;
    w->now_ns = w->now_remembered_ns;
    for (int i = 0; i < EXPLORE_THREADS; i++)
        __real_memcpy(w->locals_of[i], w->locals_first, w->locals_bytes);
    __real_memcpy(w->locals, w->locals_first, w->locals_bytes);
}

void world_load_locals(int thread)
{
    __real_memcpy(w->locals, thread == NOBODY ? w->locals_first : w->locals_of[thread], w->locals_bytes);
}

void world_save_locals(int thread)
{
    if (thread != NOBODY)
        __real_memcpy(w->locals_of[thread], w->locals, w->locals_bytes);
}

void *world_stack_low(int thread)
{
    return w->stacks + (size_t)thread * STACK_BYTES;
}

void *world_stack_top(int thread)
{
    return w->stacks + (size_t)(thread + 1) * STACK_BYTES;
}

uint64_t world_now_ns(void)
{
    return w->now_ns;
}

void world_set_now_ns(uint64_t now_ns)
{
    w->now_ns = now_ns;
}

/* ------------------------------------------------------------ malloc's stand-in */

bool world_is_freed(uintptr_t at)
{
    uintptr_t heap = (uintptr_t)w->heap;
    return at >= heap && at < heap + HEAP_BYTES && w->is_freed[(at - heap) / GRAIN];
}

static struct block *block_of(void *memory)
{
    return (struct block *)memory - 1;
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    size_t from = (w->heap_used + sizeof(struct block) + alignment - 1) & ~(alignment - 1);
    if (from + bytes > HEAP_BYTES)
        violation("a run allocates without end");
    w->heap_used = (from + bytes + GRAIN - 1) & ~(size_t)(GRAIN - 1);
    char *memory = w->heap + from;
    world_touch((uintptr_t)block_of(memory), sizeof(struct block) + bytes);
    block_of(memory)->bytes = bytes;
    return memory;
}

void *__wrap_malloc(size_t bytes)
{
    return __wrap_aligned_alloc(GRAIN, bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return __wrap_malloc(count * bytes); /* no memory is given twice: it is all zero */
}

void __wrap_free(void *memory)
{
    if ((uintptr_t)memory - (uintptr_t)w->heap >= HEAP_BYTES)
        return; /* NULL, or libc's own */
    size_t first = (size_t)((char *)memory - w->heap) / GRAIN,
           count = (block_of(memory)->bytes + GRAIN - 1) / GRAIN;
    if (count && w->is_freed[first])
        violation("memory is freed twice");
    world_freeing(memory, block_of(memory)->bytes);
    __real_memset(w->is_freed + first, 1, count);
    w->freed_low = first < w->freed_low ? first : w->freed_low;
    w->freed_high = first + count > w->freed_high ? first + count : w->freed_high;
}

void *__wrap_realloc(void *memory, size_t bytes)
{
    void *moved = __wrap_malloc(bytes);
    if (memory)
        __real_memcpy(moved, memory, block_of(memory)->bytes < bytes ? block_of(memory)->bytes : bytes);
    __wrap_free(memory);
    return moved;
}

/* ------------------------------------------------------------ mmap's stand-in */

void *__wrap_mmap(void *hint, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    if (!w || fd != -1)
        return __real_mmap(hint, bytes, protection, flags, fd, offset);
    char *memory = w->maps + w->maps_used;
    w->maps_used += (bytes + MAP_ALIGN - 1) & ~(MAP_ALIGN - 1);
    if (w->maps_used > MAPS_BYTES)
        return MAP_FAILED;
    return memory;
}

/* Its name where a file's offset has 64 bits. */
void *__wrap_mmap64(void *hint, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    return __wrap_mmap(hint, bytes, protection, flags, fd, offset);
}

/* What touches it from now on is a fault. */
int __wrap_munmap(void *memory, size_t bytes)
{
    if (w->unmapped_count == UNMAPPED_MAX)
        violation("a run unmaps more than is provided for");
    w->unmapped[w->unmapped_count].at = memory;
    w->unmapped[w->unmapped_count++].bytes = bytes;
    return mprotect(memory, bytes, PROT_NONE);
}

int __wrap_madvise(void *memory, size_t bytes, int advice)
{
    if (advice != MADV_DONTNEED || !is_ours((uintptr_t)memory))
        return 0;
    world_touch((uintptr_t)memory, bytes);
    __real_memset(memory, 0, bytes);
    return 0;
}
