// expect: invalid initializer|incompatible type
#include <engset.h>
ES_ATOMS(ok);
void f(void)
{
    es_term t = ES_TUPLE(ok, 1);
    (void)t;
}
