"""The page of a result: nothing is fetched, nothing is unescaped, and charts lie where the numbers say."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.errors import InputError, StoreError
from core.evaluation import charts, report_parts
from core.evaluation.report import report_html, write_report
from core.evaluation.results import Curve, EvalResult, Picture
from core.images import png_bytes

NASTY = "<script>alert('x')</script> & \"quoted\""
PNG = png_bytes(np.zeros((8, 8, 3), np.uint8))


class Page(HTMLParser):
    """What a browser would make of the page: tags, addresses and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.addresses: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def result(title: str = "A run", **given: object) -> EvalResult:
    values: dict[str, object] = {
        "kind": "localization",
        "title": title,
        "config": {"train": NASTY, "params": {"width": 16}, "none": None},
        "metrics": {"pixel_auroc": 0.9, "pixel_ap": 0.51},
        "spread": {"pixel_auroc": 0.02, "pixel_ap": 0.04},
        "per_label": {NASTY: {"pixel_ap": 0.25}, "dent": {"pixel_ap": 0.75}},
        "best_on_test": {"pixel_auroc": 0.95, "pixel_ap": 0.61, "epoch": 6.0},
        "seeds": {"0": {"pixel_ap": 0.47}, "1": {"pixel_ap": 0.55}},
        "curves": {"roc": Curve((0.0, 0.5, 1.0), (0.0, 0.9, 1.0), NASTY, "found")},
        "notes": (NASTY,),
        "pictures": (Picture("00_worst", NASTY, PNG),),
    }
    return EvalResult(**(values | given))  # type: ignore[arg-type]


def test_ars_stands_beside_its_yardstick() -> None:
    numbers = {"ars": 0.5, "ars_sd": 0.11, "ars_real": 0.92, "ars_real_sd": 0.04}
    told = report_parts.metric_tiles(result(kind="generation", metrics=numbers))
    assert "± 0.110 between pairs; real anomalies have <b>0.920</b> <small>± 0.040</small>" in told
    alone = report_parts.metric_tiles(result(kind="generation", metrics={"ars": 0.5}))
    assert "there are no real anomalies of these labels" in alone
    assert "yardstick" not in report_parts.metric_tiles(result())


def test_the_page_needs_nothing_and_runs_nothing() -> None:
    for text in (report_html([result(NASTY)]), report_html([result(NASTY), result("Other")])):
        page = Page(text)
        assert not page.tags["script"] and not page.tags["link"] and not page.tags["iframe"]
        assert page.addresses and all(a.startswith("data:image/png;base64,") for a in page.addresses)
        assert "http" not in text and "@import" not in text and "url(" not in text
        assert page.text.count(NASTY) >= 5
        assert "prefers-color-scheme: dark" in text and ".ev-chart" in text


def test_all_numbers_stand_on_the_page() -> None:
    page = Page(report_html([result()]))
    for number in ("0.900 ± 0.020", "0.510 ± 0.040", "0.950", "0.610", "0.470", "0.250", "params.width"):
        assert number in page.text
    assert "best on test" in page.text and "(on average epoch 6)" in page.text
    assert page.text.count("0.950") == 1, "the flattering value stands in its own column only"


def test_side_by_side_marks_the_better_value_and_leaves_best_on_test_out() -> None:
    one = result("one", kind="generation", metrics={"kid": 0.2, "ic_lpips": 0.4, "ars": 1},
                 spread={}, best_on_test={"kid": 0.123})  # fmt: skip
    two = result("two", kind="generation", metrics={"kid": 0.1, "ic_lpips": 0.3, "ars": 2}, spread={})
    rows = re.findall(
        r"<tr><th>([\w-]+)<span>.*?</th>(.*?)</tr>", report_parts.compare_table([("one", one), ("two", two)])
    )
    marks = {name: ["data-best" in cell for cell in re.findall(r"<td.*?</td>", cells)] for name, cells in rows}
    assert marks == {"KID": [False, True], "IC-LPIPS": [True, False], "ARS": [False, False]}
    assert "0.123" not in report_parts.compare_table([("one", one), ("two", two)])


def test_runs_without_a_common_number_are_not_compared() -> None:
    one, two = result("one", metrics={"kid": 0.2}, spread={}), result("two", metrics={"accuracy": 0.9}, spread={})
    assert "no metric in common" in report_parts.compare_table([("one", one), ("two", two)])


def test_a_result_keeps_its_colour_in_every_chart() -> None:
    line = Curve((0.0, 1.0), (1.0, 0.0), "x", "y")
    one, two = result("one", curves={"pr": line}), result("two", curves={"pr": line, "roc": line})
    roc, pr = report_parts.result_curve_charts([("one", one), ("two", two)]).split("<figure")[1:]
    assert re.findall(r"class='line (s\d)'", roc) == ["s1"] and re.findall(r"class='line (s\d)'", pr) == ["s0", "s1"]
    bars = charts.bar_chart("AP", [("dent", [None, 0.5]), ("crack", [None, None])], ["one", "two"])
    assert "crack" not in bars and re.findall(r"class='bar (s\d)'", bars) == ["s1"]


def test_equal_titles_are_told_apart() -> None:
    text = Page(report_html([result("same"), result("same"), result("other")])).text
    assert "same (1)" in text and "same (2)" in text and "other (" not in text


def test_confusion_counts_become_a_table() -> None:
    told = {"dent": {"dent": 3, "scratch": 1}, "scratch": {"dent": 0, "scratch": 4}}
    shown = result(kind="classification", metrics={"accuracy": 0.875}, config={"confusion": told},
                   pictures=(Picture("confusion", "as a picture", PNG),))  # fmt: skip
    table = report_parts.confusion_table(shown)
    assert re.findall(r"--ev-share: (\d+)%'( data-right)?>(\d)", table) == [
        ("75", " data-right", "3"), ("25", "", "1"), ("0", "", "0"), ("100", " data-right", "4"),
    ]  # fmt: skip
    assert "<img" not in report_html([shown]) and "confusion" not in report_parts.config_table(shown.config)


def test_seeds_of_one_curve_share_a_chart() -> None:
    line = Curve((0.0, 1.0), (1.0, 0.0), "epochs", "loss")
    drawn = report_parts.curve_charts([("", {"loss": line, "loss, seed 1": line, "pixel_ap": line})])
    assert drawn.count("<figure") == 2 and drawn.count("class='line") == 3 and "seed 1" in drawn


def test_charts_are_whole_svg_and_points_lie_where_they_belong() -> None:
    drawn = charts.line_chart("ROC", [("a", Curve((0.0, 1.0), (0.0, 1.0), "x", "y"))], chance=True)
    svg = ElementTree.fromstring(re.search(r"<svg.*</svg>", drawn).group())  # type: ignore[union-attr]
    lines = {p.get("class"): p.get("d") for p in svg.iter("path")}
    assert lines["line s0"] == lines["chance"], "the diagonal is the curve y = x"
    assert lines["chance"] == "M46.0 202.0L368.0 8.0"
    bars = charts.bar_chart("AP", [("dent", [0.25]), ("crack", [1.0])])
    widths = [float(w) for w in re.findall(r"class='bar s0'.*?width='([\d.]+)'", bars)]
    assert widths == pytest.approx([0.25 * widths[1], widths[1]], abs=0.1)
    assert charts.line_chart("none", []) == "" and charts.bar_chart("none", []) == ""


@settings(deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
@example(-1.0677862717602864e-10, -1.0677862717602864e-10)
def test_ticks_are_few_even_and_around_the_values(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    ticks = charts._ticks(low, high)
    steps = np.diff(ticks)
    assert 2 <= len(ticks) <= 9
    assert np.allclose(steps, steps[0], rtol=1e-6)
    slack = 1e-6 * steps[0] + 1e-12  # what no eye sees: a millionth of the way between two ticks
    assert ticks[0] <= min(low, 0.0) + slack and ticks[-1] >= high - slack


def test_the_file_is_written_whole_or_the_person_is_told(tmp_path: Path) -> None:
    path = write_report(tmp_path / "new" / "page.html", [result()])
    assert path.read_text() == report_html([result()])
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="choose another place"):
        write_report(tmp_path / "file" / "page.html", [result()])
    with pytest.raises(InputError, match="no result"):
        report_html([])
