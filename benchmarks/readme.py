"""Writes README.md from docs/README.in.md: outputs of commands, the casebook, and what results/ has on record.

python benchmarks/readme.py            rewrites README.md
python benchmarks/readme.py --demo     runs the demo first and records what it printed
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hubel.cli import main as hubel
from hubel.cli.tables import cell
from hubel.nets import NETS
from hubel.studies.record import table

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
FIGURES = ROOT / "docs" / "figures"
DEMO = {
    "train": "train lenet_relu digits --epochs 30 --batch 32 --shift 0.1 --label-smoothing 0.1 --out runs/demo",
    "test": "test runs/demo/model.safetensors digits",
    "predict": "predict runs/demo/model.safetensors digits --sample 1 --draw",
}


def output(command: str) -> str:
    """What a command prints, and the command above it; `| tail -n 3` and `| head -n 3` shorten it as a shell does."""
    cut = re.fullmatch(r"(.*) \| (head|tail) -n (\d+)", command)
    words = cut[1] if cut else command
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        hubel(shlex.split(words)[1:])
    lines = trimmed(printed.getvalue()).splitlines()
    if cut:
        lines = lines[-int(cut[3]) :] if cut[2] == "tail" else lines[: int(cut[3])]
    return "\n".join([f"$ {command}", *lines])


def trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def markdown(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "Nothing on record yet."
    head = [f"| {' | '.join(rows[0])} |", f"|{'---|' * len(rows[0])}"]
    return "\n".join([*head, *(f"| {' | '.join(cell(value) for value in row.values())} |" for row in rows)])


def nets() -> str:
    """A row a paper, with the networks that it prints."""
    names: dict[str, list[str]] = {}
    for row in NETS.values():
        names.setdefault(row.citation.rstrip("."), []).append(f"`{row.name}`")
    return markdown([{"paper": paper, "networks": " ".join(found)} for paper, found in names.items()])


def figure(command: str) -> str:
    """Draw what a command draws into docs/figures, and show it."""
    words = shlex.split(command)[1:]
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / words[words.index("-o") + 1]
    with contextlib.redirect_stdout(io.StringIO()):
        hubel([*words[: words.index("-o")], "-o", str(path)])
    return f"![{words[1]}](docs/figures/{path.name})"


def benchmarks() -> str:
    rows = []
    for path in sorted(RESULTS.glob("bench-*.json")):
        found = json.loads(path.read_text())
        rows += [
            {"job": row["job"], "against": row["peer"], "measured": row["ratio"], "goal": row["goal"], "record": f"`results/{path.name}`"}
            for row in found["rows"]
        ]
    return markdown(rows)


def runs() -> str:
    rows = []
    for path in sorted(RESULTS.glob("run-*.json")):
        found = json.loads(path.read_text())
        reaches = ", ".join(f"{name.replace('_', ' ')} {100 * value:.2f}%" for name, value in found["reaches"].items())
        rows.append(
            {"network": f"`{found['network']}`", "command": f"`{found['command']}`", "reached": reaches, "record": f"`results/{path.name}`"}
        )
    return markdown(rows)


def studies() -> str:
    """What each study that is on record claims and found, with its figure."""
    parts = []
    for path in sorted(RESULTS.glob("study-*.json")):
        found = json.loads(path.read_text())
        pictures, seeds = found["pictures"], max(len(arm["runs"]) for arm in found["arms"])
        counts = ", ".join(
            f"{pictures[split]:,} {what}"
            for split, what in (("train", "to learn from"), ("validation", "to validate on"), ("test", "to test on"))
        )
        words = [f"hubel study {found['study']} DATA", *(f"--from {name}" for name in found["bases"])]
        command = " ".join([*words, *([f"--repeats {seeds}"] if seeds > 1 else [])])
        parts.append(f"**{found['what']}** ({found['citation']}.) {counts}: `{command}`, recorded in `results/{path.name}`.")
        parts += [markdown(table(found)), f"![{found['study']}](docs/figures/{path.stem}.png)"]
    return "\n\n".join(parts) or "Nothing on record yet."


def demo() -> dict[str, str]:
    return json.loads((RESULTS / "demo.json").read_text())["printed"]  # type: ignore[no-any-return]


def abridged(lines: list[str]) -> str:
    """The lines, all epochs but the first two and the last two left out."""
    epochs = [i for i, line in enumerate(lines) if line.startswith("epoch")]
    left_out = epochs[2:-2]
    if left_out:
        lines = [*lines[: left_out[0]], "...", *lines[left_out[-1] + 1 :]]
    return "\n".join(lines)


def record_demo() -> None:
    printed = {}
    with tempfile.TemporaryDirectory() as place:
        for name, words in DEMO.items():
            process = subprocess.run([sys.executable, "-m", "hubel", *words.split()], cwd=place, capture_output=True, text=True, check=True)
            printed[name] = abridged(trimmed(process.stdout).splitlines())
    (RESULTS / "demo.json").write_text(json.dumps({"what": "what the demo printed", "printed": printed}, indent=1) + "\n")


def written() -> str:
    """The whole README."""
    text = (ROOT / "docs" / "README.in.md").read_text()
    text = re.sub(r"<!-- output: (.*) -->", lambda found: output(found[1]), text)
    text = re.sub(r"<!-- figure: (.*) -->", lambda found: figure(found[1]), text)
    tables = {"nets": nets, "benchmarks": benchmarks, "runs": runs, "studies": studies}
    text = re.sub(r"<!-- table: (\w+) -->", lambda found: tables[found[1]](), text)
    return re.sub(r"@demo-(\w+)@", lambda found: demo()[found[1]], text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", action="store_true")
    if parser.parse_args().demo:
        record_demo()
    (ROOT / "README.md").write_text(written())
