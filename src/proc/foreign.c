/* proc/foreign.c - looks through a stack for return addresses into modules without the mark. */
#include "proc/foreign.h"

#include "proc/contain/module.h"
#include "proc/contain/unwind.h"
#include "proc/schedule/worker.h"

static bool is_foreign(uintptr_t address)
{
    enum esi_module_kind kind = esi_module_kind_of(address);
    return kind == ESI_MODULE_FOREIGN || kind == ESI_MODULE_CONTAINED;
}

/* Not seen by sanitizers: the words may lie in red zones. */
__attribute__((no_sanitize("address", "thread"))) bool esi_stands_in_foreign_code(const struct esi_process *p)
{
    uintptr_t low = (uintptr_t)p->fiber.sp & ~(uintptr_t)7, word, foreign_low, foreign_high;
    struct esi_stack_span span = {low, (uintptr_t)p->fiber.stack->high};
    /* Who reads into a buffer on its stack has hundreds of words there: most of them, or all, need no closer look. */
    esi_modules_foreign(&foreign_low, &foreign_high);
    if (foreign_low == foreign_high ||
        is_foreign((uintptr_t)&esi_process_main)) /* a static libc: the kinds say nothing */
        return false;
    for (uintptr_t at = low; esi_stack_read(span, at, &word); at += sizeof word) {
        if (word - foreign_low < foreign_high - foreign_low && is_foreign(word))
            return true;
    }
    return false;
}
