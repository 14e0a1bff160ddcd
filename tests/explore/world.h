/* world.h - what only hooks.c, search.c and memory.c need of world.c, and the functions behind our stand-ins (the linker's --wrap). */
#ifndef TESTS_EXPLORE_WORLD_H
#define TESTS_EXPLORE_WORLD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* Zeroed memory of the explorer's own, which no run puts back. Never given back. */
void *world_own(size_t bytes);

/* Somebody is about to write there. */
void world_touch(uintptr_t at, size_t bytes);

void world_set_now_ns(uint64_t now_ns);

/* Called by free(): that memory is nobody's from here on (memory.c: a plain write to all of it). */
void world_freeing(void *memory, size_t bytes);

void *__real_mmap(void *hint, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__real_memcpy(void *to, const void *from, size_t bytes);
void *__real_memmove(void *to, const void *from, size_t bytes);
void *__real_memset(void *to, int byte, size_t bytes);

int __real_clock_gettime(clockid_t clock, struct timespec *now);

void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
void __wrap_free(void *memory);
void *__wrap_mmap(void *hint, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *hint, size_t bytes, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *memory, size_t bytes);
int __wrap_madvise(void *memory, size_t bytes, int advice);

#endif
