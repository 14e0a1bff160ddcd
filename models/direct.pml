/* direct.pml - a message that goes past the inbox (proc/mailbox/signal.c, arrive_at_sleeper()), beside pushes, signals and the parker.
 *
 * Senders send blocks in order, each a message, a signal, or a signal that may go straight, as it comes. Of messages and of what may go straight
 * the sender first tries to wake: who does holds the receiver, puts the block into its mailbox and then queues it; else it is pushed. A signal
 * that is pushed sets its flag behind that. The
 * receiver takes the inbox whole, and looks at one block a slice, so that what it took may outlast its slice. The word's parts as in
 * inbox_park.pml.
 *
 * Proved: nobody touches the mailbox while another does; of each sender all arrives, once and in the order sent; nobody is queued
 * twice or runs twice; no wake-up is lost.
 * BUG=1  the message is put into the mailbox before the wake: another may have woken the receiver, and it runs
 * BUG=2  the receiver is queued before the message is in its mailbox
 * BUG=3  it parks with blocks taken and not looked at: nobody wakes it for them, and what goes past them overtakes */
#define EMPTY   1
#define WAITING 2
#define CHAIN   3
#ifndef BUG
#define BUG 0
#endif
#ifndef N
#define N 2
#endif

byte word = EMPTY;
chan inbox = [2 * N] of { byte, byte };   /* the chain, and what was taken: sender and number, oldest first */
chan taken = [2 * N] of { byte, byte };
bool signals = false;
byte mailbox = 0;                         /* how many arrived */
byte next[2];                             /* the number that is due, of each sender */
bool is_touched = false, is_queued = true, runs = false;

/* On behalf of the receiver, in two steps, between which nobody else may come. */
inline arrive(sender, number)
{
    atomic { assert(!is_touched); is_touched = true };
    atomic { assert(number == next[sender]); next[sender]++; mailbox++; is_touched = false }
}

inline make_runnable()
{
    atomic { assert(!is_queued); is_queued = true }
}

inline wake()
{
    atomic { won = (word == WAITING); if :: won -> word = EMPTY :: else fi }
}

inline push(sender, number)
{
    atomic { won = (word == WAITING); word = CHAIN; inbox!sender, number }
}

proctype Sender(byte me)
{
    byte i = 0;
    bool won, is_direct, is_signal;
    do
    :: i < N ->
        atomic {
            won = false;
            if
            :: is_direct = true; is_signal = false
            :: is_direct = false; is_signal = true
            :: is_direct = true; is_signal = true
            fi
        };
        if
        :: is_direct ->
#if BUG == 1
            if
            :: word == WAITING -> arrive(me, i); wake(); if :: won -> make_runnable() :: else fi; won = true
            :: else
            fi
#elif BUG == 2
            wake();
            if
            :: won -> make_runnable(); arrive(me, i)
            :: else
            fi
#else
            wake();
            if
            :: won -> arrive(me, i); make_runnable()
            :: else
            fi
#endif
        :: else
        fi;
        if
        :: !won ->
            push(me, i);
            if
            :: is_signal -> signals = true
            :: else
            fi;
            if
            :: won -> make_runnable()
            :: else
            fi
        :: else
        fi;
        atomic { i++; is_direct = false; is_signal = false; won = false }
    :: else -> break
    od
}

proctype Scheduler()
{
    byte sender, number;
    bool won;
    do
    :: atomic { is_queued -> is_queued = false; assert(!runs && !is_touched); runs = true };
        signals = false;
        /* all that is in the inbox, behind what was taken before */
        atomic {
            do
            :: inbox?sender, number -> taken!sender, number
            :: empty(inbox) -> break
            od;
            sender = 0; number = 0;
            if :: word == CHAIN -> word = EMPTY :: else fi
        };
        if
        :: nempty(taken) -> taken?sender, number; arrive(sender, number); atomic { sender = 0; number = 0 }
        :: empty(taken)
        fi;
        if
        :: mailbox == 2 * N -> break
        :: else
        fi;
        if
        :: nempty(taken) && BUG != 3 -> atomic { runs = false; make_runnable() }
        :: else ->
            atomic { runs = false; won = (word == EMPTY); if :: won -> word = WAITING :: else fi };
            if
            :: !won -> make_runnable()
            :: else ->
                if
                :: signals -> wake(); if :: won -> make_runnable() :: else fi
                :: else
                fi
            fi
        fi
    :: mailbox == 2 * N -> break
    od
}

init
{
    atomic { run Sender(0); run Sender(1); run Scheduler(); run Scheduler() };
    _nr_pr == 1;
    assert(mailbox == 2 * N && empty(inbox) && empty(taken))
}
