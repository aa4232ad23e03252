# SPDX-License-Identifier: Apache-2.0
"""`qstore metrics` and `qstore report`: what they print and write, also about runs that somebody else made."""

import csv
import io
import json
import math
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from qstore.cli import main
from qstore_storage.commands.charts import ticks
from qstore_storage.commands.series import curve_of, summarise
from qstore_storage.commands.words import sparkline
from qstore_storage.metrics import AsyncMetricsLogger, MetricsReader

EVIL = "</svg></td><script>alert(1)</script><img src=x onerror=alert(1)>&\"'"


@pytest.fixture
def run(tmp_path):
    """Two hundred steps on two backends, with text that would like to be markup."""
    folder = tmp_path / "digits <b>6 & 7"
    with AsyncMetricsLogger(folder, {"auc": float, "phase": str, "late": bool}) as logger:
        for i in range(200):
            logger.log(
                step=i, timestamp=1.7e9 + i, train_loss=math.exp(-i / 50), circuits=64, shots=6400, circuit_time_s=0.01,
                cost_usd=0.0 if i < 150 else 0.02, backend="statevector" if i < 150 else EVIL, auc=math.nan if i == 3 else i / 200,
                phase=EVIL, late=i > 100, val_loss=0.5 if i % 50 == 49 else None, gradient_snr=math.inf,
            )  # fmt: skip
    return folder


def said(capsys, *words):
    code = main([str(word) for word in words])
    found = capsys.readouterr()
    return code, found.out, found.err


def test_a_table_has_every_column_with_its_curve(run, capsys):
    code, out, _ = said(capsys, "metrics", run)
    assert code == 0
    assert "200 rows of 1 rank, 2023-11-14 22:13:20 to 2023-11-14 22:16:39 UTC (3.32 min)" in out
    assert "12,800 circuits, 1,280,000 shots, on backends 2 s, cost $1.00" in out
    assert re.search(r"^train_loss +200 +1 +0\.01869 +0\.01869 +1  █▇.*▁$", out, re.MULTILINE)
    assert re.search(r"^statevector +150 +9,600 +1\.5 s +0 s +\$0\.00$", out, re.MULTILINE)
    assert "late: 'False' 101, 'True' 99" in out
    assert "cache_hit_rate" not in out  # it has no values


def test_columns_may_be_chosen(run, capsys):
    code, out, _ = said(capsys, "metrics", run, "--columns", "auc, train_loss")
    assert code == 0
    assert "auc" in out
    assert "val_loss" not in out
    code, _, err = said(capsys, "metrics", run, "--columns", "aux")
    assert code == 1
    assert "Did you mean 'auc'" in err


def test_json_is_json_though_numbers_are_not_finite(run, capsys):
    code, out, _ = said(capsys, "metrics", run, "--json")
    record = json.loads(out)
    assert code == 0
    assert (record["rows"], record["ranks"]) == (200, [0])
    assert record["columns"]["gradient_snr"] == {
        "unit": "", "rows": 200, "finite": 0, "first": None, "last": None, "min": None, "max": None, "sum": None,
    }  # fmt: skip
    assert record["columns"]["val_loss"]["rows"] == 4
    assert record["backends"][1]["backend"] == EVIL
    assert record["backends"][1]["cost_usd"] == pytest.approx(1.0)


def test_csv_has_every_row(run, tmp_path, capsys):
    code, out, _ = said(capsys, "metrics", run, "--csv", tmp_path / "rows.csv")
    assert code == 0
    assert "The rows are in" in out
    rows = list(csv.DictReader(io.StringIO((tmp_path / "rows.csv").read_text("utf-8"))))
    assert len(rows) == 200
    assert rows[7]["phase"] == EVIL
    assert "cache_hit_rate" not in rows[0]
    code, _, err = said(capsys, "metrics", run, "--csv", tmp_path / "nowhere" / "rows.csv")
    assert (code, "--csv" in err) == (1, True)


def test_csv_goes_to_standard_output(run):
    done = subprocess.run([sys.executable, "-m", "qstore", "metrics", str(run), "--csv", "-", "--columns", "step,auc"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.splitlines()[:2] == ['"step","auc"', "0,0"]


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_a_plot_is_written(run, tmp_path, capsys, kind):
    pytest.importorskip("matplotlib")
    code, out, _ = said(capsys, "metrics", run, "--plot", tmp_path / f"plot.{kind}")
    assert code == 0
    assert "The curves are in" in out
    assert (tmp_path / f"plot.{kind}").stat().st_size > 5000


def test_a_plot_of_another_kind_is_refused(run, tmp_path, capsys):
    code, _, err = said(capsys, "metrics", run, "--plot", tmp_path / "plot.exe")
    assert (code, ".png, .svg, .pdf" in err) == (1, True)


def test_a_missing_extra_says_what_to_install(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, _, err = said(capsys, "metrics", run, "--plot", tmp_path / "plot.png")
    assert (code, "pip install 'qstore-storage[plots]'" in err) == (1, True)


def test_compact_is_offered(run, capsys):
    AsyncMetricsLogger(run).close()
    code, out, _ = said(capsys, "metrics", run, "--compact")
    assert (code, "1 parts are 1 now" in out) == (0, True)


def test_what_is_out_of_order_is_shown(run, tmp_path, capsys):
    (part,) = (run / "parts").iterdir()
    part.write_bytes(b"torn")
    code, out, _ = said(capsys, "metrics", run)
    assert code == 0
    assert "no rows yet" in out
    assert "it is no whole Parquet file" in out
    code, _, _ = said(capsys, "report", run, "-o", tmp_path / "page.html")
    assert code == 0
    assert "What is out of order" in (tmp_path / "page.html").read_text("utf-8")


@pytest.mark.parametrize("command", ["metrics", "report"])
def test_no_run_is_an_error_that_says_so(tmp_path, capsys, command):
    code, _, err = said(capsys, command, tmp_path / "nothing")
    assert (code, "There is no run in" in err) == (1, True)
    assert not list(tmp_path.iterdir())


def test_a_folder_of_runs_names_them(run, capsys):
    code, _, err = said(capsys, "metrics", run.parent)
    assert code == 1
    assert f"There is one in {run.name}." in err


class Page(HTMLParser):
    """Tags, attributes and text of a page; open tags match."""

    VOID = ("meta",)

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts, self._open = [], [], [], []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture
def page(run, tmp_path, capsys):
    code, out, _ = said(capsys, "report", run, "-o", tmp_path / "page.html")
    assert (code, "page.html" in out) == (0, True)
    return tmp_path / "page.html"


def test_a_report_is_one_file_that_loads_and_runs_nothing(page):
    text = page.read_text("utf-8")
    parsed = Page(text)
    assert not {"script", "img", "link", "iframe", "object", "embed", "base", "form"} & set(parsed.tags)
    names = {name for name, _ in parsed.attributes}
    assert not {
        name for name in names if name.startswith("on") or name in {"src", "href", "xlink:href", "action"}
    }
    assert "url(" not in text
    assert "http" not in text.replace("http-equiv", "")
    assert (
        "content",
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    ) in parsed.attributes
    assert text.count("<svg") > 8


def test_what_users_named_is_text_in_a_report(page):
    texts = "\n".join(Page(page.read_text("utf-8")).texts)
    assert EVIL in texts
    assert "digits <b>6 & 7" in texts


def test_a_report_has_curves_cost_and_backends(page):
    texts = "\n".join(Page(page.read_text("utf-8")).texts)
    for words in (
        "Loss",
        "Cost, in total",
        "$1.00",
        "Backends",
        "share of circuits",
        "75.0 %",
        "auc",
        "Curves",
        "200",
    ):
        assert words in texts


def test_a_title_and_the_default_name(run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said(capsys, "report", run, "--title", EVIL)[0] == 0
    (page,) = tmp_path.glob("*.html")
    assert page.name == f"{run.name}.html"
    assert EVIL in Page(page.read_text("utf-8")).texts
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    code, _, err = said(capsys, "report", run, "-o", tmp_path / "nowhere" / "page.html")
    assert (code, "cannot be written" in err) == (1, True)


@pytest.mark.parametrize("rows", [[], [{"step": 1}], [{"train_loss": math.nan}], [{"train_loss": 1e300}, {"train_loss": -1e300}],
                                  [{"step": 5, "train_loss": 0.5}], [{"timestamp": 1e300, "backend": "x"}],
                                  [{"step": 2**62, "train_loss": 1e-320}, {"step": 0, "train_loss": 0.0}],
                                  [{"train_loss": each} for each in (1e308, -1e308, math.inf, 0.0)],
                                  [{"train_loss": each} for each in (1.7976931348623157e308, 1.7e308)],
                                  [{"train_loss": each} for each in (5e-324, 1e-323, 0.0)]], ids=str)  # fmt: skip
@pytest.mark.filterwarnings("error")
def test_odd_runs_are_shown_too(tmp_path, capsys, rows):
    with AsyncMetricsLogger(tmp_path / "run", {}) as logger:
        for row in rows:
            logger.log(row)
    assert said(capsys, "metrics", tmp_path / "run")[0] == 0
    assert said(capsys, "report", tmp_path / "run", "-o", tmp_path / "page.html")[0] == 0
    page = (tmp_path / "page.html").read_text("utf-8")
    Page(page)
    assert not re.search(r'(?:[ "MLHV])(?:nan|inf)\b', "".join(re.findall(r"<path[^>]*>", page)))
    code, _, err = said(capsys, "metrics", tmp_path / "run", "--plot", tmp_path / "page.svg")
    assert (code, err) == (0, "") or "no numbers to draw" in err


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def shown(page, folder):
    """What a browser complains about when it shows a page, the size of the picture, and what it asked the network for."""
    folder.mkdir()
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", f"--user-data-dir={folder / 'profile'}",
         f"--log-net-log={folder / 'net.json'}", "--window-size=1280,2000", f"--screenshot={folder / 'page.png'}", page.as_uri()],
        capture_output=True, text=True, timeout=100, check=False, env=os.environ | {"HOME": str(folder)},
    )  # fmt: skip
    asked = re.findall(r'"url":"(https?://[^"]*)"', (folder / "net.json").read_text("utf-8", "replace"))
    # The browser itself looks for dictionaries and updates.
    asked = {url for url in asked if not re.search(r"//[^/]*(google|gvt1|googleapis)\.com", url)}
    return (
        [line for line in done.stderr.splitlines() if "CONSOLE" in line],
        (folder / "page.png").stat().st_size,
        asked,
    )


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_a_browser_shows_a_report_without_a_complaint_or_a_request(page, tmp_path):
    complaints, size, asked = shown(page, tmp_path / "ours")
    assert complaints == []
    assert asked == set()
    assert size > 20_000
    bad = tmp_path / "bad.html"
    bad.write_text("<script>console.error('no')</script><img src='http://127.0.0.1:9/pixel.png'>")
    complaints, _, asked = shown(bad, tmp_path / "theirs")
    assert complaints
    assert asked == {"http://127.0.0.1:9/pixel.png"}


def test_curves_keep_their_extremes():
    x = np.arange(100_000.0)
    values = np.sin(x / 1000)
    values[77_777] = 9.0
    values[5] = np.nan
    curve = curve_of(x, values)
    assert len(curve.x) == 240
    assert curve.high.max() == 9.0
    assert np.all(np.diff(curve.x) > 0)
    assert np.all((curve.low <= curve.mean) & (curve.mean <= curve.high))
    assert curve_of(x, np.full(100_000, np.nan)) is None


def test_rows_of_all_ranks_stand_at_their_steps(tmp_path):
    for rank in (0, 1):
        with AsyncMetricsLogger(tmp_path, rank=rank) as logger:
            for i in range(10):
                logger.log(step=i, train_loss=float(rank), cost_usd=0.5)
    summary = summarise(MetricsReader(tmp_path))
    assert summary.ranks == (0, 1)
    assert summary.total("cost_usd") == 10
    curve = summary.curve("train_loss")
    assert (len(curve.x), set(curve.mean), set(curve.low), set(curve.high)) == (10, {0.5}, {0.0}, {1.0})
    assert summary.curve("cost_usd", cumulative=True).high[-1] == 10


@pytest.mark.parametrize(("epochs", "says"), [(range(3), "in 3 epochs"), (range(1, 4), "in 3 epochs")])
def test_epochs_are_counted_from_zero_or_from_one(tmp_path, capsys, epochs, says):
    with AsyncMetricsLogger(tmp_path / "run") as logger:
        for epoch in epochs:
            logger.log(step=epoch, epoch=epoch, train_loss=0.5)
    assert said(capsys, "report", tmp_path / "run", "-o", tmp_path / "page.html")[0] == 0
    assert says in (tmp_path / "page.html").read_text("utf-8")


def test_a_series_of_one_value_is_a_point_in_the_picture(tmp_path, capsys, monkeypatch):
    from matplotlib.axes import Axes

    with AsyncMetricsLogger(tmp_path / "run") as logger:
        for step in range(3):
            logger.log(step=step, train_loss=1.0 / (step + 1), val_loss=0.6 if step == 2 else None)
    markers, drawn = {}, Axes.plot

    def watched(axes, *points, **style):
        markers[style.get("label")] = style.get("marker")
        return drawn(axes, *points, **style)

    monkeypatch.setattr(Axes, "plot", watched)
    assert said(capsys, "metrics", tmp_path / "run", "--plot", tmp_path / "run.png")[0] == 0
    assert markers["val_loss"] == "o"
    assert markers["train_loss"] is None


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (-3, 7.5), (1e-9, 2e-9), (1e12, 1.1e12), (5, 5), (0, 0), (-1e300, 1e300)]
)
def test_ticks_are_few_and_around_everything(low, high):
    found = ticks(low, high)
    assert found[0] <= low
    assert found[-1] >= high
    assert 3 <= len(found) <= 8


def test_small_curves_take_what_the_terminal_can_show(monkeypatch):
    assert len(sparkline(list(range(1000)))) == 24
    assert sparkline([math.nan]) == ""
    assert sparkline([2.0, 2.0]) != ""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert sparkline([0, 1, 2, 3]).isascii()


LIGHT = """
import contextlib, io, sys
from qstore.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main(sys.argv[1:])
print(sorted({"pyarrow", "zarr", "matplotlib", "pandas", "torch", "tensorflow"} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    "words", [("doctor",), ("metrics", "--help"), ("report", "--help"), ("backends",)], ids=" ".join
)
def test_nothing_heavy_is_imported_before_it_is_needed(words):
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, *words], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


def test_logging_does_not_import_pandas(tmp_path):
    program = (
        "import sys; from qstore_storage import AsyncMetricsLogger, MetricsReader\n"
        "with AsyncMetricsLogger(sys.argv[1]) as m: m.log(step=1, note='x')\n"
        "assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=60)
