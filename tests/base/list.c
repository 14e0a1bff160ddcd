/* tests/base/list.c - lists do what their header says. */
#include "case.h"
#include "base/list.h"

struct item {
    int number;
    struct esi_list in_row;
};

static void fill(struct esi_list *row, struct item *items, int count)
{
    esi_list_init(row);
    for (int i = 0; i < count; i++) {
        items[i].number = i;
        esi_list_push_back(row, &items[i].in_row);
    }
}

static int number_of(struct esi_list *node)
{
    return ESI_CONTAINER_OF(node, struct item, in_row)->number;
}

static void assert_row(struct esi_list *row, const char *digits)
{
    struct esi_list *before = row;
    ESI_LIST_EACH(it, row)
    {
        assert_int_equal(number_of(it), *digits++ - '0');
        assert_ptr_equal(it->prev, before);
        before = it;
    }
    assert_ptr_equal(row->prev, before);
    assert_int_equal(*digits, 0);
}

static void test_nodes_come_out_in_the_order_they_went_in(void **state)
{
    (void)state;
    struct esi_list row;
    struct item items[4];
    fill(&row, items, 3);
    esi_list_init(&items[3].in_row);
    items[3].number = 3;
    esi_list_push_front(&row, &items[3].in_row);
    assert_row(&row, "3012");
    assert_int_equal(number_of(esi_list_first(&row)), 3);
    assert_int_equal(number_of(esi_list_pop_front(&row)), 3);
    assert_false(esi_list_is_linked(&items[3].in_row));
    assert_row(&row, "012");
}

static void test_an_empty_list_gives_nothing(void **state)
{
    (void)state;
    struct esi_list row;
    esi_list_init(&row);
    assert_true(esi_list_is_empty(&row));
    assert_null(esi_list_first(&row));
    assert_null(esi_list_pop_front(&row));
    assert_row(&row, "");
}

static void test_a_removed_node_is_on_no_list_and_can_be_removed_again(void **state)
{
    (void)state;
    struct esi_list row;
    struct item items[3];
    fill(&row, items, 3);
    assert_true(esi_list_is_linked(&items[1].in_row));
    esi_list_remove(&items[1].in_row);
    esi_list_remove(&items[1].in_row);
    assert_false(esi_list_is_linked(&items[1].in_row));
    assert_row(&row, "02");
}

static void test_a_safe_run_may_remove_what_it_stands_on(void **state)
{
    (void)state;
    struct esi_list row;
    struct item items[6];
    fill(&row, items, 6);
    ESI_LIST_EACH_SAFE(it, &row)
    {
        if (number_of(it) % 2 == 0)
            esi_list_remove(it);
    }
    assert_row(&row, "135");
}

static void test_splicing_moves_all_and_leaves_the_other_empty(void **state)
{
    (void)state;
    struct esi_list row, other;
    struct item items[3], more[6];
    fill(&row, items, 3);
    fill(&other, more, 6);
    for (int i = 0; i < 3; i++)
        esi_list_pop_front(&other);
    esi_list_splice_back(&row, &other);
    assert_row(&row, "012345");
    assert_row(&other, "");
    esi_list_splice_back(&row, &other);
    assert_row(&row, "012345");
    esi_list_splice_back(&other, &row);
    assert_row(&other, "012345");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nodes_come_out_in_the_order_they_went_in),
        cmocka_unit_test(test_an_empty_list_gives_nothing),
        cmocka_unit_test(test_a_removed_node_is_on_no_list_and_can_be_removed_again),
        cmocka_unit_test(test_a_safe_run_may_remove_what_it_stands_on),
        cmocka_unit_test(test_splicing_moves_all_and_leaves_the_other_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
