/* inbox.pml - the chain of proc/mailbox/inbox.h across the end of its owner and the beginning of the next in the same control block.
 *
 * Two pushers send to the process with the id 1, then to the one with the id 2, which gets 1's block when it is gone; of the first pusher it
 * is a signal, whose flag is set behind the push (signal.c, push_signal). A waker wakes who waits for what it made true (wake.c), and may come
 * so late that another lives there. Process 1 ends when it sees that, or at any time before; 2 when it has both messages. Each step is
 * one access to what others touch; the chain is a chain, and a block that was freed is used again. Order is proved in direct.pml.
 *
 * Proved: each block is answered once: by who lives with that id, or as nobody's, and so only when that one has closed; nobody is
 * queued twice or runs twice; no wake-up is lost.
 * BUG=1  the generation is checked before the push, and nobody looks at the block's `to` when it arrives
 * BUG=2  the owner closes by a load and a store, not by an exchange
 * BUG=3  it parks and does not look at the flags again */
#define CLOSED  0
#define EMPTY   1
#define WAITING 2
#define CHAIN   3                         /* and more: CHAIN + the newest block */
#define BLOCKS  4
#ifndef BUG
#define BUG 0
#endif

byte word = EMPTY, id = 1;                /* what is published */
bool woken = false, signals = false, is_true = false;
byte next[BLOCKS], to[BLOCKS];            /* of blocks; to: 0: free */
byte lives = 1, born = 1, got2 = 0;
bool has_closed = false;                  /* process 1 */
bool is_queued = true, runs = false, is_over = false;

inline make_runnable() { atomic { assert(!is_queued && !runs && lives != 0); is_queued = true } }

inline answer_for_nobody(b) { d_step { assert(to[b] == 1 && has_closed); to[b] = 0 } }

/* signal.c, arrive(): on behalf of who lives here. */
inline arrive(b)
{
    if
    :: BUG != 1 && to[b] != id -> answer_for_nobody(b)
    :: else -> d_step { assert(to[b] == lives); if :: lives == 2 -> got2++ :: else fi; to[b] = 0 }
    fi
}

inline wake() { d_step { won = (word == WAITING); if :: won -> word = EMPTY :: else fi } }

proctype Pusher(bool is_signal)
{
    byte b, top, target = 1;
    bool won;
    do
    :: target <= born ->
        atomic {
            b = 0; do :: to[b] != 0 -> b++ :: else -> break od; to[b] = target;
            if                                                          /* esi_signal_push_at: the hint */
            :: id != target -> answer_for_nobody(b); goto done
            :: else
            fi
        };
        if                                                              /* arrive_at_sleeper */
        :: !is_signal && word == WAITING ->
            wake();
            atomic { if :: won -> arrive(b); make_runnable(); goto done :: else fi }
        :: else
        fi;
again:  atomic {                                                        /* esi_inbox_push */
            top = word; next[b] = (top >= CHAIN -> top : 0);
            if :: top == CLOSED -> answer_for_nobody(b); goto done :: else fi
        };
        atomic { if :: word == top -> word = CHAIN + b :: else -> goto again fi };
        if :: is_signal -> signals = true :: else fi;
        won = (top == WAITING);
        atomic { if :: won -> make_runnable() :: else fi; goto done };
done:   atomic { target++; b = 0; top = 0; won = false };
        if :: target > 2 -> break :: else fi
    od
}

proctype Waker()
{
    bool won;
    is_true = true;
    woken = true;
    wake();
    if :: won -> make_runnable() :: else fi
}

/* signal.c, turn() and what follows, of a chain that is the owner's: answered as nobody's, or handled. */
inline work_off(handles)
{
    d_step { last = 0; do :: top >= CHAIN -> b = top - CHAIN; top = next[b]; next[b] = last; last = CHAIN + b :: else -> break od; b = 0 };
    do
    :: last != 0 -> b = last - CHAIN; last = next[b]; next[b] = 0; if :: handles -> arrive(b) :: else -> answer_for_nobody(b) fi
    :: else -> break
    od
}

proctype Scheduler()
{
    byte top, last, b;
    bool won, saw;
    do
    :: atomic { is_queued -> is_queued = false; assert(!runs); runs = true };
        woken = false;                                                  /* esi_slice_begin */
        signals = false;                                                /* esi_signals_take */
        atomic { top = word; if :: top >= CHAIN -> word = EMPTY :: else fi; work_off(true) };
        saw = is_true;
        if
        :: (lives == 1) || (got2 == 2) ->                             /* end.c */
#if BUG == 2
            top = word;
            atomic { word = CLOSED; has_closed = true; work_off(false) };
#else
            atomic { top = word; word = CLOSED; has_closed = true; work_off(false) };
#endif
            atomic { id = 0; runs = false; lives = (lives == 1 -> 2 : 0) };       /* esi_table_give */
            if :: lives == 0 -> is_over = true; break :: else fi;
            id = 2;                                                     /* esi_table_take; spawn.c, init_published() */
            d_step { woken = false; signals = false };
            word = EMPTY;                                               /* esi_inbox_open */
            d_step { born = 2; saw = false };
            make_runnable()
        :: (lives == 1 && !saw) || (lives == 2 && got2 < 2) ->        /* worker.c, park() */
            d_step { runs = false; won = (word == EMPTY); if :: won -> word = WAITING :: else fi };
            if
            :: !won -> make_runnable()
            :: won && BUG != 3 && (woken || signals) -> wake(); if :: won -> make_runnable() :: else fi
            :: else
            fi
        fi;
        d_step { top = 0; last = 0; b = 0; won = false; saw = false }
    :: is_over -> break
    od
}

init
{
    atomic { run Pusher(true); run Pusher(false); run Waker(); run Scheduler() };
    _nr_pr == 1;
    assert(word == CLOSED && got2 == 2 && to[0] + to[1] + to[2] + to[3] == 0)
}
