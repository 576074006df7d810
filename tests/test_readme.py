"""What the README says is what the code does and the records hold."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def readme():
    return runpy.run_path(str(ROOT / "benchmarks" / "readme.py"))


def test_the_readme_is_what_its_generator_writes(readme, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert (ROOT / "README.md").read_text() == readme["written"](), "the README is stale: make readme"


def test_every_verb_is_in_the_tour():
    text = (ROOT / "README.md").read_text()
    verbs = re.findall(r'add_parser\(\s*"(\w+)"', "".join(path.read_text() for path in (ROOT / "src/hubel/cli").glob("*.py")))
    assert len(verbs) >= 6
    assert all(f"| `hubel {verb}" in text for verb in verbs)


def test_every_room_is_on_the_list():
    text = (ROOT / "README.md").read_text().split("## The rooms")[1]
    rooms = {path.name for path in (ROOT / "src" / "hubel").iterdir() if not path.name.startswith(("_", "py"))}
    assert rooms - {name.rstrip("/") for name in re.findall(r"^  (\S+)", text, re.M)} == set()


def test_the_python_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    training, sizing = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    exec(compile(training.replace("epochs=5", "epochs=1, threads=1, lanes=1, precision='fp32'"), "README.md", "exec"), {})
    assert (tmp_path / "digits.safetensors").exists()
    capsys.readouterr()
    exec(compile(sizing, "README.md", "exec"), {})
    assert capsys.readouterr().out.split()[2] == "True"
