/* inbox_park.pml - the word of proc/mailbox/inbox.h with its flag: two senders, one that wakes, one receiver, two schedulers.
 *
 * A message is pushed; a signal is pushed, then its flag is set; a wake-up makes something true, sets WOKEN, then wakes. The receiver
 * takes all, looks, and parks: it publishes WAITING, then looks at the flags. In the end it closes; what is pushed later is answered
 * by who pushes. Each line that touches what others touch is one atomic step, in the order of all seq_cst operations.
 *
 * Proved: nobody is queued twice or runs twice; no wake-up is lost (no end but the good one); each block is answered exactly once.
 * BUG  the flags are not looked at after parking: a wake-up between the look and the sleep is lost. */
#define CLOSED  0
#define EMPTY   1
#define WAITING 2
#define CHAIN   3
#ifndef N
#define N 2
#endif

byte word = EMPTY, in_chain = 0;          /* the inbox, and how many blocks hang on it */
bool signals = false, woken = false;      /* flags */
bool is_true = false;                     /* what the wake-up is for */
byte pushed = 0, handled = 0, refused = 0;
byte runq = 1;
bool is_queued = true, runs = false, is_gone = false;

inline make_runnable()
{
    atomic { assert(!is_queued && !runs && !is_gone); is_queued = true; runq++ }
}

inline push()
{
    atomic {
        won = (word == WAITING);
        if
        :: word == CLOSED -> refused++
        :: else -> word = CHAIN; in_chain++
        fi;
        pushed++
    }
}

proctype Sender(bool is_signal)
{
    byte i = 0;
    bool won;
    do
    :: i < N ->
        push();
        if
        :: is_signal -> signals = true
        :: else
        fi;
        if
        :: won -> make_runnable()
        :: else
        fi;
        i++
    :: else -> break
    od
}

proctype Waker()
{
    bool won;
    is_true = true;
    woken = true;
    atomic { won = (word == WAITING); if :: won -> word = EMPTY :: else fi };
    if
    :: won -> make_runnable()
    :: else
    fi
}

proctype Scheduler()
{
    byte took;
    bool won, saw;
    do
    :: atomic { runq > 0 -> runq--; is_queued = false; assert(!runs); runs = true };
        woken = false;
        /* a slice: the flag of signals first, then the inbox, then what it waits for */
        signals = false;
        atomic { took = in_chain; in_chain = 0; if :: word == CHAIN -> word = EMPTY :: else fi };
        handled = handled + took;
        saw = is_true;
        if
        :: saw && handled > 0 ->                                   /* it has what it waited for, and ends */
            atomic { took = in_chain; in_chain = 0; word = CLOSED };
            handled = handled + took;
            atomic { runs = false; is_gone = true };
            break
        :: else ->
            atomic { runs = false; won = (word == EMPTY); if :: won -> word = WAITING :: else fi };
            if
            :: !won -> make_runnable()                             /* something came: it goes on */
            :: else ->
#ifndef BUG
                if
                :: woken || signals ->
                    atomic { won = (word == WAITING); if :: won -> word = EMPTY :: else fi };
                    if
                    :: won -> make_runnable()
                    :: else                                        /* somebody else woke it, and queues it */
                    fi
                :: else
                fi
#else
                skip
#endif
            fi
        fi
    :: is_gone -> break
    od
}

init
{
    atomic { run Sender(false); run Sender(true); run Waker(); run Scheduler(); run Scheduler() };
    /* A scheduler that waits for work for ever, or a block that nobody answered, is an error. */
    _nr_pr == 1;
    assert(is_gone && handled + refused == 2 * N && in_chain == 0)
}
