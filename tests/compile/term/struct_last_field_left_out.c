// expect: ES_STRUCT\(frame\): a field is missing at the end
#include <engset.h>
typedef struct {
    uint32_t length;
    uint8_t bytes[1500];
} frame;
ES_STRUCT(frame, length);
