// expect: clean
// flags: -std=c17 -D_GNU_SOURCE -pedantic
#include <engset/statem.h>
ES_ATOMS(later);
typedef struct {
    int64_t n;
} door;
static es_step open_(door *self, const es_event *event);
static es_step locked(door *self, const es_event *event)
{
    (void)self, (void)event;
    es_named_timeout(later, 10, ES_TUPLE(later, 1));
    es_next_event(ES_EVENT_INTERNAL, 1);
    return es_next_state(open_);
}
static es_step open_(door *self, const es_event *event)
{
    return self->n ? es_next_state(locked) : es_unknown_event(event);
}
ES_STATEM(a_door, door, .states = ES_STATES(locked, open_), .enter = true);
static es_step handles(door *self, const es_event *event, es_term state)
{
    (void)event;
    if (es_is(state, later))
        return es_next_state(later);
    return self->n ? es_next_state(self->n) : es_next_state(ES_TUPLE(later, state));
}
ES_STATEM(another_door, door, .handle_event = handles);
