"""Train a deep MLP on MNIST and watch it grok (paper, Section 2, Training Setup).

    python train.py --depth 12 --n-train 5000       # the middle column of the paper's Fig. 1
    python train.py --depth 4 --steps 5000          # a smaller network, the first 5,000 steps
    python train.py --from results/<run> --weight-decay 0 --steps 44000    # a branch of a run
    python plot.py results/<run>                    # sum it up and draw it, also while it trains
    OMP_NUM_THREADS=1 python train.py ...           # on one core, for two runs side by side

The same command again continues a run that was stopped, from its last checkpoint, 2,000 steps back
at most. A branch starts at another run's checkpoint, with its settings but for those given.

With depth 12 on 5,000 images training accuracy is 99 % at step 40,500 to 42,000, test accuracy is
half-way at 47,000 to 48,500 and ends at 0.950 to 0.952 (three seeds; 26 to 80 minutes on a core).
"""

import argparse
import hashlib
import itertools
import os
import shutil
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

try:
    import torch
except ModuleNotFoundError:
    sys.exit(f"train.py: error: expected torch, found none for {sys.executable}; see make setup")

import runs
from data import DATA_DIR, load_mnist, minibatches
from model import load_checkpoint, loss_function, save_checkpoint, scale_parameters, scaled_mlp
from probes import measure, weight_norm

HERE = Path(__file__).resolve().parent
# The paper, Section 2: alpha, weight_decay, width, lr, steps; depth and n_train are its Fig. 1's
# middle column. The authors' implementation: batch_size, and adamw where the paper says Adam.
# PyTorch's default: beta2. Ours: the rest.
DEFAULTS = {
    "depth": 12,
    "n_train": 5000,
    "alpha": 8.0,
    "weight_decay": 0.01,
    "seed": 0,
    "width": 400,
    "lr": 1e-3,
    "batch_size": 200,
    "hold_norm": False,
    "beta2": 0.999,
    "reset_moments": False,
    "steps": 100_000,
    "log_every": 500,
    "probe_every": 2000,
    "optimizer": "adamw",
    "dtype": "float32",
    "device": "cpu",
}
# What a branch shares with its parent.
FIXED = ("depth", "n_train", "alpha", "seed", "width", "batch_size", "dtype", "data_sha256")
EARLY_STEPS = (0, 10, 30, 100, 300)  # have rows, with the layers: the loss falls most here
CHECKPOINT_EVERY = 2000  # steps at most from one checkpoint to the next


# ---- Settings ----


def parse_args(argv=None):
    """What the command line gives, and that alone: {"depth": 4, ...}."""
    parser = argparse.ArgumentParser(
        prog="train.py",
        usage=argparse.SUPPRESS,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,  # what is not given is not there
    )

    def add(option, told, choices=None):
        default = DEFAULTS[option.removeprefix("--").replace("-", "_")]
        told = f"{told} (default: {default})"
        parser.add_argument(option, type=type(default), choices=choices, help=told)

    add("--depth", "linear layers, output layer included: the paper's d")
    add("--n-train", "how many training images, from the first on: |D^train|")
    add("--alpha", "scale of the initialization: α")
    add("--weight-decay", "its strength: γ")
    add("--seed", "of initialization, minibatches and probes")
    add("--width", "units of a hidden layer")
    add("--lr", "learning rate")
    add("--beta2", "how much of Adam's mean of squared gradients a step keeps: β2")
    add("--batch-size", "images of a minibatch")
    add("--steps", "optimizer steps")
    add("--log-every", "steps between rows of the log")
    add("--probe-every", "steps between rows with the layers")
    adam = "adamw shrinks the weights themselves; adam adds the decay to their gradient"
    add("--optimizer", adam, choices=["adamw", "adam"])
    add("--dtype", "precision of training", choices=["float32", "float64"])
    add("--device", "where to train", choices=["cpu", "cuda"])
    norm = "after each step, scale the weights back to their norm at the run's first step"
    parser.add_argument("--hold-norm", action=argparse.BooleanOptionalAction, help=norm)
    where = "folder of MNIST's four files, or others (default: data)"
    parser.add_argument("--data-dir", type=path, help=where)
    parser.add_argument("--from", type=path, metavar="RUN", help="folder of the run to branch from")
    reset = "with --from: Adam starts anew, its moments and its count of steps at zero"
    parser.add_argument("--reset-moments", action="store_true", help=reset)
    parser.add_argument("--out", type=path, help="this run's folder (default: results/<settings>)")
    return vars(parser.parse_args(argv))


def path(text):
    if not text:  # as of --out "$UNSET", which would be the current folder
        raise argparse.ArgumentTypeError("expected a folder, found an empty name")
    return Path(text).expanduser()  # no shell does, in --out=~/run


def read_command_line(argv=None):
    """The command line -> config, the run's settings; its folder; data_dir; a checkpoint or None.

    The checkpoint is that of a branch which is new: what it begins with.
    Raises OSError or ValueError, in one line.
    """
    given = parse_args(argv)
    data_dir = given.pop("data_dir", DATA_DIR)
    parent, out = given.pop("from", None), given.pop("out", None)
    provenance = {"options": dict(given), "machines": []}
    if data_dir.resolve() != DATA_DIR:
        given["data"] = data_dir.resolve().name
    folder = out or Path(os.path.relpath(HERE / "results" / run_name(given, parent)))
    config, checkpoint = start(given, folder, parent)
    runs.check_settings(config)
    if config["device"] == "cuda" and not torch.cuda.is_available():
        raise ValueError("argument --device: expected a CUDA device, found none")
    return config | provenance, folder, data_dir, checkpoint


def this_commit():
    """The commit of this code, with -dirty if files differ from it; None outside a git checkout."""
    if not (HERE / ".git").exists() or not shutil.which("git"):
        return None
    git = ["git", "-C", HERE, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    return subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or None


def run_name(given, parent=None):
    """d12-n5000-a8-wd0.01-s0, and what else is no default; of a branch <parent>-then-wd0-steps9.

    The device is not in the name: it is no part of which run it is.
    """
    if parent is None:
        form = "d{depth}-n{n_train}-a{alpha:g}-wd{weight_decay:g}-s{seed}"
        name = form.format_map(DEFAULTS | given)
        changed = {key for key in given if given[key] != DEFAULTS.get(key)} - {"weight_decay"}
    else:
        name, changed = f"{parent.resolve().name}-then", given
    labels = {"weight_decay": "wd", "beta2": "beta"}
    labels |= {"optimizer": "", "dtype": "", "data": ""}
    order = ("weight_decay", "width", "lr", "batch_size", "hold_norm", "beta2", "reset_moments")
    order += ("steps", "log_every", "probe_every", "optimizer", "dtype", "data")
    for setting in order:
        if setting in changed:
            value = "" if given[setting] is True else str(given[setting]).removesuffix(".0")
            name += f"-{labels.get(setting, setting.replace('_', ''))}{value}"
    return name


def start(given, folder, parent):
    """What a run starts with: its settings, and the checkpoint of a branch that is new.

    A run starts at step 0, a new branch at its parent's checkpoint; either, once it has begun, goes
    on from its own (resume), and the parent may be gone. Raises OSError or ValueError, in one line.
    """
    if parent is None:
        if given.get("reset_moments"):
            raise ValueError("argument --reset-moments: expected --from RUN, found none")
        return DEFAULTS | {"data": "data"} | given, None

    fixed = sorted(given.keys() & FIXED)
    if fixed:
        told = f"a branch has its parent's {', '.join(fixed)}, expected none here"
        raise ValueError(f"argument --from: {told}")
    if (folder / "config.json").exists():
        config, checkpoint = runs.read_config(folder), None
        check_branch(folder, config, given, parent)
        config |= given
    else:
        checkpoint = load_checkpoint(parent)
        digest = hashlib.sha256((parent / "checkpoint.pt").read_bytes()).hexdigest()
        name, step = parent.resolve().name, checkpoint["step"]
        begin = {"run": name, "step": step, "checkpoint_sha256": digest}
        config = checkpoint["config"] | {"reset_moments": False, "from": begin} | given
        norm = torch.nn.utils.get_total_norm(checkpoint["model"].values()).item()
        checkpoint |= {"log": "", "held_norm": norm}
        if config["reset_moments"]:
            checkpoint["optimizer"]["state"] = {}

    first_step, steps = config["from"]["step"], config["steps"]
    if first_step >= steps:
        found = steps if "steps" in given else f"none, and its parent's are {steps}"
        told = f"expected more than {first_step}, where the branch begins, found {found}"
        raise ValueError(f"argument --steps: {told}")
    return config, checkpoint


def check_branch(folder, config, given, parent):
    """Raises ValueError, in one line, if a branch that has begun is another than is asked for.

    These decide: its parent's name; the options that it was begun with; and, if its parent's
    checkpoint is there, the settings that it shares with that.
    """
    begin, name = config.get("from"), parent.resolve().name
    if begin is None or begin["run"] != name:
        found = "a run that is no branch" if begin is None else f"one of {begin['run']}"
        raise ValueError(f"{folder}: expected a branch of {name}, found {found}")
    options = config.get("options", given)  # older branches do not have them
    for setting in sorted((options.keys() | given) - {"steps", *runs.PROVENANCE}):
        found, asked = options.get(setting), given.get(setting)
        if found != asked:
            told = f"--{setting.replace('_', '-')} {found} in the options that it was begun with"
            raise ValueError(f"{folder}: expected {told}, found {asked}; choose another --out")
    if not (parent / "checkpoint.pt").exists():
        return
    checkpoint = load_checkpoint(parent)
    inherited = DEFAULTS.keys() - given.keys() - {"steps", "reset_moments", *runs.PROVENANCE}
    for setting in (*sorted(inherited), "data_sha256"):
        found, other = config[setting], checkpoint["config"][setting]
        if found != other:
            told = f"a branch of {parent}, whose {setting} is {other}"
            raise ValueError(f"{folder}: expected {told}, found {found}; choose another --out")
    if checkpoint["step"] != begin["step"]:
        now = f"its parent is at step {checkpoint['step']:,} now"
        print(f"{folder}: branched at step {begin['step']:,}; {now}", flush=True)


# ---- Training ----


def build(config):
    """A run's network at its initialization, and its optimizer.

    Source: paper, Section 2, Training Setup; AdamW for its Adam, as in the authors' implementation.
    """
    dtype = getattr(torch, config["dtype"])
    model = scaled_mlp(config["depth"], config["width"], config["alpha"], config["seed"], dtype)
    model.to(config["device"])
    adam = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[config["optimizer"]]
    betas, decay = (0.9, config["beta2"]), config["weight_decay"]
    return model, adam(model.parameters(), config["lr"], betas, weight_decay=decay, fused=True)


def train_step(model, optimizer, images, labels):
    """One step on a minibatch: images [n, 784], labels int64 [n]. Source: paper, Section 2."""
    loss = loss_function(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def train(config, folder, data_dir=DATA_DIR, checkpoint=None):
    """Trains a run to its last step, from a checkpoint or step 0, with its log and checkpoints.

    Leaves a finished run alone. Raises, in one line: OSError; ValueError, for data or folder;
    FloatingPointError, if training diverges.
    Source: paper, Section 2, Training Setup; batches as in the authors' implementation.
    """
    dtype, device, steps = getattr(torch, config["dtype"]), config["device"], config["steps"]
    train_set, test_set, digest = load_mnist(data_dir, config["n_train"], dtype, device)
    images, labels = train_set
    if config.get("data_sha256", digest) != digest:
        raise ValueError(f"{data_dir}: expected the data of the run to branch from, found other")
    config = config | {"data_sha256": digest}

    # Adam's moments of dead units decay to denormal numbers, which take time and change no weight
    torch.set_flush_denormal(True)
    model, optimizer = build(config)
    with runs.lock(folder):
        runs.check_folder(folder, config)
        if runs.is_finished(folder, steps):
            print(f"{folder}: finished before, nothing to do; --out trains it anew elsewhere")
            return
        if checkpoint is not None and not (folder / "checkpoint.pt").exists():
            # a branch's first act is to write a checkpoint of its own: it needs no parent any more
            save_checkpoint(folder, checkpoint | {"config": config})
        config, first_step, log, held_norm = resume(folder, config, model, optimizer)
        config["machines"] = with_this_machine(config, first_step)
        runs.write_config(folder, config)

        begin = config["from"]["step"] if "from" in config else 0
        generator = torch.Generator().manual_seed(config["seed"])
        batches = minibatches(len(images), config["batch_size"], generator, device)
        batches = itertools.islice(batches, first_step, None)  # the others have been taken
        saved = first_step
        clock = first_step, time.monotonic()
        for step in range(first_step, steps + 1):
            with_layers = step == begin or is_due(step, config["probe_every"], steps)
            with_row = with_layers or is_due(step, config["log_every"], steps)
            saves = with_layers or step - saved >= CHECKPOINT_EVERY
            if with_row or saves:  # measure raises if training diverged: such a state is not saved
                adam, seed = optimizer.state_dict(), config["seed"]
                row = measure(model, adam, train_set, test_set, seed, step, with_layers)
            if saves:
                # the log without this step's row; and no generator's state, since minibatches and
                # probes depend on seed and step alone
                state = {"config": config, "step": step, "log": log, "held_norm": held_norm}
                state |= {"model": model.state_dict(), "optimizer": adam}
                save_checkpoint(folder, state)
                saved = step
            if with_row:
                log = runs.add_row(log, row)
                runs.write_atomic(folder / "log.csv", log.encode())
                if step == first_step or step in EARLY_STEPS:  # too close to tell the pace
                    clock = step, time.monotonic()
                show_progress(folder.name, row, steps, *clock)
            if step < steps:
                batch = next(batches)
                train_step(model, optimizer, images.index_select(0, batch), labels[batch])
                if config["hold_norm"]:
                    scale_parameters(model, held_norm / weight_norm(model))


def is_due(step, every, steps):
    return step % every == 0 or step in EARLY_STEPS or step == steps


def resume(folder, config, model, optimizer):
    """Puts model and optimizer to the state of the run's checkpoint, if there is one.

    Returns the settings that the run began with, but steps, device and data's name from config; the
    checkpoint's step; the log's text before that step's row; the weight norm at the first step.
    Raises OSError or ValueError, in one line, and changes nothing, if the checkpoint is not good.
    """
    path = folder / "checkpoint.pt"
    if not path.exists() and not (folder / "log.csv").exists() and "from" not in config:
        return config, 0, "", weight_norm(model)
    checkpoint = load_checkpoint(folder)
    found, step = checkpoint["config"], checkpoint["step"]
    runs.compare_settings(path, config, found)
    model.load_state_dict(checkpoint["model"])
    # Adam's moments alone: learning rate and decay are those of the settings
    moments = {"state": checkpoint["optimizer"]["state"]}
    optimizer.load_state_dict(optimizer.state_dict() | moments)
    print(f"{folder}: continuing from step {step:,}", flush=True)
    config = found | {name: config[name] for name in ("steps", "device", "data")}
    return config, step, checkpoint["log"], checkpoint["held_norm"]


def with_this_machine(config, first_step):
    """The machines that a run was trained on, a line for each start, and this one.

    A line says what the last digits of a log depend on.
    """
    threads, capability = torch.get_num_threads(), torch.backends.cpu.get_cpu_capability()
    machine = f"{config['device']}, torch {torch.__version__}, threads {threads}, {capability}"
    starts = config["machines"]
    if starts and machine not in starts[-1]:
        print(f"now on {machine}: the last digits may differ from an unbroken run's")
    return [*starts, f"from step {first_step}: {machine}, commit {this_commit()}"]


def show_progress(name, row, steps, since_step, since):
    """A line for a row of the log, with the time that the rest will take at the pace since then."""
    step, left = row["step"], "-:--:--"
    if step > since_step:
        pace = (time.monotonic() - since) / (step - since_step)
        left = timedelta(seconds=round(pace * (steps - step)))
    print(
        f"{name}  step {step:7,} of {steps:,}  {left} left  "
        f"training loss {row['train_loss']:8.3g} accuracy {100 * row['train_acc']:5.1f} %  "
        f"test {row['test_loss']:8.3g} {100 * row['test_acc']:5.1f} %",
        flush=True,
    )


def main(argv=None):
    """The command line. A fault ends it with one line."""
    try:
        config, folder, data_dir, checkpoint = read_command_line(argv)
        train(config, folder, data_dir, checkpoint)
    except KeyboardInterrupt:
        sys.exit("\ntrain.py: stopped; the same command goes on from the last checkpoint")
    except (OSError, ValueError, FloatingPointError) as error:
        sys.exit(f"train.py: error: {error}")
    print(f"to sum it up and draw it: python plot.py {folder}")


if __name__ == "__main__":
    main()
