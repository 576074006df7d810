"""Pictures on their way to the network: from memory, from a file of decoded ones, or decoded anew, they are the same pictures."""

import dataclasses
import os
import shutil
import signal
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import jobs
from hubel.errors import PictureError
from hubel.pictures import keeping
from hubel.pictures.augment import colour_axes
from hubel.pictures.batches import TOGETHER, in_order, shuffled
from hubel.pictures.cutting import Cut
from hubel.pictures.feeding import feed, sampled
from hubel.pictures.held import chunks, statistics
from hubel.pictures.loader import decoded, divided
from hubel.pictures.mapped import Mapped
from hubel.pictures.pixels import Pixels
from hubel.pictures.places import Place
from hubel.pictures.sets import from_array, from_files
from hubel.pictures.shards import kept
from hubel.pictures.shards.ahead import fetched_ahead, worth_while
from hubel.pictures.stream import Stream
from runs import Process

POLICY = Pixels(3, 8, 10)
WAYS = ("memory", "disk", "nothing")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache folder of its own for every test."""
    monkeypatch.setenv("HUBEL_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache" / "decoded"


@pytest.fixture
def split(tmp_path):
    return files_in(tmp_path / "pictures")


def files_in(folder, count=37, bad=()):
    """Pictures of many sizes; those with the numbers in `bad` are cut off."""
    folder.mkdir()
    for i in range(count):
        draw = np.random.default_rng(i)
        coarse = Image.fromarray(draw.integers(0, 256, (3, 4, 3), np.uint8))
        path = folder / f"{i:03}.{'jpg' if i % 2 else 'png'}"
        coarse.resize((int(draw.integers(12, 60)), int(draw.integers(12, 60)))).save(path)
        if i in bad:
            path.write_bytes(path.read_bytes()[:-40])
    return from_files(sorted(folder.iterdir()), np.arange(count) % 3)


def all_of(pictures, epoch=None, batch=5, seed=0):
    """Every picture that is dealt, by its number, with its label."""
    numbers = in_order(len(pictures), batch) if epoch is None else shuffled(len(pictures), batch, seed, epoch)
    found = {}
    for some in pictures.dealt(numbers, epoch):
        for row, number, label in zip(some.rows.tolist(), some.indices.tolist(), some.labels.tolist()):
            assert number not in found
            found[number] = some.pixels[row].numpy().tobytes(), label
    return found


def test_pictures_are_the_same_from_memory_from_the_disk_and_decoded_anew(split):
    from_memory, *others = (all_of(feed(split, POLICY, way)) for way in WAYS)
    assert len(from_memory) == 37
    assert [other == from_memory for other in others] == [True, True]
    for way in WAYS:
        train, validation = divided(feed(split, POLICY, way), 0.2, 3)
        names = [split.names[i] for i in range(37)]
        for part in (train, validation):
            numbers = [names.index(name) for name in part.names]
            assert all_of(part) == {at: from_memory[number] for at, number in enumerate(numbers)}


@pytest.mark.parametrize("cut", [Cut(area=0.08), Cut(scales=(10, 14))])
@pytest.mark.parametrize("way", ["disk", "nothing"])
def test_what_is_drawn_of_a_picture_depends_on_its_number_seed_and_epoch_alone(split, way, cut):
    pictures = feed(split, POLICY, way, cut, seed=4)
    first = all_of(pictures, epoch=0, batch=5)
    assert all_of(pictures, epoch=0, batch=16, seed=9) == first
    assert all_of(feed(split, POLICY, way, cut, seed=4), epoch=0, batch=37) == first
    for other in (all_of(pictures, epoch=1), all_of(feed(split, POLICY, way, cut, seed=5), epoch=0)):
        assert sum(other[i] == first[i] for i in range(37)) <= 1
    some = torch.tensor([3, 30, 7])
    assert [part.pixels[part.rows].numpy().tobytes() for part in pictures.dealt(iter([some]), 0)] == [
        b"".join(first[i][0] for i in some.tolist())
    ]


def test_what_is_drawn_from_the_disk_is_nearly_what_is_drawn_from_the_files(split):
    """Kept pictures are a little smaller than their files, and torch resizes their parts where Pillow resizes those of files."""
    policy = Pixels(3, 112, 112, "crop", resized=128)
    for name in split.names:
        Image.open(name).resize((340, 260), Image.Resampling.BICUBIC).save(name)
    for cut in (Cut(area=0.08), Cut(scales=(128, 200))):
        kept, streamed = (feed(split, policy, way, cut) for way in ("disk", "nothing"))
        pairs = zip(kept.dealt(in_order(37, 37), 2), streamed.dealt(in_order(37, 37), 2))
        far = [(mine.pixels[:37].float() - theirs.pixels[:37].float()).abs().mean((1, 2, 3)) for mine, theirs in pairs][0]
        assert far.median() < 2 and far.max() < 8


@pytest.mark.parametrize("cut", [None, Cut(area=0.5)])
@pytest.mark.parametrize("way", ["disk", "nothing"])
def test_a_batch_stays_as_it_is_until_the_next_is_asked_for(split, way, cut):
    pictures = feed(split, POLICY, way, cut)
    calm = all_of(pictures, epoch=1, batch=4)
    for batch in pictures.dealt(shuffled(37, 4, 0, 1), 1):
        time.sleep(0.05)  # time enough for batches to come to be made ready
        for row, number in zip(batch.rows.tolist(), batch.indices.tolist()):
            assert batch.pixels[row].numpy().tobytes() == calm[number][0]


def test_unreadable_files_are_left_out_and_named_by_every_way(tmp_path):
    split = files_in(tmp_path / "pictures", bad={4, 5, 36})
    for way in WAYS:
        pictures = feed(split, POLICY, way)
        found = all_of(pictures)
        assert len(found) == 34
        assert sorted(refused.name for refused in pictures.refused) == [split.names[i] for i in (4, 5, 36)]
        assert all("damaged" in refused.reason for refused in pictures.refused)
        with pytest.raises(PictureError, match=r"004\.png: it is damaged.* --strict"):
            all_of(feed(split, POLICY, way, strict=True))


def test_a_set_that_holds_nothing_or_nothing_readable_is_refused(tmp_path):
    split = files_in(tmp_path / "pictures", 2, bad={0, 1})
    for way in ("memory", "disk"):
        with pytest.raises(PictureError, match="None of the 2 pictures can be read"):
            feed(split, POLICY, way)
        with pytest.raises(PictureError, match="no pictures"):
            feed(from_files([], np.zeros(0, np.int64)), POLICY, way)
    with pytest.raises(PictureError, match="no pictures"):
        feed(from_files([], np.zeros(0, np.int64)), POLICY, "nothing")


# --- files that are no longer what they were ---


def test_files_that_vanish_or_change_while_a_set_is_streamed_are_named_and_left_out(split):
    pictures = feed(split, POLICY, "nothing")
    before = all_of(pictures)
    Path(split.names[3]).unlink()
    shutil.copy(split.names[8], split.names[6])
    Path(split.names[9]).write_bytes(b"")
    found = all_of(pictures, epoch=0)
    assert found == {number: seen for number, seen in before.items() if number not in (3, 6, 9)}
    assert {refused.name: refused.reason for refused in pictures.refused} == {
        split.names[3]: "it is no longer there",
        split.names[6]: "it has changed since training began",
        split.names[9]: "it has changed since training began",
    }
    with pytest.raises(PictureError, match=r"(no longer there|has changed).*--strict"):
        all_of(feed_again(pictures, strict=True))


def feed_again(pictures, strict):
    other = pictures.subset(torch.arange(len(pictures)))
    other.strict = strict
    return other


@pytest.mark.parametrize("damage", [b"crash", b"hang"])
def test_a_picture_that_kills_or_stops_its_decoder_is_left_out_and_named(split, monkeypatch, damage):
    monkeypatch.setattr("hubel.pictures.pool.PATIENCE", 2.0)
    with open(split.names[7], "ab") as file:
        file.write(damage)
    reason = "SIGSEGV" if damage == b"crash" else "2 seconds"
    for way in WAYS:
        pictures = feed(split, jobs.Fragile(3, 8, 10), way)
        assert len(all_of(pictures)) == 36, way
        assert [refused.name for refused in pictures.refused] == [split.names[7]]
        assert reason in pictures.refused[0].reason


# --- what is kept on the disk ---


def test_what_was_kept_is_used_again_without_decoding(split, monkeypatch):
    first = all_of(feed(split, POLICY, "disk"))
    monkeypatch.setattr(keeping, "each", lambda *_: pytest.fail("the pictures were decoded again"))
    assert all_of(feed(split, POLICY, "disk")) == first
    assert all_of(feed(split, dataclasses.replace(POLICY, mean=(0.5,) * 3), "disk")) == first  # pixels are the same
    os.utime(split.names[3])  # another time, the same content
    assert all_of(feed(split, POLICY, "disk")) == first


@pytest.mark.parametrize("change", ["content", "gone", "policy", "order"])
def test_what_was_kept_is_made_anew_where_pictures_or_policy_are_others(split, change):
    feed(split, POLICY, "disk")
    policy = POLICY
    if change == "content":
        shutil.copy(split.names[5], split.names[3])
    elif change == "gone":
        Path(split.names[3]).unlink()
    elif change == "policy":
        policy = dataclasses.replace(POLICY, kernel="bicubic")
    else:
        split = from_files([Path(name) for name in split.names[::-1]], split.labels)
    wanted = all_of(feed(split, policy, "nothing"))
    assert all_of(feed(split, policy, "disk")) == dict(enumerate(seen for _, seen in sorted(wanted.items())))


def test_a_file_that_changes_while_it_is_being_kept_is_left_out_and_read_anew_by_the_next_run(tmp_path):
    split = files_in(tmp_path / "pictures", 150)

    def change(done, count):
        if done == 64:  # number 140 may have been decoded by now, but is not yet put away
            shutil.copy(split.names[8], split.names[140])

    pictures = feed(split, POLICY, "disk", told=change)
    assert [(refused.name, refused.reason) for refused in pictures.refused] == [(split.names[140], "it has changed while it was read")]
    assert len(pictures) == 149
    assert all_of(feed(split, POLICY, "disk")) == all_of(feed(split, POLICY, "memory"))


@pytest.mark.parametrize("damage", ["cut off", "index", "emptied", "other"])
def test_a_kept_file_that_is_not_whole_is_made_anew(split, cache, damage):
    before = all_of(feed(split, POLICY, "disk"))
    (path,) = cache.glob("*.pictures")
    data = path.read_bytes()
    path.write_bytes({"cut off": data[:-5], "index": data[:-90] + b"x" + data[-89:], "emptied": b"", "other": b"x" * 100}[damage])
    assert all_of(feed(split, POLICY, "disk")) == before


def test_pixels_that_the_disk_has_changed_are_noticed(split, cache):
    feed(split, POLICY, "disk")
    (path,) = cache.glob("*.pictures")
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    with pytest.raises(PictureError, match="was damaged and is removed; say the same again"):
        all_of(feed(split, POLICY, "disk"))
    assert all_of(feed(split, POLICY, "disk")) == all_of(feed(split, POLICY, "memory"))


def test_without_room_on_the_disk_nothing_is_written(split, cache, monkeypatch):
    monkeypatch.setattr(keeping.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6, 9000))
    with pytest.raises(PictureError, match=r"37 decoded pictures take about 0\.0 GB .* --keep nothing"):
        feed(split, POLICY, "disk")
    assert not list(cache.glob("*.pictures"))


def test_the_least_recently_used_files_make_room_for_new_ones(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(keeping, "LIMIT", 30_000)
    splits = [files_in(tmp_path / f"pictures {i}") for i in range(4)]
    for split in splits[:3]:
        feed(split, POLICY, "disk")
        for path in cache.glob("*.pictures"):
            os.utime(path, (path.stat().st_atime - 10, path.stat().st_mtime - 10))
    feed(splits[1], POLICY, "disk")  # used again: not the oldest any more
    left = set(cache.glob("*.pictures"))
    feed(splits[3], POLICY, "disk")
    assert sum(path.stat().st_size for path in cache.glob("*.pictures")) <= 30_000
    assert keeping._path(splits[1], POLICY, 0) in set(cache.glob("*.pictures")) and left


def keep(folder, most=None):
    """What another process does: keeps the pictures of files_in(folder), and says how far it is. It waits for its end once it has `most`."""

    def told(done, count):
        print(done)
        if most and done >= most:
            signal.pause()

    print("begun")
    files = sorted(folder.iterdir())
    feed(from_files(files, np.arange(len(files)) % 3), POLICY, "disk", told=told)
    print("ended")


def test_killed_while_it_is_made_it_is_not_there_and_can_be_made_by_the_next(tmp_path, cache):
    split = files_in(tmp_path / "pictures", 300)
    for most in (1, 100, 250):
        with Process(keep, tmp_path / "pictures", most) as process:
            next(line for line in process.stdout if line.strip().isdigit() and int(line) >= most)
            process.kill()
        assert not list(cache.glob("*.pictures"))
    assert all_of(feed(split, POLICY, "disk")) == all_of(feed(split, POLICY, "memory"))


def test_two_processes_that_need_the_same_file_make_it_once(tmp_path, cache):
    split = files_in(tmp_path / "pictures", 150)
    both = [Process(keep, tmp_path / "pictures") for _ in range(2)]
    said = [process.communicate()[0].split() for process in both]
    assert all(lines[0] == "begun" and lines[-1] == "ended" for lines in said)
    assert sorted(len(lines) > 2 for lines in said) == [False, True]  # one decoded, the other waited
    assert all_of(feed(split, POLICY, "disk")) == all_of(feed(split, POLICY, "memory"))


# --- which way, and what follows ---


def test_small_sets_go_to_memory_larger_ones_to_the_disk_and_the_largest_are_decoded_anew(split, monkeypatch):
    assert type(feed(split, POLICY)).__name__ == "Pictures"
    assert isinstance(feed(split, POLICY, cut=Cut(area=0.1)), Mapped)
    monkeypatch.setattr("hubel.pictures.feeding.SMALL", 8000)
    assert isinstance(feed(split, POLICY), Mapped)
    monkeypatch.setattr("hubel.pictures.feeding.LARGE", 8001)
    assert isinstance(feed(split, POLICY), Stream)
    assert isinstance(feed(dataclasses.replace(split, runs=(20, 17)), POLICY, "auto"), Stream)


@pytest.mark.parametrize(("keep", "cut"), [("disk", None), ("nothing", None), ("auto", Cut(area=0.1)), ("memory", Cut(scales=(9, 9)))])
def test_an_array_is_fed_from_memory_and_nothing_else(keep, cut):
    split = from_array("noise", np.zeros((4, 8, 10, 3), np.uint8), np.array([0, 1, 0, 1]))
    with pytest.raises(PictureError, match="array"):
        feed(split, POLICY, keep, cut)


def test_statistics_and_colours_are_those_of_all_pictures_by_every_way(split):
    policy = Pixels(3, 8, 10, "crop", resized=12)
    plain, *others = (feed(split, policy, way) for way in WAYS)
    assert all(statistics(other) == statistics(plain) for other in others)
    assert all(colour_axes(chunks(other)) == colour_axes(chunks(plain)) for other in others)
    assert sampled(others[1]) is others[1]


def test_fingerprints_know_pictures_and_labels_and_not_where_they_lie(tmp_path, split):
    shutil.copytree(tmp_path / "pictures", tmp_path / "moved")
    moved = from_files(sorted((tmp_path / "moved").iterdir()), split.labels)
    relabelled = dataclasses.replace(split, labels=(split.labels + 1) % 3)
    for way in WAYS:
        mine = feed(split, POLICY, way).fingerprint()
        assert feed(moved, POLICY, way).fingerprint() == mine
        assert feed(relabelled, POLICY, way).fingerprint() != mine
    Image.new("RGB", (30, 30)).save(tmp_path / "moved" / "003.jpg")
    moved = from_files(sorted((tmp_path / "moved").iterdir()), split.labels)
    for way in WAYS:
        assert feed(moved, POLICY, way).fingerprint() != feed(split, POLICY, way).fingerprint()


def test_lossy_conversions_are_counted_by_every_way(tmp_path):
    folder = tmp_path / "pictures"
    split = files_in(folder, 6)
    Image.new("CMYK", (20, 20)).save(folder / "001.jpg")
    Image.new("RGBA", (20, 20)).save(folder / "002.png")
    split = from_files(sorted(folder.iterdir()), split.labels)
    counted = []
    for way in WAYS:
        pictures = feed(split, POLICY, way)
        all_of(pictures)
        counted.append(dict(pictures.lost))
    assert counted[0] == counted[1] == counted[2]
    assert sum(counted[0].values()) >= 2


# --- shards ---


def test_pictures_of_shards_come_a_few_shards_at_a_time_each_exactly_once():
    runs = [7, 1, 30, 12, 5, 9, 9, 40, 3]
    of_shard = np.repeat(np.arange(9), runs)
    seen = set()
    for epoch in range(5):
        order = torch.cat(list(shuffled(sum(runs), 6, 1, epoch, runs=runs))).tolist()
        assert sorted(order) == list(range(sum(runs)))
        where = [(np.flatnonzero(of_shard[order] == shard).min(), np.flatnonzero(of_shard[order] == shard).max()) for shard in range(9)]
        assert max(sum(first <= at <= last for first, last in where) for at in range(sum(runs))) <= 4
        seen.add(tuple(order))
        assert [part.tolist() for part in shuffled(sum(runs), 6, 1, epoch, 3, runs)] == [
            part.tolist() for part in list(shuffled(sum(runs), 6, 1, epoch, 0, runs))[3:]
        ]
    assert len(seen) == 5


def test_a_part_of_shards_knows_what_each_has_left(split):
    stream = feed(dataclasses.replace(split, runs=(10, 10, 10, 7)), POLICY, "nothing")
    some = stream.subset(torch.tensor([0, 1, 9, 12, 33, 36]))
    assert list(some.runs) == [3, 1, 2]
    assert decoded(split, POLICY).runs == ()


class Fetching:
    """Stands for the folder of fetched shards: says what was asked for, in order."""

    def __init__(self):
        self.asked = []

    @contextmanager
    def __call__(self, url, version):
        self.asked.append(url)
        yield None


def test_shards_at_urls_are_fetched_before_their_turn_each_once(monkeypatch):
    fetching, runs = Fetching(), [50] * 12
    monkeypatch.setattr(kept, "opened", fetching)
    places = [Place(f"http://nowhere/{number // 50}.tar", 0, 1, "1000-a") for number in range(600)]
    numbers = list(shuffled(600, 32, 0, 0, runs=runs))
    for i, chosen in enumerate(fetched_ahead(iter(numbers), places, TOGETHER)):
        assert torch.equal(chosen, numbers[i])
        soon = {places[number].path for number in torch.cat(numbers[: i + 2]).tolist()}
        until = time.monotonic() + 10
        while not soon <= set(fetching.asked) and time.monotonic() < until:
            time.sleep(0.001)
        assert soon <= set(fetching.asked)
        if i == 0:
            assert len(fetching.asked) < 12  # not all at once: there is not room for all
    assert i + 1 == len(numbers) and sorted(fetching.asked) == sorted({place.path for place in places})


@pytest.mark.parametrize(
    ("gigabytes", "path", "holds"), [("8", "http://a/b.tar", True), ("0.001", "http://a/b.tar", False), ("8", "/b.tar", False)]
)
def test_shards_are_fetched_ahead_where_there_is_room_for_those_in_use_too(monkeypatch, gigabytes, path, holds):
    monkeypatch.setenv("HUBEL_SHARDS_GB", gigabytes)
    assert worth_while([Place(path, 0, 1, "200000-a")], TOGETHER) is holds
