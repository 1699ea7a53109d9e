"""What a strict decoder refuses is replaced by as much, and nothing else is."""

import json

import msgspec
import pytest
from hypothesis import given, strategies as st

from referrals.api.lenient_text import LenientText, replace_constants, replace_halves
from tests.harness.memory import measure_peak

#: JSON, and the same with a blank in place of each half; None where it has none.
HALVES = {
    rb'"\ud83d"': rb'"\u0020"',
    rb'"\uDE00!"': rb'"\u0020!"',
    rb'"\ud83d\ude00"': None,
    rb'"\ud83d\ud83d\ude00"': rb'"\u0020\ud83d\ude00"',
    rb'"\ude00\ud83d"': rb'"\u0020\u0020"',
    rb'"\\ud83d"': None,
    rb'"\\\ud83d"': rb'"\\\u0020"',
    rb'"\\a\\b\n\ud83d\\"': rb'"\\a\\b\n\u0020\\"',
    rb'"\\\\ud83d\n\u00e9"': None,
    rb'"\\ud83d\ude00"': rb'"\\ud83d\u0020"',
    b'"\xf0\x9f\x98\x80"': None,
}


@pytest.mark.parametrize(("text", "harmless"), HALVES.items())
def test_a_half_of_a_pair_becomes_a_blank(text, harmless):
    assert replace_halves(text) == (harmless or text)
    msgspec.json.decode(replace_halves(text))


def test_constants_become_numbers_and_texts_stay():
    text = b'{"NaN":NaN,"a\\"NaN":-Infinity,"b":["NaN",Infinity,"\\\\",NaN]}'

    harmless = replace_constants(text)

    assert harmless == (
        b'{"NaN":111,"a\\"NaN":-11111111,"b":["NaN",11111111,"\\\\",111]}'
    )


def test_of_more_than_any_writer_makes_by_mistake_the_rest_stays():
    assert replace_constants(b"NaN" * 300_000).count(b"NaN") == 50_000
    assert replace_halves(rb"\ud83d" * 100_001).count(rb"\ud83d") == 1


def test_a_text_of_backslashes_takes_no_memory_for_each():
    text = b"\\" * 1_000_000

    _, peak = measure_peak(lambda: replace_halves(text))

    assert peak < 2 * len(text)


@given(
    st.recursive(
        st.floats() | st.text() | st.text(st.characters(categories=["Cs"])),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_whatever_python_writes_is_as_long_and_can_be_read(value):
    text = json.dumps(value).encode()

    harmless = replace_constants(replace_halves(text))

    assert len(harmless) == len(text)
    msgspec.json.decode(harmless)


def test_a_number_with_a_point_stays_text():
    value = LenientText(
        memoryview(b'{"a":0.10000000000000000001,"b":NaN,"c":3}')
    ).load()

    assert bytes(value["a"]) == b"0.10000000000000000001"
    assert (str(value["b"]), value["c"]) == ("nan", 3)
