"""A run that is interrupted anywhere and gone on with ends in the same bits as one that is not."""

import json
import os
import re
import signal
from dataclasses import replace

import pytest

from hubel import weights
from hubel.cli import main
from hubel.errors import RunError
from hubel.training import run
from hubel.training.records import Epoch, Finished, Started, Step, Stopped
from runs import RECIPE, ended, folder, hubel_process, source, train

FLAGS = ("--epochs", 6, "--batch", 8, "--shift", 0.2, "--flip", "--threads", 1, "--lanes", 1, "--precision", "fp32", "--validation", 0.2)
NET = "Conv(4, 3, pad=1, bias=False) >> BatchNorm() >> ReLU() >> MaxPool(2) >> Dropout(0.2) >> FC(3)"


def command(pictures, out, *more):
    return ("train", NET, pictures, "--input", "1x8x8", "--out", out, *FLAGS, *more)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_a_run_left_after_any_step_ends_as_one_that_was_not(tmp_path, monkeypatch, optimiser):
    monkeypatch.setattr(run, "SAVE_EVERY", 0.0)
    recipe = replace(RECIPE, optimiser=optimiser)
    list(train(tmp_path / "whole", recipe=recipe))
    expected = ended(tmp_path / "whole")
    for left_after in range(1, 15, 3):
        out = tmp_path / f"left-{left_after}"
        going = train(out, recipe=recipe)
        for taken, _ in enumerate(record for record in going if isinstance(record, Step)):
            if taken + 1 == left_after:
                going.close()
        started, *_, finished = train(out, recipe=recipe)
        assert started.epoch * 5 + started.step == left_after
        assert isinstance(finished, Finished)
        assert ended(out) == expected


def test_leaving_without_a_new_checkpoint_loses_only_time(tmp_path):
    list(train(tmp_path / "whole"))
    going = train(tmp_path / "left")
    for record in going:
        if isinstance(record, Step) and (record.epoch, record.step) == (3, 2):
            going.close()
    assert next(train(tmp_path / "left")).epoch == 2
    list(train(tmp_path / "left"))
    assert ended(tmp_path / "left") == ended(tmp_path / "whole")


EVERYTHING = ("--accumulate", 2, "--clip", 0.5, "--ema", 0.95, "--class-weights", "balanced", "--schedule", "plateau", "--plateau", 2)


@pytest.mark.parametrize("more", [(), pytest.param(EVERYTHING, marks=pytest.mark.slow)], ids=["plain", "everything"])
def test_the_command_itself_killed_and_said_again_ends_in_the_same_bits(tmp_path, more):
    """tests/test_kills.py kills oftener, at less cost."""
    pictures = folder(tmp_path / "pictures", 240)
    many = ("--epochs", 40, *more)
    assert main([str(word) for word in command(pictures, tmp_path / "whole", *many)]) == 0
    with hubel_process(*command(pictures, tmp_path / "killed", *many)) as process:
        next(line for line in process.stdout if line.startswith("epoch"))
        process.kill()
    assert process.returncode == -signal.SIGKILL
    with hubel_process(*command(pictures, tmp_path / "killed", *many)) as last:
        said = last.communicate()[0]
    assert "Going on in epoch" in said and "Traceback" not in said and last.returncode == 0
    assert ended(tmp_path / "killed") == ended(tmp_path / "whole")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_says_how_to_go_on_and_the_same_command_goes_on(tmp_path, number):
    pictures = folder(tmp_path / "pictures", 240)
    many = ("--epochs", 5000)
    with hubel_process(*command(pictures, tmp_path / "run", *many)) as process:
        next(line for line in process.stdout if line.startswith("epoch"))
        process.send_signal(number)
        rest = process.stdout.read()
    assert process.returncode == 130
    assert "Stopped in epoch" in rest and "same command goes on" in rest and "Traceback" not in rest
    with hubel_process(*command(pictures, tmp_path / "run", *many)) as again:
        going_on = next(line for line in again.stdout if line.startswith("Going on"))
        again.kill()
    assert re.findall(r"\d+", going_on) == list(re.search(r"Stopped in epoch (\d+) after step (\d+)", rest).groups())


def test_a_stopped_generator_yields_where_it_stopped(tmp_path):
    heard = []
    for record in train(tmp_path):
        heard.append(record)
        if isinstance(record, Step) and record.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
    assert isinstance(heard[-1], Stopped) and (heard[-1].epoch, heard[-1].step) == (1, 2)
    assert (next(train(tmp_path)).epoch, next(train(tmp_path)).step) == (0, 2)


def test_a_finished_run_says_so_again_and_does_nothing(tmp_path):
    list(train(tmp_path))
    before = ended(tmp_path)
    kinds = [type(record) for record in train(tmp_path)]
    assert kinds == [Started, Finished]
    assert ended(tmp_path) == before


def test_lines_of_the_log_are_whole_and_one_an_epoch(tmp_path):
    heard = [record for record in train(tmp_path) if isinstance(record, Epoch)]
    lines = (tmp_path / "log.jsonl").read_bytes()
    assert lines.endswith(b"\n") and [json.loads(line)["epoch"] for line in lines.splitlines()] == [1, 2, 3]
    assert [json.loads(line)["validation_loss"] for line in lines.splitlines()] == [record.validation_loss for record in heard]


def test_what_was_logged_after_the_checkpoint_is_cut_off_torn_lines_too(tmp_path):
    list(train(tmp_path / "whole"))
    going = train(tmp_path / "left")
    for record in going:
        if isinstance(record, Epoch) and record.epoch == 2:
            going.close()
    with open(tmp_path / "left" / "log.jsonl", "a") as file:
        file.write('{"epoch": 3, "lr": 1.0}\n{"epoch": 4, "lr')
    list(train(tmp_path / "left"))
    assert ended(tmp_path / "left") == ended(tmp_path / "whole")


def test_where_every_checkpoint_is_damaged_nothing_is_trained_over_it(tmp_path):
    list(train(tmp_path))
    for path in tmp_path.glob("checkpoint-*"):
        path.write_bytes(b"")
    with pytest.raises(RunError, match=r"No checkpoint .* is whole.*--out"):
        next(train(tmp_path))


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"recipe": replace(RECIPE, lr=0.1)}, "lr was 0.05 and is 0.1"), ({"recipe": replace(RECIPE, epochs=4)}, "epochs was 3 and is 4"),
     ({"net": "Conv(5, 3) >> FC(3)"}, "the network is another one"), ({"data": source(seed=5)}, "the training pictures have changed")],
)  # fmt: skip
def test_a_run_that_began_otherwise_is_not_mixed_with_this_one(tmp_path, changes, words):
    list(train(tmp_path))
    before = ended(tmp_path)
    with pytest.raises(RunError, match=f"{re.escape(words)}.*--out"):
        next(train(tmp_path, **changes))
    assert ended(tmp_path) == before


def test_two_processes_cannot_share_a_run_folder_through_a_link_either(tmp_path):
    (tmp_path / "link").symlink_to("run")
    going = train(tmp_path / "run")
    next(going)
    with hubel_process(*command(folder(tmp_path / "pictures"), tmp_path / "link")) as other:
        said = other.communicate()[0]
    assert other.returncode == 2 and "Another process is training in" in said and "Traceback" not in said
    going.close()


def test_a_folder_that_cannot_be_made_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"run folder .*file/run.*--out"):
        next(train(tmp_path / "file" / "run"))


def test_checkpoints_hold_no_pickle_and_only_the_last_two_and_that_of_the_best_epoch_stay(tmp_path):
    list(train(tmp_path))
    found = sorted(path.name for path in tmp_path.iterdir())
    assert [name for name in found if name.startswith("checkpoint")] == [
        "checkpoint-00002-0000000.safetensors",
        "checkpoint-00003-0000000.safetensors",
    ]
    assert not [name for name in found if name.endswith(".part")]
    weights.read(tmp_path / "checkpoint-00003-0000000.safetensors")


def test_a_run_that_failed_before_its_first_checkpoint_does_not_block_its_folder(tmp_path):
    wild = replace(RECIPE, lr=1e30, momentum=0.0, weight_decay=0.0, schedule="constant")
    with pytest.raises(RunError, match="not finite"):
        list(train(tmp_path, net="Conv(4, 3) >> ReLU() >> FC(3)", recipe=wild))
    assert isinstance(list(train(tmp_path))[-1], Finished)


def test_what_was_chosen_before_the_first_checkpoint_stays_chosen(tmp_path, monkeypatch):
    left = replace(RECIPE, threads=0, lanes=0, precision="auto")
    going = train(tmp_path, recipe=left)
    chosen = next(going).recipe
    going.close()
    monkeypatch.setattr(run.probe, "settled", lambda *_: pytest.fail("it was measured again"))
    assert next(train(tmp_path, recipe=left)).recipe == chosen


def test_a_run_that_began_before_profiles_and_scales_were_heeded_ends_as_it_began(tmp_path):
    pictures = folder(tmp_path / "pictures")
    going = train(tmp_path / "run", data=pictures)
    for record in going:
        if isinstance(record, Epoch):
            going.close()
    path = tmp_path / "run" / "recipe.json"
    said = json.loads(path.read_text())
    del said["sha256"]  # which came later still
    for name in ("reduced", "colour_managed"):
        assert said["pixels"].pop(name) is True
    path.write_text(json.dumps(said))
    *_, finished = train(tmp_path / "run", data=pictures)
    assert isinstance(finished, Finished)
    assert (finished.model.pixels.reduced, finished.model.pixels.colour_managed) == (False, False)


def test_a_run_that_began_before_it_could_be_judged_by_loss_goes_on_by_accuracy(tmp_path):
    list(train(tmp_path / "whole"))
    going = train(tmp_path / "run")
    next(record for record in going if isinstance(record, Epoch))
    going.close()
    path = tmp_path / "run" / "recipe.json"
    said = json.loads(path.read_text())
    del said["sha256"]
    assert said["asked"].pop("judged_by") == said["recipe"].pop("judged_by") == "accuracy"
    path.write_text(json.dumps(said))
    with pytest.raises(RunError, match="judged_by was 'accuracy' and is 'loss'"):
        list(train(tmp_path / "run", recipe=replace(RECIPE, judged_by="loss")))
    list(train(tmp_path / "run"))
    assert ended(tmp_path / "run") == ended(tmp_path / "whole")


@pytest.mark.parametrize(("name", "before"), [("torch", "2.11.0"), ("hubel", "0.0.9"), ("processes", 4)])
def test_what_has_changed_and_may_change_the_bits_is_said_when_a_run_goes_on(tmp_path, name, before):
    going = train(tmp_path)
    next(record for record in going if isinstance(record, Epoch))
    going.close()
    assert not next(train(tmp_path)).notes
    path = tmp_path / "recipe.json"
    said = {key: value for key, value in json.loads(path.read_text()).items() if key != "sha256"}
    path.write_text(json.dumps({**said, name: before}))
    (note,) = next(train(tmp_path)).notes
    assert "goes on, but not to the same bits" in note and f"{name} was {before!r} and is " in note
