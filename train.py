"""Train a deep MLP on MNIST from an alpha-scaled initialization, and watch it grok (paper, Section 2, Training Setup).

    python train.py --depth 12 --n-train 5000       # the middle column of the paper's Fig. 1, 100,000 steps
    python train.py --depth 4 --n-train 1000 --width 200 --weight-decay 0.2 --steps 10000      # a minute or two
    python plot.py results/<run>                    # draw it, also while it is still training
    OMP_NUM_THREADS=1 python train.py ...           # on one core; two such runs side by side beat one on two cores

The same command again continues an interrupted run from its last checkpoint.
"""

import argparse
import fcntl
import io
import itertools
import json
import math
import os
import signal
import sys
import time
from importlib.metadata import version
from pathlib import Path

import plot

HERE = Path(__file__).parent
EARLY_ROWS = (0, 10, 30, 100, 300)  # logged and probed beside the multiples of log_every and probe_every


def checked(kind, valid, expected):
    """An argparse type: a number of that kind that is valid, or one line that says what was expected."""

    def parse(text):
        try:
            if valid(value := kind(text)):
                return value
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"expected {expected}, found {text!r}")

    return parse


POSITIVE = checked(int, lambda value: value >= 1, "an integer of 1 or more")
ABOVE_ZERO = checked(float, lambda value: 0 < value < math.inf, "a number above 0")
OPTIONS = {  # setting: (default, the paper's setup; its letters in the run's name; type or choices; help)
    "depth": (12, "d", checked(int, lambda d: d >= 2, "an integer of 2 or more"), "linear layers, the output layer included: the paper's d"),
    "n_train": (5000, "n", checked(int, lambda n: 1 <= n <= 60000, "an integer from 1 to 60000"), "training images, the first of the set: |D^train|"),
    "alpha": (8.0, "a", ABOVE_ZERO, "scale of the initialization: alpha"),
    "weight_decay": (0.01, "wd", checked(float, lambda w: 0 <= w < math.inf, "a number of 0 or more"), "gamma"),
    "seed": (0, "s", checked(int, lambda s: 0 <= s < 2**32, "an integer from 0 to 2^32 - 1"), "of initialization, minibatches and probes"),
    "width": (400, "w", POSITIVE, "units of a hidden layer"),
    "lr": (1e-3, "lr", ABOVE_ZERO, "learning rate"),
    "batch_size": (200, "b", POSITIVE, "images a minibatch"),
    "steps": (100_000, "steps", checked(int, lambda s: s >= 0, "an integer of 0 or more"), "optimizer steps"),
    "optimizer": ("adamw", "", ("adamw", "adam"), "decoupled weight decay, or L2-coupled for comparison"),
    "dtype": ("float32", "", ("float32", "float64"), "precision of training"),
    "device": ("cpu", "", ("auto", "cpu", "cuda"), "auto takes CUDA where there is one"),
    "log_every": (500, "log", POSITIVE, "steps from one row of the log to the next"),
    "probe_every": (2000, "probe", POSITIVE, "steps between measurements of the layers, a multiple of --log-every"),
}


def parse_args(argv=None):
    """Reads the command line. Returns: config, the run's settings; folder, the run's; data_dir."""
    parser = argparse.ArgumentParser(
        prog="train.py", usage=argparse.SUPPRESS, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__)
    for name, (default, _, kind, text) in OPTIONS.items():
        how = {"choices": kind} if isinstance(kind, tuple) else {"type": kind, "metavar": "N" if isinstance(default, int) else "X"}
        default = "auto" if name == "device" else default
        parser.add_argument("--" + name.replace("_", "-"), default=default, help=f"{text} (default: {default})", **how)
    parser.add_argument("--data-dir", type=Path, metavar="DIR", default=HERE / "data",
                        help="folder of the four IDX files, MNIST or a drop-in replacement (default: data)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run's folder (default: results/ and a name made from the settings)")
    args = parser.parse_args(argv)
    if args.probe_every % args.log_every:
        parser.error(f"argument --probe-every: expected a multiple of --log-every {args.log_every}, found {args.probe_every}")
    config = {"format": plot.FORMAT} | {name: getattr(args, name) for name in OPTIONS}
    config["data"] = args.data_dir.resolve().name
    if args.device != "cpu":
        cuda = not version("torch").endswith("+cpu") and cuda_available()
        if args.device == "cuda" and not cuda:
            parser.error("argument --device: expected a CUDA device for cuda, found none; use --device cpu")
        config["device"] = "cuda" if cuda else "cpu"
    return config, args.out or Path("results") / run_name(config), args.data_dir


def cuda_available():
    import torch

    return torch.cuda.is_available()


def run_name(config):
    """The name of a run's folder, made from what sets it apart: d12-n5000-a8-wd0.01-s0, then what is no default."""
    parts = []
    for name, (default, letters, _, _) in OPTIONS.items():
        value = config[name]
        if name in ("depth", "n_train", "alpha", "weight_decay", "seed") or value != default:
            parts.append(f"{letters}{value}" if isinstance(value, (int, str)) else f"{letters}{value:g}")
    return "-".join(parts + [config["data"]] * (config["data"] != "data"))


def differences(config, old):
    """Which settings differ between this command and a run's config; steps may rise. Returns: text, "" if none."""
    return ", ".join(f"{name} is {old.get(name)} there and {value} here" for name, value in config.items()
                     if old.get(name) != value and not (name == "steps" and old["steps"] < value))


def is_finished(folder, config):
    """Whether the folder holds this very run, finished; reads a few lines only.

    Raises: ValueError, in one line, if the folder holds another run or something that is none; OSError.
    """
    if not (folder / "config.json").exists():
        leftovers = {"log.csv", "config.json.tmp"}  # of a run that was killed before it began
        if folder.exists() and {path.name for path in folder.iterdir()} - leftovers:
            raise ValueError(f"{folder}: expected a run's folder or an empty one, found no config.json among its files; "
                             "choose another --out")
        return False
    if different := differences(config, plot.read_config(folder)):
        raise ValueError(f"{folder} holds another run: {different}; repeat its settings (threads: OMP_NUM_THREADS) or "
                         "choose another --out")
    try:
        return plot.read_log(folder)["step"][-1:] == config["steps"]
    except (FileNotFoundError, ValueError):
        return False  # continuing the run will say what is wrong


def write_whole(path, data):
    """Writes bytes to a file so that a kill or a full disk leaves either the old file or the new one, whole."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def open_log(folder):
    """Opens the run's log for this process alone; the operating system frees the lock with the process.

    Returns: a binary file, unbuffered. Raises: OSError, also where another process trains this run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = open(folder / "log.csv", "ab+", buffering=0)  # noqa: SIM115 - its caller closes it
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(f"{folder}: another process is training this run; wait for it, or choose another --out") from None
    return log


def append_row(log, values):
    """Writes one line of the log, or, where the disk is full, leaves the log as it was and raises OSError."""
    end = log.seek(0, os.SEEK_END)
    line = ",".join("" if v is None else f"{v:.6g}" if isinstance(v, float) else str(v) for v in values) + "\n"
    try:
        if log.write(line.encode()) != len(line):
            raise OSError("no space left for the next row of log.csv; free some and continue with the same command")
    except OSError:
        log.truncate(end)
        raise


def is_logged(step, config):
    """Whether the log has a row for the state after that many steps."""
    return step % config["log_every"] == 0 or step in EARLY_ROWS or step == config["steps"]


def is_probed(step, config):
    """Whether that row has the layers measured; a checkpoint is written there too."""
    return step % config["probe_every"] == 0 or step in EARLY_ROWS or step == config["steps"]


def cut_log(log, step, config):
    """Drops the log's rows from that step on, to be written again; those before must be there, whole.

    Raises: ValueError, in one line, and leaves the log alone if they are not.
    """
    log.seek(0)
    lines = log.read().splitlines(keepends=True)
    due = [",".join(plot.columns(config["depth"]))] + [str(s) for s in range(step) if is_logged(s, config)]
    for number, start in enumerate(due):
        line = lines[number].decode(errors="replace") if number < len(lines) else ""
        if not (line.endswith("\n") and line.count(",") == due[0].count(",") and (line.strip() + ",").startswith(start + ",")):
            raise ValueError(f"{log.name}: expected line {number + 1} to start with {start[:40]} and to be whole, found "
                             f"{line.strip()[:40]!r}; restore the file, or remove the run's folder to train it again")
    if len(lines) > len(due):
        print(f"{log.name}: rows from step {step} on are written again")
    log.truncate(sum(map(len, lines[: len(due)])))


def captured(train_step, batch, model, optimizer):
    """Captures a training step as a CUDA graph: one launch a step instead of some 75, whose cost would dominate.

    Args: train_step, a function of a batch of indices; batch, one of full size, on the device.
    Returns: a function like it; a batch of another size (the epoch's last) takes the plain path.
    Source: ours, after PyTorch's notes on CUDA graphs: warm up on a side stream, capture, undo the warm-up.
    """
    import torch

    static_batch = batch.clone()
    weights = [p.detach().clone() for p in model.parameters()]
    moments = {p: {k: v.clone() for k, v in state.items()} for p, state in optimizer.state.items()}
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            train_step(static_batch)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    optimizer.zero_grad()
    with torch.cuda.graph(graph):
        train_step(static_batch)
    with torch.no_grad():
        for p, weight in zip(model.parameters(), weights):
            p.copy_(weight)
            for key, value in optimizer.state[p].items():
                value.copy_(moments[p][key]) if p in moments else value.zero_()

    def replay(batch):
        if len(batch) != len(static_batch):
            return train_step(batch)
        static_batch.copy_(batch)
        graph.replay()

    return replay


def start(log, folder, config, model, optimizer):
    """Makes the run's folder that of this run, or loads its checkpoint and drops the log's rows past it.

    Returns: the step that model and optimizer stand at. Raises: OSError or ValueError, in one line, and changes
    nothing, if the folder holds another run or damaged files.
    """
    from model import load_checkpoint

    is_finished(folder, config)  # again, now that no other process can change it and the data and threads are known
    path, step = folder / "checkpoint.pt", 0
    log.seek(0)
    if path.exists():
        checkpoint = load_checkpoint(path)
        if different := differences(config, checkpoint["config"]):
            raise ValueError(f"{path} is of another run: {different}; restore it, or remove the run's folder to train again")
        step = checkpoint["step"]
        cut_log(log, step, config)
        model.load_state_dict(checkpoint["model"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        print(f"{folder}: continuing from step {step}", flush=True)
    elif log.read().count(b"\n") > 1:
        raise FileNotFoundError(f"{path}: expected a checkpoint to continue from, found none; restore it, or remove the "
                                "run's folder to train again")
    else:
        log.truncate(0)
        append_row(log, plot.columns(config["depth"]))
        print(f"{folder}: training on {config['device']}, {config['threads']} threads", flush=True)
    write_whole(folder / "config.json", (json.dumps(config, indent=2) + "\n").encode())
    return step


def save_checkpoint(log, folder, config, step, model, optimizer):
    """Writes checkpoint.pt, once the rows before it are on the disk. Minibatches and probes depend on seed and step
    alone, so no generator's state belongs to it. Raises: OSError."""
    import torch

    os.fsync(log.fileno())
    buffer = io.BytesIO()
    torch.save({"config": config, "step": step, "model": model.state_dict(), "optimizer": optimizer.state_dict()}, buffer)
    write_whole(folder / "checkpoint.pt", buffer.getbuffer())


def show_progress(step, steps, row, seconds_left):
    """Prints the status line: overwritten in a terminal, one below the other in a file."""
    left = time.strftime("%H:%M:%S", time.gmtime(seconds_left))
    accuracies = "  ".join(f"{name} loss {row[name + '_loss']:9.3g} acc {100 * row[name + '_acc']:5.1f} %" for name in ("train", "test"))
    line = f"step {step:{len(str(steps))}}  {100 * step // max(steps, 1):3} %  {left} left  {accuracies}"
    print(line, end="\r" if sys.stdout.isatty() and step < steps else "\n", flush=True)


def train(config, folder, data_dir, stopped):
    """Trains one run to its end, or until a signal, and keeps its folder: config.json, log.csv, checkpoint.pt.

    Args: config, from parse_args; stopped, a list that a signal's handler puts its number in.
    Raises: OSError; ValueError, in one line, for the data or the folder; FloatingPointError, if training diverges.
    Source: paper, Section 2, Training Setup; batches and AdamW as in the authors' implementation.
    """
    import torch
    import torch.nn.functional as F

    from data import load_mnist, minibatches
    from model import scaled_mlp
    from probes import measure

    dtype, device, steps = getattr(torch, config["dtype"]), config["device"], config["steps"]
    train_set, test_set, digest = load_mnist(data_dir, config["n_train"], dtype, device)
    images, labels = train_set
    targets = F.one_hot(labels, 10).to(dtype)
    config |= {"data_sha256": digest, "torch": str(torch.__version__), "threads": torch.get_num_threads()}

    model = scaled_mlp(config["depth"], config["width"], config["alpha"], config["seed"], dtype).to(device)
    adam = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[config["optimizer"]]
    optimizer = adam(model.parameters(), lr=config["lr"], weight_decay=config["weight_decay"],
                     fused=True, capturable=device == "cuda")

    def train_step(batch):
        outputs = model(images.index_select(0, batch))
        loss = F.mse_loss(outputs, targets.index_select(0, batch))  # mean over the batch and the 10 outputs
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    with open_log(folder) as log:
        first_step = step = start(log, folder, config, model, optimizer)
        order = torch.Generator().manual_seed(config["seed"])
        batches = minibatches(len(images), config["batch_size"], order, device)
        batches = itertools.islice(batches, step, None)  # passes over those that an interrupted run has taken
        if device == "cuda":
            full_batch = torch.arange(min(config["batch_size"], len(images)), device=device)
            train_step = captured(train_step, full_batch, model, optimizer)
        start_time = time.monotonic()
        while not stopped:
            if is_probed(step, config):
                save_checkpoint(log, folder, config, step, model, optimizer)
            if is_logged(step, config):
                row = measure(model, train_set, test_set, config["seed"], step, is_probed(step, config))
                if not all(map(math.isfinite, row.values())):
                    raise FloatingPointError(f"{folder}: diverged by step {step} (training loss {row['train_loss']}); the log "
                                             "keeps the rows before it; try a smaller --lr or --alpha")
                append_row(log, [step, *(row.get(name) for name in plot.columns(config["depth"])[1:])])
                seconds_a_step = (time.monotonic() - start_time) / max(step - first_step, 1)
                show_progress(step, steps, row, (steps - step) * seconds_a_step)
            if step == steps:
                return
            train_step(next(batches))
            step += 1
        save_checkpoint(log, folder, config, step, model, optimizer)
        print(f"{folder}: stopped at step {step}; the same command continues from there", flush=True)


def main(argv=None):
    """The command line. Returns: the exit status: 0; 1 for a fault, in one line; 130, 143 for Ctrl-C, SIGTERM."""
    config, folder, data_dir = parse_args(argv)
    stopped = []
    handlers = {number: signal.signal(number, lambda number, _: stopped.append(number))
                for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        if is_finished(folder, config):
            print(f"{folder}: finished, left alone; draw it with python plot.py {folder}")
            return 0
        train(config, folder, data_dir, stopped)
        if stopped:
            return 128 + stopped[0]
        print(plot.summary(folder))
        return 0
    except (OSError, ValueError, FloatingPointError) as error:
        print(f"train.py: error: {error}", file=sys.stderr)
        return 1
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
