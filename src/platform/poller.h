/* platform/poller.h - waiting for many descriptors at once.
 *
 * epoll with one-shot interest: after an event a descriptor is silent until interest is shown again; or edge-triggered, where an event
 * comes whenever something new does, and showing interest again brings one if something is there. It knows no processes: a `tag` is
 * handed back as it was given. */
#ifndef PLATFORM_POLLER_H
#define PLATFORM_POLLER_H

#include <stdbool.h>
#include <stdint.h>
#include <engset/base.h>

struct esi_poller;

enum {
    ESI_POLL_IN = 1,     /* can be read or accepted, or the other side stopped sending */
    ESI_POLL_OUT = 2,    /* can be written */
    ESI_POLL_ERROR = 4,  /* events only: an error waits in the descriptor */
    ESI_POLL_HANGUP = 8, /* events only: the other side is gone */
    ESI_POLL_STAYS =
        16, /* events only: the other side stopped sending, or urgent data: something that is told of once */
    ESI_POLL_EDGE =
        32, /* interest only, by itself: in all of these, each time that something comes, for ever */
};

struct esi_poll_event {
    void *tag;
    uint32_t ready; /* ESI_POLL_* */
};

/* Makes one. On ES_OK `*out` is yours. ES_ENOMEM, ES_ELIMIT (no descriptors left), ES_EOS. Any thread. */
ES_CHECKED es_err esi_poller_open(struct esi_poller **out);

/* Ends it; nobody waits in it or uses it. Descriptors stay open. NULL is fine. */
void esi_poller_close(struct esi_poller **poller);

/* Watches `fd` with `interest` (ESI_POLL_IN, ESI_POLL_OUT, both, 0: silent for now; or ESI_POLL_EDGE). An event comes at
 * most once, but for edges. ES_EEXIST  it is watched already ES_EINVAL  not something to wait for (a plain file is always
 * ready), or not a descriptor ES_ELIMIT  too many watches (fs.epoll.max_user_watches);  ES_ENOMEM, ES_EOS Any
 * thread, also while another waits. */
ES_CHECKED es_err esi_poller_add(struct esi_poller *poller, int fd, uint32_t interest, void *tag);

/* Shows interest (again) for one event. ES_ENOTFOUND: it is not watched. Any thread. */
ES_CHECKED es_err esi_poller_modify(struct esi_poller *poller, int fd, uint32_t interest, void *tag);

/* Stops watching `fd`; if it is not watched, nothing. Must come before the descriptor is closed. An event
 * that another thread is being given at this moment may still arrive: the tag must be good for it. Any
 * thread. */
void esi_poller_remove(struct esi_poller *poller, int fd);

/* Waits until there are events, esi_poller_interrupt() was called, a signal came, or the clock is at
 * `deadline_ns` (ESI_NO_DEADLINE: for ever; 0: only looks). The number of `events` written, which may be 0,
 * at most `max`. In the simulated world it only looks. One thread at a time. */
int esi_poller_wait(struct esi_poller *poller, uint64_t deadline_ns, struct esi_poll_event *events, int max);

/* A descriptor that poll(2) and its like find readable while esi_poller_wait() would not wait. The poller's own. Any thread. */
int esi_poller_descriptor(const struct esi_poller *poller);

/* That descriptor becomes readable when the clock is at `deadline_ns` (ESI_NO_DEADLINE: an alarm from before may stay), perhaps a time more
 * often: an alarm that is due sooner stays as it is. ES_ELIMIT, ES_ENOMEM, ES_EOS: no descriptor for the clock to be had. Who waits. */
ES_CHECKED es_err esi_poller_set_alarm(struct esi_poller *poller, uint64_t deadline_ns);

/* Makes the wait that runs now, or else the next one, return at once. Many count as one. What the caller
 * wrote before is seen after the wait. Any thread, signal handlers too. */
void esi_poller_interrupt(struct esi_poller *poller);

#endif
