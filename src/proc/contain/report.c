/* proc/contain/report.c - what the reports say: of a fault, of a process that exits, of one that does not come back. */
#include "proc/contain/report.h"

#include <string.h>
#include "proc/bond.h"
#include "proc/contain/draft.h"
#include "proc/contain/symbol.h"
#include "proc/contain/trail.h"
#include "proc/label.h"
#include "term/print.h"

enum { ANCESTORS_SHOWN = 5, WAITING_SHOWN = 3, FRAMES_SHOWN = 4, TOLD_SHOWN = 3, COUNTED_MAX = 10000 };

static void append_pid(struct esi_text *text, uint64_t id)
{
    esi_print_short(text, esi_from_local_pid(id));
}

static void append_atom(struct esi_text *text, uint64_t name)
{
    esi_text_printable(text, es_atom_text((es_atom){name}), es_atom_length((es_atom){name}));
}

/* "process kv <0.101.0> (label or function)" */
static void append_who(struct esi_text *text, uint64_t id, uint64_t name, const char *label,
                       uintptr_t function)
{
    struct esi_symbol symbol = {0};
    esi_text_str(text, "process ");
    if (name) {
        append_atom(text, name);
        esi_text_char(text, ' ');
    }
    append_pid(text, id);
    if (!label[0] && function) {
        esi_symbol_find(function, false, &symbol);
        label = symbol.function;
    }
    if (label[0]) {
        esi_text_str(text, " (");
        esi_text_printable(text, label, strlen(label));
        esi_text_char(text, ')');
    }
}

static void append_process(struct esi_text *text, struct esi_process *p)
{
    char label[ESI_LABEL_BYTES];
    esi_label_get(p->id, label);
    append_who(text, p->id, atomic_load_explicit(&p->name, memory_order_relaxed), label,
               (uintptr_t)p->function);
}

static bool append_place(struct esi_text *text, uintptr_t pc)
{
    struct esi_symbol symbol;
    esi_symbol_find(pc, true, &symbol);
    esi_symbol_text_and_line(&symbol, pc, text);
    return symbol.function[0] != '\0';
}

/* The runtime's own functions that stand below every process, and at its end, tell nobody anything. */
static bool is_of_the_runtime(uintptr_t pc)
{
    struct esi_symbol symbol;
    esi_symbol_find(pc, false, &symbol);
    return strncmp(symbol.function, "esi_", 4) == 0 || esi_module_kind_of(pc) == ESI_MODULE_RUNTIME;
}

/* Is this the frame below all, called straight from libc? Then the process's function left by a jump. */
static bool has_left_its_function(const uintptr_t *frames, int i)
{
    return i == 1 && esi_module_kind_of(frames[0]) == ESI_MODULE_LIBC;
}

/* A return address lies behind the call that it belongs to. A recursion's callers are all the same: one is enough. */
static void add_frames(struct esi_draft *r, const struct esi_process *p, const uintptr_t *frames, int count)
{
    int shown = 0;
    for (int i = 0; i < count && shown < FRAMES_SHOWN; i++) {
        uintptr_t pc = i == 0 ? frames[i] : frames[i] - 1;
        bool is_repeated = i > 1 && frames[i] == frames[i - 1];
        if (shown == 0 || has_left_its_function(frames, i))
            pc = esi_place_for_people(pc, p->function);
        if (is_repeated || (i > 0 && is_of_the_runtime(pc)))
            continue;
        append_place(esi_draft_field(r), pc);
        esi_draft_finish(r, shown++ == 0 ? "at" : "called by");
    }
}

/* What others may not see is not shown. */
static void append_message(struct esi_text *text, const struct esi_process *p,
                           const struct esi_message *message)
{
    if (atomic_load_explicit(&p->flags, memory_order_relaxed) & ESI_FLAG_SENSITIVE)
        esi_text_str(text, "(private)");
    else if (message->is_typed)
        esi_text_str(text, message->type->name);
    else
        esi_print_bounded(text, message->term, (struct esi_print_limits){4, 8, 64});
}

/* The first of those that wait; the next one of all is told by add_messages(), if it had none in hand. */
static void add_waiting(struct esi_draft *r, struct esi_process *p)
{
    int shown = 0;
    struct esi_text *text = esi_draft_field(r);
    ESI_LIST_EACH(node, &p->mailbox.messages)
    {
        if (shown == WAITING_SHOWN)
            break;
        esi_text_str(text, shown++ ? ", " : "");
        append_message(text, p, ESI_CONTAINER_OF(node, struct esi_message, in_list));
    }
    if (p->mailbox.count > shown)
        esi_text_str(text, ", ...");
    if (shown > 1 || (shown == 1 && p->hand))
        esi_draft_finish(r, "waiting");
}

static void add_messages(struct esi_draft *r, struct esi_process *p)
{
    struct esi_message *message = p->hand;
    const char *key = "while handling";
    if (!message && !esi_list_is_empty(&p->mailbox.messages)) {
        message = ESI_CONTAINER_OF(esi_list_first(&p->mailbox.messages), struct esi_message, in_list);
        key = "next message";
    }
    if (!message)
        return;
    struct esi_text *text = esi_draft_field(r);
    append_message(text, p, message);
    if (p->mailbox.count > 1) {
        esi_text_str(text, " (");
        esi_text_i64(text, p->mailbox.count);
        esi_text_str(text, " waiting)");
    }
    esi_draft_finish(r, key);
}

/* How many bonds of that kind there are; beyond COUNTED_MAX nobody cares. */
static int count_bonds(struct esi_process *p, uint64_t order)
{
    struct esi_key key = {order - 1, UINT64_MAX};
    int count = 0;
    for (struct esi_map_node *node;
         count < COUNTED_MAX && (node = esi_map_next_after(&p->bonds, key)) && node->key.a == order;
         key = node->key)
        count++;
    return count;
}

static void append_count(struct esi_text *text, int count, const char *what)
{
    if (count == 0)
        return;
    if (text->length > 0)
        esi_text_str(text, ", ");
    esi_text_i64(text, count);
    esi_text_str(text, what);
    if (count > 1)
        esi_text_char(text, 's');
}

/* The name and pid of one that is told. */
static void append_told(struct esi_text *text, uint64_t id)
{
    struct esi_process *other = esi_process_slot(id);
    uint64_t name =
        other && esi_process_is(other, id) ? atomic_load_explicit(&other->name, memory_order_relaxed) : 0;
    if (name) {
        append_atom(text, name);
        esi_text_char(text, ' ');
    }
    append_pid(text, id);
}

/* Those at the other ends of the bonds of one kind, as far as there is room for them among `shown`. Gives how many are shown now. */
static int append_bonds(struct esi_text *text, struct esi_process *p, uint64_t order, int shown)
{
    struct esi_key key = {order - 1, UINT64_MAX};
    for (struct esi_map_node *node;
         shown < TOLD_SHOWN && (node = esi_map_next_after(&p->bonds, key)) && node->key.a == order;
         key = node->key) {
        uint64_t id = node->key.b;
        if (order == ESI_BOND_MONITORED_BY)
            id = esi_plug.watcher ? esi_plug.watcher(ESI_CONTAINER_OF(node, struct esi_bond, node)) : 0;
        if (id == 0)
            continue;
        esi_text_str(text, shown++ == 0 ? ": " : ", ");
        append_told(text, id);
    }
    return shown;
}

/* "2 links, 1 monitor: kv_sup <0.5.0>, <0.7.0>" */
static void add_told(struct esi_draft *r, struct esi_process *p)
{
    int links = count_bonds(p, ESI_BOND_LINK), monitors = count_bonds(p, ESI_BOND_MONITORED_BY);
    struct esi_text *text = esi_draft_field(r);
    append_count(text, links, " link");
    append_count(text, monitors, " monitor");
    if (links + monitors == 0)
        esi_text_str(text, "nobody");
    append_bonds(text, p, ESI_BOND_MONITORED_BY, append_bonds(text, p, ESI_BOND_LINK, 0));
    esi_draft_finish(r, "told");
}

/* ---- crashes ---- */

/* Who started it, who started that one... as far as they live. */
static void add_ancestors(struct esi_draft *r, const struct esi_process *p)
{
    struct esi_text *text = esi_draft_field(r);
    uint64_t id = p->parent;
    es_info info;
    for (int shown = 0; id && shown < ANCESTORS_SHOWN; shown++) {
        bool lives = es_process_info((es_pid){.id = id}, &info);
        esi_text_str(text, shown ? ", " : "");
        if (lives && info.name.w) {
            append_atom(text, info.name.w);
            esi_text_char(text, ' ');
        }
        append_pid(text, id);
        if (lives && info.label[0]) {
            esi_text_str(text, " (");
            esi_text_printable(text, info.label, strlen(info.label));
            esi_text_char(text, ')');
        }
        id = lives ? info.parent.id : 0;
    }
    if (text->length)
        esi_draft_finish(r, "ancestors");
}

static void add_first_call(struct esi_draft *r, const struct esi_process *p)
{
    append_place(esi_draft_field(r), (uintptr_t)p->function);
    esi_draft_finish(r, "first call");
}

static void add_metadata(struct esi_draft *r, const struct esi_process *p)
{
    const struct esi_process_extra *extra = p->extra;
    struct esi_log_field fields[ESI_LOG_FIELDS];
    int count =
        extra && extra->metadata ? esi_log_unpack(extra->metadata, extra->metadata_size, fields, 0) : 0;
    struct esi_text *text = esi_draft_field(r);
    for (int i = 0; i < count; i++) {
        esi_text_str(text, i ? " " : "");
        esi_text_printable(text, fields[i].key, strlen(fields[i].key));
        esi_text_char(text, '=');
        esi_text_printable(text, fields[i].value, fields[i].length);
    }
    if (count)
        esi_draft_finish(r, "metadata");
}

/* What a supervised process needs besides, as OTP's crash report has it. */
static void add_family(struct esi_draft *r, struct esi_process *p)
{
    add_waiting(r, p);
    add_metadata(r, p);
    if (!esi_report_decider(p))
        return;
    add_first_call(r, p);
    add_ancestors(r, p);
}

static void add_overflow(struct esi_draft *r, struct esi_process *p)
{
    size_t bytes =
        p->fiber.stack ? (size_t)(p->fiber.stack->high - p->fiber.stack->guard_low) - ESI_STACK_GUARD : 0;
    size_t kib = (bytes + 4095) / 4096 * 4;
    append_process(&r->heading, p);
    esi_text_str(&r->heading, " overflowed its ");
    esi_text_u64(&r->heading, kib);
    esi_text_str(&r->heading, " KiB stack");
}

static void add_fault_hint(struct esi_draft *r, struct esi_process *p, const struct esi_fault *fault)
{
    struct esi_text *text = esi_draft_field(r);
    if (fault->kind == ESI_FAULT_STACK_OVERFLOW) {
        size_t bytes =
            p->fiber.stack ? (size_t)(p->fiber.stack->high - p->fiber.stack->low) : ESI_STACK_DEFAULT;
        esi_text_str(text, "spawn it with ES_WITH(.stack_size_bytes = ");
        esi_text_u64(text, (bytes / 4096 + 1) * 4096 * 4);
        esi_text_str(text, "), keep large arrays off the stack, or use es_on_big_stack()");
        esi_draft_finish(r, "hint");
    } else if (fault->kind == ESI_FAULT_SEGV && fault->address < 4096) {
        esi_text_str(text, "a NULL pointer was used");
        esi_draft_finish(r, "hint");
    }
}

void esi_report_fault(struct esi_process *p, const struct esi_fault *fault, es_term reason)
{
    if (fault->suppressed)
        esi_draft_tell_suppressed(fault->suppressed);
    bool is_overflow = fault->kind == ESI_FAULT_STACK_OVERFLOW;
    struct esi_draft *r = esi_draft_begin(ESI_LOG_ERROR, is_overflow ? "E0203" : "E0101", p->id);
    if (!r)
        return;
    if (is_overflow) {
        add_overflow(r, p);
    } else {
        append_process(&r->heading, p);
        esi_text_str(&r->heading, " crashed: ");
        esi_print_short(&r->heading, reason);
    }
    if (fault->text[0])
        esi_draft_say(r, "assertion", fault->text);
    add_frames(r, p, fault->frames, fault->frame_count);
    if (fault->kind == ESI_FAULT_SEGV || fault->kind == ESI_FAULT_BUS) {
        struct esi_text *text = esi_draft_field(r);
        esi_text_str(text, "address 0x");
        esi_text_hex(text, fault->address);
        esi_draft_finish(r, "touched");
    }
    add_messages(r, p);
    add_family(r, p);
    add_told(r, p);
    add_fault_hint(r, p, fault);
    esi_report_publish_decided(r, p);
}

/* No error: normal, shutdown, {shutdown, _}, killed. A fault: {signal, _, _}, which has been reported. */
static bool is_passed_over(es_term reason)
{
    es_term head = es_tuple_get(reason, 0);
    if (es_is(reason, es_am_normal) || es_is(reason, es_am_shutdown) || es_is(reason, es_am_killed) ||
        es_is_none(reason))
        return true;
    return es_is(head, es_am_shutdown) || (es_is(head, es_am_signal) && es_tuple_size(reason) == 3);
}

static const char *hint_for(es_term reason)
{
    es_term head = es_is_tuple(reason) ? es_tuple_get(reason, 0) : reason;
    if (es_is(head, es_am_badarg))
        return "an argument that makes no sense: see the function in the manual";
    if (es_is(head, es_am_double_free))
        return "the memory was given back twice";
    if (es_is(head, es_am_use_after_give))
        return "es_give() made it the receiver's: keep what is needed before";
    if (es_is(head, es_am_not_owner))
        return "the memory belongs to another process, or was given away with es_give()";
    if (es_is(head, es_am_message_limit))
        return "it got messages faster than it handles them: .message_limit_policy, es_send_wait() at the "
               "senders, "
               "or a count instead of ES_INFINITY in es_active()";
    if (es_is(head, es_am_memory_limit))
        return "raise .memory_limit_bytes, or find what it keeps";
    return NULL;
}

bool esi_report_wants_exit(es_term reason)
{
    return esi_draft_tells_exits() && !is_passed_over(reason);
}

/* Had it too much memory, and is that why it ends? */
static bool was_over_its_limit(struct esi_process *p, es_term reason)
{
    return p->extra && p->extra->over_limit_bytes && es_is(reason, es_am_killed);
}

static void add_limit(struct esi_draft *r, struct esi_process *p)
{
    struct esi_text *text = esi_draft_field(r);
    esi_text_i64(text, p->extra->over_limit_bytes);
    esi_text_str(text, " bytes, its limit is ");
    esi_text_u64(text, p->extra->memory_limit_bytes);
    esi_draft_finish(r, "memory");
}

void esi_report_crash(struct esi_process *p, es_term reason)
{
    uintptr_t frames[ESI_FAULT_FRAMES];
    bool is_over = was_over_its_limit(p, reason);
    if ((is_passed_over(reason) && !is_over) || !esi_draft_is_admitted())
        return;
    struct esi_draft *r = esi_draft_begin(ESI_LOG_ERROR, "E0101", p->id);
    if (!r)
        return;
    append_process(&r->heading, p);
    esi_text_str(&r->heading, p->is_faulted ? " crashed: " : " exited: ");
    esi_print_short(&r->heading, reason);
    add_frames(r, p, frames, esi_trail_of_user(p, frames));
    if (is_over)
        add_limit(r, p);
    add_messages(r, p);
    add_family(r, p);
    add_told(r, p);
    const char *hint = p->is_faulted ? hint_for(is_over ? es_from_atom(es_am_memory_limit) : reason) : NULL;
    if (hint)
        esi_draft_say(r, "hint", hint);
    esi_report_publish_decided(r, p);
}

bool esi_report_is_awaited(struct esi_process *p)
{
    return !esi_draft_is_off() && !is_passed_over(p->reason) && esi_report_decider(p);
}

/* ---- the watchdog's ---- */

static void append_runner(struct esi_draft *r, const struct esi_long_run *run)
{
    append_who(&r->heading, run->id, run->name, run->label ? run->label : "", 0);
}

static void add_whereabouts(struct esi_draft *r, const struct esi_long_run *run)
{
    if (run->place && run->place[0]) {
        esi_text_str(esi_draft_field(r), run->place);
        esi_draft_finish(r, "blocked");
    } else if (run->pc) {
        append_place(esi_draft_field(r), run->pc);
        esi_draft_finish(r, "at");
    }
}

void esi_report_long_run(const struct esi_long_run *run)
{
    if (!esi_draft_is_admitted())
        return;
    struct esi_draft *r = esi_draft_begin(ESI_LOG_WARNING, "E0120", run->id);
    if (!r)
        return;
    append_runner(r, run);
    esi_text_str(&r->heading, " ran ");
    esi_text_i64(&r->heading, run->ran_ms);
    esi_text_str(&r->heading, " ms without a runtime call");
    add_whereabouts(r, run);
    if (run->moved_count > 0) {
        struct esi_text *text = esi_draft_field(r);
        esi_text_i64(text, run->moved_count);
        esi_text_str(text, run->moved_count == 1 ? " process to a spare thread ("
                                                 : " processes to a spare thread (");
        esi_text_i64(text, run->spare_count);
        esi_text_str(text, " in use)");
        esi_draft_finish(r, "moved");
    }
    esi_draft_say(
        r, "hint",
        esi_node.is_sim ? "the simulated world and its clock stand still for it; es_sleep(), es_wait_fd() "
                          "and their like take no real time"
        : esi_node.is_driven
            ? "the program's loop and all processes wait for it; es_yield(), es_wait_fd() and their like let "
              "them run"
        : run->place && run->place[0] ? "nothing is broken; es_wait_fd() and its like wait without a thread"
                                      : "nothing is broken; es_yield() in the loop keeps it on one thread");
    esi_draft_publish(r);
}

void esi_report_stranded(const struct esi_long_run *run)
{
    if (!esi_draft_is_admitted())
        return;
    struct esi_draft *r = esi_draft_begin(ESI_LOG_ERROR, "E0121", run->id);
    if (!r)
        return;
    append_runner(r, run);
    esi_text_str(&r->heading, " could not be ended for ");
    esi_text_i64(&r->heading, run->ran_ms);
    esi_text_str(&r->heading, " ms and counts as ended");
    add_whereabouts(r, run);
    esi_draft_say(r, "its thread", "stays apart and runs nothing else; its memory is kept");
    esi_draft_say(r, "hint",
                  "code that cannot be interrupted needs a time-out of its own, or a program of its own");
    esi_draft_publish(r);
}
