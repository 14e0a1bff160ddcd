// expect: request for member 'what' in something not a structure|request for member .what. in something not|is not a structure or union
#include <engset.h>
static int locked(void *self, const es_event *event)
{
    (void)self, (void)event;
    return 0;
}
es_step f(void);
es_step f(void)
{
    return es_next_state(locked);
}
