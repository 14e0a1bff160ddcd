/* platform/sim/pipe.c - pipes. */
#include <errno.h>
#include <fcntl.h>
#include "base/alloc.h"
#include "platform/os.h"
#include "platform/sim/file.h"
#include "platform/sim/stream.h"

enum { PIPE_LIMIT = 64 << 10 };

struct end {
    struct esi_sim_file file;
    struct esi_sim_stream stream;
};

static struct end *end_in(const struct esi_sim_file *file)
{
    return ESI_CONTAINER_OF(file, struct end, file);
}

static ssize_t read_end(struct esi_sim_file *file, void *buffer, size_t size, int flags)
{
    return esi_sim_stream_read(&end_in(file)->stream, buffer, size, flags);
}

static ssize_t write_end(struct esi_sim_file *file, const struct iovec *pieces, int count)
{
    return esi_sim_stream_write(&end_in(file)->stream, pieces, count);
}

static uint32_t end_ready(const struct esi_sim_file *file)
{
    return esi_sim_stream_ready(&end_in(file)->stream);
}

static void close_end(struct esi_sim_file *file)
{
    esi_sim_stream_close(&end_in(file)->stream);
    esi_free(end_in(file));
}

static const struct esi_sim_kind pipe_kind = {read_end, write_end, end_ready, close_end};

static struct end *new_end(int flags)
{
    struct end *e = esi_alloc_zeroed(1, sizeof *e);
    if (!e)
        return NULL;
    esi_sim_file_init(&e->file, &pipe_kind, flags);
    e->stream.file = &e->file;
    return e;
}

int esi_sim_pipe2(int fds[2], int flags)
{
    struct end *reader = new_end(O_RDONLY | (flags & O_NONBLOCK)),
               *writer = new_end(O_WRONLY | (flags & O_NONBLOCK));
    if (!reader || !writer ||
        !esi_sim_stream_join(&reader->stream, &writer->stream, ESI_SIM_PIPE, PIPE_LIMIT, false)) {
        esi_free(reader);
        esi_free(writer);
        return esi_sim_fails(ENOMEM);
    }
    esi_sim_ref(&reader->file);
    esi_sim_ref(&writer->file);
    int first = esi_sim_install(&reader->file, 0),
        second = first < 0 ? -1 : esi_sim_install(&writer->file, 0);
    int code = errno;
    esi_sim_unref(&reader->file);
    esi_sim_unref(&writer->file);
    if (second < 0) {
        if (first >= 0)
            esi_sim_close(first);
        return esi_sim_fails(code);
    }
    fds[0] = first;
    fds[1] = second;
    return 0;
}
