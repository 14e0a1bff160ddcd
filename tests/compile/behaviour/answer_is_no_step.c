// expect: incompatible types? when returning|incompatible result type|incompatible type
#include <engset.h>
typedef struct {
    int64_t n;
} door;
es_step locked(door *self, const es_event *event);
es_step locked(door *self, const es_event *event)
{
    (void)self, (void)event;
    return es_noreply();
}
