/* crowd.c - proves src/port/listen.c and pause.c where there are many: no descriptors left, and tens of thousands of connections. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "base/log.h"
#include "platform/sanitize.h"
#include "streams.h"

ES_ATOMS(served, accepted);

/* ---- how often the system is asked for a connection ---- */

static _Atomic(int) accepts;

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    atomic_fetch_add(&accepts, 1);
    return (int)syscall(SYS_accept4, fd, address, length, flags);
}

/* ---- what the log says ---- */

static _Atomic(int) lines_of_lack;

static void count_lines(int level, const char *line, size_t length)
{
    (void)level, (void)length;
    if (strstr(line, "no descriptors left"))
        atomic_fetch_add(&lines_of_lack, 1);
}

/* ---------------------------------------------------------------- a server */

/* Echoes at a descriptor that it was given. */
static void echoes(es_term argument)
{
    char buffer[64];
    int64_t count;
    int fd = -1;
    EXPECT(es_match(argument, &fd));
    es_receive
        es_case(served) {
        }
    while ((count = es_read(fd, buffer, sizeof buffer, ES_INFINITY)) > 0)
        if (es_write(fd, buffer, (size_t)count, ES_INFINITY) < 0)
            break;
}

/* Accepts at {Parent, Listener, Count}, and tells when so many have come. */
static void serves(es_term argument)
{
    es_pid parent;
    int listener = -1, wanted = 0, count = 0;
    int64_t fd;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &listener, &wanted)));
    while ((fd = es_accept(listener, NULL, ES_INFINITY)) >= 0) {
        es_pid pid = es_spawn(echoes, ES_T(fd));
        EXPECT(es_fd_give((int)fd, pid) == ES_OK);
        es_send(pid, served);
        if (++count % wanted == 0)
            es_send(parent, ES_TUPLE(accepted, count));
    }
    EXPECT(fd == ES_ECLOSED);
}

/* ---------------------------------------------------------------- no descriptors left */

enum { FREE = 4, CLIENTS = 12 };

static int64_t read_client(int fd, char *buffer, size_t size)
{
    return es_wait_fd(fd, POLLIN, in_ms(20000)) < 0 ? -1 : recv(fd, buffer, size, MSG_DONTWAIT);
}

static bool is_served(int fd)
{
    char buffer[8] = "";
    return send(fd, "ping", 4, MSG_NOSIGNAL) == 4 && read_client(fd, buffer, sizeof buffer) == 4 &&
           memcmp(buffer, "ping", 4) == 0;
}

/* All sockets of the clients are there before descriptors become few: connecting needs none. */
static void few_descriptors(int clients[CLIENTS], struct rlimit *before)
{
    for (int i = 0; i < CLIENTS; i++)
        EXPECT((clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0);
    int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(lowest);
    getrlimit(RLIMIT_NOFILE, before);
    struct rlimit few = *before;
    few.rlim_cur = (rlim_t)lowest + FREE;
    EXPECT(setrlimit(RLIMIT_NOFILE, &few) == 0);
}

static void connect_client(int fd, const es_address *at)
{
    EXPECT(connect(fd, (const struct sockaddr *)&at->storage, at->length) == 0);
}

REAL_STORY(a_listener_without_descriptors_pauses_and_recovers_and_the_others_are_served, 1, "RES-04")
{
    es_address at;
    int clients[CLIENTS], listener = listen_any(&at);
    struct rlimit before;
    char byte;
    esi_log_set_sink(count_lines);
    es_pid server = es_spawn(serves, ES_TUPLE(es_self(), listener, FREE));
    until_it_waits(server);
    few_descriptors(clients, &before);
    int64_t begun_ns = es_now_ns();
    for (int i = 0; i < CLIENTS - 2; i++)
        connect_client(clients[i], &at);
    EXPECT(got(ES_TUPLE(accepted, FREE)));
    for (int i = 0; i < FREE; i++)
        EXPECT(is_served(clients[i]));
    /* Who waited through a pause hears an end. */
    for (int i = FREE; i < CLIENTS - 2; i++)
        EXPECT(read_client(clients[i], &byte, 1) <= 0);
    /* A pause in which nothing happens costs nothing. */
    atomic_store(&accepts, 0);
    es_sleep(350);
    EXPECT(atomic_load(&accepts) > 0 && atomic_load(&accepts) <= 16);
    for (int i = 0; i < FREE; i++)
        EXPECT(is_served(clients[i]));
    /* One goes; there is a descriptor for the next, and nobody has to wait for the pause to end. */
    connect_client(clients[CLIENTS - 2], &at);
    int64_t closed_ns = es_now_ns();
    EXPECT(shutdown(clients[0], SHUT_RDWR) == 0);
    EXPECT(is_served(clients[CLIENTS - 2]));
    EXPECT(es_now_ns() - closed_ns < 90 * INT64_C(1000000));
    EXPECT(atomic_load(&lines_of_lack) >= 1);
    EXPECT(atomic_load(&lines_of_lack) <= 2 + (es_now_ns() - begun_ns) / INT64_C(1000000000));
    EXPECT(setrlimit(RLIMIT_NOFILE, &before) == 0);
    connect_client(clients[CLIENTS - 1], &at);
    EXPECT(is_served(clients[CLIENTS - 1]));
    EXPECT(es_close(listener) == ES_OK);
    wait_for_end(server);
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    esi_log_set_sink(NULL);
}

/* ---------------------------------------------------------------- a crowd that leaves at once */

enum { CROWD = 50000, CROWD_SANITIZED = 2000, ROUNDS = 12, OTHERS = 200, PORTS_AN_ADDRESS = 20000 };

/* How many connections there can be here; says why when it is not CROWD. */
static int crowd_size(void)
{
    struct rlimit limit, more;
    getrlimit(RLIMIT_NOFILE, &limit);
    more.rlim_cur = CROWD + OTHERS;
    more.rlim_max = limit.rlim_max > more.rlim_cur ? limit.rlim_max : more.rlim_cur;
    if (setrlimit(RLIMIT_NOFILE, &more) != 0) { /* only root may raise the hard limit */
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    getrlimit(RLIMIT_NOFILE, &limit);
    if (ESI_ASAN || ESI_TSAN) {
        print_message("a sanitizer: %d connections instead of %d\n", CROWD_SANITIZED, CROWD);
        return CROWD_SANITIZED;
    }
    if (limit.rlim_cur >= CROWD + OTHERS)
        return CROWD;
    print_message("RLIMIT_NOFILE cannot be raised above %llu: as many connections instead of %d\n",
                  (unsigned long long)limit.rlim_cur, CROWD);
    return (int)limit.rlim_cur - OTHERS;
}

/* The peers are another OS process, so that one end of each connection counts here: when it is told a port it connects `count` times to it,
 * says so, and ends when it is told, by which all are closed. */
static int commands[2], answers[2];

static void connect_all(int count, uint16_t port)
{
    for (int i = 0; i < count; i++) {
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = port};
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(i / PORTS_AN_ADDRESS));
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
            perror("the crowd cannot connect");
            _exit(1);
        }
    }
}

static void be_the_peers(int count)
{
    uint16_t port;
    close(commands[1]);
    close(answers[0]);
    while (read(commands[0], &port, sizeof port) == sizeof port) {
        pid_t child = fork();
        char go;
        if (child == 0) {
            connect_all(count, port);
            if (write(answers[1], "c", 1) != 1 || read(commands[0], &go, 1) != 1)
                _exit(1);
            _exit(0);
        }
        int status = 1;
        waitpid(child, &status, 0);
        if (status != 0)
            break;
    }
    _exit(0);
}

static int64_t resident_kb(void)
{
    char line[128];
    int64_t kb = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %ld", &kb) == 1)
            break;
    fclose(file);
    return kb;
}

static int crowd;

static int64_t processes_now(void)
{
    es_node_info info;
    es_node_info_get(&info);
    return info.processes;
}

static void one_crowd(void)
{
    es_address any = parsed("0.0.0.0:0"), at;
    char word;
    int listener = (int)es_listen(&any, NULL);
    EXPECT(listener >= 0);
    EXPECT(es_local_address(listener, &at) == ES_OK);
    es_pid server = es_spawn(serves, ES_TUPLE(es_self(), listener, crowd));
    uint16_t port;
    memcpy(&port, &((struct sockaddr_in *)(void *)&at.storage)->sin_port, sizeof port);
    EXPECT(write(commands[1], &port, sizeof port) == sizeof port);
    EXPECT(got_within(ES_TUPLE(accepted, crowd), 100000));
    EXPECT(es_wait_fd(answers[0], POLLIN, in_ms(20000)) > 0);
    EXPECT(read(answers[0], &word, 1) == 1);
    EXPECT(descriptors_open() >= crowd);
    EXPECT(write(commands[1], "g", 1) == 1);
    EXPECT(es_close(listener) == ES_OK);
    wait_for_end(server);
    int64_t deadline_ns = in_ms(100000);
    while (processes_now() > 1 && es_now_ns() < deadline_ns)
        es_sleep(1);
    EXPECT(processes_now() == 1);
}

static void stack_user(es_pid *starter)
{
    volatile char room[12 << 10];
    for (size_t i = 0; i < sizeof room; i += 1024)
        room[i] = 1;
    es_send(*starter, es_am_ok);
    es_receive
        es_case(es_am_stop) {
        }
}

/* As many stacks as are kept warm, each used as far as ever here: how far those are that serve next is chance. */
static void use_all_stacks(void)
{
    enum { STACKS = 1024 + 2 * 64 + 64 };
    static es_pid pid[STACKS];
    static es_pid starter;
    starter = es_self();
    for (int i = 0; i < STACKS; i++)
        pid[i] = es_spawn(stack_user, &starter);
    for (int i = 0; i < STACKS; i++)
        EXPECT(got(es_am_ok));
    for (int i = 0; i < STACKS; i++)
        es_send(pid[i], es_am_stop);
    for (int i = 0; i < STACKS; i++)
        wait_for_end(pid[i]);
}

/* The first two rounds make what is kept for the next: pools, records of descriptors, and the stacks of the threads that happened to be needed. One of the next
 * must leave as little as the fuller of these two: what is lost each time leaves more each time. */
static void the_crowd_story(void)
{
    int before = descriptors_open();
    int64_t first = 0, least = INT64_MAX;
    use_all_stacks();
    for (int i = 0; i < ROUNDS && (i < 3 || least > first + first / 100); i++) {
        one_crowd();
        EXPECT(descriptors_open() == before);
        malloc_trim(0);
        int64_t kb = resident_kb();
        print_message("%d connections: %ld kB after round %d\n", crowd, (long)kb, i + 1);
        if (i < 2)
            first = kb > first ? kb : first;
        else if (kb < least)
            least = kb;
    }
    if (!ESI_ASAN && !ESI_TSAN)
        EXPECT(least <= first + first / 100);
}

CASE(after_a_crowd_that_left_at_once_everything_is_as_before, 1, "RES-12")
{
    crowd = crowd_size();
    assert_int_equal(pipe(commands), 0);
    assert_int_equal(pipe(answers), 0);
    pid_t peers = fork();
    if (peers == 0)
        be_the_peers(crowd);
    close(commands[0]);
    close(answers[1]);
    play_real(the_crowd_story);
    close(commands[1]);
    close(answers[0]);
    waitpid(peers, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listener_without_descriptors_pauses_and_recovers_and_the_others_are_served),
        cmocka_unit_test(after_a_crowd_that_left_at_once_everything_is_as_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
