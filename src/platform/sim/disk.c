/* platform/sim/disk.c - the system calls about files, as platform/os.h has them. */
#include "platform/sim/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/alloc.h"
#include "platform/clock.h"
#include "platform/os.h"
#include "platform/sim/copy.h"
#include "platform/sim/socket.h"
#include "platform/strike.h"

/* An open file or directory. */
struct opened {
    struct esi_sim_file file;
    struct esi_sim_node *node; /* NULL: a directory */
    int64_t position;
};

static struct opened *opened_in(const struct esi_sim_file *file)
{
    return ESI_CONTAINER_OF(file, struct opened, file);
}

/* ---------------------------------------------------------------- reading and writing */

static bool may(const struct opened *o, int mode)
{
    int has = o->file.flags & O_ACCMODE;
    return !(o->file.flags & O_PATH) && (has == O_RDWR || has == mode);
}

static ssize_t read_at(struct opened *o, void *buffer, size_t size, int64_t offset)
{
    int64_t from = offset < 0 ? o->position : offset;
    if (!o->node || !may(o, O_RDONLY))
        return esi_sim_fails(o->node ? EBADF : EISDIR);
    int code = esi_sim_disk_strikes(false);
    if (code)
        return esi_sim_fails(code);
    size_t there = from < (int64_t)o->node->size ? o->node->size - (size_t)from : 0;
    size_t count = there < size ? there : size;
    if (count > 1 && esi_strikes(ESI_STRIKE_SHORT_IO))
        count = 1 + (size_t)esi_sim_draw(count - 1);
    if (!esi_sim_to_user(buffer, o->node->bytes + from, count))
        return -1;
    if (offset < 0)
        o->position += (int64_t)count;
    return (ssize_t)count;
}

static ssize_t write_at(struct opened *o, const void *data, size_t size, int64_t offset)
{
    if (!o->node || !may(o, O_WRONLY))
        return esi_sim_fails(EBADF);
    int code = esi_sim_disk_strikes(true);
    if (code)
        return esi_sim_fails(code);
    struct esi_sim_node *node = o->node;
    int64_t to = o->file.flags & O_APPEND ? (int64_t)node->size : offset < 0 ? o->position : offset;
    size_t before = node->size;
    if (size > 1 && esi_strikes(ESI_STRIKE_SHORT_IO))
        size = 1 + (size_t)esi_sim_draw(size - 1);
    if (size == 0)
        return 0;
    if (!esi_sim_node_reach(node, (size_t)to + size))
        return esi_sim_fails(ENOSPC);
    if (!esi_sim_from_user(node->bytes + to, data, size)) {
        node->size = before;
        return -1;
    }
    node->is_clean = false;
    node->modified_ns = (int64_t)esi_clock_wall_ns();
    esi_sim_note(node->inode ^ (uint64_t)to << 20);
    esi_sim_note_bytes(node->bytes + to, size);
    if (offset < 0)
        o->position = to + (int64_t)size;
    return (ssize_t)size;
}

static ssize_t read_opened(struct esi_sim_file *file, void *buffer, size_t size, int flags)
{
    (void)flags;
    return read_at(opened_in(file), buffer, size, -1);
}

/* All pieces, or up to where one is short. */
static ssize_t write_pieces(struct opened *o, const struct iovec *pieces, int count, int64_t offset)
{
    ssize_t total = 0;
    for (int i = 0; i < count; i++) {
        ssize_t done =
            write_at(o, pieces[i].iov_base, pieces[i].iov_len, offset < 0 ? offset : offset + total);
        if (done < 0)
            return total ? total : -1;
        total += done;
        if ((size_t)done < pieces[i].iov_len)
            break;
    }
    return total;
}

static ssize_t write_opened(struct esi_sim_file *file, const struct iovec *pieces, int count)
{
    return write_pieces(opened_in(file), pieces, count, -1);
}

static void close_opened(struct esi_sim_file *file)
{
    struct opened *o = opened_in(file);
    if (o->node)
        esi_sim_node_left(o->node);
    esi_free(o);
}

static const struct esi_sim_kind opened_kind = {read_opened, write_opened, NULL, close_opened};

/* The open file that `fd` is; NULL and errno: it is something else. */
static struct opened *opened_of(int fd, int otherwise)
{
    struct esi_sim_file *file = esi_sim_file_of(fd);
    if (file && file->kind == &opened_kind)
        return opened_in(file);
    errno = otherwise;
    return NULL;
}

ssize_t esi_sim_preadv2(int fd, const struct iovec *pieces, int count, off_t offset, int flags)
{
    struct esi_sim_file *file = esi_sim_file_of(fd);
    if (!file)
        return preadv2(fd, pieces, count, offset, flags);
    struct opened *o = opened_of(fd, ESPIPE);
    if (!o && offset == -1)
        return esi_sim_read(fd, pieces->iov_base, pieces->iov_len);
    return o ? read_at(o, pieces->iov_base, pieces->iov_len, offset)
             : -1; /* the first piece: it may be short */
}

ssize_t esi_sim_pwritev2(int fd, const struct iovec *pieces, int count, off_t offset, int flags)
{
    struct esi_sim_file *file = esi_sim_file_of(fd);
    if (!file)
        return pwritev2(fd, pieces, count, offset, flags);
    struct opened *o = opened_of(fd, ESPIPE);
    if (!o && offset == -1)
        return esi_sim_writev(fd, pieces, count);
    return o ? write_pieces(o, pieces, count, offset) : -1;
}

int esi_sim_fsync(int fd)
{
    if (!esi_sim_file_of(fd))
        return fsync(fd);
    int code = esi_sim_disk_strikes(true);
    if (code)
        return esi_sim_fails(code);
    return opened_of(fd, EINVAL) ? 0 : -1;
}

int esi_sim_fstat(int fd, struct stat *out)
{
    if (!esi_sim_file_of(fd))
        return fstat(fd, out);
    struct opened *o = opened_of(fd, 0);
    *out = (struct stat){.st_mode = o ? S_IFDIR | 0755 : S_IFSOCK | 0777, .st_nlink = 1};
    if (o && o->node)
        esi_sim_node_stat(o->node, out);
    return 0;
}

int esi_sim_fchmod(int fd, mode_t mode)
{
    if (!esi_sim_file_of(fd))
        return fchmod(fd, mode);
    struct opened *o = opened_of(fd, EINVAL);
    if (!o || !o->node)
        return o ? esi_sim_fails(EPERM) : -1;
    o->node->mode = mode & 07777;
    o->node->is_clean = false;
    return 0;
}

/* ---------------------------------------------------------------- opening */

static mode_t less_umask(mode_t mode)
{
    mode_t mask = umask(0);
    umask(mask);
    return mode & 07777 & ~mask;
}

/* 0: the directory in which `path` stands is one, and may be written. */
static int check_parent(const char *path)
{
    char parent[PATH_MAX];
    struct stat status;
    struct esi_sim_node *node;
    strcpy(parent, path);
    char *slash = strrchr(parent, '/');
    slash[slash == parent] = 0;
    int code = esi_sim_look(parent, &node, &status);
    if (code)
        return code;
    if (!S_ISDIR(status.st_mode))
        return ENOTDIR;
    return node || access(parent, W_OK | X_OK) == 0 ? 0 : errno;
}

static bool may_open(const char *path, const struct esi_sim_node *node, int flags)
{
    int wanted = (flags & O_ACCMODE) != O_WRONLY ? R_OK : 0;
    if ((flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC)
        wanted |= W_OK;
    if (!node || node->is_clean)
        return access(path, wanted) == 0;
    mode_t bits = (wanted & R_OK ? S_IRUSR : 0u) | (wanted & W_OK ? S_IWUSR : 0u);
    return geteuid() == 0 || (node->mode & bits) == bits;
}

/* What is opened, a regular file; the layer has it from now on. */
static int find_regular(const char *path, int flags, const struct stat *status, struct esi_sim_node **node)
{
    if (!may_open(path, *node, flags))
        return EACCES;
    if (flags & O_TRUNC && !*node)
        return esi_sim_put(path, ESI_SIM_REGULAR, status->st_mode & 07777, node);
    if (!*node)
        return esi_sim_load(path, status, node);
    if (flags & O_TRUNC) {
        (*node)->size = 0;
        (*node)->is_clean = false;
        (*node)->modified_ns = (int64_t)esi_clock_wall_ns();
    }
    return 0;
}

static int install(struct esi_sim_node *node, int flags)
{
    struct opened *o = esi_alloc_zeroed(1, sizeof *o);
    if (node)
        node->openers++;
    if (!o) {
        if (node)
            esi_sim_node_left(node);
        return esi_sim_fails(ENOMEM);
    }
    esi_sim_file_init(&o->file, &opened_kind, flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC | O_NOCTTY));
    o->node = node;
    esi_sim_ref(&o->file);
    int fd = esi_sim_install(&o->file, 0), code = errno;
    esi_sim_unref(&o->file);
    errno = code;
    return fd;
}

static int open_new(const char *path, int flags, mode_t mode)
{
    struct esi_sim_node *node = NULL;
    int code = check_parent(path);
    if (!code)
        code = esi_sim_put(path, ESI_SIM_REGULAR, less_umask(mode), &node);
    return code ? esi_sim_fails(code) : install(node, flags);
}

static int open_there(const char *path, int flags, const struct stat *status, struct esi_sim_node *node)
{
    if (flags & O_CREAT && flags & O_EXCL)
        return esi_sim_fails(EEXIST);
    if (S_ISDIR(status->st_mode)) {
        bool is_written = (flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC);
        return is_written && !(flags & O_PATH) ? esi_sim_fails(EISDIR) : install(NULL, flags);
    }
    if (flags & O_DIRECTORY)
        return esi_sim_fails(ENOTDIR);
    if (S_ISSOCK(status->st_mode))
        return esi_sim_fails(ENXIO);
    if (!S_ISREG(status->st_mode))
        return open(path, flags & ~(O_CREAT | O_TRUNC)); /* a device, a fifo */
    int code = find_regular(path, flags, status, &node);
    return code ? esi_sim_fails(code) : install(node, flags);
}

int esi_sim_open(const char *path, int flags, mode_t mode)
{
    char whole[PATH_MAX];
    struct stat status;
    struct esi_sim_node *node = NULL;
    int code = esi_sim_whole_path(path, whole);
    if (!code)
        code = esi_sim_disk_strikes(flags & O_CREAT);
    if (code)
        return esi_sim_fails(code);
    code = esi_sim_look(whole, &node, &status);
    if (code == 0)
        return open_there(whole, flags, &status, node);
    return code == ENOENT && flags & O_CREAT ? open_new(whole, flags, mode) : esi_sim_fails(code);
}

/* ---------------------------------------------------------------- paths */

int esi_sim_stat(const char *path, struct stat *out)
{
    char whole[PATH_MAX];
    struct esi_sim_node *node;
    int code = esi_sim_whole_path(path, whole);
    if (!code)
        code = esi_sim_look(whole, &node, out);
    return code ? esi_sim_fails(code) : 0;
}

int esi_sim_lstat(const char *path, struct stat *out)
{
    char whole[PATH_MAX];
    struct esi_sim_node *node;
    int code = esi_sim_whole_path(path, whole);
    if (!code)
        code = esi_sim_look(whole, &node, out);
    if (!code && !node)
        return lstat(path, out); /* a symbolic link is the real one's */
    return code ? esi_sim_fails(code) : 0;
}

char *esi_sim_realpath(const char *path, char *out)
{
    char whole[PATH_MAX];
    struct stat status;
    struct esi_sim_node *node;
    int code = esi_sim_whole_path(path, whole);
    if (!code)
        code = esi_sim_look(whole, &node, &status);
    errno = code;
    if (code)
        return NULL;
    return out ? strcpy(out, whole) : strdup(whole);
}

int esi_sim_mkdir(const char *path, mode_t mode)
{
    char whole[PATH_MAX];
    struct stat status;
    struct esi_sim_node *node;
    int code = esi_sim_whole_path(path, whole);
    if (!code)
        code = esi_sim_disk_strikes(true);
    if (code)
        return esi_sim_fails(code);
    code = esi_sim_look(whole, &node, &status);
    if (code != ENOENT)
        return esi_sim_fails(code ? code : EEXIST);
    code = check_parent(whole);
    if (!code)
        code = esi_sim_put(whole, ESI_SIM_DIRECTORY, less_umask(mode), NULL);
    return code ? esi_sim_fails(code) : 0;
}

/* 0, ENOTEMPTY, or no memory to find out. */
static int check_empty(const char *path)
{
    char *names = NULL;
    size_t size;
    int64_t count = esi_sim_names_at(path, &names, &size);
    free(names);
    return count < 0 ? errno : count ? ENOTEMPTY : 0;
}

static int take_away(const char *path, bool may_be_directory)
{
    char whole[PATH_MAX];
    struct stat status;
    struct esi_sim_node *node;
    int code = esi_sim_whole_path(path, whole);
    if (!code)
        code = esi_sim_disk_strikes(false);
    if (!code)
        code = esi_sim_look(whole, &node, &status);
    if (!code && S_ISDIR(status.st_mode))
        code = may_be_directory ? check_empty(whole) : EISDIR;
    if (!code)
        code = check_parent(whole);
    if (!code)
        code = esi_sim_drop(whole);
    return code ? esi_sim_fails(code) : 0;
}

int esi_sim_unlink(const char *path)
{
    return take_away(path, false);
}

int esi_sim_remove(const char *path)
{
    return take_away(path, true);
}

/* May what is at `from` take the place of what is at `to`, if anything is? */
static int check_target(const char *to, bool is_directory)
{
    struct stat status;
    struct esi_sim_node *node;
    int code = esi_sim_look(to, &node, &status);
    if (code)
        return code == ENOENT ? check_parent(to) : code;
    if (S_ISDIR(status.st_mode))
        return is_directory ? check_empty(to) : EISDIR;
    return is_directory ? ENOTDIR : check_parent(to);
}

static int rename_whole(const char *from, const char *to)
{
    struct stat status, real;
    struct esi_sim_node *node;
    int code = esi_sim_look(from, &node, &status);
    if (code || strcmp(from, to) == 0)
        return code;
    bool is_directory = S_ISDIR(status.st_mode), is_real = lstat(from, &real) == 0;
    if (is_directory && is_real)
        return EXDEV; /* a layer cannot move what it is a layer of */
    if (!is_directory && !node && !S_ISREG(status.st_mode))
        return EPERM;
    code = check_target(to, is_directory);
    if (!code && !node)
        code = esi_sim_load(from, &status, &node);
    if (!code)
        code = esi_sim_move(node, to);
    if (!code && is_real)
        code = esi_sim_drop(from);
    return code;
}

int esi_sim_rename(const char *from, const char *to)
{
    char whole_from[PATH_MAX], whole_to[PATH_MAX];
    int code = esi_sim_whole_path(from, whole_from);
    if (!code)
        code = esi_sim_whole_path(to, whole_to);
    if (!code)
        code = esi_sim_disk_strikes(true);
    if (!code)
        code = rename_whole(whole_from, whole_to);
    return code ? esi_sim_fails(code) : 0;
}

int64_t esi_sim_names(const char *path, FILE *out)
{
    char whole[PATH_MAX], *names = NULL;
    struct stat status;
    struct esi_sim_node *node;
    size_t size = 0;
    int code = esi_sim_whole_path(path, whole);
    if (!code)
        code = esi_sim_disk_strikes(false);
    if (!code)
        code = esi_sim_look(whole, &node, &status);
    if (!code && !S_ISDIR(status.st_mode))
        code = ENOTDIR;
    if (code)
        return esi_sim_fails(code);
    int64_t count = esi_sim_names_at(whole, &names, &size);
    if (count > 0)
        fwrite(names, 1, size, out);
    free(names);
    return count;
}

/* ---------------------------------------------------------------- sockets with a path */

int esi_sim_disk_bind(const char *path, struct esi_sim_socket *socket)
{
    char whole[PATH_MAX];
    struct stat status;
    struct esi_sim_node *node;
    int code = esi_sim_whole_path(path, whole);
    if (code)
        return code;
    code = esi_sim_look(whole, &node, &status);
    if (code != ENOENT)
        return code ? code : EEXIST;
    code = check_parent(whole);
    if (!code)
        code = esi_sim_put(whole, ESI_SIM_SOCKET_FILE, less_umask(0777), &node);
    if (!code) {
        node->socket = socket;
        socket->node = node;
    }
    return code;
}

void esi_sim_disk_unbind(struct esi_sim_socket *socket)
{
    struct esi_sim_node *node = socket->node;
    socket->node = NULL;
    node->socket = NULL;
    node->openers++; /* it may be removed already: then nobody else frees it */
    esi_sim_node_left(node);
}

struct esi_sim_socket *esi_sim_disk_socket(const char *path, int *code)
{
    char whole[PATH_MAX];
    struct stat status;
    struct esi_sim_node *node;
    *code = esi_sim_whole_path(path, whole);
    if (!*code)
        *code = esi_sim_look(whole, &node, &status);
    if (*code)
        return NULL;
    *code = ECONNREFUSED;
    return node ? node->socket : NULL;
}
