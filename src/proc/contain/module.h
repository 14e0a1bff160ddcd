/* proc/contain/module.h - which code belongs to whom.
 *
 * A table of the executable ranges of all modules (the executable and its shared objects), made when a node starts and made
 * anew when a marked module comes or goes. Signal handlers read it. What follows from it is decided in judge.h. */
#ifndef PROC_CONTAIN_MODULE_H
#define PROC_CONTAIN_MODULE_H

#include <stdint.h>
#include <engset/base.h>

/* Whose code it is. Where two hold, the first in this list counts, but in a static link, where libc stands in the same
 * module, all is FOREIGN: a mark would say nothing there. */
enum esi_module_kind {
    ESI_MODULE_NONE, /* no known module's: data, nowhere, code made at run time, an unmarked module loaded later */
    ESI_MODULE_MARKED,    /* includes engset.h */
    ESI_MODULE_RUNTIME,   /* libengset itself */
    ESI_MODULE_CONTAINED, /* es_contain() promised */
    ESI_MODULE_LIBC,      /* its loader, and what the kernel adds to it, too */
    ESI_MODULE_FOREIGN,
};

/* Immutable once published; lives until esi_modules_stop(). */
struct esi_module {
    uintptr_t base;              /* what is added to the addresses in its file */
    const uint8_t *frame_header; /* its .eh_frame_hdr, or NULL */
    uint8_t kind;                /* enum esi_module_kind */
    uint8_t flags;               /* of its mark: engset/mark.h */
    uint16_t phdr_count;
    const void *phdrs; /* ElfW(Phdr)s in memory */
    char path[256];    /* of its file; of the executable: /proc/self/exe */
    char name[48];     /* the last part of the path, "libkv.so" */
};

/* Makes the table and says in one line each which marked modules were compiled without the flags of engset.pc. ES_EINVAL:
 * there is one and ES_STRICT=1 is set. ES_ENOMEM. A thread that is no process. */
ES_CHECKED es_err esi_modules_start(void);

/* Forgets the table. No other thread runs processes any more. */
void esi_modules_stop(void);

/* Makes the table anew, when it was started: after a dlopen() or dlclose(). Without memory the old one stays. Any thread. */
void esi_modules_refresh(void);

/* Grows when a module's addresses may have changed hands: what was remembered by address is void. Any thread. */
unsigned esi_modules_generation(void);

/* In whose code `address` lies; NULL: in nobody's. Async-signal-safe. */
const struct esi_module *esi_module_of(uintptr_t address);

/* The same as a kind. */
enum esi_module_kind esi_module_kind_of(uintptr_t address);

/* Between which addresses all code lies that is FOREIGN or CONTAINED, with others' in between; equal: there is none. Any thread. */
void esi_modules_foreign(uintptr_t *low, uintptr_t *high);

/* May a fault in code of that kind be the process's own? */
static inline bool esi_module_is_ours(enum esi_module_kind kind)
{
    return kind == ESI_MODULE_MARKED || kind == ESI_MODULE_RUNTIME;
}

#endif
