/* link/reason.h - what an exit signal does to who gets it. Pure. */
#ifndef LINK_REASON_H
#define LINK_REASON_H

#include <engset/term.h>

enum esi_exit_effect { ESI_EXIT_IGNORED, ESI_EXIT_IS_MESSAGE, ESI_EXIT_ENDS };

/* A signal that somebody sent by es_send_exit(). `kill` ends whoever it is, with the reason `killed`; `normal` ends
 * only oneself. Source: erlang:exit/2. */
static inline enum esi_exit_effect esi_exit_effect_sent(es_term reason, bool is_from_self, bool traps)
{
    if (es_is(reason, es_am_kill))
        return ESI_EXIT_ENDS;
    if (traps)
        return ESI_EXIT_IS_MESSAGE;
    return es_is(reason, es_am_normal) && !is_from_self ? ESI_EXIT_IGNORED : ESI_EXIT_ENDS;
}

/* A signal over a link that holds. `kill` is a reason as any other here. Source: erlang:link/1. */
static inline enum esi_exit_effect esi_exit_effect_linked(es_term reason, bool traps)
{
    if (traps)
        return ESI_EXIT_IS_MESSAGE;
    return es_is(reason, es_am_normal) ? ESI_EXIT_IGNORED : ESI_EXIT_ENDS;
}

#endif
