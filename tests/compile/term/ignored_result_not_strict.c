// expect: clean
// flags: -DES_NO_STRICT -Wno-unused-result
#include <engset.h>
void f(void)
{
    es_atom atom;
    es_atom_make("a", 1, &atom);
}
