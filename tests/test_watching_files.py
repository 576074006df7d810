"""What is left of a run to look at: the picture beside the log, TensorBoard's files, the figure in a notebook, the line in a terminal."""

import io
import json
import math
import struct
import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import hubel
from hubel import axes
from hubel.cli import main
from hubel.cli.progress import Progress
from hubel.errors import RunError
from hubel.training import events, figure, plot
from hubel.training.records import Epoch, Finding, Step
from runs import RECIPE, ended, folder, train


def one(number, train_loss=1.0, validation_loss=1.5, train_accuracy=0.5, validation_accuracy=0.4, lr=0.1, best=False, findings=()):
    return Epoch(number, lr, train_loss, train_accuracy, validation_loss, validation_accuracy, best, 1.0, 100.0, 0, None, findings)


def near(picture, x, y, colour, reach=4):
    """Whether the colour is found about a place."""
    part = np.asarray(picture).astype(int)[max(0, round(y) - reach) : round(y) + reach + 1, max(0, round(x) - reach) : round(x) + reach + 1]
    return bool((np.abs(part - colour).sum(2) < 60).any())


# --- the picture ---


def test_a_run_leaves_a_picture_of_all_its_epochs_beside_the_log(tmp_path):
    heard = [record for record in train(tmp_path) if isinstance(record, Epoch)]
    with Image.open(tmp_path / "log.png") as found:
        assert found.format == "PNG" and found.width == plot.WIDTH
        assert np.array_equal(np.asarray(found), np.asarray(plot.plot(heard, "net on drawings")))
    assert not list(tmp_path.glob(".*part"))


def test_a_run_that_went_on_leaves_the_picture_of_one_that_was_not_interrupted(tmp_path):
    list(train(tmp_path / "whole"))
    going = train(tmp_path / "left")
    for record in going:
        if isinstance(record, Epoch):
            going.close()
    list(train(tmp_path / "left"))
    assert (tmp_path / "whole" / "log.png").read_bytes() == (tmp_path / "left" / "log.png").read_bytes()


def test_every_line_of_the_picture_goes_through_its_values():
    epochs = [one(i, 2.0 - 0.15 * i, 1.0 + 0.05 * i, 0.1 * i, 0.05 * i, 0.01 * i, best=i == 10) for i in range(1, 11)]
    picture = plot.plot(epochs, "title")
    tops = {"loss": plot.HEAD, "accuracy": plot.HEAD + plot.HIGH + plot.GAP, "lr": plot.HEAD + 2 * (plot.HIGH + plot.GAP)}

    def place(field, epoch, value, up):
        high = plot.LOW if field == "lr" else plot.HIGH
        across = plot.LEFT + (plot.WIDTH - plot.RIGHT - plot.LEFT) * (epoch - 1) / 9
        return across, tops[field] + high * (1 - value / up)

    for epoch in epochs:
        assert near(picture, *place("loss", epoch.epoch, epoch.train_loss, 2.0), plot.TRAIN)
        assert near(picture, *place("loss", epoch.epoch, epoch.validation_loss, 2.0), plot.VALIDATION)
        assert near(picture, *place("accuracy", epoch.epoch, epoch.train_accuracy, 1.0), plot.TRAIN)
        assert near(picture, *place("lr", epoch.epoch, epoch.lr, 0.1), plot.RATE)
    ring = place("accuracy", 10, 0.5, 1.0)
    assert near(picture, *ring, axes.PAPER, 2) and near(picture, *ring, plot.VALIDATION, 7)


def test_what_is_wrong_is_written_below_and_makes_the_picture_longer():
    says = "overfitting since epoch 1: " + "validation loss rose and training loss fell " * 5
    plain, longer = plot.plot([one(1)], "t"), plot.plot([one(1, findings=(Finding("overfitting", says),))], "t")
    assert longer.width == plain.width and longer.height > plain.height + 2 * plot.LINE
    assert (np.abs(np.asarray(longer).astype(int)[plain.height :] - plot.WRONG).sum(2) < 60).any()


anything = st.floats(allow_nan=True, allow_infinity=True, width=32)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(anything, anything, st.floats(0, 1), st.floats(0, 1), st.floats(1e-9, 1e3)), min_size=1, max_size=6))
def test_whatever_a_run_comes_to_can_be_drawn(rows):
    assert plot.plot([one(i, *row, best=True) for i, row in enumerate(rows, 1)], "a \x1b[31m title\n").width == plot.WIDTH


def test_a_picture_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "log.png").mkdir()
    list(train(tmp_path))
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 3 and (tmp_path / "log.png").is_dir()


@settings(max_examples=30, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.integers(2, 10))
def test_round_numbers_hold_what_they_are_asked_to_and_are_evenly_spaced(low, spread, count):
    ticks, slack = axes.rounds(low, low + spread, count), 1e-6 * (spread + abs(low)) + 1e-9
    assert ticks[0] <= low + slack and ticks[-1] >= low + spread - slack and 2 <= len(ticks) <= count + 3
    assert ticks[0] < ticks[1] and np.diff(ticks) == pytest.approx(ticks[1] - ticks[0], rel=1e-4)


# --- TensorBoard ---


def read(path):
    """(step, {tag: value}) of every event with numbers: a reader of its own, by the format's description."""

    def fields(data):
        place = 0

        def number():
            nonlocal place
            value = shift = 0
            while True:
                byte = data[place]
                place, value, shift = place + 1, value | (byte & 127) << shift, shift + 7
                if byte < 128:
                    return value

        while place < len(data):
            key = number()
            if key & 7 == 0:
                yield key >> 3, number()
            else:
                size = {1: 8, 5: 4}.get(key & 7) or number()
                yield key >> 3, data[place : place + size]
                place += size

    data, place, found = path.read_bytes(), 0, []
    while place < len(data):
        (size,) = struct.unpack_from("<Q", data, place)
        event = dict(fields(data[place + 12 : place + 12 + size]))
        place += size + 16
        if 5 in event:
            values = [dict(fields(value)) for _, value in fields(event[5])]
            found.append((event[2], {value[1].decode(): struct.unpack("<f", value[2])[0] for value in values}))
    assert place == len(data)
    return found


def points(run, part):
    return [event for path in sorted((run / "tensorboard" / part).iterdir()) for event in read(path)]


def single(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def test_checksums_are_those_of_the_standards_examples():
    # RFC 3720, appendix B.4, and the check value of CRC-32C in the catalogue of parametrised CRC algorithms
    examples = {bytes(32): 0x8A9136AA, b"\xff" * 32: 0x62A8AB43, bytes(range(32)): 0x46DD794E, b"123456789": 0xE3069283}
    assert {data: events.crc32c(data) for data in examples} == examples


GOLDEN = (
    "1800000000000000a37f4b220900000000004a93401a0d627261696e2e4576656e743a3265b8d3fb2b00000000000000861bc34b0900000000004a934010ac022a1d0a0b"
    "0a046c6f7373150000803e0a0e0a07737465702f6c72156f12833ad257de8a"
)
"""The file that RecordWriter and Event of tensorboard 2.21.0 make of the same two events."""


def test_an_event_has_the_bytes_that_tensorboards_own_writer_gives_it(tmp_path, monkeypatch):
    monkeypatch.setattr(events.time, "time", lambda: 1234.5)
    writer = events.Events(tmp_path, 0)
    writer.add(300, {"loss": 0.25, "step/lr": 0.001})
    writer.close()
    (path,) = tmp_path.iterdir()
    assert path.read_bytes() == bytes.fromhex(GOLDEN)


def test_tensorboards_files_hold_what_the_records_say(tmp_path):
    heard = list(train(tmp_path, tensorboard=True))
    steps, epochs = ([record for record in heard if isinstance(record, kind)] for kind in (Step, Epoch))
    found = points(tmp_path, "train")
    by_step = [(at, values) for at, values in found if "step/lr" in values]
    assert by_step == [((step.epoch - 1) * 5 + step.step, {"step/lr": single(step.lr), "step/loss": single(step.loss)}) for step in steps]
    by_epoch = [(at, values) for at, values in found if "loss" in values]
    assert [(at, values["loss"], values["accuracy"], values["lr"]) for at, values in by_epoch] == [
        (epoch.epoch * 5, single(epoch.train_loss), single(epoch.train_accuracy), single(epoch.lr)) for epoch in epochs
    ]
    assert by_epoch[-1][1]["gradient/0"] == single(epochs[-1].look.gradients["0"]) and {"silent/2", "drift/1"} <= by_epoch[0][1].keys()
    assert points(tmp_path, "validation") == [
        (epoch.epoch * 5, {"loss": single(epoch.validation_loss), "accuracy": single(epoch.validation_accuracy)}) for epoch in epochs
    ]


@pytest.mark.parametrize("left", [(1, 3), (2, 5)])
def test_a_run_that_goes_on_leaves_no_point_twice_and_none_out(tmp_path, left):
    list(train(tmp_path / "whole", tensorboard=True))
    going = train(tmp_path / "left", tensorboard=True)
    for record in going:
        if isinstance(record, Step) and (record.epoch, record.step) == left:
            going.close()
    torn = sorted((tmp_path / "left" / "tensorboard" / "train").iterdir())[-1]
    with open(torn, "ab") as file:
        file.write(b"\x30\x00\x00\x00\x00\x00\x00\x00torn")
    list(train(tmp_path / "left", tensorboard=True))
    assert ended(tmp_path / "left") == ended(tmp_path / "whole")
    for part in ("train", "validation"):
        whole, again = (
            [(at, {**values, "images_per_second": 0}) for at, values in points(tmp_path / name, part)] for name in ("whole", "left")
        )
        assert again == whole


def test_tensorboard_itself_reads_the_files(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    heard = [record for record in train(tmp_path, tensorboard=True) if isinstance(record, Epoch)]
    found = accumulator.EventAccumulator(str(tmp_path / "tensorboard" / "validation"))
    found.Reload()
    assert [(point.step, point.value) for point in found.Scalars("loss")] == [
        (record.epoch * 5, single(record.validation_loss)) for record in heard
    ]


def test_values_that_no_single_number_holds_are_written_as_infinite(tmp_path):
    writer = events.Events(tmp_path, 0)
    writer.add(1, {"a": 1e300, "b": -1e300, "c": math.nan})
    writer.close()
    ((_, values),) = read(next(tmp_path.iterdir()))
    assert values["a"] == math.inf and values["b"] == -math.inf and math.isnan(values["c"])


def test_tensorboards_files_need_a_run_folder(tmp_path):
    with pytest.raises(RunError, match="say out="):
        next(train(tensorboard=True))
    (tmp_path / "tensorboard").write_text("")
    with pytest.raises(RunError, match="TensorBoard's files in .* cannot be written.*--tensorboard"):
        list(train(tmp_path, tensorboard=True))


# --- a notebook ---


class Display:
    """What IPython does with a picture, remembered."""

    def __init__(self, monkeypatch, kernel=True):
        self.shown, self.handles = [], 0
        shell = type("ZMQInteractiveShell", (), {})
        modules = {name: ModuleType(name) for name in ("IPython", "IPython.display", "ipykernel", "ipykernel.zmqshell")}
        modules["IPython"].get_ipython = lambda: shell() if kernel else object()
        modules["ipykernel.zmqshell"].ZMQInteractiveShell = shell
        modules["IPython.display"].display = self.display
        modules["IPython.display"].Image = lambda data, format: (format, data)
        for name, module in modules.items():
            monkeypatch.setitem(sys.modules, name, module)

    def display(self, display_id):
        assert display_id is True
        self.handles += 1
        return self

    def update(self, picture):
        self.shown.append(picture)


def kinds(records):
    return [type(record) for record in records]


def test_in_a_notebook_one_figure_is_drawn_anew_in_its_place(monkeypatch):
    display = Display(monkeypatch)
    monkeypatch.setattr(plot.Pace, "due", lambda self: True)
    heard = list(hubel.watch(train(), "drawings"))
    epochs = [record for record in heard if isinstance(record, Epoch)]
    assert display.handles == 1 and len(display.shown) == len(epochs) == 3
    for count, (kind, picture) in enumerate(display.shown, 1):
        assert kind == "png"
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(picture))), np.asarray(plot.plot(epochs[:count], "drawings")))


def test_the_figure_shows_the_epochs_before_an_interruption_too_and_the_last_when_left(tmp_path, monkeypatch):
    going = train(tmp_path)
    first = next(record for record in going if isinstance(record, Epoch))
    next(going)
    going.close()
    display = Display(monkeypatch)
    going = hubel.watch(train(tmp_path))
    second = next(record for record in going if isinstance(record, Epoch))
    going.close()
    assert display.shown[-1] == ("png", plot.png(plot.plot([first, second], "")))


def test_records_pass_through_and_nothing_is_shown_outside_a_notebook(monkeypatch, capsys):
    display = Display(monkeypatch, kernel=False)
    assert kinds(hubel.watch(train())) == kinds(train()) and not display.handles
    monkeypatch.delitem(sys.modules, "ipykernel")
    assert list(figure.watch([one(1)])) == [one(1)] and not display.handles and capsys.readouterr() == ("", "")


# --- a terminal ---


def test_the_line_that_moves_says_loss_accuracy_rate_and_speed(monkeypatch):
    from rich.console import Console

    screen = io.StringIO()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr("hubel.cli.progress.EVERY", 0.0)
    with Progress() as progress:
        for number, (loss, accuracy) in enumerate([(2.0, 0.25), (None, None), (1.0, 0.75)], 1):
            progress.step(Step(3, number, 10, 8, 0.0125, loss, accuracy), 5)
        Console(file=screen, width=100).print(progress.bar.get_renderable())
        (task,) = progress.bar.tasks
        assert task.description == "epoch 3/5" and (task.completed, task.total) == (23, 50)
        assert task.fields["rate"].startswith("loss 1.333, 58.3% right, lr 0.013, ") and "images/s" in task.fields["rate"]
        progress.step(Step(4, 1, 10, 8, 0.01, 0.5, 1.0), 5)
        assert "loss 0.5, 100.0% right, lr 0.01" in progress.bar.tasks[0].fields["rate"]
    assert "loss 1.333, 58.3% right" in screen.getvalue()


def test_train_prints_what_is_wrong_below_its_epoch(tmp_path, capsys):
    net = f"{'FC(24) >> Sigmoid() >> ' * 8}FC(3)"
    words = ["train", net, str(folder(tmp_path / "pictures")), "--input", "1x8x8", "--epochs", "2", "--threads", "1", "--lanes", "1"]
    assert main([*words, "--precision", "fp32", "--out", str(tmp_path / "run"), "--tensorboard"]) == 0
    lines = capsys.readouterr().out.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("epoch 1/2"))
    assert lines[place + 1].startswith("watch: gradients vanish by depth: ") and lines[place + 2].startswith("epoch 2/2")
    assert len(points(tmp_path / "run", "validation")) == 2 and lines[-1].endswith("log.jsonl, as a picture: log.png")
    assert main([*words, "--precision", "fp32", "--out", str(tmp_path / "run"), "--json"]) == 0
    assert all("earlier" not in json.loads(line) for line in capsys.readouterr().out.splitlines())


def test_a_recipe_changed_in_nothing_goes_on_with_or_without_tensorboard(tmp_path):
    going = train(tmp_path, recipe=replace(RECIPE, epochs=2))
    for record in going:
        if isinstance(record, Epoch):
            going.close()
    list(train(tmp_path, recipe=replace(RECIPE, epochs=2), tensorboard=True))
    assert [at for at, _ in points(tmp_path, "validation")] == [10]
