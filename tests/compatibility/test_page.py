"""The committed page says what the tests say."""

from tests.compatibility.page import GROUPS, PAGE, features, page


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tests.compatibility.page`"


def test_every_line_has_a_place_and_says_it_once():
    lines = list(features())
    assert {line.group for line in lines} == set(GROUPS)
    assert len({(line.group, line.name) for line in lines}) == len(lines)
    assert all(line.note for line in lines if line.status != "works")
