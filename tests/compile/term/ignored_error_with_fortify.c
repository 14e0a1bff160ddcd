// expect: ignoring return value
// flags: -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
#include <engset.h>
void f(void)
{
    es_atom atom;
    es_atom_make("a", 1, &atom);
}
