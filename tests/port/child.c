/* child.c - proves src/port/child.c and child_server.c: child programs. */
#include <dirent.h>
#include <engset/child.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "base/fail.h"
#include "waiting.h"

ES_ATOMS(started, ended_, tcp);

#define ARGUMENTS(...)      ((const char *const[]){__VA_ARGS__, NULL})
#define OPTIONS(name_, ...) (&(const es_child_options){.program = (name_), __VA_ARGS__})
#define SHELL(command, ...) OPTIONS("sh", .arguments = ARGUMENTS("-c", command), __VA_ARGS__)

/* All that comes from a pipe until its end. */
static int64_t read_to_end(int fd, char *buffer, size_t size)
{
    size_t length = 0;
    for (;;) {
        if (es_wait_fd(fd, POLLIN, in_ms(STORY_PATIENCE_MS)) < 0)
            return -1;
        ssize_t count = read(fd, buffer + length, size - 1 - length);
        if (count > 0)
            length += (size_t)count;
        if (count == 0)
            break;
        if (count < 0 && *es_errno() != EAGAIN)
            return -1;
    }
    buffer[length] = 0;
    return (int64_t)length;
}

/* What the child writes to its standard output; it ends with `status`. */
static bool says(const es_child_options *options, const char *expected, int status)
{
    char text[4096];
    int got = -1;
    es_child child;
    es_child_options with_pipe = *options;
    with_pipe.output = ES_CHILD_PIPE;
    es_err error = es_child_start(&with_pipe, &child);
    if (error != ES_OK)
        return story_expect(false, es_last_detail(), __FILE__, __LINE__);
    bool is_read = read_to_end(child.output, text, sizeof text) >= 0;
    es_err waited = es_child_wait(child, in_ms(STORY_PATIENCE_MS), &got);
    es_close(child.output);
    if (is_read && waited == ES_OK && got == status && strcmp(text, expected) == 0)
        return true;
    fprintf(stderr, "said: %s, status %d\n", text, got);
    return false;
}

static bool fails(const es_child_options *options, es_err error, const char *words)
{
    es_child child;
    es_err got = es_child_start(options, &child);
    if (got == error && strstr(es_last_detail(), words))
        return true;
    fprintf(stderr, "%s: %s\n", es_err_name(got), es_last_detail());
    return false;
}

static int pidfd_of(int64_t pid)
{
    return (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
}

/* Waits until the OS process is gone. */
static bool is_gone(int pidfd)
{
    bool gone = es_wait_fd(pidfd, POLLIN, in_ms(STORY_PATIENCE_MS)) > 0;
    close(pidfd);
    return gone;
}

static int count_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* ---------------------------------------------------------------- what it does */

REAL_STORY(what_a_child_writes_can_be_read_and_how_it_ended_is_told, 1, "")
{
    EXPECT(says(SHELL("echo hello"), "hello\n", 0));
    EXPECT(says(SHELL("echo bye; exit 7"), "bye\n", 7));
    EXPECT(says(SHELL("kill -9 $$"), "", ES_CHILD_SIGNALED(SIGKILL)));
    EXPECT(says(OPTIONS("/bin/echo", .arguments = ARGUMENTS("a b", "", "c")), "a b  c\n", 0));
}

REAL_STORY(a_child_is_fed_and_read, 1, "")
{
    es_child child;
    char text[64];
    EXPECT(es_child_start(OPTIONS("tr", .arguments = ARGUMENTS("a-z", "A-Z"), .input = ES_CHILD_PIPE,
                                  .output = ES_CHILD_PIPE),
                          &child) == ES_OK);
    EXPECT(child.error == -1);
    EXPECT(write(child.input, "whisper", 7) == 7);
    EXPECT(es_close(child.input) == ES_OK);
    EXPECT(read_to_end(child.output, text, sizeof text) == 7);
    EXPECT(strcmp(text, "WHISPER") == 0);
    EXPECT(es_child_wait(child, ES_INFINITY, NULL) == ES_OK);
    EXPECT(es_child_wait(child, ES_INFINITY, NULL) == ES_ENOTFOUND);
    EXPECT(es_child_kill(child, SIGTERM) == ES_ENOTFOUND);
}

REAL_STORY(a_childs_pipes_are_streams, 1, "")
{
    enum { SIZE = 300000 };
    static char out[SIZE], in[SIZE];
    es_child child;
    es_bin line;
    memset(out, 'x', sizeof out);
    EXPECT(es_child_start(SHELL("cat > /dev/null; head -c 300000 /dev/zero; echo", .input = ES_CHILD_PIPE,
                                .output = ES_CHILD_PIPE),
                          &child) == ES_OK);
    EXPECT(es_write(child.input, out, SIZE, in_ms(STORY_PATIENCE_MS)) == SIZE);
    EXPECT(es_close(child.input) == ES_OK);
    EXPECT(es_read_exactly(child.output, in, SIZE, in_ms(STORY_PATIENCE_MS)) == SIZE);
    EXPECT(es_packet(child.output, ES_PACKET_LINE, 0) == ES_OK);
    EXPECT(es_active(child.output, 1) == ES_OK);
    es_receive {
        es_case(ES_TUPLE(tcp, child.output, &line))
            EXPECT(line.size == 1);
        es_after(STORY_PATIENCE_MS)
            EXPECT(false);
    }
    EXPECT(es_close(child.output) == ES_OK);
    EXPECT(es_child_wait(child, ES_INFINITY, NULL) == ES_OK);
    /* One that has ended reads no more. */
    EXPECT(es_child_start(SHELL("exec true", .input = ES_CHILD_PIPE), &child) == ES_OK);
    EXPECT(es_child_wait(child, ES_INFINITY, NULL) == ES_OK);
    EXPECT(es_write(child.input, "x", 1, in_ms(STORY_PATIENCE_MS)) == ES_ECLOSED);
    EXPECT(es_close(child.input) == ES_OK);
}

REAL_STORY(a_pipe_that_is_lent_to_a_child_blocks_there_and_not_here, 1, "")
{
    int to[2], from[2], pair[2];
    char text[8];
    es_child child;
    EXPECT(es_pipe(to) == ES_OK && es_pipe(from) == ES_OK);
    EXPECT(es_child_start(OPTIONS("tr", .arguments = ARGUMENTS("a-z", "A-Z"), .input = ES_CHILD_FD(to[0]),
                                  .output = ES_CHILD_FD(from[1])),
                          &child) == ES_OK);
    EXPECT(fcntl(to[0], F_GETFL) & O_NONBLOCK);
    EXPECT(es_close(to[0]) == ES_OK && es_close(from[1]) == ES_OK);
    EXPECT(es_child_wait(child, in_ms(5), NULL) == ES_ETIMEOUT); /* it waits for input */
    EXPECT(es_write(to[1], "whisper", 7, in_ms(STORY_PATIENCE_MS)) == 7);
    EXPECT(es_close(to[1]) == ES_OK);
    EXPECT(es_read_exactly(from[0], text, 7, in_ms(STORY_PATIENCE_MS)) == 7);
    EXPECT(memcmp(text, "WHISPER", 7) == 0);
    EXPECT(es_child_wait(child, ES_INFINITY, NULL) == ES_OK);
    EXPECT(es_close(from[0]) == ES_OK);
    /* All that will ever come is there, and nobody has the other end any more. */
    EXPECT(es_pipe(to) == ES_OK && es_write(to[1], "last", 4, 0) == 4 && es_close(to[1]) == ES_OK);
    EXPECT(says(OPTIONS("cat", .input = ES_CHILD_FD(to[0])), "last", 0));
    EXPECT(es_close(to[0]) == ES_OK);
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    EXPECT(fails(SHELL("true", .output = ES_CHILD_FD(pair[0])), ES_EINVAL, "O_NONBLOCK"));
    close(pair[0]);
    close(pair[1]);
}

REAL_STORY(environment_directory_name_and_streams_are_as_asked_for, 1, "")
{
    setenv("ES_TEST_KEPT", "kept", 1);
    setenv("ES_TEST_TAKEN", "taken", 1);
    EXPECT(says(SHELL("echo $ES_TEST_KEPT.$ES_TEST_TAKEN.$ES_TEST_NEW",
                      .environment = ARGUMENTS("ES_TEST_TAKEN", "ES_TEST_NEW=new=")),
                "kept..new=\n", 0));
    EXPECT(says(OPTIONS("env", .environment = ARGUMENTS("A=1", "B"), .clear_environment = true), "A=1\n", 0));
    EXPECT(says(SHELL("pwd", .directory = "/usr"), "/usr\n", 0));
    EXPECT(says(SHELL("echo $0", .name = "sh"), "sh\n", 0));
    EXPECT(says(SHELL("echo one; echo two >&2; echo three", .error = ES_CHILD_AS_OUTPUT), "one\ntwo\nthree\n",
                0));
    EXPECT(says(SHELL("cat; echo end", .input = ES_CHILD_NULL, .error = ES_CHILD_NULL), "end\n", 0));
    int file = memfd_create("test", MFD_CLOEXEC);
    EXPECT(write(file, "from a file", 11) == 11 && lseek(file, 0, SEEK_SET) == 0);
    EXPECT(says(OPTIONS("cat", .input = ES_CHILD_FD(file)), "from a file", 0));
    EXPECT(fcntl(file, F_GETFD) == FD_CLOEXEC); /* still ours */
    close(file);
}

REAL_STORY(a_long_list_of_arguments_arrives, 1, "")
{
    static char text[100000];
    static const char *many[1001];
    es_child child;
    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < 10; i++)
        many[i] = text;
    many[10] = NULL;
    EXPECT(es_child_start(OPTIONS("true", .arguments = many), &child) == ES_OK);
    EXPECT(es_child_wait(child, ES_INFINITY, NULL) == ES_OK);
    for (int i = 0; i < 1000; i++)
        many[i] = text;
    many[1000] = NULL;
    EXPECT(es_child_start(OPTIONS("true", .arguments = many), &child) == ES_EOS);
    EXPECT(*es_errno() == E2BIG);
}

/* ---------------------------------------------------------------- what is refused */

static void write_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    EXPECT(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fchmod(fd, mode) == 0);
    close(fd);
}

REAL_STORY(errors_come_at_once_and_name_path_and_cause, 1, "")
{
    char folder[] = "/tmp/engset-child-XXXXXX", path[128], path_variable[128];
    EXPECT(mkdtemp(folder) != NULL);
    EXPECT(fails(OPTIONS(NULL), ES_EINVAL, "no program"));
    EXPECT(fails(OPTIONS(""), ES_EINVAL, "''"));
    EXPECT(fails(OPTIONS("no-such-program-here"), ES_ENOTFOUND,
                 "'no-such-program-here' is in no directory of PATH"));
    EXPECT(fails(OPTIONS("/no/such/program"), ES_ENOTFOUND, "/no/such/program is not there"));
    EXPECT(fails(SHELL("true", .directory = "/no/such"), ES_ENOTFOUND, "/no/such"));
    EXPECT(fails(SHELL("true", .directory = "/etc/passwd"), ES_ENOTFOUND, "/etc/passwd: Not a directory"));
    EXPECT(fails(SHELL("true", .input = ES_CHILD_FD(12345)), ES_EINVAL, "standard input"));
    EXPECT(fails(SHELL("true", .output = ES_CHILD_AS_OUTPUT), ES_EINVAL, "standard output"));
    EXPECT(fails(SHELL("true", .environment = ARGUMENTS("A=1", "=x")), ES_EINVAL, "'=x'"));
    EXPECT(fails(SHELL("true", .environment = ARGUMENTS("")), ES_EINVAL, ".environment"));
    EXPECT(fails(OPTIONS("/etc"), ES_EOS, "/etc is not executable"));

    snprintf(path, sizeof path, "%s/plain", folder);
    write_file(path, "#!/bin/sh\n", 0600);
    EXPECT(fails(OPTIONS(path), ES_EOS, "plain is not executable; chmod +x"));
    EXPECT(*es_errno() == EACCES);
    write_file(path, "neither\n", 0700);
    EXPECT(fails(OPTIONS(path), ES_EOS, "is no program"));
    EXPECT(*es_errno() == ENOEXEC);
    write_file(path, "#!/no/such/interpreter\n", 0700);
    EXPECT(fails(OPTIONS(path), ES_ENOTFOUND, "interpreter"));

    char before[4096];
    snprintf(before, sizeof before, "%s", getenv("PATH"));
    chmod(path, 0600);
    snprintf(path_variable, sizeof path_variable, "%s::", folder);
    setenv("PATH", path_variable, 1);
    EXPECT(fails(OPTIONS("plain"), ES_EOS, "'plain' is in PATH, but not executable"));
    EXPECT(fails(OPTIONS("plainer"), ES_ENOTFOUND, "PATH"));
    setenv("PATH", before, 1);
    unlink(path);
    rmdir(folder);
}

static es_err start_and_wait(void)
{
    es_child child;
    es_err error = es_child_start(
        SHELL("exit 3", .input = ES_CHILD_PIPE, .output = ES_CHILD_PIPE, .exit_message = true), &child);
    if (error != ES_OK)
        return error;
    int status = -1;
    while ((error = es_child_wait(child, ES_INFINITY, &status)) == ES_ENOMEM)
        ;
    EXPECT(error == ES_OK && status == 3);
    EXPECT(es_close(child.input) == ES_OK && es_close(child.output) == ES_OK);
    return ES_OK;
}

REAL_STORY(without_memory_a_start_fails_whole, 1, "RES-01")
{
    EXPECT(start_and_wait() == ES_OK);
    int before = count_descriptors();
    for (uint64_t n = 1;; n++) {
        esi_fail_after(n);
        es_err error = start_and_wait();
        if (!esi_fail_stop())
            break;
        EXPECT(error == ES_ENOMEM || error == ES_OK); /* OK: it was an allocation that can be done without */
        EXPECT(count_descriptors() == before);
    }
    EXPECT(count_descriptors() == before);
    EXPECT(waiters_now() == 0);
}

/* ---------------------------------------------------------------- its end */

REAL_STORY(waiting_has_a_deadline, 1, "")
{
    es_child child;
    int status;
    EXPECT(es_child_start(OPTIONS("sleep", .arguments = ARGUMENTS("1000")), &child) == ES_OK);
    int64_t deadline_ns = in_ms(5);
    EXPECT(es_child_wait(child, 0, &status) == ES_ETIMEOUT);
    EXPECT(es_child_wait(child, deadline_ns, &status) == ES_ETIMEOUT);
    EXPECT(es_now_ns() >= deadline_ns);
    EXPECT(es_child_kill(child, 0) == ES_EINVAL);
    EXPECT(es_child_kill(child, SIGINT) == ES_OK);
    EXPECT(es_child_wait(child, ES_INFINITY, &status) == ES_OK);
    EXPECT(status == ES_CHILD_SIGNALED(SIGINT));
    EXPECT(kill((pid_t)child.os_pid, 0) != 0 && *es_errno() == ESRCH); /* no zombie either */
}

REAL_STORY(the_end_comes_as_a_message_if_asked_for, 1, "")
{
    es_child child, waited;
    EXPECT(es_child_start(SHELL("exit 5", .exit_message = true), &child) == ES_OK);
    EXPECT(got(ES_TUPLE(es_am_child_exit, child.ref, 5)));
    EXPECT(es_child_wait(child, 0, NULL) == ES_ENOTFOUND);
    EXPECT(es_child_start(SHELL("kill -15 $$", .exit_message = true), &child) == ES_OK);
    EXPECT(got(ES_TUPLE(es_am_child_exit, child.ref, ES_CHILD_SIGNALED(SIGTERM))));
    /* Who waits gets it by that, and no message. */
    int status = -1;
    EXPECT(es_child_start(SHELL("read x; exit 6", .input = ES_CHILD_PIPE, .exit_message = true), &waited) ==
           ES_OK);
    EXPECT(es_child_wait(waited, in_ms(2), &status) == ES_ETIMEOUT);
    es_close(waited.input);
    EXPECT(es_child_wait(waited, ES_INFINITY, &status) == ES_OK && status == 6);
    EXPECT(is_quiet());
    EXPECT(waiters_now() == 0);
}

REAL_STORY(a_child_that_is_stopped_gets_the_stop_signal_and_then_the_kill, 1, "")
{
    es_child child;
    int status;
    EXPECT(es_child_start(OPTIONS("sleep", .arguments = ARGUMENTS("1000")), &child) == ES_OK);
    EXPECT(es_child_stop(child) == ES_OK);
    EXPECT(es_child_wait(child, ES_INFINITY, &status) == ES_OK && status == ES_CHILD_SIGNALED(SIGTERM));
    EXPECT(es_child_start(OPTIONS("sleep", .arguments = ARGUMENTS("1000"), .stop_signal = SIGUSR2), &child) ==
           ES_OK);
    EXPECT(es_child_stop(child) == ES_OK);
    EXPECT(es_child_wait(child, ES_INFINITY, &status) == ES_OK && status == ES_CHILD_SIGNALED(SIGUSR2));
    char ready[8];
    EXPECT(
        es_child_start(SHELL("trap '' TERM; echo; exec sleep 1000", .output = ES_CHILD_PIPE, .grace_ms = 20),
                       &child) == ES_OK);
    EXPECT(es_wait_fd(child.output, POLLIN, in_ms(STORY_PATIENCE_MS)) > 0 &&
           read(child.output, ready, 8) == 1);
    int64_t asked_ns = es_now_ns();
    EXPECT(es_child_stop(child) == ES_OK);
    EXPECT(es_child_wait(child, ES_INFINITY, &status) == ES_OK && status == ES_CHILD_SIGNALED(SIGKILL));
    EXPECT(es_now_ns() >= asked_ns + 20 * 1000000);
}

static void owner(es_term argument)
{
    es_pid parent;
    es_child child;
    EXPECT(es_match(argument, ES_TUPLE(&parent)));
    EXPECT(es_child_start(SHELL("trap '' TERM; echo; while :; do sleep 1000; done", .output = ES_CHILD_PIPE,
                                .own_group = true, .grace_ms = 10),
                          &child) == ES_OK);
    EXPECT(es_wait_fd(child.output, POLLIN, in_ms(STORY_PATIENCE_MS)) > 0);
    es_send(parent, ES_TUPLE(started, child.os_pid));
    waits();
}

REAL_STORY(a_child_dies_with_its_owner_and_so_does_its_group, 1, "")
{
    for (int i = 0; i < 3; i++) {
        int64_t os_pid = 0;
        es_pid pid = es_spawn(owner, ES_TUPLE(es_self()));
        es_receive {
            es_case(ES_TUPLE(started, &os_pid)) {
            }
        }
        int pidfd = pidfd_of(os_pid);
        EXPECT(pidfd >= 0);
        if (i == 2)
            es_send(pid, never_sent);
        else
            es_send_exit(pid, i ? es_am_kill : es_am_shutdown);
        EXPECT(is_gone(pidfd));
        while (kill(-(pid_t)os_pid, 0) == 0) /* the sleep that it started: was killed, is just being reaped */
            es_sleep(1);
    }
}

static void owner_of_many(es_term argument)
{
    es_pid parent;
    EXPECT(es_match(argument, ES_TUPLE(&parent)));
    for (int i = 0; i < 8; i++) {
        es_child child;
        if (es_child_start(OPTIONS("sleep", .arguments = ARGUMENTS("1000"), .output = ES_CHILD_PIPE),
                           &child) == ES_OK)
            es_send(parent, ES_TUPLE(started, child.os_pid));
    }
    es_send(parent, ended_);
    waits();
}

/* Killed in the midst of starting: what was being started does not stay. */
REAL_STORY(owners_are_killed_while_they_start_children_and_nothing_is_left, 100, "")
{
    int before = count_descriptors();
    for (long round = 0; round < rounds(1000); round++) {
        int64_t os_pid = 0;
        int pidfds[8], count = 0;
        es_pid pid = es_spawn(owner_of_many, ES_TUPLE(es_self()));
        es_receive {
            es_case(ES_TUPLE(started, &os_pid)) {
                pidfds[count++] = pidfd_of(os_pid);
            }
        }
        es_send_exit(pid, es_am_kill);
        wait_for_end(pid);
        for (bool more = true; more && count < 8;) {
            es_receive {
                es_case(ES_TUPLE(started, &os_pid))
                    pidfds[count++] = pidfd_of(os_pid);
                es_after(0)
                    more = false;
            }
        }
        for (int i = 0; i < count; i++)
            if (pidfds[i] >= 0)
                EXPECT(is_gone(pidfds[i]));
        while (there_is(ES_ANY))
            ;
    }
    EXPECT(count_descriptors() == before);
}

/* ---------------------------------------------------------------- many */

static void starts_some(es_term argument)
{
    es_pid parent;
    int64_t count = 0;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &count)));
    for (int64_t i = 0; i < count; i++) {
        es_child child;
        int status = -1;
        if (!EXPECT(es_child_start(SHELL("exit 9", .input = ES_CHILD_PIPE), &child) == ES_OK))
            fprintf(stderr, "%s\n", es_last_detail());
        EXPECT(es_child_wait(child, in_ms(STORY_PATIENCE_MS), &status) == ES_OK && status == 9);
        EXPECT(es_close(child.input) == ES_OK);
    }
    es_send(parent, ended_);
}

static int count_zombies(void)
{
    DIR *folder = opendir("/proc");
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[300], text[256] = "";
        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        int fd = entry->d_name[0] >= '0' && entry->d_name[0] <= '9' ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        if (fd < 0)
            continue;
        if (read(fd, text, sizeof text - 1) > 0) {
            const char *end = strrchr(text, ')');
            int parent = 0;
            char state = 0;
            if (end && sscanf(end + 1, " %c %d", &state, &parent) == 2 && parent == getpid() && state == 'Z')
                count++;
        }
        close(fd);
    }
    closedir(folder);
    return count;
}

REAL_STORY(a_thousand_children_leave_no_zombie_and_no_descriptor, 1, "RES-08")
{
    int before = count_descriptors();
    for (int i = 0; i < 10; i++)
        es_spawn(starts_some, ES_TUPLE(es_self(), 100));
    for (int i = 0; i < 10; i++)
        EXPECT(got_within(ended_, 100000));
    EXPECT(count_descriptors() == before);
    EXPECT(count_zombies() == 0);
    EXPECT(waiters_now() == 0);
}

REAL_STORY(two_hundred_children_live_at_once, 1, "")
{
    static es_child children[200];
    int status;
    for (int i = 0; i < 200; i++)
        EXPECT(es_child_start(OPTIONS("sleep", .arguments = ARGUMENTS("1000"), .exit_message = i % 2),
                              &children[i]) == ES_OK);
    for (int i = 0; i < 200; i++)
        EXPECT(es_child_kill(children[i], SIGUSR1) == ES_OK);
    for (int i = 0; i < 200; i++) {
        if (i % 2)
            EXPECT(got(ES_TUPLE(es_am_child_exit, children[i].ref, ES_CHILD_SIGNALED(SIGUSR1))));
        else
            EXPECT(es_child_wait(children[i], ES_INFINITY, &status) == ES_OK &&
                   status == ES_CHILD_SIGNALED(SIGUSR1));
    }
}

/* ---------------------------------------------------------------- the server */

static pid_t parent_of(int64_t pid)
{
    char path[64], text[256] = "", state;
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    EXPECT(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
    close(fd);
    EXPECT(strrchr(text, ')') && sscanf(strrchr(text, ')') + 1, " %c %d", &state, &parent) == 2);
    return parent;
}

REAL_STORY(when_the_server_dies_its_children_do_and_the_next_one_has_another, 1, "")
{
    es_child child, other;
    int status = 0;
    EXPECT(es_child_start(OPTIONS("sleep", .arguments = ARGUMENTS("1000")), &child) == ES_OK);
    EXPECT(es_child_start(OPTIONS("sleep", .arguments = ARGUMENTS("1000"), .exit_message = true), &other) ==
           ES_OK);
    pid_t server = parent_of(child.os_pid);
    int pidfd = pidfd_of(child.os_pid), server_pidfd = pidfd_of(server);
    EXPECT(server != getpid() && parent_of(server) == getpid());
    kill(server, SIGKILL);
    EXPECT(is_gone(pidfd));
    EXPECT(is_gone(server_pidfd));
    EXPECT(es_child_wait(child, ES_INFINITY, &status) == ES_OK && status == ES_CHILD_SIGNALED(SIGKILL));
    EXPECT(got(ES_TUPLE(es_am_child_exit, other.ref, ES_CHILD_SIGNALED(SIGKILL))));
    EXPECT(says(SHELL("echo again"), "again\n", 0));
}

static void leaves_a_child(void *shared)
{
    es_child child;
    EXPECT(
        es_child_start(SHELL("trap '' TERM; while :; do sleep 1000; done", .own_group = true, .grace_ms = 10),
                       &child) == ES_OK);
    *(_Atomic int64_t *)shared = child.os_pid;
    if (*((_Atomic int64_t *)shared + 1))
        waits();
}

static void test_when_es_run_comes_back_no_child_is_left(void **state)
{
    (void)state;
    _Atomic int64_t shared[2] = {0, 0};
    story_begin(NULL);
    assert_int_equal(es_run(leaves_a_child, (void *)shared, NULL), 0);
    assert_int_equal(story_notes.failures, 0);
    assert_true(shared[0] > 0);
    assert_int_equal(kill((pid_t)shared[0], 0), -1);
    assert_int_equal(waitpid(-1, NULL, __WALL | WNOHANG), -1); /* no server either */
}

/* A node in an OS process of its own, which is killed: nobody there can do anything any more. */
static void test_a_child_dies_with_a_node_that_is_killed(void **state)
{
    (void)state;
    _Atomic int64_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    shared[1] = 1;
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* so that what the node leaves comes to us */
    pid_t node = fork();
    if (node == 0)
        _exit(es_run(leaves_a_child, (void *)shared, NULL));
    while (!shared[0])
        usleep(1000); /* another OS process: there is nothing to wait for */
    int pidfd = pidfd_of(shared[0]);
    assert_true(pidfd >= 0);
    kill(node, SIGKILL);
    struct pollfd one = {.fd = pidfd, .events = POLLIN};
    assert_int_equal(poll(&one, 1, STORY_PATIENCE_MS), 1);
    close(pidfd);
    while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR)
        ; /* the node, the server: it ends by itself */
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
    munmap((void *)shared, 4096);
}

static void nothing(void *unused)
{
    (void)unused;
}

/* The program's own children and the node's do not get into each other's way. */
static void test_the_programs_own_children_are_its_own(void **state)
{
    (void)state;
    pid_t own = fork();
    if (own == 0)
        _exit(4);
    assert_int_equal(es_run(nothing, NULL, NULL), 0);
    int status = 0;
    assert_int_equal(waitpid(-1, &status, 0), own);
    assert_int_equal(WEXITSTATUS(status), 4);
}

/* ---------------------------------------------------------------- what it inherits */

#define PROBE "ls /proc/self/fd | wc -l; grep -E '^Sig(Blk|Ign)' /proc/self/status"
#define CLEAN                     \
    "%d\n"                        \
    "SigBlk:\t0000000000000000\n" \
    "SigIgn:\t0000000000000000\n"

static int inherited; /* how many descriptors the program got that are not closed on exec */

static int count_inheritable(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) == 0;
    return count;
}

REAL_STORY(a_child_has_three_descriptors_and_usual_signals, 1, "RES-09")
{
    int leaky = open("/dev/null", O_RDONLY); /* ours, and not closed on exec */
    char expected[256];
    snprintf(expected, sizeof expected, CLEAN, 3 + 1); /* and the folder that ls reads */
    signal(SIGPIPE, SIG_IGN);
    EXPECT(says(SHELL(PROBE), expected, 0));
    signal(SIGPIPE, SIG_DFL);
    close(leaky);
    EXPECT(says(SHELL("ulimit -Sn 77; ulimit -Sn"), "77\n", 0));
}

REAL_STORY(the_limit_of_descriptors_is_the_nodes, 1, "RES-09")
{
    struct rlimit limit;
    char expected[32];
    EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    snprintf(expected, sizeof expected, "%lu\n", (unsigned long)limit.rlim_cur);
    EXPECT(says(SHELL("ulimit -Sn"), expected, 0));
}

/* In a process's code, by hand. */
REAL_STORY(a_start_without_descriptors_says_what_lacks, 1, "")
{
    enum { TAKEN_HERE = 7 }; /* directory, three streams, a pair of sockets, the request */
    struct rlimit limit, low;
    EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    int before = count_descriptors(), next = dup(0);
    close(next);
    low = limit;
    for (int room = 0; room < TAKEN_HERE; room++) {
        low.rlim_cur = (rlim_t)(next + room);
        EXPECT(setrlimit(RLIMIT_NOFILE, &low) == 0);
        bool said = fails(SHELL("true", .input = room % 2 ? ES_CHILD_INHERIT : ES_CHILD_PIPE), ES_EOS,
                          "no descriptors left");
        EXPECT(*es_errno() == EMFILE);
        EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        EXPECT(said);
    }
    EXPECT(count_descriptors() == before);
    EXPECT(says(SHELL("echo again"), "again\n", 0));
}

REAL_STORY(fork_and_exec_by_hand_leaks_no_descriptor_and_no_signal_mask, 1, "RES-09")
{
    int ends[2];
    char text[256], expected[256];
    EXPECT(pipe2(ends, O_CLOEXEC) == 0);
    EXPECT(count_inheritable() == inherited);
    snprintf(expected, sizeof expected, CLEAN, inherited + 1);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], 1);
        execl("/bin/sh", "sh", "-c", PROBE, (char *)NULL);
        _exit(1);
    }
    close(ends[1]);
    EXPECT(read_to_end(ends[0], text, sizeof text) > 0);
    close(ends[0]);
    if (!EXPECT(strcmp(text, expected) == 0))
        fprintf(stderr, "%s", text);
    EXPECT(waitpid(pid, NULL, 0) == pid);
}

REAL_STORY(a_fork_without_exec_ends_at_its_first_call_with_a_message, 1, "RES-09")
{
    int ends[2], status = 0;
    char text[512];
    EXPECT(pipe2(ends, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], 2);
        es_send(es_self(), started);
        _exit(1);
    }
    close(ends[1]);
    EXPECT(read_to_end(ends[0], text, sizeof text) > 0);
    close(ends[0]);
    if (!EXPECT(strstr(text, "fork()") != NULL && strstr(text, "es_child_start") != NULL))
        fprintf(stderr, "%s", text);
    EXPECT(waitpid(pid, &status, 0) == pid);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 70);
    EXPECT(is_quiet());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_child_writes_can_be_read_and_how_it_ended_is_told),
        cmocka_unit_test(a_child_is_fed_and_read),
        cmocka_unit_test(a_childs_pipes_are_streams),
        cmocka_unit_test(a_pipe_that_is_lent_to_a_child_blocks_there_and_not_here),
        cmocka_unit_test(environment_directory_name_and_streams_are_as_asked_for),
        cmocka_unit_test(a_long_list_of_arguments_arrives),
        cmocka_unit_test(errors_come_at_once_and_name_path_and_cause),
        cmocka_unit_test(without_memory_a_start_fails_whole),
        cmocka_unit_test(waiting_has_a_deadline),
        cmocka_unit_test(the_end_comes_as_a_message_if_asked_for),
        cmocka_unit_test(a_child_that_is_stopped_gets_the_stop_signal_and_then_the_kill),
        cmocka_unit_test(a_child_dies_with_its_owner_and_so_does_its_group),
        cmocka_unit_test(owners_are_killed_while_they_start_children_and_nothing_is_left),
        cmocka_unit_test(a_thousand_children_leave_no_zombie_and_no_descriptor),
        cmocka_unit_test(two_hundred_children_live_at_once),
        cmocka_unit_test(when_the_server_dies_its_children_do_and_the_next_one_has_another),
        cmocka_unit_test(test_when_es_run_comes_back_no_child_is_left),
        cmocka_unit_test(test_a_child_dies_with_a_node_that_is_killed),
        cmocka_unit_test(test_the_programs_own_children_are_its_own),
        cmocka_unit_test(a_child_has_three_descriptors_and_usual_signals),
        cmocka_unit_test(the_limit_of_descriptors_is_the_nodes),
        cmocka_unit_test(a_start_without_descriptors_says_what_lacks),
        cmocka_unit_test(fork_and_exec_by_hand_leaks_no_descriptor_and_no_signal_mask),
        cmocka_unit_test(a_fork_without_exec_ends_at_its_first_call_with_a_message),
    };
    inherited = count_inheritable();
    /* A shell's background job ignores SIGINT and SIGQUIT, and what a program ignores its children do, too. */
    for (int number = 1; number < SIGRTMIN; number++)
        if (number != SIGKILL && number != SIGSTOP)
            signal(number, SIG_DFL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
