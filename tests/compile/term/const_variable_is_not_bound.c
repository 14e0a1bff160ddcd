// expect: not compatible with any
#include <engset.h>
bool f(es_term t, const int64_t *n)
{
    return es_match(t, ES_TUPLE(1, n));
}
