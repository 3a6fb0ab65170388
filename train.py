"""Train a deep MLP on MNIST and watch it grok (paper, Section 2, Training Setup).

    python train.py --depth 12 --n-train 5000       # the middle column of the paper's Fig. 1
    python train.py --depth 4 --steps 5000          # a smaller network, the first 5,000 steps
    python train.py --from results/<run> --weight-decay 0 --steps 44000    # a branch of a run
    python plot.py results/<run>                    # sum it up and draw it, also while it trains
    OMP_NUM_THREADS=1 python train.py ...           # on one core: two runs side by side do more

The same command again continues a run that was stopped, from its last checkpoint, 2,000 steps back
at most. A branch starts at another run's checkpoint, with its settings but for those given.

With depth 12 on 5,000 images training accuracy is 99 % at step 40,500 to 42,000, test accuracy is
half-way at 47,000 to 48,500 and ends at 0.950 to 0.952 (three seeds; 26 to 80 minutes on a core).
"""

import argparse
import contextlib
import hashlib
import itertools
import os
import re
import shlex
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) == signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # torch's import would swallow a Ctrl-C
try:
    import torch
except ModuleNotFoundError:
    sys.exit(f"train.py: error: expected torch, found none for {sys.executable}; see make setup")

from data import DATA_DIR, load_mnist, minibatches
from model import (
    add_row,
    compare_settings,
    is_finished,
    load_checkpoint,
    lock,
    loss_function,
    machines,
    read_config,
    save_checkpoint,
    say,
    scale_parameters,
    scaled_mlp,
    write_atomic,
    write_checkpoint,
    write_config,
)
from probes import adam_medians, measure, weight_norm

HERE = Path(__file__).parent
EARLY_STEPS = (0, 10, 30, 100, 300)  # rows with layers, too: the loss falls from 1e11 to 1e7 here
CHECKPOINT_EVERY = 2000  # steps at most from one checkpoint to the next, if a row is due


# ---- Settings ----


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
    add("--weight-decay", type=at_least(0, float), default=0.01, help="its strength: γ")
    add("--seed", type=at_least(0), default=0, help="of initialization, minibatches and probes")
    add("--width", type=positive, default=400, help="units of a hidden layer")
    add("--lr", type=at_least(1e-12, float), default=1e-3, help="learning rate")
    add("--batch-size", type=positive, default=200, help="images of a minibatch")
    norm = "after each step, scale the weights back to their norm at the run's first step"
    add("--hold-norm", action=argparse.BooleanOptionalAction, default=False, help=norm)
    memory = "Adam's decay rate of its mean of squared gradients: β2"
    add("--beta2", type=at_least(0, float, below=1), default=0.999, help=memory)
    reset = "with --from: Adam starts anew, its moments and its count of steps at zero"
    add("--reset-moments", action="store_true", default=False, help=reset)
    add("--steps", type=at_least(0), default=100_000, help="optimizer steps")
    add("--log-every", type=positive, default=500, help="steps between rows of the log")
    add("--probe-every", type=positive, default=2000, help="steps between rows with the layers")
    adam = "adamw shrinks the weights themselves; adam adds the decay to their gradient"
    add("--optimizer", choices=["adamw", "adam"], default="adamw", help=adam)
    add("--dtype", choices=["float32", "float64"], default="float32", help="precision of training")
    add("--device", choices=["cpu", "cuda"], default="cpu", help="where to train")
    add("--data-dir", type=Path, default=DATA_DIR, help="folder of MNIST's four files, or others")
    none = argparse.SUPPRESS
    add("--from", type=Path, metavar="RUN", default=none, help="folder of the run to branch from")
    add("--out", type=Path, default=none, help="this run's folder (default: results/<settings>)")
    return parser


class Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Shows every default, and the description as it stands."""


def at_least(low, kind=int, below=2**32):
    """An argparse type: a number of that kind from low to below a limit, by default the seeds'."""
    what = "a whole number" if kind is int else "a number"
    limit = "2**32" if below == 2**32 else f"below {below}"

    def number(text):
        with contextlib.suppress(ValueError, OverflowError):
            value = kind(float(text))  # 1e5 is a whole number, too
            if value == float(text) and low <= value < below:
                return value
        raise argparse.ArgumentTypeError(f"expected {what} from {low:g} to {limit}, found {text}")

    return number


def default_settings():
    return vars(argument_parser().parse_args([]))


def parse_args(argv=None):
    """Reads the command line.

    Returns config, the run's settings; its folder; data_dir; and the state to begin with, that of
    the checkpoint to branch from, or None. Raises OSError or ValueError, in one line.
    """
    argv = sys.argv[1:] if argv is None else argv
    argv = [re.sub(r"^--\w+", lambda option: option[0].replace("_", "-"), word) for word in argv]
    parser = argument_parser()
    defaults = default_settings()
    # argparse keeps what the namespace holds already: here None, which marks what is not given
    given = vars(parser.parse_args(argv, argparse.Namespace(**dict.fromkeys(defaults))))
    given = {name: value for name, value in given.items() if value is not None}
    data_dir = given.pop("data_dir", defaults.pop("data_dir"))
    parent, out = given.pop("from", None), given.pop("out", None)
    if data_dir.resolve() != DATA_DIR:
        given["data"] = data_dir.resolve().name
    if given.get("device") == "cuda" and not torch.cuda.is_available():
        parser.error("argument --device: expected a CUDA device, found none; use --device cpu")
    fixed = given.keys() & {"depth", "n_train", "alpha", "seed", "width", "batch_size", "dtype"}
    if parent is not None and fixed:
        option = "--" + min(fixed).replace("_", "-")
        parser.error(f"argument {option}: expected none with --from, which keeps the source's")
    if parent is None and given.get("reset_moments"):
        parser.error("argument --reset-moments: expected --from, whose run's moments to reset")

    folder = out or Path(os.path.relpath(HERE / "results" / run_name(given, defaults, parent)))
    config, state = defaults | {"data": "data"} | given, None
    if parent is not None:
        config, state = branch(parent, folder, config, given)
    return config, folder, data_dir, state


def run_name(given, defaults, parent=None):
    """d12-n5000-a8-wd0.01-s0, and what else is no default; of a branch <parent>-then-wd0-steps9."""
    if parent is None:
        form = "d{depth}-n{n_train}-a{alpha:g}-wd{weight_decay:g}-s{seed}"
        name = form.format_map(defaults | given)
        changed = {key for key in given if given[key] != defaults.get(key)} - {"weight_decay"}
    else:
        name, changed = f"{parent.resolve().name}-then", given.keys()
    labels = {"weight_decay": "wd", "optimizer": "", "dtype": "", "device": "", "data": ""}
    labels["beta2"] = "beta"
    order = ("weight_decay", "width", "lr", "batch_size", "hold_norm", "beta2", "reset_moments")
    order += ("steps", "log_every", "probe_every", "optimizer", "dtype", "device", "data")
    for setting in order:
        if setting in changed:
            value = "" if given[setting] is True else str(given[setting]).removesuffix(".0")
            name += f"-{labels.get(setting, setting.replace('_', ''))}{value}"
    return name


def branch(parent, folder, config, given):
    """The settings of a branch, the parent's but for those given; and the state to begin with.

    Once the branch in folder has begun: its own settings, and None. The parent may be gone then.
    Raises OSError or ValueError, in one line.
    """
    name, path, own = parent.resolve().name, parent / "checkpoint.pt", folder / "checkpoint.pt"
    state = None
    if own.is_file() or (folder / "config.json").is_file():
        found = load_checkpoint(own)["config"] if own.is_file() else read_config(folder)
        start = found.get("from") or {"run": "none", "step": 0}
        if start["run"] != name:
            raise ValueError(f"{folder}: expected a branch of {name}, found one of {start['run']}")
    elif path.is_file():
        state = load_checkpoint(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        start = {"run": name, "step": state["step"], "checkpoint_sha256": digest}
        found = state["config"] | {"reset_moments": False, "from": start}
    else:
        raise FileNotFoundError(
            f"{parent}: expected a run's folder with its checkpoint, found no checkpoint.pt (runs "
            "are committed without theirs); train it anew with --out, to the step to branch at"
        )
    kept = (config.keys() | {"data_sha256", "from"}) - {"device", "data"}
    config = config | {key: found[key] for key in found if key in kept} | given
    if start["step"] >= config["steps"]:
        told = f"expected more than {start['step']}, where the branch begins"
        raise ValueError(f"argument --steps: {told}, found {config['steps']}")
    if state is not None:
        norm = torch.nn.utils.get_total_norm(state["model"].values()).item()
        state |= {"config": config, "log": "", "held_norm": norm}
        if config["reset_moments"]:
            state["optimizer"] = {"state": {}}
    return config, state


# ---- Training ----


def train_step(model, optimizer, images, labels):
    """One step on a minibatch: images [n, 784], labels int64 [n]. Source: paper, Section 2."""
    loss = loss_function(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def train(config, folder, data_dir=DATA_DIR, state=None):
    """Trains a run to its last step, from a state or step 0, with its log and checkpoint.

    Leaves a finished run alone. Raises, in one line: OSError; ValueError, for data or folder;
    FloatingPointError, if training diverges; KeyboardInterrupt, for Ctrl-C.
    Source: paper, Section 2, Training Setup; batches and AdamW, as in the authors' implementation.
    """
    dtype, device, steps = getattr(torch, config["dtype"]), config["device"], config["steps"]
    train_set, test_set, digest = load_mnist(data_dir, config["n_train"], dtype, device)
    images, labels = train_set
    if config.setdefault("data_sha256", digest) != digest:
        raise ValueError(f"{data_dir}: expected the data of the run to branch from, found other")
    check_folder(folder, config)
    if is_finished(folder, steps):
        say(f"{folder}: finished before, nothing to do; --out trains it anew in another folder")
        return
    # Adam's moments of dead units decay to denormal numbers, which take time and change no weight
    torch.set_flush_denormal(True)
    model = scaled_mlp(config["depth"], config["width"], config["alpha"], config["seed"], dtype)
    model.to(device)
    adam = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[config["optimizer"]]
    decay = config["weight_decay"]
    betas = (0.9, config["beta2"])
    optimizer = adam(model.parameters(), config["lr"], betas, weight_decay=decay, fused=True)

    with lock(folder):
        found = check_folder(folder, config)  # again: until now another process could begin it
        if state is not None:
            write_checkpoint(folder, state)
        first_step, log, held_norm = resume(folder, config, model, optimizer)
        config = machines(found, config, first_step)
        write_config(folder, config)
        order = torch.Generator().manual_seed(config["seed"])
        batches = minibatches(len(images), config["batch_size"], order, device)
        batches = itertools.islice(batches, first_step, None)  # the others have been taken
        begin = config["from"]["step"] if "from" in config else 0
        saved, clock = first_step, (first_step, time.monotonic())
        try:
            for step in range(first_step, steps + 1):
                layers = step == begin or is_due(step, config["probe_every"], steps)
                if layers or is_due(step, config["log_every"], steps):
                    row = measure(model, train_set, test_set, config["seed"], step, layers)
                    row |= adam_medians(optimizer.state_dict())
                    if layers or step - saved >= CHECKPOINT_EVERY:
                        save_checkpoint(folder, config, step, log, model, optimizer, held_norm)
                        saved = step
                    log = add_row(log, row)
                    write_atomic(folder / "log.csv", log.encode())
                    if step == first_step or step in EARLY_STEPS:  # too close to tell the time
                        clock = step, time.monotonic()
                    show_progress(folder.name, row, steps, *clock)
                if step < steps:
                    batch = next(batches)
                    train_step(model, optimizer, images.index_select(0, batch), labels[batch])
                    if config["hold_norm"]:
                        scale_parameters(model, held_norm / weight_norm(model))
        except KeyboardInterrupt:
            told = f"stopped at step {step:,}; the same command goes on from step {saved:,}"
            raise KeyboardInterrupt(told) from None


def is_due(step, every, steps):
    return step % every == 0 or step in EARLY_STEPS or step == steps


def show_progress(name, row, steps, since_step, since):
    """A line for a row of the log, with the time that the rest will take at the pace since then."""
    step, left = row["step"], "-:--:--"
    if step > since_step:
        pace = (time.monotonic() - since) / (step - since_step)
        left = timedelta(seconds=round(pace * (steps - step)))
    say(
        f"{name}  step {step:7,} of {steps:,}  {left} left  "
        f"training loss {row['train_loss']:8.3g} accuracy {100 * row['train_acc']:5.1f} %  "
        f"test {row['test_loss']:8.3g} {100 * row['test_acc']:5.1f} %"
    )


# ---- A run's folder: config.json, log.csv, checkpoint.pt ----


def check_folder(folder, config):
    """Returns the settings found in a run's folder, {} if it is new or empty; raises OSError or
    ValueError, in one line, if it holds anything but this run."""
    if (folder / "config.json").exists():
        found = read_config(folder)
        compare_settings(folder, config, found, default_settings())
        return found
    for file in folder.iterdir() if folder.exists() else ():
        begun = file.name.removesuffix(".tmp") in ("config.json", "checkpoint.pt")  # and killed
        if not begun and not file.samefile("/dev/stdout"):
            raise ValueError(
                f"{folder}: expected a run's folder or an empty one, found {file.name} and no "
                "config.json; choose another --out"
            )
    return {}


def resume(folder, config, model, optimizer):
    """Puts model and optimizer to the state of the run's checkpoint, if there is one.

    Returns its step, the text of the log before that step's row, and the norm to hold.
    Raises OSError or ValueError, in one line, and changes nothing, if the checkpoint is not good.
    """
    path = folder / "checkpoint.pt"
    if not path.exists():
        if (folder / "log.csv").exists():
            raise FileNotFoundError(
                f"{path}: expected a checkpoint to continue from, found none; restore it, or "
                "remove the folder to train again"
            )
        return 0, "", weight_norm(model)
    checkpoint = load_checkpoint(path)
    compare_settings(path, config, checkpoint["config"], default_settings())
    try:
        model.load_state_dict(checkpoint["model"])
        # Adam's moments alone: learning rate and decay are those of the settings
        moments = {"state": checkpoint["optimizer"]["state"]}
        optimizer.load_state_dict(optimizer.state_dict() | moments)
    except (AttributeError, LookupError, RuntimeError, TypeError) as error:
        message = f"{path}: expected this run's checkpoint, found a foreign one; restore it"
        raise ValueError(message) from error
    say(f"{folder}: continuing from step {checkpoint['step']:,}")
    log = checkpoint["log"].replace("effective_", "participation_")  # as it was called once
    return checkpoint["step"], log, checkpoint.get("held_norm")


def main(argv=None):
    """The command line. Returns the exit status: 0; 1 after one line on a fault; 130 for Ctrl-C."""
    try:
        config, folder, data_dir, state = parse_args(argv)
        train(config, folder, data_dir, state)
        command = [sys.executable, os.path.relpath(HERE / "plot.py"), str(folder)]
        say(f"to sum it up and draw it: {shlex.join(command)}")
    except KeyboardInterrupt as stop:
        say(f"\ntrain.py: {str(stop) or 'stopped before the first step'}")
        return 130
    except (OSError, ValueError, FloatingPointError) as error:
        print(f"train.py: error: {error}", file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:
        # how torch says that memory is short, on every device
        if isinstance(error, RuntimeError) and "allocat" not in str(error):
            raise
        message = "expected more memory; use a smaller --width, --depth or --n-train"
        print(f"train.py: error: {message}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.stdout:
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may lack α
    sys.exit(main())
