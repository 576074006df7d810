"""hubel show, nets and paper: what they print, how they refuse, and that they load neither torch nor NumPy."""

import json
import os
import re
import subprocess
import sys

import pytest

from hubel.anatomy import anatomy
from hubel.cli import main
from hubel.memory import OPTIMISERS, forecast
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


def test_json_has_the_forecast_of_the_peak_in_use_and_in_training(capsys):
    row = NETS["googlenet"]
    for optimiser in OPTIMISERS:
        said = json.loads(printed(capsys, "show", "googlenet", "--batch", "4", "--optimiser", optimiser, "--json"))
        assert said["optimiser"] == optimiser
        for found, training in ((said["peak_bytes"]["use"], False), (said["peak_bytes"]["training"], True)):
            ours = forecast(row.net(), row.input, 4, training, optimiser)
            assert found == {"peak": ours.peak, **vars(ours)}


def test_show_says_the_peak_of_memory_and_its_parts(capsys):
    words = ["show", "FC(10)", "--input", "100", "--batch", "8"]
    *_, using, training = printed(capsys, *words).splitlines()
    assert using.startswith("7.6 kB at the peak of memory in use, forecast")  # 4 x (1,010 + 8 x 110)
    parts = "parameters and statistics 4.0 kB, optimiser 4.0 kB, gradients 4.0 kB, activations 3.8 kB"  # the last: 4 x (8 x (100 + 10 + 10) + 2)
    assert training == f"16.0 kB at the peak of memory in training with momentum, forecast: {parts}; on the way back, at 0"
    without = printed(capsys, *words, "--optimiser", "sgd").splitlines()[-1]
    assert without.startswith("11.9 kB at the peak of memory in training with sgd")
    assert "optimiser 0 B" in without
    twice = printed(capsys, *words, "--optimiser", "adamw").splitlines()[-1]
    assert twice.startswith("20.0 kB at the peak of memory in training with adamw")
    assert "optimiser 8.1 kB" in twice


def test_stages_have_a_row_each_with_its_share(capsys):
    out = printed(capsys, "show", "alexnet", "--stages")
    rows = [line.split() for line in out.splitlines()[3:11]]
    assert [row[0] for row in rows] == ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]
    assert ["fc6", "4096", "37,752,832", "61.9%", "37,748,736", "5.2%"] in [row[:6] for row in rows]
    assert sum(int(row[2].replace(",", "")) for row in rows) == 60_965_224
    for place in (3, 5, 7):
        assert sum(float(row[place].rstrip("%")) for row in rows) == pytest.approx(100, abs=0.3)
    stages = json.loads(printed(capsys, "show", "alexnet", "--json"))["stages"]
    found = [[stage["stage"], f"{stage['parameters']:,}", f"{stage['macs']:,}"] for stage in stages]
    assert found == [[row[0], row[2], row[4]] for row in rows]


def test_stages_of_a_network_without_weights_have_no_share(capsys):
    assert printed(capsys, "show", "MaxPool(2)", "--input", "1x4x4", "--stages").splitlines()[3].split()[2:6] == ["0", "-", "0", "-"]


def test_heads_are_stages_where_they_are_counted(capsys):
    without, with_heads = (printed(capsys, "show", "googlenet", "--stages", *flags) for flags in ([], ["--heads"]))
    assert "auxiliary_4a" not in without
    assert "auxiliary_4a" in with_heads
    assert "13,378,280 parameters" in with_heads


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("INPUT 3x32x32 -> [CONV3-8 -> RELU]*2 -> FC10", "(Conv(8, 3, pad=1) >> ReLU()) * 2 >> FC(10)"),
        ("[CONV3-8 -> RELU]*2 -> FC10", "(Conv(8, 3, pad=1) >> ReLU()) * 2 >> FC(10)"),
        ("conv3-8 maxpool FC-10", "Conv(8, 3, pad=1) >> ReLU() >> MaxPool(2) >> FC(10)"),
    ],
)
def test_the_lectures_notation_is_sized_as_the_expression_that_it_means(capsys, text, expression):
    flags = ["--json"] if text.startswith("INPUT") else ["--json", "--input", "3x32x32"]
    assert printed(capsys, "show", text, *flags) == printed(capsys, "show", expression, "--json", "--input", "3x32x32")


def test_the_input_of_a_notation_gives_way_to_a_flag(capsys):
    said = json.loads(printed(capsys, "show", "INPUT 3x32x32 -> CONV3-8 -> FC10", "--input", "1x8x6", "--json"))
    assert said["input"] == [1, 8, 6]


def test_mistakes_in_the_notation_are_shown_where_they_stand(capsys):
    text = "INPUT 3x32x32 -> [CONV3-8 -> RELUU]*2 -> FC10"
    assert main(["show", text]) == 2
    sentence, line, caret = capsys.readouterr().err.splitlines()
    assert sentence.startswith("hubel: 'U' cannot stand here")
    assert line.strip() == text
    assert line[caret.index("^")] == "U"
    assert line[: caret.index("^")].endswith("RELU")


def test_torchs_own_count_is_told_and_explained(capsys):
    out = printed(capsys, "show", "lenet5", "--torch")
    assert "torch counts 831,360 FLOPs: nothing is left over" in out
    said = json.loads(printed(capsys, "show", "lenet5", "--torch", "--json"))["torch"]
    assert (said["flops"], said["macs"], said["residual"]) == (831_360, 326_520, 0)
    assert sum(term["macs"] for term in said["terms"]) == 831_360 // 2 - 326_520
    assert "torch" not in json.loads(printed(capsys, "show", "lenet5", "--json"))


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


def test_nets_lists_those_with_a_part_in_their_names(capsys):
    names = [row["name"] for row in json.loads(printed(capsys, "nets", "vgg", "--json"))]
    assert names == [name for name in NETS if "vgg" in name]
    assert main(["nets", "vhs"]) == 2
    assert capsys.readouterr().err.startswith("hubel: No network has 'vhs' in its name")


def test_paper_prints_every_figure_beside_ours(capsys):
    rows = json.loads(printed(capsys, "paper", "--all", "--json"))
    assert {row["net"] for row in rows} == set(NETS)
    out = printed(capsys, "paper", "lenet5")
    assert out.splitlines()[-1].startswith("All figures that need no training agree")
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
        (["show", TOWER], f"{TOWER!r} holds no input shape: say it with --input"),
        (["show", "[CONV3-8 -> RELU]*2 -> FC10"], "'[CONV3-8 -> RELU]*2 -> FC10' holds no input shape"),
        (["show", "INPUT 3x8x8 -> CONV5-8 p0 -> POOL3"], "1: the window does not fit the input of 4"),
        (["show", "INPUT 3x8x8 -> FC10", "--classes", "5"], "--classes is for named networks"),
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
    "words",
    [
        ["shew"],
        ["show"],
        ["show", "lenet5", "--batch", "many"],
        ["show", "lenet5", "--fit", "ceil"],
        ["show", "lenet5", "--optimiser", "adam"],
        ["nets", "x", "y"],
    ],
)
def test_words_that_are_no_command_are_answered_with_the_usage_and_status_2(capsys, words):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: hubel")


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["show", "--help"], ["nets"], ["paper", "alexnet"], ["show", "lenet5", "--fit", "floor"]]
)
def test_sizing_loads_neither_torch_nor_numpy(words):
    told = f"import sys, hubel.cli\ntry: status = hubel.cli.main({words!r})\nexcept SystemExit as ended: status = ended.code or 0"
    loaded = "print(status, *{name.split('.')[0] for name in sys.modules} & {'torch', 'numpy', 'PIL', 'sklearn', 'safetensors'}, file=sys.stderr)"
    ended = subprocess.run([sys.executable, "-c", f"{told}\n{loaded}"], capture_output=True, text=True, check=True)
    assert ended.stderr.split() == ["0"]
    assert ended.stdout


def test_characters_that_an_output_cannot_show_are_no_error():
    words = [sys.executable, "-m", "hubel", "show", "lenet5"]
    ended = subprocess.run(words, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=True)
    assert ended.stderr == b""
    assert b"60,000 parameters" in ended.stdout


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
