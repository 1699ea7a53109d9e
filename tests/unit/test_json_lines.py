"""The JSON of many values: each by itself, and little of it twice."""

import msgspec
import pytest

from referrals.json_lines import encode_each
from tests.harness.memory import measure_peak

ENCODER = msgspec.json.Encoder()
LONG = "x" * 8_000


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 1_000])
def test_each_value_has_its_json_in_order(count):
    lines = encode_each(ENCODER, [{"n": n} for n in range(count)])

    assert lines == [b'{"n":%d}' % n for n in range(count)]


def test_of_much_json_little_is_there_twice():
    values = [LONG] * 1_000

    lines, peak = measure_peak(lambda: encode_each(ENCODER, values))

    assert peak < 1.4 * sum(map(len, lines))
