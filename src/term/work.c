/* work.c - more room for frames. */
#include "term/work.h"

#include <string.h>
#include "base/alloc.h"

void (*esi_work_no_memory)(void);

void esi_work_fini(struct esi_work *work)
{
    esi_free(work->frames);
    work->frames = NULL;
}

bool esi_work_grow(struct esi_work *work)
{
    size_t size = 2 * work->size;
    struct esi_work_frame *frames;
    if (!work->may_grow)
        return false;
    frames = esi_realloc(work->frames, size * sizeof *frames);
    if (frames == NULL)
        return false;
    if (work->frames == NULL)
        memcpy(frames, work->inlined, sizeof work->inlined);
    work->frames = frames;
    work->size = size;
    return true;
}
