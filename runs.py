"""A run's folder: config.json, its settings; log.csv, what was measured; checkpoint.pt, its state.

    python runs.py results/<run>    # exit status 0 if it is finished, else 1

The checkpoint needs torch: model.py saves it. This file needs the standard library alone, so that
make has its answer at once.
"""

import contextlib
import fcntl
import json
import math
import os
import sys
from pathlib import Path

# Settings that older runs lack, with the values that they trained with.
NEWER_SETTINGS = {"hold_norm": False, "beta2": 0.999, "reset_moments": False}
NEWER_SETTINGS |= {"device": "cpu", "machines": []}
# Settings that say how a run was made: runs that differ in these alone are the same run.
PROVENANCE = ("data", "device", "machines", "options")


def write_atomic(path, content):
    """Writes bytes so that a kill or a full disk leaves either the old file or the new one, whole.

    Raises OSError, which names the file.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:  # of a full disk it names none
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextlib.contextmanager
def lock(folder):
    """Makes a run's folder, and keeps other processes from training in it.

    Raises OSError, also where another process trains there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, descriptor)  # ends the lock; so does the end of the process
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            told = "another process is training this run; wait, or use another --out"
            raise BlockingIOError(f"{folder}: {told}") from None
        except OSError as error:  # some network file systems have no locks
            told = f"cannot be locked ({error.strerror}); do not train it twice at once"
            print(f"{folder}: {told}", file=sys.stderr)
        yield


# ---- Settings: config.json ----


def check_settings(config):
    """Raises ValueError, in one line, if a setting is out of range."""
    least = {"depth": 2, "n_train": 1, "width": 1, "batch_size": 1, "log_every": 1}
    least |= {"probe_every": 1, "alpha": 1e-9, "lr": 1e-12}
    least |= dict.fromkeys(("weight_decay", "seed", "beta2", "steps"), 0)
    below = {"seed": 2**32, "beta2": 1}
    for name, low in least.items():
        limit = below.get(name, math.inf)
        if not low <= config[name] < limit:  # so written it refuses NaN, too
            option = "--" + name.replace("_", "-")
            expected = f"{low} or more" + (f", below {limit}" if name in below else "")
            raise ValueError(f"argument {option}: expected {expected}, found {config[name]}")


def read_config(folder):
    """Reads a run's settings, a dict. Raises OSError or ValueError, in one line."""
    path = Path(folder) / "config.json"
    if not path.exists():
        raise FileNotFoundError(f"{folder}: expected a run's folder, found no config.json in it")
    try:
        config = NEWER_SETTINGS | json.loads(path.read_bytes())
        check_settings(config)
    except (ValueError, TypeError, LookupError):
        message = f"{path}: expected a run's settings in JSON, found damage; restore it"
        raise ValueError(message) from None
    return config


def write_config(folder, config):
    """Writes a run's settings. Raises OSError."""
    write_atomic(folder / "config.json", (json.dumps(config, indent=2) + "\n").encode())


def compare_settings(path, config, found):
    """Raises ValueError, in one line, if the settings found are another run's. Steps may grow."""
    changed = []
    for name, value in ({"from": None} | config).items():  # a run that is no branch has no "from"
        other = found.get(name)
        longer = name == "steps" and other < value
        if other != value and not longer and name not in PROVENANCE:
            changed.append(f"{name} is {json.dumps(other)} there and {json.dumps(value)} here")
    if changed:
        raise ValueError(
            f"{path}: expected this run's, found another's: {', '.join(changed)}; repeat its "
            "settings (and --data-dir) or choose another --out"
        )


def check_folder(folder, config):
    """Raises OSError or ValueError, in one line, if a folder holds another run than this."""
    if (folder / "config.json").exists():
        compare_settings(folder, config, read_config(folder))
    elif (folder / "log.csv").exists():
        raise FileExistsError(
            f"{folder}: expected a run's folder or a new one, found log.csv and no config.json; "
            "choose another --out"
        )


# ---- The log: log.csv ----


def add_row(log, row):
    """The log's text with a row {column: value} more; the first row names the columns.

    A field is empty where nothing was measured, or no finite number.
    """
    header = log.partition("\n")[0] or ",".join(row)
    fields = []
    for name in header.split(","):
        value = row.get(name, math.nan)
        text = f"{value:.6g}" if isinstance(value, float) else str(value)
        fields.append(text if math.isfinite(value) else "")
    return (log or header + "\n") + ",".join(fields) + "\n"


def read_log(folder):
    """Reads a run's log: the names of its columns, and its rows, a list of numbers each.

    NaN where nothing was measured; a last line without its end is not there yet.
    Raises OSError or ValueError, in one line.
    """
    path = Path(folder) / "log.csv"
    text = path.read_text(errors="replace") if path.exists() else ""
    lines = text.split("\n")[:-1]  # what follows the last line's end is not there yet
    if len(lines) < 2:
        raise FileNotFoundError(f"{path}: expected rows, found none: the run wrote no row so far")
    names, rows = lines[0].split(","), []
    if names[0] != "step":
        raise ValueError(f"{path}: expected a log that begins with step, found {lines[0][:40]!r}")
    for number, line in enumerate(lines[1:], start=2):
        try:
            row = [float(field or "nan") for field in line.split(",")]
            in_order = not rows or row[0] > rows[-1][0]  # false of NaN
        except ValueError:
            row, in_order = [], False
        if len(row) != len(names) or not in_order:
            raise ValueError(
                f"{path}: expected {len(names)} numbers in line {number}, after those before it, "
                f"found {line[:40]!r}; restore it, or remove it and repeat the training command"
            )
        rows.append(row)
    return names, rows


def is_finished(folder, steps=None):
    """Whether a run's log can be read, and its last row is that of the last step.

    steps: the last step, by default that of its settings. train.py leaves such a run alone,
    claims.py judges it (and counts its rows), make does not train it.
    """
    try:
        last = read_config(folder)["steps"] if steps is None else steps
        _, rows = read_log(folder)
    except (OSError, ValueError):
        return False
    return rows[-1][0] == last


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(0 if is_finished(sys.argv[1]) else 1)
