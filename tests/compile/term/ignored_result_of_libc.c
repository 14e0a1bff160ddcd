// expect: clean
// flags: -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -Wno-unused-result
#include <engset.h>
#include <unistd.h>
void f(void)
{
    (void)write(1, "a", 1);
}
