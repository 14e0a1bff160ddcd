/* link.c - the sweep over engset/link.h. */
#include "sweep.h"

ES_ATOMS(a_name, a_group, tick, r);

/* ---------------------------------------------------------------- links, monitors */

SWEEP(es_link, 0)
{
    es_err error = TRY(es_link(other));
    went_well(error);
    EXPECT(links_of(es_self()) == (error == ES_OK));
    EXPECT(es_link(other) == ES_OK && links_of(es_self()) == 1);
    EXPECT(es_unlink(other) == ES_OK);
}

SWEEP(es_unlink, 0)
{
    EXPECT(es_link(other) == ES_OK);
    if (!went_well(TRY(es_unlink(other))))
        EXPECT(links_of(es_self()) == 1 && es_unlink(other) == ES_OK);
    EXPECT(es_link(other) == ES_OK && es_unlink(other) == ES_OK);
}

#define MONITORS(function, object)                                                                       \
    SWEEP(function, MAY_END)                                                                             \
    {                                                                                                    \
        EXPECT(es_register(a_name, other) == ES_OK);                                                     \
        es_ref ref = TRY(function(object, (&(es_monitor_options){.alias = ES_ALIAS_EXPLICIT_UNALIAS}))); \
        EXPECT(watchers_of(settled(other)) == 1);                                                        \
        EXPECT(es_demonitor(ref, ES_DEMONITOR_INFO));                                                    \
        EXPECT(es_unalias(ref));                                                                         \
    }
MONITORS(esi_monitor_pid, other)
MONITORS(esi_monitor_name, a_name)
MONITORS(esi_monitor_at, ES_AT(a_name, es_am_nonode_nohost))

SWEEP(es_demonitor, TAKES_NOTHING)
{
    es_ref ref = es_monitor(other);
    EXPECT(TRY(es_demonitor(ref, ES_DEMONITOR_FLUSH)));
    EXPECT(watchers_of(settled(other)) == 0);
}

SWEEP(es_alias, MAY_END)
{
    es_ref alias = TRY(es_alias(ES_ALIAS_EXPLICIT_UNALIAS));
    EXPECT(es_send(alias, r) == ES_OK && there_is(r));
    EXPECT(es_unalias(alias));
}

SWEEP(es_unalias, TAKES_NOTHING)
{
    es_ref alias = es_alias(ES_ALIAS_EXPLICIT_UNALIAS);
    EXPECT(TRY(es_unalias(alias)));
}

SWEEP(es_make_ref, TAKES_NOTHING)
{
    EXPECT(TRY(es_make_ref()).id != 0);
}

/* ---------------------------------------------------------------- names, groups */

/* The table of names grows with that of atoms: so each time a name that is far from all before. */
SWEEP(es_register, KEEPS_BLOCKS)
{
    enum { FAR = 1024 };
    static int count;
    es_atom name = {0};
    for (int i = 0; i < FAR; i++) {
        char text[20];
        int length = snprintf(text, sizeof text, "name %d", count++);
        EXPECT(es_atom_make(text, (size_t)length, &name) == ES_OK);
    }
    if (!went_well(TRY(es_register(name, other))))
        EXPECT(es_pid_is_none(es_whereis(name)) && es_register(name, other) == ES_OK);
    EXPECT(es_pid_equal(es_whereis(name), other));
}

SWEEP(es_unregister, TAKES_NOTHING)
{
    EXPECT(es_register(a_name, other) == ES_OK);
    EXPECT(TRY(es_unregister(a_name)) == ES_OK);
}

SWEEP(es_whereis, TAKES_NOTHING)
{
    EXPECT(es_register(a_name, other) == ES_OK);
    EXPECT(es_pid_equal(TRY(es_whereis(a_name)), other));
}

SWEEP(es_registered, TAKES_NOTHING)
{
    es_atom all[4];
    EXPECT(es_register(a_name, other) == ES_OK);
    EXPECT(TRY(es_registered(all, 4)) == 1);
}

SWEEP(es_join, 0)
{
    EXPECT(es_join(a_group, other) == ES_OK);
    es_err error = TRY(es_join(a_group, es_self()));
    went_well(error);
    EXPECT(es_members(a_group, NULL, 0) == 1 + (error == ES_OK));
    EXPECT(es_join(a_group, es_self()) == ES_OK);
}

SWEEP(es_leave, TAKES_NOTHING)
{
    EXPECT(es_join(a_group, other) == ES_OK);
    EXPECT(TRY(es_leave(a_group, other)) == ES_OK);
}

SWEEP(es_members, TAKES_NOTHING)
{
    es_pid all[4];
    EXPECT(es_join(a_group, other) == ES_OK);
    EXPECT(TRY(es_members(a_group, all, 4)) == 1);
}

/* ---------------------------------------------------------------- timers */

SWEEP(esi_send_later, MAY_END)
{
    es_ref timer = TRY(es_start_timer(3600000, es_self(), ES_TUPLE(tick, 1)));
    EXPECT(es_read_timer(timer) > 0);
    EXPECT(es_cancel_timer(timer) > 0);
    timer = es_send_after(1, es_self(), tick);
    EXPECT(got(tick));
}

SWEEP(es_cancel_timer, TAKES_NOTHING)
{
    es_ref timer = es_send_after(3600000, es_self(), tick);
    EXPECT(TRY(es_cancel_timer(timer)) > 0);
}

SWEEP(es_cancel_timer_async, 0)
{
    es_ref timer = es_send_after(3600000, es_self(), tick);
    if (!went_well(TRY(es_cancel_timer_async(timer, true))))
        EXPECT(es_read_timer(timer) > 0 && es_cancel_timer_async(timer, true) == ES_OK);
    EXPECT(got(ES_TUPLE(es_am_cancel_timer, timer, ES_ANY)));
}

SWEEP(es_read_timer, TAKES_NOTHING)
{
    es_ref timer = es_send_after(3600000, es_self(), tick);
    EXPECT(TRY(es_read_timer(timer)) > 0);
    es_cancel_timer(timer);
}

SWEEP(esi_link_is_wanted, TAKES_NOTHING)
{
    TRY_VOID(esi_link_is_wanted());
}

int main(int argc, char **argv)
{
    return sweep_all(argc, argv);
}
