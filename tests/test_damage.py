"""Files of a run folder that are damaged: found before the first step, said aloud, and mended from what is whole."""

import errno
import fcntl
import json
import shutil

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import runs
from hubel import weights
from hubel.errors import ModelError, RunError
from hubel.training import run
from hubel.training.records import Epoch, Step

LEFT = (3, 3)
"""The epoch and step after which the run was left: the last two checkpoints are of within the epoch, and the best epoch is before them."""


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """A run that was left in its last epoch, what it comes to, and its best epoch when it was left."""
    place, best = tmp_path_factory.mktemp("left"), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "SAVE_EVERY", 0.0)
        going = runs.train(place / "left")
        for record in going:
            if isinstance(record, Epoch) and record.best:
                best = record.epoch
            if isinstance(record, Step) and (record.epoch, record.step) == LEFT:
                going.close()
    shutil.copytree(place / "left", place / "whole")
    list(runs.train(place / "whole"))
    return place / "left", runs.ended(place / "whole"), best


@pytest.fixture
def out(tmp_path, left):
    return shutil.copytree(left[0], tmp_path / "run")


def checkpoints(out):
    return sorted(path for path in out.glob("checkpoint-*") if not path.name.endswith("-0000000.safetensors"))


def goes_on(out, left):
    """What is said where the run goes on; it ends as it should."""
    started, *_ = runs.train(out)
    assert runs.ended(out) == left[1]
    return started


def found_or_harmless(path, data, whole):
    """Whether a file with these bytes is refused; one that is not says the same to the last bit."""
    path.write_bytes(data)
    try:
        tensors, says = weights.read(path)
    except ModelError as error:
        return str(path) in str(error)
    assert says == whole[1] and weights.digest(tensors) == weights.digest(whole[0])
    return False


def test_a_flipped_bit_is_found_wherever_it_is(tmp_path, left):
    file = checkpoints(left[0])[-1]
    data, whole = file.read_bytes(), weights.read(file)
    harmless = []
    for place in range(0, len(data), 3):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        if not found_or_harmless(tmp_path / "x", changed, whole):
            harmless.append(place)
    assert not harmless, f"nobody would know of a change in byte {harmless[0]}"


def test_a_file_that_was_cut_or_ends_in_zeros_is_found_whatever_its_length(tmp_path, left):
    file = checkpoints(left[0])[-1]
    data, whole = file.read_bytes(), weights.read(file)
    for length in (*range(0, len(data), 23), len(data) - 1):
        assert found_or_harmless(tmp_path / "x", data[:length], whole)
        zeros = data[:length] + bytes(len(data) - length)
        assert zeros == data or found_or_harmless(tmp_path / "x", zeros, whole)
    assert found_or_harmless(tmp_path / "x", data + b"\0", whole)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_bytes_in_the_place_of_any_others_are_found(tmp_path, left, data):
    file = checkpoints(left[0])[-1]
    whole = bytearray(file.read_bytes())
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(whole)))
        changed[place : place + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=40))
    found_or_harmless(tmp_path / "x", changed, weights.read(file))


def rewritten(path, change):
    """The file, whole again when its tensors and what it says were changed."""
    tensors, says = weights.read(path)
    change(tensors, says)
    weights.write(path, tensors, says)


DAMAGES = {
    "flipped": lambda path, data: path.write_bytes(data[:2500] + bytes([data[2500] ^ 16]) + data[2501:]),
    "ending in zeros": lambda path, data: path.write_bytes(data[:-64] + bytes(64)),
    "empty": lambda path, data: path.write_bytes(b""),
    "without its step": lambda path, data: rewritten(path, lambda tensors, says: says.pop("step")),
    "with half a best": lambda path, data: rewritten(path, lambda tensors, says: says.update(best=[0.5])),
    "a folder": lambda path, data: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_checkpoint_that_is_no_good_is_named_and_the_one_before_it_taken(out, left, damage):
    *_, before, last = checkpoints(out)
    DAMAGES[damage](last, last.read_bytes())
    if damage == "a folder":
        started = next(runs.train(out))
    else:
        started = goes_on(out, left)
    assert before.name == f"checkpoint-{started.epoch:05d}-{started.step:07d}.safetensors"
    assert len(started.notes) == 1 and str(last) in started.notes[0]
    aside = damage != "a folder"  # that cannot be read, now
    assert (f"put aside as damaged-{last.name}" in started.notes[0]) == last.with_name(f"damaged-{last.name}").exists() == aside


def test_where_the_last_two_are_damaged_that_of_the_best_epoch_is_taken(out, left):
    for path in checkpoints(out):
        path.write_bytes(b"")
    assert next(runs.train(out)).epoch == left[2]
    goes_on(out, left)


def test_a_damaged_checkpoint_takes_no_place_from_one_that_is_whole(out, monkeypatch):
    monkeypatch.setattr(run, "SAVE_EVERY", 0.0)
    before, last = checkpoints(out)
    last.write_bytes(b"")
    (out / "checkpoint-00009-0000000.safetensors").write_bytes(b"")
    going = runs.train(out)
    for record in going:
        if isinstance(record, Step):
            going.close()
    assert len(checkpoints(out)) == 2 and before in checkpoints(out) and all(weights.read(path) for path in checkpoints(out))


def other(name, change):
    def changed(tensors, says):
        tensors[name] = change(tensors.pop(name))

    return changed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (other("network.0.weight", lambda tensor: tensor[:3]), r"'network.0.weight' is \(3, 1, 3, 3\); the network has \(4, 1, 3, 3\)"),
        (other("network.1.running_mean", lambda tensor: tensor.double()), "'network.1.running_mean' is torch.float64"),
        (other("optimiser.0.momentum_buffer", lambda tensor: tensor[:, :, 1:]), r"'optimiser.0.momentum_buffer' is \(4, 1, 2, 3\)"),
        (lambda tensors, says: tensors.pop("network.5.bias"), "'network.5.bias' is missing"),
        (lambda tensors, says: tensors.pop("sums"), "'sums' is missing"),
        (lambda tensors, says: tensors.update({"average.0.weight": torch.zeros(1)}), "'average.0.weight' is more than"),
        (lambda tensors, says: tensors.update({"optimiser.77.exp_avg": torch.zeros(1)}), "'optimiser.77.exp_avg' is more than"),
    ],
)
def test_a_whole_checkpoint_of_another_network_is_refused_by_its_first_tensor_that_differs(out, change, words):
    last = checkpoints(out)[-1]
    rewritten(last, change)
    with pytest.raises(RunError, match=rf"of another network: .*{last.name}: the tensor {words}.*--out"):
        next(runs.train(out))


MODELS = {
    "damaged": lambda path, out: path.write_bytes(path.read_bytes()[:-1]),
    "missing": lambda path, out: path.unlink(),
    "no model": lambda path, out: path.write_bytes(checkpoints(out)[0].read_bytes()),
    "of another epoch": lambda path, out: rewritten(path, lambda tensors, says: says["results"].update(epoch=-1)),
}


@pytest.mark.parametrize("damage", MODELS)
def test_a_lost_model_is_written_again_to_the_same_bits_before_the_first_step(out, left, damage):
    path, before = out / "model.safetensors", (out / "model.safetensors").read_bytes()
    MODELS[damage](path, out)
    started = next(runs.train(out))
    assert path.read_bytes() == before
    assert len(started.notes) == 1 and str(path) in started.notes[0]
    assert f"written again from checkpoint-{left[2]:05d}-0000000.safetensors" in started.notes[0]
    assert goes_on(out, left).notes == ()


def test_where_the_best_epoch_is_lost_altogether_that_is_said_before_the_first_step(out, left):
    (out / "model.safetensors").write_bytes(b"")
    (out / f"checkpoint-{left[2]:05d}-0000000.safetensors").unlink()
    with pytest.raises(RunError, match=rf"model.safetensors is damaged.*epoch {left[2]}, the best one, is lost.*--out"):
        next(runs.train(out))


@pytest.mark.parametrize("damage", [b"", b'{"epoch": 1}\n', b"\0" * 900, None])
def test_a_damaged_log_is_written_again_and_that_is_said(out, left, damage):
    log = out / "log.jsonl"
    if damage is None:
        log.unlink()
    else:
        log.write_bytes(damage)
    started = goes_on(out, left)
    assert len(started.notes) == 1 and f"{log} was damaged" in started.notes[0]


def test_a_changed_bit_in_the_recipe_is_found_wherever_it_is(out):
    path, taken = out / "recipe.json", 0
    data = path.read_bytes()
    before = json.loads(data)
    said = {name: value for name, value in before.items() if name not in ("asked", "recipe", "sha256")}
    for place in range(0, len(data), 7):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 5
        path.write_bytes(changed)
        with run.folder.suppress(RunError):
            run.folder.began(out, said, run.Recipe(**before["asked"]))
            found = json.loads(changed)
            assert all(found[name] == before[name] for name in before if name != "sha256"), f"nobody would know of a change in byte {place}"
            taken += 1
    assert taken < len(data) / 21  # in the blanks


@pytest.mark.parametrize("text", ["", "[]", "7", '{"recipe": 3}', "\0\0"])
def test_a_recipe_that_is_none_is_refused_in_a_sentence(out, text):
    (out / "recipe.json").write_text(text)
    with pytest.raises(RunError, match=r"recipe.json is damaged"):
        next(runs.train(out))


def test_checkpoints_without_a_recipe_are_not_trained_over(out):
    (out / "recipe.json").unlink()
    with pytest.raises(RunError, match=r"holds checkpoints, but no recipe.json"):
        next(runs.train(out))


def test_what_killed_processes_had_not_finished_writing_is_removed_and_nothing_else(out):
    parts = [
        out / f".{name}.123.part" for name in ("recipe.json", "log.jsonl", "model.safetensors", "checkpoint-00001-0000002.safetensors")
    ]
    for path in (*parts, out / ".mine.part", out / "notes.part"):
        path.write_text("x")
    next(runs.train(out))
    assert [path.name for path in sorted(out.glob("*.part"))] == [".mine.part", "notes.part"]


def test_a_filesystem_that_cannot_lock_is_refused_in_a_sentence(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(RunError, match=r"cannot be kept from other processes: No locks available.*local disk.*--out"):
        next(runs.train(tmp_path))
