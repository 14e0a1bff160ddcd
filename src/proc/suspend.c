/* suspend.c - a process keeps another from running user code.
 *
 * Both sides have a bond that counts: SUSPENDS at who asked, under the other's pid id; SUSPENDED_BY at who stands still, under the
 * asker's. Whichever ends first tells the other. The asker's is made before the signal goes out, so that its end, if it comes in the
 * middle, takes back what is on its way: signals between two processes keep their order. That a process with a suspend_count
 * does not run is the worker's affair. */
#include "proc/call.h"
#include "proc/process.h"

struct suspension {
    struct esi_bond bond;
    uint32_t count;
};

static void resume_send(uint64_t to, uint64_t by, uint64_t count);
static void gone_send(uint64_t to, uint64_t who);

/* ---- who stands still ---- */

static void suspended_ended(struct esi_process *self, struct esi_bond *bond, es_term reason)
{
    (void)reason;
    gone_send(bond->node.key.b, self->id);
    esi_bond_free(bond, sizeof(struct suspension));
}

static const struct esi_bond_kind suspended_kind = {"suspended_by", ESI_BOND_SUSPENDED_BY, suspended_ended};

/* Notes one suspension more by `by`; false: no memory. */
static bool suspended_add(struct esi_process *self, uint64_t by)
{
    struct suspension *s = (struct suspension *)esi_bond_find(self, ESI_BOND_SUSPENDED_BY, by);
    if (!s) {
        s = esi_bond_new(sizeof *s);
        if (!s)
            return false;
        esi_bond_insert(self, &s->bond, &suspended_kind, by);
    }
    s->count++;
    self->suspend_count++;
    return true;
}

/* words: asker, reference (call.h). */
static void suspend_arrive(struct esi_process *self, struct esi_message *signal)
{
    bool is_noted = suspended_add(self, signal->words[0]);
    esi_answer(signal, es_from_atom(is_noted ? es_am_true : es_am_system_limit));
}

static void suspend_nobody(struct esi_message *signal)
{
    esi_answer(signal, es_from_atom(es_am_noproc));
}

static const struct esi_signal_kind suspend_kind = {"suspend", suspend_arrive, suspend_nobody, NULL};

/* words: by whom, how many (UINT64_MAX: all). */
static void resume_arrive(struct esi_process *self, struct esi_message *signal)
{
    struct suspension *s = (struct suspension *)esi_bond_find(self, ESI_BOND_SUSPENDED_BY, signal->words[0]);
    if (s) {
        uint32_t less = signal->words[1] < s->count ? (uint32_t)signal->words[1] : s->count;
        s->count -= less;
        self->suspend_count -= (uint16_t)less;
        if (!s->count) {
            esi_bond_remove(self, &s->bond);
            esi_bond_free(s, sizeof *s);
        }
    }
    esi_message_free(signal);
}

static const struct esi_signal_kind resume_kind = {"resume", resume_arrive, NULL, NULL};

/* ---- who asked ---- */

static void suspends_ended(struct esi_process *self, struct esi_bond *bond, es_term reason)
{
    (void)reason;
    resume_send(bond->node.key.b, self->id, UINT64_MAX);
    esi_bond_free(bond, sizeof(struct suspension));
}

static const struct esi_bond_kind suspends_kind = {"suspends", ESI_BOND_SUSPENDS, suspends_ended};

static void suspends_less(struct esi_process *self, struct suspension *s)
{
    if (--s->count)
        return;
    esi_bond_remove(self, &s->bond);
    esi_bond_free(s, sizeof *s);
}

/* words: who is gone. */
static void gone_arrive(struct esi_process *self, struct esi_message *signal)
{
    struct esi_bond *bond = esi_bond_find(self, ESI_BOND_SUSPENDS, signal->words[0]);
    if (bond) {
        esi_bond_remove(self, bond);
        esi_bond_free(bond, sizeof(struct suspension));
    }
    esi_message_free(signal);
}

static const struct esi_signal_kind gone_kind = {"suspended_is_gone", gone_arrive, NULL, NULL};

/* Without memory a process would stand still for ever, or count what is no more. Both are worth waiting for a block of 80 bytes
 * no longer than this: what is left is the smaller harm. */
static void send_two(const struct esi_signal_kind *kind, uint64_t to, uint64_t first, uint64_t second)
{
    struct esi_message *signal = esi_message_new(2 * sizeof(uint64_t));
    if (!signal)
        return;
    signal->kind = kind;
    signal->words[0] = first;
    signal->words[1] = second;
    esi_signal_send(to, signal);
}

static void resume_send(uint64_t to, uint64_t by, uint64_t count)
{
    send_two(&resume_kind, to, by, count);
}

static void gone_send(uint64_t to, uint64_t who)
{
    send_two(&gone_kind, to, who, 0);
}

static struct suspension *suspends_more(struct esi_process *self, uint64_t id)
{
    struct suspension *s = (struct suspension *)esi_bond_find(self, ESI_BOND_SUSPENDS, id);
    if (!s) {
        s = esi_bond_new(sizeof *s);
        if (!s)
            return NULL;
        esi_bond_insert(self, &s->bond, &suspends_kind, id);
    }
    s->count++;
    return s;
}

/* The bond may be gone meanwhile, with whom it stood for. */
static void suspends_undo(struct esi_process *self, uint64_t id)
{
    struct suspension *s = (struct suspension *)esi_bond_find(self, ESI_BOND_SUSPENDS, id);
    if (s)
        suspends_less(self, s);
}

static es_err suspend(struct esi_process *self, uint64_t id)
{
    struct esi_message *signal = esi_request_new(&suspend_kind);
    if (!signal)
        return ES_ENOMEM;
    if (!suspends_more(self, id)) {
        esi_message_free(signal);
        return ES_ENOMEM;
    }
    es_term answer;
    es_err error = esi_ask(self, id, signal, &answer);
    if (error == ES_OK && es_is(answer, es_am_true))
        return ES_OK;
    suspends_undo(self, id);
    if (error == ES_OK && es_is(answer, es_am_noproc))
        esi_badarg(self, "suspend");
    return error == ES_OK ? ES_ENOMEM : error;
}

es_err es_suspend(es_pid pid)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return ES_ENOPROC;
    if (pid.node || es_pid_is_none(pid) || pid.id == self->id)
        esi_badarg(self, "suspend");
    es_err error = suspend(self, pid.id);
    if (error != ES_OK)
        esi_fail(self, error, "suspend: %s", es_strerror(error));
    esi_charge(self, 4);
    esi_leave();
    return error;
}

es_err es_resume(es_pid pid)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return ES_ENOPROC;
    struct suspension *s =
        pid.node ? NULL : (struct suspension *)esi_bond_find(self, ESI_BOND_SUSPENDS, pid.id);
    if (!s)
        esi_badarg(self, "resume");
    struct esi_message *signal = esi_message_new(2 * sizeof(uint64_t));
    if (!signal) {
        es_err error = esi_fail(self, ES_ENOMEM, "resume: no memory");
        esi_leave();
        return error;
    }
    suspends_less(self, s);
    signal->kind = &resume_kind;
    signal->words[0] = self->id;
    signal->words[1] = 1;
    esi_signal_send(pid.id, signal);
    esi_charge(self, 1);
    esi_leave();
    return ES_OK;
}
