// expect: undeclared|undeclared identifier
#include <engset.h>
bool g(es_term t)
{
    return es_match(t, ES_TUPLE(pong, 1));
}
