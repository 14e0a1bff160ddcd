// expect: name.?' is a pointer
#include <engset.h>
typedef struct {
    char *name;
} frame;
ES_STRUCT(frame, name);
