"""Bars: what is counted becomes heights, to the same scale in each column."""

from referrals.admin.kit.charts import BarShare, draw_bars, list_bar_shares

KINDS = {"delivered": "delivered", "dead": "dead-lettered"}


def test_the_highest_column_fills_the_height_and_the_others_compare_with_it():
    chart = draw_bars(
        "Records",
        KINDS,
        [("09:00", {"delivered": 50}), ("10:00", {"delivered": 75, "dead": 25})],
    )

    first, second = chart.columns
    assert [(s.kind, s.y, s.height) for s in first.segments] == [
        ("delivered", "50.00", "50.00")
    ]
    assert [(s.kind, s.y, s.height) for s in second.segments] == [
        ("delivered", "25.00", "75.00"),
        ("dead", "0.00", "25.00"),
    ]
    assert (first.x, second.x, chart.width, chart.column_width) == (
        "1",
        "11",
        "20",
        "8",
    )
    assert (chart.highest, chart.total) == (100, 150)


def test_the_words_say_what_the_heights_show():
    chart = draw_bars("Records", KINDS, [("09:00", {"delivered": 1_204, "dead": 3})])

    assert chart.columns[0].title == "09:00: 1,204 delivered, 3 dead-lettered"
    assert chart.columns[0].counts == (1_204, 3)
    assert chart.kinds == (
        ("delivered", "delivered", 1_204),
        ("dead", "dead-lettered", 3),
    )


def test_little_is_seen_beside_much_and_never_leaves_the_drawing():
    chart = draw_bars(
        "Records", KINDS, [("09:00", {"delivered": 1_000_000, "dead": 1})]
    )

    delivered, dead = chart.columns[0].segments
    assert (delivered.y, delivered.height) == ("2.00", "98.00")
    assert (dead.y, dead.height) == ("0.00", "2.00")


def test_nothing_at_all_has_columns_without_segments():
    chart = draw_bars("Records", KINDS, [("09:00", {}), ("10:00", {})])

    assert [column.segments for column in chart.columns] == [(), ()]
    assert chart.columns[0].title == "09:00: 0 delivered, 0 dead-lettered"
    assert (chart.highest, draw_bars("Nothing", KINDS, []).columns) == (0, ())


def test_shares_of_a_bar_follow_each_other_and_leave_the_rest_empty():
    assert list_bar_shares(200, delivered=100, dead=50, waiting=0) == (
        BarShare("delivered", 100, "0.00%", "50.00%"),
        BarShare("dead", 50, "50.00%", "25.00%"),
    )
    assert list_bar_shares(1, delivered=3, dead=1) == (
        BarShare("delivered", 3, "0.00%", "75.00%"),
        BarShare("dead", 1, "75.00%", "25.00%"),
    )
    assert list_bar_shares(0, delivered=0) == ()
