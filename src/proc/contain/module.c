/* proc/contain/module.c - a sorted array of ranges behind one atomic pointer.
 *
 * Writers hold a lock, build a new table and publish it; readers, signal handlers among them, only follow the pointer. Old
 * tables stay until the node stops, since a handler may be reading one: there is one for each dlopen() of a
 * marked module, not more. */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#define ES_NO_MARK /* declared here, not left here */
#include <engset/mark.h>
#include "base/alloc.h"
#include "base/log.h"
#include "base/uninterrupted.h"
#include "proc/contain/module.h"

enum { MARKS_MAX = 256, PROMISES_MAX = 32 };

struct range {
    uintptr_t start, end;
    const struct esi_module *module;
};

struct table {
    struct table *older;
    int module_count, range_count;
    int modules_max, ranges_max;
    struct esi_module *modules;
    struct range *ranges; /* sorted, not overlapping */
    uintptr_t foreign_low,
        foreign_high; /* between these lies all FOREIGN and CONTAINED code; equal: there is none */
};

/* All guarded by the lock but `current`, which handlers read. The loader's lock is held while constructors run, which then come here: so
 * nothing below asks the loader for that one (dladdr, dlsym) with ours held. A kill may not leave a process that has ours. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    uintptr_t address;
    uintptr_t base; /* of its module */
    unsigned flags;
    bool is_warned;
} marks[MARKS_MAX];
static int mark_count;
static char promises[PROMISES_MAX][64];
static int promise_count;
static uintptr_t libc_address; /* somewhere in libc */
static _Atomic unsigned generation;
static struct table *_Atomic current;

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void copy_cut(char *to, size_t size, const char *from)
{
    size_t length = strnlen(from, size - 1);
    memcpy(to, from, length);
    to[length] = '\0';
}

/* ---- building; with the lock held ---- */

/* What is seen of one module on the way through the loader's list. */
struct seen {
    uintptr_t base;
    const ElfW(Phdr) * phdrs;
    int phdr_count;
};

static bool module_holds(const struct seen *seen, uintptr_t address)
{
    for (int i = 0; i < seen->phdr_count; i++) {
        const ElfW(Phdr) *p = &seen->phdrs[i];
        if (p->p_type == PT_LOAD && address - (seen->base + p->p_vaddr) < p->p_memsz)
            return true;
    }
    return false;
}

static bool is_promised(const char *name)
{
    for (int i = 0; i < promise_count; i++) {
        if (strcmp(promises[i], name) == 0)
            return true;
    }
    return false;
}

/* The sanitizers' runtimes stand between any function and libc; nothing in them waits, or keeps a thread's address over a wait. */
static bool is_sanitizer(const char *name)
{
    static const char *const names[] = {"libasan.", "libubsan.", "libtsan.", "liblsan.", "libclang_rt."};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static uint8_t kind_of(const struct seen *seen, const char *name, uint8_t *flags)
{
    bool is_marked = false;
    unsigned joined = ESI_MARK_FLAGS;
    for (int i = 0; i < mark_count; i++) {
        if (module_holds(seen, marks[i].address)) {
            is_marked = true;
            joined &= marks[i].flags;
        }
    }
    *flags = (uint8_t)(is_marked ? joined : 0);
    bool is_libc = module_holds(seen, libc_address) || strncmp(name, "ld-linux", 8) == 0 ||
                   strncmp(name, "linux-vdso", 10) == 0 || is_sanitizer(name);
    bool is_runtime = module_holds(seen, (uintptr_t)&esi_module_of);
    if (is_libc)
        return is_marked || is_runtime ? ESI_MODULE_FOREIGN : ESI_MODULE_LIBC;
    if (is_marked)
        return ESI_MODULE_MARKED;
    if (is_runtime)
        return ESI_MODULE_RUNTIME;
    return is_promised(name) ? ESI_MODULE_CONTAINED : ESI_MODULE_FOREIGN;
}

static void add_range(struct table *table, uintptr_t start, size_t bytes, const struct esi_module *module)
{
    if (table->range_count == table->ranges_max || bytes == 0)
        return;
    int at = table->range_count++;
    while (at > 0 && table->ranges[at - 1].start > start) {
        table->ranges[at] = table->ranges[at - 1];
        at--;
    }
    table->ranges[at] = (struct range){start, start + bytes, module};
}

static int add_module(struct dl_phdr_info *info, size_t size, void *argument)
{
    struct table *table = argument;
    if (size < offsetof(struct dl_phdr_info, dlpi_adds) || table->module_count == table->modules_max)
        return 0;
    struct seen seen = {info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum};
    struct esi_module *module = &table->modules[table->module_count++];
    bool is_executable = table->module_count == 1;
    *module = (struct esi_module){
        .base = info->dlpi_addr, .phdrs = info->dlpi_phdr, .phdr_count = info->dlpi_phnum};
    copy_cut(module->path, sizeof module->path, is_executable ? "/proc/self/exe" : info->dlpi_name);
    copy_cut(module->name, sizeof module->name,
             is_executable ? program_invocation_short_name : last_part(info->dlpi_name));
    module->kind = kind_of(&seen, module->name, &module->flags);
    for (int i = 0; i < seen.phdr_count; i++) {
        const ElfW(Phdr) *p = &seen.phdrs[i];
        if (p->p_type == PT_GNU_EH_FRAME)
            module->frame_header = (const uint8_t *)(seen.base + p->p_vaddr);
        if (p->p_type == PT_LOAD && p->p_flags & PF_X)
            add_range(table, seen.base + p->p_vaddr, p->p_memsz, module);
    }
    return 0;
}

static int count_module(struct dl_phdr_info *info, size_t size, void *argument)
{
    struct table *table = argument;
    (void)size;
    table->modules_max++;
    for (int i = 0; i < info->dlpi_phnum; i++)
        table->ranges_max += info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X;
    return 0;
}

static void free_table(struct table *table)
{
    if (table) {
        esi_free(table->modules);
        esi_free(table->ranges);
    }
    esi_free(table);
}

static struct table *build(void)
{
    struct table *table = esi_alloc_zeroed(1, sizeof *table);
    if (!table)
        return NULL;
    /* What another thread loads between the two looks comes with a mark of its own, or does not matter. */
    dl_iterate_phdr(count_module, table);
    table->modules = esi_alloc_zeroed((size_t)table->modules_max, sizeof *table->modules);
    table->ranges = esi_alloc_zeroed((size_t)table->ranges_max, sizeof *table->ranges);
    if (!table->modules || !table->ranges) {
        free_table(table);
        return NULL;
    }
    dl_iterate_phdr(add_module, table);
    return table;
}

static void note_foreign(struct table *table)
{
    for (int i = 0; i < table->range_count; i++) {
        const struct range *range = &table->ranges[i];
        if (range->module->kind != ESI_MODULE_FOREIGN && range->module->kind != ESI_MODULE_CONTAINED)
            continue;
        if (table->foreign_low == table->foreign_high)
            table->foreign_low = range->start;
        table->foreign_high = range->end;
    }
}

static bool publish(void)
{
    struct table *table = build();
    if (!table)
        return false;
    note_foreign(table);
    table->older = atomic_load_explicit(&current, memory_order_relaxed); /* only written with the lock held */
    /* release: pairs with the acquire in esi_module_of(): the table's contents are there. */
    atomic_store_explicit(&current, table, memory_order_release);
    return true;
}

/* One line a module that lacks the flags. Gives how many there are. */
static int warn_of_missing_flags(void)
{
    int count = 0;
    const struct table *table = atomic_load_explicit(&current, memory_order_relaxed);
    for (int i = 0; table && i < table->module_count; i++) {
        const struct esi_module *module = &table->modules[i];
        if (module->kind != ESI_MODULE_MARKED || module->flags & ESI_MARK_FLAGS)
            continue;
        count++;
        bool is_new = false;
        for (int m = 0; m < mark_count; m++) {
            if (marks[m].base == module->base) {
                is_new |= !marks[m].is_warned;
                marks[m].is_warned = true;
            }
        }
        if (is_new)
            esi_log(ESI_LOG_WARNING,
                    "%s has code compiled without the flags of engset.pc: a large local array there can jump "
                    "over a stack's guard. "
                    "Compile with $(pkg-config --cflags engset).",
                    module->name);
    }
    return count;
}

/* ---- the mark ---- */

static uintptr_t base_of(uintptr_t address)
{
    struct link_map *map = NULL;
    Dl_info info;
    return dladdr1((void *)address, &info, (void **)&map, RTLD_DL_LINKMAP) && map ? map->l_addr : 0;
}

/* A module has one entry, however many of its objects call. True: something is new. */
static bool note_mark(uintptr_t address, uintptr_t base, unsigned flags)
{
    for (int i = 0; i < mark_count; i++) {
        if (marks[i].base == base) {
            bool is_new = (marks[i].flags & flags) != marks[i].flags;
            marks[i].flags &= flags;
            return is_new;
        }
    }
    if (mark_count == MARKS_MAX)
        return false; /* it counts as a foreign one */
    marks[mark_count].address = address;
    marks[mark_count].base = base;
    marks[mark_count].flags = flags;
    marks[mark_count++].is_warned = false;
    return true;
}

static bool is_started(void)
{
    return atomic_load_explicit(&current, memory_order_relaxed) != NULL; /* only written with the lock held */
}

void esi_module_mark(const void *address, unsigned flags)
{
    uintptr_t base = base_of((uintptr_t)address);
    uint32_t before = esi_uninterrupted_lock(&lock);
    if (note_mark((uintptr_t)address, base, flags) && is_started() && publish())
        warn_of_missing_flags();
    esi_uninterrupted_unlock(&lock, before);
}

void esi_module_unmark(const void *address)
{
    uintptr_t base = base_of((uintptr_t)address);
    uint32_t before = esi_uninterrupted_lock(&lock);
    for (int i = 0; i < mark_count; i++) {
        if (marks[i].base == base) {
            marks[i] = marks[--mark_count];
            /* relaxed: who asks later with the new module's addresses has seen it loaded. */
            atomic_fetch_add_explicit(&generation, 1, memory_order_relaxed);
            if (is_started())
                publish();
            break;
        }
    }
    esi_uninterrupted_unlock(&lock, before);
}

/* ---- from outside ---- */

es_err esi_modules_start(void)
{
    void *in_libc = dlsym(RTLD_DEFAULT, "gnu_get_libc_version");
    uint32_t before = esi_uninterrupted_lock(&lock);
    libc_address = (uintptr_t)in_libc;
    es_err err = publish() ? ES_OK : ES_ENOMEM;
    const char *strict = getenv("ES_STRICT");
    if (err == ES_OK && warn_of_missing_flags() > 0 && strict && strcmp(strict, "1") == 0) {
        esi_log(ESI_LOG_ERROR, "ES_STRICT=1: not started with modules that lack the flags of engset.pc");
        err = ES_EINVAL;
    }
    esi_uninterrupted_unlock(&lock, before);
    return err;
}

void esi_modules_stop(void)
{
    uint32_t before = esi_uninterrupted_lock(&lock);
    struct table *table = atomic_exchange_explicit(&current, NULL, memory_order_relaxed);
    while (table) {
        struct table *older = table->older;
        free_table(table);
        table = older;
    }
    esi_uninterrupted_unlock(&lock, before);
}

void esi_modules_refresh(void)
{
    uint32_t before = esi_uninterrupted_lock(&lock);
    if (is_started())
        publish();
    esi_uninterrupted_unlock(&lock, before);
}

struct search {
    const char *soname;
    bool is_found;
};

static int compare_name(struct dl_phdr_info *info, size_t size, void *argument)
{
    struct search *search = argument;
    (void)size;
    search->is_found |= strcmp(last_part(info->dlpi_name), search->soname) == 0;
    return search->is_found;
}

es_err es_contain(const char *soname)
{
    struct search search = {.soname = soname};
    if (!soname || strlen(soname) >= sizeof promises[0])
        return ES_EINVAL;
    dl_iterate_phdr(compare_name, &search);
    if (!search.is_found)
        return ES_ENOTFOUND;
    es_err err = ES_OK;
    uint32_t before = esi_uninterrupted_lock(&lock);
    bool is_new = !is_promised(soname);
    if (is_new) {
        if (promise_count == PROMISES_MAX)
            err = ES_ELIMIT;
        else
            copy_cut(promises[promise_count++], sizeof promises[0], soname);
    }
    if (err == ES_OK && is_started() && !publish()) {
        promise_count -= is_new;
        err = ES_ENOMEM;
    }
    esi_uninterrupted_unlock(&lock, before);
    return err;
}

unsigned esi_modules_generation(void)
{
    return atomic_load_explicit(&generation, memory_order_relaxed);
}

const struct esi_module *esi_module_of(uintptr_t address)
{
    /* acquire: pairs with the release in publish(). */
    const struct table *table = atomic_load_explicit(&current, memory_order_acquire);
    int low = 0, high = table ? table->range_count : 0;
    while (low < high) {
        int middle = low + (high - low) / 2;
        const struct range *range = &table->ranges[middle];
        if (address < range->start)
            high = middle;
        else if (address >= range->end)
            low = middle + 1;
        else
            return range->module;
    }
    return NULL;
}

void esi_modules_foreign(uintptr_t *low, uintptr_t *high)
{
    const struct table *table = atomic_load_explicit(&current, memory_order_acquire);
    *low = table ? table->foreign_low : 0;
    *high = table ? table->foreign_high : 0;
}

enum esi_module_kind esi_module_kind_of(uintptr_t address)
{
    const struct esi_module *module = esi_module_of(address);
    return module ? (enum esi_module_kind)module->kind : ESI_MODULE_NONE;
}
