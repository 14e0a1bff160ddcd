/* monitor_flush.pml - monitors as in link/monitor.c: a watcher makes, takes down and flushes them as it likes; either may end at any moment.
 *
 * A monitor is a bond in the watcher and one in the watched, both under its reference. The inboxes are queues here (inbox.pml and direct.pml
 * prove that they are); a push to who has closed is answered by who pushes. A step is one call, one arrival or one part of an end: each touches
 * what is its own, and one inbox.
 *
 * Proved: no DOWN arrives when es_demonitor() has returned, and none is in the mailbox if it flushed; for a monitor that was not taken
 * down, one DOWN, if the watched ended or was not there, and never a second; when nothing is under way both bonds are there or neither is,
 * and none with who is dead.
 * BUG=1  a DOWN becomes a message whether the watcher's bond is there or not
 * BUG=2  who flushes does not look into the mailbox when the bond is gone
 * BUG=3  a MONITOR that meets nobody is not answered
 * BUG=4  a watcher that ends sends no DEMONITOR
 * BUG=5  who ends does not answer what it had not looked at
 * BUG=6  the watched tells its watchers before it closes, and closes then; what comes between is a bond that nobody tells */
#define WATCHER  0
#define WATCHED  1
#define MONITORS 2
#define CALLS    3
#ifndef BUG
#define BUG 0
#endif
mtype = { MONITOR, DEMONITOR, DOWN };

chan inbox[2] = [8] of { mtype, byte };   /* what came; when it is closed: what is left to answer */
bool is_closed[2];
bool watches[MONITORS], is_watched[MONITORS];   /* the bonds, by reference */
byte made = 0, mailbox[MONITORS], downs[MONITORS];
bool is_taken_down[MONITORS], is_flushed[MONITORS];

/* signal.c, push_signal(). Only a MONITOR is answered where nobody is: monitor_meets_nobody(), with a DOWN to who sent it. */
inline send(to, kind, ref)
{
    if
    :: !is_closed[to] -> inbox[to]!kind, ref
    :: else -> answer_for_nobody(kind, ref)
    fi
}

inline answer_for_nobody(kind, ref)
{
    if
    :: kind == MONITOR && !is_closed[WATCHER] && BUG != 3 -> inbox[WATCHER]!DOWN, ref
    :: else
    fi
}

/* down_arrives() */
inline down_arrives(ref)
{
    if
    :: watches[ref] || BUG == 1 ->
        watches[ref] = false;
        mailbox[ref]++; downs[ref]++;
        assert(downs[ref] == 1 && !is_taken_down[ref])
    :: else
    fi
}

/* es_demonitor(), esi_monitor_remove(), flush_down() */
inline demonitor(ref)
{
    if
    :: watches[ref] -> watches[ref] = false; send(WATCHED, DEMONITOR, ref)
    :: !watches[ref] && flushes && BUG != 2 -> mailbox[ref] = 0
    :: !watches[ref] && !(flushes && BUG != 2)
    fi;
    is_taken_down[ref] = true;
    assert(!flushes || mailbox[ref] == 0)
}

/* end.c, answer_rest() */
inline answer_rest(me)
{
    do
    :: atomic { nempty(inbox[me]) -> inbox[me]?kind, ref; if :: BUG != 5 -> answer_for_nobody(kind, ref) :: else fi; kind = 0; ref = 0 }
    :: empty(inbox[me]) -> break
    od
}

#define MAY_TAKE_DOWN(r) (r < made && !is_taken_down[r])

proctype Watcher(bool is_mortal)
{
    byte ref, calls;
    bool flushes;
    mtype kind;
end:    do
    :: atomic { calls < CALLS && made < MONITORS ->                      /* monitor_make() */
        calls++; made++; watches[made - 1] = true; send(WATCHED, MONITOR, made - 1) }
    :: atomic { calls < CALLS && (MAY_TAKE_DOWN(0) || MAY_TAKE_DOWN(1)) -> calls++;
        if :: MAY_TAKE_DOWN(0) :: MAY_TAKE_DOWN(1) -> ref = 1 fi;
        if :: flushes = true :: flushes = false fi;
        demonitor(ref);
        ref = 0; flushes = false }
    :: atomic { nempty(inbox[WATCHER]) -> inbox[WATCHER]?kind, ref; assert(kind == DOWN); down_arrives(ref); kind = 0; ref = 0 }
    :: is_mortal -> is_closed[WATCHER] = true; break
    od;
    do                                                                      /* tell_bonds(), watcher_ended() */
    :: atomic { ref < MONITORS -> if :: watches[ref] && BUG != 4 -> send(WATCHED, DEMONITOR, ref) :: else fi; watches[ref] = false; ref++ }
    :: ref == MONITORS -> break
    od;
    ref = 0;
    answer_rest(WATCHER)
}

proctype Watched(bool is_mortal)
{
    byte ref, late;
    mtype kind;
end:    do
    :: atomic { nempty(inbox[WATCHED]) -> inbox[WATCHED]?kind, ref; is_watched[ref] = (kind == MONITOR); kind = 0; ref = 0 }
    :: is_mortal && BUG != 6 -> is_closed[WATCHED] = true; break
    :: is_mortal && BUG == 6 -> break
    od;
    do                                                                      /* tell_bonds(), watched_ended() */
    :: atomic { ref < MONITORS -> if :: is_watched[ref] -> send(WATCHER, DOWN, ref) :: else fi; is_watched[ref] = false; ref++ }
    :: atomic { BUG == 6 && nempty(inbox[WATCHED]) -> inbox[WATCHED]?kind, late; is_watched[late] = (kind == MONITOR); kind = 0; late = 0 }
    :: ref == MONITORS -> break
    od;
    ref = 0;
#if BUG == 6
    is_closed[WATCHED] = true;
#endif
    answer_rest(WATCHED)
}

#define FITS(r) (watches[r] == is_watched[r] && (!watches[r] || !(is_closed[0] || is_closed[1])) && \
    (r >= made || is_closed[WATCHER] || is_taken_down[r] || watches[r] || downs[r] == 1))

init
{
    atomic {
        if :: run Watcher(true) :: run Watcher(false) fi;
        if :: run Watched(true) :: run Watched(false) fi
    };
    /* Nobody can go on: all that was under way has arrived, and who is to end has ended. */
    atomic { timeout -> assert(empty(inbox[0]) && empty(inbox[1]) && FITS(0) && FITS(1)) }
}
