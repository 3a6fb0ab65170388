"""From run folders to criteria, figures and the table of the paper's claims. Needs no torch.

    python plot.py results/<run>          # one run, also while it trains -> figures/<run>.png
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

FORMAT = 1  # of a run's folder; a change that old folders cannot follow raises it


def columns(depth):
    """The log's columns for a network of that depth, as a list of names."""
    names = ["step", "train_loss", "train_acc", "test_loss", "test_acc", "weight_norm", "last_layer_norm"]
    names += [f"rank_{layer}" for layer in range(1, depth + 1)]
    names += [f"live_{layer}" for layer in range(1, depth)]
    return names + [f"probe_{layer}" for layer in range(1, depth + 1)]


def read_config(folder):
    """Reads a run's settings. Returns: dict. Raises: OSError or ValueError, in one line."""
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: expected a run's folder, found no config.json in it")
    try:
        config = json.loads(path.read_bytes())
        found = config.get("format")
    except (ValueError, AttributeError):
        raise ValueError(f"{path}: expected a run's settings in JSON, found something else; restore it") from None
    if found != FORMAT:
        raise ValueError(f"{path}: expected a run of format {FORMAT}, found {found!r}: it was made by another version")
    return config


def read_log(folder):
    """Reads a run's log.

    Returns: {column: float array [rows]}, NaN where a quantity was not measured.
    Raises: OSError or ValueError, in one line, where a line is not whole or not in place.
    """
    path, names = Path(folder) / "log.csv", columns(read_config(folder)["depth"])
    lines = path.read_bytes().decode(errors="replace").splitlines(keepends=True)
    if not lines or lines[0] != ",".join(names) + "\n":
        raise ValueError(f"{path}: expected the header {','.join(names)[:40]}..., found {''.join(lines[:1]).strip()[:40]!r}")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            row = [float(field) if field else np.nan for field in line.rstrip("\n").split(",")]
            if len(row) != len(names) or not line.endswith("\n") or rows and not row[0] > rows[-1][0]:
                raise ValueError
        except ValueError:
            raise ValueError(f"{path}: expected {len(names)} numbers in line {number}, found {line.strip()[:40]!r}; "
                             "continue the run, or delete that line") from None
        rows.append(row)
    return dict(zip(names, np.array(rows).reshape(-1, len(names)).T))


def summary(folder):
    return ""
