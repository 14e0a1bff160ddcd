// expect: incompatible type
#include <engset.h>
ES_ATOMS(ok);
void use(es_term t);
void f(void)
{
    use(ok);
}
