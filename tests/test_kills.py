"""Real kills, and disks that fail: whatever happens to a run, the same command goes on, and ends in the same bits.

HUBEL_KILLS says how often the first test kills; `make soak` says 500.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from dataclasses import replace

import pytest

import runs
from forks import Forks
from hubel.training import run
from hubel.training.records import Finished, Started, Step

KILLS = int(os.environ.get("HUBEL_KILLS", "20"))
ALL = ("--batch", 8, "--shift", 0.2, "--flip", "--rotation", 10, "--accumulate", 2, "--clip", 0.5, "--ema", 0.95, "--class-weights", "balanced",
       "--schedule", "plateau", "--plateau", 2, "--validation", 0.2, "--threads", 1, "--lanes", 1, "--precision", "fp32", "--keep", "nothing")  # fmt: skip
RECIPE = {"epochs": 2, "ema": 0.9, "rotation": 10.0}

CALLS = "openat,write,fsync,rename,unlink,mkdir"
"""What changes files, or opens them."""

SAMPLE = 4
"""So many of the calls are tried outside the slow tests."""


@pytest.fixture(scope="module")
def forks(tmp_path_factory):
    with Forks(tmp_path_factory.mktemp("forks")) as forks:
        yield forks


def met(out, count, process):
    """Wait until the process has written so many more checkpoints, or has ended."""
    before, newest = "", ""
    while count and _state(process) != "Z":
        newest = max((path.name for path in out.glob("checkpoint-*")), default="")
        count -= before != newest
        before = newest
        time.sleep(0.002)


def test_kill_9_at_any_instant_any_number_of_times_ends_in_the_same_bits_and_leaves_no_process(tmp_path, forks):
    words = ("train", runs.NET, runs.folder(tmp_path / "pictures", 240), "--input", "1x8x8", "--epochs", 6 + KILLS // 2, *ALL, "--out")
    words = [str(word) for word in words]
    assert forks.run(words=[*words, str(tmp_path / "whole")])[0] == 0
    draw, ends = random.Random(0), Counter()
    for number in range(KILLS):
        process = forks.begin(words=[*words, str(tmp_path / "killed")], save_every=draw.choice((0.0, 0.02)))
        if number % 3:  # the others are killed while they prepare, or just after
            met(tmp_path / "killed", draw.randint(1, 4), process)
        time.sleep(draw.random() * (0.05 if number % 3 else 0.5))
        os.kill(process, signal.SIGKILL)
        ends[forks.wait(process)] += 1
    assert ends == {-signal.SIGKILL: KILLS}
    status, said = forks.run(words=[*words, str(tmp_path / "killed")])
    assert status == 0 and "Going on in epoch" in said and "damaged" not in said
    assert runs.ended(tmp_path / "killed") == runs.ended(tmp_path / "whole")
    assert not list((tmp_path / "killed").glob(".*.part"))
    gone = time.monotonic() + 30
    while forks.left() and time.monotonic() < gone:
        time.sleep(0.05)
    assert not forks.left()


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A run that was left two steps before its end, and what it comes to."""
    place = tmp_path_factory.mktemp("begun")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "SAVE_EVERY", 0.0)
        going = runs.train(place / "begun", recipe=replace(runs.RECIPE, **RECIPE))
        for record in going:
            if isinstance(record, Step) and (record.epoch, record.step) == (2, 3):
                going.close()
    shutil.copytree(place / "begun", place / "whole")
    assert isinstance(finished(place / "whole")[-1], Finished)
    return place / "begun", runs.ended(place / "whole")


def finished(out):
    return list(runs.train(out, recipe=replace(runs.RECIPE, **RECIPE)))


def traced(forks, out, stop, *options):
    """Run a fork under strace from where it stops itself: its status, what it said, and a line for each system call."""
    if shutil.which("strace") is None:
        pytest.skip("there is no strace here")
    process = forks.begin(out=out, recipe=RECIPE, save_every=0.0, stop=stop)
    while (state := _state(process)) not in "TZ":
        time.sleep(0.002)
    assert state == "T", forks.said.read_text()
    calls = out.with_name("calls")
    with subprocess.Popen(["strace", "-y", "-p", str(process), "-o", calls, *options], stderr=subprocess.PIPE, text=True) as strace:
        attached = "attached" in (said := strace.stderr.readline())
        os.kill(process, signal.SIGCONT if attached else signal.SIGKILL)
        status = forks.wait(process)
    if not attached:
        pytest.skip(f"strace cannot trace here: {said}")
    return status, forks.said.read_text(), calls.read_text(errors="replace").splitlines()


def _state(process):
    """One letter: T is stopped, Z has ended."""
    with open(f"/proc/{process}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def instants(calls, out):
    """(call, how manyeth of its kind) of the calls on the run folder."""
    counts, found = Counter(), []
    for line in calls:
        call = line.partition("(")[0]
        counts[call] += 1
        if str(out) in line:
            found.append((call, counts[call]))
    return found


def killed_at(forks, place, begun, stop, names, draw=None):
    """Kill at each of the calls; each time the run goes on from the newest whole checkpoint to the same bits."""
    source, expected = begun

    def anew(out):
        if stop == "started":
            shutil.copytree(source, out)
        return out

    status, _, calls = traced(forks, anew(place / "counted"), stop, "-e", f"trace={names}")
    found = instants(calls, place / "counted")
    assert status == 0 and {"openat", "write", "fsync", "rename", "unlink"} <= {call for call, _ in found}
    for call, number in draw.sample(found, SAMPLE) if draw else found:
        out = anew(place / f"{call}-{number}")
        status, _, _ = traced(forks, out, stop, "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}")
        assert status == -signal.SIGKILL, (call, number)
        newest = max((path.name for path in out.glob("checkpoint-*")), default="checkpoint-00000-0000000.safetensors")
        started, *_, last = finished(out)
        assert isinstance(started, Started) and not started.notes, (call, number)
        assert newest == f"checkpoint-{started.epoch:05d}-{started.step:07d}.safetensors", (call, number)
        assert isinstance(last, Finished) and runs.ended(out) == expected, (call, number)
        assert not list(out.glob(".*.part")), (call, number)
        shutil.rmtree(out)


def test_a_kill_at_a_system_call_of_the_saver_loses_nothing(tmp_path, forks, begun):
    killed_at(forks, tmp_path, begun, "started", CALLS, random.Random(1))


@pytest.mark.slow
def test_a_kill_at_every_system_call_of_the_saver_loses_nothing(tmp_path, forks, begun):
    killed_at(forks, tmp_path, begun, "started", "%file,%desc")


@pytest.mark.slow
def test_a_kill_at_every_system_call_that_changes_a_fresh_folder_loses_nothing(tmp_path, forks, begun):
    killed_at(forks, tmp_path, begun, "start", CALLS)


FAULTS = {"write": ("ENOSPC", "No space left on device"), "fsync": ("EIO", "Input/output error"), "rename": ("EIO", "Input/output error"),
          "unlink": ("EIO", "Input/output error"), "openat": ("ENOSPC", "No space left on device")}  # fmt: skip


def failed_at(forks, place, begun, draw=None):
    """Let each of the calls fail; the run ends in a sentence, and goes on to the same bits."""
    source, expected = begun
    shutil.copytree(source, place / "counted")
    _, _, calls = traced(forks, place / "counted", "started", "-e", f"trace={','.join(FAULTS)}")
    spared = ("O_RDONLY", "log.png")  # a picture that cannot be drawn is no reason to stop
    found = instants([line.replace(str(place), "") if any(sign in line for sign in spared) else line for line in calls], place)
    for call, number in draw.sample(found, SAMPLE) if draw else found:
        error, words = FAULTS[call]
        out = shutil.copytree(source, place / f"{call}-{number}")
        what = f"inject={call}:error={error}:when={number}"
        status, said, _ = traced(forks, out, "started", "-e", f"trace={call}", "-e", what)
        assert status == 2 and "Traceback" not in said, (call, number, said)
        assert re.search(rf"hubel: .*{re.escape(str(out))}.*{words}.*", said), (call, number, said)
        assert finished(out)[0].notes == () and runs.ended(out) == expected, (call, number)
        shutil.rmtree(out)


def test_a_disk_that_fails_ends_the_run_in_a_sentence_and_loses_nothing(tmp_path, forks, begun):
    failed_at(forks, tmp_path, begun, random.Random(2))


@pytest.mark.slow
def test_a_disk_that_fails_at_any_call_ends_the_run_in_a_sentence_and_loses_nothing(tmp_path, forks, begun):
    failed_at(forks, tmp_path, begun)


@pytest.mark.parametrize("room", [pytest.param("4k", marks=pytest.mark.slow), "20k"])  # for recipe.json alone, and for some checkpoints
def test_a_full_disk_ends_the_run_in_a_sentence_and_it_goes_on_when_there_is_room(tmp_path, forks, begun, room):
    (tmp_path / "full").mkdir()
    copy = tmp_path / "copy"
    status, said = forks.run(out=tmp_path / "full", recipe=RECIPE, save_every=0.0, room=room, copy=copy)
    if status and said.startswith("no "):
        pytest.skip(said)
    assert "statuses: 2 0" in said and "Traceback" not in said, said
    assert re.search(r"hubel: .* cannot be written: No space left on device. What was saved before is whole: make room", said)
    assert runs.ended(copy) == begun[1]
