/* hand_over.pml - how a worker and the watchdog agree on who holds the scheduler (proc/enter.c, proc/schedule/crew.c).
 *
 *   worker, entering the runtime:   in_runtime = 1; barrier; lost?  then, under the lock: what was decided, and taking note of it
 *   watchdog, under the lock:       lost = what; barrier; in_runtime?  then: put back as it was, or: look again, and give away or strand
 *
 * Proved: the scheduler has one user at a time; who uses it holds it; a worker waits as stranded only if it was stranded; nobody is
 * stranded for what another slice did.
 * BUG=1  the worker waits for the lock, and looks at `lost` after it gave it back: an attempt under way then counts as decided
 * BUG=2  an attempt that fails sets `lost` to NOT instead of what it was
 * BUG=3  the watchdog does not look again at what it read before it caught the worker */
#define NOT       0
#define SCHEDULER 1
#define STRANDED  2
#define NOBODY    0
#define WORKER    1
#define SPARE     2
#ifndef BUG
#define BUG 0
#endif
#define SLICES    3
#define ATTEMPTS  4

byte lost = NOT, holder = WORKER, lent = NOBODY, users = 0, slice = 0;
bool in_runtime = true, is_locked = false, is_stranded = false, is_over = false;

inline lock() { atomic { !is_locked -> is_locked = true } }
inline unlock() { is_locked = false }
inline use() { users++; assert(users == 1); users-- }

proctype Worker()
{
    byte decided;
    do
    :: slice < SLICES ->
        slice++;
        in_runtime = false;                     /* leave: user code runs ... */
        do                                      /* ... and may be interrupted by the kill signal, which finds nothing to do */
        :: in_runtime = true; in_runtime = false
        :: break
        od;
        in_runtime = true;                      /* enter */
        decided = NOT;
        if
        :: lost != NOT ->
#if BUG == 1
            lock(); unlock();
            decided = lost;
            if :: decided == SCHEDULER -> lost = NOT :: else fi
#else
            lock();
            decided = lost;
            if :: decided == SCHEDULER -> lost = NOT :: else fi;
            unlock()
#endif
        :: else
        fi;
        if
        :: decided == STRANDED -> lock(); assert(is_stranded); unlock(); goto over
        :: else
        fi;
        if
        :: decided == SCHEDULER && holder != WORKER ->
            /* among the spares, until it is lent one */
            atomic { lent == NOBODY && holder == NOBODY -> holder = WORKER }
        :: else
        fi;
        assert(holder == WORKER);
        use()
    :: else -> break
    od;
over:
    is_over = true
}

/* Uses the scheduler that it gets, and lets it be lent again. */
proctype Spare()
{
    do
    :: holder == SPARE -> use(); atomic { holder = NOBODY }
    :: is_over -> break
    od
}

proctype Watchdog()
{
    byte i = 0, before, seen_slice;
    bool seen_holds, may;
    do
    :: i < ATTEMPTS && !is_over ->
        i++;
        seen_slice = slice;
        if
        :: lock();                                              /* hand over */
            seen_holds = (holder == WORKER);
            if
            :: seen_holds && lost == NOT ->
                lost = SCHEDULER;
                if
                :: !in_runtime ->
                    assert(holder == WORKER || BUG == 0);
                    if
                    :: holder == WORKER -> holder = SPARE
                    :: else -> lost = NOT
                    fi
                :: else -> lost = NOT
                fi
            :: else
            fi;
            unlock()
        :: seen_slice > 0 -> lock();                            /* strand who ran slice `seen_slice` */
            seen_holds = (holder == WORKER);
            if
            :: !seen_holds ->
                before = lost;
                lost = STRANDED;
                if
                :: !in_runtime ->
#if BUG == 3
                    may = true;
#else
                    may = (slice == seen_slice && holder != WORKER);
#endif
                    if
                    :: may -> assert(slice == seen_slice); is_stranded = true; unlock(); break
                    :: else -> lost = (holder == WORKER -> NOT : SCHEDULER)
                    fi
                :: else ->
#if BUG == 2
                    lost = NOT
#else
                    lost = before
#endif
                fi
            :: else
            fi;
            unlock()
        fi
    :: else -> break
    od
}

init
{
    atomic { run Worker(); run Spare(); run Watchdog() };
    (is_over || is_stranded)
}
