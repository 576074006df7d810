"""What a study found, as one value for tables, figures and results/: every figure with its interval, and what it was made of."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

import hubel
from hubel import weights
from hubel.evaluation.intervals import of_mean
from hubel.model import Model
from hubel.pictures.sources import Source
from hubel.studies.cutting import SPLITS
from hubel.studies.running import Ran
from hubel.studies.study import Study, called, printed

SAID = ("row", "weights", "origin", "licence", "source")
"""What is told of a base, of what its model says of itself."""


def record(study: Study, runs: Sequence[Ran], source: Source, bases: Mapping[str, Model]) -> dict[str, Any]:
    """Everything, as JSON has it. Shares are from 0 to 1."""
    return {
        "what": study.claim,
        "study": study.name,
        "citation": study.citation,
        "date": date.today().isoformat(),
        "machine": machine(),
        "hubel": hubel.__version__,
        "pictures": {
            "name": source.name,
            "fingerprint": source.fingerprint(),
            **{name: len(source.split(name).labels) for name in SPLITS},
        },
        "bases": {name: _of_base(base) for name, base in bases.items()},
        "arms": [
            _of_arm(study, [one for one in runs if (one.arm, one.base) == key])
            for key in dict.fromkeys((one.arm, one.base) for one in runs)
        ],
    }


def _of_base(base: Model) -> dict[str, Any]:
    said = {name: base.data[name] for name in SAID if base.data.get(name)}
    return {**said, "net": str(base.net), "input": base.input, "digest": weights.digest(dict(base.network.state_dict()))}


def _of_arm(study: Study, runs: Sequence[Ran]) -> dict[str, Any]:
    """An arm with one base: the mean of its seeds with an interval; Wilson's, of the pictures of the test, where there is one seed."""
    first, several = runs[0], len(runs) > 1
    arm = next(arm for arm in study.arms if arm.name == first.arm)
    tests = [one.test for one in runs]
    low, high = of_mean(tests) if several else first.interval
    return {
        "arm": arm.name,
        "base": first.base,
        "says": arm.says,
        "claim": arm.claim,
        "place": arm.place,
        "how": repr(arm.how),
        "validation": fmean(one.validation for one in runs),
        "test": fmean(tests),
        "interval": (max(0.0, low), min(1.0, high)),
        "interval_of": f"the mean of {len(runs)} seeds, Student's" if several else "one run's share of the test pictures, Wilson's",
        "seconds": first.seconds,
        "runs": [asdict(one) for one in runs],
    }


def table(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """The arms of a record, as a table shows them."""
    return [
        {
            "arm": called(arm["arm"], arm["base"]),
            "the source": printed(arm["claim"], arm["place"]),
            "validation": f"{100 * arm['validation']:.1f}%",
            "test, with 95% interval": f"{100 * arm['test']:.1f}% ({100 * arm['interval'][0]:.1f} to {100 * arm['interval'][1]:.1f})",
            "seconds": f"{arm['seconds']:,.0f}",
        }
        for arm in found["arms"]
    ]


def machine() -> dict[str, Any]:
    """The machine, and what runs on it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    gpu = {"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        **gpu,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": platform.platform(),
    }
