/* file.c - proves src/port/file.c: plain files. */
#include <engset/file.h>
#include <errno.h>
#include <sys/stat.h>
#include "base/fail.h"
#include "platform/os.h"
#include "waiting.h"

static char folder[64];

static const char *in_folder(const char *name)
{
    static char paths[8][128];
    static _Atomic(unsigned) next;
    char *path = paths[atomic_fetch_add(&next, 1) % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int count_descriptors(void)
{
    es_term list;
    EXPECT(es_file_list_directory("/proc/self/fd", &list) == ES_OK);
    int64_t count = es_list_length(list);
    es_drop(list);
    return (int)count;
}

static bool holds(const char *path, const char *expected)
{
    es_term term;
    es_bin bin;
    if (es_file_read_all(path, &term) != ES_OK || !es_get_bin(term, &bin))
        return false;
    bool same = bin.size == strlen(expected) && memcmp(bin.data, expected, bin.size) == 0;
    es_drop(term);
    return same;
}

static es_bin bytes_of(const char *text)
{
    return es_bytes(text, strlen(text));
}

STORY(what_is_written_is_read, "")
{
    char buffer[32] = "";
    int64_t fd = es_file_open(in_folder("plain"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    EXPECT(fd >= 0);
    EXPECT(es_file_write((int)fd, "hello world", 11) == 11);
    EXPECT(es_file_pwrite((int)fd, "W", 1, 6) == 1);
    EXPECT(es_file_pread((int)fd, buffer, sizeof buffer, 0) == 11);
    EXPECT(strcmp(buffer, "hello World") == 0);
    EXPECT(es_file_pread((int)fd, buffer, sizeof buffer, 11) == 0);
    EXPECT(es_file_read((int)fd, buffer, sizeof buffer) == 0);
    EXPECT(es_file_sync((int)fd) == ES_OK);
    EXPECT(es_file_pread((int)fd, buffer, 5, 6) == 5 && memcmp(buffer, "World", 5) == 0);
    EXPECT(es_close((int)fd) == ES_OK);
    EXPECT(es_file_remove(in_folder("plain")) == ES_OK);
}

STORY(many_mebibytes_go_through_in_pieces, "RES-06")
{
    enum { SIZE = 5 * 1024 * 1024 + 77 };
    char *data = es_alloc(SIZE), *back = es_alloc(SIZE);
    for (int i = 0; i < SIZE; i++)
        data[i] = (char)(i * 7 + i / 1000);
    int64_t fd = es_file_open(in_folder("large"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    EXPECT(es_file_write((int)fd, data, SIZE) == SIZE);
    EXPECT(es_file_sync((int)fd) == ES_OK);
    posix_fadvise((int)fd, 0, 0, POSIX_FADV_DONTNEED); /* from the disk, as far as the kernel follows */
    EXPECT(es_file_pread((int)fd, back, SIZE, 0) == SIZE);
    EXPECT(memcmp(data, back, SIZE) == 0);
    EXPECT(es_close((int)fd) == ES_OK);
    posix_fadvise((int)fd, 0, 0, POSIX_FADV_DONTNEED);
    es_term term;
    es_bin bin = {NULL, 0};
    EXPECT(es_file_read_all(in_folder("large"), &term) == ES_OK && es_get_bin(term, &bin));
    EXPECT(bin.size == SIZE && memcmp(bin.data, data, SIZE) == 0);
    es_drop(term);
    EXPECT(es_file_remove(in_folder("large")) == ES_OK);
}

/* chmod(2) knows the real files alone. */
static void set_mode(const char *path, mode_t mode)
{
    int64_t fd = es_file_open(path, O_RDWR, 0);
    EXPECT(esi_os_fchmod((int)fd, mode) == 0);
    EXPECT(es_close((int)fd) == ES_OK);
}

STORY(a_whole_file_is_replaced_in_one_step, "")
{
    es_file_info info;
    const char *path = in_folder("whole");
    EXPECT(es_file_write_all(path, bytes_of("first")) == ES_OK);
    EXPECT(holds(path, "first"));
    set_mode(path, 0640);
    EXPECT(es_file_write_all(path, bytes_of("")) == ES_OK);
    EXPECT(holds(path, ""));
    EXPECT(es_file_stat(path, &info) == ES_OK && info.mode == 0640 && info.size_bytes == 0);
    es_term names;
    EXPECT(es_file_list_directory(folder, &names) == ES_OK);
    EXPECT(es_list_length(names) == 1); /* nothing else is left */
    es_drop(names);
    EXPECT(es_file_write_all(in_folder("no/such"), bytes_of("x")) == ES_ENOTFOUND);
    EXPECT(es_file_make_directory(in_folder("directory"), 0700) == ES_OK);
    EXPECT(es_file_write_all(in_folder("directory"), bytes_of("x")) == ES_EOS);
    EXPECT(strstr(es_last_detail(), "/directory: Is a directory") != NULL);
    EXPECT(es_file_list_directory(folder, &names) == ES_OK && es_list_length(names) == 2);
    EXPECT(es_file_remove(in_folder("directory")) == ES_OK);
    EXPECT(es_file_remove(path) == ES_OK);
}

STORY(names_kinds_and_sizes_are_told, "")
{
    es_file_info info;
    es_term names;
    es_bin name;
    EXPECT(es_file_write_all(in_folder("a"), bytes_of("12345")) == ES_OK);
    EXPECT(es_file_stat(in_folder("a"), &info) == ES_OK);
    EXPECT(info.kind == ES_FILE_REGULAR && info.size_bytes == 5 &&
           info.modified_ns > 1500000000 * INT64_C(1000000000));
    EXPECT(es_file_rename(in_folder("a"), in_folder("b")) == ES_OK);
    EXPECT(es_file_stat(in_folder("a"), &info) == ES_ENOTFOUND);
    EXPECT(strstr(es_last_detail(), "/a: No such file") != NULL);
    EXPECT(es_file_stat(folder, &info) == ES_OK && info.kind == ES_FILE_DIRECTORY);
    EXPECT(es_file_stat("/dev/null", &info) == ES_OK && info.kind == ES_FILE_OTHER);
    EXPECT(es_file_list_directory(folder, &names) == ES_OK);
    EXPECT(es_list_length(names) == 1);
    es_term head, tail;
    EXPECT(es_get_cons(names, &head, &tail) && es_get_bin(head, &name) && name.size == 1 &&
           name.data[0] == 'b');
    es_drop(names);
    EXPECT(es_file_remove(in_folder("b")) == ES_OK);
    EXPECT(es_file_list_directory(folder, &names) == ES_OK && es_is_nil(names));
    EXPECT(es_file_read_all("/proc/self/status", &names) == ES_OK); /* a file that does not know its size */
    EXPECT(es_get_bin(names, &name) && name.size > 100);
    es_drop(names);
}

STORY(errors_name_the_path_and_the_cause, "")
{
    es_term term;
    char byte;
    EXPECT(es_file_open("/no/such", O_RDONLY, 0) == ES_ENOTFOUND);
    EXPECT(strcmp(es_last_detail(), "file_open: /no/such: No such file or directory") == 0);
    EXPECT(*es_errno() == ENOENT);
    EXPECT(es_file_open("/no/such", O_WRONLY | O_CREAT, 0600) == ES_ENOTFOUND);
    EXPECT(es_file_open(folder, O_WRONLY, 0) == ES_EOS && *es_errno() == EISDIR);
    EXPECT(es_file_make_directory(folder, 0700) == ES_EEXIST);
    EXPECT(es_file_read_all("/no/such", &term) == ES_ENOTFOUND);
    EXPECT(es_file_list_directory("/no/such", &term) == ES_ENOTFOUND);
    EXPECT(strstr(es_last_detail(), "/no/such") != NULL);
    EXPECT(es_file_remove("/no/such") == ES_ENOTFOUND && es_file_rename("/no/such", folder) == ES_ENOTFOUND);
    EXPECT(es_file_read(12345, &byte, 1) == ES_ECLOSED && es_file_write(12345, &byte, 1) == ES_ECLOSED);
    EXPECT(es_file_sync(12345) == ES_ECLOSED && strstr(es_last_detail(), "descriptor 12345") != NULL);
    EXPECT(es_file_pread(0, &byte, 1, -5) == ES_EINVAL && es_file_pwrite(0, &byte, 1, -5) == ES_EINVAL);
}

REAL_STORY(a_fifo_without_a_writer_holds_nobody, 1, "")
{
    EXPECT(mkfifo(in_folder("fifo"), 0600) == 0);
    int64_t fd = es_file_open(in_folder("fifo"), O_RDONLY, 0);
    EXPECT(fd >= 0);
    EXPECT(es_close((int)fd) == ES_OK);
    EXPECT(es_file_remove(in_folder("fifo")) == ES_OK);
}

static bool round_trip(void)
{
    char buffer[8];
    es_term term;
    bool good = true;
    int64_t fd = es_file_open(in_folder("sweep"), O_RDWR | O_CREAT, 0600);
    good = good && fd >= 0;
    good = good && es_file_write((int)fd, "sweep", 5) == 5;
    good = good && es_file_pread((int)fd, buffer, 5, 0) == 5;
    good = good && es_file_sync((int)fd) == ES_OK;
    if (fd >= 0)
        es_close((int)fd);
    if (!good)
        return false;
    es_file_info info;
    (void)!es_file_stat(in_folder("sweep"), &info);
    if (es_file_write_all(in_folder("sweep"), es_bytes("whole", 5)) != ES_OK ||
        es_file_read_all(in_folder("sweep"), &term) != ES_OK)
        return false;
    es_drop(term);
    return es_file_remove(in_folder("sweep")) == ES_OK;
}

/* es_keep() ends who has no memory: so each try has a process of its own. */
static _Atomic(bool) was_good, was_short;

static void tries(es_term argument)
{
    int64_t n = 0;
    EXPECT(es_match(argument, ES_TUPLE(&n)));
    esi_fail_after((uint64_t)n);
    was_good = round_trip();
    was_short = esi_fail_stop();
}

STORY(without_memory_calls_fail_whole, "RES-01")
{
    until_the_node_is_up();
    int before = count_descriptors();
    was_short = true;
    for (int64_t n = 1; was_short && n < 200; n++) {
        was_good = false;
        es_ref ref;
        es_spawn_monitor(&ref, tries, ES_TUPLE(n));
        es_receive {
            es_case(ES_TUPLE(es_am_DOWN, ref, ES_ANY, ES_ANY, ES_ANY)) {
            }
        }
        if (esi_fail_stop()) /* it ended by that */
            was_short = true;
    }
    EXPECT(was_good);
    EXPECT(!was_short);
    EXPECT(count_descriptors() == before);
    es_file_remove(in_folder("sweep"));
}

static void reads_for_ever(es_term argument)
{
    int fd = -1;
    char sink[64], path[128];
    snprintf(path, sizeof path, "%s/busy", folder);
    EXPECT(es_match(argument, ES_TUPLE(&fd)));
    for (;;) {
        es_term term;
        if (es_file_read_all(path, &term) == ES_OK)
            es_drop(term);
        es_file_pread(fd, sink, sizeof sink, 0);
        es_file_sync(fd);
    }
}

STORY_WITH(who_is_killed_in_a_call_leaves_nothing, 100, "", play)
{
    int64_t fd = es_file_open(in_folder("busy"), O_RDWR | O_CREAT, 0600);
    EXPECT(es_file_write((int)fd, "busy", 4) == 4);
    int before = count_descriptors();
    for (long round = 0; round < rounds(2000); round++) {
        es_pid pids[4];
        for (int i = 0; i < 4; i++)
            pids[i] = es_spawn(reads_for_ever, ES_TUPLE((int)fd));
        for (long i = 0; i < round % 7; i++)
            es_yield();
        for (int i = 0; i < 4; i++)
            es_send_exit(pids[i], es_am_kill);
        for (int i = 0; i < 4; i++)
            wait_for_end(pids[i]);
    }
    while (count_descriptors() > before) /* what was under way alone ends by itself */
        es_sleep(1);
    EXPECT(es_file_remove(in_folder("busy")) == ES_OK);
}

int main(void)
{
    snprintf(folder, sizeof folder, "/tmp/engset-file-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(many_mebibytes_go_through_in_pieces),
        cmocka_unit_test(a_whole_file_is_replaced_in_one_step),
        cmocka_unit_test(names_kinds_and_sizes_are_told),
        cmocka_unit_test(errors_name_the_path_and_the_cause),
        cmocka_unit_test(a_fifo_without_a_writer_holds_nobody),
        cmocka_unit_test(without_memory_calls_fail_whole),
        cmocka_unit_test(who_is_killed_in_a_call_leaves_nothing),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
