// expect: not compatible with any
#include <engset.h>
bool f(es_term t, uint8_t *bytes)
{
    return es_match(t, ES_TUPLE(1, bytes));
}
