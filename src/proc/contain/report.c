/* proc/contain/report.c - builds a report as a heading and fields, then writes it as text or as JSON.
 *
 * Text:  error[E0101]: process kv <0.101.0> crashed: {signal,sigsegv,<<"handle+0x1c in kv">>}
 *          at              handle+0x1c in kv (src/kv.c:41)
 * JSON:  {"ts":"...","level":"error","code":"E0101","pid":"<0.101.0>","msg":"process kv ...","at":"..."} */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "base/log.h"
#include "proc/bond.h"
#include "proc/contain/report.h"
#include "proc/label.h"
#include "proc/schedule/worker.h"
#include "proc/contain/symbol.h"
#include "proc/contain/trail.h"
#include "term/print.h"

enum { FIELDS_MAX = 14, ARENA_BYTES = 3072, HEADING_BYTES = 640, OUT_BYTES = 8192, PER_SECOND = 20 };
enum { FRAMES_SHOWN = 4, TOLD_SHOWN = 3, COUNTED_MAX = 10000, KEY_WIDTH = 16 };

struct report {
    const char *level, *code;
    uint64_t id;
    char heading_bytes[HEADING_BYTES];
    struct esi_text heading;
    int field_count;
    struct {
        const char *key;
        size_t start, length;
    } fields[FIELDS_MAX];
    char arena_bytes[ARENA_BYTES];
    size_t arena_used;
    struct esi_text value; /* of the field that is being written */
    char out_bytes[OUT_BYTES];
};

/* For when there is no other memory. */
static struct report emergency;
static atomic_flag emergency_is_taken = ATOMIC_FLAG_INIT;

/* Settings: single words, relaxed; a report under way follows the old or the new. */
static _Atomic bool is_configured, is_off, is_json, tells_exits;
static _Atomic(esi_report_sink *) the_sink;
static struct esi_log_limit limit;

void esi_report_set_sink(esi_report_sink *sink)
{
    /* release: pairs with the acquire of who calls it: what it needs is there. */
    atomic_store_explicit(&the_sink, sink, memory_order_release);
}

void esi_report_configure(void)
{
    const char *reports = getenv("ES_REPORTS"), *format = getenv("ES_LOG");
    atomic_store_explicit(&is_off, reports && strcmp(reports, "0") == 0, memory_order_relaxed);
    atomic_store_explicit(&tells_exits, reports && strcmp(reports, "all") == 0, memory_order_relaxed);
    atomic_store_explicit(&is_json, format && strcmp(format, "json") == 0, memory_order_relaxed);
    atomic_store_explicit(&limit.window, 0, memory_order_relaxed);
    atomic_store_explicit(&is_configured, true, memory_order_release);
}

/* ---- building ---- */

/* Of its own, not on the stack: that may be a process's of 16 KiB, or a thread's that never used so much before. Not from malloc, which would
 * give each thread that reports an arena. NULL: no memory, and somebody else has what is kept for that; the report is lost. */
static struct report *start(const char *level, const char *code, uint64_t id)
{
    struct report *r = mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (r == MAP_FAILED) {
        if (atomic_flag_test_and_set_explicit(&emergency_is_taken, memory_order_acquire))
            return NULL;
        r = &emergency;
    }
    r->level = level;
    r->code = code;
    r->id = id;
    r->field_count = 0;
    r->arena_used = 0;
    esi_text_init(&r->heading, r->heading_bytes, sizeof r->heading_bytes);
    return r;
}

/* Begins a field; append to what it gives, then finish it. */
static struct esi_text *field(struct report *r)
{
    size_t left = sizeof r->arena_bytes - r->arena_used;
    esi_text_init(&r->value, r->arena_bytes + r->arena_used, left > 400 ? 400 : left);
    return &r->value;
}

static void finish(struct report *r, const char *key)
{
    if (r->field_count == FIELDS_MAX || r->arena_used + r->value.length + 1 >= sizeof r->arena_bytes)
        return;
    r->fields[r->field_count].key = key;
    r->fields[r->field_count].start = r->arena_used;
    r->fields[r->field_count++].length = r->value.length;
    r->arena_used += r->value.length + 1;
}

static void say(struct report *r, const char *key, const char *value)
{
    esi_text_str(field(r), value);
    finish(r, key);
}

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
static void add_frames(struct report *r, const struct esi_process *p, const uintptr_t *frames, int count)
{
    int shown = 0;
    for (int i = 0; i < count && shown < FRAMES_SHOWN; i++) {
        uintptr_t pc = i == 0 ? frames[i] : frames[i] - 1;
        bool is_repeated = i > 1 && frames[i] == frames[i - 1];
        if (shown == 0 || has_left_its_function(frames, i))
            pc = esi_place_for_people(pc, p->function);
        if (is_repeated || (i > 0 && is_of_the_runtime(pc)))
            continue;
        append_place(field(r), pc);
        finish(r, shown++ == 0 ? "at" : "called by");
    }
}

static void add_messages(struct report *r, struct esi_process *p)
{
    struct esi_message *message = p->hand;
    const char *key = "while handling";
    if (!message && !esi_list_is_empty(&p->mailbox.messages)) {
        message = ESI_CONTAINER_OF(esi_list_first(&p->mailbox.messages), struct esi_message, in_list);
        key = "next message";
    }
    if (!message)
        return;
    struct esi_text *text = field(r);
    if (message->is_typed)
        esi_text_str(text, message->type->name);
    else
        esi_print_bounded(text, message->term, (struct esi_print_limits){4, 8, 64});
    if (p->mailbox.count > 1) {
        esi_text_str(text, " (");
        esi_text_i64(text, p->mailbox.count);
        esi_text_str(text, " waiting)");
    }
    finish(r, key);
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
static void add_told(struct report *r, struct esi_process *p)
{
    int links = count_bonds(p, ESI_BOND_LINK), monitors = count_bonds(p, ESI_BOND_MONITORED_BY);
    struct esi_text *text = field(r);
    append_count(text, links, " link");
    append_count(text, monitors, " monitor");
    if (links + monitors == 0)
        esi_text_str(text, "nobody");
    append_bonds(text, p, ESI_BOND_MONITORED_BY, append_bonds(text, p, ESI_BOND_LINK, 0));
    finish(r, "told");
}

/* ---- writing ---- */

static void build_text(const struct report *r, struct esi_text *out)
{
    esi_text_str(out, r->level);
    esi_text_char(out, '[');
    esi_text_str(out, r->code);
    esi_text_str(out, "]: ");
    esi_text_strn(out, r->heading.bytes, r->heading.length);
    for (int i = 0; i < r->field_count; i++) {
        size_t width = strlen(r->fields[i].key);
        esi_text_str(out, "\n  ");
        esi_text_str(out, r->fields[i].key);
        do {
            esi_text_char(out, ' ');
        } while (++width < KEY_WIDTH);
        esi_text_strn(out, r->arena_bytes + r->fields[i].start, r->fields[i].length);
    }
}

static void append_time(struct esi_text *out)
{
    struct timespec now;
    struct tm tm;
    char bytes[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(bytes, sizeof bytes, "%Y-%m-%dT%H:%M:%S", &tm);
    esi_text_str(out, bytes);
    esi_text_char(out, '.');
    esi_text_padded(out, (uint64_t)now.tv_nsec / 1000, 6);
    esi_text_char(out, 'Z');
}

/* A key that comes again gets a number: called_by, called_by_2. */
static void append_key(const struct report *r, int index, struct esi_text *out)
{
    int times = 1;
    for (int i = 0; i < index; i++)
        times += strcmp(r->fields[i].key, r->fields[index].key) == 0;
    for (const char *c = r->fields[index].key; *c; c++)
        esi_text_char(out, *c == ' ' ? '_' : *c);
    if (times > 1) {
        esi_text_char(out, '_');
        esi_text_i64(out, times);
    }
}

static void build_json(const struct report *r, struct esi_text *out)
{
    esi_text_str(out, "{\"ts\":\"");
    append_time(out);
    esi_text_str(out, "\",\"level\":\"");
    esi_text_str(out, r->level);
    esi_text_str(out, "\",\"code\":\"");
    esi_text_str(out, r->code);
    esi_text_str(out, "\",\"pid\":\"");
    append_pid(out, r->id);
    esi_text_str(out, "\",\"msg\":\"");
    esi_text_escaped(out, r->heading.bytes, r->heading.length);
    esi_text_char(out, '"');
    for (int i = 0; i < r->field_count; i++) {
        esi_text_str(out, ",\"");
        append_key(r, i, out);
        esi_text_str(out, "\":\"");
        esi_text_escaped(out, r->arena_bytes + r->fields[i].start, r->fields[i].length);
        esi_text_char(out, '"');
    }
    esi_text_char(out, '}');
}

/* `text` has room for a line end in place of its 0. */
static void put_out(struct esi_text *text)
{
    esi_report_sink *sink = atomic_load_explicit(&the_sink, memory_order_acquire);
    if (sink) {
        sink(text->bytes, text->length);
        return;
    }
    text->bytes[text->length] = '\n';
    ssize_t written;
    do {
        written = write(STDERR_FILENO, text->bytes, text->length + 1);
    } while (written < 0 && errno == EINTR);
}

/* Writes it and gives its memory back. */
static void publish(struct report *r)
{
    int saved_errno = errno;
    struct esi_text out;
    esi_text_init(&out, r->out_bytes, sizeof r->out_bytes);
    if (atomic_load_explicit(&is_json, memory_order_relaxed))
        build_json(r, &out);
    else
        build_text(r, &out);
    put_out(&out);
    if (r == &emergency)
        atomic_flag_clear_explicit(&emergency_is_taken, memory_order_release);
    else
        munmap(r, sizeof *r);
    errno = saved_errno;
}

static void say_suppressed(uint64_t count)
{
    struct report *r = start("warning", "E0199", 0);
    if (!r)
        return;
    esi_text_str(&r->heading, "suppressed ");
    esi_text_u64(&r->heading, count);
    esi_text_str(&r->heading, count == 1 ? " report" : " reports");
    publish(r);
}

bool esi_report_admits(uint64_t *suppressed)
{
    *suppressed = 0;
    if (!atomic_load_explicit(&is_configured, memory_order_acquire))
        esi_report_configure();
    return !atomic_load_explicit(&is_off, memory_order_relaxed) &&
           esi_log_limit_admits(&limit, PER_SECOND, suppressed);
}

/* The same; tells of those that were not. */
static bool admits(void)
{
    uint64_t suppressed;
    if (!esi_report_admits(&suppressed))
        return false;
    if (suppressed)
        say_suppressed(suppressed);
    return true;
}

/* ---- crashes ---- */

static void add_overflow(struct report *r, struct esi_process *p)
{
    size_t bytes =
        p->fiber.stack ? (size_t)(p->fiber.stack->high - p->fiber.stack->guard_low) - ESI_STACK_GUARD : 0;
    size_t kib = (bytes + 4095) / 4096 * 4;
    append_process(&r->heading, p);
    esi_text_str(&r->heading, " overflowed its ");
    esi_text_u64(&r->heading, kib);
    esi_text_str(&r->heading, " KiB stack");
}

static void add_fault_hint(struct report *r, struct esi_process *p, const struct esi_fault *fault)
{
    struct esi_text *text = field(r);
    if (fault->kind == ESI_FAULT_STACK_OVERFLOW) {
        size_t bytes =
            p->fiber.stack ? (size_t)(p->fiber.stack->high - p->fiber.stack->low) : ESI_STACK_DEFAULT;
        esi_text_str(text, "spawn it with ES_WITH(.stack_size_bytes = ");
        esi_text_u64(text, (bytes / 4096 + 1) * 4096 * 4);
        esi_text_str(text, "), keep large arrays off the stack, or use es_on_big_stack()");
        finish(r, "hint");
    } else if (fault->kind == ESI_FAULT_SEGV && fault->address < 4096) {
        esi_text_str(text, "a NULL pointer was used");
        finish(r, "hint");
    }
}

void esi_report_fault(struct esi_process *p, const struct esi_fault *fault, es_term reason)
{
    if (fault->suppressed)
        say_suppressed(fault->suppressed);
    bool is_overflow = fault->kind == ESI_FAULT_STACK_OVERFLOW;
    struct report *r = start("error", is_overflow ? "E0203" : "E0101", p->id);
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
        say(r, "assertion", fault->text);
    add_frames(r, p, fault->frames, fault->frame_count);
    if (fault->kind == ESI_FAULT_SEGV || fault->kind == ESI_FAULT_BUS) {
        struct esi_text *text = field(r);
        esi_text_str(text, "address 0x");
        esi_text_hex(text, fault->address);
        finish(r, "touched");
    }
    add_messages(r, p);
    add_told(r, p);
    add_fault_hint(r, p, fault);
    publish(r);
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
    if (!atomic_load_explicit(&is_configured, memory_order_acquire))
        esi_report_configure();
    return atomic_load_explicit(&tells_exits, memory_order_relaxed) && !is_passed_over(reason);
}

/* Had it too much memory, and is that why it ends? */
static bool was_over_its_limit(struct esi_process *p, es_term reason)
{
    return p->extra && p->extra->over_limit_bytes && es_is(reason, es_am_killed);
}

static void add_limit(struct report *r, struct esi_process *p)
{
    struct esi_text *text = field(r);
    esi_text_i64(text, p->extra->over_limit_bytes);
    esi_text_str(text, " bytes, its limit is ");
    esi_text_u64(text, p->extra->memory_limit_bytes);
    finish(r, "memory");
}

void esi_report_crash(struct esi_process *p, es_term reason)
{
    uintptr_t frames[ESI_FAULT_FRAMES];
    bool is_over = was_over_its_limit(p, reason);
    if ((is_passed_over(reason) && !is_over) || !admits())
        return;
    struct report *r = start("error", "E0101", p->id);
    if (!r)
        return;
    append_process(&r->heading, p);
    esi_text_str(&r->heading, p->is_faulted ? " crashed: " : " exited: ");
    esi_print_short(&r->heading, reason);
    add_frames(r, p, frames, esi_trail_of_user(p, frames));
    if (is_over)
        add_limit(r, p);
    add_messages(r, p);
    add_told(r, p);
    const char *hint = p->is_faulted ? hint_for(is_over ? es_from_atom(es_am_memory_limit) : reason) : NULL;
    if (hint)
        say(r, "hint", hint);
    publish(r);
}

/* ---- the watchdog's ---- */

static void append_runner(struct report *r, const struct esi_long_run *run)
{
    append_who(&r->heading, run->id, run->name, run->label ? run->label : "", 0);
}

static void add_whereabouts(struct report *r, const struct esi_long_run *run)
{
    if (run->place && run->place[0]) {
        esi_text_str(field(r), run->place);
        finish(r, "blocked");
    } else if (run->pc) {
        append_place(field(r), run->pc);
        finish(r, "at");
    }
}

void esi_report_long_run(const struct esi_long_run *run)
{
    if (!admits())
        return;
    struct report *r = start("warning", "E0120", run->id);
    if (!r)
        return;
    append_runner(r, run);
    esi_text_str(&r->heading, " ran ");
    esi_text_i64(&r->heading, run->ran_ms);
    esi_text_str(&r->heading, " ms without a runtime call");
    add_whereabouts(r, run);
    if (run->moved_count > 0) {
        struct esi_text *text = field(r);
        esi_text_i64(text, run->moved_count);
        esi_text_str(text, run->moved_count == 1 ? " process to a spare thread ("
                                                 : " processes to a spare thread (");
        esi_text_i64(text, run->spare_count);
        esi_text_str(text, " in use)");
        finish(r, "moved");
    }
    say(r, "hint",
        esi_node.is_sim ? "the simulated world and its clock stand still for it; es_sleep(), es_wait_fd() "
                          "and their like take no real time"
        : esi_node.is_driven
            ? "the program's loop and all processes wait for it; es_yield(), es_wait_fd() and their like let "
              "them run"
        : run->place && run->place[0] ? "nothing is broken; es_wait_fd() and its like wait without a thread"
                                      : "nothing is broken; es_yield() in the loop keeps it on one thread");
    publish(r);
}

void esi_report_stranded(const struct esi_long_run *run)
{
    if (!admits())
        return;
    struct report *r = start("error", "E0121", run->id);
    if (!r)
        return;
    append_runner(r, run);
    esi_text_str(&r->heading, " could not be ended for ");
    esi_text_i64(&r->heading, run->ran_ms);
    esi_text_str(&r->heading, " ms and counts as ended");
    add_whereabouts(r, run);
    say(r, "its thread", "stays apart and runs nothing else; its memory is kept");
    say(r, "hint", "code that cannot be interrupted needs a time-out of its own, or a program of its own");
    publish(r);
}
