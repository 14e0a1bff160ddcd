/* link_plug.c - puts this room into the socket that proc/ has for it, before main(). */
#include <engset/link.h>

#include "link/alias.h"
#include "link/group.h"
#include "link/link.h"
#include "link/monitor.h"
#include "link/name.h"
#include "link/timer.h"

/* What the room's tables say of a process that ends. */
static void forget(struct esi_process *self)
{
    esi_name_forget(self);
    esi_groups_forget(self);
    esi_timers_forget(self);
}

/* In this file, since this is what would be left out. */
void esi_link_is_wanted(void)
{
}

__attribute__((constructor(150))) static void plug_in(void)
{
    esi_plug.whereis = esi_name_find;
    esi_plug.register_name = esi_name_give;
    esi_plug.spawn_link = esi_link_spawn;
    esi_plug.spawn_monitor = esi_monitor_spawn;
    esi_plug.watcher = esi_monitor_watcher;
    esi_plug.alias_admits = esi_alias_admits;
    esi_plug.timer_rings = esi_timer_send;
    esi_plug.send_exit = esi_send_exit;
    esi_plug.ending = forget;
    esi_plug.node_down = esi_timers_forget_all;
}
