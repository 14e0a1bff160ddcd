/* stream.c - proves src/port/stream.c, listen.c and connect.c: connections whose calls block only the process. */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include "base/fail.h"
#include "platform/os.h"
#include "streams.h"

ES_ATOMS(result, ready, done, owned);

/* ---- system calls that are interrupted, or cut short ---- */

static _Atomic(int) disturbances, calls;
static _Atomic(int) bytes_at_most; /* 0: as many as there are */

static bool is_disturbed(void)
{
    atomic_fetch_add(&calls, 1);
    if (atomic_load(&disturbances) <= 0)
        return false;
    atomic_fetch_sub(&disturbances, 1);
    *es_errno() = EINTR;
    return true;
}

static size_t cut(size_t size)
{
    size_t most = (size_t)atomic_load(&bytes_at_most);
    return most && size > most ? most : size;
}

ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
    return is_disturbed() ? -1 : syscall(SYS_recvfrom, fd, buffer, cut(size), flags, NULL, NULL);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
    return is_disturbed() ? -1 : syscall(SYS_sendto, fd, data, cut(size), flags, NULL, 0);
}

/* ---------------------------------------------------------------- there and back */

static void echo(int fd)
{
    char buffer[64];
    int64_t count;
    while ((count = es_read(fd, buffer, sizeof buffer, ES_INFINITY)) > 0)
        EXPECT(es_write(fd, buffer, (size_t)count, ES_INFINITY) == count);
    EXPECT(count == 0);
}

/* Accepts one at {Parent, Listener}; the listener is another's. */
static void echoes_one(es_term argument)
{
    es_pid parent;
    int listener = -1;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &listener)));
    int64_t fd = es_accept(listener, NULL, ES_INFINITY);
    if (fd >= 0)
        echo((int)fd);
    es_send(parent, ES_TUPLE(result, es_self(), fd >= 0 ? 0 : fd));
}

static void echo_at(const char *text)
{
    es_address any = parsed(text), at;
    char buffer[16];
    int64_t listener = es_listen(&any, NULL);
    if (!EXPECT(listener >= 0))
        return;
    EXPECT(es_local_address((int)listener, &at) == ES_OK);
    es_pid server = es_spawn(echoes_one, ES_TUPLE(es_self(), listener));
    int64_t fd = es_connect(&at, in_ms(5000));
    EXPECT(fd >= 0);
    for (int i = 0; i < 100; i++) {
        EXPECT(es_write((int)fd, "0123456789", 10, in_ms(5000)) == 10);
        EXPECT(es_read_exactly((int)fd, buffer, 10, in_ms(5000)) == 10);
        EXPECT(memcmp(buffer, "0123456789", 10) == 0);
    }
    EXPECT(es_shutdown((int)fd, SHUT_WR) == ES_OK);
    EXPECT(es_read((int)fd, buffer, sizeof buffer, in_ms(5000)) == 0);
    EXPECT(got(ES_TUPLE(result, server, 0)));
    EXPECT(es_close((int)fd) == ES_OK);
    EXPECT(es_close((int)listener) == ES_OK);
}

STORY(what_is_written_comes_back_whatever_the_address, "")
{
    int before = descriptors_open();
    char path[64], text[80];
    struct stat file;
    snprintf(path, sizeof path, "/tmp/engset-test-%d.sock", (int)getpid());
    snprintf(text, sizeof text, "unix:%s", path);
    echo_at("127.0.0.1:0");
    echo_at("[::1]:0");
    echo_at(text);
    EXPECT(esi_os_lstat(path, &file) != 0); /* gone with its listener */
    snprintf(text, sizeof text, "unix:@engset-test-%d", (int)getpid());
    echo_at(text);
    EXPECT(descriptors_open() == before);
}

STORY(both_ends_know_both_addresses_and_send_at_once, "")
{
    es_address at, local, peer, accepted_from;
    int listener = listen_any(&at);
    int64_t fd = es_connect(&at, in_ms(5000)), other = es_accept(listener, &accepted_from, in_ms(5000));
    char a[80], b[80];
    EXPECT(es_local_address((int)fd, &local) == ES_OK);
    EXPECT(es_peer_address((int)other, &peer) == ES_OK);
    es_address_print(&local, a, sizeof a);
    es_address_print(&peer, b, sizeof b);
    EXPECT(strcmp(a, b) == 0);
    es_address_print(&accepted_from, b, sizeof b);
    EXPECT(strcmp(a, b) == 0);
    EXPECT(es_peer_address(listener, &peer) == ES_ECLOSED);
    int64_t both[] = {fd, other};
    for (int i = 0; i < 2; i++) {
        int on = 0;
        EXPECT(esi_os_getsockopt((int)both[i], IPPROTO_TCP, TCP_NODELAY, &on, &(socklen_t){sizeof on}) == 0);
        EXPECT(on);
        EXPECT(fcntl((int)both[i], F_GETFD) & FD_CLOEXEC);
    }
    EXPECT(fcntl(listener, F_GETFD) & FD_CLOEXEC);
}

STORY(a_half_that_is_closed_is_an_end_and_the_other_goes_on, "")
{
    int pair[2];
    char buffer[8];
    connect_pair(pair);
    EXPECT(es_write(pair[0], "abc", 3, in_ms(5000)) == 3);
    EXPECT(es_shutdown(pair[0], SHUT_WR) == ES_OK);
    EXPECT(es_read(pair[1], buffer, sizeof buffer, in_ms(5000)) == 3);
    EXPECT(es_read(pair[1], buffer, sizeof buffer, in_ms(5000)) == 0);
    EXPECT(es_read(pair[1], buffer, sizeof buffer, in_ms(5000)) == 0); /* and it stays one */
    EXPECT(es_write(pair[1], "defg", 4, in_ms(5000)) == 4);
    EXPECT(es_read_exactly(pair[0], buffer, 4, in_ms(5000)) == 4);
    EXPECT(es_write(pair[0], "x", 1, in_ms(5000)) == ES_ECLOSED);
    EXPECT(*es_errno() == EPIPE);
}

STORY(an_end_within_what_is_wanted_exactly_tells_how_much_there_was, "")
{
    int pair[2];
    char buffer[8];
    connect_pair(pair);
    EXPECT(es_write(pair[0], "abc", 3, in_ms(5000)) == 3);
    EXPECT(es_read_exactly(pair[1], buffer, 8, in_ms(20)) == ES_ETIMEOUT);
    EXPECT(strstr(es_last_detail(), "3 of 8 bytes") != NULL);
    EXPECT(es_write(pair[0], "abcd", 4, in_ms(5000)) == 4);
    EXPECT(es_close(pair[0]) == ES_OK);
    EXPECT(es_read_exactly(pair[1], buffer, 8, in_ms(5000)) == ES_ECLOSED);
    EXPECT(strstr(es_last_detail(), "4 of 8 bytes") != NULL);
    EXPECT(es_read_exactly(pair[1], buffer, 8, in_ms(5000)) == 0);
}

STORY(a_reset_is_told_to_reader_and_writer, "")
{
    int pair[2];
    char buffer[8];
    connect_pair(pair);
    EXPECT(esi_os_setsockopt(pair[0], SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)) ==
           0);
    EXPECT(es_close(pair[0]) == ES_OK);
    EXPECT(es_read(pair[1], buffer, sizeof buffer, in_ms(5000)) == ES_ECLOSED);
    EXPECT(*es_errno() == ECONNRESET);
    EXPECT(strstr(es_last_detail(), "reset") != NULL);
    EXPECT(es_write(pair[1], "x", 1, in_ms(5000)) == ES_ECLOSED);
    EXPECT(*es_errno() == EPIPE);
}

/* ---------------------------------------------------------------- waiting */

/* Reads from {Parent, Fd} until `deadline` and tells {result, Self, Result}. */
static void reads(es_term argument)
{
    es_pid parent;
    int fd = -1;
    char buffer[64];
    EXPECT(es_match(argument, ES_TUPLE(&parent, &fd)));
    es_send(parent, ES_TUPLE(result, es_self(), es_read(fd, buffer, sizeof buffer, ES_INFINITY)));
}

static es_pid reader_of(int fd)
{
    es_pid pid = es_spawn(reads, ES_TUPLE(es_self(), fd));
    until_it_waits(pid);
    return pid;
}

STORY(a_peer_that_stalls_costs_the_deadline_and_no_more, "")
{
    int pair[2];
    static char much[1 << 12];
    char buffer[8];
    connect_pair(pair);
    int64_t deadline_ns = in_ms(10);
    EXPECT(es_read(pair[0], buffer, sizeof buffer, deadline_ns) == ES_ETIMEOUT);
    EXPECT(es_now_ns() >= deadline_ns);
    EXPECT(es_read(pair[0], buffer, sizeof buffer, 0) == ES_ETIMEOUT);
    int64_t written, most = 0;
    deadline_ns = in_ms(20);
    while ((written = es_write(pair[0], much, sizeof much, deadline_ns)) > 0)
        most += written;
    EXPECT(written == ES_ETIMEOUT);
    EXPECT(most > 0);
    EXPECT(es_now_ns() >= deadline_ns);
    EXPECT(strstr(es_last_detail(), "of 4096 bytes were written") != NULL);
}

/* A short read promises nothing about what has come meanwhile. */
REAL_STORY(what_came_is_read_also_after_the_deadline, 1, "")
{
    int pair[2];
    char buffer[8];
    connect_pair(pair);
    for (int i = 0; i < 1000; i++) {
        EXPECT(es_write(pair[0], "ab", 2, in_ms(5000)) == 2);
        EXPECT(es_read(pair[1], buffer, sizeof buffer, 0) ==
               2); /* loopback: it is there when the write returns */
    }
}

STORY(closing_wakes_who_reads_and_the_peer_hears_it, "")
{
    int pair[2];
    connect_pair(pair);
    es_pid near = reader_of(pair[0]), far = reader_of(pair[1]), second = reader_of(pair[0]);
    EXPECT(es_close(pair[0]) == ES_OK);
    EXPECT(got(ES_TUPLE(result, near, ES_ECLOSED)));
    EXPECT(got(ES_TUPLE(result, second, ES_ECLOSED)));
    EXPECT(got(ES_TUPLE(result, far, 0)));
}

STORY(several_readers_of_one_stream_get_all_of_it, "")
{
    int pair[2];
    es_pid pids[8];
    int64_t total = 0;
    connect_pair(pair);
    for (int i = 0; i < 8; i++)
        pids[i] = reader_of(pair[1]);
    for (int i = 0; i < 8; i++) {
        int64_t count = 0;
        EXPECT(es_write(pair[0], "x", 1, in_ms(5000)) == 1);
        es_receive {
            es_case(ES_TUPLE(result, ES_ANY, &count))
                total += count;
            es_after(STORY_PATIENCE_MS)
                EXPECT(!"a reader sleeps on");
        }
    }
    EXPECT(total == 8);
    for (int i = 0; i < 8; i++)
        wait_for_end(pids[i]);
}

/* Urgent data ends a read before all is read that there is: the rest must not wait for an event. */
REAL_STORY(urgent_data_hides_nothing, 1, "")
{
    int pair[2];
    char buffer[64];
    size_t size = 0;
    connect_pair(pair);
    for (int i = 0; i < 50; i++) {
        EXPECT(syscall(SYS_sendto, pair[0], "abc", 3, 0, NULL, 0) == 3);
        EXPECT(syscall(SYS_sendto, pair[0], "!", 1, MSG_OOB, NULL, 0) == 1);
        EXPECT(syscall(SYS_sendto, pair[0], "def", 3, 0, NULL, 0) == 3);
        for (size = 0; size < 6;) {
            int64_t count = es_read(pair[1], buffer, sizeof buffer, in_ms(5000));
            if (!EXPECT(count > 0))
                return;
            size += (size_t)count;
        }
    }
}

/* Descriptors that travel with the bytes of a Unix socket end a read as well. */
REAL_STORY(descriptors_that_come_along_hide_nothing, 1, "")
{
    es_address at = {.length = 0};
    char text[80], buffer[64], control[CMSG_SPACE(sizeof(int))];
    snprintf(text, sizeof text, "unix:@engset-rights-%d", (int)getpid());
    at = parsed(text);
    int listener = (int)es_listen(&at, NULL);
    int one = (int)es_connect(&at, in_ms(5000)), other = (int)es_accept(listener, NULL, in_ms(5000));
    for (int i = 0; i < 20; i++) {
        struct iovec bytes = {"ab", 2};
        struct msghdr message = {
            .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        struct cmsghdr *first = CMSG_FIRSTHDR(&message);
        *first = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(first), &one, sizeof one);
        EXPECT(sendmsg(one, &message, 0) == 2);
        EXPECT(es_write(one, "cd", 2, in_ms(5000)) == 2);
        int64_t size = 0;
        while (size < 4) {
            int64_t count = es_read(other, buffer, sizeof buffer, in_ms(5000));
            if (!EXPECT(count > 0))
                return;
            size += count;
        }
    }
}

static void reads_and_is_killed(es_term argument)
{
    int fd = -1;
    char buffer[8];
    EXPECT(es_match(argument, &fd));
    es_read(fd, buffer, sizeof buffer, ES_INFINITY);
    EXPECT(!"it was killed");
}

STORY_WITH(who_is_killed_in_its_wait_does_not_keep_the_next_from_reading, 100, "", play)
{
    int pair[2];
    connect_pair(pair);
    for (long i = 0; i < rounds(1000); i++) {
        es_pid pid = es_spawn(reads_and_is_killed, ES_T(pair[1]));
        until_it_waits(pid);
        es_send_exit(pid, es_am_kill);
        wait_for_end(pid);
        es_pid next = reader_of(pair[1]);
        EXPECT(es_write(pair[0], "x", 1, in_ms(5000)) == 1);
        EXPECT(got(ES_TUPLE(result, next, 1)));
    }
}

static void accepts_and_waits(es_term argument)
{
    es_pid parent;
    int listener = -1;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &listener)));
    EXPECT(es_accept(listener, NULL, ES_INFINITY) >= 0);
    es_send(parent, ready);
    waits();
}

STORY(the_peer_of_a_process_that_ends_sees_the_end, "")
{
    es_address at;
    char buffer[8];
    int before = descriptors_open(), listener = listen_any(&at);
    es_pid pid = es_spawn(accepts_and_waits, ES_TUPLE(es_self(), listener));
    int fd = (int)es_connect(&at, in_ms(5000));
    EXPECT(got(ready));
    es_send_exit(pid, es_am_kill);
    EXPECT(es_read(fd, buffer, sizeof buffer, in_ms(5000)) == 0);
    wait_for_end(pid);
    EXPECT(es_close(fd) == ES_OK);
    EXPECT(es_close(listener) == ES_OK);
    EXPECT(descriptors_open() == before);
}

/* ---------------------------------------------------------------- data whole */

enum { WHOLE = 200 << 10 };

static void sends_whole(es_term argument)
{
    es_pid parent;
    int fd = -1;
    char *data = es_alloc(WHOLE);
    EXPECT(es_match(argument, ES_TUPLE(&parent, &fd)));
    for (size_t i = 0; i < WHOLE; i++)
        data[i] = byte_at(i);
    EXPECT(es_write(fd, data, WHOLE, in_ms(60000)) == WHOLE);
    EXPECT(es_shutdown(fd, SHUT_WR) == ES_OK);
    es_send(parent, done);
}

static _Atomic(int) storm_goes_on;
static _Atomic(long) signals_came;

static void count_signal(int number)
{
    (void)number;
    atomic_fetch_add(&signals_came, 1);
}

static void *storm(void *unused)
{
    (void)unused;
    while (atomic_load(&storm_goes_on)) {
        kill(getpid(), SIGUSR1);
        sched_yield();
    }
    return NULL;
}

static void small_buffers(int pair[2])
{
    int size = 2048;
    for (int i = 0; i < 2; i++) {
        EXPECT(setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
        EXPECT(setsockopt(pair[i], SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0);
    }
}

static void whole_through_a_storm(int pair[2])
{
    pthread_t thread;
    char buffer[777];
    size_t at = 0;
    int64_t count;
    struct sigaction before,
        now = {.sa_handler = count_signal, .sa_flags = SA_ONSTACK}; /* without SA_RESTART */
    sigaction(SIGUSR1, &now, &before);
    atomic_store(&storm_goes_on, 1);
    pthread_create(&thread, NULL, storm, NULL);
    es_spawn(sends_whole, ES_TUPLE(es_self(), pair[0]));
    while ((count = es_read(pair[1], buffer, sizeof buffer, in_ms(60000))) > 0) {
        for (size_t i = 0; i < (size_t)count; i++, at++)
            if (buffer[i] != byte_at(at)) {
                EXPECT(!"another byte came");
                break;
            }
    }
    EXPECT(count == 0);
    EXPECT(at == WHOLE);
    EXPECT(got(done));
    atomic_store(&storm_goes_on, 0);
    pthread_join(thread, NULL);
    sigaction(SIGUSR1, &before, NULL);
    EXPECT(atomic_load(&signals_came) > 0);
}

REAL_STORY(data_comes_whole_through_tiny_buffers_and_a_storm_of_signals, 1, "RES-06")
{
    int pair[2];
    connect_pair(pair);
    small_buffers(pair);
    whole_through_a_storm(pair);
}

REAL_STORY(data_comes_whole_when_each_call_does_little_or_is_interrupted, 1, "RES-06")
{
    int pair[2];
    connect_pair(pair);
    atomic_store(&bytes_at_most, 3);
    atomic_store(&calls, 0);
    char data[1000], buffer[1000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = byte_at(i);
    EXPECT(es_write(pair[0], data, sizeof data, in_ms(5000)) == sizeof data);
    EXPECT(es_read_exactly(pair[1], buffer, sizeof buffer, in_ms(5000)) == sizeof data);
    EXPECT(memcmp(data, buffer, sizeof data) == 0);
    EXPECT(atomic_load(&calls) >= 600);
    atomic_store(&bytes_at_most, 0);
    for (int i = 1; i < 8; i++) {
        atomic_store(&disturbances, i);
        EXPECT(es_write(pair[0], "abc", 3, in_ms(5000)) == 3);
        EXPECT(atomic_load(&disturbances) <= 0);
        atomic_store(&disturbances, i);
        EXPECT(es_read_exactly(pair[1], buffer, 3, in_ms(5000)) == 3);
        EXPECT(atomic_load(&disturbances) <= 0);
    }
    atomic_store(&disturbances, 0);
}

/* ---------------------------------------------------------------- pipes, SIGPIPE */

STORY(a_pipe_is_read_and_written_and_its_broken_end_is_an_error, "RES-08")
{
    int fds[2];
    char buffer[8];
    EXPECT(es_pipe(fds) == ES_OK);
    EXPECT(es_write(fds[1], "abc", 3, in_ms(5000)) == 3);
    EXPECT(es_read(fds[0], buffer, sizeof buffer, in_ms(5000)) == 3);
    EXPECT(es_read(fds[0], buffer, sizeof buffer, in_ms(5)) == ES_ETIMEOUT);
    es_pid reader = reader_of(fds[0]);
    EXPECT(es_write(fds[1], "abcd", 4, in_ms(5000)) == 4);
    EXPECT(got(ES_TUPLE(result, reader, 4)));
    EXPECT(es_close(fds[0]) == ES_OK);
    EXPECT(es_write(fds[1], "x", 1, in_ms(5000)) == ES_ECLOSED);
    EXPECT(*es_errno() == EPIPE);
    if (!esi_node.is_sim)
        EXPECT(kill(getpid(), SIGPIPE) == 0); /* and from elsewhere it does nothing either */
}

/* ---------------------------------------------------------------- listeners and paths */

static bool detail_names(const char *text)
{
    return strstr(es_last_detail(), text) != NULL;
}

STORY(an_address_in_use_is_an_error_that_names_it, "")
{
    es_address at;
    char text[80];
    int listener = listen_any(&at);
    es_address_print(&at, text, sizeof text);
    EXPECT(es_listen(&at, NULL) == ES_EOS);
    EXPECT(*es_errno() == EADDRINUSE);
    EXPECT(detail_names(text));
    EXPECT(es_close(listener) == ES_OK);
    EXPECT(es_connect(&at, in_ms(5000)) == ES_EOS);
    EXPECT(*es_errno() == ECONNREFUSED);
    EXPECT(detail_names(text) && detail_names("nobody listens"));
    int64_t again = es_listen(&at, &(es_listen_options){.reuse_port = true, .backlog = 5});
    int64_t beside = es_listen(&at, &(es_listen_options){.reuse_port = true});
    EXPECT(again >= 0);
    EXPECT(beside >= 0);
    snprintf(text, sizeof text, "unix:@engset-in-use-%d", (int)getpid());
    at = parsed(text);
    EXPECT(es_listen(&at, NULL) >= 0);
    EXPECT(es_listen(&at, NULL) == ES_EOS && detail_names(text) && detail_names("another name"));
}

STORY(the_path_of_a_dead_listener_is_replaced_and_that_of_a_living_one_is_not, "")
{
    char path[64], text[80];
    struct stat file;
    snprintf(path, sizeof path, "/tmp/engset-stale-%d.sock", (int)getpid());
    snprintf(text, sizeof text, "unix:%s", path);
    es_address at = parsed(text);
    int dead = esi_os_socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT(esi_os_bind(dead, (struct sockaddr *)&at.storage, at.length) == 0);
    EXPECT(esi_os_listen(dead, 1) == 0);
    EXPECT(es_listen(&at, NULL) == ES_EOS); /* not dead yet */
    EXPECT(*es_errno() == EADDRINUSE);
    EXPECT(detail_names(text) && detail_names("somebody listens") && !detail_names("no socket"));
    esi_os_close(dead);
    EXPECT(esi_os_lstat(path, &file) == 0);
    int64_t listener = es_listen(&at, NULL);
    EXPECT(listener >= 0);
    EXPECT(es_listen(&at, NULL) == ES_EOS);
    /* Somebody else's file at the same path is left alone. */
    EXPECT(esi_os_unlink(path) == 0);
    esi_os_close(esi_os_open(path, O_WRONLY | O_CREAT, 0600));
    EXPECT(es_listen(&at, NULL) == ES_EOS && detail_names("no socket") && !detail_names("somebody listens"));
    EXPECT(es_close((int)listener) == ES_OK);
    EXPECT(esi_os_lstat(path, &file) == 0 && S_ISREG(file.st_mode));
    esi_os_unlink(path);
}

STORY(what_makes_no_sense_is_refused_and_leaves_nothing, "")
{
    es_address any = parsed("127.0.0.1:0"), odd = {.length = 16}, at;
    char byte;
    int before = descriptors_open(), udp = open_any(&at);
    odd.storage.ss_family = AF_UNSPEC;
    EXPECT(es_listen(&odd, NULL) == ES_EOS);
    EXPECT(es_connect(&odd, 0) == ES_EOS);
    EXPECT(es_accept(udp, NULL, 0) == ES_EINVAL);
    EXPECT(es_accept(-1, NULL, 0) == ES_EINVAL);
    EXPECT(es_read(udp, &byte, 1, 0) == ES_EINVAL);
    EXPECT(es_read(54321, &byte, 1, 0) == ES_ECLOSED);
    EXPECT(es_write(-1, &byte, 1, 0) == ES_ECLOSED);
    int64_t listener = es_listen(&any, NULL);
    EXPECT(es_accept((int)listener, NULL, in_ms(5)) == ES_ETIMEOUT);
    EXPECT(es_accept((int)listener, NULL, 0) == ES_ETIMEOUT);
    EXPECT(es_read((int)listener, &byte, 1, 0) == ES_EINVAL);
    EXPECT(es_close((int)listener) == ES_OK);
    EXPECT(es_close(udp) == ES_OK);
    int pair[2];
    connect_pair(pair);
    EXPECT(es_read(pair[0], &byte, 0, 0) == ES_EINVAL);
    EXPECT(es_write(pair[0], &byte, 0, 0) == 0);
    EXPECT(es_write(pair[0], (void *)(uintptr_t)8, 4, 0) == ES_EOS);
    EXPECT(*es_errno() == EFAULT);
    EXPECT(es_close(pair[0]) == ES_OK);
    EXPECT(es_close(pair[1]) == ES_OK);
    EXPECT(descriptors_open() == before);
}

static void accepts_from(es_term argument)
{
    es_pid parent;
    int listener = -1;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &listener)));
    int64_t fd = es_accept(listener, NULL, ES_INFINITY);
    es_send(parent, ES_TUPLE(result, es_self(), fd >= 0 ? 1 : fd));
}

STORY(several_accept_from_one_listener_and_closing_it_wakes_the_rest, "")
{
    es_address at;
    int listener = listen_any(&at);
    es_pid pids[6];
    for (int i = 0; i < 6; i++) {
        pids[i] = es_spawn(accepts_from, ES_TUPLE(es_self(), listener));
        until_it_waits(pids[i]);
    }
    for (int i = 0; i < 4; i++) {
        EXPECT(es_connect(&at, in_ms(5000)) >= 0);
        EXPECT(got(ES_TUPLE(result, ES_ANY, 1)));
    }
    EXPECT(es_close(listener) == ES_OK);
    EXPECT(got(ES_TUPLE(result, ES_ANY, ES_ECLOSED)));
    EXPECT(got(ES_TUPLE(result, ES_ANY, ES_ECLOSED)));
}

/* A backlog that is full: who connects to a path is told nothing more by the system, and has to try again. */
static void connects(es_term argument)
{
    es_pid parent;
    es_bin bytes;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &bytes)));
    es_address at;
    memcpy(&at, bytes.data, sizeof at);
    int64_t fd = es_connect(&at, in_ms(20000));
    es_send(parent, ES_TUPLE(result, es_self(), fd >= 0 ? 1 : fd));
    waits();
}

STORY(who_connects_to_a_full_backlog_waits_and_gets_in, "")
{
    char text[80];
    snprintf(text, sizeof text, "unix:@engset-full-%d", (int)getpid());
    es_address at = parsed(text);
    int listener = (int)es_listen(&at, &(es_listen_options){.backlog = 1});
    int64_t fd, count = 0;
    while ((fd = es_connect(&at, in_ms(3))) >= 0)
        count++;
    EXPECT(count > 0);
    EXPECT(fd == ES_ETIMEOUT && strstr(es_last_detail(), "no answer in time") != NULL);
    EXPECT(es_connect(&at, 0) == ES_ETIMEOUT && strstr(es_last_detail(), "no answer in time") != NULL);
    EXPECT(es_connect(&at, 5000) == ES_ETIMEOUT && strstr(es_last_detail(), "past already") != NULL);
    es_pid pid = es_spawn(connects, ES_TUPLE(es_self(), es_bytes(&at, sizeof at)));
    until_it_waits(pid);
    while (count-- > 0)
        EXPECT(es_accept(listener, NULL, in_ms(5000)) >= 0);
    EXPECT(got(ES_TUPLE(result, pid, 1)));
    es_send_exit(pid, es_am_kill);
}

/* ---------------------------------------------------------------- no memory */

static void opens_all(es_term argument)
{
    es_pid parent;
    int n = 0;
    char buffer[8];
    es_address any = parsed("127.0.0.1:0"), at;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &n)));
    esi_fail_after((uint64_t)n);
    int64_t listener = es_listen(&any, NULL), fd = -1, other = -1;
    if (listener >= 0 && es_local_address((int)listener, &at) == ES_OK)
        fd = es_connect(&at, in_ms(5000));
    if (fd >= 0)
        other = es_accept((int)listener, NULL, in_ms(5000));
    bool is_whole = other >= 0 && es_write((int)fd, "x", 1, in_ms(5000)) == 1 &&
                    es_read((int)other, buffer, 1, in_ms(5000)) == 1;
    bool failed = esi_fail_stop();
    EXPECT(is_whole || failed);
    es_send(parent, ES_TUPLE(done, failed ? 1 : 0));
}

STORY(without_memory_there_is_an_error_and_nothing_is_left_open, "RES-01")
{
    until_the_node_is_up();
    int before = descriptors_open();
    for (int n = 1, failed = 1; failed && n < 200; n++) {
        es_ref ref;
        es_spawn_monitor(&ref, opens_all, ES_TUPLE(es_self(), n));
        bool told = false;
        es_receive
            es_case(ES_TUPLE(es_am_DOWN, ref, ES_ANY, ES_ANY, ES_ANY))
                told = true;
        esi_fail_stop();
        es_receive {
            es_case(ES_TUPLE(done, &failed)) {
            }
            es_after(0)
                failed = 1; /* it ended for lack of memory */
        }
        EXPECT(told);
        EXPECT(descriptors_open() == before);
    }
}

/* Bytes that were read ahead of a packet are copied by the runtime itself. */
static void reads_into_nowhere(void)
{
    int fds[2];
    char buffer[4];
    EXPECT(es_pipe(fds) == ES_OK && es_packet(fds[0], ES_PACKET_1, 10) == ES_OK);
    EXPECT(es_write(fds[1], "\1a\1b", 4, in_ms(5000)) == 4);
    EXPECT(es_read_packet(fds[0], buffer, sizeof buffer, in_ms(5000)) == 1);
    EXPECT(es_packet(fds[0], ES_PACKET_RAW, 0) == ES_OK);
    es_read(fds[0], (void *)(uintptr_t)16, 2, in_ms(5000));
}

STORY(who_reads_into_nowhere_ends_alone, "")
{
    es_ref ref;
    es_pid p = es_spawn_monitor(&ref, reads_into_nowhere);
    EXPECT(got_down(ref, p, ES_TUPLE(es_am_signal, es_am_sigsegv, ES_ANY)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_comes_back_whatever_the_address),
        cmocka_unit_test(both_ends_know_both_addresses_and_send_at_once),
        cmocka_unit_test(a_half_that_is_closed_is_an_end_and_the_other_goes_on),
        cmocka_unit_test(an_end_within_what_is_wanted_exactly_tells_how_much_there_was),
        cmocka_unit_test(a_reset_is_told_to_reader_and_writer),
        cmocka_unit_test(a_peer_that_stalls_costs_the_deadline_and_no_more),
        cmocka_unit_test(what_came_is_read_also_after_the_deadline),
        cmocka_unit_test(closing_wakes_who_reads_and_the_peer_hears_it),
        cmocka_unit_test(several_readers_of_one_stream_get_all_of_it),
        cmocka_unit_test(urgent_data_hides_nothing),
        cmocka_unit_test(descriptors_that_come_along_hide_nothing),
        cmocka_unit_test(who_is_killed_in_its_wait_does_not_keep_the_next_from_reading),
        cmocka_unit_test(the_peer_of_a_process_that_ends_sees_the_end),
        cmocka_unit_test(data_comes_whole_through_tiny_buffers_and_a_storm_of_signals),
        cmocka_unit_test(data_comes_whole_when_each_call_does_little_or_is_interrupted),
        cmocka_unit_test(a_pipe_is_read_and_written_and_its_broken_end_is_an_error),
        cmocka_unit_test(an_address_in_use_is_an_error_that_names_it),
        cmocka_unit_test(the_path_of_a_dead_listener_is_replaced_and_that_of_a_living_one_is_not),
        cmocka_unit_test(what_makes_no_sense_is_refused_and_leaves_nothing),
        cmocka_unit_test(several_accept_from_one_listener_and_closing_it_wakes_the_rest),
        cmocka_unit_test(who_connects_to_a_full_backlog_waits_and_gets_in),
        cmocka_unit_test(without_memory_there_is_an_error_and_nothing_is_left_open),
        cmocka_unit_test(who_reads_into_nowhere_ends_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
