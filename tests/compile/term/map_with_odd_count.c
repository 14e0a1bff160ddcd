// expect: ES_MAP takes key, value, key, value
#include <engset.h>
bool f(es_term t)
{
    return es_match(t, ES_MAP(1, 2, 3));
}
