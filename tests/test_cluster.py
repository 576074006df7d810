"""Several processes train and test as one would: here they meet as torchrun's do, through gloo on the loopback."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.distributed import HashStore

import ranks
import runs
from hubel.cluster import ALONE, Ranks, attempt, joined
from hubel.errors import RunError
from hubel.nets import NETS
from hubel.pictures.pixels import Pixels
from hubel.training import largest
from hubel.training.loop import Job
from hubel.training.probe import Way
from hubel.training.recipe import Recipe

PLAIN = "Conv(4, 3, pad=1) >> ReLU() >> MaxPool(2) >> Conv(6, 3) >> ReLU() >> FC(3)"
NORMED = "Conv(4, 3, pad=1, bias=False) >> BatchNorm() >> ReLU() >> MaxPool(2) >> FC(3)"
HEADED = "Chain(a=Conv(4, 3, pad=1) >> ReLU(), head=Head(GlobalAvgPool() >> FC(3), 0.3), b=MaxPool(2) >> FC(3))"
EXACT = replace(runs.RECIPE, epochs=4)


@pytest.fixture(scope="module")
def pair():
    processes = ranks.Processes(2)
    yield processes
    processes.end()


def both(pair, net=PLAIN, recipe=EXACT, leave_after=None, out=(None, None), **data):
    """What each of two processes heard, and the weights, which must be the same bits in both."""
    (first, weights), (second, others) = pair.do(ranks.train, net, recipe, data, leave_after, each=out)
    assert first == second
    assert all(np.array_equal(weights[name], others[name]) for name in weights)
    return first, weights


def alone(net=PLAIN, recipe=EXACT, **data):
    return ranks.train(net, recipe, data, None, None)


def furthest(these, those):
    """The largest difference of weights, as a share of the largest weight of each tensor."""
    return max(float(np.abs(these[name] - those[name]).max() / np.abs(those[name]).max()) for name in those)


@pytest.mark.parametrize("count", [90, 86], ids=["even", "uneven last batches"])
def test_after_100_steps_the_weights_are_those_of_one_process(pair, count):
    recipe = replace(EXACT, epochs=20)
    heard, weights = both(pair, recipe=recipe, count=count)
    expected, expected_weights = alone(recipe=recipe, count=count)
    steps = [record for record in heard if len(record) == 4 and isinstance(record[0], int)]
    assert len(steps) == 100
    assert steps == [record for record in expected if len(record) == 4 and isinstance(record[0], int)]  # order, pictures, rates
    assert furthest(weights, expected_weights) < 1e-6


@pytest.mark.parametrize(
    "changes",
    [
        {"accumulate": 2, "clip": 0.5},
        {"class_weights": "balanced", "label_smoothing": 0.1},
        {"batch": 1},
        {"ema": 0.9, "optimiser": "adamw"},
    ],
    ids=str,
)
def test_whatever_the_recipe_says_the_steps_are_those_of_one_process(pair, changes):
    recipe = replace(EXACT, epochs=1, **changes)
    (heard, weights), (expected, expected_weights) = both(pair, recipe=recipe, count=31), alone(recipe=recipe, count=31)
    assert heard[:-1] == expected[:-1]  # the steps: their pictures and rates
    assert heard[-1] == pytest.approx(expected[-1], abs=1e-5)
    assert furthest(weights, expected_weights) < 2e-6


def test_the_heads_of_training_count_as_in_one_process(pair):
    assert furthest(both(pair, HEADED)[1], alone(HEADED)[1]) < 2e-6


def test_synchronised_batch_norm_sees_the_whole_batch(pair):
    (heard, weights), (expected, expected_weights) = both(pair, NORMED), alone(NORMED)
    assert furthest(weights, expected_weights) < 1e-5
    assert heard[-1] == pytest.approx(expected[-1], abs=1e-5)


def test_batch_norm_may_see_each_process_s_own_part_instead(pair):
    _, weights = both(pair, NORMED, replace(EXACT, sync_batch_norm=False))
    assert furthest(weights, alone(NORMED)[1]) > 1e-4


def test_a_run_that_is_left_and_gone_on_with_ends_in_the_same_bits(pair, tmp_path):
    net = "Conv(4, 3, pad=1, bias=False) >> BatchNorm() >> ReLU() >> MaxPool(2) >> Dropout(0.2) >> FC(3)"
    recipe = replace(EXACT, ema=0.9, sync_batch_norm=False)
    whole = [tmp_path / "whole", tmp_path / "second's whole"]
    left = [tmp_path / "left", tmp_path / "second's left"]
    both(pair, net, recipe, out=whole)
    for leave_after in (3, 5, 1):
        pair.do(ranks.train, net, recipe, {}, leave_after, each=left)
    heard, _ = both(pair, net, recipe, out=left)
    assert heard[0] == ("started", 1, 4)
    assert runs.ended(left[0]) == runs.ended(whole[0])
    assert not whole[1].exists() and not left[1].exists()  # the first alone writes


@pytest.mark.slow
def test_three_processes_add_up_in_the_same_order_after_a_restart(tmp_path):
    """Of two numbers every order of adding is one; torch would order the gradients of three otherwise in a run's first step."""
    three, recipe = ranks.Processes(3), replace(EXACT, sync_batch_norm=False)
    try:
        outs = {name: [tmp_path / name, tmp_path / f"second's {name}", tmp_path / f"third's {name}"] for name in ("whole", "left")}
        three.do(ranks.train, NORMED, recipe, {}, None, each=outs["whole"])
        for leave_after in (3, 5, None):
            three.do(ranks.train, NORMED, recipe, {}, leave_after, each=outs["left"])
    finally:
        three.end()
    assert runs.ended(tmp_path / "left") == runs.ended(tmp_path / "whole")


@pytest.mark.parametrize("count", [1300, 90], ids=["batches for each", "fewer batches than processes"])
def test_shared_out_a_test_gives_the_same_bits(pair, count):
    scores, labels = ranks.score(count)
    for found, theirs in pair.do(ranks.score, count):
        assert np.array_equal(found, scores) and np.array_equal(theirs, labels)


def test_a_batch_is_dealt_out_whole_and_once():
    numbers = torch.randperm(100)
    parts = [Ranks(rank, 3).part(numbers) for rank in range(3)]
    assert torch.equal(torch.cat(parts), numbers) and {len(part) for part in parts} == {33, 34}
    assert [len(Ranks(rank, 3).part(torch.arange(2))) for rank in range(3)] == [1, 1, 0]


def test_of_pictures_in_shards_each_process_gets_those_of_few():
    class Sharded:
        runs = [50] * 4

        def __len__(self):
            return 200

    job = Job(Recipe(batch=40), Pixels(1, 8, 8), Sharded(), Sharded(), Ranks(1, 2))
    own, seen = [], []
    for numbers in job.numbers(0):
        seen.append(numbers)
        own.append(job.own(numbers))
    assert {len(part) for part in own} == {20}
    shards = (torch.cat(own) // 50).bincount(minlength=4)
    assert shards[:2].sum() < 0.1 * shards[2:].sum()  # the later half, but for what makes the parts equal


def test_synchronised_batch_norm_is_torch_s_over_everybody_s_pictures(pair):
    draw = torch.Generator().manual_seed(0)
    x, dy = torch.randn(9, 3, 4, 5, generator=draw) * 3 + 2, torch.randn(9, 3, 4, 5, generator=draw)
    for cut in (4, 9):  # once the second process has nothing
        x.requires_grad_(True)
        x.grad = None
        plain = ranks.normed(3)
        y = plain(x)
        y.backward(dy)
        found = pair.do(ranks.normalise, each=[(x[:cut].detach(), dy[:cut]), (x[cut:].detach(), dy[cut:])])
        for number, expected in enumerate((y.detach(), x.grad)):
            torch.testing.assert_close(torch.cat([some[number] for some in found]), expected, rtol=1e-5, atol=1e-5)
        for number, expected in ((2, plain.weight.grad), (3, plain.bias.grad)):
            torch.testing.assert_close(found[0][number] + found[1][number], expected, rtol=1e-5, atol=1e-5)
        for some in found:
            torch.testing.assert_close(some[4], plain.running_mean)
            torch.testing.assert_close(some[5], plain.running_var)


def test_what_torchrun_would_have_said_is_missing_by_name(monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for size in ("2", "two"):
        monkeypatch.setenv("WORLD_SIZE", size)
        with pytest.raises(RunError, match="RANK is not set, .*MASTER_ADDR is not set. Start with torchrun"), joined():
            pass


def test_an_attempt_to_meet_has_a_name_of_its_own_though_the_last_one_left_its_own_in_the_store():
    store = HashStore()
    names = []
    for _ in range(3):
        with ThreadPoolExecutor() as threads:
            late = [threads.submit(attempt, store, rank, 3) for rank in (2, 1)]  # they find what the last attempt offered
            time.sleep(0.1)
            found = {attempt(store, 0, 3), *(one.result() for one in late)}
        assert len(found) == 1
        names += found
    assert len(set(names)) == 3


def test_lanes_are_refused_where_processes_share_a_batch(pair):
    with pytest.raises(AssertionError, match="lanes=2, but here processes share each batch"):
        pair.do(ranks.train, PLAIN, replace(EXACT, lanes=2), {}, None, each=(None, None))


@pytest.mark.parametrize("elsewhere", [12e9, 40e9])
def test_a_batch_that_is_chosen_fills_the_smaller_machine_s_memory_with_the_parts_of_its_processes(pair, monkeypatch, elsewhere):
    least = min(12e9, elsewhere)
    monkeypatch.setattr(largest, "free_memory", lambda: least / 2)  # for one of the two that stand on a machine
    row, job = NETS["vgg16"], SimpleNamespace(recipe=Recipe(batch=0), train=ranks.Pictures(10**7), ranks=ALONE)
    part = largest.settled(row.net(), row.input, job, [Way(1, 1, "fp32")]).batch
    assert pair.do(ranks.batch, "vgg16", each=[12e9, elsewhere]) == [2 * part] * 2


def test_a_batch_of_fewer_pictures_than_processes_is_timed_on_one_each(pair):
    heard, _ = both(pair, recipe=replace(EXACT, epochs=1, batch=1, precision="auto", threads=0, lanes=0), count=12)
    assert [step[:3] for step in heard[1:-1]] == [(1, step, 1) for step in range(1, 10)]


def test_a_module_of_which_a_step_leaves_weights_unused_is_refused_by_their_names(pair):
    with pytest.raises(AssertionError, match="of this one it does not use spare.weight, spare.bias. Take them out"):
        pair.do(ranks.train, ranks.Spare(), EXACT, {}, None, each=(None, None))


# --- with torchrun itself ---

FLAGS = (
    "--input",
    "1x8x8",
    "--batch",
    8,
    "--shift",
    0.2,
    "--flip",
    "--ema",
    0.9,
    "--precision",
    "fp32",
    "--threads",
    1,
    "--validation",
    0.2,
)
NET = "Conv(4, 3, pad=1, bias=False) >> BatchNorm() >> ReLU() >> MaxPool(2) >> Dropout(0.2) >> FC(3)"


MARK = "HUBEL_TEST_RUN"


def torchrun(*words, mark="", options=()):
    """Two processes under torchrun; the mark is in the environment of every process that comes of it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meeting = ("--nproc-per-node", "2", "--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}", "--monitor-interval", "0.1")
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", *meeting, *options, "-m", "hubel", *map(str, words)],
        env={**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1", MARK: str(mark)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def members(mark):
    """The processes with that mark that are alive, by their rank, or their number where they have none."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            entries = dict(entry.partition("=")[::2] for entry in (path / "environ").read_text().split("\0"))
            if entries.get(MARK) == str(mark) and (path / "stat").read_text().rsplit(")")[-1].split()[0] != "Z":
                found[entries.get("RANK", path.name)] = int(path.name)
    return found


def gone(mark, seconds=30):
    """Whether all of them are gone before long."""
    until = time.monotonic() + seconds
    while members(mark) and time.monotonic() < until:
        time.sleep(0.1)
    return not members(mark)


def test_when_a_process_is_killed_all_start_again_and_end_in_the_same_bits(pair, tmp_path):
    pictures = runs.folder(tmp_path / "pictures", 240)
    command = ("train", NET, pictures, *FLAGS, "--epochs", 24)
    assert pair.do(ranks.command, (*command, "--out", tmp_path / "whole")) == [0, 0]
    with torchrun(*command, "--out", tmp_path / "killed", mark=tmp_path, options=("--max-restarts", "1")) as killed:
        next(line for line in killed.stdout if line.startswith("epoch  8/24"))
        os.kill(members(tmp_path)["1"], signal.SIGKILL)
        said = killed.stdout.read()
    assert killed.returncode == 0 and "Going on in epoch" in said and gone(tmp_path)
    assert runs.ended(tmp_path / "killed") == runs.ended(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_torchrun_saves_once_and_leaves_nothing_behind(tmp_path, number):
    pictures = runs.folder(tmp_path / "pictures", 240)
    command = ("train", NET, pictures, *FLAGS, "--epochs", 24, "--out", tmp_path / "run")
    with torchrun(*command, mark=tmp_path) as process:
        next(line for line in process.stdout if line.startswith("epoch  8/24"))
        os.kill(process.pid, number)
        said = process.stdout.read()
    assert "Stopped in epoch" in said and "hubel: " not in said and gone(tmp_path)
    with torchrun(*command) as again:
        said = again.communicate()[0]
    assert "Going on in epoch" in said
    with torchrun(*command[:-1], tmp_path / "whole") as whole:
        whole.communicate()
    assert runs.ended(tmp_path / "run") == runs.ended(tmp_path / "whole")


@pytest.mark.slow
def test_when_torchrun_itself_is_killed_its_processes_save_and_end(tmp_path):
    pictures = runs.folder(tmp_path / "pictures", 240)
    with torchrun("train", NET, pictures, *FLAGS, "--epochs", 5000, "--out", tmp_path / "run", mark=tmp_path) as process:
        next(line for line in process.stdout if line.startswith("epoch"))
        process.kill()
        assert "Stopped in epoch" in process.stdout.read()
    assert gone(tmp_path)


def printed(said):
    """The JSON among what a command said."""
    start = re.search(r"^(\[\{|\{$)", said, re.MULTILINE).start()
    return json.JSONDecoder().raw_decode(said[start:])[0]


@pytest.mark.slow
def test_tests_and_predictions_are_shared_out_and_said_as_one_process_says_them(tmp_path):
    pictures = runs.folder(tmp_path / "pictures", 30)
    list(runs.train(tmp_path / "run", data=pictures))
    (pictures / "a" / "000.png").write_bytes(b"not a picture")
    for words in (("test", tmp_path / "run", pictures, "--json"), ("predict", tmp_path / "run", pictures, "--json")):
        with torchrun(*words) as shared, runs.hubel_process(*words) as one:
            together, apart = shared.communicate()[0], one.communicate()[0]
        assert together.count("000.png") == apart.count("000.png") > 0
        assert printed(together) == printed(apart)


def host(number, name):
    """A machine of its own: a network namespace that reaches the others over a bridge."""
    commands = f"""
        ip netns add {name}
        ip link add {name} type veth peer name eth0 netns {name}
        ip link set {name} master hubel-bridge up
        ip -n {name} addr add 10.87.65.{number}/24 dev eth0
        ip -n {name} link set eth0 up
        ip -n {name} link set lo up"""
    for command in commands.strip().splitlines():
        subprocess.run(command.split(), check=True, capture_output=True)


@pytest.fixture
def hosts():
    """Two machines that meet in a network of their own."""
    names = [f"hubel{os.getpid()}-{number}" for number in (1, 2)]
    try:
        subprocess.run("ip link add hubel-bridge type bridge".split(), check=True, capture_output=True)
        subprocess.run("ip link set hubel-bridge up".split(), check=True, capture_output=True)
        for number, name in enumerate(names):
            host(number + 1, name)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"network namespaces cannot be made here: {error}")
    else:
        yield names
    finally:
        for words in (f"ip netns del {names[0]}", f"ip netns del {names[1]}", "ip link del hubel-bridge"):
            with suppress(OSError):
                subprocess.run(words.split(), capture_output=True)


def on(number, name, *words, mark):
    """torchrun on one of two machines, which meet on the first: their names say nothing of their addresses, so these are said."""
    meeting = ["--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d", "--rdzv-endpoint", "10.87.65.1:29500"]
    meeting += ["--rdzv-conf", f"is_host={int(number == 1)}", "--local-addr", f"10.87.65.{number}", "--max-restarts", "1"]
    return subprocess.Popen(
        ["ip", "netns", "exec", name, sys.executable, "-m", "torch.distributed.run", *meeting, "-m", "hubel", *map(str, words)],
        env={**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "eth0", MARK: str(mark)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.mark.slow
def test_two_machines_train_as_two_processes_of_one_and_survive_a_kill(pair, hosts, tmp_path):
    pictures = runs.folder(tmp_path / "pictures", 240)
    command = ("train", NET, pictures, *FLAGS, "--epochs", 24)
    assert pair.do(ranks.command, (*command, "--out", tmp_path / "whole")) == [0, 0]
    command = (*command, "--out", tmp_path / "killed")
    lines = SimpleQueue()
    with on(1, hosts[0], *command, mark=tmp_path) as one, on(2, hosts[1], *command, mark=tmp_path) as two:
        for machine in (one, two):  # either may be the first
            threading.Thread(target=lambda output: [lines.put(line) for line in output], args=(machine.stdout,), daemon=True).start()
        while not lines.get(timeout=120).startswith("epoch  8/24"):
            pass
        os.kill(members(tmp_path)["1"], signal.SIGKILL)
        one.wait()
        two.wait()
    assert (one.returncode, two.returncode) == (0, 0)
    assert gone(tmp_path)
    assert runs.ended(tmp_path / "killed") == runs.ended(tmp_path / "whole")
