/* ring.c - proves the queue of a handler: what goes in comes out, in order and whole; when it refuses, and when no more; what it uses. */
#include "log/ring.h"

#include <string.h>
#include "case.h"

static struct esi_log_ring ring;
static struct esi_log_record record;

static void end_ring(void)
{
    esi_log_ring_free(&ring);
    assert_null(ring.bytes);
}

static bool push(int number, int level, size_t length)
{
    static char text[ESI_LOG_RECORD_BYTES];
    memset(text, 'a' + number % 26, length);
    const struct esi_log_event event = {
        .ns = (uint64_t)number, .level = level, .file = "here.c", .message = text, .message_length = length};
    return esi_log_ring_push(&ring, &event);
}

static bool is_taken(int number, size_t length)
{
    if (!esi_log_ring_take(&ring, &record) || record.event.ns != (uint64_t)number)
        return false;
    for (size_t i = 0; i < length; i++)
        if (record.event.message[i] != 'a' + number % 26)
            return false;
    return record.event.message_length == length && strcmp(record.event.file, "here.c") == 0;
}

static void what_goes_in_comes_out_in_order_and_whole(void **state)
{
    enum { WAITING = 100, ROUNDS = 5000 };
    (void)state;
    for (int i = 0; i < WAITING; i++)
        assert_true(push(i, ESI_LOG_NOTICE, (size_t)i * 7 % 900));
    for (int i = 0; i < ROUNDS; i++) { /* over the end again and again */
        assert_true(is_taken(i, (size_t)i * 7 % 900));
        assert_true(push(i + WAITING, ESI_LOG_NOTICE, (size_t)(i + WAITING) * 7 % 900));
    }
    for (int i = ROUNDS; i < ROUNDS + WAITING; i++)
        assert_true(is_taken(i, (size_t)i * 7 % 900));
    assert_false(esi_log_ring_take(&ring, &record));
    end_ring();
}

static void full_it_refuses_until_half_is_taken_and_keeps_room_for_errors(void **state)
{
    int count = 0, errors = 0, taken = 0;
    (void)state;
    while (push(count, ESI_LOG_WARNING, 1000))
        count++;
    assert_true(ring.is_refusing);
    assert_in_range(ring.end, ESI_LOG_RING_BYTES / 8 * 7 - 1200, ESI_LOG_RING_BYTES / 8 * 7);
    while (push(count + errors, ESI_LOG_ERROR, 1000))
        errors++;
    assert_in_range(errors, count / 7 - 2, count / 7 + 2); /* an eighth */
    while (!push(count + errors, ESI_LOG_NOTICE, 10)) {
        assert_true(is_taken(taken, 1000));
        taken++;
    }
    assert_in_range(taken, (count + errors) / 2 - 2, (count + errors) / 2 + 2);
    end_ring();
}

static void empty_it_begins_anew_and_uses_no_more_than_waited(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_true(push(i, ESI_LOG_NOTICE, 300) && push(i, ESI_LOG_NOTICE, 300));
        assert_in_range(ring.end, 600, 2000);
        assert_true(is_taken(i, 300) && is_taken(i, 300));
    }
    end_ring();
}

static void fields_that_make_it_too_long_are_left_out(void **state)
{
    static char value[ESI_LOG_RECORD_BYTES];
    struct esi_log_field fields[6];
    (void)state;
    memset(value, 'v', sizeof value);
    for (int i = 0; i < 6; i++)
        fields[i] = (struct esi_log_field){"key", value, 2000};
    const struct esi_log_event event = {.message = "", .fields = fields, .field_count = 6};
    assert_true(esi_log_ring_push(&ring, &event) && esi_log_ring_take(&ring, &record));
    assert_int_equal(record.event.field_count, 4);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(record.event.fields[i].key, "key");
        assert_int_equal(record.event.fields[i].length, 2000);
        assert_memory_equal(record.event.fields[i].value, value, 2000);
    }
    end_ring();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out_in_order_and_whole),
        cmocka_unit_test(full_it_refuses_until_half_is_taken_and_keeps_room_for_errors),
        cmocka_unit_test(empty_it_begins_anew_and_uses_no_more_than_waited),
        cmocka_unit_test(fields_that_make_it_too_long_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
