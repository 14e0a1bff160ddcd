// expect: no member named .lenght
#include <engset.h>
typedef struct {
    uint32_t length;
} frame;
ES_STRUCT(frame, lenght);
