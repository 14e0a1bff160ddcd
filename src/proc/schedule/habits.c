/* habits.c - see habits.h. Outside a process the three public functions are those of the C library. */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include "proc/contain/fault.h"
#include "proc/process.h"
#include "proc/schedule/habits.h"
#include "proc/schedule/worker.h"

struct esi_habits {
    sigset_t mask, mask_of_thread; /* the process's while it does not run; the thread's while it runs */
    locale_t locale, locale_of_thread;
    bool are_on;
};

void esi_habits_on(struct esi_process *p)
{
    struct esi_habits *h = p->extra->habits;
    pthread_sigmask(SIG_SETMASK, &h->mask, &h->mask_of_thread);
    h->locale_of_thread = uselocale(h->locale);
    h->are_on = true;
}

void esi_habits_off(struct esi_process *p)
{
    struct esi_habits *h = p->extra ? p->extra->habits : NULL;
    if (!h || !h->are_on)
        return;
    pthread_sigmask(SIG_SETMASK, &h->mask_of_thread, &h->mask);
    h->locale = uselocale(h->locale_of_thread);
    h->are_on = false;
}

void esi_habits_end(struct esi_process *p)
{
    struct esi_worker *w = esi_worker_self();
    /* The watchdog ends who is stranded: that one's thread is not ours, and runs nobody any more. */
    if (w && atomic_load_explicit(&w->current, memory_order_relaxed) == p)
        esi_habits_off(p);
    p->has_habits = false;
    esi_block_free(p->extra->habits, sizeof(struct esi_habits));
    p->extra->habits = NULL;
}

/* Its habits, from here on it has some; NULL: no memory. The process itself. */
static struct esi_habits *habits_of(struct esi_process *self)
{
    struct esi_process_extra *extra = esi_process_extra(self);
    if (!extra || extra->habits)
        return extra ? extra->habits : NULL;
    struct esi_habits *h = esi_block_alloc(sizeof *h);
    if (!h)
        return NULL;
    pthread_sigmask(SIG_SETMASK, NULL, &h->mask_of_thread);
    h->locale_of_thread = uselocale((locale_t)0);
    h->are_on = true;
    extra->habits = h;
    self->has_habits = true;
    return h;
}

int es_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    sigset_t wanted, before;
    if (set) /* outside the runtime, as `old` is written: a bad pointer is the caller's fault alone */
        wanted = *set;
    struct esi_process *self = esi_enter();
    if (self && set && how != SIG_UNBLOCK) {
        sigdelset(&wanted, esi_fault_kill_signal());
        esi_thread_spare_faults(&wanted);
    }
    bool has_memory = !self || !set || habits_of(self);
    int error = has_memory ? pthread_sigmask(how, set ? &wanted : NULL, &before) : ENOMEM;
    esi_leave();
    if (old && !error)
        *old = before;
    return error;
}

int es_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    int error = es_pthread_sigmask(how, set, old);
    if (!error)
        return 0;
    *es_errno() = error;
    return -1;
}

locale_t es_uselocale(locale_t locale)
{
    struct esi_process *self = esi_enter();
    bool has_memory = !self || locale == (locale_t)0 || habits_of(self);
    locale_t before = has_memory ? uselocale(locale) : (locale_t)0;
    esi_leave();
    if (!has_memory)
        *es_errno() = ENOMEM;
    return before;
}
