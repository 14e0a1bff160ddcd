/* restart.pml - a supervisor's round (supervise/again.c, stop.c, child.c) while its children end as they like, also those that it is just stopping.
 *
 *   stop(i):   watch; unlink; an EXIT that is here is taken, else it is asked to end; its DOWN
 *   start(i):  it is ready, or its init fails: then that is said first, and it ends a little later
 *   round:     stop those whom the strategy takes along, the latest first; start them in order; who does not start is tried again later
 *
 * Links and monitors are as link.pml and monitor_flush.pml prove them: no EXIT after an unlink, one DOWN for a monitor. A child may have unlinked
 * itself, and the parent may end all at any time.
 * Proved, for each strategy: never two instances of a child; when nothing is under way all are up, or the supervisor has ended and nobody
 * is; it never waits for what does not come. (Who unlinked itself may be gone.)
 * BUG=1  who did not start is not waited for
 * BUG=2  who was asked to end is not waited for
 * BUG=3  who did not start is not tried again
 * BUG=4  an EXIT is waited for, not a DOWN
 * BUG=5  an EXIT that came before the unlink is left in the mailbox, and is not compared with whom it is of */
#ifndef BUG
#define BUG 0
#endif
#define N      3
#define DEATHS 3
#define LIMIT  2
mtype = { EXIT, DOWN, TRY, PARENT, one_for_one, one_for_all, rest_for_one };

chan inbox = [16] of { mtype, byte, byte };   /* what, which child, which instance of it */
mtype strategy;
byte alive[N];                                /* instances that exist */
byte instance[N];                             /* the latest */
bool up[N], failing[N], linked[N], watched[N], asked[N], silent[N];
byte believed[N];                                  /* what the supervisor believes: the instance that is up, or 0 */
bool restarting[N];
byte deaths = 0, restarts = 0;
bool is_over = false, may_unlink = true, may_order = true;

#define IS_SETTLED(i) (is_over -> alive[i] == 0 : (silent[i] || (up[i] && alive[i] == 1 && believed[i] == instance[i])))

inline goes(i)
{
    alive[i]--;
    if :: watched[i] -> watched[i] = false; inbox!DOWN, i, instance[i] :: else fi
}

inline ends(i)
{
    up[i] = false;
    if :: linked[i] -> linked[i] = false; inbox!EXIT, i, instance[i] :: else fi;
    goes(i)
}

inline watch(i, which)
{
    atomic { if :: alive[i] -> watched[i] = true :: else -> inbox!DOWN, i, which fi }
}

inline stop(i)
{
    restarting[i] = false;
    if
    :: believed[i] == 0
    :: else ->
#if BUG == 4
        asked[i] = true;
        inbox??EXIT, eval(i), eval(believed[i]);
#else
        watch(i, believed[i]);
        atomic { linked[i] = false; silent[i] = false };
#if BUG == 5
        asked[i] = true;
#else
        if
        :: inbox??[EXIT, eval(i), eval(believed[i])] -> inbox??EXIT, eval(i), eval(believed[i])
        :: else -> asked[i] = true
        fi;
#endif
#if BUG != 2
        inbox??DOWN, eval(i), eval(believed[i]);
#endif
#endif
        believed[i] = 0
    fi
}

/* `is_started`, or it will be tried again. */
inline start(i)
{
    atomic {
        alive[i]++;
        assert(alive[i] == 1);
        instance[i]++;
        asked[i] = false;
        if
        :: up[i] = true; linked[i] = true; is_started = true
        :: deaths < DEATHS -> deaths++; failing[i] = true; is_started = false
        fi
    };
    if
    :: is_started -> believed[i] = instance[i]
    :: else ->
#if BUG != 1
        watch(i, instance[i]);
        inbox??DOWN, eval(i), eval(instance[i]);
#endif
        restarting[i] = true;
#if BUG != 3
        inbox!TRY, i, 0
#endif
    fi
}

proctype Supervisor()
{
    byte i, first, last, which;
    bool is_started;
    i = 0;
    do
    :: i < N -> atomic { alive[i] = 1; instance[i] = 1; up[i] = true; linked[i] = true; believed[i] = 1; i++ }
    :: else -> break
    od;
    run Chance();
end_idle:
    do
    :: inbox?EXIT, first, which ->
        if
        :: believed[first] == which || BUG == 5 -> believed[first] = 0; goto round
        :: else
        fi
    :: inbox?TRY, first, _ ->
        if
        :: restarting[first] -> goto round
        :: else
        fi
    :: inbox?PARENT, _, _ -> goto over
    :: inbox?DOWN, _, _
    od;
round:
    restarting[first] = true;
    if
    :: restarts == LIMIT -> restarting[first] = false; goto over
    :: else -> restarts++
    fi;
    last = first;
    if
    :: strategy == one_for_one
    :: else ->
        last = N - 1;
        if :: strategy == one_for_all -> first = 0 :: else fi;
        i = N;
        do
        :: i > first -> i--; stop(i)
        :: else -> break
        od
    fi;
    i = first;
    do
    :: i <= last ->
        start(i);
        if :: is_started -> restarting[i] = false; i++ :: else -> goto end_idle fi
    :: else -> goto end_idle
    od;
over:
    i = N;
    do
    :: i > 0 -> i--; stop(i)
    :: else -> break
    od;
    is_over = true
}

#define CHANCE(i)                                                                                   \
    :: atomic { up[i] && deaths < DEATHS -> deaths++; ends(i) }                                      \
    :: atomic { up[i] && asked[i] -> ends(i) }                                                       \
    :: atomic { failing[i] -> failing[i] = false; goes(i) }                                          \
    :: atomic { up[i] && linked[i] && may_unlink -> may_unlink = false; linked[i] = false; silent[i] = true }

proctype Chance()
{
end_chance:
    do
    CHANCE(0)
    CHANCE(1)
    CHANCE(2)
    :: atomic { deaths < DEATHS -> deaths = DEATHS }
    :: atomic { may_unlink -> may_unlink = false }
    :: atomic { may_order -> may_order = false; if :: is_over :: else -> if :: inbox!PARENT, 0, 0 :: skip fi fi }
    od
}

init
{
    atomic { if :: strategy = one_for_one :: strategy = one_for_all :: strategy = rest_for_one fi; run Supervisor() };
    atomic { timeout -> assert(IS_SETTLED(0) && IS_SETTLED(1) && IS_SETTLED(2)) }
}
