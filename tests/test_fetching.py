"""Fetching against a real server: whatever a mirror does, the right file is there whole, or nothing is and a sentence says what to do."""

import hashlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hubel import fetching
from hubel.errors import FetchError, PictureError
from hubel.fetching import Digest, Patience, Remote, fetched
from hubel.pictures import names
from hubel.pictures.published.table import SETS, Named
from hubel.pictures.sources import open_source
from mirrors import Mirror

DATA = os.environ.get("HUBEL_TEST_DATA")
PATIENCE, SHORT = Patience(silence=5.0, pause=0.0), Patience(silence=0.5, pause=0.0)
NAME = "train-images-idx3-ubyte.gz"


@pytest.fixture(scope="module")
def content():
    """MNIST's real file where there is one, or as many bytes as make several reads."""
    return (Path(DATA) / "mnist" / NAME).read_bytes() if DATA else np.random.default_rng(0).bytes(3_000_000)


@pytest.fixture
def mirror(content, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Mirror({NAME: content}) as server:
        yield server


def remote(mirror, *manners, name=NAME):
    data = mirror.files[name]
    return Remote(
        name, len(data), Digest("sha256", hashlib.sha256(data).hexdigest()), tuple(mirror.url(manner) + name for manner in manners)
    )


def refusal(use, *arguments, **others):
    with pytest.raises((FetchError, PictureError)) as caught:
        use(*arguments, **others)
    text = str(caught.value)
    assert re.fullmatch(r"[^\n]+\.", text), text
    assert not re.search(r"[.!?] [A-Z]", text), text
    return text


def manners(mirror):
    return [manner for manner, _, _ in mirror.asked]


@pytest.mark.parametrize("manner", ["good", "moved", "unsaid"])
def test_a_file_is_fetched_whole_and_its_progress_told(mirror, tmp_path, content, manner):
    heard = []
    place = fetched(remote(mirror, manner), tmp_path, lambda *said: heard.append(said), PATIENCE)
    assert (place, place.read_bytes() == content) == (tmp_path / NAME, True)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    came = [done for what, done, count in heard if what == f"fetching {NAME}" and count == len(content)]
    assert came == sorted(came) and came[-1] == len(content)
    assert heard[-1] == (f"checking {NAME}", len(content), len(content))


def test_a_file_that_is_there_is_checked_and_not_fetched_again(mirror, tmp_path, content):
    (tmp_path / NAME).write_bytes(content)
    fetched(remote(mirror, "good"), tmp_path)
    assert mirror.asked == []
    (tmp_path / NAME).write_bytes(content[:-1])
    text = refusal(fetched, remote(mirror, "good"), tmp_path)
    assert "is not the file that is published" in text and "remove it" in text
    assert (tmp_path / NAME).read_bytes() == content[:-1]  # what a user put there is not ours to remove


BAD = {
    "missing": "answers 404",
    "wrong": "has another file: its SHA-256 is [0-9a-f]{64}, and not [0-9a-f]{64}",
    "short": "offers .* bytes instead of",
    "long": "offers .* bytes instead of",
    "endless": "sends more than its",
    "loop": "redirects in a loop",
    "away": "redirects in a loop, more than 5 times, or to what is no web page",
    "silent": "says nothing for 0.5 s, 3 times",
    "nothing": "breaks off",
}


@pytest.mark.parametrize("manner", BAD)
def test_a_bad_mirror_is_named_with_its_reason_and_nothing_is_left_under_the_name(mirror, tmp_path, content, manner):
    wanted = remote(mirror, manner)
    text = refusal(fetched, wanted, tmp_path, None, SHORT if manner == "silent" else PATIENCE)
    assert re.search(rf"\(127\.0\.0\.1:{mirror.server_port} {BAD[manner]}", text)
    assert f"take {NAME} ({wanted.digest}) from {mirror.url(manner)} by other means and put it into {tmp_path}." in text
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize("manner", BAD)
def test_after_a_bad_mirror_the_next_is_asked(mirror, tmp_path, content, manner):
    patience = SHORT if manner == "silent" else PATIENCE
    assert fetched(remote(mirror, manner, "good"), tmp_path, None, patience).read_bytes() == content
    assert manners(mirror)[-1] == "good"
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_server_that_is_not_there_is_passed_over(mirror, tmp_path, content):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/{NAME}"
    good = remote(mirror, "good")
    gone = Remote(good.name, good.size, good.digest, (nobody,))
    assert "cannot be reached: Connection refused" in refusal(fetched, gone, tmp_path, None, PATIENCE)
    both = Remote(good.name, good.size, good.digest, (nobody, *good.urls))
    assert fetched(both, tmp_path, None, PATIENCE).read_bytes() == content


def test_what_came_before_a_break_is_used_by_the_same_mirror_and_by_the_next(mirror, tmp_path, content):
    assert fetched(remote(mirror, "cut", "good"), tmp_path, None, PATIENCE).read_bytes() == content
    half = len(content) // 2
    ranges = [wanted for _, _, wanted in mirror.asked]
    assert manners(mirror) == ["cut"] * 3 + ["good"]
    assert ranges[:2] == [None, f"bytes={half}-"]
    starts = [int(wanted[6:-1]) for wanted in ranges[1:]]
    assert starts == sorted(set(starts))


@pytest.mark.parametrize("manner", ["norange", "otherpart"])
def test_a_mirror_that_does_not_know_ranges_or_sends_another_part_does_no_harm(mirror, tmp_path, content, manner):
    assert fetched(remote(mirror, "cut", manner, "good"), tmp_path, None, PATIENCE).read_bytes() == content


def test_a_part_of_another_file_is_thrown_away_and_the_file_fetched_from_its_start(mirror, tmp_path, content):
    for part in (bytes(1000), bytes(len(content)), bytes(len(content) + 5), b""):
        (tmp_path / f".{NAME}.part").write_bytes(part)
        assert fetched(remote(mirror, "good"), tmp_path, None, PATIENCE).read_bytes() == content
        (tmp_path / NAME).unlink()


def test_halves_of_two_different_files_are_not_taken_for_one(mirror, tmp_path, content):
    assert fetched(remote(mirror, "cutwrong", "good"), tmp_path, None, PATIENCE).read_bytes() == content


def test_a_mirror_that_trickles_is_given_up(mirror, tmp_path):
    assert "sends fewer than 1,000 bytes a second" in refusal(fetched, remote(mirror, "drip"), tmp_path, None, SHORT)


def test_a_disk_without_room_is_said_before_anything_is_fetched(mirror, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000})())
    text = refusal(fetched, remote(mirror, "good"), tmp_path, None, PATIENCE)
    assert "but only 1,000 are free" in text
    assert mirror.asked == []


# --- what publishers state of a file --------------------------------------------------------------------------------------

STATED = {"sha256": 64, "first of sha256": 8, "sha1": 40, "md5": 32}


def stated(mirror, kind, *manners):
    """The file as a publisher describes it who does not say its size, and of its bytes no more than `kind`."""
    algorithm = kind.split()[-1]
    digest = Digest(algorithm, hashlib.new(algorithm, mirror.files[NAME]).hexdigest()[: STATED[kind]])
    return Remote(NAME, None, digest, tuple(mirror.url(manner) + NAME for manner in manners))


@pytest.mark.parametrize("kind", STATED)
def test_a_file_is_held_against_whatever_digest_its_publisher_states(mirror, tmp_path, content, kind):
    wanted = stated(mirror, kind, "wrong", "cut", "good")
    assert fetched(wanted, tmp_path, None, PATIENCE).read_bytes() == content
    assert [wanted for _, _, wanted in mirror.asked][-1].startswith("bytes=")  # gone on with, though nobody said how long it is
    (tmp_path / NAME).unlink()
    text = refusal(fetched, stated(mirror, kind, "wrong"), tmp_path, None, PATIENCE)
    assert re.search(r"has another file: its (SHA-256|SHA-1|MD5) is \w+, and not " + wanted.digest.hex, text)
    assert f"({wanted.digest})" in text and (str(wanted.digest).endswith("...") == (kind == "first of sha256"))


@pytest.mark.parametrize("kind", ["first of sha256", "sha1", "md5", "nothing"])
def test_a_file_of_which_no_whole_sha256_is_published_must_stay_the_one_that_came_first(mirror, tmp_path, content, kind):
    wanted = Remote(NAME, None, None, (mirror.url("good") + NAME,)) if kind == "nothing" else stated(mirror, kind, "good")
    fetched(wanted, tmp_path, None, PATIENCE)
    beside = tmp_path / f"{NAME}.sha256"
    assert beside.read_text() == f"{hashlib.sha256(content).hexdigest()}  {NAME}\n"  # as sha256sum -c reads it
    assert fetched(wanted, tmp_path).read_bytes() == content
    beside.write_text(f"{'0' * 64}  {NAME}\n")
    text = refusal(fetched, wanted, tmp_path)
    assert f"its SHA-256 is {hashlib.sha256(content).hexdigest()}, and not {'0' * 64}, which {beside.name} has noted" in text
    assert len(mirror.asked) == 1


def test_a_file_of_which_nothing_is_stated_is_fetched_in_one_piece_from_whoever_says_how_long_it_is(mirror, tmp_path, content):
    wanted = Remote(NAME, None, None, tuple(mirror.url(manner) + NAME for manner in ("unsaid", "cut", "good")))
    (tmp_path / f".{NAME}.part").write_bytes(bytes(1000))
    assert fetched(wanted, tmp_path, None, PATIENCE).read_bytes() == content
    assert manners(mirror) == ["unsaid", "cut", "cut", "cut", "good"] and {wanted for _, _, wanted in mirror.asked} == {None}


def test_what_a_user_put_there_is_noted_too_unless_the_folder_cannot_be_written(mirror, tmp_path, content, monkeypatch):
    (tmp_path / NAME).write_bytes(content)
    wanted = stated(mirror, "md5", "good")

    def refuse(*given):
        raise PermissionError

    with monkeypatch.context() as patched:
        patched.setattr("hubel.fetching.remote.place", refuse)
        assert fetched(wanted, tmp_path) == tmp_path / NAME
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    fetched(wanted, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME, f"{NAME}.sha256"]
    assert mirror.asked == []


def test_nothing_is_noted_beside_a_file_whose_whole_sha256_is_published(mirror, tmp_path):
    fetched(stated(mirror, "sha256", "good"), tmp_path, None, PATIENCE)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_file_that_is_kept_under_another_name_than_it_is_published_by_is_said_by_its_address(mirror, tmp_path):
    wanted = Remote("mine.gz", None, Digest("md5", "0" * 32), (mirror.url("missing") + NAME,))
    text = refusal(fetched, wanted, tmp_path, None, PATIENCE)
    assert text.endswith(f"take {mirror.url('missing')}{NAME} (MD5 {'0' * 32}) by other means and put it into {tmp_path} as mine.gz.")


# --- other processes ----------------------------------------------------------------------------------------------------

CHILD = """
import resource, sys
from hubel.errors import FetchError
from hubel.fetching import Digest, Remote, fetched, locked
from pathlib import Path
name, size, sha256, url, folder, limit = sys.argv[1:]
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
try:
    with locked(Path(folder)):
        fetched(Remote(name, int(size), Digest("sha256", sha256), (url,)), Path(folder))
except FetchError as error:
    print(error)
"""


def child(wanted, folder, limit=0):
    words = [wanted.name, str(wanted.size), wanted.digest.hex, wanted.urls[0], str(folder), str(limit)]
    return subprocess.Popen([sys.executable, "-c", CHILD, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_two_processes_at_once_fetch_the_file_once(mirror, tmp_path, content):
    wanted = remote(mirror, "slow")
    both = [child(wanted, tmp_path) for _ in range(2)]
    assert [process.communicate(timeout=60)[0] for process in both] == ["", ""]
    assert len(mirror.asked) == 1
    assert (tmp_path / NAME).read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) in ([".lock", NAME], [NAME])


def test_a_process_that_is_killed_midway_leaves_no_file_under_the_name_and_the_next_goes_on_from_there(mirror, tmp_path, content):
    process = child(remote(mirror, "slow"), tmp_path)
    part = tmp_path / f".{NAME}.part"
    until = time.monotonic() + 60
    while (not part.exists() or part.stat().st_size < len(content) // 4) and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    came = part.stat().st_size
    assert 0 < came < len(content) and not (tmp_path / NAME).exists()
    assert fetched(remote(mirror, "good"), tmp_path, None, PATIENCE).read_bytes() == content
    assert mirror.asked[-1] == ("good", NAME, f"bytes={came}-")


def test_a_disk_that_fills_up_midway_is_said_and_what_came_is_kept(mirror, tmp_path, content):
    text = child(remote(mirror, "good"), tmp_path, limit=1_500_000).communicate(timeout=60)[0].strip()
    assert re.fullmatch(r"\S+\.part cannot be written: File too large; what came so far is kept, so make room and try again\.", text)
    assert (tmp_path / f".{NAME}.part").stat().st_size <= 1_500_000
    assert fetched(remote(mirror, "good"), tmp_path, None, PATIENCE).read_bytes() == content


# --- sets by name -------------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HUBEL_DATA", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def idx(array):
    return bytes((0, 0, 8, array.ndim)) + b"".join(side.to_bytes(4, "big") for side in array.shape) + array.tobytes()


def small_mnist():
    draw = np.random.default_rng(3)
    files = {}
    for prefix, count in (("train", 20), ("t10k", 5)):
        files[f"{prefix}-images-idx3-ubyte.gz"] = idx(draw.integers(0, 256, (count, 28, 28), np.uint8))
        files[f"{prefix}-labels-idx1-ubyte.gz"] = idx(draw.integers(0, 10, count, np.uint8))
    return files


def test_a_set_is_fetched_by_its_name_once_and_found_in_the_cache_from_then_on(cache, monkeypatch):
    with Mirror(small_mnist()) as server:
        files = tuple(remote(server, "missing", "good", name=name) for name in server.files)
        monkeypatch.setitem(SETS, "mnist", Named(("mnist",), {}, files))
        source = open_source("mnist")
        assert (source.name, [len(source.split(split).labels) for split in source.openers]) == ("mnist", [20, 5])
        assert source.training().names[0] == "mnist train 0"
        asked = len(server.asked)
        assert open_source("mnist").fingerprint() == source.fingerprint()
        assert len(server.asked) == asked == 8
        (cache / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
        open_source("mnist")
        assert len(server.asked) == 10  # only the one that was missing
    assert sorted(path.name for path in cache.iterdir()) in ([".lock", "mnist"], ["mnist"])


def test_an_archive_is_fetched_unpacked_whole_and_not_kept(cache, monkeypatch):
    packed = cifar_archive()
    with Mirror({"cifar-10-binary.tar.gz": packed}) as server:
        monkeypatch.setitem(SETS, "cifar10", Named(SETS["cifar10"].places, {}, (remote(server, "good", name="cifar-10-binary.tar.gz"),)))
        assert open_source("cifar10").split("train").labels.tolist() == [0, 1, 2, 3, 4]
        assert sorted(path.name for path in cache.iterdir() if path.name != ".lock") == ["cifar10"]
        assert names.lying("cifar10") == cache / "cifar10" / "cifar-10-batches-bin"
        open_source("cifar10")
        assert len(server.asked) == 1


def test_an_archive_that_a_user_put_there_is_unpacked_and_stays(cache, monkeypatch):
    packed = cifar_archive()
    cache.mkdir()
    (cache / "cifar-10-binary.tar.gz").write_bytes(packed)
    gone = Remote(
        "cifar-10-binary.tar.gz",
        len(packed),
        Digest("sha256", hashlib.sha256(packed).hexdigest()),
        ("http://127.0.0.1:9/cifar-10-binary.tar.gz",),
    )
    monkeypatch.setitem(SETS, "cifar10", Named(SETS["cifar10"].places, {}, (gone,)))
    assert open_source("cifar10").split("test").labels.tolist() == [5]
    assert (cache / "cifar-10-binary.tar.gz").exists()


def cifar_archive():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        members = {f"data_batch_{i + 1}.bin": bytes([i]) + np.random.default_rng(i).bytes(3072) for i in range(5)}
        members |= {"test_batch.bin": bytes([5]) + bytes(3072), "batches.meta.txt": "\n".join("abcdefghij").encode()}
        for name, data in members.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


def test_without_a_network_a_sentence_says_which_files_to_put_where(cache, monkeypatch):
    row = SETS["mnist"]
    nowhere = tuple(Remote(file.name, file.size, file.digest, (f"http://127.0.0.1:9/{file.name}",)) for file in row.files)
    monkeypatch.setitem(SETS, "mnist", Named(row.places, row.counts, nowhere))
    text = refusal(open_source, "mnist")
    assert all(f"{file.name} (SHA-256 {file.digest.hex})" in text for file in row.files)
    assert text.endswith(f"by other means and put them into {cache / 'mnist'}.")
    assert not (cache / "mnist").exists()


@pytest.mark.parametrize(("name", "said"), [("imagenet", "ILSVRC2012_devkit_t12.tar.gz"), ("dogs-vs-cats", "train.zip")])
def test_what_cannot_be_fetched_says_where_it_comes_from_and_where_to_put_it(cache, name, said):
    text = refusal(open_source, name)
    assert said in text and str(cache / name) in text


def test_a_set_that_cannot_be_fetched_is_found_where_it_was_put(cache):
    for label in ("cat", "dog"):
        (cache / "dogs-vs-cats" / "train" / label).mkdir(parents=True)
        Image.new("L", (4, 4)).save(cache / "dogs-vs-cats" / "train" / label / "0.png")
    assert (open_source("dogs-vs-cats").name, open_source("dogs-vs-cats").classes) == ("dogs-vs-cats", ("cat", "dog"))


def test_a_folder_that_has_the_name_of_a_set_is_said_to_be_another(cache):
    for folder in (cache, Path()):
        for label in ("cat", "dog"):
            (folder / "dogs-vs-cats" / label).mkdir(parents=True)
            Image.new("L", (4, 4)).save(folder / "dogs-vs-cats" / label / "0.png")
    assert open_source("dogs-vs-cats").notes == ("This is the set called dogs-vs-cats; say ./dogs-vs-cats for the folder of that name.",)
    assert open_source("./dogs-vs-cats").notes == ()


def test_another_set_of_the_same_format_is_not_taken_for_the_one_that_was_named(cache, monkeypatch):
    row = SETS["fashion-mnist"]
    nowhere = tuple(Remote(file.name, file.size, file.digest, ("http://127.0.0.1:9/x",)) for file in row.files)
    monkeypatch.setitem(SETS, "fashion-mnist", Named(row.places, row.counts, nowhere, known_by=row.known_by))
    (cache / "fashion-mnist").mkdir(parents=True)
    for name, data in small_mnist().items():
        (cache / "fashion-mnist" / name).write_bytes(data)
    assert open_source(cache / "fashion-mnist").classes == tuple("0123456789")
    assert "is not the file that is published" in refusal(open_source, "fashion-mnist")


def test_a_cache_that_cannot_be_written_is_refused_in_one_sentence(cache):
    cache.write_text("a file where the folder should be")
    assert "HUBEL_DATA names another folder" in refusal(open_source, "mnist")


def test_the_cache_is_the_platforms_unless_a_variable_names_another(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("HUBEL_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    assert fetching.cache() == tmp_path / ".cache" / "hubel"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert fetching.cache() == tmp_path / "x" / "hubel"
    monkeypatch.setenv("HUBEL_DATA", "~/sets")
    assert fetching.cache() == tmp_path / "sets"
