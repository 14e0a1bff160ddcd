/* sleep.pml - how schedulers go to sleep (proc/schedule/scheduler.c) while others push to a queue, ask for a scheduler, or look at the poller.
 *
 *   sleeper:  is_idle = 1; look at queues and `wanted`; sleep, one in the poller, the others each in its own park
 *   pusher:   lengthen the queue; an idle one? is_idle = 0, and wake it: by the poller's interrupt, by its park
 *
 * One process alone in a queue is left to its holder. Proved: what is pushed is run and who wants a scheduler is served, for
 * nobody sleeps for ever before.
 * BUG=1  the sleeper looks before it announces itself
 * BUG=2  a look at the poller beside the sleeper there takes his interrupt
 * BUG=3  the sleeper does not look at `wanted` */
#ifndef BUG
#define BUG 0
#endif
#define PUSHES 1
#define LOOKS  1

byte queue[2], idle_count = 0, polling = 0, run_count = 0, served = 0, looks = 0;
bool is_idle[2], permit[2], interrupt = false, wanted = false;

#define ALL_DONE (run_count == PUSHES && served == 1)

inline rouse(k)
{
    atomic { was_idle = is_idle[k]; is_idle[k] = false };
    if
    :: was_idle ->
        idle_count--;
        if :: polling == k + 1 -> interrupt = true :: else fi;
        permit[k] = true
    :: else
    fi
}

inline rouse_one()
{
    if
    :: idle_count > 0 ->
        if
        :: is_idle[0] -> rouse(0)
        :: else -> if :: is_idle[1] -> rouse(1) :: else fi
        fi
    :: else
    fi
}

proctype Pusher()
{
    bool was_idle;
    queue[0]++;
    rouse_one()
}

proctype Wanter()
{
    bool was_idle;
    wanted = true;
    rouse_one()
}

proctype Scheduler(byte me)
{
    bool was_idle, came;
    do
    :: ALL_DONE -> break
    :: else ->
        /* a round of the loop */
        if
        :: atomic { wanted -> wanted = false; served++ }
        :: else
        fi;
        if
        :: looks < LOOKS ->                     /* it looks at the poller now and then */
            looks++;
#if BUG == 2
            interrupt = false
#else
            if
            :: atomic { polling == 0 -> polling = me + 1 }; interrupt = false; polling = 0
            :: else
            fi
#endif
        :: true
        fi;
        if
        :: atomic { queue[me] > 0 -> queue[me]--; run_count++ }
        :: atomic { queue[1 - me] > 1 -> queue[1 - me]--; run_count++ }
        :: else ->
            /* nothing to do: sleep */
#if BUG == 1
            came = (queue[me] > 0 || queue[1 - me] > 1 || wanted || ALL_DONE);
            idle_count++;
            is_idle[me] = true;
#else
            idle_count++;
            is_idle[me] = true;
            came = (queue[me] > 0 || queue[1 - me] > 1);
#if BUG != 3
            came = came || wanted;
#endif
#endif
            if
            :: came
            :: else ->
                if
                :: atomic { polling == 0 -> polling = me + 1 };
                    if
                    :: is_idle[me] ->
                        if
                        :: atomic { interrupt -> interrupt = false }
                        :: ALL_DONE
                        fi
                    :: else
                    fi;
                    polling = 0
                :: else ->
                    if
                    :: atomic { permit[me] -> permit[me] = false }
                    :: ALL_DONE
                    fi
                fi
            fi;
            atomic { was_idle = is_idle[me]; is_idle[me] = false };
            if :: was_idle -> idle_count-- :: else fi
        fi
    od
}

init
{
    byte i = 0;
    atomic {
        run Scheduler(0); run Scheduler(1); run Wanter();
        do :: i < PUSHES -> run Pusher(); i++ :: else -> break od
    }
}
