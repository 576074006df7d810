"""The doctor's page: everything found stands on it, whatever files are called, and nothing from elsewhere is needed to read it."""

import base64
import html
import io
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from hubel.pictures.doctor.copies import Copies, Near
from hubel.pictures.doctor.inventory import Examined, Inventory
from hubel.pictures.doctor.page import page
from hubel.pictures.doctor.report import Report, found
from hubel.pictures.doctor.splitting import proposed
from hubel.pictures.sets import Split

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
EVIL = ["<script>alert(1)</script>.jpg", "\"><img src=x onerror=alert(2)>.png", "a&amp;b' onload='x.jpg", "new\nline\x1b[31m\x00.jpg", "caf\udce9.jpg", "x" * 300, "猫 🐈.png"]  # fmt: skip
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Read(HTMLParser):
    """A page as a browser reads it: its tags with attributes, its text, and whether all is closed in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.open, self.torn = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.torn.append(tag)

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.texts))


def blots(number, width=96, height=72):
    few = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(few).resize((width, height), Image.Resampling.BICUBIC)


def report_of(names, classes=("cat", "dog"), copies=None, side=96, count=None, unreadable=()):
    """A report of pictures with those names, half of them in train and half in test, every other of each class."""
    count = len(names)
    labels = np.arange(count) % len(classes)
    split_of = (np.arange(count) >= count // 2).astype(np.int64)
    pictures = tuple(
        Examined(reason="it is damaged: <b>cut</b>") if i in unreadable else Examined(stored=1000, height=side * 3 // 4, width=side, channels=3, form="JPEG", mode="RGB")
        for i in range(count)
    )  # fmt: skip
    splits = {}
    for place, name in enumerate(("train", "test")):
        members = np.flatnonzero(split_of == place)
        splits[name] = Split(
            [names[i] for i in members],
            labels[members],
            lambda i, members=members: blots(int(members[i]), side, side * 3 // 4),
        )
    notes = tuple(f"{name} was left out: it is hidden." for name in names[:3])
    inventory = Inventory(names[0], tuple(classes), notes, (), splits, pictures, tuple(names), labels, split_of)
    copies = copies or Copies((), (), ())
    return Report(inventory, copies, found(inventory, copies))


@pytest.fixture(scope="module")
def troubled():
    """A report with a conflict, a leak, what cannot be read, and names that are out to do harm."""
    names = [f"set/{name}" for name in EVIL] + [f"set/{i}.jpg" for i in range(33)]
    copies = Copies(((0, 1), (2, 30)), ((3, 5),), (Near(4, 38, 0.97, "mirrored"),))
    return report_of(names, (EVIL[0], "dog"), copies, unreadable=(6, 20))


def test_every_finding_stands_on_the_page_with_what_to_do_and_its_pictures(troubled):
    read = Read(page(troubled))
    assert {finding.kind for finding in troubled.findings} == {"label conflict", "leak", "unreadable", "repeat"}
    for finding in troubled.findings:
        assert re.sub(r"\ufffd|\s+", " ", finding.says) in read.text.replace("\ufffd", " ")
        for word in finding.advice.split():
            assert word in read.text
    shown = [attributes["alt"] for tag, attributes in read.tags if tag == "img"]
    for finding in troubled.findings:
        for i in (i for example in finding.examples for i in example.pictures if finding.kind != "unreadable"):
            assert i < len(EVIL) or troubled.inventory.names[i] in shown
    assert "nearly the same, mirrored (similarity 0.970)" in read.text
    assert "it is damaged: <b>cut</b>" in read.text  # as text, not as a tag
    assert read.text.count("was left out: it is hidden.") == 3


def test_names_are_text_whatever_they_contain(troubled):
    read = Read(page(troubled, proposed(troubled.inventory, troubled.copies)))
    assert read.torn == read.open == []
    assert {tag for tag, _ in read.tags} & {"script", "b", "iframe", "link", "object"} == set()
    assert all(not name.startswith("on") for _, attributes in read.tags for name in attributes)
    assert all(attributes["src"].startswith("data:image/") for tag, attributes in read.tags if tag == "img")
    for name in EVIL[:3]:
        assert name in read.text
    assert "\x1b" not in read.text and "\x00" not in read.text
    page(troubled).encode()  # a lone surrogate would not go into a file


def test_the_page_needs_nothing_from_elsewhere(troubled):
    text = page(troubled)
    bare = re.sub(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+", "", text)
    assert not re.search(r"https?:|//|@import|url\(|<script", bare.replace("</", ""))
    assert not any(name in attributes for _, attributes in Read(text).tags for name in ("href", "srcset", "action"))


def test_every_picture_on_the_page_is_one_and_small(troubled):
    sources = [attributes["src"] for tag, attributes in Read(page(troubled)).tags if tag == "img"]
    assert len(sources) > 20
    for source in sources:
        with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as picture:
            assert max(picture.size) <= 144


def test_a_large_set_makes_no_large_page():
    classes = [f"class {i}" for i in range(1000)]
    report = report_of([f"{i}.jpg" for i in range(4000)], classes, Copies(tuple((i, i + 2000) for i in range(2000)), (), ()), side=300)
    text = page(report, proposed(report.inventory, report.copies))
    assert len(text) < 6_000_000
    assert "and 960 other classes" in Read(text).text
    assert "and 1,988 more" in Read(text).text


def test_equal_reports_give_equal_pages(troubled):
    assert page(troubled) == page(troubled)


def test_a_sound_set_is_said_to_be_sound():
    report = report_of([f"{i}.jpg" for i in range(40)])
    read = Read(page(report))
    assert report.findings == ()
    assert "No trouble found: all 40 pictures can be read" in read.text


def test_bars_are_as_long_as_their_counts_and_dots_lie_where_the_sizes_are():
    report = report_of([f"{i}.jpg" for i in range(40)])
    text = page(report)
    charts = [ElementTree.fromstring(found) for found in re.findall(r"<svg.*?</svg>", text)]
    widths = [float(bar.get("width")) for chart in charts for bar in chart.iter("rect")]
    assert widths == [100.0] * 4  # two classes in two splits, ten each
    assert "All are 96 wide and 72 high." in text
    pictures = [Examined(height=100 * (1 + i % 3), width=100 * (1 + i % 3), form="PNG", mode="RGB", channels=3) for i in range(40)]
    inventory = replace(report.inventory, pictures=tuple(pictures))
    (chart,) = (
        ElementTree.fromstring(found)
        for found in re.findall(r"<svg.*?</svg>", page(Report(inventory, report.copies, ())))
        if "sizes" in found
    )
    dots = {(float(dot.get("cx")), float(dot.get("cy"))) for dot in chart.iter("circle")}
    assert len(dots) == 3
    assert sorted(x for x, _ in dots) == [x for x, _ in sorted(dots, key=lambda dot: -dot[1])]  # larger: to the right, and higher


def test_the_proposed_division_is_a_table_with_its_sums():
    report = report_of([f"{i}.jpg" for i in range(40)])
    read = Read(page(report, proposed(report.inventory, report.copies)))
    assert "cat 16 2 2 dog 16 2 2 all 32 4 4" in read.text


# --- in a browser ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium to show the page")
@pytest.mark.parametrize("width", [360, 1200])
def test_a_browser_runs_nothing_on_the_page_and_need_not_scroll_to_the_side(troubled, tmp_path, width):
    inside = html.escape(page(troubled, proposed(troubled.inventory, troubled.copies)))
    measure = """window.onload = () => {
        const inside = document.getElementById('frame').contentDocument;
        const images = [...inside.images].every(image => image.complete && image.naturalWidth > 0);
        document.title = [inside.documentElement.scrollWidth, images, inside.scripts.length, window.alarm === undefined].join(' ');
    }"""
    (tmp_path / "frame.html").write_text(
        f"<script>window.alert = () => {{ window.alarm = 1 }}; {measure}</script>"
        f"<iframe id=frame style='width:{width}px;height:900px;border:0' srcdoc=\"{inside}\"></iframe>"
    )
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=4000", "--dump-dom"]
    shown = subprocess.run([CHROMIUM, *flags, f"file://{tmp_path / 'frame.html'}"], capture_output=True, text=True, timeout=60, check=True)
    needed, *rest = re.search(r"<title>(.*?)</title>", shown.stdout)[1].split()
    assert int(needed) <= width
    assert rest == ["true", "0", "true"]
