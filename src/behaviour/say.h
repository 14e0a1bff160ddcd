/* behaviour/say.h - the log, for processes whose code runs outside the runtime: no fault and no kill meets a line that is half written. */
#ifndef BEHAVIOUR_SAY_H
#define BEHAVIOUR_SAY_H

#include "base/log.h"
#include "proc/process.h"

#define ESI_SAY(level, ...)          \
    do {                             \
        esi_enter();                 \
        esi_log(level, __VA_ARGS__); \
        esi_leave();                 \
    } while (0)

#endif
