"""hubel show, nets and paper: what they print, how they refuse, and that they load neither torch nor NumPy."""

import json
import re
import subprocess
import sys

import pytest

from hubel.anatomy import anatomy
from hubel.cli import main
from hubel.nets import NETS
from hubel.reading import read

TOWER = "Conv(6, 5) >> ReLU() >> MaxPool(2) >> FC(10)"


def printed(capsys, *words):
    """What a command that succeeds prints."""
    assert main(words) == 0
    caught = capsys.readouterr()
    assert caught.err == ""
    return caught.out


@pytest.mark.parametrize("name", NETS)
def test_show_prints_every_row_and_the_totals_of_a_named_network(capsys, name):
    out, sized = printed(capsys, "show", name), NETS[name].anatomy()
    lines = {line.split(" ")[0]: line for line in out.splitlines()}
    for row in sized.rows:
        line = lines[row.path]
        assert all(said in line for said in ("x".join(map(str, row.output)), f"{row.parameters:,}", f"{row.macs:,}"))
    assert f"{sized.parameters:,} parameters ({sized.weights:,} weights, {sized.biases:,} biases)" in out
    assert f"{sized.macs:,} multiply-adds" in out
    assert f"{sized.activation_bytes:,} bytes of activations" in out


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("lenet5", (1, 32, 32)),
        (TOWER, (3, 28, 28)),
        ("Chain(a=Conv(4, 1, stride=2) + Conv(4, 3), b=FC(2))", (1, 4, 4)),
        ("Chain(a=ReLU(), aux=Head(FC(3), 0.3), b=FC(2))", (7,)),
    ],
)
@pytest.mark.parametrize("flags", [[], ["--batch", "64"], ["--heads"]], ids=str)
def test_json_is_the_anatomy(capsys, text, shape, flags):
    said = json.loads(printed(capsys, "show", text, "--json", "--input", "x".join(map(str, shape)), *flags))
    net = NETS[text].net() if text in NETS else read(text)
    sized = anatomy(net, shape, batch=64 if "--batch" in flags else 1, heads="--heads" in flags)
    assert read(said["net"]) == net
    assert (said["input"], said["batch"]) == (list(shape), sized.batch)
    assert said["totals"] == {name: getattr(sized, name) for name in said["totals"]}
    assert {"parameters", "macs", "activation_bytes"} <= set(said["totals"])
    assert [row["stage"] for row in said["rows"]] == [row.path for row in sized.rows]
    for row, ours in zip(said["rows"], sized.rows):
        assert (row["layer"], tuple(row["output"])) == (ours.layer, ours.output)
        assert (row["parameters"], row["macs"], row["activation_bytes"]) == (ours.parameters, ours.macs, ours.activation_bytes)
        for quantity in ("size", "jump", "start"):
            assert row["field"][quantity] == [getattr(axis, quantity) for axis in ours.field]
        assert row["field"]["aligned"] == ours.aligned


def test_unaligned_fields_are_called_so_in_the_table(capsys):
    assert "not aligned" in printed(capsys, "show", "Conv(4, 1, stride=2) + Conv(4, 3)", "--input", "1x4x4")
    assert "not aligned" not in printed(capsys, "show", TOWER, "--input", "1x28x28")


def test_fit_floor_lets_a_window_round_down(capsys):
    words = ["show", "MaxPool(2) >> FC(3)", "--input", "1x5x5"]
    assert main(words) == 2
    assert "What fits" in capsys.readouterr().err
    assert "1x2x2" in printed(capsys, *words, "--fit", "floor")


def test_classes_change_the_last_layer_of_a_named_network(capsys):
    rows = json.loads(printed(capsys, "show", "lenet_relu", "--classes", "3", "--json"))["rows"]
    assert rows[-1]["output"] == [3]


def test_nets_lists_every_network_with_its_size(capsys):
    table, rows = printed(capsys, "nets"), json.loads(printed(capsys, "nets", "--json"))
    assert [row["name"] for row in rows] == list(NETS)
    for row in rows:
        sized = NETS[row["name"]].anatomy()
        assert (row["parameters"], row["macs"]) == (sized.parameters, sized.macs)
        line = next(line for line in table.splitlines() if line.startswith(f"{row['name']} "))
        assert f"{sized.parameters:,}" in line


def test_paper_prints_every_figure_beside_ours(capsys):
    rows = json.loads(printed(capsys, "paper", "--all", "--json"))
    assert {row["net"] for row in rows} == set(NETS)
    out = printed(capsys, "paper", "lenet5")
    assert out.strip().endswith("All figures that need no training agree.")
    for figure in NETS["lenet5"].says:
        line = rf"^{figure.quantity} +{figure.at or 'all'} +{figure.printed} +{figure.printed} +agree"
        assert re.search(line, out, re.MULTILINE)


def test_paper_fails_where_a_figure_differs(capsys, monkeypatch):
    row = NETS["lenet_relu"]
    monkeypatch.setitem(NETS, "lenet_relu", type(row)(**{**vars(row), "exact": (("macs", "", 1),)}))
    for flags in ([], ["--json"]):
        assert main(["paper", "lenet_relu", *flags]) == 1
        assert "differ" in capsys.readouterr().out or flags


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "lenet_5"], "There is no network 'lenet_5'. Did you mean 'lenet5'?"),
        (["paper", "lenet_5"], "There is no network 'lenet_5'. Did you mean 'lenet5'?"),
        (["paper"], "Say one network or --all"),
        (["paper", "lenet5", "--all"], "Say one network or --all"),
        (["show", TOWER], "An expression holds no input shape"),
        (["show", TOWER, "--input", "28x28"], "--input is '28x28'; it must be CxHxW"),
        (["show", TOWER, "--input", "1x28x-28"], "--input is '1x28x-28'"),
        (["show", TOWER, "--input", "0x28x28"], "the input is (0, 28, 28)"),
        (["show", TOWER, "--input", "1x27x28"], "2: the window does not fit the height of 23"),
        (["show", TOWER, "--input", "28"], "0: Conv(6, 5) reads maps"),
        (["show", "Conv(6, 5", "--input", "1x28x28"], "This is not an expression"),
        (["show", "Conf(6, 5)", "--input", "1x28x28"], "There is no layer or joint 'Conf'. Did you mean 'Conv'?"),
        (["show", "lenet5", "--batch", "0"], "the batch is 0"),
        (["show", "lenet5", "--classes", "7"], "lenet5 has RBF units for the ten digits"),
        (["show", "lenet_relu", "--classes", "0"], "FC: outputs is 0"),
        (["show", "FC(10)", "--input", "3", "--classes", "5"], "--classes"),
        (["show", "Head(FC(10), 0.3)", "--input", "10"], ""),
        (["show", "", "--input", "3"], "A network was expected"),
    ],
    ids=str,
)
def test_mistakes_are_answered_with_a_sentence_and_status_2(capsys, words, said):
    assert main(words) == 2
    caught = capsys.readouterr()
    assert caught.out == ""
    assert caught.err.startswith(f"hubel: {said}")
    assert "Traceback" not in caught.err


@pytest.mark.parametrize(
    "words", [["shew"], ["show"], ["show", "lenet5", "--batch", "many"], ["show", "lenet5", "--fit", "ceil"], ["nets", "x", "y"]]
)
def test_words_that_are_no_command_are_answered_with_the_usage_and_status_2(capsys, words):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: hubel")


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["show", "--help"], ["nets"], ["paper", "--all"], ["show", "lenet5", "--fit", "floor"]]
)
def test_sizing_loads_neither_torch_nor_numpy(words):
    told = f"import sys, hubel.cli\ntry: status = hubel.cli.main({words!r})\nexcept SystemExit as ended: status = ended.code or 0"
    loaded = "print(status, *{name.split('.')[0] for name in sys.modules} & {'torch', 'numpy', 'PIL', 'sklearn', 'safetensors'}, file=sys.stderr)"
    ended = subprocess.run([sys.executable, "-c", f"{told}\n{loaded}"], capture_output=True, text=True, check=True)
    assert ended.stderr.split() == ["0"]
    assert ended.stdout


def test_a_reader_that_leaves_early_is_no_error():
    words = [sys.executable, "-m", "hubel", "paper", "--all", "--json"]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    running.stdout.close()
    complaint = running.stderr.read()
    running.stderr.close()
    assert (running.wait(), complaint) == (141, b"")


def test_no_verb_at_all_is_answered_with_the_list_of_them(capsys):
    assert main([]) == 0
    assert "train" in capsys.readouterr().out
