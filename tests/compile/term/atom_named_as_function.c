// expect: redeclared as different kind|redefinition of .link. as different kind
#include <engset.h>
#include <unistd.h>
ES_ATOMS(link);
