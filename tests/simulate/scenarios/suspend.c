/* suspend.c - who is suspended does nothing until it is resumed, or until who suspended it has ended; who hibernates finds its stack as it was; and a lock
 * whose holder ends goes to the next, who is told. */
#include "scenario.h"

ES_ATOMS(work, finish);

enum { WORKERS = 3, WARDENS = 3, ACTS = 25 };

static struct worker {
    es_pid pid;
    es_ref ref;
    int64_t work_done;
} workers[WORKERS];
static es_pid conductor;
static int suspended_by[WARDENS][WORKERS]; /* for sure: from after es_suspend() until before es_resume() */
static struct {
    es_ref ref;
} wardens[WARDENS];

static es_mutex lock = ES_MUTEX_INIT;
static int inside = -1;
static bool is_half_done;

static bool is_suspended(int worker)
{
    for (int i = 0; i < WARDENS; i++)
        if (suspended_by[i][worker])
            return true;
    return false;
}

/* ------------------------------------------------------------ a worker */

static void use_the_lock(int me)
{
    es_err error = es_mutex_lock(&lock);
    if (error != ES_OK && error != ES_ECLOSED)
        return;
    CHECK(error == ES_ECLOSED || !is_half_done, "es_mutex_lock() gave %d", error);
    inside = me;
    is_half_done = true;
    es_sleep(chance(3));
    CHECK(inside == me, "%d came in beside %d", inside, me);
    is_half_done = false;
    es_mutex_unlock(&lock);
}

static void nap(int me)
{
    int64_t kept[16];
    int64_t *volatile where = kept;
    for (int i = 0; i < 16; i++)
        kept[i] = me * 1000 + i;
    es_send_after(chance(10), es_self(), work);
    es_hibernate();
    for (int i = 0; i < 16; i++)
        CHECK(kept[i] == me * 1000 + i && where == kept, "the stack is not as it was");
    es_receive {
        es_case(work) {
        }
        es_after(1000)
            CHECK(false, "what woke it is not there");
    }
}

static void works(struct worker *self)
{
    int me = (int)(self - workers);
    for (bool is_last = false; !is_last;) {
        es_receive {
            es_case(finish)
                is_last = true;
            es_after(chance(3)) {
            }
        }
        CHECK(!is_suspended(me), "%d works, and is suspended", me);
        self->work_done++;
        if (chance(8) == 0)
            use_the_lock(me);
        else if (chance(8) == 0)
            nap(me);
    }
}

/* ------------------------------------------------------------ a warden */

static void forget_all(void *mine)
{
    memset(mine, 0, sizeof suspended_by[0]);
}

static void suspend_a_while(int me, int k)
{
    if (es_suspend(workers[k].pid) != ES_OK)
        return;
    suspended_by[me][k]++;
    int64_t done = workers[k].work_done;
    es_sleep(chance(15));
    CHECK(workers[k].work_done == done, "%d worked on", k);
    suspended_by[me][k]--;
    es_resume(workers[k].pid);
}

static void guards(es_term number)
{
    int me = 0;
    if (!es_match(number, &me) || es_own(suspended_by[me], forget_all) != ES_OK)
        es_exit(es_am_system_limit);
    for (int i = 0; i < ACTS; i++) {
        int k = chance(WORKERS);
        if (es_is_alive(workers[k].pid))
            suspend_a_while(me, k);
        es_sleep(chance(10));
    }
}

/* ------------------------------------------------------------ the conductor */

static void wait_for_down(es_ref ref)
{
    es_term reason;
    es_receive
        es_case(ES_TUPLE(es_am_DOWN, ref, ES_ANY, ES_ANY, &reason))
            CHECK(is_struck(reason) || es_is(reason, es_am_normal) ||
                      es_match(reason, ES_TUPLE(es_am_badarg, ES_ANY)),
                  "%s", shown(reason));
}

static void conducts(void *unused)
{
    (void)unused;
    conductor = es_self();
    for (int i = 0; i < WORKERS; i++)
        workers[i].pid = es_spawn_opt(ES_WITH(.monitor = &workers[i].ref), works, &workers[i]);
    for (int i = 0; i < WARDENS; i++)
        es_spawn_monitor(&wardens[i].ref, guards, i);
    for (int i = 0; i < WARDENS; i++)
        wait_for_down(wardens[i].ref);
    wait_until_faults_are_over();
    for (int i = 0; i < WORKERS; i++) {
        int64_t done = workers[i].work_done;
        es_sleep(1000);
        CHECK(!es_is_alive(workers[i].pid) || workers[i].work_done > done, "%d does nothing any more", i);
        es_send(workers[i].pid, finish);
        wait_for_down(workers[i].ref);
    }
    es_err error = es_mutex_lock(&lock);
    CHECK(error == ES_ECLOSED || !is_half_done, "es_mutex_lock() gave %d", error);
    es_mutex_unlock(&lock);
}

int main(void)
{
    return play(conducts, ES_FAULTS_ORDER | ES_FAULTS_PROCESSES);
}
