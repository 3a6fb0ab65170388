"""The network, a deep ReLU MLP at an alpha-scaled initialization (paper, Section 2), and its loss.

Below them, how a run's state is kept on disk.
"""

import contextlib
import fcntl
import io
import json
import math
import os
import sys
import zipfile

import torch
import torch.nn.functional as F
from torch import nn


class MLP(nn.Module):
    """784 -> width -> ... -> width -> 10, with ReLU between the linear layers.

    depth counts the linear layers, the output layer included.
    Source: paper, Section 2 (width 400); what depth counts, as in the authors' implementation.
    """

    def __init__(self, depth, width, dtype=torch.float32):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(784, width, dtype=dtype)])
        for _ in range(depth - 2):
            self.layers.append(nn.Linear(width, width, dtype=dtype))
        self.layers.append(nn.Linear(width, 10, dtype=dtype))

    def forward(self, x):
        """Images x [n, 784] in 0..1 -> outputs [n, 10]."""
        return self.layer_outputs(x)[-1].to_dense()  # from oneDNN's layout, if it is in that

    def layer_outputs(self, x):
        """Images x [n, 784] -> the output of every linear layer, before the ReLU.

        Returns a list: [n, width] depth - 1 times, then [n, 10]. They may be in oneDNN's layout,
        which few functions take: call .to_dense() on what you keep.
        Source: the paper's features (Section 2, Probing Internal Features); before the ReLU, as in
        the authors' implementation.
        """
        if uses_onednn(x):
            x = x.to_mkldnn()  # of the activations it trains relu alone: see results/README.md
        outputs = [self.layers[0](x)]
        for layer in self.layers[1:]:
            outputs.append(layer(outputs[-1].relu()))
        return outputs


def uses_onednn(x):
    """Whether the layers' products of x go through oneDNN, which a tensor in its layout selects.

    Still float32: with AVX-512 up to twice as fast as PyTorch's default products, without it
    slower. Source: ours.
    """
    if x.device.type != "cpu" or x.dtype != torch.float32:
        return False
    has_avx512 = torch.backends.cpu.get_cpu_capability() == "AVX512"
    return has_avx512 and torch.backends.mkldnn.is_available()


def scaled_mlp(depth, width, alpha, seed, dtype=torch.float32):
    """An MLP at alpha times PyTorch's default initialization, weights and biases, on the CPU.

    Source: paper, Section 2 and footnotes 2 and 3: alpha = |w| / |w0|. The numbers are drawn in
    float64 whatever the dtype, as in the authors' implementation: seed 0 is their network.
    """
    torch.manual_seed(seed)
    model = MLP(depth, width, dtype=torch.float64)
    scale_parameters(model, alpha)
    return model.to(dtype)


@torch.no_grad()
def scale_parameters(model, factor):
    """Multiplies every weight and every bias by a number, in place."""
    for parameter in model.parameters():
        parameter.mul_(factor)


def loss_function(outputs, labels):
    """Mean square error of outputs [n, 10] against one-hot labels, int64 [n]: a scalar.

    Source: paper, Section 2; the mean over images and the 10 outputs, as in the authors'
    implementation.
    """
    return F.mse_loss(outputs, F.one_hot(labels, 10).to(outputs))


# ---- A run's state on disk ----


def write_atomic(path, content):
    """Writes bytes so that a kill or a full disk leaves either the old file or the new one, whole.

    Raises OSError.
    """
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


@contextlib.contextmanager
def lock(folder):
    """Makes a run's folder, and keeps other processes from training in it.

    Raises OSError, also where another process trains there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise BlockingIOError(
            f"{folder}: another process is training this run; wait, or use another --out"
        ) from None
    except OSError as error:  # some network file systems have no locks
        warning = f"{folder}: cannot be locked ({error.strerror}); do not train it twice at once"
        print(warning, file=sys.stderr)
    try:
        yield
    finally:
        os.close(descriptor)  # which ends the lock; so does the end of the process


def read_config(folder):
    """Reads a run's settings, a dict. Raises OSError or ValueError, in one line."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_bytes())
        dated = [*config.get("machines", []), *([config["from"]] if config.get("from") else [])]
        if not all(isinstance(part["step"], int) for part in dated):
            raise TypeError
        return config
    except (ValueError, TypeError, LookupError, AttributeError):
        message = f"{path}: expected a run's settings in JSON, found damage; restore it"
        raise ValueError(message) from None


def write_config(folder, config):
    """Writes a run's settings. Raises OSError."""
    write_atomic(folder / "config.json", (json.dumps(config, indent=2) + "\n").encode())


def compare_settings(path, config, found, defaults):
    """Raises ValueError, in one line, if the settings found are another run's. Steps may grow.

    A setting that is missing there is newer than that run, and has its default.
    """
    changed = []
    for name, value in ({"from": None} | config).items():
        other = found.get(name, defaults.get(name))
        longer = name == "steps" and isinstance(other, int) and other < value
        if other != value and not longer and name not in ("data", "device"):
            changed.append(f"{name} is {json.dumps(other)} there and {json.dumps(value)} here")
    if changed:
        raise ValueError(
            f"{path}: expected this run's, found another's: {', '.join(changed)}; repeat its "
            "settings (and --data-dir) or choose another --out"
        )


def say(text):
    """Prints a line. A reader that has gone (train.py | head) does not stop the training."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def machines(found, config, first_step):
    """The settings, with "machines": those that trained a run, each with the step from which.

    found: the settings in its folder; older ones have the keys of the only machine not in a list.
    """
    machine = {
        "device": config["device"],
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }
    only = [{"step": 0} | {name: found.get(name) for name in machine}] if "torch" in found else []
    earlier = [other for other in found.get("machines", only) if other["step"] < first_step]
    changed = []
    for name, value in machine.items():
        if earlier and earlier[-1].get(name) != value:
            changed.append(f"{name} {value}, before {earlier[-1].get(name)}")
    if changed:
        told = f"continuing on another machine ({'; '.join(changed)})"
        say(f"{told}: the last digits will differ from an unbroken run's")
    if changed or not earlier:
        earlier = [*earlier, {"step": first_step} | machine]
    config = found | config | {"machines": earlier}
    return {name: value for name, value in config.items() if name not in machine}


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


def is_finished(folder, steps):
    """Whether the log is whole and its last row, with its line's end, is that of the last step.

    make and claims.py ask the same in their own words, and a test asks all three.
    """
    path = folder / "log.csv"
    text = path.read_bytes().decode(errors="replace") if path.exists() else ""
    *lines, end = text.split("\n")
    whole = text.startswith("step,") and "\r" not in text and end == ""
    even = len({line.count(",") for line in lines}) == 1
    return whole and even and lines[-1].startswith(f"{steps},")


def save_checkpoint(folder, config, step, log, model, optimizer, held_norm):
    """Writes a run's state before its row of that step: log is the text of log.csv up to there.

    held_norm: the weight norm at its first step, which --hold-norm keeps. Minibatches and probes
    depend on seed and step alone, so no generator's state is in it.
    """
    state = {"config": config, "step": step, "log": log, "held_norm": held_norm}
    state |= {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    write_checkpoint(folder, state)


def write_checkpoint(folder, state):
    """Writes a state as save_checkpoint makes it and load_checkpoint returns it. Raises OSError."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomic(folder / "checkpoint.pt", buffer.getbuffer())


def load_checkpoint(path):
    """Reads what save_checkpoint wrote, tensors on the CPU; nothing in the file can execute code.

    Raises OSError if it cannot be read, ValueError if it is damaged or not one of ours.
    """
    file = io.BytesIO(path.read_bytes())
    try:
        damaged = zipfile.ZipFile(file).testzip()  # torch.load passes over the checksums
        file.seek(0)
        checkpoint = torch.load(file, map_location="cpu", weights_only=True)
        if damaged or not checkpoint.keys() >= {"config", "step", "log", "model", "optimizer"}:
            raise ValueError("a part is damaged or missing")
    except MemoryError:
        raise
    except Exception as error:  # zipfile and torch.load raise a dozen types for a damaged file
        raise ValueError(
            f"{path}: expected an intact checkpoint of train.py, found a damaged or foreign file; "
            "restore it, or remove the run's folder to train it again"
        ) from error
    return checkpoint
