"""Words of documents, as a report shows them."""

import pytest

from service.reports.phrases import readable


@pytest.mark.parametrize(
    ("passage", "shown"),
    [
        ("# Disk full\n\nEmpty\n  it.", "Empty it."),
        ("See [the board](https://g.example/d/1?a=b) first.", "See the board first."),
        ("![A graph](graph.png) of **all** disks", "A graph of all disks"),
        ("`rate(x[5m])` (per second) and [1], [2](", "`rate(x[5m])` (per second) and [1], [2]("),
        ("2 * 3 ** 4, [[nested](x)", "2 * 3 ** 4, [nested"),
    ],
)
def test_a_passage_is_read_without_the_markup_of_its_page(passage: str, shown: str) -> None:
    assert readable(passage) == shown
