/* engset/file.h - plain files, without blocking anybody but the process that asks.
 *
 * What the kernel has in memory is given at once; where it would have to wait for a disk another thread does. Numbers are wanted or written
 * whole: short reads and writes are continued. Paths are bytes as the system has them. Pipes, sockets and terminals are no files: for them
 * are the calls of engset/port.h.
 *
 * Calls that give a number or an es_err fail with ES_ENOTFOUND (no such file), ES_EEXIST, ES_ENOMEM, ES_ECLOSED (no open descriptor) or
 * ES_EOS, errno tells; es_last_detail() names the path and the cause. A write under way when its process is ended is done, or not done, whole calls of
 * at most 1 MiB. In a simulated world what is written stays in memory, over the real files, and is gone with it; system calls of one's own
 * (lseek(2) ...) do not know what es_file_open() gave there. All: process only. Source: OTP file. */
#ifndef ENGSET_FILE_H
#define ENGSET_FILE_H

#include <fcntl.h>
#include <engset/proc.h>

ES_BEGIN_DECLS

/* Opens `path` with the flags of open(2) (O_RDONLY, O_WRONLY | O_CREAT ...; close-on-exec is added) and `mode` for a new file. Gives the
 * descriptor, owned by this process; es_close() closes it. */
ES_API int64_t es_file_open(const char *path, int flags, int mode);

/* Reads `size` bytes from where the descriptor stands, or from `offset`. Gives how many: less only at the file's end. */
ES_API int64_t es_file_read(int fd, void *buffer, size_t size);
ES_API int64_t es_file_pread(int fd, void *buffer, size_t size, int64_t offset);

/* Writes all `size` bytes to where the descriptor stands, or to `offset`, and gives `size`. On an error some may be written. */
ES_API int64_t es_file_write(int fd, const void *data, size_t size);
ES_API int64_t es_file_pwrite(int fd, const void *data, size_t size, int64_t offset);

/* Comes back when what was written is on the disk. */
ES_API es_err es_file_sync(int fd);

typedef enum es_file_kind { ES_FILE_REGULAR = 1, ES_FILE_DIRECTORY, ES_FILE_OTHER } es_file_kind;

typedef struct es_file_info {
    es_file_kind kind;
    int mode; /* permissions, as chmod(2) has them */
    int64_t size_bytes;
    int64_t modified_ns; /* since 1970, UTC */
} es_file_info;

/* What `path` is; links are followed. */
ES_API ES_CHECKED es_err es_file_stat(const char *path, es_file_info *out);

/* Renames; a file that is at `to` is replaced in one step. */
ES_API ES_CHECKED es_err es_file_rename(const char *from, const char *to);

/* Removes a file, or an empty directory. */
ES_API es_err es_file_remove(const char *path);

/* Makes a directory. */
ES_API es_err es_file_make_directory(const char *path, int mode);

/* The names in a directory, without . and .., in no order: a list of binaries, this process's until es_drop(). Without memory for that list
 * the process ends with system_limit. */
ES_API ES_CHECKED es_err es_file_list_directory(const char *path, es_term *out);

/* The whole file as a binary, this process's until es_drop(); sent on, it is not copied. Without memory for that term the process ends with
 * system_limit. */
ES_API ES_CHECKED es_err es_file_read_all(const char *path, es_term *out);

/* Makes `path` a file with these bytes: it is there with all of them, also after a crash of the machine, or as it was before. Written to
 * a new file beside it, synced, renamed. Permissions: those of the file that is replaced, else 0666 less the umask. */
ES_API ES_CHECKED es_err es_file_write_all(const char *path, es_bin data);

ES_END_DECLS
#endif
