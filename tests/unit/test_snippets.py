"""Every block of the quickstarts and how-tos is executed, or says why it is not."""

from collections import Counter

import pytest

from tests.documented import page
from tests.snippets import PAGES, Snippet, is_printed, list_snippets

#: What a test cannot do, or does elsewhere.
NOT_EXECUTED = Counter(
    {
        "runs until Ctrl-C; a test of its own does it": 2,
        "your key stands in what was printed": 1,
        "asks for a password": 1,
        "the address and the key are yours": 1,
        "installs a package": 1,
    }
)


def test_what_is_not_executed_is_known_and_says_why():
    snippets = [each for name in PAGES for each in list_snippets(page(name))]

    assert Counter(each.why for each in snippets if each.why) == NOT_EXECUTED
    assert len([each for each in snippets if not each.why]) == 29


def test_what_is_printed_belongs_to_what_was_typed():
    text = (
        "Type\n\n```sh\nls\n```\n\nand see\n\n```text\na\n```\n\n"
        "1. Then\n\n   ```python\n   if a:\n       b\n   ```\n\n"
        "<!-- not executed: never ends -->\n```sh\nrun\n```\n"
    )

    assert list_snippets(text) == [
        Snippet("sh", "ls\n", "", "a\n"),
        Snippet("python", "if a:\n    b\n", ""),
        Snippet("sh", "run\n", "never ends"),
    ]


@pytest.mark.parametrize(
    "text",
    ["```\nls\n```\n", "```text\na\n```\n", "```sh\nls\n```\n```yaml\na\n```\n"],
    ids=["no-language", "printed-by-nothing", "another"],
)
def test_a_block_that_is_neither_is_a_mistake(text):
    with pytest.raises(ValueError, match="neither typed nor printed"):
        list_snippets(text)


def test_dots_stand_for_anything_and_the_rest_is_exact():
    assert is_printed('{"key": "rk_…", "list": [1]}', '{"list": [1], "key": "rk_abc"}')
    assert not is_printed('{"key": "rk_…"}', '{"key": "rk_abc", "more": 1}')
    assert not is_printed('{"list": [1, 2]}', '{"list": [1]}')
    assert is_printed("3 accepted.\n", "3 accepted.")
    assert is_printed("from … to …", "from 1 to 2")
    assert not is_printed("3 accepted.", "3 accepted. 1 rejected.")
