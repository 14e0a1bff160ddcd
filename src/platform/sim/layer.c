/* platform/sim/layer.c - what the simulated machine has written over the real files; see disk.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/alloc.h"
#include "platform/clock.h"
#include "platform/sim/disk.h"
#include "platform/strike.h"

enum { DEVICE = 0x51d };

/* In the order of their paths, so that what lies below a directory stands together. */
static struct {
    struct esi_sim_node **nodes;
    size_t count, room;
} layer;

int esi_sim_disk_strikes(bool writes)
{
    if (!esi_strikes(ESI_STRIKE_DISK))
        return 0;
    return writes && esi_sim_draw(2) ? ENOSPC : EIO;
}

/* ---------------------------------------------------------------- paths */

int esi_sim_whole_path(const char *path, char out[PATH_MAX])
{
    size_t length = 0;
    if (!*path)
        return ENOENT;
    if (*path != '/') {
        if (!getcwd(out, PATH_MAX))
            return errno;
        length = strlen(out);
        if (length == 1)
            length = 0; /* the root */
    }
    for (const char *end; *path; path = end) {
        path += strspn(path, "/");
        end = path + strcspn(path, "/");
        size_t size = (size_t)(end - path);
        if (size == 0 || (size == 1 && path[0] == '.'))
            continue;
        if (size == 2 && path[0] == '.' && path[1] == '.') {
            while (length > 0 && out[--length] != '/')
                ;
            continue;
        }
        if (length + size + 2 > PATH_MAX)
            return ENAMETOOLONG;
        out[length++] = '/';
        memcpy(out + length, path, size);
        length += size;
    }
    if (length == 0)
        out[length++] = '/';
    out[length] = 0;
    return 0;
}

/* ---------------------------------------------------------------- the nodes */

/* Where `path` stands, or would. */
static size_t place_of(const char *path, bool *is_there)
{
    size_t low = 0, high = layer.count;
    *is_there = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(layer.nodes[middle]->path, path);
        *is_there |= order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct esi_sim_node *find(const char *path)
{
    bool is_there;
    size_t at = place_of(path, &is_there);
    return is_there ? layer.nodes[at] : NULL;
}

static void free_node(struct esi_sim_node *node)
{
    esi_free(node->bytes);
    esi_free(node->path);
    esi_free(node);
}

/* Out of the layer; it lives on while it is open. */
static void detach(struct esi_sim_node *node)
{
    bool is_there;
    size_t at = place_of(node->path, &is_there);
    memmove(layer.nodes + at, layer.nodes + at + 1, (--layer.count - at) * sizeof *layer.nodes);
    node->is_removed = true;
    if (!node->openers && !node->socket)
        free_node(node);
}

static bool insert(struct esi_sim_node *node)
{
    bool is_there;
    if (layer.count == layer.room) {
        size_t room = layer.room ? 2 * layer.room : 16;
        struct esi_sim_node **larger = esi_realloc(layer.nodes, room * sizeof *larger);
        if (!larger)
            return false;
        layer.nodes = larger;
        layer.room = room;
    }
    size_t at = place_of(node->path, &is_there);
    memmove(layer.nodes + at + 1, layer.nodes + at, (layer.count++ - at) * sizeof *layer.nodes);
    layer.nodes[at] = node;
    return true;
}

static char *copy_path(const char *path)
{
    size_t size = strlen(path) + 1;
    char *copy = esi_alloc(size);
    return copy ? memcpy(copy, path, size) : NULL;
}

int esi_sim_put(const char *path, enum esi_sim_node_kind kind, mode_t mode, struct esi_sim_node **out)
{
    struct esi_sim_node *node = esi_alloc_zeroed(1, sizeof *node), *before = find(path);
    if (!node)
        return ENOSPC;
    node->path = copy_path(path);
    node->kind = kind;
    node->mode = mode;
    node->inode = esi_sim_number();
    node->modified_ns = (int64_t)esi_clock_wall_ns();
    if (before && node->path)
        detach(before);
    if (!node->path || !insert(node)) {
        free_node(node);
        return ENOSPC;
    }
    if (out)
        *out = node;
    return 0;
}

int esi_sim_drop(const char *path)
{
    struct stat real;
    struct esi_sim_node *node = find(path);
    if (lstat(path, &real) == 0)
        return esi_sim_put(path, ESI_SIM_GONE, 0, NULL);
    if (node)
        detach(node);
    return 0;
}

void esi_sim_node_left(struct esi_sim_node *node)
{
    node->openers--;
    if (node->openers || node->socket)
        return;
    if (node->is_removed)
        free_node(node);
    else if (node->is_clean)
        detach(node); /* the real one tells as much */
}

bool esi_sim_node_reach(struct esi_sim_node *node, size_t size)
{
    if (size <= node->size)
        return true;
    if (size > node->room) {
        size_t room = size < 2 * node->room ? 2 * node->room : size;
        char *larger = esi_realloc(node->bytes, room);
        if (!larger)
            return false;
        node->bytes = larger;
        node->room = room;
    }
    memset(node->bytes + node->size, 0, size - node->size);
    node->size = size;
    return true;
}

/* ---------------------------------------------------------------- looking */

void esi_sim_node_stat(const struct esi_sim_node *node, struct stat *out)
{
    static const mode_t kinds[] = {S_IFREG, S_IFDIR, S_IFSOCK, 0};
    *out = (struct stat){.st_mode = kinds[node->kind] | node->mode,
                         .st_size = (off_t)node->size,
                         .st_dev = DEVICE,
                         .st_ino = node->inode,
                         .st_nlink = 1,
                         .st_uid = geteuid(),
                         .st_gid = getegid(),
                         .st_mtim = {.tv_sec = node->modified_ns / (int64_t)ESI_NS_PER_S,
                                     .tv_nsec = node->modified_ns % (int64_t)ESI_NS_PER_S}};
}

/* Each directory on the way that the layer knows must be one. */
static int check_way(const char *path)
{
    char part[PATH_MAX];
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        memcpy(part, path, (size_t)(slash - path));
        part[slash - path] = 0;
        struct esi_sim_node *node = find(part);
        if (node && node->kind != ESI_SIM_DIRECTORY)
            return node->kind == ESI_SIM_GONE ? ENOENT : ENOTDIR;
    }
    return 0;
}

int esi_sim_look(const char *path, struct esi_sim_node **node, struct stat *out)
{
    int code = check_way(path);
    *node = code ? NULL : find(path);
    if (code)
        return code;
    if (!*node)
        return stat(path, out) == 0 ? 0 : errno;
    esi_sim_node_stat(*node, out);
    return (*node)->kind == ESI_SIM_GONE ? ENOENT : 0;
}

/* ---------------------------------------------------------------- the real files below */

static int read_all(int fd, struct esi_sim_node *node)
{
    enum { AT_ONCE = 64 << 10 };
    for (;;) {
        size_t before = node->size;
        if (!esi_sim_node_reach(node, before + AT_ONCE))
            return ENOMEM;
        ssize_t count = read(fd, node->bytes + before, AT_ONCE);
        node->size = before + (count > 0 ? (size_t)count : 0);
        if (count < 0 && errno != EINTR)
            return errno;
        if (count == 0)
            return 0;
    }
}

int esi_sim_load(const char *path, const struct stat *status, struct esi_sim_node **out)
{
    struct esi_sim_node *node;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return errno;
    int code = esi_sim_put(path, ESI_SIM_REGULAR, status->st_mode & 07777, &node);
    if (code == 0) {
        node->is_clean = true;
        node->modified_ns = (int64_t)status->st_mtim.tv_sec * (int64_t)ESI_NS_PER_S + status->st_mtim.tv_nsec;
        code = read_all(fd, node);
        if (code)
            detach(node);
    }
    close(fd);
    *out = code ? NULL : node;
    return code;
}

/* ---------------------------------------------------------------- moving */

static bool is_below(const char *path, const char *directory)
{
    size_t length = strlen(directory);
    return strncmp(path, directory, length) == 0 && path[length] == '/';
}

static int move_one(struct esi_sim_node *node, const char *to)
{
    char *path = copy_path(to);
    bool is_there;
    if (!path)
        return ENOSPC;
    struct esi_sim_node *before = find(to);
    if (before)
        detach(before);
    size_t at = place_of(node->path, &is_there);
    memmove(layer.nodes + at, layer.nodes + at + 1, (--layer.count - at) * sizeof *layer.nodes);
    esi_free(node->path);
    node->path = path;
    node->is_clean = false;
    return insert(node) ? 0 : ENOSPC; /* always: there is the place that it had */
}

int esi_sim_move(struct esi_sim_node *node, const char *to)
{
    char from[PATH_MAX], path[PATH_MAX];
    strcpy(from, node->path);
    int code = move_one(node, to);
    for (size_t i = 0; i < layer.count && code == 0;) {
        struct esi_sim_node *it = layer.nodes[i++];
        if (!is_below(it->path, from))
            continue;
        if (snprintf(path, sizeof path, "%s%s", to, it->path + strlen(from)) >= (int)sizeof path)
            return ENAMETOOLONG;
        code = move_one(it, path);
        i = 0; /* they stand otherwise now */
    }
    return code;
}

/* ---------------------------------------------------------------- listing */

static bool add_name(char ***names, size_t *count, const char *name)
{
    char **larger = realloc(*names, (*count + 1) * sizeof **names);
    if (!larger)
        return false;
    *names = larger;
    larger[*count] = strdup(name);
    return larger[*count] ? ++*count : false;
}

/* The real names that the layer says nothing about. */
static bool add_real(const char *path, char ***names, size_t *count)
{
    char whole[PATH_MAX];
    bool is_good = true;
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && is_good && (entry = readdir(folder));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int length = snprintf(whole, sizeof whole, "%s/%s", path[1] ? path : "", entry->d_name);
        if (length < (int)sizeof whole && !find(whole))
            is_good = add_name(names, count, entry->d_name);
    }
    if (folder)
        closedir(folder);
    return is_good;
}

static bool add_layer(const char *path, char ***names, size_t *count)
{
    size_t length = path[1] ? strlen(path) : 0;
    for (size_t i = 0; i < layer.count; i++) {
        struct esi_sim_node *node = layer.nodes[i];
        bool is_in =
            strncmp(node->path, path, length) == 0 && node->path[length] == '/' && node->path[length + 1];
        if (!is_in || strchr(node->path + length + 1, '/') || node->kind == ESI_SIM_GONE)
            continue;
        if (!add_name(names, count, node->path + length + 1))
            return false;
    }
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int64_t esi_sim_names_at(const char *path, char **out, size_t *size)
{
    char **names = NULL;
    size_t count = 0;
    FILE *text = NULL;
    bool is_good = add_real(path, &names, &count) && add_layer(path, &names, &count);
    if (is_good)
        text = open_memstream(out, size);
    if (count)
        qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 0; i < count; i++) {
        if (text)
            fwrite(names[i], 1, strlen(names[i]) + 1, text);
        free(names[i]);
    }
    free(names);
    if (text && fclose(text) == 0)
        return (int64_t)count;
    return esi_sim_fails(ENOMEM);
}

/* ---------------------------------------------------------------- the end */

void esi_sim_disk_close(void)
{
    for (size_t i = 0; i < layer.count; i++)
        free_node(layer.nodes[i]);
    esi_free(layer.nodes);
    layer.nodes = NULL;
    layer.count = layer.room = 0;
}
