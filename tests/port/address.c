/* address.c - proves src/port/address.c: addresses as text. */
#include <arpa/inet.h>
#include <engset/port.h>
#include "case.h"

static void test_what_is_parsed_is_printed_as_it_was(void **state)
{
    (void)state;
    static const char *const texts[] = {"127.0.0.1:5060", "0.0.0.0:0",         "255.255.255.255:65535",
                                        "[::1]:5060",     "[2001:db8::7]:443", "[fe80::1%2]:53",
                                        "[::]:0",         "unix:/run/a b",     "unix:@name"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        es_address address;
        char text[80];
        assert_int_equal(es_address_parse(texts[i], &address), ES_OK);
        assert_int_equal(es_address_print(&address, text, sizeof text), strlen(texts[i]));
        assert_string_equal(text, texts[i]);
    }
}

static void test_the_system_understands_what_was_parsed(void **state)
{
    (void)state;
    es_address address;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    assert_int_equal(es_address_parse("1.2.3.4:513", &address), ES_OK);
    memcpy(&in, &address.storage, sizeof in);
    assert_int_equal(address.length, sizeof in);
    assert_int_equal(in.sin_family, AF_INET);
    assert_int_equal(ntohs(in.sin_port), 513);
    assert_int_equal(ntohl(in.sin_addr.s_addr), 0x01020304);
    assert_int_equal(es_address_parse("[fe80::1%7]:513", &address), ES_OK);
    memcpy(&in6, &address.storage, sizeof in6);
    assert_int_equal(address.length, sizeof in6);
    assert_int_equal(in6.sin6_family, AF_INET6);
    assert_int_equal(ntohs(in6.sin6_port), 513);
    assert_int_equal(in6.sin6_scope_id, 7);
}

static void test_an_error_says_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
    } wrong[] = {
        {"localhost:80", "'localhost:80': the host is no IPv4 address in digits; for names: es_resolve()"},
        {"a-name-that-is-longer-than-any-address-in-digits-could-be.example.org:80", "es_resolve()"},
        {"127.0.0.1", "no port"},
        {"*:80", "0.0.0.0"},
        {":80", "0.0.0.0"},
        {"unix:", "no path"},
        {"unix:@", "no path"},
        {"127.0.0.1:99999", "65535"},
        {"127.0.0.1:http", "65535"},
        {"::1:80", "brackets"},
        {"[::1:80", "']'"},
        {"[::1]", "no port"},
        {"[localhost]:80", "es_resolve()"},
    };
    es_address address;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(es_address_parse(wrong[i].text, &address), ES_EINVAL);
        if (!strstr(es_last_detail(), wrong[i].said))
            fail_msg("%s: %s", wrong[i].text, es_last_detail());
    }
}

static void test_what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        ":",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "1.2.3.4:+1",
        "1.2.3.4: 1",
        "1.2.3.4:1 ",
        "1.2.3.4:0x1",
        "1.2.3.4:1:2",
        "1.2.3:5",
        "1.2.3.256:",
        "localhost:1",
        "::1:5060",
        "[::1]",
        "[::1]:",
        "[::1",
        "[::1]5060",
        "[]:1",
        "[1.2.3.4]:1",
        "[fe80::1%]:1",
        "[fe80::1%eth0]:1",
        "[fe80::1%4294967296]:1",
        " 1.2.3.4:1",
        "unix:",
        "unix:@",
        "unix:/"
        "1111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111"
        "1111111111111111",
        "[::g]:1",
        "1.2.3.4:99999999999999999999",
        "11111111111111111111111111111111111111111111111111111111111111111111111111111111:1",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        es_address address = {.length = 77};
        assert_int_equal(es_address_parse(texts[i], &address), ES_EINVAL);
        assert_int_equal(address.length, 77);
    }
}

static void test_printing_is_cut_and_tells_the_whole_length(void **state)
{
    (void)state;
    es_address address;
    char text[6];
    assert_int_equal(es_address_parse("127.0.0.1:5060", &address), ES_OK);
    assert_int_equal(es_address_print(&address, text, sizeof text), 14);
    assert_string_equal(text, "127.0");
    assert_int_equal(es_address_print(&address, NULL, 0), 14);
}

static void test_an_address_of_another_family_is_not_printed(void **state)
{
    (void)state;
    es_address address = {.length = 2};
    char text[8];
    address.storage.ss_family = AF_PACKET;
    assert_int_equal(es_address_print(&address, text, sizeof text), ES_EINVAL);
    address.storage.ss_family = AF_INET; /* and one that is too short */
    assert_int_equal(es_address_print(&address, text, sizeof text), ES_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_parsed_is_printed_as_it_was),
        cmocka_unit_test(test_the_system_understands_what_was_parsed),
        cmocka_unit_test(test_an_error_says_what_is_wrong),
        cmocka_unit_test(test_what_is_no_address_is_refused),
        cmocka_unit_test(test_printing_is_cut_and_tells_the_whole_length),
        cmocka_unit_test(test_an_address_of_another_family_is_not_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
