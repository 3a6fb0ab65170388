"""Train a deep MLP on MNIST and watch it grok (paper, Section 2, Training Setup).

    python train.py --depth 12 --n-train 5000       # the middle column of the paper's Fig. 1
    python train.py --depth 4 --steps 5000          # a smaller network, the first 5,000 steps
    python plot.py results/<run>                    # sum it up and draw it, also while it trains
    OMP_NUM_THREADS=1 python train.py ...           # on one core: two runs side by side do more

The same command again continues a run that was stopped, from its last checkpoint.
"""

import argparse
import fcntl
import itertools
import json
import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import torch
import torch.nn.functional as F

from data import DATA_DIR, load_mnist, minibatches
from model import load_checkpoint, save_checkpoint, scaled_mlp, write_whole
from probes import measure

RESULTS = Path(__file__).parent / "results"
EARLY_STEPS = (0, 10, 30, 100, 300)  # logged and probed besides the multiples


# ---- Settings ----


def at_least(low, kind=int):
    """An argparse type: a number of that kind from low on, below 2**32, the seeds' limit."""
    high = 2**32 - 1

    def number(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            what = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"expected {what} from {low} to {high}, found {text}")
        return value

    return number


class Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Shows every default, and the description as it stands."""


def argument_parser():
    """The command line. The defaults are the paper's setup; the help names its symbols."""
    parser = argparse.ArgumentParser(
        prog="train.py",
        usage=argparse.SUPPRESS,
        allow_abbrev=False,
        description=__doc__,
        formatter_class=Help,
    )
    add = parser.add_argument
    positive = at_least(1)
    add("--depth", type=at_least(2), default=12, help="linear layers, output layer included: d")
    add("--n-train", type=positive, default=5000, help="the first images of the set: |D^train|")
    add("--alpha", type=at_least(1e-9, float), default=8.0, help="scale of the initialization: α")
    add("--weight-decay", type=at_least(0, float), default=0.01, help="strength: γ")
    add("--seed", type=at_least(0), default=0, help="of initialization, minibatches and probes")
    add("--width", type=positive, default=400, help="units of a hidden layer")
    add("--lr", type=at_least(1e-12, float), default=1e-3, help="learning rate")
    add("--batch-size", type=positive, default=200, help="images of a minibatch")
    add("--steps", type=at_least(0), default=100_000, help="optimizer steps")
    add("--optimizer", choices=["adamw", "adam"], default="adamw", help="adam couples the decay")
    add("--dtype", choices=["float32", "float64"], default="float32", help="precision of training")
    add("--device", choices=["cpu", "cuda"], default="cpu", help="where to train")
    add("--log-every", type=positive, default=500, help="steps between two rows of the log")
    add("--probe-every", type=positive, default=2000, help="the same for rows with the layers")
    add("--data-dir", type=Path, default=DATA_DIR, help="folder of MNIST's four files, or others")
    unset = argparse.SUPPRESS
    add("--out", type=Path, default=unset, help="the run's folder (default: results/<settings>)")
    return parser


def parse_args(argv=None):
    """Reads the command line. Returns config, the run's settings; its folder; data_dir."""
    parser = argument_parser()
    config = vars(parser.parse_args(argv))
    folder, data_dir = config.pop("out", None), config.pop("data_dir")
    if config["probe_every"] % config["log_every"]:
        parser.error(
            "argument --probe-every: expected a multiple of --log-every, which is "
            f"{config['log_every']}, found {config['probe_every']}"
        )
    if config["device"] == "cuda" and not torch.cuda.is_available():
        parser.error("argument --device: expected a CUDA device, found none; use --device cpu")
    config["data"] = data_dir.resolve().name
    name = run_name(config, parser)
    if data_dir.resolve() != DATA_DIR:
        name += f"-{config['data']}"
    return config, folder or RESULTS / name, data_dir


def run_name(config, parser):
    """d12-n5000-a8-wd0.01-s0, and every other setting that is not the default."""
    name = "d{depth}-n{n_train}-a{alpha:g}-wd{weight_decay:g}-s{seed}".format_map(config)
    for setting in ("width", "lr", "batch_size", "steps", "log_every", "probe_every"):
        if config[setting] != parser.get_default(setting):
            name += f"-{setting.replace('_', '')}{config[setting]}"
    for setting in ("optimizer", "dtype", "device"):
        if config[setting] != parser.get_default(setting):
            name += f"-{config[setting]}"
    return name


# ---- A run's folder: config.json, log.csv, checkpoint.pt ----


def check_folder(folder, config):
    """Passes if the folder is new, empty or this run's.

    Raises OSError or ValueError, in one line, if it holds anything else.
    """
    path = folder / "config.json"
    if path.exists():
        try:
            found = json.loads(path.read_bytes())
            compare_settings(folder, config, found)
        except (json.JSONDecodeError, UnicodeDecodeError, TypeError, AttributeError):
            message = f"{path}: expected a run's settings, found damage; restore it"
            raise ValueError(message) from None
    elif folder.exists():
        for file in folder.iterdir():
            # of a run that was killed before it began
            if file.name not in ("log.csv", "config.json.tmp"):
                raise ValueError(
                    f"{folder}: expected a run's folder or an empty one, found {file.name} and no "
                    "config.json; choose another --out"
                )


def compare_settings(folder, config, found):
    """Raises ValueError, in one line, if the settings found are another run's. Steps may grow."""
    changed = []
    for name, value in config.items():
        other = found.get(name)
        longer = name == "steps" and other is not None and other < value
        if other != value and not longer:
            changed.append(f"{name} is {other} there and {value} here")
    if changed:
        raise ValueError(
            f"{folder} holds another run: {', '.join(changed)}; repeat its settings (threads: "
            "OMP_NUM_THREADS) or choose another --out"
        )


def is_finished(folder, steps):
    """Whether the log's last row is that of the last step."""
    path = folder / "log.csv"
    if not path.exists() or not (folder / "config.json").exists():
        return False
    lines = path.read_text(errors="replace").split("\n")
    return len(lines) > 2 and lines[-1] == "" and lines[-2].startswith(f"{steps},")


def open_log(folder):
    """Opens the run's log for this process alone; the lock goes with the process.

    Raises OSError, also where another process trains this run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = open(folder / "log.csv", "a+", newline="", errors="replace")  # noqa: SIM115
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(
            f"{folder}: another process is training this run; wait, or use another --out"
        ) from None
    return log


def log_text(log):
    log.seek(0)
    return log.read()


def resume(folder, config, log, model, optimizer):
    """Puts model, optimizer and log back to the checkpoint's step, which it returns, 0 without one.

    Whatever happened to the log since, the checkpoint's text replaces it.
    Raises OSError or ValueError, in one line, and changes nothing, if the checkpoint is not good.
    """
    path = folder / "checkpoint.pt"
    if path.exists():
        checkpoint = load_checkpoint(path)
        try:
            compare_settings(folder, config, checkpoint["config"])
            model.load_state_dict(checkpoint["model"])
            optimizer.load_state_dict(checkpoint["optimizer"])
        except (AttributeError, LookupError, RuntimeError, TypeError) as error:
            message = f"{path}: expected this run's checkpoint, found a foreign one; restore it"
            raise ValueError(message) from error
        log.truncate(0)
        log.write(checkpoint["log"])
        log.flush()
        print(f"{folder}: continuing from step {checkpoint['step']:,}", flush=True)
        return checkpoint["step"]
    if log_text(log):
        raise FileNotFoundError(
            f"{path}: expected a checkpoint to continue from, found none; restore it, or remove "
            "the folder to train again"
        )
    print(f"{folder}: training on {config['device']}, {config['threads']} threads", flush=True)
    return 0


def append_row(log, row):
    """Writes a row {column: value}; an unmeasured field is empty. Step 0's names the columns."""
    log.seek(0)
    header = log.readline().rstrip("\n")
    if not header:
        header = ",".join(row)
        log.write(header + "\n")
    fields = []
    for name in header.split(","):
        value = row.get(name, "")
        fields.append(f"{value:.6g}" if isinstance(value, float) else str(value))
    log.write(",".join(fields) + "\n")
    log.flush()


# ---- Training ----


def is_due(step, every, steps):
    return step % every == 0 or step in EARLY_STEPS or step == steps


def train_step(model, optimizer, images, targets):
    """One step on a minibatch: images [n, 784], one-hot targets [n, 10].

    Source: paper, Section 2, Training Setup; the error's mean over minibatch and outputs, as in the
    authors' implementation.
    """
    outputs = model(images)
    loss = F.mse_loss(outputs, targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def train(config, folder, data_dir):
    """Trains a run to its last step, with its log and checkpoint in its folder.

    config, folder, data_dir: as parse_args returns them. Raises OSError; ValueError, for the data
    or the folder; FloatingPointError, if training diverges: each in one line.
    Source: paper, Section 2, Training Setup; batches and AdamW, as in the authors' implementation.
    """
    dtype, device, steps = getattr(torch, config["dtype"]), config["device"], config["steps"]
    train_set, test_set, digest = load_mnist(data_dir, config["n_train"], dtype, device)
    images, labels = train_set
    targets = F.one_hot(labels, 10).to(dtype)
    config = config | {
        "data_sha256": digest,
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }

    model = scaled_mlp(config["depth"], config["width"], config["alpha"], config["seed"], dtype)
    model.to(device)
    adam = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[config["optimizer"]]
    decay = config["weight_decay"]
    optimizer = adam(model.parameters(), config["lr"], weight_decay=decay, fused=True)

    with open_log(folder) as log:
        check_folder(folder, config)
        first_step = resume(folder, config, log, model, optimizer)
        write_whole(folder / "config.json", (json.dumps(config, indent=2) + "\n").encode())
        order = torch.Generator().manual_seed(config["seed"])
        batches = minibatches(len(images), config["batch_size"], order, device)
        batches = itertools.islice(batches, first_step, None)  # the others have been taken
        progress = Progress(first_step, steps)
        for step in range(first_step, steps + 1):
            layers = is_due(step, config["probe_every"], steps)
            if layers:
                text = log_text(log)
                save_checkpoint(folder / "checkpoint.pt", config, step, text, model, optimizer)
            if is_due(step, config["log_every"], steps):
                row = measure(model, train_set, test_set, config["seed"], step, layers)
                append_row(log, row)
                progress.show(row)
            if step < steps:
                batch = next(batches)
                minibatch = [tensor.index_select(0, batch) for tensor in (images, targets)]
                train_step(model, optimizer, *minibatch)


class Progress:
    """A line for every row of the log, with the time that the rest will take.

    That is estimated from the rows after the early ones, which come too close to tell.
    """

    def __init__(self, first_step, steps):
        self.timed_from, self.steps = max(first_step, EARLY_STEPS[-1]), steps
        self.start_time = None

    def show(self, row):
        step, left = row["step"], "-:--:--"
        if self.start_time is not None:
            seconds_a_step = (time.monotonic() - self.start_time) / (step - self.timed_from)
            left = timedelta(seconds=round(seconds_a_step * (self.steps - step)))
        elif step >= self.timed_from:
            self.start_time, self.timed_from = time.monotonic(), step
        print(
            f"step {step:7,} of {self.steps:,}  {left} left  "
            f"training loss {row['train_loss']:8.3g} accuracy {100 * row['train_acc']:5.1f} %  "
            f"test {row['test_loss']:8.3g} {100 * row['test_acc']:5.1f} %",
            flush=True,
        )


def main(argv=None):
    """The command line. Returns the exit status: 0; 1 after one line on a fault; 130 for Ctrl-C."""
    config, folder, data_dir = parse_args(argv)
    shown = os.path.relpath(folder)
    try:
        check_folder(folder, config)
        if is_finished(folder, config["steps"]):
            print(f"{shown}: finished, left alone; to train it anew, use another --out")
        else:
            train(config, folder, data_dir)
        print(f"its summary and picture: python plot.py {shown}")
    except KeyboardInterrupt:
        print(f"\n{shown}: stopped; the same command continues from the last checkpoint")
        return 130
    except (OSError, ValueError, FloatingPointError) as error:
        print(f"train.py: error: {error}", file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:
        # how torch says that memory is short, on every device
        if isinstance(error, RuntimeError) and "allocat" not in str(error):
            raise
        message = "expected memory for this network, found too little; use a smaller --width"
        print(f"train.py: error: {message}, --depth or --n-train", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
