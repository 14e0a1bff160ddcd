// expect: not compatible with any
#include <engset.h>
typedef struct {
    struct {
        int x;
    } inner;
} frame;
ES_STRUCT(frame, inner);
