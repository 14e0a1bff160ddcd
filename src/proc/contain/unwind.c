/* proc/contain/unwind.c - as much of DWARF's call frame information as C code needs.
 *
 * A function's entry is found by the sorted table in .eh_frame_hdr. Its instructions say how to compute the CFA (the stack pointer
 * before the call) from a register, and where the return address and the caller's frame pointer were saved. Tables are
 * believed as far as they are in a module we know; what is odd ends the walk. Format: LSB Core, "Exception Frames". */
#include <string.h>
#include <ucontext.h>
#include "proc/contain/dwarf.h"
#include "proc/contain/module.h"
#include "proc/contain/unwind.h"

#if defined(__x86_64__)
enum { REGISTER_FP = 6, REGISTER_SP = 7, REGISTER_RETURN = 16 };
#elif defined(__aarch64__)
enum { REGISTER_FP = 29, REGISTER_SP = 31, REGISTER_RETURN = 30 };
#else
enum { REGISTER_FP = -1, REGISTER_SP = -2, REGISTER_RETURN = -3 };
#endif

enum {
    ENCODING_OMIT = 0xff,
    ENCODING_PCREL_SDATA4 = 0x1b,
    ENCODING_UDATA4 = 0x03,
    ENCODING_DATAREL_SDATA4 = 0x3b
};
enum { SAVED_STATES_MAX = 4 };

struct esi_frame esi_frame_of_context(const void *context)
{
    const ucontext_t *u = context;
#if defined(__x86_64__)
    const greg_t *r = u->uc_mcontext.gregs;
    return (struct esi_frame){(uintptr_t)r[REG_RIP], (uintptr_t)r[REG_RSP], (uintptr_t)r[REG_RBP], 0, false};
#elif defined(__aarch64__)
    return (struct esi_frame){u->uc_mcontext.pc, u->uc_mcontext.sp, u->uc_mcontext.regs[29],
                              u->uc_mcontext.regs[30], false};
#else
    (void)u;
    return (struct esi_frame){0};
#endif
}

__attribute__((no_sanitize("address", "thread"))) bool esi_stack_read(struct esi_stack_span stack,
                                                                      uintptr_t address, uintptr_t *out)
{
    if (address % sizeof *out != 0 || address < stack.low || address >= stack.high ||
        stack.high - address < sizeof *out)
        return false;
    /* volatile and not instrumented: the word may lie in a sanitizer's red zone. */
    *out = *(const volatile uintptr_t *)address;
    return true;
}

/* ---- reading tables ---- */

/* An entry (of a function, or a common one that functions share) from its length word on. */
static struct esi_dwarf entry_at(const uint8_t *entry)
{
    uint32_t length;
    memcpy(&length, entry, sizeof length);
    if (length == 0 || length == UINT32_MAX)
        return (struct esi_dwarf){.failed = true};
    return (struct esi_dwarf){entry + 4, entry + 4 + length, false};
}

/* ---- what a function's entry says ---- */

struct function {
    uintptr_t start, end;
    uint64_t code_align;
    int64_t data_align;
    uint64_t return_register;
    struct esi_dwarf common, own; /* instructions */
};

/* The common entry; fills in what it says. True: a length stands before the function's own augmentation. */
static bool read_common(const uint8_t *entry, struct function *f, uint8_t *encoding)
{
    struct esi_dwarf r = entry_at(entry);
    (void)esi_dwarf_fixed(&r, 4); /* marks it as a common one */
    uint8_t version = (uint8_t)esi_dwarf_fixed(&r, 1);
    const char *letters = (const char *)r.at;
    while (!r.failed && esi_dwarf_fixed(&r, 1) != 0)
        ;
    f->code_align = esi_dwarf_uleb(&r);
    f->data_align = esi_dwarf_sleb(&r);
    f->return_register = version == 1 ? esi_dwarf_fixed(&r, 1) : esi_dwarf_uleb(&r);
    *encoding = ENCODING_PCREL_SDATA4;
    if (r.failed || letters[0] != 'z')
        return false;
    uint64_t length = esi_dwarf_uleb(&r);
    struct esi_dwarf data = r;
    esi_dwarf_skip(&r, length);
    for (const char *l = letters + 1; *l && !data.failed; l++) {
        if (*l == 'R')
            *encoding = (uint8_t)esi_dwarf_fixed(&data, 1);
        else if (*l == 'L')
            (void)esi_dwarf_fixed(&data, 1);
        else if (*l == 'P') {
            uint8_t how = (uint8_t)esi_dwarf_fixed(&data, 1);
            esi_dwarf_skip(&data, (how & 0x0f) == 0x0b || (how & 0x0f) == 0x03 ? 4 : 8);
        } else if (*l != 'B')
            return false; /* 'S', a signal's frame, or unknown */
    }
    f->common = r;
    return !r.failed && !data.failed;
}

static bool read_function(const uint8_t *entry, struct function *f)
{
    struct esi_dwarf r = entry_at(entry);
    const uint8_t *pointer_at = r.at;
    if (r.failed)
        return false;
    uint32_t back = (uint32_t)esi_dwarf_fixed(&r, 4);
    uint8_t encoding;
    if (back == 0 || !read_common(pointer_at - back, f, &encoding) || encoding != ENCODING_PCREL_SDATA4)
        return false;
    uintptr_t here = (uintptr_t)r.at;
    f->start = here + (uintptr_t)(intptr_t)(int32_t)esi_dwarf_fixed(&r, 4);
    f->end = f->start + (uintptr_t)esi_dwarf_fixed(&r, 4);
    esi_dwarf_skip(&r, esi_dwarf_uleb(&r));
    f->own = r;
    return !r.failed;
}

/* Binary search in .eh_frame_hdr. */
static bool find_function(uintptr_t pc, struct function *f)
{
    const struct esi_module *module = esi_module_of(pc);
    if (!module || !module->frame_header ||
        (!esi_module_is_ours(module->kind) && module->kind != ESI_MODULE_LIBC))
        return false;
    const uint8_t *header = module->frame_header;
    if (header[0] != 1 || header[1] != ENCODING_PCREL_SDATA4 || header[2] != ENCODING_UDATA4 ||
        header[3] != ENCODING_DATAREL_SDATA4)
        return false;
    uint32_t count, low = 0;
    memcpy(&count, header + 8, sizeof count);
    const uint8_t *rows = header + 12;
    int64_t wanted = (int64_t)(pc - (uintptr_t)header);
    uint32_t high = count;
    while (low < high) { /* the last row that starts at or before pc */
        uint32_t middle = low + (high - low) / 2;
        int32_t start;
        memcpy(&start, rows + 8 * (size_t)middle, sizeof start);
        if (start <= wanted)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return false;
    int32_t entry;
    memcpy(&entry, rows + 8 * (size_t)(low - 1) + 4, sizeof entry);
    return read_function(header + entry, f) && pc >= f->start && pc < f->end;
}

/* ---- running the instructions ---- */

/* One saved register: its offset from the CFA, or still in the register. */
struct saved {
    bool is_on_stack, is_lost;
    int64_t offset;
};

struct rules {
    uint64_t cfa_register;
    int64_t cfa_offset;
    bool cfa_is_lost;
    struct saved fp, back; /* the frame pointer, the return address */
};

struct machine {
    struct rules rules, initial, kept[SAVED_STATES_MAX];
    int kept_count;
    uintptr_t at; /* the place that the rules hold for */
};

static struct saved *saved_of(struct machine *m, const struct function *f, uint64_t reg, struct saved *other)
{
    if (reg == f->return_register)
        return &m->rules.back;
    return reg == REGISTER_FP ? &m->rules.fp : other;
}

static void restore(struct machine *m, const struct function *f, uint64_t reg)
{
    if (reg == f->return_register)
        m->rules.back = m->initial.back;
    else if (reg == REGISTER_FP)
        m->rules.fp = m->initial.fp;
}

/* The instructions whose operand is in the low six bits. True: it was one. */
static bool run_short(struct machine *m, const struct function *f, struct esi_dwarf *r, uint8_t op)
{
    struct saved other;
    uint64_t low = op & 0x3f;
    switch (op & 0xc0) {
    case 0x40: /* advance_loc */
        m->at += low * f->code_align;
        return true;
    case 0x80: /* offset */
        *saved_of(m, f, low, &other) =
            (struct saved){true, false, (int64_t)esi_dwarf_uleb(r) * f->data_align};
        return true;
    case 0xc0:
        restore(m, f, low);
        return true;
    default:
        return false;
    }
}

/* Those that say where registers are. True: it was one. */
static bool run_saving(struct machine *m, const struct function *f, struct esi_dwarf *r, uint8_t op)
{
    struct saved other;
    uint64_t reg;
    switch (op) {
    case 0x05: /* offset_extended */
    case 0x11: /* offset_extended_sf */
        reg = esi_dwarf_uleb(r);
        *saved_of(m, f, reg, &other) = (struct saved){
            true, false, (op == 0x05 ? (int64_t)esi_dwarf_uleb(r) : esi_dwarf_sleb(r)) * f->data_align};
        return true;
    case 0x06: /* restore_extended */
        restore(m, f, esi_dwarf_uleb(r));
        return true;
    case 0x07: /* undefined: of the return address, the outermost frame */
        saved_of(m, f, esi_dwarf_uleb(r), &other)->is_lost = true;
        return true;
    case 0x08: /* same_value */
        *saved_of(m, f, esi_dwarf_uleb(r), &other) = (struct saved){0};
        return true;
    case 0x09: /* register */
        saved_of(m, f, esi_dwarf_uleb(r), &other)->is_lost = true;
        (void)esi_dwarf_uleb(r);
        return true;
    case 0x10: /* expression */
    case 0x16: /* val_expression */
        saved_of(m, f, esi_dwarf_uleb(r), &other)->is_lost = true;
        esi_dwarf_skip(r, esi_dwarf_uleb(r));
        return true;
    case 0x14: /* val_offset */
    case 0x15: /* val_offset_sf: the width of the second operand is the same */
        saved_of(m, f, esi_dwarf_uleb(r), &other)->is_lost = true;
        (void)esi_dwarf_uleb(r);
        return true;
    default:
        return false;
    }
}

/* Those that say where the CFA is. True: it was one. */
static bool run_cfa(struct rules *rules, const struct function *f, struct esi_dwarf *r, uint8_t op)
{
    switch (op) {
    case 0x0c: /* def_cfa */
    case 0x12: /* def_cfa_sf */
        rules->cfa_register = esi_dwarf_uleb(r);
        rules->cfa_offset = op == 0x0c ? (int64_t)esi_dwarf_uleb(r) : esi_dwarf_sleb(r) * f->data_align;
        rules->cfa_is_lost = false;
        return true;
    case 0x0d: /* def_cfa_register */
        rules->cfa_register = esi_dwarf_uleb(r);
        return true;
    case 0x0e: /* def_cfa_offset */
        rules->cfa_offset = (int64_t)esi_dwarf_uleb(r);
        return true;
    case 0x13: /* def_cfa_offset_sf */
        rules->cfa_offset = esi_dwarf_sleb(r) * f->data_align;
        return true;
    case 0x0f: /* def_cfa_expression */
        rules->cfa_is_lost = true;
        esi_dwarf_skip(r, esi_dwarf_uleb(r));
        return true;
    default:
        return false;
    }
}

/* The rest. False: unknown. */
static bool run_other(struct machine *m, const struct function *f, struct esi_dwarf *r, uint8_t op)
{
    switch (op) {
    case 0x00: /* nop */
    case 0x2d: /* aarch64: the return address is signed from here on, or not any more; it is stripped anyway */
        return true;
    case 0x02: /* advance_loc1, 2, 4 */
    case 0x03:
    case 0x04:
        m->at += esi_dwarf_fixed(r, op == 0x04 ? 4 : op - 1u) * f->code_align;
        return true;
    case 0x0a: /* remember_state */
        if (m->kept_count == SAVED_STATES_MAX)
            return false;
        m->kept[m->kept_count++] = m->rules;
        return true;
    case 0x0b: /* restore_state */
        if (m->kept_count == 0)
            return false;
        m->rules = m->kept[--m->kept_count];
        return true;
    case 0x2e: /* GNU_args_size */
        (void)esi_dwarf_uleb(r);
        return true;
    default:
        return false;
    }
}

/* Runs until the rules for `pc` stand. */
static bool run(struct machine *m, const struct function *f, struct esi_dwarf r, uintptr_t pc)
{
    while (!r.failed && r.at < r.end) {
        struct rules before = m->rules;
        uint8_t op = (uint8_t)esi_dwarf_fixed(&r, 1);
        if (!run_short(m, f, &r, op) && !run_saving(m, f, &r, op) && !run_cfa(&m->rules, f, &r, op) &&
            !run_other(m, f, &r, op))
            return false;
        if (m->at > pc) {
            m->rules = before;
            return true;
        }
    }
    return !r.failed;
}

/* ---- a step ---- */

static uintptr_t without_signature(uintptr_t pc)
{
#if defined(__aarch64__)
    return pc & (((uintptr_t)1 << 48) - 1);
#else
    return pc;
#endif
}

static bool find_saved(const struct saved *saved, struct esi_stack_span stack, uintptr_t cfa,
                       uintptr_t *value)
{
    if (saved->is_lost)
        return false;
    return !saved->is_on_stack || esi_stack_read(stack, cfa + (uintptr_t)saved->offset, value);
}

bool esi_unwind_step(struct esi_frame *frame, struct esi_stack_span stack)
{
    struct function f;
    uintptr_t pc = frame->pc - (frame->is_call ? 1 : 0);
    if (!find_function(pc, &f) || f.return_register != REGISTER_RETURN)
        return false;
    struct machine m = {.at = f.start};
    if (!run(&m, &f, f.common, UINTPTR_MAX))
        return false;
    m.initial = m.rules;
    if (!run(&m, &f, f.own, pc) || m.rules.cfa_is_lost)
        return false;
    uintptr_t cfa = (uintptr_t)m.rules.cfa_offset;
    if (m.rules.cfa_register == REGISTER_SP)
        cfa += frame->sp;
    else if (m.rules.cfa_register == REGISTER_FP)
        cfa += frame->fp;
    else
        return false;
    uintptr_t back = frame->link, fp = frame->fp;
    if (!find_saved(&m.rules.back, stack, cfa, &back) || !find_saved(&m.rules.fp, stack, cfa, &fp) ||
        back == 0)
        return false;
    *frame = (struct esi_frame){without_signature(back), cfa, fp, 0, true};
    return true;
}

int esi_unwind(struct esi_frame frame, struct esi_stack_span stack, uintptr_t *pcs, int max)
{
    int count = 0;
    while (count < max) {
        pcs[count++] = frame.pc;
        uintptr_t sp = frame.sp;
        if (!esi_unwind_step(&frame, stack) || frame.sp < sp)
            break;
    }
    return count;
}

bool esi_function_bounds(uintptr_t pc, uintptr_t *start, uintptr_t *end)
{
    struct function f;
    if (!find_function(pc, &f))
        return false;
    *start = f.start;
    *end = f.end;
    return true;
}
