// expect: not compatible with any
#include <engset.h>
struct foo {
    int x;
};
bool f(es_term t, struct foo foo)
{
    return es_match(t, ES_TUPLE(1, foo));
}
