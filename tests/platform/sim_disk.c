/* sim_disk.c - proves src/platform/sim/disk.c and layer.c: the files of a simulated machine, which lie over the real ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include "platform/os.h"
#include "platform/strike.h"

static char folder[64]; /* a real one, with `kept` and `under/deep` in it */

static const char *in(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void write_real(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int begin(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/engset-sim-disk-XXXXXX");
    assert_non_null(mkdtemp(folder));
    write_real(in("kept"), "real");
    assert_int_equal(mkdir(in("under"), 0700), 0);
    write_real(in("under/deep"), "deep");
    esi_platform_sim_start(1);
    return 0;
}

/* On the disk is what was there. */
static int end(void **state)
{
    (void)state;
    char text[8] = "";
    esi_strike_plan = NULL;
    esi_platform_sim_stop();
    FILE *file = fopen(in("kept"), "r");
    assert_int_equal(fread(text, 1, sizeof text, file), 4);
    fclose(file);
    assert_string_equal(text, "real");
    assert_int_equal(unlink(in("kept")), 0);
    assert_int_equal(unlink(in("under/deep")), 0);
    assert_int_equal(rmdir(in("under")), 0);
    assert_int_equal(rmdir(folder), 0); /* and nothing else */
    return 0;
}

static void holds(const char *path, const char *expected)
{
    char text[64] = "";
    int fd = esi_os_open(path, O_RDONLY, 0);
    assert_true(fd >= 0);
    assert_int_equal(esi_os_read(fd, text, sizeof text), strlen(expected));
    assert_string_equal(text, expected);
    assert_int_equal(esi_os_close(fd), 0);
}

static void put(const char *path, int flags, const char *text)
{
    int fd = esi_os_open(path, O_WRONLY | flags, 0600);
    assert_true(fd >= 0);
    assert_int_equal(esi_os_write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(esi_os_close(fd), 0);
}

#define assert_fails(call, code)         \
    do {                                 \
        assert_int_equal((call), -1);    \
        assert_int_equal(errno, (code)); \
    } while (0)

/* The names in the real folder, with blanks between them. */
static const char *names(void)
{
    static char all[128];
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    int64_t count = esi_os_names(folder, out);
    fclose(out);
    for (size_t i = 0; i < size; i++)
        if (!text[i])
            text[i] = ' ';
    snprintf(all, sizeof all, "%d: %.*s", (int)count, (int)size, text);
    free(text);
    return all;
}

static void test_what_was_not_written_is_read_from_the_real_file(void **state)
{
    struct stat status;
    (void)state;
    holds(in("kept"), "real");
    assert_int_equal(esi_os_stat(in("kept"), &status), 0);
    assert_int_equal(status.st_size, 4);
    holds(in("under/../under//./deep"), "deep");
    put(in("kept"), 0, "RE");
    holds(in("kept"), "REal");
    put(in("kept"), O_APPEND, "ly");
    holds(in("kept"), "REally");
    put(in("kept"), O_TRUNC, "new");
    holds(in("kept"), "new");
}

static void test_what_is_made_and_removed_is_seen_in_the_layer_alone(void **state)
{
    struct stat status;
    (void)state;
    put(in("fresh"), O_CREAT | O_EXCL, "x");
    assert_fails(esi_os_open(in("fresh"), O_CREAT | O_EXCL, 0600), EEXIST);
    assert_fails(esi_os_open(in("kept"), O_CREAT | O_EXCL, 0600), EEXIST);
    assert_fails(esi_os_open(in("none"), O_RDONLY, 0), ENOENT);
    assert_fails(esi_os_open(in("no/such"), O_CREAT, 0600), ENOENT);
    assert_fails(esi_os_open(in("kept/x"), O_CREAT, 0600), ENOTDIR);
    assert_string_equal(names(), "3: fresh kept under ");
    assert_int_equal(esi_os_unlink(in("kept")), 0);
    assert_fails(esi_os_stat(in("kept"), &status), ENOENT);
    assert_string_equal(names(), "2: fresh under ");
    put(in("kept"), O_CREAT, "again");
    holds(in("kept"), "again");
    assert_fails(esi_os_unlink(in("under")), EISDIR);
    assert_fails(esi_os_remove(in("under")), ENOTEMPTY);
    assert_int_equal(esi_os_remove(in("under/deep")), 0);
    assert_int_equal(esi_os_remove(in("under")), 0);
    assert_fails(esi_os_open(in("under/deep"), O_RDONLY, 0), ENOENT);
    assert_int_equal(esi_os_mkdir(in("under"), 0700), 0);
    assert_fails(esi_os_open(in("under/deep"), O_RDONLY, 0), ENOENT);
    assert_fails(esi_os_mkdir(in("under"), 0700), EEXIST);
}

static void test_a_path_begins_in_the_working_directory(void **state)
{
    char before[PATH_MAX];
    (void)state;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    holds("kept", "real");
    holds("./under//../under/deep", "deep");
    put("fresh", O_CREAT, "x");
    assert_int_equal(chdir(before), 0);
    holds(in("fresh"), "x");
}

static void test_a_file_lives_on_while_it_is_open(void **state)
{
    char text[8] = "";
    (void)state;
    int fd = esi_os_open(in("kept"), O_RDWR, 0), again = esi_os_duplicate(fd);
    assert_int_equal(esi_os_unlink(in("kept")), 0);
    assert_int_equal(esi_os_read(fd, text, 2), 2);
    assert_int_equal(esi_os_close(fd), 0);
    assert_int_equal(esi_os_read(again, text + 2, 4), 2); /* it stands where the other stood */
    assert_string_equal(text, "real");
    assert_fails(esi_os_open(in("kept"), O_RDONLY, 0), ENOENT);
    assert_int_equal(esi_os_close(again), 0);
}

static void test_renaming_replaces_in_one_step(void **state)
{
    (void)state;
    put(in("fresh"), O_CREAT, "fresh");
    assert_int_equal(esi_os_rename(in("fresh"), in("kept")), 0);
    holds(in("kept"), "fresh");
    assert_fails(esi_os_open(in("fresh"), O_RDONLY, 0), ENOENT);
    assert_int_equal(esi_os_rename(in("under/deep"), in("up")), 0);
    holds(in("up"), "deep");
    assert_fails(esi_os_open(in("under/deep"), O_RDONLY, 0), ENOENT);
    assert_fails(esi_os_rename(in("up"), in("under")), EISDIR);
    assert_fails(esi_os_rename(in("under"), in("elsewhere")), EXDEV);
    assert_int_equal(esi_os_mkdir(in("a"), 0700), 0);
    assert_int_equal(esi_os_mkdir(in("a/b"), 0700), 0);
    put(in("a/b/c"), O_CREAT, "c");
    assert_int_equal(esi_os_rename(in("a"), in("z")), 0);
    holds(in("z/b/c"), "c");
    assert_fails(esi_os_open(in("a/b/c"), O_RDONLY, 0), ENOENT);
    assert_string_equal(names(), "4: kept under up z ");
}

static void test_what_lies_behind_the_end_is_zero(void **state)
{
    char text[8];
    (void)state;
    int fd = esi_os_open(in("kept"), O_RDWR, 0);
    void *volatile nowhere = (void *)(uintptr_t)16;
    struct iovec one = {"x", 1}, all = {text, sizeof text};
    assert_int_equal(esi_os_pwritev2(fd, &one, 1, 6, 0), 1);
    assert_int_equal(esi_os_preadv2(fd, &all, 1, 0, 0), 7);
    assert_memory_equal(text, "real\0\0x", 7);
    assert_fails(esi_os_pwritev2(fd, &(struct iovec){nowhere, 1}, 1, 100, 0), EFAULT);
    struct stat status;
    assert_int_equal(esi_os_fstat(fd, &status), 0);
    assert_int_equal(status.st_size, 7);
    assert_int_equal(esi_os_close(fd), 0);
}

static enum esi_strike struck;

static bool strikes_always(enum esi_strike kind)
{
    return kind == struck;
}

static void test_a_disk_may_fail_and_calls_may_do_a_part(void **state)
{
    char text[8];
    (void)state;
    int fd = esi_os_open(in("kept"), O_RDWR, 0);
    bool was_full = false, was_broken = false;
    struck = ESI_STRIKE_DISK;
    esi_strike_plan = strikes_always;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(esi_os_write(fd, "x", 1), -1);
        was_full |= errno == ENOSPC;
        was_broken |= errno == EIO;
    }
    assert_true(was_full);
    assert_true(was_broken);
    assert_fails(esi_os_read(fd, text, 4), EIO);
    struck = ESI_STRIKE_SHORT_IO;
    assert_in_range(esi_os_read(fd, text, 4), 1, 3);
    assert_in_range(esi_os_write(fd, "0123", 4), 1, 3);
    esi_strike_plan = NULL;
    assert_int_equal(esi_os_close(fd), 0);
}

int main(void)
{
#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_what_was_not_written_is_read_from_the_real_file),
        WITH_FOLDER(test_what_is_made_and_removed_is_seen_in_the_layer_alone),
        WITH_FOLDER(test_a_path_begins_in_the_working_directory),
        WITH_FOLDER(test_a_file_lives_on_while_it_is_open),
        WITH_FOLDER(test_renaming_replaces_in_one_step),
        WITH_FOLDER(test_what_lies_behind_the_end_is_zero),
        WITH_FOLDER(test_a_disk_may_fail_and_calls_may_do_a_part),
    };
    return cmocka_run_group_tests_name("platform/sim_disk", tests, NULL, NULL);
}
