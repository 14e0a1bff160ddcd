/* alive.c - es_is_alive(): what one's own signals have not ended yet. */
#include "proc/call.h"
#include "proc/outside.h"

/* words: asker, reference. */
static void alive_arrive(struct esi_process *self, struct esi_message *block)
{
    esi_answer(block, es_from_atom(self->is_doomed ? es_am_false : es_am_true));
}

static void alive_nobody(struct esi_message *block)
{
    esi_answer(block, es_from_atom(es_am_false));
}

static const struct esi_signal_kind alive_kind = {"is_alive", alive_arrive, alive_nobody, NULL};

/* Open, and no signal waits: then it is alive now, and what the asker sent before has been handled. seq_cst: the flag that the asker
 * set after a push of its own is seen. */
static bool is_plainly_alive(struct esi_process *p, uint64_t id)
{
    return !(atomic_load_explicit(&p->flags, memory_order_seq_cst) & ESI_FLAG_SIGNALS) &&
           atomic_load_explicit(&p->inbox, memory_order_seq_cst) == ESI_INBOX_WAITING &&
           esi_process_is(p, id);
}

static bool is_there(struct esi_process *p, es_pid pid)
{
    return p && esi_process_is(p, pid.id) &&
           atomic_load_explicit(&p->inbox, memory_order_relaxed) != ESI_INBOX_CLOSED;
}

static bool is_there_from_outside(es_pid pid)
{
    if (pid.node || !esi_outside_enter())
        return false;
    bool is_here = is_there(esi_process_slot(pid.id), pid);
    esi_outside_leave();
    return is_here;
}

bool es_is_alive(es_pid pid)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return is_there_from_outside(pid);
    struct esi_process *p = pid.node ? NULL : esi_process_slot(pid.id);
    es_term answer = es_from_atom(es_am_false);
    bool is_here = is_there(p, pid);
    if (pid.id == self->id || (is_here && is_plainly_alive(p, pid.id))) {
        answer = es_from_atom(es_am_true);
    } else if (is_here) {
        struct esi_message *request = esi_request_new(&alive_kind);
        if (!request)
            esi_end_with(self, es_from_atom(es_am_system_limit));
        esi_ask(self, pid.id, request, &answer);
    }
    esi_leave();
    return es_is(answer, es_am_true);
}
