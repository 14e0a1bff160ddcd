// expect: two or more data types|cannot combine
#include <engset.h>
ES_ATOMS(int);
