// expect: incompatible (function )?pointer type
#include <engset.h>
typedef struct {
    int64_t n;
} door;
typedef struct {
    double n;
} window;
static es_step locked(window *self, const es_event *event)
{
    (void)self, (void)event;
    return es_keep_state();
}
ES_STATEM(a_door, door, .states = ES_STATES(locked));
