/* tests/exchange/registrar.c - who is registered where, and until when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "registrar.h"

static struct registrar_binding bindings[32];
static struct registrar r;

static struct registrar_answer say(const char *user, const char *contact, const char *host, int32_t expires_s,
                                   int64_t now_ms)
{
    static struct sip_message m;
    memset(&m, 0, sizeof m);
    snprintf(m.to.user, sizeof m.to.user, "%s", user);
    snprintf(m.contact, sizeof m.contact, "%s", contact);
    snprintf(m.contact_at.host, sizeof m.contact_at.host, "%s", host);
    m.contact_at.port = 5070;
    m.expires_s = expires_s;
    return registrar_register(&r, &m, now_ms);
}

static int empty(void **state)
{
    (void)state;
    registrar_init(&r, bindings, 32);
    return 0;
}

static void a_user_is_found_until_the_binding_expires(void **state)
{
    (void)state;
    struct registrar_answer a = say("bob", "sip:bob@10.0.0.1:5070", "10.0.0.1", 60, 1000);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.expires_s, 60);
    assert_string_equal(a.contact, "sip:bob@10.0.0.1:5070");
    assert_int_equal(registrar_find(&r, "bob", 60999)->address.ip, 0x0a000001);
    assert_int_equal(registrar_find(&r, "bob", 60999)->address.port, 5070);
    assert_null(registrar_find(&r, "bob", 61000));
    assert_null(registrar_find(&r, "al", 1000));
}

static void a_second_registration_takes_the_place_of_the_first(void **state)
{
    (void)state;
    say("bob", "sip:bob@10.0.0.1", "10.0.0.1", 60, 0);
    say("bob", "sip:bob@10.0.0.2", "10.0.0.2", 90, 30000);
    assert_int_equal(registrar_find(&r, "bob", 119999)->address.ip, 0x0a000002);
    assert_int_equal(say("bob", "", "", -1, 30000).expires_s, 90); /* only asks */
}

static void zero_or_a_star_removes(void **state)
{
    (void)state;
    say("bob", "sip:bob@10.0.0.1", "10.0.0.1", 60, 0);
    assert_int_equal(say("bob", "sip:bob@10.0.0.1", "10.0.0.1", 0, 1).expires_s, -1);
    assert_null(registrar_find(&r, "bob", 1));
    say("bob", "sip:bob@10.0.0.1", "10.0.0.1", 60, 2);
    assert_int_equal(say("bob", "*", "", 60, 3).status, 400);
    assert_int_equal(say("bob", "*", "", 0, 3).status, 200);
    assert_null(registrar_find(&r, "bob", 3));
}

static void what_is_asked_for_is_bounded(void **state)
{
    (void)state;
    assert_int_equal(say("a", "sip:a@10.0.0.1", "10.0.0.1", -1, 0).expires_s, REGISTRAR_EXPIRES_DEFAULT_S);
    assert_int_equal(say("a", "sip:a@10.0.0.1", "10.0.0.1", INT32_MAX, 0).expires_s, REGISTRAR_EXPIRES_MAX_S);
    assert_int_equal(say("a", "sip:a@example.org", "example.org", 60, 0).status, 400);
}

static void a_full_table_turns_away_and_has_room_again_when_bindings_expire(void **state)
{
    (void)state;
    char user[16];
    int turned_away = 0;
    for (int i = 0; i < 40; i++) {
        snprintf(user, sizeof user, "u%d", i);
        turned_away += say(user, "sip:u@10.0.0.1", "10.0.0.1", 60, 0).status == 503;
    }
    assert_true(turned_away >= 8);
    for (int i = 0; i < 10; i++) {
        snprintf(user, sizeof user, "v%d", i);
        assert_int_equal(say(user, "sip:u@10.0.0.1", "10.0.0.1", 60, 60000).status, 200);
        assert_non_null(registrar_find(&r, user, 60000));
    }
    registrar_init(&r, bindings, 0);
    assert_int_equal(say("a", "sip:a@10.0.0.1", "10.0.0.1", 60, 0).status, 503);
}

static void what_one_lists_another_can_take_over(void **state)
{
    struct registrar_binding copy[40], over;
    struct registrar other;
    struct registrar_binding others[40];
    (void)state;
    registrar_init(&other, others, 40);
    say("a", "sip:a@10.0.0.1", "10.0.0.1", 60, 0);
    say("b", "sip:b@10.0.0.2", "10.0.0.2", 10, 0);
    assert_int_equal(registrar_list(&r, copy, 0), 2);
    assert_int_equal(registrar_list(&r, copy, 20000), 1);
    assert_string_equal(copy[0].user, "a");
    registrar_restore(&other, &copy[0], 20000);
    assert_string_equal(registrar_find(&other, "a", 20000)->contact, "sip:a@10.0.0.1");
    over = copy[0];
    over.until_ms = INT64_MIN;
    registrar_restore(&other, &over, 20000);
    assert_null(registrar_find(&other, "a", 20000));
    registrar_restore(&other, &over, 20000); /* one who is not known, and over: nothing */
    assert_int_equal(registrar_list(&other, copy, 20000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_user_is_found_until_the_binding_expires, empty),
        cmocka_unit_test_setup(a_second_registration_takes_the_place_of_the_first, empty),
        cmocka_unit_test_setup(zero_or_a_star_removes, empty),
        cmocka_unit_test_setup(what_is_asked_for_is_bounded, empty),
        cmocka_unit_test_setup(a_full_table_turns_away_and_has_room_again_when_bindings_expire, empty),
        cmocka_unit_test_setup(what_one_lists_another_can_take_over, empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
