/* platform/sim/disk.h - the simulated machine's files.
 *
 * A layer over the real ones: what was not written there is read from the real file, as long as nobody changes that; what is written stays in
 * memory, and is gone with the world. Paths are told apart by their text, without following symbolic links. Devices and
 * fifos are the real ones. */
#ifndef PLATFORM_SIM_DISK_H
#define PLATFORM_SIM_DISK_H

#include <limits.h>
#include <sys/stat.h>
#include "platform/sim/file.h"

struct esi_sim_socket;

enum esi_sim_node_kind { ESI_SIM_REGULAR, ESI_SIM_DIRECTORY, ESI_SIM_SOCKET_FILE, ESI_SIM_GONE };

/* What the layer has at a path. */
struct esi_sim_node {
    char *path;
    enum esi_sim_node_kind kind; /* GONE: it hides a real one, which was removed */
    mode_t mode;                 /* without the kind */
    uint64_t inode;
    int64_t modified_ns;
    char *bytes;
    size_t size, room;
    bool is_clean;   /* as the real one: read from it when it was opened */
    bool is_removed; /* no path leads there any more */
    int openers;
    struct esi_sim_socket *socket; /* NULL: it is dead */
};

/* ---- the layer (layer.c) ---- */

/* `path` from the root, without . and .., as all functions below want it. 0, ENOENT or ENAMETOOLONG. */
int esi_sim_whole_path(const char *path, char out[PATH_MAX]);

/* What is at `path`: in the layer, `*node`, else NULL; and what it looks like. 0, or ENOENT, ENOTDIR ... */
int esi_sim_look(const char *path, struct esi_sim_node **node, struct stat *out);

/* Something new at `path`, in place of what the layer has there. 0: it is `*out`; else ENOSPC. */
int esi_sim_put(const char *path, enum esi_sim_node_kind kind, mode_t mode, struct esi_sim_node **out);

/* The file at `path` with the real one's bytes, which the layer does not have. 0, or why not. */
int esi_sim_load(const char *path, const struct stat *status, struct esi_sim_node **out);

/* Nothing is at `path` from now on. */
int esi_sim_drop(const char *path);

/* `node` and all below it are at `to`. 0, or ENOSPC. */
int esi_sim_move(struct esi_sim_node *node, const char *to);

/* One opener less. */
void esi_sim_node_left(struct esi_sim_node *node);

/* It has `size` bytes at least; those that it had not are 0. False: no memory. */
bool esi_sim_node_reach(struct esi_sim_node *node, size_t size);

void esi_sim_node_stat(const struct esi_sim_node *node, struct stat *out);

/* The names in the directory `path`, of both, sorted, each with its 0 behind it, in memory of malloc's. How many; -1 and errno. */
int64_t esi_sim_names_at(const char *path, char **out, size_t *size);

/* 0, or what goes wrong with the disk this time. */
int esi_sim_disk_strikes(bool writes);

/* ---- for sockets (disk.c) ---- */

int esi_sim_disk_bind(const char *path, struct esi_sim_socket *socket);
void esi_sim_disk_unbind(struct esi_sim_socket *socket);
struct esi_sim_socket *esi_sim_disk_socket(const char *path, int *code);

#endif
