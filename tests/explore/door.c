/* door.c - threads from outside and the node's stop (proc/outside.c): who came in is out before it is closed, and who comes later is refused. */
#include "explorer.h"

#include "proc/outside.h"

static int node; /* plain: there from open to close */
static int was_in[2];

static void set_up(void)
{
    node = 1;
    esi_outside_open();
}

static void visit(int number)
{
    if (!esi_outside_enter())
        return;
    explore_expect(node == 1);
    was_in[number]++;
    if (esi_outside_enter()) { /* they nest, unless it is being closed */
        explore_expect(node == 1);
        esi_outside_leave();
    }
    esi_outside_leave();
}

static void visit_first(void)
{
    visit(0);
}

static void visit_second(void)
{
    visit(1);
}

static void close_it(void)
{
    esi_outside_close();
    node = 0;
}

static void is_closed(void)
{
    explore_expect(!esi_outside_enter());
}

static const struct explore_script scripts[] = {
    {"who is inside is out before the door is closed",
     set_up,
     {visit_first, visit_second, close_it},
     is_closed,
     0},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, scripts, sizeof scripts / sizeof *scripts);
}
