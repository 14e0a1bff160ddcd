// expect: ES_STRUCT\(frame\): a field before .?'bytes.?' is missing, or the order differs
#include <engset.h>
typedef struct {
    uint32_t length;
    uint8_t bytes[1500];
} frame;
ES_STRUCT(frame, bytes);
