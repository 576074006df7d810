"""hubel compare, advise, draw, notation and worked: what they print, how they refuse, and the tables that every verb prints."""

import json
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubel.advice import advise
from hubel.anatomy import anatomy
from hubel.cli import main, tables
from hubel.cli.tables import amount, as_table, cell
from hubel.drawing import drawn
from hubel.memory import OPTIMISERS, forecast
from hubel.nets import NETS
from hubel.notation import arrows, parse
from hubel.reading import read
from hubel.worked import COMPARISONS

TOWER = "Conv(6, 5) >> ReLU() >> MaxPool(2) >> FC(10)"
LECTURE = "INPUT 3x32x32 -> [CONV3-8 -> RELU]*2 -> POOL2 -> FC10"


def printed(capsys, *words):
    """What a command that succeeds prints."""
    assert main(words) == 0
    caught = capsys.readouterr()
    assert caught.err == ""
    return caught.out


def table_in(out):
    """The cells of the first table in an output, a header and rows, taken apart where three blanks are."""
    lines = out.splitlines()
    rule = next(number for number, line in enumerate(lines) if set(line) == {"─"})
    rows = [lines[rule - 1], *lines[rule + 1 :]]
    return [[part.strip() for part in row.split("   ") if part.strip()] for row in rows]


# --- compare -----------------------------------------------------------------------------------------------------------


def test_compare_says_what_each_network_costs_and_how_many_times_the_first(capsys):
    header, alexnet, vgg16, *notes = table_in(printed(capsys, "compare", "alexnet", "vgg16"))
    assert header == "network|input|weight layers|parameters|ratio|MACs|ratio|FLOPs|field|in use|training".split("|")
    assert alexnet[:8] == ["alexnet", "3x227x227", "8", "60,965,224", "x 1.00", "724,406,816", "x 1.00", "1,448,813,632"]
    assert vgg16[:8] == ["vgg16", "3x224x224", "16", "138,357,544", "x 2.27", "15,470,264,320", "x 21.36", "30,940,528,640"]
    assert "1 picture." in notes[0][0]
    assert notes[1][0].endswith("training with momentum.")


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("batch", [1, 32])
def test_compare_as_json_is_the_anatomy_and_the_forecast(capsys, batch, optimiser):
    texts = ["googlenet", "lenet_relu", LECTURE]
    rows = json.loads(printed(capsys, "compare", *texts, "--batch", str(batch), "--optimiser", optimiser, "--json"))
    assert [row["network"] for row in rows] == texts
    for text, row in zip(texts, rows):
        net, shape = (NETS[text].net(), NETS[text].input) if text in NETS else parse(text)
        sized = anatomy(net, shape, batch)
        assert (row["input"], row["batch"], row["optimiser"]) == (list(shape), batch, optimiser)
        assert all(row[quantity] == getattr(sized, quantity) for quantity in ("weight_layers", "parameters", "macs", "flops"))
        assert row["field"] == [axis.size for axis in sized.field]
        assert row["peak_bytes"] == {
            "use": forecast(net, shape, batch).peak,
            "training": forecast(net, shape, batch, training=True, optimiser=optimiser).peak,
        }


def test_compare_takes_networks_of_other_sizes_for_one_input_and_its_flags(capsys):
    words = ["compare", "lenet_relu", TOWER, "MaxPool(2)", "--input", "1x28x28"]
    out = printed(capsys, *words, "--batch", "1000")
    rows = {row[0]: row[1:] for row in table_in(out)}
    assert rows["MaxPool(2)"][1:6] == ["0", "0", "x 0.00", "0", "x 0.00"]
    assert rows[TOWER][2] == f"{anatomy(read(TOWER), (1, 28, 28)).parameters:,}"
    assert "1,000 pictures" in out


def test_compare_keeps_digits_of_small_ratios_and_has_none_of_nothing(capsys):
    _, _, lenet, *_ = table_in(printed(capsys, "compare", "vgg16", "lenet5"))
    assert lenet[4] == "x 0.00043"  # 60,000 of 138,357,544
    _, pool, tower, *_ = table_in(printed(capsys, "compare", "MaxPool(2)", TOWER, "--input", "1x28x28"))
    assert pool[4] == tower[4] == "-"


def test_compare_cuts_what_is_too_long_for_a_table_but_not_in_json(capsys):
    long = " >> ".join(["Conv(6, 5, pad=2)"] * 9)
    assert table_in(printed(capsys, "compare", long, "--input", "1x8x8"))[1][0] == f"{long[:41]}..."
    assert json.loads(printed(capsys, "compare", long, "--input", "1x8x8", "--json"))[0]["network"] == long


# --- advise ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vgg16", "resnet50", "googlenet", "mnist_convnet"])
def test_advise_prints_every_finding_its_remedy_and_what_it_saves(capsys, name):
    out = printed(capsys, "advise", name)
    told = " ".join(out.split())
    found = advise(NETS[name].net(), NETS[name].input)
    assert found
    for number, entry in enumerate(found, 1):
        assert f"{number}. {entry.rule}, at {entry.path} {' '.join(entry.finding.split())} {' '.join(entry.remedy.split())}" in told
        for quantity, now, then in entry.saves:
            assert f"{quantity.replace('macs', 'MACs')}: {now:,} -> {then:,} (" in told
    assert max(map(len, out.splitlines())) <= 120


def test_advise_says_what_averaging_saves_in_vgg16(capsys):
    assert "parameters: 138,357,544 -> 15,227,688 (-89.0%)" in printed(capsys, "advise", "vgg16")


def test_advise_as_json_is_the_advice(capsys):
    found = advise(NETS["resnet50"].net(), NETS["resnet50"].input)
    rows = json.loads(printed(capsys, "advise", "resnet50", "--json"))
    assert [(row["rule"], row["path"], row["finding"], row["remedy"]) for row in rows] == [
        (entry.rule, entry.path, entry.finding, entry.remedy) for entry in found
    ]
    for row, entry in zip(rows, found):
        assert [tuple(saving) for saving in row["saves"]] == list(entry.saves)
        assert tuple(row["others"]) == entry.others
        assert (read(row["instead"]) if row["instead"] else None) == entry.instead


def test_advise_says_so_where_there_is_nothing_to_say(capsys):
    assert "Nothing to say" in printed(capsys, "advise", "FC(3)", "--input", "5")
    assert json.loads(printed(capsys, "advise", "FC(3)", "--input", "5", "--json")) == []


def test_advise_speaks_of_a_network_that_does_not_fit_and_of_one_in_the_notation(capsys):
    assert "window does not fit, at 0" in printed(capsys, "advise", "Conv(96, 11, stride=4) >> FC(10)", "--input", "3x224x224")
    assert "1. " in printed(capsys, "advise", "INPUT 1x28x28 -> CONV5-8 -> CONV5-8 -> FC10")


# --- draw --------------------------------------------------------------------------------------------------------------


def test_draw_writes_the_figure_under_the_networks_name_and_says_where(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert printed(capsys, "draw", "lenet5") == "lenet5.svg\n"
    row = NETS["lenet5"]
    assert (tmp_path / "lenet5.svg").read_text(encoding="utf-8") == drawn(row.net(), row.input, "lenet5", None)
    assert printed(capsys, "draw", TOWER, "--input", "1x28x28") == "net.svg\n"
    assert (tmp_path / "net.svg").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["resnet18"],
        ["resnet18", "--depth", "0"],
        ["resnet18", "--depth", "2"],
        ["lenet_relu", "--classes", "3"],
        [LECTURE],
        ["FC(3)", "--input", "4"],
    ],
    ids=str,
)
def test_draw_writes_svg_wherever_it_is_told_to(capsys, tmp_path, words):
    path = tmp_path / "a figure.SVG"
    assert printed(capsys, "draw", *words, "-o", str(path)) == f"{path}\n"
    assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_draw_unfolds_as_deep_as_it_is_told(capsys, tmp_path):
    sizes = []
    for depth in ("0", "1", "2"):
        path = tmp_path / f"{depth}.svg"
        printed(capsys, "draw", "resnet18", "--depth", depth, "--out", str(path))
        sizes.append(path.stat().st_size)
    assert sizes[0] < sizes[1] < sizes[2]


# --- notation ----------------------------------------------------------------------------------------------------------


def test_notation_writes_a_network_in_both_styles_and_as_an_expression(capsys):
    assert printed(capsys, "notation", "conv3-64 maxpool FC-10").splitlines() == [
        "arrows:",
        "INPUT -> CONV3-64 -> RELU -> POOL2 -> FC10",
        "columns:",
        "conv3-64 maxpool FC-10 soft-max",
        "expression:",
        "Conv(64, 3, pad=1) >> ReLU() >> MaxPool(2) >> FC(10)",
    ]


@pytest.mark.parametrize("text", ["vgg16", "alexnet", "lenet_relu", LECTURE, TOWER])
def test_what_notation_prints_is_the_network_again(capsys, text):
    lines = printed(capsys, "notation", text).splitlines()
    net, shape = (NETS[text].net(), NETS[text].input) if text in NETS else parse(text) if text == LECTURE else (read(text), None)
    assert read(lines[lines.index("expression:") + 1]) == net
    again = parse(lines[1])
    assert again.input == shape
    assert arrows(again.net, shape) == lines[1]
    assert anatomy(again.net, shape or (1, 28, 28)).parameters == anatomy(net, shape or (1, 28, 28)).parameters


def test_notation_says_which_style_leaves_dropout_out_and_what_neither_can_say(capsys):
    lines = printed(capsys, "notation", "vgg16").splitlines()
    assert "columns (which leave dropout out):" in lines
    assert lines[lines.index("columns (which leave dropout out):") + 1].endswith("maxpool FC-4096 FC-4096 FC-1000 soft-max")
    assert "dropout" not in printed(capsys, "notation", "FC(3)")
    refused = [line for line in printed(capsys, "notation", "resnet18").splitlines() if line.startswith("cannot say it: ")]
    assert len(refused) == 2


def test_notation_of_a_named_network_has_the_classes_that_are_asked_for(capsys):
    assert "FC7" in printed(capsys, "notation", "alexnet", "--classes", "7").splitlines()[1]


# --- worked ------------------------------------------------------------------------------------------------------------


def test_worked_prints_the_notes_comparisons(capsys):
    out = printed(capsys, "worked")
    for number in ("105,705,600", "34,944", "96x363", "363x3025", "120,422,400", "12,443,648", "2,408,448 + 10,035,200", "120,000"):
        assert number in out
    assert "49 C^2 weights against 27 C^2" in out
    titles = [compare().title for compare in COMPARISONS]
    assert [line for line in out.splitlines() if line in titles] == titles


def test_worked_as_json_is_the_comparisons(capsys):
    rows = json.loads(printed(capsys, "worked", "--json"))
    for row, comparison in zip(rows, (compare() for compare in COMPARISONS), strict=True):
        assert (row["title"], row["lesson"]) == (comparison.title, comparison.lesson)
        for way, ours in zip(row["ways"], comparison.ways, strict=True):
            assert way == {"what": ours.what, "weights": ours.weights, "macs": ours.macs, "field": ours.field, **dict(ours.columns)}


# --- mistakes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["compare", "lenet5", "lenet_5"], "There is no network 'lenet_5'. Did you mean 'lenet5'?"),
        (["compare", "lenet5", TOWER], f"{TOWER!r} holds no input shape: say it with --input"),
        (["compare", "lenet5", TOWER, "--input", "1x28x28"], "lenet5: C5.0: a window of 5 is larger than the input of 4"),
        (["compare", TOWER, "MaxPool(2)", "--input", "1x27x27"], f"{TOWER}: 2: the window does not fit the input of 23"),
        (["compare", "lenet5", "--batch", "0"], "the batch is 0"),
        (["compare", "lenet_relu", "FC(3)", "--input", "1x28x28", "--classes", "3"], "--classes is for named networks"),
        (["advise", "lenet_5"], "There is no network 'lenet_5'. Did you mean 'lenet5'?"),
        (["advise", "FC(3)"], "'FC(3)' holds no input shape"),
        (["advise", "Conv(3, 9)", "--input", "1x4x4"], "0: a window of 9 is larger than the input of 4"),
        (["advise", "FC(3)", "--input", "4", "--classes", "3"], "--classes is for named networks"),
        (["draw", "lenet_5"], "There is no network 'lenet_5'. Did you mean 'lenet5'?"),
        (["draw", "FC(3)"], "'FC(3)' holds no input shape"),
        (["draw", "lenet5", "--input", "1x8"], "--input is '1x8'; it must be CxHxW"),
        (["draw", "lenet5", "--classes", "7"], "lenet5 has RBF units for the ten digits"),
        (["draw", "lenet5", "--depth", "-1"], "The depth is -1"),
        (["draw", "lenet5", "--out", "lenet5.png"], "--out is 'lenet5.png'; figures are SVG, so name it something.svg"),
        (["draw", "lenet5", "--out", ""], "--out is ''; figures are SVG"),
        (["draw", "lenet5", "--out", "."], "--out is '.'; figures are SVG"),
        (["draw", "lenet5", "--out", "nowhere/lenet5.svg"], "nowhere/lenet5.svg cannot be written: No such file or directory"),
        (["draw", "lenet5", "--out", "folder.svg"], "folder.svg cannot be written: Is a directory"),
        (["notation", "lenet_5"], "There is no network 'lenet_5'. Did you mean 'lenet5'?"),
        (["notation", "FC(3)", "--classes", "4"], "--classes is for named networks"),
        (["notation", "Conv(3"], "This is not an expression"),
        (["notation", ""], "A network was expected"),
    ],
    ids=str,
)
def test_mistakes_are_answered_with_a_sentence_and_status_2(capsys, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.svg").mkdir()
    assert main(words) == 2
    caught = capsys.readouterr()
    assert caught.out == ""
    assert caught.err.startswith(f"hubel: {said}")
    assert "Traceback" not in caught.err
    assert list(tmp_path.iterdir()) == [tmp_path / "folder.svg"]


@pytest.mark.parametrize("verb", ["notation", "draw", "advise", "compare"])
def test_mistakes_in_the_notation_are_shown_where_they_stand(capsys, verb):
    text = "INPUT 3x32x32 -> [CONV3-8 -> RELU)*2"
    assert main([verb, text]) == 2
    sentence, line, caret = capsys.readouterr().err.splitlines()
    assert sentence.startswith("hubel: ')' cannot stand here")
    assert line.strip() == text
    assert line[caret.index("^")] == ")"


@pytest.mark.parametrize(
    "words",
    [
        ["compare"],
        ["compare", "lenet5", "--optimiser", "adam"],
        ["compare", "lenet5", "--fit", "ceil"],
        ["advise"],
        ["advise", "lenet5", "lenet_relu"],
        ["draw"],
        ["draw", "lenet5", "--depth", "deep"],
        ["draw", "lenet5", "--out"],
        ["notation"],
        ["worked", "lenet5"],
    ],
    ids=str,
)
def test_words_that_are_no_command_are_answered_with_the_usage_and_status_2(capsys, words):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: hubel")


@pytest.mark.parametrize(
    "words",
    [
        ["compare", "alexnet", "vgg16", "--batch", "32"],
        ["advise", "vgg16"],
        ["draw", "resnet18"],
        ["notation", "vgg16"],
        ["worked"],
        ["show", LECTURE],
    ],
    ids=str,
)
def test_designing_loads_neither_torch_nor_numpy(tmp_path, words):
    told = f"import sys, hubel.cli\nstatus = hubel.cli.main({words!r})"
    loaded = "print(status, *{name.split('.')[0] for name in sys.modules} & {'torch', 'numpy', 'PIL', 'sklearn', 'safetensors', 'rich'}, file=sys.stderr)"
    ended = subprocess.run([sys.executable, "-c", f"{told}\n{loaded}"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert ended.stderr.split() == ["0"]
    assert ended.stdout


# --- tables ------------------------------------------------------------------------------------------------------------


def lines(capsys, rows, columns=None):
    as_table(rows, columns or list(rows[0]))
    return capsys.readouterr().out.splitlines()


def on_a_terminal(monkeypatch, width):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))


def places(text):
    """How many places a text of ASCII, Han characters and boxes takes."""
    return sum(2 if "\u4e00" <= character <= "\u9fff" else 1 for character in text)


def test_text_stands_to_the_left_and_numbers_to_the_right(capsys):
    rows = [
        {"name": "a", "count": 5, "share": "1.5%", "size": "9.9 kB"},
        {"name": "longer", "count": 12345, "share": "100.0%", "size": "12.5 MB"},
    ]
    assert lines(capsys, rows) == [
        "name      count    share      size",
        "──────────────────────────────────",
        "a             5     1.5%    9.9 kB",
        "longer   12,345   100.0%   12.5 MB",
    ]


def test_one_text_among_numbers_puts_its_column_to_the_left(capsys):
    assert lines(capsys, [{"jump": 4}, {"jump": "not aligned"}])[2:] == ["4", "not aligned"]


@pytest.mark.parametrize("nothing", [None, "", "-"])
def test_cells_that_are_empty_leave_a_column_of_numbers_to_the_right(capsys, nothing):
    shown = "" if nothing is None else nothing
    assert lines(capsys, [{"count": 12345}, {"count": nothing}])[2:] == ["12,345", shown.rjust(6).rstrip()]


def test_a_column_that_a_row_lacks_is_empty(capsys):
    assert lines(capsys, [{"a": "x", "b": "y"}, {"a": "z"}], ["a", "b"])[2:] == ["x   y", "z"]


def test_a_table_without_rows_is_its_header(capsys):
    assert lines(capsys, [], ["name", "count"]) == ["name   count", "────────────"]


def between(line, start, stop):
    """What stands on a line from one place to before another."""
    return "".join(character for number, character in enumerate(line) if start <= places(line[:number]) < stop).strip()


texts = st.text(st.sampled_from("ab ,(-é漢字"), max_size=30).map(lambda text: " ".join(text.split()))


@given(st.lists(st.tuples(texts, st.integers(0, 10**9), texts), min_size=1, max_size=4), st.integers(20, 120))
def test_whatever_is_in_a_table_stands_under_its_header_folded_or_not(rows, width):
    told = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tables, "print", told.append, raising=False)
        on_a_terminal(patched, width)
        as_table([{"first": first, "count": count, "last": last} for first, count, last in rows], ["first", "count", "last"])
    header, rule, *body = told[0].splitlines()
    assert all(line == line.rstrip() and places(line) <= len(rule) for line in (header, *body))
    end, last = header.index("count") + len("count"), header.index("last")
    start = last - 3 - max(5, *(len(f"{count:,}") for _, count, _ in rows))
    assert end == last - 3
    found = []
    for line in body:
        if between(line, start, end):
            found.append(["", between(line, start, end), ""])
        found[-1][0] += between(line, 0, start)
        found[-1][2] += between(line, last, len(rule))
    assert [[cell.replace(" ", "") for cell in row] for row in found] == [
        [first.replace(" ", ""), f"{count:,}", last.replace(" ", "")] for first, count, last in rows
    ]


def test_on_a_narrow_terminal_text_is_folded_between_words(capsys, monkeypatch):
    on_a_terminal(monkeypatch, 40)
    assert lines(capsys, [{"name": "resnet50", "what": "ResNet-50, shortcuts projected where maps increase", "count": 7}]) == [
        "name       what                    count",
        "────────────────────────────────────────",
        "resnet50   ResNet-50, shortcuts        7",
        "           projected where maps",
        "           increase",
    ]


def test_what_is_printed_into_a_file_is_never_folded(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    assert len(lines(capsys, [{"what": "a word " * 20}])) == 3


def test_a_terminal_that_is_too_narrow_for_numbers_gets_them_whole(capsys, monkeypatch):
    on_a_terminal(monkeypatch, 10)
    assert lines(capsys, [{"one": 123_456_789, "two": 987_654_321}])[2] == "123,456,789   987,654,321"


def test_a_word_that_is_longer_than_its_column_is_parted(capsys, monkeypatch):
    on_a_terminal(monkeypatch, 20)
    told = lines(capsys, [{"what": "x" * 50}])[2:]
    assert told == ["x" * 20, "x" * 20, "x" * 10]


def test_wide_characters_take_two_places_folded_or_not(capsys, monkeypatch):
    rows = [{"class": "漢字", "count": 1}, {"class": "ab", "count": 2}]
    assert lines(capsys, rows)[2:] == ["漢字        1", "ab          2"]
    on_a_terminal(monkeypatch, 23)
    told = lines(capsys, [{"class": "漢" * 20, "count": 1}])
    assert max(map(places, told)) <= 23
    assert [line.rstrip(" 1") for line in told[2:]] == ["漢" * 7, "漢" * 7, "漢" * 6]


def test_marks_that_stand_on_a_character_take_no_place(capsys):
    assert lines(capsys, [{"name": "e\u0301t", "count": 1}, {"name": "ab", "count": 2}])[2:] == ["e\u0301t         1", "ab         2"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (-1234567, "-1,234,567"),
        (0.123456, "0.1235"),
        (12345.6, "1.235e+04"),
        ("a\nb\tc\x1b[1m", "a b c [1m"),
    ],
)
def test_a_cell_is_shown_on_one_line_without_control_characters(value, shown):
    assert cell(value) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (60_000, "60.0 kB"),
        (1_000_000, "1.0 MB"),
        (744_261_780, "744.3 MB"),
        (10**9, "1.00 GB"),
        (1_722_996_872, "1.72 GB"),
        (5 * 10**12, "5,000.00 GB"),
    ],
)
def test_bytes_are_told_as_people_read_them(count, shown):
    assert amount(count) == shown


def test_headings_are_bold_on_a_terminal_alone(capsys, monkeypatch):
    tables.heading("here")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    tables.heading("there")
    assert capsys.readouterr().out == "here\n\033[1mthere\033[0m\n"
