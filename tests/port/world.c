/* world.c - proves what src/port/ does in a simulated world as a whole: the same seed gives the same run with sockets, pipes and files, and what goes
 * wrong by a plan is survived. */
#include <engset/file.h>
#include <engset/resolve.h>
#include <engset/child.h>
#include "base/random.h"
#include "platform/strike.h"
#include "streams.h"

ES_ATOMS(go, done);

enum { CLIENTS = 5, TIMES = 10 };

static bool is_strict; /* nothing goes wrong, so everything must go well */

#define WELL(...) (is_strict ? EXPECT(__VA_ARGS__) : (__VA_ARGS__))

/* ---------------------------------------------------------------- a little of everything */

static void connection(es_term argument)
{
    char buffer[64];
    int64_t count;
    int fd = -1;
    es_match(argument, &fd);
    es_receive
        es_case(go) {
        }
    while ((count = es_read(fd, buffer, sizeof buffer, in_ms(10000))) > 0)
        if (es_write(fd, buffer, (size_t)count, in_ms(10000)) < 0)
            break;
}

static void acceptor(es_term argument)
{
    int listener = -1;
    es_match(argument, &listener);
    for (;;) {
        int64_t fd = es_accept(listener, NULL, ES_INFINITY);
        if (fd < 0)
            return;
        es_pid pid = es_spawn(connection, ES_T(fd));
        es_fd_give((int)fd, pid);
        es_send(pid, go);
    }
}

/* One conversation with the echo at {Parent, Address}, and a datagram to oneself. */
static void client(es_term argument)
{
    es_pid parent;
    es_bin bytes;
    es_address at, mine = parsed("127.0.0.1:0");
    char buffer[16];
    EXPECT(es_match(argument, ES_TUPLE(&parent, &bytes)));
    memcpy(&at, bytes.data, sizeof at);
    int64_t fd = es_connect(&at, in_ms(20000));
    WELL(fd >= 0);
    for (int i = 0; i < TIMES && fd >= 0; i++) {
        int64_t written = es_write((int)fd, "0123456789", 10, in_ms(5000));
        int64_t count = written == 10 ? es_read_exactly((int)fd, buffer, 10, in_ms(5000)) : written;
        WELL(count == 10);
        EXPECT(count < 10 || memcmp(buffer, "0123456789", 10) == 0);
    }
    int64_t udp = es_udp_open(&mine);
    if (udp >= 0 && es_udp_local((int)udp, &mine) == ES_OK) {
        WELL(es_sendto((int)udp, "datagram", 8, &mine, in_ms(1000)) == 8);
        int64_t count = es_recvfrom((int)udp, buffer, sizeof buffer, NULL, in_ms(1000));
        WELL(count == 8);
        EXPECT(count < 0 || memcmp(buffer, "datagram", 8) == 0);
    }
    es_send(parent, done);
}

/* A file that is there whole or not at all. */
static void keeps_a_diary(void)
{
    es_term text;
    es_bin bin;
    const char *path = "/tmp/engset-diary-of-a-world";
    es_err error = es_file_write_all(path, es_bytes("dear diary", 10));
    WELL(error == ES_OK);
    if (es_file_read_all(path, &text) != ES_OK) {
        WELL(false);
        return;
    }
    EXPECT(es_get_bin(text, &bin) && bin.size == 10 && memcmp(bin.data, "dear diary", 10) == 0);
    WELL(es_file_remove(path) == ES_OK);
}

/* Gives back what it gets. */
static int cat(const es_simulated_child *child)
{
    char buffer[64];
    int64_t count;
    while ((count = es_read(child->input, buffer, sizeof buffer, ES_INFINITY)) > 0)
        if (es_write(child->output, buffer, (size_t)count, ES_INFINITY) < 0)
            return 1;
    return count < 0;
}

static void asks_a_child(void)
{
    es_child child;
    char buffer[16];
    int status = -1;
    EXPECT(es_simulate_program("cat", cat) == ES_OK);
    es_child_options options = {.program = "cat", .input = ES_CHILD_PIPE, .output = ES_CHILD_PIPE};
    es_err error = es_child_start(&options, &child);
    WELL(error == ES_OK);
    if (error != ES_OK)
        return;
    EXPECT(es_write(child.input, "0123456789", 10, in_ms(5000)) == 10);
    EXPECT(es_read_exactly(child.output, buffer, 10, in_ms(5000)) == 10);
    EXPECT(memcmp(buffer, "0123456789", 10) == 0);
    EXPECT(es_close(child.input) == ES_OK);
    EXPECT(es_child_wait(child, in_ms(5000), &status) == ES_OK && status == 0);
    EXPECT(es_close(child.output) == ES_OK);
}

static void a_little_of_everything(void)
{
    es_address at = parsed("127.0.0.1:4000");
    int64_t listener = ES_EOS;
    while (listener < 0)
        listener = es_listen(&at, NULL);
    es_pid server = es_spawn(acceptor, ES_T(listener));
    for (int i = 0; i < CLIENTS; i++)
        es_spawn(client, ES_TUPLE(es_self(), es_bytes(&at, sizeof at)));
    keeps_a_diary();
    asks_a_child();
    for (int i = 0; i < CLIENTS; i++)
        EXPECT(got_within(done, 3600 * 1000));
    EXPECT(es_close((int)listener) == ES_OK);
    wait_for_end(server);
}

CASE(the_same_seed_gives_the_same_trace_with_sockets_and_files, 50, "")
{
    uint64_t before = 0;
    is_strict = true;
    for (unsigned long seed = 1; seed <= 50; seed++) {
        uint64_t trace = story_trace(a_little_of_everything, seed);
        assert_true(story_trace(a_little_of_everything, seed) == trace);
        assert_true(trace != before);
        before = trace;
    }
    assert_int_equal(access("/tmp/engset-diary-of-a-world", F_OK), -1);
}

/* ---------------------------------------------------------------- what goes wrong */

static struct esi_random chance;
static long struck[ESI_STRIKE_COUNT];

/* One in twenty of what this room and its floor ask for. */
static bool plan(enum esi_strike kind)
{
    bool is_ours = kind == ESI_STRIKE_NO_DESCRIPTOR || kind == ESI_STRIKE_REFUSE || kind == ESI_STRIKE_CUT ||
                   kind == ESI_STRIKE_HALF_CLOSE || kind == ESI_STRIKE_DELAY || kind == ESI_STRIKE_SHORT_IO ||
                   kind == ESI_STRIKE_DISK;
    bool strikes = is_ours && esi_random_below(&chance, 20) == 0;
    struck[kind] += strikes;
    return strikes;
}

static uint64_t trace_of_mishaps(unsigned long seed)
{
    esi_random_seed(&chance, seed);
    esi_strike_plan = plan;
    uint64_t trace = story_trace(a_little_of_everything, seed);
    esi_strike_plan = NULL;
    return trace;
}

CASE(what_goes_wrong_by_a_plan_hangs_nobody_and_repeats, 200, "")
{
    is_strict = false;
    memset(struck, 0, sizeof struck);
    for (unsigned long seed = 1; seed <= 200; seed++)
        assert_true(trace_of_mishaps(seed) == trace_of_mishaps(seed));
    for (int kind = ESI_STRIKE_NO_DESCRIPTOR; kind <= ESI_STRIKE_DISK; kind++)
        assert_true(struck[kind] > 10);
}

/* ---------------------------------------------------------------- names */

SIMULATED_STORY(a_simulated_world_knows_itself_and_numbers, "")
{
    es_address found[4];
    char text[80];
    EXPECT(es_resolve("localhost", "4000", found, 4, ES_INFINITY) == 2);
    es_address_print(&found[0], text, sizeof text);
    EXPECT(strcmp(text, "127.0.0.1:4000") == 0);
    es_address_print(&found[1], text, sizeof text);
    EXPECT(strcmp(text, "[::1]:4000") == 0);
    EXPECT(es_resolve("::1", NULL, found, 4, ES_INFINITY) == 1);
    EXPECT(es_resolve("example.org", "80", found, 4, ES_INFINITY) == ES_ENOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_trace_with_sockets_and_files),
        cmocka_unit_test(what_goes_wrong_by_a_plan_hangs_nobody_and_repeats),
        cmocka_unit_test(a_simulated_world_knows_itself_and_numbers),
    };
    return cmocka_run_group_tests_name("port/world", tests, NULL, NULL);
}
