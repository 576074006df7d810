"""A pool of processes: results in the order of their tasks, and a task that kills or stops its process costs itself alone."""

import gc
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jobs
from hubel.errors import HubelError, PictureError
from hubel.pictures.pool import TOGETHER, Died, Pool

SQUARES = Pool(jobs.square, 2)


@pytest.fixture
def obeying():
    with Pool(jobs.obey, 2, patience=2.0) as pool:
        yield pool


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-(10**6), 10**6), max_size=120), st.integers(1, 200))
def test_results_come_in_the_order_of_their_tasks_however_few_may_be_begun(tasks, ahead):
    assert list(SQUARES.results(iter(tasks), ahead)) == [task * task for task in tasks]


@pytest.mark.parametrize("ahead", [1, 3, 20])
def test_no_more_tasks_are_begun_than_may_be(ahead):
    begun = itertools.count()
    latest = -1

    def tasks():
        nonlocal latest
        for latest in begun:
            if latest == 200:
                return
            yield latest

    for taken, _ in enumerate(SQUARES.results(tasks(), ahead)):
        assert latest <= taken + ahead
    assert taken == 199


@pytest.mark.parametrize(("order", "said"), [("crash", "SIGSEGV"), ("leave", "status 3"), ("sleep", "2 seconds"), ("halt", "2 seconds")])
def test_a_task_that_ends_or_stops_its_process_is_named_and_all_others_are_done(obeying, order, said):
    tasks = [1, 2, order, 3, 4, 5, 6, order, 7, 8]
    found = list(obeying.results(tasks))
    assert [result for result in found if not isinstance(result, Died)] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [i for i, result in enumerate(found) if isinstance(result, Died) and said in result.reason] == [2, 7]


def test_a_process_that_something_else_killed_costs_nothing(tmp_path):
    with Pool(jobs.once, 1) as pool:
        assert list(pool.results([str(tmp_path / "a"), str(tmp_path / "b")])) == [str(tmp_path / "a"), str(tmp_path / "b")]


def test_processes_killed_at_any_time_cost_nothing():
    with Pool(jobs.square, 2) as pool:
        stop = threading.Event()

        def kill():
            while not stop.wait(0.5):  # time enough for one task more than the one that it died over
                if pool.workers[0].ready:
                    os.kill(pool.workers[0].process.pid, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            assert list(pool.results(range(40000))) == [i * i for i in range(40000)]
        finally:
            stop.set()
            killer.join()


def test_an_error_of_the_work_is_raised_where_results_are_taken(obeying):
    results = obeying.results([1, "fail", 2])
    assert next(results) == 1
    with pytest.raises(PictureError, match="as told"):
        next(results)
    assert list(obeying.results([3])) == [3]


def test_an_error_of_whoever_makes_the_tasks_is_raised_after_the_results_before_it(obeying):
    def tasks():
        yield 1
        raise ValueError("no more")

    results = obeying.results(tasks())
    assert next(results) == 1
    with pytest.raises(ValueError, match="no more"):
        next(results)


def test_whoever_stops_taking_results_can_begin_again(obeying):
    results = obeying.results(itertools.count())
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    results.close()
    assert list(obeying.results([7, 8])) == [7, 8]


def test_results_can_be_left_while_a_task_does_not_end():
    with Pool(jobs.obey, 1, patience=1000) as pool:
        results = pool.results([1] * TOGETHER + ["sleep"])
        assert next(results) == 1
        results.close()
        assert list(pool.results([2, 3])) == [2, 3]


def test_a_pool_that_is_closed_leaves_no_process_behind():
    pool = Pool(jobs.square, 3)
    processes = [worker.process for worker in pool.workers]
    assert next(pool.results([2])) == 4
    gc.collect()
    pool.close()
    assert all(process.poll() is not None for process in processes)


def test_work_that_cannot_be_imported_there_is_an_error_and_no_endless_wait():
    def here(task):
        return task

    with pytest.raises(AttributeError, match="here"):
        Pool(here, 1)
    with Pool(jobs.square, 1) as pool:
        pool.close()
        pool.beginning = pool.beginning.replace(b"jobs", b"sboj")
        with pytest.raises(HubelError, match="did not start"):
            list(pool.results([1]))


def test_processes_that_decode_load_no_large_package():
    with Pool(jobs.loaded, 1) as pool:
        assert list(pool.results([0])) == [[]]


SCRIPT = """
import sys, time
from hubel.pictures.pool import Pool
import jobs

pool = Pool(jobs.obey, 2)
print(*pool.results([1, 2]), flush=True)
print(*(worker.process.pid for worker in pool.workers), flush=True)
next(pool.results(["sleep"]))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_outlives_the_one_that_it_worked_for(tmp_path, how):
    """Also without `if __name__ == "__main__"` in the script that made the pool; those at work end when their work or patience does."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout.readline().split() == ["1", "2"]
    pids = [int(pid) for pid in process.stdout.readline().split()]
    process.send_signal(how)
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 20
    while sum(map(alive, pids)) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    left = [pid for pid in pids if alive(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert len(left) <= 1  # the one that sleeps has an alarm set


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False
