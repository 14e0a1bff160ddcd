/* file.c - plain files: tried at once where the kernel can say "that would block", else done by a thread that may.
 *
 * A job has a descriptor of its own, a duplicate: its process may be ended meanwhile and the number mean something else. It has bytes of its
 * own as well, which are copied to and from the caller's in user mode. */
#include <engset/file.h>

#include <errno.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "base/alloc.h"
#include "platform/os.h"
#include "platform/random.h"
#include "port/blocking.h"
#include "proc/own.h"
#include "proc/schedule/worker.h"
#include "term/copy.h"

enum { PIECE_MAX = 1 << 20, AT_POSITION = -1, SUFFIX_BYTES = 16, CACHED_MAX = 64 << 10 };

struct work {
    int64_t (*act)(struct work *w); /* gives what the call gives, or -1 with errno */
    int fd;                         /* a duplicate of the caller's, or what was opened; -1: none */
    int flags, mode;
    int64_t offset, result;
    int code; /* errno, while result is -1 */
    es_file_info info;
    size_t size;            /* of `bytes` that count */
    char *grown;            /* esi_alloc's: what a listing or a whole file needs */
    struct esi_shared *all; /* a whole file */
    char *path, *other;     /* in `bytes` */
    char bytes[];
};

static void run(void *block)
{
    struct work *w = block;
    w->result = w->act(w);
    w->code = errno;
}

static void release(void *block)
{
    struct work *w = block;
    if (w->fd >= 0)
        esi_os_close(w->fd);
    if (w->all)
        esi_shared_unref(w->all);
    esi_free(w->grown);
}

/* ---------------------------------------------------------------- around each call */

static es_err kind_of(int code)
{
    switch (code) {
    case ENOENT:
    case ENOTDIR:
        return ES_ENOTFOUND;
    case EEXIST:
        return ES_EEXIST;
    case ENOMEM:
        return ES_ENOMEM;
    case EBADF:
        return ES_ECLOSED;
    case EINVAL:
        return ES_EINVAL;
    default:
        return ES_EOS;
    }
}

static es_err failed(struct esi_process *self, const char *call, const char *path, int code)
{
    char text[128];
    es_err error =
        esi_fail(self, kind_of(code), "file_%s: %.150s: %s", call, path, strerror_r(code, text, sizeof text));
    *es_errno() = code;
    return error;
}

static es_err failed_at(struct esi_process *self, const char *call, int fd, int code)
{
    char text[32];
    snprintf(text, sizeof text, "descriptor %d", fd);
    return failed(self, call, text, code);
}

static es_err enter(const char *call, struct esi_process **out)
{
    *out = esi_enter();
    return *out ? ES_OK : esi_fail(NULL, ES_ENOPROC, "file_%s: called in a thread that is no process", call);
}

static struct work *work_new(struct esi_process *self, int64_t (*act)(struct work *), size_t bytes)
{
    struct work *w = esi_job_new(self, sizeof *w + bytes, run, release);
    if (!w)
        return NULL;
    w->act = act;
    w->fd = -1;
    w->size = bytes;
    return w;
}

/* Runs it to its end: what the call gives, or -1 with errno. */
static int64_t work_do(struct esi_process *self, struct work *w)
{
    es_err error = esi_job_do(self, w, ES_INFINITY);
    if (error != ES_OK)
        abort(); /* there is no deadline */
    if (w->result < 0)
        *es_errno() = w->code;
    return w->result;
}

/* A job about one or two paths. */
static struct work *work_at(struct esi_process *self, int64_t (*act)(struct work *), const char *path,
                            const char *other)
{
    size_t size = strlen(path) + 1, other_size = other ? strlen(other) + 1 : 0;
    struct work *w = work_new(self, act, size + other_size);
    if (!w)
        return NULL;
    w->path = memcpy(w->bytes, path, size);
    if (other)
        w->other = memcpy(w->bytes + size, other, other_size);
    return w;
}

/* Does it, frees it, and says what failed. */
static int64_t at_path(struct esi_process *self, const char *call, struct work *w)
{
    if (!w)
        return esi_fail(self, ES_ENOMEM, "file_%s: no memory", call);
    int64_t result = work_do(self, w);
    if (result < 0)
        result = failed(self, call, w->path, *es_errno());
    int code = *es_errno();
    esi_job_free(self, w);
    *es_errno() = code;
    return result;
}

static int64_t left(struct esi_process *self, int64_t result)
{
    esi_charge(self, 10);
    esi_leave();
    return result;
}

/* ---------------------------------------------------------------- opening */

static int64_t act_open(struct work *w)
{
    w->fd = esi_os_open(w->path, w->flags, (mode_t)w->mode);
    return w->fd < 0 ? -1 : 0;
}

/* Opens what the kernel finds without asking a disk. -1 and EAGAIN: that is not enough, and in a simulated world it never is. */
static int open_cached(const char *path, int flags)
{
#ifdef RESOLVE_CACHED
    if (esi_node.is_sim) {
        *es_errno() = EAGAIN;
        return -1;
    }
    struct open_how how = {.flags = (uint64_t)flags, .resolve = RESOLVE_CACHED};
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    if (fd < 0 && (*es_errno() == ENOSYS || *es_errno() == EPERM || *es_errno() == EINVAL))
        *es_errno() = EAGAIN;
    return fd;
#else
    (void)path, (void)flags;
    *es_errno() = EAGAIN;
    return -1;
#endif
}

static int64_t open_file(struct esi_process *self, const char *path, int flags, int mode)
{
    /* O_NONBLOCK: a fifo without a writer opens, and does not hold a thread for ever. */
    flags |= O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = -1;
    *es_errno() = EAGAIN;
    if (!(flags & (O_CREAT | O_TRUNC)))
        fd = open_cached(path, flags);
    if (fd < 0 && *es_errno() != EAGAIN)
        return failed(self, "open", path, *es_errno());
    if (fd < 0) {
        struct work *w = work_at(self, act_open, path, NULL);
        if (!w)
            return esi_fail(self, ES_ENOMEM, "file_open: no memory");
        w->flags = flags;
        w->mode = mode;
        if (work_do(self, w) == 0) {
            fd = w->fd;
            w->fd = -1;
        }
        int code = w->code;
        esi_job_free(self, w);
        if (fd < 0)
            return failed(self, "open", path, code);
    }
    if (esi_own_fd(self, fd) == ES_OK)
        return fd;
    esi_os_close(fd);
    return esi_fail(self, ES_ENOMEM, "file_open: no memory");
}

int64_t es_file_open(const char *path, int flags, int mode)
{
    struct esi_process *self;
    es_err error = enter("open", &self);
    return error != ES_OK ? error : left(self, open_file(self, path, flags, mode));
}

/* ---------------------------------------------------------------- reading and writing */

static int64_t act_read(struct work *w)
{
    struct iovec part = {w->bytes, w->size};
    ssize_t count;
    do
        count = esi_os_preadv2(w->fd, &part, 1, w->offset, 0);
    while (count < 0 && errno == EINTR);
    return count;
}

static int64_t act_write(struct work *w)
{
    struct iovec part = {w->bytes, w->size};
    ssize_t count;
    do
        count = esi_os_pwritev2(w->fd, &part, 1, w->offset, 0);
    while (count < 0 && errno == EINTR);
    return count;
}

/* The job for a piece, with a descriptor of its own; NULL: errno tells. */
static struct work *piece_new(struct esi_process *self, int64_t (*act)(struct work *), int fd, size_t size,
                              int64_t offset)
{
    struct work *w = work_new(self, act, size);
    if (!w) {
        *es_errno() = ENOMEM;
        return NULL;
    }
    w->offset = offset;
    w->fd = esi_os_duplicate(fd);
    if (w->fd >= 0)
        return w;
    int code = *es_errno();
    esi_job_free(self, w);
    *es_errno() = code;
    return NULL;
}

/* One piece by a thread that may wait. What it gives, or -1 with errno. */
static int64_t read_piece(struct esi_process *self, int fd, char *buffer, size_t size, int64_t offset)
{
    struct work *w = piece_new(self, act_read, fd, size < PIECE_MAX ? size : PIECE_MAX, offset);
    if (!w)
        return -1;
    int64_t count = work_do(self, w);
    int code = w->code;
    if (count > 0) {
        esi_leave();
        memcpy(buffer, w->bytes, (size_t)count);
        esi_enter();
    }
    esi_job_free(self, w);
    *es_errno() = code;
    return count;
}

static int64_t write_piece(struct esi_process *self, int fd, const char *data, size_t size, int64_t offset)
{
    struct work *w = piece_new(self, act_write, fd, size < PIECE_MAX ? size : PIECE_MAX, offset);
    if (!w)
        return -1;
    esi_leave();
    memcpy(w->bytes, data, w->size);
    esi_enter();
    int64_t count = work_do(self, w);
    int code = w->code;
    esi_job_free(self, w);
    *es_errno() = code;
    return count;
}

static bool would_block(int code)
{
    return code == EAGAIN || code == EOPNOTSUPP || code == ENOSYS;
}

static int64_t read_file(struct esi_process *self, const char *call, int fd, char *buffer, size_t size,
                         int64_t offset)
{
    size_t done = 0;
    while (done < size) {
        struct iovec part = {buffer + done, size - done};
        int64_t from = offset == AT_POSITION ? AT_POSITION : offset + (int64_t)done;
        int64_t count = esi_os_preadv2(fd, &part, 1, from, RWF_NOWAIT);
        if (count < 0 && would_block(*es_errno()))
            count = read_piece(self, fd, buffer + done, size - done, from);
        if (count < 0 && *es_errno() == EINTR)
            continue;
        if (count < 0)
            return failed_at(self, call, fd, *es_errno());
        if (count == 0)
            break;
        done += (size_t)count;
        esi_charge(self, (int)(count >> 12) + 1);
    }
    return (int64_t)done;
}

/* ext4 and others cannot say that a write would block. Into the kernel's memory it seldom does, and costs less than half of what another
 * thread does (docs/decisions/0007-io-uring.md); when the memory is full of what is to be written, the watchdog helps the others. */
static bool writes_to_cache(int fd)
{
    int flags = esi_os_flags(fd);
    return flags >= 0 && !(flags & (O_DIRECT | O_DSYNC | O_SYNC));
}

static int64_t write_file(struct esi_process *self, const char *call, int fd, const char *data, size_t size,
                          int64_t offset)
{
    size_t done = 0;
    while (done < size) {
        struct iovec part = {(char *)(uintptr_t)data + done, size - done};
        int64_t to = offset == AT_POSITION ? AT_POSITION : offset + (int64_t)done;
        int64_t count = esi_os_pwritev2(fd, &part, 1, to, RWF_NOWAIT);
        if (count < 0 && *es_errno() == EOPNOTSUPP && writes_to_cache(fd)) {
            part.iov_len = part.iov_len < CACHED_MAX ? part.iov_len : CACHED_MAX;
            count = esi_os_pwritev2(fd, &part, 1, to, 0);
        }
        if (count < 0 && would_block(*es_errno()))
            count = write_piece(self, fd, data + done, size - done, to);
        if (count < 0 && *es_errno() == EINTR)
            continue;
        if (count < 0)
            return failed_at(self, call, fd, *es_errno());
        done += (size_t)count;
        esi_charge(self, (int)(count >> 12) + 1);
    }
    return (int64_t)done;
}

int64_t es_file_read(int fd, void *buffer, size_t size)
{
    struct esi_process *self;
    es_err error = enter("read", &self);
    return error != ES_OK ? error : left(self, read_file(self, "read", fd, buffer, size, AT_POSITION));
}

int64_t es_file_write(int fd, const void *data, size_t size)
{
    struct esi_process *self;
    es_err error = enter("write", &self);
    return error != ES_OK ? error : left(self, write_file(self, "write", fd, data, size, AT_POSITION));
}

static int64_t refuse_offset(struct esi_process *self, const char *call)
{
    return esi_fail(self, ES_EINVAL, "file_%s: an offset is not negative", call);
}

int64_t es_file_pread(int fd, void *buffer, size_t size, int64_t offset)
{
    struct esi_process *self;
    es_err error = enter("pread", &self);
    if (error != ES_OK)
        return error;
    return left(self, offset < 0 ? refuse_offset(self, "pread")
                                 : read_file(self, "pread", fd, buffer, size, offset));
}

int64_t es_file_pwrite(int fd, const void *data, size_t size, int64_t offset)
{
    struct esi_process *self;
    es_err error = enter("pwrite", &self);
    if (error != ES_OK)
        return error;
    return left(self, offset < 0 ? refuse_offset(self, "pwrite")
                                 : write_file(self, "pwrite", fd, data, size, offset));
}

static int64_t act_sync(struct work *w)
{
    return esi_os_fsync(w->fd);
}

es_err es_file_sync(int fd)
{
    struct esi_process *self;
    es_err error = enter("sync", &self);
    if (error != ES_OK)
        return error;
    struct work *w = piece_new(self, act_sync, fd, 0, 0);
    int64_t result = w ? work_do(self, w) : -1;
    int code = *es_errno();
    if (w)
        esi_job_free(self, w);
    return (es_err)left(self, result < 0 ? failed_at(self, "sync", fd, code) : ES_OK);
}

/* ---------------------------------------------------------------- paths */

static void describe(const struct stat *status, es_file_info *out)
{
    out->kind = S_ISREG(status->st_mode)   ? ES_FILE_REGULAR
                : S_ISDIR(status->st_mode) ? ES_FILE_DIRECTORY
                                           : ES_FILE_OTHER;
    out->mode = (int)(status->st_mode & 07777);
    out->size_bytes = status->st_size;
    out->modified_ns = (int64_t)status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec;
}

static int64_t act_stat(struct work *w)
{
    struct stat status;
    if (esi_os_stat(w->path, &status) != 0)
        return -1;
    describe(&status, &w->info);
    return 0;
}

static int64_t stat_file(struct esi_process *self, const char *path, es_file_info *out)
{
    struct stat status;
    int fd = open_cached(path, O_PATH | O_CLOEXEC);
    if (fd < 0 && *es_errno() != EAGAIN)
        return failed(self, "stat", path, *es_errno());
    if (fd >= 0) {
        int failure = esi_os_fstat(fd, &status);
        esi_os_close(fd);
        if (failure == 0) {
            describe(&status, out);
            return ES_OK;
        }
    }
    struct work *w = work_at(self, act_stat, path, NULL);
    if (!w)
        return esi_fail(self, ES_ENOMEM, "file_stat: no memory");
    int64_t result = work_do(self, w);
    *out = w->info;
    int code = w->code;
    esi_job_free(self, w);
    return result < 0 ? failed(self, "stat", path, code) : ES_OK;
}

es_err es_file_stat(const char *path, es_file_info *out)
{
    struct esi_process *self;
    es_file_info info = {.kind = 0};
    es_err error = enter("stat", &self);
    if (error == ES_OK)
        error = (es_err)left(self, stat_file(self, path, &info));
    if (error == ES_OK)
        *out = info;
    return error;
}

static int64_t act_rename(struct work *w)
{
    return esi_os_rename(w->path, w->other);
}

static int64_t act_remove(struct work *w)
{
    return esi_os_remove(w->path);
}

static int64_t act_make_directory(struct work *w)
{
    return esi_os_mkdir(w->path, (mode_t)w->mode);
}

es_err es_file_rename(const char *from, const char *to)
{
    struct esi_process *self;
    es_err error = enter("rename", &self);
    return error != ES_OK ? error
                          : (es_err)left(self, at_path(self, "rename", work_at(self, act_rename, from, to)));
}

es_err es_file_remove(const char *path)
{
    struct esi_process *self;
    es_err error = enter("remove", &self);
    return error != ES_OK
               ? error
               : (es_err)left(self, at_path(self, "remove", work_at(self, act_remove, path, NULL)));
}

es_err es_file_make_directory(const char *path, int mode)
{
    struct esi_process *self;
    es_err error = enter("make_directory", &self);
    if (error != ES_OK)
        return error;
    struct work *w = work_at(self, act_make_directory, path, NULL);
    if (w)
        w->mode = mode;
    return (es_err)left(self, at_path(self, "make_directory", w));
}

/* ---------------------------------------------------------------- a directory's names */

/* Into `grown`: a list that stands there, of names that stand behind it. Gives how many; the list's words come first. */
static int64_t act_list(struct work *w)
{
    enum { WORDS = 5 }; /* a cell, and the box of a lent binary */
    char *names = NULL;
    size_t size = 0;
    FILE *text = open_memstream(&names, &size);
    int64_t listed = text ? esi_os_names(w->path, text) : -1;
    int code = listed < 0 ? errno : 0;
    if (text && fclose(text) != 0 && !code)
        code = errno;
    size_t count = listed < 0 ? 0 : (size_t)listed;
    uint64_t *words = code ? NULL : esi_alloc(count * WORDS * sizeof *words + size + 1);
    if (!words) {
        free(names);
        errno = code ? code : ENOMEM;
        return -1;
    }
    w->grown = (char *)words;
    char *at = memcpy(words + count * WORDS, names, size);
    free(names);
    for (size_t i = 0; i < count; i++) {
        uint64_t *cell = words + i * WORDS;
        size_t length = strlen(at);
        cell[2] = ESI_HEADER(ESI_BIN_LENT, 0);
        cell[3] = length * 8;
        cell[4] = (uint64_t)(uintptr_t)at;
        cell[0] = esi_word_of_box(cell + 2);
        cell[1] = i + 1 < count ? esi_word_of_cons(cell + WORDS) : ESI_NIL_WORD;
        at += length + 1;
    }
    return listed;
}

es_err es_file_list_directory(const char *path, es_term *out)
{
    struct esi_process *self;
    es_err error = enter("list_directory", &self);
    if (error != ES_OK)
        return error;
    struct work *w = work_at(self, act_list, path, NULL);
    int64_t count = w ? work_do(self, w) : -1;
    if (count < 0) {
        error = w ? failed(self, "list_directory", path, w->code)
                  : esi_fail(self, ES_ENOMEM, "file_list_directory: no memory");
        if (w)
            esi_job_free(self, w);
        return (es_err)left(self, error);
    }
    es_term list = count ? (es_term){esi_word_of_cons((uint64_t *)(void *)w->grown)} : es_nil();
    esi_leave();
    es_term kept = esi_keep(list); /* ends the process if there is no memory; then the job goes with it */
    self = esi_enter();
    esi_job_free(self, w);
    left(self, ES_OK);
    *out = kept;
    return ES_OK;
}

/* ---------------------------------------------------------------- whole files */

/* Reads all from w->fd into w->all. The size that the file has is a hint: files of /proc say 0, others grow. */
static int64_t act_read_all(struct work *w)
{
    struct stat status;
    w->fd = esi_os_open(w->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
    if (w->fd < 0 || esi_os_fstat(w->fd, &status) != 0)
        return -1;
    size_t room = status.st_size > 0 ? (size_t)status.st_size + 1 : 4096, size = 0;
    for (;;) {
        char *larger = size < room && w->grown ? w->grown : esi_realloc(w->grown, room);
        if (!larger) {
            errno = ENOMEM;
            return -1;
        }
        w->grown = larger;
        ssize_t count = esi_os_read(w->fd, w->grown + size, room - size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -1;
        if (count == 0)
            break;
        size += (size_t)count;
        if (size == room)
            room *= 2;
    }
    w->all = esi_shared_new(size);
    if (!w->all) {
        errno = ENOMEM;
        return -1;
    }
    memcpy(esi_shared_bytes(w->all), w->grown, size);
    esi_shared_seal(w->all);
    return 0;
}

es_err es_file_read_all(const char *path, es_term *out)
{
    struct esi_process *self;
    es_err error = enter("read_all", &self);
    if (error != ES_OK)
        return error;
    struct work *w = work_at(self, act_read_all, path, NULL);
    if (!w || work_do(self, w) < 0) {
        error = w ? failed(self, "read_all", path, w->code)
                  : esi_fail(self, ES_ENOMEM, "file_read_all: no memory");
        if (w)
            esi_job_free(self, w);
        return (es_err)left(self, error);
    }
    esi_leave();
    es_term kept = es_keep((es_shared_bin){w->all});
    self = esi_enter();
    esi_job_free(self, w);
    left(self, ES_OK);
    *out = kept;
    return ES_OK;
}

static bool write_whole(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t count = esi_os_write(fd, data, size);
        if (count < 0 && errno != EINTR)
            return false;
        if (count > 0) {
            data += count;
            size -= (size_t)count;
        }
    }
    return true;
}

/* So that the new name is on the disk, too. Some file systems cannot; then it was not asked for in vain, but is not promised either. */
static void sync_directory(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash)
        slash[slash == path] = 0;
    int fd = esi_os_open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    esi_os_fsync(fd);
    esi_os_close(fd);
}

/* A new file beside `path`, named in `other`, which has room for it. The umask counts, as for any new file. */
static int open_beside(const char *path, char *other, size_t room)
{
    for (int tries = 0; tries < 100; tries++) {
        uint32_t random;
        esi_random_bytes(&random, sizeof random);
        snprintf(other, room, "%s.%08x.tmp", path, random);
        int fd = esi_os_open(other, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

/* `other` has room for the temporary file's name; the data stands in `grown`. */
static int64_t act_write_all(struct work *w)
{
    struct stat status;
    w->fd = open_beside(w->path, w->other, strlen(w->path) + SUFFIX_BYTES);
    if (w->fd < 0)
        return -1;
    bool is_good = esi_os_stat(w->path, &status) != 0 || esi_os_fchmod(w->fd, status.st_mode & 07777) == 0;
    if (is_good && write_whole(w->fd, w->grown, w->size) && esi_os_fsync(w->fd) == 0 &&
        esi_os_rename(w->other, w->path) == 0) {
        sync_directory(w->path);
        return 0;
    }
    int code = errno;
    esi_os_unlink(w->other);
    errno = code;
    return -1;
}

es_err es_file_write_all(const char *path, es_bin data)
{
    struct esi_process *self;
    es_err error = enter("write_all", &self);
    if (error != ES_OK)
        return error;
    size_t length = strlen(path);
    struct work *w = work_new(self, act_write_all, 2 * (length + SUFFIX_BYTES));
    if (w) {
        w->path = memcpy(w->bytes, path, length + 1);
        w->other = w->bytes + length + SUFFIX_BYTES;
        w->grown = esi_alloc(data.size + 1);
    }
    if (!w || !w->grown) {
        if (w)
            esi_job_free(self, w);
        return (es_err)left(self, esi_fail(self, ES_ENOMEM, "file_write_all: no memory"));
    }
    w->size = data.size;
    esi_leave();
    if (data.size)
        memcpy(w->grown, data.data, data.size);
    self = esi_enter();
    int64_t result = work_do(self, w);
    int code = w->code;
    esi_job_free(self, w);
    return (es_err)left(self, result < 0 ? failed(self, "write_all", path, code) : ES_OK);
}
