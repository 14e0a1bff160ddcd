/* platform/sim/file.h - what is open on the simulated machine, and the numbers by which the program knows it.
 *
 * A *file* is what a descriptor stands for: a socket, an end of a pipe, an open plain file. Several numbers may stand for one file. Each number
 * is a real one, of a descriptor by which nothing can be done: so numbers do not clash with the program's real ones, the limit
 * of descriptors holds, and a call that goes past the simulated machine fails with EBADF instead of seeming to work. */
#ifndef PLATFORM_SIM_FILE_H
#define PLATFORM_SIM_FILE_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>
#include "base/list.h"
#include "platform/sim/world.h"

struct esi_sim_file;

/* What it can do. What is NULL gives EINVAL, and is always ready. */
struct esi_sim_kind {
    ssize_t (*read)(struct esi_sim_file *file, void *buffer, size_t size, int flags);
    ssize_t (*write)(struct esi_sim_file *file, const struct iovec *pieces, int count);
    uint32_t (*ready)(const struct esi_sim_file *file); /* ESI_POLL_* as it is now */
    void (*close)(struct esi_sim_file *file);           /* nobody has it any more: frees it */
};

struct esi_sim_file {
    const struct esi_sim_kind *kind;
    int refs;                /* numbers, and others that hold it */
    int flags;               /* of open(2) */
    struct esi_list numbers; /* of the entries that stand for it */
    uint64_t id;
};

/* Begins `file`, which nobody has yet: refs is 0. */
void esi_sim_file_init(struct esi_sim_file *file, const struct esi_sim_kind *kind, int flags);

static inline void esi_sim_ref(struct esi_sim_file *file)
{
    file->refs++;
}

void esi_sim_unref(struct esi_sim_file *file);

/* Gives `file` a number, not below `least`; -1 and errno: EMFILE, ENOMEM, and nothing changed. */
int esi_sim_install(struct esi_sim_file *file, int least);

/* What `fd` stands for, lent; NULL: it is not the simulated machine's. */
struct esi_sim_file *esi_sim_file_of(int fd);

/* Something about `file` changed: who watches it is told. */
void esi_sim_changed(struct esi_sim_file *file);

/* -1, with `code` in errno. */
int esi_sim_fails(int code);

#endif
