/* proc/contain/fault.c - gathers the facts of a signal, asks judge.c, and does what it says.
 *
 * All that runs in a handler is async-signal-safe, keeps errno, and reads nothing of user land but words within the process's own
 * stack. `in_runtime` is 1 from the moment a handler decides to leave: the worker's loop behind the jump is the runtime. */

/* Fortified longjmp refuses to jump from one stack to another. */
#undef _FORTIFY_SOURCE

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/assert.h"
#include "base/log.h"
#include "base/probe.h"
#include "base/text.h"
#include "base/uninterrupted.h"
#include "platform/barrier.h"
#include "platform/fiber.h"
#include "proc/end.h"
#include "proc/contain/dump.h"
#include "proc/contain/fault.h"
#include "proc/contain/leaf.h"
#include "proc/contain/report.h"
#include "proc/contain/symbol.h"
#include "proc/contain/trail.h"
#include "proc/memory.h"

static const int fault_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
enum { FAULT_SIGNALS = sizeof fault_signals / sizeof *fault_signals };

static struct sigaction before[FAULT_SIGNALS], before_kill;
static bool is_started;

void (*esi_fault_test_hook)(void);

int esi_fault_kill_signal(void)
{
    return SIGRTMIN + 5;
}

const char *esi_fault_kind_name(enum esi_fault_kind kind)
{
    switch (kind) {
    case ESI_FAULT_SEGV:
        return "sigsegv";
    case ESI_FAULT_BUS:
        return "sigbus";
    case ESI_FAULT_FPE:
        return "sigfpe";
    case ESI_FAULT_ILL:
        return "sigill";
    case ESI_FAULT_ABORT:
        return "sigabrt";
    case ESI_FAULT_TRAP:
        return "sigtrap";
    case ESI_FAULT_STACK_OVERFLOW:
        return "stack_overflow";
    default:
        return "signal";
    }
}

/* For base/uninterrupted.h. A node that begins or ends meanwhile changes nothing: its workers are not there yet, or no more. */
static uint32_t note_in_runtime(uint32_t now)
{
    struct esi_worker *w = esi_worker_self();
    /* release, as in esi_leave(); else relaxed: read by handlers of this thread, and by the watchdog, which takes only a scheduler
     * that is not used here. */
    return w ? atomic_exchange_explicit(&w->in_runtime, now, memory_order_release) : 1;
}

/* ---- facts ---- */

static struct esi_process *process_of(struct esi_worker *w)
{
    return w && w->jump_is_set ? atomic_load_explicit(&w->current, memory_order_relaxed) : NULL;
}

static struct esi_stack_span span_of(const struct esi_process *p)
{
    struct esi_stack_span span = {0, 0};
    if (p && p->fiber.stack)
        span = (struct esi_stack_span){(uintptr_t)p->fiber.stack->low, (uintptr_t)p->fiber.stack->high};
    return span;
}

/* Where a jump to nowhere came from: the return address that the call has just left. */
static bool jumped_from(const struct esi_frame *frame, struct esi_stack_span span, struct esi_frame *out)
{
    *out = *frame;
    out->is_call = true;
    out->link = 0;
#if defined(__x86_64__)
    out->sp += sizeof(uintptr_t);
    return esi_stack_read(span, frame->sp, &out->pc);
#else
    (void)span;
    out->pc = frame->link;
    return frame->link != 0;
#endif
}

/* Who is called to account, the innermost frame that is no leaf function's: its pc is 0 when it cannot be found. */
static struct esi_frame find_caller(const struct esi_frame *at, struct esi_stack_span span, bool is_jump,
                                    bool at_leaf)
{
    struct esi_frame caller = {0};
    if (at_leaf) {
        if (!esi_leaf_caller(*at, span, &caller))
            caller.pc = 0;
    } else if (is_jump) {
        if (!jumped_from(at, span, &caller))
            caller.pc = 0;
    }
    return caller;
}

struct found {
    struct esi_fault_facts facts;
    struct esi_frame at, caller;
    struct esi_stack_span span;
    uintptr_t address;
};

static void find_place(struct found *found, struct esi_process *p, const siginfo_t *info)
{
    struct esi_fault_facts *f = &found->facts;
    found->span = span_of(p);
    f->address_in_guard = p && p->fiber.stack && esi_stack_guard_holds(p->fiber.stack, found->address);
    f->is_jump = (info->si_signo == SIGSEGV || info->si_signo == SIGBUS) && found->address == found->at.pc;
    f->at = esi_module_kind_of(found->at.pc);
    f->at_leaf = esi_leaf_holds(found->at.pc);
    found->caller = find_caller(&found->at, found->span, f->is_jump && f->at == ESI_MODULE_NONE, f->at_leaf);
    f->caller = found->caller.pc ? esi_module_kind_of(found->caller.pc) : ESI_MODULE_NONE;
}

static struct found gather(const siginfo_t *info, const void *context, struct esi_worker *w,
                           struct esi_process *p, bool is_nested)
{
    struct found found = {.at = esi_frame_of_context(context)};
    struct esi_fault_facts *f = &found.facts;
    f->signo = info->si_signo;
    f->code = info->si_code;
    f->is_ours = info->si_code <= 0 && info->si_pid == getpid();
    f->has_process = p != NULL;
    f->in_runtime = !w || atomic_load_explicit(&w->in_runtime, memory_order_relaxed) != 0;
    f->is_nested = is_nested;
    found.address = info->si_code > 0 ? (uintptr_t)info->si_addr : 0;
    /* A rule that does not ask for the place must not depend on it: the tables may be what is broken. */
    if (f->has_process && !f->in_runtime && !is_nested && info->si_code > 0)
        find_place(&found, p, info);
    return found;
}

/* ---- the way out ---- */

/* To the worker's loop. Of the process's stack nothing is needed any more. */
static ES_NORETURN void leave(struct esi_worker *w)
{
    atomic_store_explicit(&w->in_runtime, 1, memory_order_relaxed);
    esi_asymmetric_light(); /* as esi_enter(); the loop looks at `lost` */
    esi_fiber_before_longjmp(&w->fiber);
    siglongjmp(w->jump, 1);
}

static void note_frames(struct esi_fault *fault, const struct found *found)
{
    struct esi_frame from = found->at;
    fault->frame_count = 0;
    if (found->facts.at == ESI_MODULE_NONE && found->caller.pc) { /* a jump: the place itself leads nowhere */
        fault->frames[fault->frame_count++] = found->at.pc;
        from = found->caller;
    }
    fault->frame_count += esi_unwind(from, found->span, fault->frames + fault->frame_count,
                                     ESI_FAULT_FRAMES - fault->frame_count);
}

static const char *signal_name(int signo)
{
    switch (signo) {
    case SIGSEGV:
        return "SIGSEGV";
    case SIGBUS:
        return "SIGBUS";
    case SIGFPE:
        return "SIGFPE";
    case SIGILL:
        return "SIGILL";
    case SIGTRAP:
        return "SIGTRAP";
    case SIGABRT:
        return "SIGABRT";
    default:
        return "a signal";
    }
}

/* Ends the OS process as the signal would have without us. Comes back only so that the instruction faults again, for who was
 * there before us or for the kernel, with all its details. */
static void end_as_before(int signo, int code)
{
    for (int i = 0; i < FAULT_SIGNALS; i++) {
        if (fault_signals[i] == signo)
            sigaction(signo, &before[i], NULL);
    }
    if (code > 0 && signo != SIGTRAP)
        return;
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, signo);
    raise(signo);
    pthread_sigmask(SIG_UNBLOCK, &only, NULL);
}

enum { DYING_MS = 200 }; /* for what was said before to be written */

static void end_node(const siginfo_t *info, const void *context, const struct found *found,
                     const struct esi_verdict *verdict)
{
    struct esi_dump_cause cause = {.text = signal_name(info->si_signo),
                                   .rule = verdict->rule,
                                   .signo = info->si_signo,
                                   .code = info->si_code,
                                   .address = found->address,
                                   .at = found->at,
                                   .context = context};
    if (esi_dump_is_here())
        esi_dump_skip();
    if (!esi_dump_write(&cause)) {
        /* Another thread is writing it and ends us all when it is done; it does not take long. */
        for (int i = 0; i < 100; i++)
            poll(NULL, 0, 50);
    }
    esi_log_settle(DYING_MS);
    end_as_before(info->si_signo, info->si_code);
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    (void)signo;
    struct esi_worker *w = esi_worker_self();
    struct esi_process *p = process_of(w);
    struct esi_fault *fault = w ? w->fault : NULL;
    bool is_nested = fault && fault->is_handling;
    if (fault)
        fault->is_handling = 1;
    if (esi_fault_test_hook && !is_nested)
        esi_fault_test_hook();
    struct found found = gather(info, context, w, p, is_nested);
    struct esi_verdict verdict = esi_fault_judge(&found.facts);
    if (!verdict.contains || !fault) {
        end_node(info, context, &found, &verdict);
        errno = saved_errno;
        return;
    }
    fault->signo = info->si_signo;
    fault->code = info->si_code;
    fault->kind = verdict.kind;
    fault->rule = verdict.rule;
    fault->address = found.address;
    fault->pc = found.at.pc;
    fault->text[0] = '\0';
    note_frames(fault, &found);
    leave(w);
}

/* ---- a kill ---- */

/* Is the interrupted place one that the process can be taken away from? */
static bool may_leave(const struct esi_process *p, const void *context)
{
    struct esi_frame at = esi_frame_of_context(context), caller = {0};
    bool at_leaf = esi_leaf_holds(at.pc);
    if (at_leaf && !esi_leaf_caller(at, span_of(p), &caller))
        caller.pc = 0;
    return esi_kill_judge(esi_module_kind_of(at.pc), at_leaf,
                          caller.pc ? esi_module_kind_of(caller.pc) : ESI_MODULE_NONE);
}

/* In the runtime, with `lost` looked at. True: leave. False: nobody must end, or not here. */
static bool must_leave(struct esi_process *p, const void *context)
{
    if (p->is_ending)
        return false;
    if (p->is_doomed)
        return may_leave(p, context);
    if (!esi_signals_must_end(p)) {
        /* The flag goes before the last look: a signal pushed after that look sets it again. It does not go while there is
         * something to do, since the watchdog measures by it how long that has waited. seq_cst: pairs with esi_signal_send(), which
         * pushes and then sets it. */
        atomic_fetch_and_explicit(&p->flags, ~(uint32_t)ESI_FLAG_EXIT_SENT, memory_order_seq_cst);
        if (!esi_signals_must_end(p))
            return false;
        atomic_fetch_or_explicit(&p->flags, ESI_FLAG_EXIT_SENT, memory_order_seq_cst);
    }
    return may_leave(p, context); /* no: the watchdog tries again */
}

static void try_to_leave(struct esi_worker *w, struct esi_process *p, const void *context)
{
    atomic_store_explicit(&w->in_runtime, 1, memory_order_relaxed);
    esi_asymmetric_light();
    /* Lost to the watchdog for good, or about to be: hands off. A worker that only lost its scheduler still runs its process. */
    bool is_ours = atomic_load_explicit(&w->lost, memory_order_relaxed) != ESI_LOST_STRANDED;
    if (is_ours && must_leave(p, context)) {
        w->fault->signo = 0;
        leave(w);
    }
    /* release: as esi_leave() */
    atomic_store_explicit(&w->in_runtime, 0, memory_order_release);
}

static void on_kill(int signo, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    (void)signo, (void)info;
    struct esi_worker *w = esi_worker_self();
    struct esi_process *p = process_of(w);
    if (p && w->fault && !w->fault->is_handling &&
        atomic_load_explicit(&w->in_runtime, memory_order_relaxed) == 0) {
        /* relaxed: figures for the watchdog, which asks for them again and again */
        if (atomic_exchange_explicit(&w->want_place, 0, memory_order_relaxed))
            atomic_store_explicit(&w->interrupted_at, esi_frame_of_context(context).pc, memory_order_relaxed);
        else
            try_to_leave(w, p, context);
    }
    if (w)
        atomic_fetch_add_explicit(&w->kill_tried, 1, memory_order_relaxed);
    errno = saved_errno;
}

/* ---- after the jump ---- */

static es_atom atom_of(enum esi_fault_kind kind)
{
    switch (kind) {
    case ESI_FAULT_BUS:
        return es_am_sigbus;
    case ESI_FAULT_FPE:
        return es_am_sigfpe;
    case ESI_FAULT_ILL:
        return es_am_sigill;
    case ESI_FAULT_ABORT:
        return es_am_sigabrt;
    case ESI_FAULT_TRAP:
        return es_am_sigtrap;
    case ESI_FAULT_STACK_OVERFLOW:
        return es_am_stack_overflow;
    default:
        return es_am_sigsegv;
    }
}

/* Which place names the fault: where it was, or after a jump to nowhere who jumped. */
static uintptr_t place_of(const struct esi_fault *fault)
{
    if (fault->frame_count > 1 && esi_module_kind_of(fault->pc) == ESI_MODULE_NONE)
        return fault->frames[1] - 1;
    return fault->pc;
}

/* Handles what the handler found, until the signal that must end it has. */
static void landed_from_kill(struct esi_process *p)
{
    atomic_fetch_add_explicit(&esi_node.forced_kills, 1, memory_order_relaxed); /* a figure to be shown */
    while (!p->is_doomed && !esi_signals_take(p, ESI_BUDGET))
        ;
    if (!p->is_doomed)
        esi_process_doom(p, es_from_atom(es_am_killed)); /* its stack is gone: it cannot go on */
}

/* It goes on at the top of its stack with its last words, and then ends: it is not doomed yet. */
static bool has_more_to_say(struct esi_process *p, es_term reason)
{
    struct esi_message *block;
    if (!p->has_last_words || p->is_ending || p->is_doomed || esi_message_copy(reason, &block) != ES_OK)
        return false;
    p->has_last_words = false;
    esi_memory_hang(p, block);
    p->reason = block->term;
    return !p->is_doomed;
}

void esi_fault_landed(struct esi_worker *w, struct esi_process *p)
{
    struct esi_fault *fault = w->fault;
    esi_assert(fault != NULL);
    if (fault->signo == 0) {
        landed_from_kill(p);
        return;
    }
    if (fault->kind != ESI_FAULT_ABORT)
        fault->is_admitted = esi_report_admits(&fault->suppressed);
    /* relaxed: figures to be shown */
    atomic_fetch_add_explicit(&esi_node.crashes, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&esi_node.contained, 1, memory_order_relaxed);
    esi_probe(FAULT, p->id, fault->signo, fault->pc);
    const struct esi_where *where = esi_where_of(fault->known, place_of(fault), p->function);
    es_term reason =
        es_lend(ES_TUPLE(es_am_signal, atom_of(fault->kind), es_bytes(where->text, where->length)));
    if (!has_more_to_say(p, reason))
        esi_process_doom(p, reason);
    if (fault->is_admitted)
        esi_report_fault(p, fault, reason);
    fault->is_handling = 0;
}

/* ---- abort() and assert() ---- */

/* The end of who aborted, at the top of its stack. */
static void **ends_by_abort(void *argument)
{
    struct esi_process *self = argument;
    esi_fault_landed(esi_worker_self(), self);
    self->is_deferring = false;
    return self->is_doomed ? esi_end_at_top(self) : esi_last_words_at_top(self);
}

enum { NEAR_THE_TOP = 16 << 10 };

/* Not on another stack, a signal handler's, nor so deep on the own one that its pages are worth giving back: esi_fiber_restart() does. */
static bool is_near_the_top(const struct esi_frame *at, struct esi_stack_span stack)
{
    return at->sp >= stack.low && at->sp < stack.high && stack.high - at->sp <= NEAR_THE_TOP;
}

/* Who is called how is for the report: the way there is long, and most crashes of many are not reported. */
static void note_callers(struct esi_fault *fault, const struct esi_frame *at, const struct esi_process *p)
{
    fault->frame_count = 1;
    fault->is_admitted = esi_report_admits(&fault->suppressed);
    if (fault->is_admitted)
        fault->frame_count = esi_unwind(*at, span_of(p), fault->frames, ESI_FAULT_FRAMES);
    fault->frames[0] = fault->pc; /* where a fault was: the first frame is no return address */
}

/* Leaves the calling process from `at`. Comes back in a thread that runs no process's code. */
static __attribute__((noinline)) void leave_for_abort(const struct esi_frame *at, const char *text)
{
    struct esi_worker *w = esi_worker_self();
    if (!process_of(w) || atomic_load_explicit(&w->in_runtime, memory_order_relaxed) != 0)
        return;
    struct esi_process *p = esi_enter(); /* a stranded process ends here; another thread may go on with us */
    w = esi_worker_self();
    struct esi_fault *fault = w->fault;
    fault->is_handling = 1;
    fault->signo = SIGABRT;
    fault->code = 0;
    fault->kind = ESI_FAULT_ABORT;
    fault->rule = ESI_RULE_ABORT;
    fault->address = 0;
    fault->pc = at->pc - 1; /* the call, not what follows it */
    note_callers(fault, at, p);
    size_t length = strnlen(text, sizeof fault->text - 1);
    memcpy(fault->text, text, length);
    fault->text[length] = '\0';
    if (is_near_the_top(at, span_of(p)))
        esi_fiber_again(&p->fiber, ends_by_abort, p);
    leave(w);
}

/* The frame of this function's caller, whose return address is known and whose registers are those of our caller: a function that asks
 * for its frame's address keeps the caller's there, whatever that has in it. */
#define CALLERS_FRAME                                                        \
    (struct esi_frame)                                                       \
    {                                                                        \
        .pc = (uintptr_t)__builtin_return_address(0),                        \
        .sp = (uintptr_t)__builtin_frame_address(0) + 2 * sizeof(uintptr_t), \
        .fp = *(uintptr_t *)__builtin_frame_address(0), .is_call = true,     \
    }

__attribute__((noinline)) ES_NORETURN void es_abort(void)
{
    struct esi_frame at = CALLERS_FRAME;
    leave_for_abort(&at, "");
    abort();
}

__attribute__((noinline)) ES_NORETURN void esi_assert_failed(const char *condition, const char *file,
                                                             int line, const char *function)
{
    struct esi_frame at = CALLERS_FRAME;
    char bytes[ESI_FAULT_TEXT + 64];
    struct esi_text text;
    esi_text_init(&text, bytes, sizeof bytes - 1);
    const char *name = strrchr(file, '/');
    esi_text_str(&text, name ? name + 1 : file);
    esi_text_char(&text, ':');
    esi_text_i64(&text, line);
    esi_text_str(&text, ": ");
    esi_text_str(&text, function ? function : "");
    esi_text_str(&text, ": assertion `");
    esi_text_str(&text, condition);
    esi_text_str(&text, "' failed");
    leave_for_abort(&at, text.bytes);
    bytes[text.length] = '\n';
    if (write(STDERR_FILENO, bytes, text.length + 1) < 0) {
        /* Nobody is left to be told. */
    }
    abort();
}

/* ---- a broken invariant of ours ---- */

static void on_panic(const char *file, int line, const char *text)
{
    struct esi_dump_cause cause = {.text = text, .file = file, .line = line, .signo = SIGABRT};
    cause.at = (struct esi_frame){(uintptr_t)__builtin_return_address(0),
                                  (uintptr_t)__builtin_frame_address(0), 0, 0, true};
    if (esi_dump_is_here())
        esi_dump_skip();
    esi_dump_write(&cause);
    esi_log_settle(DYING_MS);
    signal(SIGABRT, SIG_DFL); /* esi_panic() ends with abort() */
}

/* ---- start and stop ---- */

es_err esi_fault_start(void)
{
    es_err err = esi_modules_start();
    if (err != ES_OK) {
        esi_modules_stop();
        return err;
    }
    esi_leaves_start();
    esi_dump_start();
    esi_panic_hook = on_panic;
    atomic_store_explicit(&esi_in_runtime, note_in_runtime, memory_order_relaxed);
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    /* Not in the middle of a fault: its handler leaves, or ends the node. */
    sigaddset(&action.sa_mask, esi_fault_kill_signal());
    for (int i = 0; i < FAULT_SIGNALS; i++)
        sigaction(fault_signals[i], &action, &before[i]);
    /* No SA_RESTART: a system call that is interrupted gives EINTR, so that the process comes back. */
    action.sa_sigaction = on_kill;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(esi_fault_kill_signal(), &action, &before_kill);
    is_started = true;
    return ES_OK;
}

static void does_nothing(int signo)
{
    (void)signo;
}

/* A thread that the node left behind may have a kill signal to come yet, and what that does as a rule is end the OS process. A handler and
 * not SIG_IGN, which programs that are started would inherit. */
static struct sigaction kill_action_of_after(void)
{
    struct sigaction after = before_kill;
    bool stays = false;
    for (int i = 0; i < ESI_WORKERS_MAX && !stays; i++)
        stays = atomic_load_explicit(&esi_node.workers[i], memory_order_relaxed) != NULL;
    if (stays && !(after.sa_flags & SA_SIGINFO) && after.sa_handler == SIG_DFL)
        after.sa_handler = does_nothing;
    return after;
}

void esi_fault_stop(void)
{
    if (!is_started)
        return;
    is_started = false;
    for (int i = 0; i < FAULT_SIGNALS; i++)
        sigaction(fault_signals[i], &before[i], NULL);
    struct sigaction after = kill_action_of_after();
    sigaction(esi_fault_kill_signal(), &after, NULL);
    esi_panic_hook = NULL;
    esi_symbols_stop();
    esi_modules_stop();
}
