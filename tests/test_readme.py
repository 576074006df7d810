"""What the README says is what the code does and the records hold."""

import json
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


def test_a_study_on_record_is_shown_with_its_figure_and_without_one_that_is_said(readme, tmp_path, monkeypatch):
    monkeypatch.setitem(readme["studies"].__globals__, "RESULTS", tmp_path)
    assert readme["studies"]() == "Nothing on record yet."
    shares = {"validation": 0.9412, "test": 0.93, "interval": [0.91, 0.951], "seconds": 61.4}
    arm = {"arm": "features", "base": "alexnet", "claim": "about 90%", "place": "sec. 5.3.1", **shares, "runs": [{}, {}]}
    pictures = {"train": 2000, "validation": 1000, "test": 1000}
    record = {
        "what": "It is so.",
        "study": "small",
        "citation": "Nobody 1900",
        "pictures": pictures,
        "bases": {"alexnet": {}},
        "arms": [arm],
    }
    (tmp_path / "study-small.json").write_text(json.dumps(record))
    shown = readme["studies"]()
    assert "`hubel study small DATA --from alexnet --repeats 2`" in shown and "2,000 to learn from" in shown
    assert "| features, alexnet | about 90% (sec. 5.3.1) | 94.1% | 93.0% (91.0 to 95.1) | 61 |" in shown
    assert "![small](docs/figures/study-small.png)" in shown


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
