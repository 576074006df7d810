"""What copies do to a set: labels that contradict one another, test pictures that were learnt, pictures that count twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from hubel.pictures.doctor.copies import Copies
from hubel.pictures.doctor.findings import Example, Finding, Weight, listed, share, some, verb
from hubel.pictures.doctor.inventory import Inventory

HOW = ("the same file", "the same pixels", "nearly the same")
"""How pictures are alike, the closest first."""

NEARLY = 2
"""The place in HOW of what is judged, not known."""

DOUBTFUL = 0.95
"""The similarity asked of near copies from which on they are in doubt: it is asked where a set's pictures are alike by nature."""

ALIKE_BY_NATURE = "Look at them: the pictures of this set are alike by nature, so these need not be copies."


@dataclass(frozen=True, slots=True)
class Link:
    """Picture i is a copy of picture j, which comes before it."""

    i: int
    j: int
    how: int
    """A place in HOW."""
    similarity: float = 1.0
    turn: str = ""
    """How picture j lies to picture i, if not the same way."""

    @property
    def remark(self) -> str:
        """In words."""
        turned = f", {self.turn}" if self.turn else ""
        return f"{HOW[NEARLY]}{turned} (similarity {self.similarity:.3f})" if self.how == NEARLY else HOW[self.how]


def links(inventory: Inventory, copies: Copies) -> list[Link]:
    """Each picture of a group with the first of its own class and split, and with the first of every other; and all near pairs."""
    found: dict[tuple[int, int], Link] = {}
    first_in: dict[int, list[int]] = {}
    for how, groups in enumerate((copies.exact, copies.same_pixels)):
        for group in groups:
            cells: dict[tuple[int, int], int] = {}
            for i in group:
                cells.setdefault((int(inventory.split_of[i]), int(inventory.labels[i])), i)
            first_in[group[0]] = list(cells.values())
            for i in group:
                for pair in ((max(i, j), min(i, j)) for j in cells.values() if j != i):
                    found.setdefault(pair, Link(*pair, how))
    for near in copies.near:  # in which the first of a group stands for all
        for one in first_in.get(near.one, [near.one]):
            for other in first_in.get(near.other, [near.other]):
                i, j = max(one, other), min(one, other)
                found.setdefault((i, j), Link(i, j, NEARLY, near.similarity, near.turn))
    return sorted(found.values(), key=lambda link: (link.how, -link.similarity, link.j, link.i))


def duplicates(inventory: Inventory, copies: Copies) -> Iterator[Finding]:
    """Copies under two classes, in two splits, and within one class of one split.

    Where the pictures of a set are alike by nature, as written digits are, near copies alone are a warning and no error.
    """
    everything, alike = links(inventory, copies), copies.threshold > DOUBTFUL
    if across := [link for link in everything if inventory.labels[link.i] != inventory.labels[link.j]]:
        yield _conflict(inventory, across, alike)
    names = list(inventory.splits)
    for later in range(len(names) - 1, 0, -1):
        for earlier in range(later):
            if crossing := [link for link in everything if (inventory.split_of[link.i], inventory.split_of[link.j]) == (later, earlier)]:
                yield _leak(inventory, _closest(crossing), alike, names[later], names[earlier])
    cells = inventory.split_of * len(inventory.classes) + inventory.labels
    if within := [link for link in everything if cells[link.i] == cells[link.j]]:
        yield _repeated(inventory, _closest(within), alike)


def _conflict(inventory: Inventory, across: list[Link], alike: bool) -> Finding:
    count, doubted = len({i for link in across for i in (link.i, link.j)}), _is_doubted(across, alike)
    what = "may have" if doubted else verb(count, "has", "have")
    advice = "One of the two labels is wrong" + (": keep each picture under the class that is right." if inventory.is_files else ".")
    return _finding(
        "label conflict",
        f"{some(count)} {what} a copy under another class ({some(len(across), 'pair')}: {_kinds(across)}).",
        ALIKE_BY_NATURE if doubted else advice,
        across,
        "warning" if doubted else "error",
    )


def _leak(inventory: Inventory, crossing: list[Link], alike: bool, later: str, earlier: str) -> Finding:
    """Pictures of the later split that are in the earlier one too."""
    count, whole, doubted = len(crossing), len(inventory.splits[later].labels), _is_doubted(crossing, alike)
    what = "may have" if doubted else verb(count, "has", "have")
    remedy = f"divide the set anew with --propose, or remove the copies from {earlier}."
    remedy = remedy if inventory.is_files else "the set is divided as published, so say so beside your result."
    return _finding(
        "leak",
        f"{count:,} of the {whole:,} {later} pictures ({share(count, whole)}) {what} a copy in {earlier}: {_kinds(crossing)}.",
        ALIKE_BY_NATURE if doubted else f"The accuracy on {later} would be too good: {remedy}",
        crossing,
        "warning" if doubted else "error",
    )


def _repeated(inventory: Inventory, within: list[Link], alike: bool) -> Finding:
    """Pictures that a class has more than once in one split."""
    count, doubted = len(within), _is_doubted(within, alike)
    what = "may repeat" if doubted else verb(count, "repeats", "repeat")
    remedy = "; remove them where that matters (--propose with --one-of-each leaves out those of the same pixels)."
    return _finding(
        "repeat",
        f"{some(count)} ({share(count, len(inventory.pictures))}) {what} another of the same class and split: {_kinds(within)}.",
        ALIKE_BY_NATURE if doubted else "Each counts twice in training" + (remedy if inventory.is_files else "."),
        within,
        "note",
    )


def _closest(crossing: list[Link]) -> list[Link]:
    """Of links that are sorted, the first of each picture."""
    found: dict[int, Link] = {}
    for link in crossing:
        found.setdefault(link.i, link)
    return list(found.values())


def _is_doubted(some_links: list[Link], alike: bool) -> bool:
    return alike and all(link.how == NEARLY for link in some_links)


def _kinds(some_links: list[Link]) -> str:
    """How many links are of each kind."""
    counts = Counter(link.how for link in some_links)
    return listed([f"{counts[how]:,} {HOW[how]}" for how in sorted(counts)])


def _finding(kind: str, says: str, advice: str, shown: list[Link], weight: Weight) -> Finding:
    return Finding(kind, weight, says, advice, tuple(Example((link.j, link.i), link.remark) for link in shown))
