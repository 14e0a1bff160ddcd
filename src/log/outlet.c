/* outlet.c - see outlet.h.
 *
 * I1  `is_awake` is set by who puts an event in and finds it unset; that one rouses the reader. The reader unsets it when it finds the ring empty, under
 *     the lock: so an event that is in is always seen by somebody.
 * I2  Who has set is_read alone touches `record` and what stands with it, until the ring is empty.
 * I3  A slot goes FREE -> OPEN -> CLOSING -> FREE; the last step is done by who reads, or, if nobody does, by who closes. */
#include "log/outlet.h"

#include <engset/match.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "platform/clock.h"
#include "proc/contain/report.h"
#include "proc/mailbox/send.h"
#include "proc/node.h"
#include "proc/outside.h"
#include "proc/schedule/worker.h"

static struct esi_log_outlet outlets[ESI_LOG_OUTLETS];
static pthread_mutex_t names =
    PTHREAD_MUTEX_INITIALIZER; /* guards who has which slot; taken before an outlet's lock */
ES_ATOMS(log_event);

#define EACH_OUTLET(o) for (struct esi_log_outlet *o = outlets; o < outlets + ESI_LOG_OUTLETS; o++)

/* ---------------------------------------------------------------- slots */

static void init_outlet(struct esi_log_outlet *o)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    atomic_store_explicit(&o->level, ESI_LOG_NOTHING, memory_order_relaxed);
}

static struct esi_log_outlet *find(const char *id)
{
    EACH_OUTLET(o)
    {
        if (o->state == ESI_OUTLET_OPEN && strcmp(o->id, id) == 0)
            return o;
    }
    return NULL;
}

struct esi_log_outlet *esi_outlet_find(const char *id)
{
    pthread_mutex_lock(&names);
    struct esi_log_outlet *o = find(id);
    pthread_mutex_unlock(&names);
    return o;
}

/* Its lock is held, or nobody else knows it. */
static void fill(struct esi_log_outlet *o, const char *id, const struct esi_outlet_about *about)
{
    snprintf(o->id, sizeof o->id, "%s", id);
    atomic_store_explicit(&o->is_refusing, false, memory_order_relaxed);
    _Atomic(uint64_t) *figures[] = {&o->pushed, &o->done, &o->handled, &o->dropped, &o->lost};
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
        atomic_store_explicit(figures[i], 0, memory_order_relaxed);
    o->untold = o->untold_lost = 0;
    o->is_awake = o->is_read = o->is_poked = o->is_stopping = o->is_over = o->is_abandoned = o->is_torn =
        false;
    o->about = *about;
    o->is_process = !about->write;
    o->pid = 0;
    o->claim++;
    o->state = ESI_OUTLET_OPEN;
}

/* The lock is held. */
static void tidy(struct esi_log_outlet *o)
{
    atomic_store_explicit(&o->level, ESI_LOG_NOTHING, memory_order_relaxed);
    if (o->about.owns_descriptor && o->about.descriptor >= 0)
        close(o->about.descriptor);
    o->about.descriptor = -1;
    esi_log_ring_free(&o->ring);
    o->is_awake = o->has_thread = o->is_stopping = false;
    o->pid = 0;
    o->state = ESI_OUTLET_FREE;
}

/* A process that ended before it could say so. The lock is held. */
static void forget_dead(struct esi_log_outlet *o)
{
    struct esi_process *p = o->pid ? esi_process_slot(o->pid) : NULL;
    if (o->state != ESI_OUTLET_FREE && o->pid && !(p && esi_process_is(p, o->pid)))
        tidy(o);
}

es_err esi_outlet_claim(const char *id, const struct esi_outlet_about *about, struct esi_log_outlet **out)
{
    es_err error = ES_ELIMIT;
    if (!id || !id[0] || strnlen(id, ESI_LOG_ID_BYTES) == ESI_LOG_ID_BYTES)
        return error;
    pthread_mutex_lock(&names);
    if (find(id))
        error = ES_EEXIST;
    for (int i = 0; i < ESI_LOG_OUTLETS && error == ES_ELIMIT; i++) {
        struct esi_log_outlet *o = &outlets[i];
        pthread_mutex_lock(&o->lock);
        forget_dead(o);
        if (o->state == ESI_OUTLET_FREE) {
            fill(o, id, about);
            *out = o;
            error = ES_OK;
        }
        pthread_mutex_unlock(&o->lock);
    }
    pthread_mutex_unlock(&names);
    return error;
}

void esi_outlet_open(struct esi_log_outlet *o, int level)
{
    /* release: pairs with put()'s acquire, though the lock would do: it says what the level admits to. */
    atomic_store_explicit(&o->level, level, memory_order_release);
}

void esi_outlet_open_for(struct esi_log_outlet *o, uint64_t claim, int level, uint64_t pid)
{
    pthread_mutex_lock(&o->lock);
    if (o->claim == claim && o->state == ESI_OUTLET_OPEN) {
        o->pid = pid;
        esi_outlet_open(o, level);
    }
    pthread_mutex_unlock(&o->lock);
}

/* `names` is not needed for a slot to become free: who looks for a name or a slot sees it before or after. */
void esi_outlet_give(struct esi_log_outlet *o)
{
    pthread_mutex_lock(&names);
    pthread_mutex_lock(&o->lock);
    tidy(o);
    pthread_mutex_unlock(&o->lock);
    pthread_mutex_unlock(&names);
}

/* ---------------------------------------------------------------- who reads */

/* The lock is held. Dropped events are told of as soon as there is room again. */
static bool tell_dropped(struct esi_log_outlet *o)
{
    if (!o->untold || o->ring.is_refusing)
        return false;
    char *text = o->record.bytes;
    int length = snprintf(text, sizeof o->record.bytes,
                          "%llu events were dropped: they came faster than the handler %s takes them",
                          (unsigned long long)o->untold, o->id);
    o->untold = 0;
    atomic_fetch_add_explicit(&o->pushed, 1, memory_order_relaxed);
    o->record.event = (struct esi_log_event){
        .ns = esi_log_now_ns(), .level = ESI_LOG_WARNING, .message = text, .message_length = (size_t)length};
    return true;
}

/* The lock is held. */
static bool take_next(struct esi_log_outlet *o)
{
    if (tell_dropped(o))
        return true;
    bool is_taken = esi_log_ring_take(&o->ring, &o->record);
    atomic_store_explicit(&o->is_refusing, o->ring.is_refusing, memory_order_relaxed);
    return is_taken;
}

bool esi_outlet_next(struct esi_log_outlet *o, bool *is_over)
{
    pthread_mutex_lock(&o->lock);
    bool is_taken = take_next(o);
    if (!is_taken)
        o->is_awake = false;
    *is_over = !is_taken && o->is_stopping;
    pthread_mutex_unlock(&o->lock);
    return is_taken;
}

void esi_outlet_done(struct esi_log_outlet *o, bool is_handled)
{
    /* relaxed: figures. `done` has a release, for who waits for what was written. */
    atomic_fetch_add_explicit(is_handled ? &o->handled : &o->lost, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&o->done, 1, memory_order_release);
}

/* ---------------------------------------------------------------- writing */

/* Something about an outlet itself, made here. */
static struct esi_log_event own_event(int level, const char *text, size_t length)
{
    return (struct esi_log_event){
        .ns = esi_log_now_ns(), .level = level, .message = text, .message_length = length};
}

/* The first that it could not write: the others are told. */
static void tell_failure(struct esi_log_outlet *o, int error)
{
    char text[200];
    if (o->untold_lost++ > 0)
        return;
    int length =
        snprintf(text, sizeof text,
                 "the log's handler %s cannot write: %s; what it loses is counted, and it goes on trying",
                 o->id, strerrordesc_np(error));
    struct esi_log_event event = own_event(ESI_LOG_ERROR, text, (size_t)length);
    esi_outlets_put(&event, o);
}

/* It can write again. */
static void tell_lost(struct esi_log_outlet *o)
{
    char text[120];
    int length = snprintf(text, sizeof text, "%llu events before this one could not be written and are lost",
                          (unsigned long long)o->untold_lost);
    struct esi_log_event event = own_event(ESI_LOG_WARNING, text, (size_t)length);
    if (o->about.write(o, &event))
        o->untold_lost = 0;
}

/* What is in `record`. */
static bool write_event(struct esi_log_outlet *o)
{
    if (o->untold_lost)
        tell_lost(o);
    if (!o->untold_lost && o->about.write(o, &o->record.event))
        return true;
    tell_failure(o, errno);
    return false;
}

/* The lock is held, and is again when this returns; is_awake. */
static void empty(struct esi_log_outlet *o)
{
    if (o->is_read) /* who does sees what came meanwhile */
        return;
    o->is_read = true;
    while (take_next(o)) {
        pthread_mutex_unlock(&o->lock);
        esi_outlet_done(o, write_event(o));
        pthread_mutex_lock(&o->lock);
    }
    o->is_read = false;
}

/* In the thread that speaks. */
static void empty_here(struct esi_log_outlet *o)
{
    pthread_mutex_lock(&o->lock);
    empty(o);
    o->is_awake = false;
    if (o->is_stopping)
        tidy(o);
    pthread_mutex_unlock(&o->lock);
}

/* The lock is held. */
static void sleep_until(struct esi_log_outlet *o, uint64_t until_ns)
{
    struct timespec until = {.tv_sec = (time_t)(until_ns / ESI_NS_PER_S),
                             .tv_nsec = (long)(until_ns % ESI_NS_PER_S)};
    if (o->is_poked || o->is_stopping || !esi_log_ring_is_empty(&o->ring))
        return;
    if (until_ns == ESI_NO_DEADLINE)
        pthread_cond_wait(&o->wake, &o->lock);
    else
        pthread_cond_timedwait(&o->wake, &o->lock, &until);
}

/* Its thread. While it has nothing to write it sees to it that no report waits too long. */
static void run(void *argument)
{
    struct esi_log_outlet *o = argument;
    pthread_mutex_lock(&o->lock);
    for (;;) {
        o->is_awake = true;
        empty(o);
        if (o->is_stopping)
            break;
        o->is_awake = o->is_poked = false;
        pthread_mutex_unlock(&o->lock);
        uint64_t next_ns = esi_report_overdue(esi_clock_now_ns());
        pthread_mutex_lock(&o->lock);
        sleep_until(o, next_ns);
    }
    o->is_over = true;
    if (o->is_abandoned) {
        pthread_detach(pthread_self());
        tidy(o);
    }
    pthread_mutex_unlock(&o->lock);
}

/* The lock is held. False: there are no threads to be had. */
static bool has_thread(struct esi_log_outlet *o)
{
    if (!o->has_thread)
        o->has_thread = esi_thread_open(run, o, "es-log", NULL, &o->thread) == ES_OK;
    return o->has_thread;
}

static bool rouse_thread(struct esi_log_outlet *o, bool is_poke)
{
    pthread_mutex_lock(&o->lock);
    bool is_there = o->state != ESI_OUTLET_FREE && has_thread(o);
    o->is_poked |= is_poke;
    pthread_cond_signal(&o->wake);
    pthread_mutex_unlock(&o->lock);
    return is_there;
}

/* One word to the process: it empties the ring. False: nobody is told. */
static bool rouse_process(uint64_t pid)
{
    bool is_outside = !esi_worker_self();
    if (is_outside && !esi_outside_enter())
        return false;
    struct esi_message *message;
    bool is_made = esi_message_copy(es_from_atom(log_event), &message) == ES_OK;
    if (is_made)
        esi_send_uncounted(pid, message);
    if (is_outside)
        esi_outside_leave();
    return is_made;
}

static void rouse(struct esi_log_outlet *o)
{
    if (o->is_process) {
        if (!rouse_process(o->pid)) {
            pthread_mutex_lock(&o->lock);
            o->is_awake = false;
            pthread_mutex_unlock(&o->lock);
        }
    } else if (esi_node.is_sim || !rouse_thread(o, false)) {
        empty_here(o);
    }
}

/* ---------------------------------------------------------------- who speaks */

/* The handler's own words are not for it. */
static bool is_for(const struct esi_log_outlet *o, int level, uint64_t speaker)
{
    return level <= atomic_load_explicit(&o->level, memory_order_acquire) && !(o->pid && o->pid == speaker);
}

static void put(struct esi_log_outlet *o, const struct esi_log_event *event)
{
    bool wakes = false;
    pthread_mutex_lock(&o->lock);
    if (o->state == ESI_OUTLET_OPEN && esi_log_ring_push(&o->ring, event)) {
        atomic_fetch_add_explicit(&o->pushed, 1, memory_order_relaxed);
        wakes = !o->is_awake;
        o->is_awake = true;
    } else if (o->state == ESI_OUTLET_OPEN) {
        atomic_fetch_add_explicit(&o->dropped, 1, memory_order_relaxed);
        o->untold++;
    }
    atomic_store_explicit(&o->is_refusing, o->ring.is_refusing, memory_order_relaxed);
    pthread_mutex_unlock(&o->lock);
    if (wakes)
        rouse(o);
}

static uint64_t speaker_now(void)
{
    struct esi_worker *worker = esi_worker_self();
    struct esi_process *p = worker ? atomic_load_explicit(&worker->current, memory_order_relaxed) : NULL;
    return p ? atomic_load_explicit(&p->id, memory_order_relaxed) : 0;
}

void esi_outlets_put(const struct esi_log_event *event, const struct esi_log_outlet *except)
{
    uint64_t speaker = speaker_now();
    EACH_OUTLET(o)
    {
        if (o != except && is_for(o, event->level, speaker))
            put(o, event);
    }
}

static void count_dropped(struct esi_log_outlet *o)
{
    pthread_mutex_lock(&o->lock);
    atomic_fetch_add_explicit(&o->dropped, 1, memory_order_relaxed);
    o->untold++;
    pthread_mutex_unlock(&o->lock);
}

bool esi_outlets_want(int level)
{
    bool is_admitted = false;
    uint64_t speaker = speaker_now();
    EACH_OUTLET(o)
    {
        if (!is_for(o, level, speaker))
            continue;
        is_admitted = true;
        if (level <= ESI_LOG_ERROR || !atomic_load_explicit(&o->is_refusing, memory_order_relaxed))
            return true;
    }
    EACH_OUTLET(o)
    {
        if (is_admitted && is_for(o, level, speaker))
            count_dropped(o);
    }
    return false;
}

void esi_outlets_poke(void)
{
    EACH_OUTLET(o)
    {
        if (!esi_node.is_sim && !o->is_process &&
            atomic_load_explicit(&o->level, memory_order_relaxed) != ESI_LOG_NOTHING)
            rouse_thread(o, true);
    }
}

/* ---------------------------------------------------------------- waiting for it */

void esi_outlets_mark(uint64_t marks[ESI_LOG_OUTLETS], bool with_processes)
{
    for (int i = 0; i < ESI_LOG_OUTLETS; i++) {
        bool counts = !outlets[i].is_process || (with_processes && outlets[i].pid);
        marks[i] = counts ? atomic_load_explicit(&outlets[i].pushed, memory_order_relaxed) : 0;
    }
}

bool esi_outlets_reached(const uint64_t marks[ESI_LOG_OUTLETS])
{
    for (int i = 0; i < ESI_LOG_OUTLETS; i++) {
        /* acquire: pairs with the release in esi_outlet_done(): what is done was written. A slot that was given back has nothing to wait for. */
        if (atomic_load_explicit(&outlets[i].done, memory_order_acquire) < marks[i] &&
            atomic_load_explicit(&outlets[i].level, memory_order_relaxed) != ESI_LOG_NOTHING)
            return false;
    }
    return true;
}

/* ---------------------------------------------------------------- the end */

bool esi_outlet_shut(struct esi_log_outlet *o)
{
    pthread_mutex_lock(&names);
    pthread_mutex_lock(&o->lock);
    bool was_open = o->state == ESI_OUTLET_OPEN;
    bool has_reader = was_open && (o->has_thread || o->is_awake || o->is_process);
    atomic_store_explicit(&o->level, ESI_LOG_NOTHING, memory_order_relaxed);
    if (was_open)
        o->state = ESI_OUTLET_CLOSING;
    o->is_stopping = true;
    pthread_cond_signal(&o->wake);
    if (was_open && !has_reader)
        tidy(o);
    bool wakes = has_reader && o->is_process && !o->is_awake;
    uint64_t pid = o->pid;
    pthread_mutex_unlock(&o->lock);
    pthread_mutex_unlock(&names);
    if (wakes)
        rouse_process(pid);
    return has_reader;
}

bool esi_outlet_is_gone(struct esi_log_outlet *o, bool is_enough)
{
    pthread_mutex_lock(&o->lock);
    bool is_gone = o->state == ESI_OUTLET_FREE, joins = !is_gone && o->is_over;
    o->is_abandoned = !is_gone && !joins && is_enough;
    pthread_mutex_unlock(&o->lock);
    if (!joins)
        return is_gone;
    esi_thread_join(&o->thread);
    esi_outlet_give(o);
    return true;
}

static void end_thread(struct esi_log_outlet *o)
{
    pthread_mutex_lock(&o->lock);
    bool ends = o->has_thread && o->state == ESI_OUTLET_OPEN &&
                atomic_load_explicit(&o->done, memory_order_relaxed) ==
                    atomic_load_explicit(&o->pushed, memory_order_relaxed);
    o->is_stopping |= ends;
    pthread_cond_signal(&o->wake);
    pthread_mutex_unlock(&o->lock);
    if (!ends)
        return;
    esi_thread_join(&o->thread);
    pthread_mutex_lock(&o->lock);
    o->has_thread = o->is_over = o->is_stopping = o->is_awake = false;
    bool goes_on = !esi_log_ring_is_empty(&o->ring);
    o->is_awake = goes_on;
    pthread_mutex_unlock(&o->lock);
    if (goes_on)
        rouse(o);
}

void esi_outlets_rest(void)
{
    EACH_OUTLET(o)
    end_thread(o);
}

/* In a forked child: the threads are its parent's, and so is what waited. */
static void forked(void)
{
    pthread_mutex_init(&names, NULL);
    EACH_OUTLET(o)
    {
        int level = atomic_load_explicit(&o->level, memory_order_relaxed);
        init_outlet(o);
        atomic_store_explicit(&o->level, o->is_process ? ESI_LOG_NOTHING : level, memory_order_relaxed);
        o->ring.first = o->ring.end;
        o->ring.is_refusing = o->is_read = o->has_thread = o->is_awake = o->is_stopping = false;
        if (o->is_process)
            o->state = ESI_OUTLET_FREE;
    }
}

__attribute__((constructor(140))) static void open_default(void)
{
    const struct esi_outlet_about about = {
        .write = esi_write_lines, .descriptor = STDERR_FILENO, .is_default = true, .format = ES_LOG_TEXT};
    EACH_OUTLET(o)
    init_outlet(o);
    fill(&outlets[0], "default", &about);
    esi_outlet_open(&outlets[0], ESI_LOG_DEBUG);
    pthread_atfork(NULL, NULL, forked);
}
