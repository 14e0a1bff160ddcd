/* proc/contain/leaf.c - where the leaf functions of libc are.
 *
 * libc is stripped, and these are chosen at load time among variants for the processor, so the addresses come from dlsym(), which gives
 * the chosen one, and the sizes from its .eh_frame entry. Some call each other (strncat calls strnlen), so the way to the
 * caller may have a few steps. */
#include <dlfcn.h>
#include <stddef.h>
#include "proc/contain/leaf.h"
#include "proc/contain/module.h"

/* strdup and its like allocate; strtok, strerror and strcoll have state: not here. */
static const char *const names[] = {
    "memcpy",        "memmove",        "mempcpy",      "memset",       "memcmp",       "memchr",
    "memrchr",       "rawmemchr",      "memccpy",      "memmem",       "bcmp",         "bcopy",
    "bzero",         "explicit_bzero", "strlen",       "strnlen",      "strcpy",       "strncpy",
    "stpcpy",        "stpncpy",        "strcat",       "strncat",      "strcmp",       "strncmp",
    "strcasecmp",    "strncasecmp",    "strchr",       "strchrnul",    "strrchr",      "strstr",
    "strspn",        "strcspn",        "strpbrk",      "strsep",       "strcasestr",   "__memcpy_chk",
    "__memmove_chk", "__mempcpy_chk",  "__memset_chk", "__strcpy_chk", "__stpcpy_chk", "__strncpy_chk",
    "__strcat_chk",  "__strncat_chk",  "strtok_r",     "wcslen",       "wmemset",      "wmemcmp",
    "wmemchr",
};

enum { LEAVES_MAX = sizeof names / sizeof *names, STEPS_MAX = 4 };

/* Written while there is no process, read by handlers. */
static struct {
    uintptr_t start, end;
} leaves[LEAVES_MAX];
static int leaf_count;

void esi_leaves_start(void)
{
    leaf_count = 0;
    /* From libc itself, not from an interceptor in front of it. */
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    for (size_t i = 0; libc && i < LEAVES_MAX; i++) {
        uintptr_t start, end, address = (uintptr_t)dlsym(libc, names[i]);
        if (address && esi_module_kind_of(address) == ESI_MODULE_LIBC &&
            esi_function_bounds(address, &start, &end)) {
            leaves[leaf_count].start = start;
            leaves[leaf_count++].end = end;
        }
    }
    if (libc)
        dlclose(libc);
}

bool esi_leaf_holds(uintptr_t pc)
{
    for (int i = 0; i < leaf_count; i++) {
        if (pc >= leaves[i].start && pc < leaves[i].end)
            return true;
    }
    return false;
}

bool esi_leaf_caller(struct esi_frame frame, struct esi_stack_span stack, struct esi_frame *out)
{
    for (int step = 0; step <= STEPS_MAX; step++) {
        if (!esi_leaf_holds(frame.pc)) {
            *out = frame;
            return true;
        }
        if (!esi_unwind_step(&frame, stack))
            return false;
    }
    return false;
}
