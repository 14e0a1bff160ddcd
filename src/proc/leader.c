/* leader.c - the group leader: who stands for the application that a process belongs to. */
#include "proc/outside.h"
#include "proc/process.h"

/* words: the leader's id. */
static void leader_arrive(struct esi_process *self, struct esi_message *signal)
{
    __atomic_store_n(&self->group_leader, signal->words[0],
                     __ATOMIC_RELAXED); /* es_process_info() reads it meanwhile */
    esi_message_free(signal);
}

static const struct esi_signal_kind leader_kind = {"group_leader", leader_arrive, NULL, NULL};

es_pid es_group_leader(void)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return ES_NO_PID;
    es_pid leader = {.id = self->group_leader};
    esi_leave();
    return leader;
}

static es_err set(struct esi_process *self, es_pid pid, es_pid leader)
{
    if (pid.node || leader.node || es_pid_is_none(leader))
        return esi_fail(self, ES_EINVAL, "set_group_leader: both are processes of this node");
    struct esi_message *signal = esi_message_new(sizeof(uint64_t));
    if (!signal)
        return esi_fail(self, ES_ENOMEM, "set_group_leader: no memory");
    signal->kind = &leader_kind;
    signal->words[0] = leader.id;
    if (self && pid.id == self->id) {
        leader_arrive(self, signal); /* what it did before is behind it, what it does next sees it */
        return ES_OK;
    }
    return esi_signal_send(pid.id, signal) ? ES_OK
                                           : esi_fail(self, ES_ENOPROC, "set_group_leader: no such process");
}

es_err es_set_group_leader(es_pid pid, es_pid leader)
{
    struct esi_process *self = esi_enter();
    if (!self && !esi_outside_enter())
        return esi_fail(NULL, ES_ECLOSED, "set_group_leader: " ESI_NO_NODE);
    es_err error = set(self, pid, leader);
    if (!self) {
        esi_outside_leave();
        return error;
    }
    esi_charge(self, 1);
    esi_leave();
    return error;
}
