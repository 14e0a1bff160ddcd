// expect: incompatible types? when returning|incompatible result type|incompatible type
#include <engset.h>
ES_ATOMS(ok);
es_term f(void)
{
    return ES_TUPLE(ok, 1);
}
