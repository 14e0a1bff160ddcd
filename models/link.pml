/* link.pml - the protocol of link/link.c between two processes that link, unlink and end as they like.
 *
 * Each has its half of the link: none, LINKED, or UNLINKING until the answer with that id comes. The inbox is a queue here (inbox.pml and
 * direct.pml prove that it is one); a push to who has closed is answered by who pushes. A step is one call, one arrival or one part of the
 * end: each touches what is its own, and one inbox. One of them may trap, so that it hears of an end and lives on; the other ends with it.
 *
 * Proved, of both: no EXIT after es_unlink() has returned, unless one of them linked again since; one EXIT a link at most, and one if the
 * other ended and nobody unlinked; when nothing is under way both are linked or neither is, and with nobody who is dead.
 * BUG=1  an ACK takes the half away whatever its id
 * BUG=2  es_unlink() takes the half away at once, and awaits nothing
 * BUG=3  a LINK_EXIT counts while UNLINKING
 * BUG=4  who meets nobody does not answer an UNLINK
 * BUG=5  an UNLINK takes away a half that is UNLINKING
 * BUG=6  linking again while UNLINKING sends no LINK
 * BUG=7  who ends does not answer what it had not looked at */
#define NONE   0
#define LINKED 1
#define CALLS  4
#ifndef BUG
#define BUG 0
#endif
mtype = { LINK, UNLINK, ACK, LINK_EXIT };

chan inbox[2] = [8] of { mtype, byte };   /* what came; when it is closed: what is left to answer */
bool is_closed[2], is_doomed[2], traps[2];
byte half[2];                             /* NONE, LINKED, or the id of the UNLINK, from 2 on */
byte calls[2], unlink_id[2];
byte pending[2];                          /* UNLINKs of this one that the other has not answered yet */
bool may[2];                              /* may an EXIT come: it linked, or the other did, since it unlinked */
bool is_owed[2];                          /* must one come if the other ends: linked, and nobody unlinked since */

/* signal.c, push_signal(), with kind->nobody of `kind`: its answer comes from here, into the own inbox or to nobody either. */
inline send(to, kind, number)
{
    if
    :: !is_closed[to] -> inbox[to]!kind, number
    :: else -> answer_for_nobody(to, kind, number)
    fi
}

inline answer_for_nobody(to, kind, number)
{
    if
    :: kind == LINK && !is_closed[1 - to] -> inbox[1 - to]!LINK_EXIT, 0                    /* link_meets_nobody */
    :: kind == UNLINK -> pending[1 - to]--; if :: !is_closed[1 - to] && BUG != 4 -> inbox[1 - to]!ACK, number :: else fi  /* unlink_answer */
    :: else
    fi
}

/* es_link(), link_make(): settles if nobody is there, so that the next thing is what came. */
inline link()
{
    d_step {
        may[me] = true; is_owed[me] = true;
        if :: pending[other] == 0 -> may[other] = true; is_owed[other] = true :: else fi
    };
    if
    :: half[me] == LINKED
    :: BUG == 6 && half[me] > LINKED -> half[me] = LINKED
    :: else -> half[me] = LINKED; send(other, LINK, 0)
    fi
}

/* es_unlink(), link_unmake() */
inline unlink()
{
    if
    :: half[me] == LINKED ->
        may[me] = false; is_owed[me] = false;
        unlink_id[me]++;
        half[me] = (BUG == 2 -> NONE : LINKED + unlink_id[me]);
        pending[me]++;
        send(other, UNLINK, LINKED + unlink_id[me])
    :: else
    fi
}

inline handle()
{
    inbox[me]?kind, number;
    if
    :: kind == LINK -> if :: half[me] == NONE -> half[me] = LINKED :: else fi
    :: kind == UNLINK ->
        is_owed[me] = false;
        pending[other]--;
        if :: half[me] == LINKED || BUG == 5 -> half[me] = NONE :: else fi;
        send(other, ACK, number)
    :: kind == ACK -> if :: half[me] == number || (BUG == 1 && half[me] != NONE) -> half[me] = NONE :: else fi
    :: kind == LINK_EXIT ->
        if
        :: half[me] == LINKED || (BUG == 3 && half[me] != NONE) ->
            half[me] = NONE;
            assert(may[me]);
            may[me] = false; is_owed[me] = false;
            if :: !traps[me] -> is_doomed[me] = true :: else fi
        :: else
        fi
    fi;
    kind = 0; number = 0
}

proctype Process(byte me)
{
    byte other = 1 - me, number;
    mtype kind;
end:    do
    :: atomic { !is_doomed[me] && nempty(inbox[me]) -> handle() }
    :: atomic { !is_doomed[me] && calls[me] < CALLS -> calls[me]++; if :: link() :: unlink() fi }
    :: atomic { is_doomed[me] || calls[me] < CALLS -> is_closed[me] = true }               /* end.c, close_inbox() */
        break
    od;
    atomic {                                                                               /* tell_bonds(), link_ended() */
        if :: half[me] == LINKED -> send(other, LINK_EXIT, 0) :: else fi;
        half[me] = NONE
    };
    do                                                                                     /* answer_rest() */
    :: atomic { nempty(inbox[me]) -> inbox[me]?kind, number; if :: BUG != 7 -> answer_for_nobody(me, kind, number) :: else fi; kind = 0; number = 0 }
    :: empty(inbox[me]) -> break
    od
}

#define IS_QUIET (empty(inbox[0]) && empty(inbox[1]))
#define FITS(a, b) (half[a] <= LINKED && half[a] == half[b] && (!is_owed[a] || is_closed[a] || (half[a] == LINKED && !is_closed[b])))

init
{
    atomic { if :: traps[0] = true :: skip fi; run Process(0); run Process(1) };
    /* nothing is under way, in nobody's end either: a process that stands there has closed and its half is not gone, or it is over */
    atomic { IS_QUIET && timeout -> assert(FITS(0, 1) && FITS(1, 0)) }
}
