"""The rooms: each imports only those above it, those on paper load neither torch nor NumPy, and none is a drawer of leftovers."""

import ast
from pathlib import Path

import pytest

import hubel

HOME = Path(hubel.__file__).parent
ORDER = [
    {"errors"},
    {"machine", "placing"},
    {"windows", "joints", "arguments"},
    {"layers"},
    {"reading"},
    {"notation"},
    {"anatomy"},
    {"memory", "worked"},
    {"rewrite"},
    {"nets"},
    {"advice"},
    {"drawing"},  # the last that is on paper
    {"im2col", "axes"},
    {"modules"},
    {"build"},
    {"tracing"},
    {"weights"},
    {"foreign"},
    {"chance", "cluster", "fetching"},
    {"pictures"},
    {"model"},
    {"pretrained"},
    {"evaluation"},
    {"training"},
    {"transfer"},
    {"studies"},
    {"cli"},
]
"""Rooms of one set do not import one another. A room that does not exist yet keeps its place."""

PLACE = {room: place for place, rooms in enumerate(ORDER) for room in rooms}
MODULES = sorted(HOME.rglob("*.py"))
EXEMPT = {HOME / "__init__.py", HOME / "__main__.py"}


def room_of(path):
    return path.relative_to(HOME).parts[0].removesuffix(".py")


def imported(path):
    """(module, names) of every import in a file, within functions too, relative ones written out."""
    package = ["hubel", *path.relative_to(HOME).parent.parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            yield ".".join([*above, *([node.module] if node.module else [])]), [alias.name for alias in node.names]


def rooms_imported(path):
    for module, names in imported(path):
        top, *inside = module.split(".")
        if top == "hubel":
            yield from inside[:1] or (name for name in names if not name.startswith("__"))


MODULE = pytest.mark.parametrize("path", [path for path in MODULES if path not in EXEMPT], ids=lambda path: str(path.relative_to(HOME)))


@MODULE
def test_a_room_has_a_place_and_imports_only_rooms_above_it(path):
    room = room_of(path)
    assert room in PLACE, f"give {room} its place in ORDER"
    assert [other for other in rooms_imported(path) if other != room and PLACE.get(other, len(ORDER)) >= PLACE[room]] == []


@MODULE
def test_a_room_on_paper_loads_neither_torch_nor_numpy(path):
    loaded = {module.split(".")[0] for module, _ in imported(path)}
    if PLACE.get(room_of(path), len(ORDER)) <= PLACE["drawing"]:
        assert not loaded & {"torch", "numpy", "rich", "PIL", "sklearn", "safetensors", "torchvision"}


def test_no_room_is_a_drawer_of_leftovers():
    names = {part.removesuffix(".py") for path in MODULES for part in path.relative_to(HOME).parts}
    assert not names & {"utils", "util", "common", "core", "helpers", "misc"}


def test_imports_are_seen_wherever_they_stand(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "HOME", tmp_path)
    (tmp_path / "nets").mkdir()
    path = tmp_path / "nets" / "one.py"
    path.write_text(
        "import hubel.build\nfrom hubel import cli\nfrom ..weights import a\nfrom .. import model\nfrom . import b\n\ndef f():\n    import torch.nn\n"
    )
    assert sorted(rooms_imported(path)) == ["build", "cli", "model", "nets", "weights"]
    assert ("torch.nn", []) in imported(path)


def test_public_names_are_there_and_none_is_the_name_of_a_room():
    assert all(getattr(hubel, name) is not None for name in dir(hubel))
    rooms = {path.stem for path in HOME.iterdir()}
    assert not rooms & set(hubel.ROOMS)
