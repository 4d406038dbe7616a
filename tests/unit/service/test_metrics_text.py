"""The text of `metrics`, judged by Prometheus' own parser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.parser import text_string_to_metric_families as parse

from phsearch.domain.histogram import Histogram
from phsearch.service.rpc.methods.metrics import counter, gauge, gauges, render

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = st.lists(st.text(st.characters(exclude_categories=()), max_size=20), unique=True, max_size=8)


def values(text: str) -> Mapping[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def test_a_counter_and_a_gauge_are_read_back() -> None:
    families = [counter("a_total", "How often.", 3), gauge("b_bytes", "How much.", 0.5)]
    assert values(render(families)) == {("a_total", frozenset()): 3, ("b_bytes", frozenset()): 0.5}
    (first, second) = parse(render(families))
    assert (first.type, first.documentation, second.type) == ("counter", "How often.", "gauge")


def test_what_is_not_known_is_left_out_whole() -> None:
    assert render([gauge("a", "A.", None), gauges("b", "B.", "x", {"y": None})]) == ""


def test_help_may_hold_anything() -> None:
    (family,) = parse(render([gauge("a", 'one\\two\n"three"', 1)]))
    assert family.documentation == 'one\\two\n"three"'


def test_a_histogram_counts_what_is_below_each_bound() -> None:
    histogram = Histogram([0.1, 1])
    for seconds in (0.05, 0.1, 0.5, 2, 3):
        histogram.observe(seconds)
    text = render(
        [HistogramMetricFamily("t_seconds", "Times.", buckets=histogram.buckets(), sum_value=histogram.total)]
    )
    (family,) = parse(text)
    assert family.type == "histogram"
    found = {sample.labels.get("le", sample.name): sample.value for sample in family.samples}
    assert found == {"0.1": 2, "1": 3, "+Inf": 5, "t_seconds_sum": 5.65, "t_seconds_count": 5}


# Quotes, newlines, half characters, control characters: whatever a folder can be called.
@given(NAMES)
def test_names_of_any_kind_are_labels_that_stay_apart(names: list[str]) -> None:
    # The wire refuses half characters that are no bytes of a name.
    names = [
        name for name in names if not any("\ud800" <= char <= "\udc7f" or "\udd00" <= char <= "\udfff" for char in name)
    ]
    text = render([gauges("a", "A.", "root", dict.fromkeys(names, 1))])
    text.encode("utf-8")
    assert len(values(text)) == len(names)


def test_a_name_comes_back_as_it_is_but_for_its_backslashes_and_odd_bytes() -> None:
    text = render([gauges("a", "A.", "root", {'a "b"\n\\ \udcff \x1b é': 1})])
    ((_, labels),) = values(text)
    assert dict(labels) == {"root": 'a "b"\n\\\\ \\xff \x1b é'}
