"""Train a deep MLP on MNIST from an alpha-scaled initialization, and watch it grok (paper, Section 2, Training Setup).

    python train.py --depth 12 --n-train 5000       # the middle column of the paper's Fig. 1, 100,000 steps
    python train.py --depth 4 --width 200 --n-train 500 --weight-decay 0.08 --steps 20000      # groks in a minute
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
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import plot

HERE = Path(__file__).parent
EARLY_ROWS = (0, 10, 30, 100, 300)  # logged and probed beside the multiples of log_every and probe_every

OPTIONS = {  # setting: (default, the paper's setup; its letters in the run's name; limits or choices; help)
    "depth": (12, "d", (2, math.inf), "linear layers, the output layer included: the paper's d"),
    "n_train": (5000, "n", (1, 60000), "training images, the first of the set: |D^train|"),
    "alpha": (8.0, "a", (1e-9, math.inf), "scale of the initialization: alpha"),
    "weight_decay": (0.01, "wd", (0, math.inf), "gamma"),
    "seed": (0, "s", (0, 2**32 - 1), "of initialization, minibatches and probes"),
    "width": (400, "w", (1, math.inf), "units of a hidden layer"),
    "lr": (1e-3, "lr", (1e-12, math.inf), "learning rate"),
    "batch_size": (200, "b", (1, math.inf), "images a minibatch"),
    "steps": (100_000, "steps", (0, math.inf), "optimizer steps"),
    "optimizer": ("adamw", "", ("adamw", "adam"), "decoupled weight decay, or L2-coupled for comparison"),
    "dtype": ("float32", "", ("float32", "float64"), "precision of training"),
    "device": ("cpu", "", ("cpu", "cuda"), "where to train"),
    "log_every": (500, "log", (1, math.inf), "steps from one row of the log to the next"),
    "probe_every": (2000, "probe", (1, math.inf), "steps between probes of the layers, a multiple of --log-every"),
}


def parse_args(argv=None):
    """Reads the command line. Returns: config, the run's settings; folder, the run's; data_dir."""
    parser = argparse.ArgumentParser(prog="train.py", usage=argparse.SUPPRESS, allow_abbrev=False, description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, (default, _, valid, text) in OPTIONS.items():
        kind = type(default)
        how = {"choices": valid} if kind is str else {"type": kind, "metavar": kind.__name__}
        parser.add_argument("--" + name.replace("_", "-"), default=default, help=f"{text} (default: {default})", **how)
    parser.add_argument("--data-dir", type=Path, metavar="DIR", default=HERE / "data",
                        help="folder of the four IDX files, MNIST or a drop-in replacement (default: data)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run's folder (default: results/<its settings>)")
    args = parser.parse_args(argv)
    for name, (default, _, (low, *_, high), _) in OPTIONS.items():
        value = getattr(args, name)
        if not isinstance(default, str) and not (low <= value <= high and value < math.inf):
            parser.error(f"argument --{name.replace('_', '-')}: expected a number from {low} to {high}, found {value}")
    if args.probe_every % args.log_every:
        parser.error(f"argument --probe-every: expected a multiple of --log-every, which is {args.log_every}, found "
                     f"{args.probe_every}")
    config = {name: getattr(args, name) for name in OPTIONS}
    config["data"] = args.data_dir.resolve().name
    cuda = False
    if args.device != "cpu" and not version("torch").endswith("+cpu"):
        import torch  # takes seconds, so only where it may find a device

        cuda = torch.cuda.is_available()
    if args.device == "cuda" and not cuda:
        parser.error("argument --device: expected a CUDA device for cuda, found none; use --device cpu")
    config["device"] = "cuda" if cuda else "cpu"
    folder = args.out or Path("results") / run_name(config)
    if folder.exists() and not (folder / "config.json").exists():
        leftovers = {"log.csv", "config.json.tmp"}  # of a run that was killed before it began
        if not folder.is_dir() or {path.name for path in folder.iterdir()} - leftovers:
            parser.error(f"argument --out: expected a run's folder or an empty one, found neither in {folder}")
    return config, folder, args.data_dir


def run_name(config):
    """The name of a run's folder, made from what sets it apart: d12-n5000-a8-wd0.01-s0, then what is no default."""
    parts = [letters + (f"{config[name]:g}" if isinstance(default, float) else str(config[name]))
             for name, (default, letters, _, _) in OPTIONS.items()
             if name in ("depth", "n_train", "alpha", "weight_decay", "seed") or config[name] != default]
    return "-".join(parts + [config["data"]] * (config["data"] != "data"))


def differences(config, old):
    """Which settings differ between this command and a run's config; steps may rise. Returns: text, "" if none."""
    return ", ".join(f"{name} is {old.get(name)} there and {value} here" for name, value in config.items()
                     if old.get(name) != value and not (name == "steps" and old["steps"] < value))


def is_finished(folder, config):
    """Whether the folder holds this run, finished. Raises: ValueError, in one line, if it holds another; OSError."""
    if not (folder / "config.json").exists():
        return False
    if different := differences(config, plot.read_config(folder)):
        raise ValueError(f"{folder} holds another run: {different}; repeat its settings (threads: OMP_NUM_THREADS) or "
                         "choose another --out")
    try:
        return max(plot.read_log(folder)["step"], default=None) == config["steps"]
    except (FileNotFoundError, ValueError):
        return False  # continuing the run will say what is wrong


def write_whole(path, data):
    """Writes bytes to a file so that a kill or a full disk leaves either the old file or the new one, whole."""
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def open_log(folder):
    """Opens the run's log for this process alone; the operating system frees the lock with the process. Returns: a
    binary file, unbuffered. Raises: OSError, also where another process trains this run."""
    folder.mkdir(parents=True, exist_ok=True)
    log = open(folder / "log.csv", "ab+", buffering=0)  # noqa: SIM115 - its caller closes it
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(f"{folder}: another process is training this run; wait, or use another --out") from None
    return log


def append_row(log, values):
    """Writes one line of the log, or, where the disk is full, leaves the log as it was and raises OSError."""
    end = log.seek(0, os.SEEK_END)
    line = ",".join("" if v is None else f"{v:.6g}" if isinstance(v, float) else str(v) for v in values) + "\n"
    if log.write(line.encode()) != len(line):
        log.truncate(end)
        raise OSError("no space left for the next row of log.csv; free some and continue with the same command")


def is_due(every, step, config):
    """Whether a row of the log ("log_every"), or one with the layers measured ("probe_every"), is due at that step."""
    return step % config[every] == 0 or step in EARLY_ROWS or step == config["steps"]


def cut_log(log, step, config):
    """Drops the log's rows from that step on, to be written again. Raises: ValueError, in one line, and leaves the log
    alone, if those before are not all there, whole."""
    log.seek(0)
    lines = log.read().splitlines(keepends=True)
    due = ["step", *(str(s) for s in range(step) if is_due("log_every", s, config))]
    found = [line.decode(errors="replace").split(",")[0] for line in lines[: len(due)] if line.endswith(b"\n")]
    if found != due:
        raise ValueError(f"{log.name}: expected all rows before step {step}, the checkpoint's, found some missing or "
                         "damaged; restore the file, or remove the run's folder to train it again")
    if len(lines) > len(due):
        print(f"{log.name}: rows from step {step} on are written again")
    log.truncate(sum(map(len, lines[: len(due)])))


def captured(train_step, batch_size):
    """Makes of a training step a CUDA graph: one launch a step instead of some 75, whose cost would dominate.

    Args: train_step, a function of a batch of indices; batch_size, of a full one. Returns: a function like it, which
    takes the plain path for short batches and for the first three full ones, which warm up, and then captures.
    Source: ours, after PyTorch's notes on CUDA graphs.
    """
    import torch

    static_batch = torch.empty(batch_size, dtype=torch.int64, device="cuda")
    stream, graph, full_batches = torch.cuda.Stream(), torch.cuda.CUDAGraph(), itertools.count()

    def step(batch):
        if len(batch) < batch_size:
            return train_step(batch)
        static_batch.copy_(batch)
        if (number := next(full_batches)) < 3:
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                train_step(static_batch)
            return torch.cuda.current_stream().wait_stream(stream)
        if number == 3:
            with torch.cuda.graph(graph):
                train_step(static_batch)
        graph.replay()

    return step


def start(log, folder, config, model, optimizer):
    """Makes the folder that of this run, or loads its checkpoint and drops the log's rows past it.

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
            raise ValueError(f"{path} is of another run: {different}; restore it, or remove the folder to train again")
        step = checkpoint["step"]
        cut_log(log, step, config)
        model.load_state_dict(checkpoint["model"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        print(f"{folder}: continuing from step {step}", flush=True)
    elif log.read().count(b"\n") > 1:
        raise FileNotFoundError(f"{path}: expected a checkpoint to continue from, found none; restore it, or remove "
                                "the folder to train again")
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
    state, buffer = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}, io.BytesIO()
    torch.save({"config": config, "step": step} | state, buffer)
    write_whole(folder / "checkpoint.pt", buffer.getbuffer())


def show_progress(step, steps, row, seconds_left):
    """Prints the status line: overwritten in a terminal, one below the other in a file."""
    left = "-:--:--" if seconds_left is None else timedelta(seconds=round(seconds_left))
    line = f"step {step:{len(str(steps))}}  {100 * step // max(steps, 1):3} %  {left} left"
    for name in ("train", "test"):
        line += f"  {name} loss {row[name + '_loss']:9.3g} acc {100 * row[name + '_acc']:5.1f} %"
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
    config |= {"data_sha256": digest, "torch": str(torch.__version__), "threads": torch.get_num_threads(),
               "cpu_capability": torch.backends.cpu.get_cpu_capability()}

    model = scaled_mlp(config["depth"], config["width"], config["alpha"], config["seed"], dtype).to(device)
    adam = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[config["optimizer"]]
    optimizer = adam(model.parameters(), config["lr"], weight_decay=config["weight_decay"], fused=True,
                     capturable=device == "cuda")

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
            train_step = captured(train_step, min(config["batch_size"], len(images)))
        start_time = time.monotonic()
        while not stopped:
            probe = is_due("probe_every", step, config)
            if probe:
                save_checkpoint(log, folder, config, step, model, optimizer)
            if is_due("log_every", step, config):
                row = measure(model, train_set, test_set, config["seed"], step, probe)
                append_row(log, [row.get(name) for name in plot.columns(config["depth"])])
                done, elapsed = step - first_step, time.monotonic() - start_time
                show_progress(step, steps, row, elapsed / done * (steps - step) if done else None)
            if step == steps:
                return
            train_step(next(batches))
            step += 1
        save_checkpoint(log, folder, config, step, model, optimizer)
        print(f"{folder}: stopped at step {step}; the same command continues from there", flush=True)


def main(argv=None):
    """The command line. Returns: the exit status: 0; 1 for a fault, in one line; 130, 143 for Ctrl-C, SIGTERM."""
    stopped = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: stopped.append(number))
    try:
        config, folder, data_dir = parse_args(argv)
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


if __name__ == "__main__":
    sys.exit(main())
