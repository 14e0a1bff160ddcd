/* file.c - the sweep over engset/file.h and engset/child.h. */
#include "sweep.h"
#include <signal.h>
#include <unistd.h>

/* A folder of this program's own, with one file of 13 bytes. */
static char folder[] = "/tmp/engset-sweep-XXXXXX", path[64], other_path[64];

static int a_file(void)
{
    int64_t fd = es_file_open(path, O_RDWR | O_CREAT, 0600);
    EXPECT(fd >= 0);
    return (int)fd;
}

SWEEP(es_file_open, REAL)
{
    if (!went_well(TRY(es_file_open(path, O_RDONLY, 0))))
        EXPECT(es_file_open(path, O_RDONLY, 0) >= 0);
}

#define AT_A_FILE(function, flags, wanted, ...)           \
    SWEEP(function, REAL | (flags))                       \
    {                                                     \
        char buffer[8] = "01234567";                      \
        (void)buffer;                                     \
        int fd = a_file();                                \
        if (!went_well(TRY(function(fd __VA_ARGS__))))    \
            EXPECT(function(fd __VA_ARGS__) == (wanted)); \
    }
AT_A_FILE(es_file_read, TAKES_NOTHING, 8, , buffer, 8)
AT_A_FILE(es_file_pread, TAKES_NOTHING, 8, , buffer, 8, 1)
AT_A_FILE(es_file_write, TAKES_NOTHING, 8, , buffer, 8)
AT_A_FILE(es_file_pwrite, TAKES_NOTHING, 8, , buffer, 8, 1)
AT_A_FILE(es_file_sync, 0, ES_OK, )

SWEEP(es_file_stat, REAL | TAKES_NOTHING)
{
    es_file_info info;
    if (!went_well(TRY(es_file_stat(path, &info))))
        EXPECT(es_file_stat(path, &info) == ES_OK);
    EXPECT(info.kind == ES_FILE_REGULAR);
}

SWEEP(es_file_rename, REAL)
{
    a_file();
    if (!went_well(TRY(es_file_rename(path, other_path))))
        EXPECT(access(path, F_OK) == 0 && es_file_rename(path, other_path) == ES_OK);
    EXPECT(access(other_path, F_OK) == 0 && access(path, F_OK) != 0);
    EXPECT(es_file_rename(other_path, path) == ES_OK);
}

SWEEP(es_file_remove, REAL)
{
    EXPECT(es_file_write_all(other_path, ((es_bin){(const uint8_t *)"some bytes", 10})) == ES_OK);
    if (!went_well(TRY(es_file_remove(other_path))))
        EXPECT(access(other_path, F_OK) == 0 && es_file_remove(other_path) == ES_OK);
}

SWEEP(es_file_make_directory, REAL)
{
    if (!went_well(TRY(es_file_make_directory(other_path, 0700))))
        EXPECT(access(other_path, F_OK) != 0 && es_file_make_directory(other_path, 0700) == ES_OK);
    EXPECT(rmdir(other_path) == 0);
}

SWEEP(es_file_list_directory, REAL | MAY_END)
{
    es_term names;
    a_file();
    if (went_well(TRY(es_file_list_directory(folder, &names))))
        es_drop(names);
    EXPECT(es_file_list_directory(folder, &names) == ES_OK && es_list_length(names) == 1);
    es_drop(names);
}

SWEEP(es_file_read_all, REAL | MAY_END)
{
    es_term all;
    es_bin bytes;
    EXPECT(es_file_write_all(path, ((es_bin){(const uint8_t *)"0123456789abc", 13})) == ES_OK);
    if (went_well(TRY(es_file_read_all(path, &all))))
        es_drop(all);
    EXPECT(es_file_read_all(path, &all) == ES_OK && es_get_bin(all, &bytes) && bytes.size == 13);
    es_drop(all);
}

SWEEP(es_file_write_all, REAL)
{
    es_term names;
    EXPECT(es_file_write_all(path, ((es_bin){(const uint8_t *)"0123456789abc", 13})) == ES_OK);
    es_err error = TRY(es_file_write_all(path, ((es_bin){(const uint8_t *)"other", 5})));
    went_well(error);
    es_file_info info;
    EXPECT(es_file_stat(path, &info) == ES_OK && info.size_bytes == (error == ES_OK ? 5 : 13));
    EXPECT(es_file_list_directory(folder, &names) == ES_OK && es_list_length(names) == 1);
    es_drop(names);
}

/* ---------------------------------------------------------------- child programs */

static es_child a_child(const char *seconds)
{
    const char *arguments[] = {seconds, NULL};
    es_child child = {.os_pid = 0};
    EXPECT(es_child_start(&(es_child_options){.program = "sleep", .arguments = arguments}, &child) == ES_OK);
    return child;
}

SWEEP(es_child_start, REAL)
{
    const char *arguments[] = {"0", NULL};
    es_child child;
    es_child_options options = {
        .program = "sleep", .arguments = arguments, .input = ES_CHILD_PIPE, .output = ES_CHILD_PIPE};
    if (!went_well(TRY(es_child_start(&options, &child))))
        EXPECT(es_child_start(&options, &child) == ES_OK);
    EXPECT(es_child_wait(child, soon(), NULL) == ES_OK);
}

SWEEP(es_child_wait, REAL)
{
    es_child child = a_child("0.01");
    int status = -1;
    if (!went_well(TRY(es_child_wait(child, soon(), &status))))
        EXPECT(es_child_wait(child, soon(), &status) == ES_OK);
    EXPECT(status == 0);
}

SWEEP(es_simulate_program, KEEPS_BLOCKS) /* a path is named for ever */
{
    static int count;
    char path[32];
    snprintf(path, sizeof path, "/sweep/%d", count++);
    went_well(TRY(es_simulate_program(path, NULL)));
    EXPECT(es_simulate_program(path, NULL) == ES_OK);
}

SWEEP(es_child_kill, REAL | TAKES_NOTHING)
{
    es_child child = a_child("100");
    if (!went_well(TRY(es_child_kill(child, SIGKILL))))
        EXPECT(es_child_kill(child, SIGKILL) == ES_OK);
    EXPECT(es_child_wait(child, soon(), NULL) == ES_OK);
}

SWEEP(es_child_stop, REAL | TAKES_NOTHING)
{
    es_child child = a_child("100");
    if (!went_well(TRY(es_child_stop(child))))
        EXPECT(es_child_stop(child) == ES_OK);
    EXPECT(es_child_wait(child, soon(), NULL) == ES_OK);
}

int main(int argc, char **argv)
{
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/a", folder);
    snprintf(other_path, sizeof other_path, "%s/b", folder);
    FILE *file = fopen(path, "w");
    if (!file || fputs("0123456789abc", file) < 0 || fclose(file) != 0)
        return 1;
    int failed = sweep_all(argc, argv);
    unlink(path);
    rmdir(folder);
    return failed;
}
