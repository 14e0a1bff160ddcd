/* steal.pml - who runs whom (proc/schedule/runq.c, scheduler.c): two workers, each with its scheduler's line, its young, its next slot.
 *
 * The first process spawns three more. Each may be woken by one that runs, or from a thread outside, may yield, wait or end. The lists are
 * linked as in base/list.h, each process by its one node; `length` is written under the lock and read without it. Who holds the lock but the
 * thief does all that it does under it in one step. Where the code asks how
 * long somebody waited or whose turn it is, either may be so. How a sleeper is woken in the poller or its park is in sleep.pml.
 *
 * Proved: a process is run by one worker at a time, and stands in one list at most; nobody is lost: when all sleep, nobody is runnable, and
 * lists, lengths and next slots are empty.
 * BUG=1  the thief does not take the lock
 * BUG=2  who lies down looks for backlogs, and not for one process alone in its own queue
 * BUG=3  a theft of the last born does not end its parent's turn: the next child is put behind who is not there
 * BUG=4  who is pushed out of the next slot is not put into the line
 * BUG=5  who yields is in the line before its stack is left
 * BUG=6  a thief gives the first of its loot a turn, and forgets the rest */
#define N        4
#define NONE     N
#define LINE(k)  (N + k)
#define YOUNG(k) (N + 2 + k)
#define IS_EMPTY(list) (after[list] == list)
#define HAS_BACKLOG(k) (length[k] > 1 || (length[k] == 1 && is_starving))
#ifndef BUG
#define BUG 0
#endif
mtype = { UNBORN, ALIVE, WAITING, GONE };

mtype state[N];
bool runs[N];
byte after[N + 4], before[N + 4];         /* esi_list: `next` and `prev` */
byte length[2], slot[2], parent[2], last_born[2], idle_count = 0, born = 1;
bool is_locked[2], is_idle[2], is_starving = false;
byte yields = 0, waits = 0;

hidden byte front, back;
inline insert_behind(place, n)
{
    assert(after[n] == n);
    front = place; back = after[front];
    after[n] = back; before[n] = front; before[back] = n; after[front] = n
}
inline remove(n)
{
    front = before[n]; back = after[n];
    after[front] = back; before[back] = front; after[n] = n; before[n] = n
}

inline rouse_one()
{
    if
    :: idle_count > 0 ->
        if
        :: is_idle[0] -> atomic { if :: is_idle[0] -> is_idle[0] = false; idle_count-- :: else fi }
        :: else -> atomic { if :: is_idle[1] -> is_idle[1] = false; idle_count-- :: else fi }
        fi
    :: else
    fi
}

/* esi_runq_push() */
inline put(k, n)
{
    atomic { !is_locked[k]; insert_behind(before[LINE(k)], n); length[k]++; is_long = (length[k] == 2) };
    if :: is_long -> rouse_one() :: else fi;
    is_long = false
}

/* esi_make_runnable(n, true) */
inline make_next(n)
{
    atomic { other = slot[me]; slot[me] = n };
    if :: other != NONE && BUG != 4 -> put(me, other) :: else fi;
    other = NONE
}

/* The same of a thread that is no worker. */
proctype Outside()
{
    bool is_long;
    if
    :: atomic { state[1] == WAITING -> state[1] = ALIVE }; put(0, 1); rouse_one()
    :: is_starving = true; rouse_one()                                  /* the watchdog */
    fi
}

/* esi_make_runnable_new(), esi_runq_put_young() */
inline spawn()
{
    atomic { other = born; born++; state[other] = ALIVE };
    if
    :: slot[me] == NONE -> atomic { slot[me] = other; other = NONE }
    :: else ->
        atomic {
            !is_locked[me];
            if
            :: parent[me] == 1 + p -> insert_behind(last_born[me], other)
            :: else -> insert_behind(YOUNG(me), other)
            fi;
            last_born[me] = other; parent[me] = 1 + p; length[me]++; other = NONE
        }
    fi
}

/* esi_runq_take(): one of the line or of the young, which may have become old enough for the line. */
inline take()
{
    atomic {
        !is_locked[me];
        if
        :: !IS_EMPTY(LINE(me)) -> p = after[LINE(me)]
        :: !IS_EMPTY(YOUNG(me)) -> p = after[YOUNG(me)]; parent[me] = 0; last_born[me] = 0
        :: !IS_EMPTY(YOUNG(me)) ->                                      /* grow_up() */
            p = before[YOUNG(me)]; parent[me] = 0; last_born[me] = 0;
            remove(p); insert_behind(before[LINE(me)], p); p = after[LINE(me)]
        :: IS_EMPTY(LINE(me)) && IS_EMPTY(YOUNG(me))
        fi;
        if :: p != NONE -> remove(p); length[me]-- :: else fi
    }
}

/* esi_runq_steal(), of the two or fewer that are half of what waits, in two steps each. */
inline loot_one(n)
{
    atomic {
        if
        :: !IS_EMPTY(LINE(1 - me)) -> n = after[LINE(1 - me)]
        :: IS_EMPTY(LINE(1 - me)) && !IS_EMPTY(YOUNG(1 - me)) ->        /* pop_oldest() */
            n = before[YOUNG(1 - me)];
            if :: BUG != 3 -> parent[1 - me] = 0; last_born[1 - me] = 0 :: else fi
        :: else
        fi
    };
    atomic { if :: n != NONE -> remove(n); got++ :: else fi }
}

inline steal()
{
    atomic {
        if
        :: BUG == 1 -> half = (length[1 - me] + 1) / 2
        :: BUG != 1 && !is_locked[1 - me] -> half = (length[1 - me] + 1) / 2; is_locked[1 - me] = (half > 0)
        :: else
        fi
    };
    if
    :: half > 0 ->
        loot_one(p);
        if :: half > 1 -> loot_one(rest) :: else fi;
        atomic {
            length[1 - me] = length[1 - me] - got; got = 0; half = 0;
            if :: BUG != 1 -> is_locked[1 - me] = false :: else fi
        };
        if :: rest != NONE && BUG != 6 -> put(me, rest) :: else fi;
        rest = NONE
    :: else
    fi
}

/* A slice of `p`, and worker.c, serve(). */
inline run_it()
{
    atomic { assert(!runs[p] && state[p] == ALIVE); runs[p] = true };
    do
    :: p == 0 && born < N -> spawn()
    :: atomic { state[0] == WAITING -> state[0] = ALIVE }; make_next(0)
    :: atomic { state[1] == WAITING -> state[1] = ALIVE }; make_next(1)
    :: true -> break
    od;
    if
#if BUG == 5
    :: atomic { yields < 1 -> yields++ }; put(me, p); runs[p] = false
#else
    :: atomic { yields < 1 -> yields++; runs[p] = false }; put(me, p)
#endif
    :: atomic { p < 2 && waits < 1 -> waits++; runs[p] = false; state[p] = WAITING }
    :: atomic { runs[p] = false; state[p] = GONE }
    fi
}

proctype Worker(byte me)
{
    byte p = NONE, other = NONE, rest = NONE, got, half;
    bool is_long;
    do
    ::  atomic { p = slot[me]; slot[me] = NONE };                       /* pick_next(): it may run, or its slice is over */
        if
        :: p != NONE
        :: p != NONE -> put(me, p); p = NONE
        :: p == NONE
        fi;
        if :: p == NONE && length[me] > 0 -> take() :: else fi;
        if :: p == NONE && HAS_BACKLOG(1 - me) -> steal() :: else fi;
        if
        :: p != NONE -> run_it(); p = NONE
        :: else ->                                                      /* esi_scheduler_sleep() */
            atomic { idle_count++; is_idle[me] = true };
            if
            :: HAS_BACKLOG(0) || HAS_BACKLOG(1) || (length[me] > 0 && BUG != 2)
            :: else ->
end:            !is_idle[me]
            fi;
            atomic { if :: is_idle[me] -> is_idle[me] = false; idle_count-- :: else fi }
        fi
    od
}

init
{
    byte i = 0;
    atomic {
        do :: i < N + 4 -> after[i] = i; before[i] = i; i++ :: else -> break od;
        slot[0] = 0; slot[1] = NONE;
        state[0] = ALIVE; state[1] = UNBORN; state[2] = UNBORN; state[3] = UNBORN;
        run Worker(0); run Worker(1); run Outside()
    };
    atomic {
        timeout -> i = 0;
        do
        :: i < N -> assert(state[i] != ALIVE && after[i] == i && !runs[i]); i++
        :: else -> break
        od;
        assert(length[0] == 0 && length[1] == 0 && slot[0] == NONE && slot[1] == NONE);
        assert(IS_EMPTY(LINE(0)) && IS_EMPTY(LINE(1)) && IS_EMPTY(YOUNG(0)) && IS_EMPTY(YOUNG(1)))
    }
}
