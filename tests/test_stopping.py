"""SIGTERM and Ctrl-C wherever they come: what is whole is saved at once, whatever is being waited for."""

import asyncio
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.backends import cudnn

import runs
from hubel import weights
from hubel.chance import order
from hubel.cli import main
from hubel.errors import RunError
from hubel.evaluation import scored
from hubel.pictures.batches import shuffled
from hubel.pictures.held import Pictures
from hubel.training import loop, run
from hubel.training.averaging import Average
from hubel.training.guard import Guard
from hubel.training.lanes import Lanes
from hubel.training.records import Epoch, Finished, Started, Step, Stopped


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    list(runs.train(out))
    return runs.ended(out)


def terminated():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0)  # where Python hears it


def saved_at(out, position):
    """Wait until there is a checkpoint of that (epoch, step); all that there are."""
    late = time.monotonic() + 20
    while position not in saved(out):
        assert time.monotonic() < late, saved(out)
        time.sleep(0.01)
    return saved(out)


def saved(out):
    """(epoch, step) of every checkpoint that is there and whole."""
    found = [weights.read(path)[1] for path in sorted(out.glob("checkpoint-*"))]
    return [(says["epoch"], says["step"]) for says in found]


def test_validation_is_left_between_two_batches_and_done_again_to_the_same_bits(tmp_path, monkeypatch, whole):
    looked_at = []

    def interrupted(network, pictures, pixels, precision, told, ranks):
        def heard(done, count):
            looked_at.append((done, count))
            if len(looked_at) == 3:  # in the second epoch
                terminated()
            told(done, count)

        monkeypatch.setattr("hubel.evaluation.scoring.BATCH", 10)
        return scored(network, pictures, pixels, precision, heard, ranks)

    monkeypatch.setattr(loop, "scored", interrupted)
    last = list(runs.train(tmp_path))[-1]
    assert looked_at == [(10, 18), (18, 18), (10, 18)]  # and no further
    assert isinstance(last, Stopped) and (last.epoch, last.step) == (2, 5)
    assert saved(tmp_path)[-1] == (1, 5)
    monkeypatch.undo()
    started, *others = runs.train(tmp_path)
    assert (started.epoch, started.step) == (1, 5) and isinstance(others[0], Epoch) and others[0].epoch == 2
    assert runs.ended(tmp_path) == whole


def test_a_signal_while_a_batch_is_waited_for_saves_before_it_comes(tmp_path, monkeypatch, whole):
    dealt, seen = Pictures.dealt, []

    def stalled(self, numbers, epoch=None):
        for count, batch in enumerate(dealt(self, numbers, epoch)):
            if (epoch, count) == (1, 2):
                terminated()
                seen.extend(saved_at(tmp_path, (1, 2)))
            yield batch

    monkeypatch.setattr(Pictures, "dealt", stalled)
    last = list(runs.train(tmp_path))[-1]
    assert seen == [(1, 0), (1, 2)] and isinstance(last, Stopped) and (last.epoch, last.step) == (2, 3)
    monkeypatch.undo()
    assert isinstance(list(runs.train(tmp_path))[-1], Finished)
    assert runs.ended(tmp_path) == whole


def test_a_signal_while_a_record_is_looked_at_saves_at_once(tmp_path):
    for record in runs.train(tmp_path):
        if isinstance(record, Step) and (record.epoch, record.step) == (1, 3):
            terminated()
            assert saved_at(tmp_path, (0, 3)) == [(0, 3)]
    assert isinstance(record, Stopped) and (record.epoch, record.step) == (1, 3)


def test_a_signal_within_a_step_saves_what_was_before_it_while_python_hears_nothing(tmp_path, monkeypatch):
    """Forward and backward are over, so batch norm's statistics are new, and a single long operation goes on."""
    net = "Conv(4, 3, pad=1, bias=False) >> BatchNorm() >> ReLU() >> MaxPool(2) >> FC(3)"
    list(runs.train(tmp_path / "whole", net))
    real, calls, seen = Lanes.run, [], []
    matrix = torch.rand(1024, 1024) / 512

    def long(self, part, batch):
        calls.append(real(self, part, batch))
        if len(calls) == 8:
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
            torch.linalg.matrix_power(matrix, 2**60)
            seen.extend(saved(tmp_path / "run"))
            shutil.copytree(tmp_path / "run", tmp_path / "killed")
        return calls[-1]

    monkeypatch.setattr(Lanes, "run", long)
    last = list(runs.train(tmp_path / "run", net))[-1]
    assert seen == [(1, 0), (1, 2)] and isinstance(last, Stopped) and (last.epoch, last.step) == (2, 3)
    monkeypatch.undo()
    for out in ("killed", "run"):
        started = next(going := runs.train(tmp_path / out, net))
        assert (started.epoch, started.step) == ((1, 2) if out == "killed" else (1, 3))
        assert isinstance(list(going)[-1], Finished)
        assert runs.ended(tmp_path / out) == runs.ended(tmp_path / "whole")


def test_what_is_saved_within_a_step_has_a_shared_module_as_it_was_under_all_its_names(tmp_path, monkeypatch):
    torch.manual_seed(0)
    net, real, calls = runs.Twice(), Lanes.run, []
    list(runs.train(tmp_path / "whole", net))

    def interrupted(self, part, batch):
        calls.append(real(self, part, batch))
        if len(calls) == 8:
            terminated()
            saved_at(tmp_path / "run", (1, 2))
            shutil.copytree(tmp_path / "run", tmp_path / "killed")
        return calls[-1]

    monkeypatch.setattr(Lanes, "run", interrupted)
    list(runs.train(tmp_path / "run", net))
    monkeypatch.undo()
    list(runs.train(tmp_path / "killed", net))
    assert runs.ended(tmp_path / "killed") == runs.ended(tmp_path / "whole")


def test_a_child_that_outlives_training_holds_up_nothing_and_hears_signals_as_before(tmp_path):
    context, before = multiprocessing.get_context("fork"), signal.getsignal(signal.SIGTERM)
    child = context.Process(target=time.sleep, args=(600,))
    for record in runs.train(tmp_path):
        if isinstance(record, Started):
            child.start()
    assert isinstance(record, Finished) and signal.getsignal(signal.SIGTERM) is before
    child.terminate()
    child.join(10)
    assert child.exitcode == -signal.SIGTERM


def test_the_lock_goes_with_its_process_though_that_has_forked(tmp_path):
    words = f"""
import os, signal, subprocess, sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
import runs
for record in runs.train({str(tmp_path)!r}):
    if not os.fork():
        time.sleep(600)
    print("going", flush=True)
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", words], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout.readline() == b"going\n"
        process.kill()  # its child lives on
        process.wait()
        assert isinstance(next(runs.train(tmp_path)), Started)
        os.killpg(process.pid, signal.SIGKILL)


def test_several_runs_side_by_side_all_hear_and_none_takes_another_s_ear(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    one, other = runs.train(tmp_path / "one", recipe=replace(runs.RECIPE, epochs=1)), runs.train(tmp_path / "other")
    next(other)
    assert isinstance(list(one)[-1], Finished)
    third = runs.train(tmp_path / "third")
    next(third)
    terminated()
    assert isinstance(list(other)[-1], Stopped) and isinstance(list(third)[-1], Stopped)
    assert signal.getsignal(signal.SIGTERM) is before and signal.set_wakeup_fd(-1) == -1


def test_a_run_that_was_stopped_and_still_stands_leaves_the_next_one_its_ears(tmp_path):
    one = runs.train(tmp_path / "one")
    next(one)
    terminated()
    assert isinstance(next(one), Stopped)
    for record in runs.train(tmp_path / "other"):
        if isinstance(record, Step) and record.step == 2:
            terminated()
            saved_at(tmp_path / "other", (0, 2))
    assert isinstance(record, Stopped) and not list(one)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL and signal.set_wakeup_fd(-1) == -1


def test_a_forked_child_ends_quietly_and_may_train_too(tmp_path):
    words = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import runs
from hubel.training.records import Step
for record in runs.train({str(tmp_path / "parent")!r}):
    if isinstance(record, Step) and record.epoch == record.step == 1:
        if not os.fork():
            print(type(list(runs.train({str(tmp_path / "child")!r}))[-1]).__name__, flush=True)
            sys.exit(0)
        os.wait()
"""
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Finished\n", "")
    assert runs.ended(tmp_path / "parent") == runs.ended(tmp_path / "child")


class Drifting(nn.Module):
    """Moves a weight of its own while it computes, as no optimiser would hear of."""

    def __init__(self):
        super().__init__()
        self.centre, self.out = nn.Parameter(torch.zeros(64), requires_grad=False), nn.Linear(64, 3)

    def forward(self, x):
        if self.training:
            self.centre.data = 0.9 * self.centre.data + 0.1 * x.detach().flatten(1).mean(0)
        return self.out(x.flatten(1) - self.centre)


def test_a_module_that_moves_its_own_weights_is_not_saved_within_a_step(tmp_path, monkeypatch):
    torch.manual_seed(0)
    net, real, calls = Drifting(), Lanes.run, []
    list(runs.train(tmp_path / "whole", net))

    def interrupted(self, part, batch):
        calls.append(real(self, part, batch))
        if len(calls) == 8:
            terminated()
            time.sleep(3 * run.PATIENCE)
            assert (1, 2) not in saved(tmp_path / "run")
        return calls[-1]

    monkeypatch.setattr(Lanes, "run", interrupted)
    assert isinstance(list(runs.train(tmp_path / "run", net))[-1], Stopped)
    monkeypatch.undo()
    list(runs.train(tmp_path / "run", net))
    assert runs.ended(tmp_path / "run") == runs.ended(tmp_path / "whole")


def test_runs_that_overlap_all_have_deterministic_kernels_and_leave_the_setting_as_it_was(tmp_path):
    one, other = runs.train(tmp_path / "one"), runs.train(tmp_path / "other")
    next(one), next(other)
    one.close()
    assert cudnn.deterministic
    other.close()
    assert not cudnn.deterministic


def test_a_run_that_is_closed_in_another_thread_leaves_signals_to_the_next_one(tmp_path):
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append(True))
    try:
        going = runs.train(tmp_path)
        next(going)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(going.close).result()
        terminated()
        assert heard == [True]
        for record in runs.train(tmp_path):
            if isinstance(record, Step) and record.step == 2:
                terminated()
        assert isinstance(record, Stopped) and heard == [True] and signal.set_wakeup_fd(-1) == -1
        terminated()
        assert heard == [True, True]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_where_saving_meanwhile_fails_training_goes_on(tmp_path, monkeypatch):
    def full(place, state):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(run, "_save", full)
        for record in runs.train(tmp_path):
            if isinstance(record, Step) and (record.epoch, record.step) == (1, 3):
                terminated()
                time.sleep(3 * run.PATIENCE)
                patch.undo()
    assert isinstance(record, Stopped) and saved(tmp_path) == [(0, 3)]


@pytest.mark.parametrize("long", [True, False])
def test_before_a_long_validation_all_is_saved(tmp_path, monkeypatch, long):
    monkeypatch.setattr(run, "LONG", 0.0 if long else 1e9)
    for record in runs.train(tmp_path):
        if isinstance(record, Epoch) and record.epoch == 2:
            assert ((1, 5) in saved(tmp_path)) == long


def test_steps_after_one_that_was_not_finite_are_not_saved(tmp_path, monkeypatch):
    """On a GPU they are found out late."""
    monkeypatch.setattr(loop, "refuse_unless_finite", lambda *_: None)
    monkeypatch.setattr(run, "SAVE_EVERY", 0.0)
    watch, steps = Guard.watch, []

    def late(self, loss, step):
        steps.append(step)
        watch(self, loss * float("nan") if len(steps) == 3 else loss, step)

    monkeypatch.setattr(Guard, "watch", late)
    with pytest.raises(RunError, match="not finite in epoch 1, step 3; the step was not taken"):
        for record in runs.train(tmp_path):
            if isinstance(record, Step) and record.step == 4:
                terminated()
    assert saved(tmp_path) == [(0, 1), (0, 2)]


def test_a_signal_that_finds_the_state_moving_waits_for_it_and_not_for_ever(tmp_path, monkeypatch):
    moved = []

    def heard(self, step):
        moved.append(saved(tmp_path))
        if len(moved) == 3:
            terminated()
            time.sleep(3 * run.PATIENCE)
        moved.append(saved(tmp_path))

    monkeypatch.setattr(Average, "follow", heard)
    *_, last = runs.train(tmp_path, recipe=replace(runs.RECIPE, ema=0.9))
    assert isinstance(last, Stopped) and not any(moved) and saved(tmp_path) == [(0, last.step)]


def test_an_event_loop_around_training_hears_signals_too(tmp_path):
    async def trained():
        heard = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, heard.set)
        for record in runs.train(tmp_path):
            if isinstance(record, Step) and record.step == 2:
                os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.wait_for(heard.wait(), 10)

    asyncio.run(trained())
    assert signal.set_wakeup_fd(-1) == -1


def test_a_signal_before_the_first_step_takes_none(tmp_path, whole):
    kinds = []
    for record in runs.train(tmp_path):
        kinds.append(type(record))
        if isinstance(record, Started):
            terminated()
    assert kinds == [Started, Stopped] and saved(tmp_path) == [(0, 0)]
    list(runs.train(tmp_path))
    assert runs.ended(tmp_path) == whole


def test_a_signal_after_the_last_epoch_ends_a_run_that_is_finished(tmp_path):
    for record in runs.train(tmp_path):
        if isinstance(record, Epoch) and record.epoch == 3:
            terminated()
    assert isinstance(record, Finished)


def test_a_second_signal_ends_the_process_as_usual(tmp_path):
    going = runs.train(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        for record in going:
            if isinstance(record, Step):
                os.kill(os.getpid(), signal.SIGINT)
                saved_at(tmp_path, (0, 1))
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0)
    going.close()
    assert saved(tmp_path) == [(0, 1)]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("place", ["setup.prepared", "probe.settled"])
def test_a_signal_while_pictures_are_decoded_or_steps_are_timed_ends_in_a_line(tmp_path, monkeypatch, capsys, place):
    room, name = place.split(".")
    monkeypatch.setattr(getattr(run, room), name, lambda *_: terminated())
    words = ["train", "FC(3)", runs.folder(tmp_path / "pictures"), "--input", "1x8x8", "--out", tmp_path / "run"]
    before = signal.getsignal(signal.SIGTERM)
    assert main([str(word) for word in words]) == 130
    assert capsys.readouterr().err == "hubel: interrupted\n" and signal.getsignal(signal.SIGTERM) is before
    assert not list((tmp_path / "run").glob("checkpoint-*"))


def test_going_on_looks_at_no_more_pictures_and_draws_no_more_numbers_late_than_early(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "SAVE_EVERY", 0.0)
    recipe = replace(runs.RECIPE, epochs=9, schedule="cosine")
    dealt, drawn, costs = [], [], []
    real = Pictures.dealt

    def counted(self, numbers, epoch=None):
        for batch in real(self, numbers, epoch):
            dealt.append(len(batch))
            yield batch

    def drawing(count, *others):
        drawn.append(count)
        return order(count, *others)

    for position in ((1, 1), (9, 3)):
        going = runs.train(tmp_path, recipe=recipe)
        for record in going:
            if isinstance(record, Step) and (record.epoch, record.step) == position:
                going.close()
        with monkeypatch.context() as patch:
            patch.setattr(Pictures, "dealt", counted)
            patch.setattr("hubel.chance.order", drawing)
            del dealt[:], drawn[:]
            going = runs.train(tmp_path, recipe=recipe)
            started, step = next(going), next(going)
            assert isinstance(started, Started) and (step.epoch, step.step) == (position[0], position[1] + 1)
            costs.append((list(dealt), list(drawn)))
            going.close()
    assert (
        costs[0] == costs[1] and sum(costs[0][0]) <= 72 + 72 + 16
    )  # all once, for their mean and deviation; those that are looked at; and a batch


@pytest.mark.parametrize("runs_of", [(), (10,) * 12])
def test_an_epoch_begun_within_deals_the_rest_of_it(runs_of):
    everything = list(shuffled(120, 7, 3, 5, runs=runs_of))
    for start in range(len(everything) + 1):
        rest = list(shuffled(120, 7, 3, 5, start, runs_of))
        assert len(rest) == len(everything) - start
        assert all(torch.equal(one, other) for one, other in zip(rest, everything[start:]))
