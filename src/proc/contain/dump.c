/* proc/contain/dump.c - the dump is made of parts, the most wanted first; a part that faults is left and the next one follows.
 *
 * Text is gathered in a static buffer: there is one dump in the life of an OS process. No lock, no allocation, no stdio. Other threads may
 * still run: what is read of them is a figure, and pointers into their memory may be stale, which is why parts may fault. */
#undef _FORTIFY_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/text.h"
#include "platform/thread.h"
#include "proc/contain/dump.h"
#include "proc/label.h"
#include "term/print.h"

enum { DUMP_BYTES_MAX = 1 << 20, LINE_BYTES = 1024, MESSAGES_SHOWN = 5, NAMES_TRIED = 10 };

static struct {
    _Atomic(pid_t) writer;          /* the thread, once there is one */
    volatile sig_atomic_t is_over;  /* what follows a fault now is the end */
    volatile sig_atomic_t can_skip; /* next_part is set */
    int descriptor;
    size_t written;
    sigjmp_buf next_part;
    char folder[PATH_MAX];
    char path[PATH_MAX + 64];
    bool is_off;
    bool is_cut; /* not all could be written */
    char bytes[LINE_BYTES];
    struct esi_text line;
} dump = {.descriptor = -1};

void esi_dump_start(void)
{
    const char *folder = getenv("ES_DUMP_DIR"), *on = getenv("ES_DUMP");
    dump.is_off = on && strcmp(on, "0") == 0;
    size_t length = folder ? strnlen(folder, sizeof dump.folder) : 0;
    if (length > 0 && length < sizeof dump.folder)
        memcpy(dump.folder, folder, length + 1);
    else if (!getcwd(dump.folder, sizeof dump.folder))
        memcpy(dump.folder, ".", 2);
}

bool esi_dump_is_here(void)
{
    return atomic_load_explicit(&dump.writer, memory_order_relaxed) == esi_thread_id() && dump.can_skip;
}

ES_NORETURN void esi_dump_skip(void)
{
    siglongjmp(dump.next_part, 1);
}

/* ---- writing ---- */

static void put(const char *bytes, size_t length)
{
    if (dump.descriptor < 0 || dump.written + length > DUMP_BYTES_MAX)
        return;
    dump.written += length;
    while (length > 0) {
        ssize_t done = write(dump.descriptor, bytes, length);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            dump.is_cut = true;
            return;
        }
        bytes += done;
        length -= (size_t)done;
    }
}

static struct esi_text *begin(const char *key)
{
    esi_text_init(&dump.line, dump.bytes, sizeof dump.bytes - 1); /* the line end always fits */
    esi_text_str(&dump.line, key);
    return &dump.line;
}

static void end_line(void)
{
    dump.bytes[dump.line.length] = '\n';
    put(dump.bytes, dump.line.length + 1);
    dump.line.length = 0;
}

static void put_number(const char *key, int64_t value)
{
    esi_text_i64(begin(key), value);
    end_line();
}

static void put_hex(const char *key, uint64_t value)
{
    struct esi_text *line = begin(key);
    esi_text_str(line, "0x");
    esi_text_hex(line, value);
    end_line();
}

static void append_place(struct esi_text *line, uintptr_t pc)
{
    const struct esi_module *module = esi_module_of(pc);
    esi_text_str(line, "0x");
    esi_text_hex(line, pc);
    if (!module)
        return;
    esi_text_char(line, ' ');
    esi_text_printable(line, module->name, strnlen(module->name, sizeof module->name));
    esi_text_str(line, "+0x");
    esi_text_hex(line, pc - module->base);
}

static void put_place(const char *key, uintptr_t pc)
{
    append_place(begin(key), pc);
    end_line();
}

/* ---- parts ---- */

static void put_cause(const struct esi_dump_cause *cause)
{
    struct esi_text *line = begin("cause: ");
    esi_text_str(line, cause->text);
    if (cause->file) {
        esi_text_str(line, " at ");
        esi_text_str(line, cause->file);
        esi_text_char(line, ':');
        esi_text_i64(line, cause->line);
    }
    end_line();
    esi_text_str(begin("rule: "),
                 cause->file ? "a broken invariant of the runtime" : esi_fault_rule_text(cause->rule));
    end_line();
    put_number("signal: ", cause->signo);
    put_number("code: ", cause->code);
    put_hex("address: ", cause->address);
    put_place("place: ", cause->at.pc);
    put_hex("sp: ", cause->at.sp);
    put_hex("fp: ", cause->at.fp);
    put_number("thread: ", esi_thread_id());
}

static void put_who(const char *key, struct esi_process *p)
{
    struct esi_text *line = begin(key);
    uint64_t name = atomic_load_explicit(&p->name, memory_order_relaxed);
    esi_print_short(line, esi_from_local_pid(atomic_load_explicit(&p->id, memory_order_relaxed)));
    if (name) {
        esi_text_str(line, " name ");
        esi_print_short(line, (es_term){name});
    }
    char label[ESI_LABEL_BYTES];
    esi_label_get(p->id, label);
    if (label[0]) {
        esi_text_str(line, " label ");
        esi_text_printable(line, label, strlen(label));
    }
    esi_text_str(line, " function ");
    append_place(line, (uintptr_t)p->function);
    end_line();
}

static struct esi_process *current_process(void)
{
    struct esi_worker *w = esi_worker_self();
    return w ? atomic_load_explicit(&w->current, memory_order_relaxed) : NULL;
}

static void put_process(const struct esi_dump_cause *cause)
{
    (void)cause;
    struct esi_process *p = current_process();
    if (!p) {
        esi_text_str(begin("process: "), "none");
        end_line();
        return;
    }
    put_who("process: ", p);
    struct esi_worker *w = esi_worker_self();
    put_number("in_runtime: ", atomic_load_explicit(&w->in_runtime, memory_order_relaxed));
    put_number("lost: ", atomic_load_explicit(&w->lost, memory_order_relaxed));
    put_number("messages: ", p->mailbox.count);
    put_number("memory_bytes: ", p->memory_bytes);
    if (p->fiber.stack) {
        put_hex("stack_low: ", (uintptr_t)p->fiber.stack->low);
        put_hex("stack_high: ", (uintptr_t)p->fiber.stack->high);
    }
}

/* By the compiler's tables; where these end, by frame pointers, if the code there keeps them. */
static void put_stack(const struct esi_dump_cause *cause)
{
    struct esi_process *p = current_process();
    struct esi_stack_span span = {0, 0};
    if (p && p->fiber.stack)
        span = (struct esi_stack_span){(uintptr_t)p->fiber.stack->low, (uintptr_t)p->fiber.stack->high};
    if (cause->at.sp < span.low || cause->at.sp >= span.high) /* on a thread's own stack: a little of it */
        span =
            (struct esi_stack_span){cause->at.sp & ~(uintptr_t)7, (cause->at.sp & ~(uintptr_t)4095) + 4096};
    uintptr_t pcs[64], fp = cause->at.fp, back, outer;
    int count = esi_unwind(cause->at, span, pcs, 64);
    for (int i = 0; i < count; i++)
        put_place("frame: ", pcs[i]);
    for (int i = 0; count <= 1 && i < 64 && esi_stack_read(span, fp + sizeof fp, &back) &&
                    esi_stack_read(span, fp, &outer);
         i++) {
        put_place("frame_by_pointer: ", back);
        if (outer <= fp)
            break;
        fp = outer;
    }
}

static void put_messages(const struct esi_dump_cause *cause)
{
    (void)cause;
    struct esi_process *p = current_process();
    if (!p)
        return;
    const struct esi_list *node = p->mailbox.messages.next;
    for (int i = 0; i < MESSAGES_SHOWN && node && node != &p->mailbox.messages; i++, node = node->next) {
        const struct esi_message *message = ESI_CONTAINER_OF(node, const struct esi_message, in_list);
        struct esi_text *line = begin("message: ");
        if (atomic_load_explicit(&p->flags, memory_order_relaxed) & ESI_FLAG_SENSITIVE)
            esi_text_str(line, "(private)");
        else if (message->is_typed)
            esi_text_str(line, message->type->name);
        else
            esi_print_bounded(line, message->term, (struct esi_print_limits){4, 8, 64});
        end_line();
    }
}

static void put_workers(const struct esi_dump_cause *cause)
{
    (void)cause;
    for (int i = 0; i < ESI_WORKERS_MAX; i++) {
        /* acquire: pairs with the release of who made it: its fields are there. */
        struct esi_worker *w = atomic_load_explicit(&esi_node.workers[i], memory_order_acquire);
        if (!w)
            continue;
        struct esi_process *p = atomic_load_explicit(&w->current, memory_order_relaxed);
        put_number("worker: ", i);
        put_number("  thread: ", w->tid);
        if (p)
            put_who("  runs: ", p);
    }
}

static void put_node(const struct esi_dump_cause *cause)
{
    (void)cause;
    put_number("node_state: ", atomic_load_explicit(&esi_node.state, memory_order_relaxed));
    put_number("schedulers: ", esi_node.scheduler_count);
    put_number("workers: ", atomic_load_explicit(&esi_node.worker_count, memory_order_relaxed));
    put_number("spares: ", atomic_load_explicit(&esi_node.spare_count, memory_order_relaxed));
    put_number("stranded: ", atomic_load_explicit(&esi_node.stranded_count, memory_order_relaxed));
    put_number("spawned: ", esi_node_spawned());
    put_number("crashes: ", atomic_load_explicit(&esi_node.crashes, memory_order_relaxed));
    put_number("contained: ", atomic_load_explicit(&esi_node.contained, memory_order_relaxed));
    put_number("handovers: ", atomic_load_explicit(&esi_node.handovers, memory_order_relaxed));
    put_number("forced_kills: ", atomic_load_explicit(&esi_node.forced_kills, memory_order_relaxed));
}

/* The floating-point registers are left out: they hold keys. */
static void put_registers(const struct esi_dump_cause *cause)
{
    if (!cause->context)
        return;
#if defined(__x86_64__)
    static const char *const names[] = {
        "r8: ",  "r9: ",  "r10: ", "r11: ", "r12: ", "r13: ", "r14: ", "r15: ", "rdi: ",
        "rsi: ", "rbp: ", "rbx: ", "rdx: ", "rax: ", "rcx: ", "rsp: ", "rip: "};
    const ucontext_t *context = cause->context;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        put_hex(names[i], (uint64_t)context->uc_mcontext.gregs[i]);
#elif defined(__aarch64__)
    const ucontext_t *context = cause->context;
    for (size_t i = 0; i < 31; i++)
        put_hex("x: ", context->uc_mcontext.regs[i]);
#endif
}

static void (*const parts[])(const struct esi_dump_cause *) = {
    put_cause, put_process, put_stack, put_registers, put_workers, put_node, put_messages};

/* ---- the file ---- */

static void name_file(int attempt)
{
    struct esi_text path;
    esi_text_init(&path, dump.path, sizeof dump.path);
    esi_text_str(&path, dump.folder);
    esi_text_str(&path, "/engset-crash-");
    esi_text_i64(&path, getpid());
    if (attempt > 0) {
        esi_text_char(&path, '.');
        esi_text_i64(&path, attempt);
    }
    esi_text_str(&path, ".dump");
}

static void open_file(void)
{
    for (int attempt = 0; attempt < NAMES_TRIED && !dump.is_off; attempt++) {
        name_file(attempt);
        dump.descriptor = open(dump.path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (dump.descriptor >= 0 || errno != EEXIST)
            return;
    }
}

static void put_parts(const struct esi_dump_cause *cause)
{
    static volatile sig_atomic_t next; /* survives the jump */
    esi_text_str(begin("engset crash dump, version 1"), "");
    end_line();
    put_number("os_pid: ", getpid());
    put_number("time: ", time(NULL));
    if (sigsetjmp(dump.next_part, 1)) {
        esi_text_str(begin("unreadable: "), "a fault while reading this part");
        end_line();
    }
    dump.can_skip = 1;
    while ((size_t)next < sizeof parts / sizeof *parts) {
        next++;
        parts[next - 1](cause);
    }
}

static void say(const struct esi_dump_cause *cause)
{
    struct esi_text *line = begin("engset: the node ends: ");
    esi_text_str(line, cause->text);
    esi_text_str(line, " at ");
    append_place(line, cause->at.pc);
    if (!cause->file) {
        esi_text_str(line, " (");
        esi_text_str(line, esi_fault_rule_text(cause->rule));
        esi_text_char(line, ')');
    }
    esi_text_str(line, dump.descriptor < 0 ? "; no crash dump"
                       : dump.is_cut       ? "; crash dump, which the disk or a limit cut short: "
                                           : "; crash dump: ");
    if (dump.descriptor >= 0)
        esi_text_str(line, dump.path);
    dump.bytes[line->length] = '\n';
    if (write(STDERR_FILENO, dump.bytes, line->length + 1) < 0) {
        /* Nobody is left to be told. */
    }
}

bool esi_dump_write(const struct esi_dump_cause *cause)
{
    pid_t nobody = 0;
    /* relaxed: who loses the race only needs to know that. */
    if (!atomic_compare_exchange_strong_explicit(&dump.writer, &nobody, esi_thread_id(), memory_order_relaxed,
                                                 memory_order_relaxed))
        return dump.is_over || nobody == esi_thread_id();
    open_file();
    if (dump.descriptor >= 0)
        put_parts(cause);
    if (!sigsetjmp(dump.next_part, 1)) {
        dump.can_skip = 1;
        say(cause);
    }
    dump.can_skip = 0;
    if (dump.descriptor >= 0)
        close(dump.descriptor);
    dump.is_over = 1;
    return true;
}
