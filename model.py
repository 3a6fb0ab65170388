"""The network, a deep ReLU MLP at an alpha-scaled initialization (paper, Section 2), and its loss.

Below them, the checkpoint that keeps a network and the state of its training.
"""

import io
import zipfile

import torch
import torch.nn.functional as F
from torch import nn

from runs import NEWER_SETTINGS, write_atomic


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
            x = x.to_mkldnn()
        outputs = [self.layers[0](x)]
        for layer in self.layers[1:]:
            outputs.append(layer(outputs[-1].relu()))
        return outputs


def uses_onednn(x):
    """Whether layer_outputs puts x into oneDNN's layout, so that oneDNN computes its products.

    They stay float32: with AVX-512 up to twice as fast as PyTorch's own, without it slower.
    Source: ours. PyTorch calls oneDNN by its former name, mkldnn.
    """
    if x.device.type != "cpu" or x.dtype != torch.float32:
        return False
    has_avx512 = torch.backends.cpu.get_cpu_capability() == "AVX512"
    return has_avx512 and torch.backends.mkldnn.is_available()


def scaled_mlp(depth, width, alpha, seed, dtype=torch.float32):
    """An MLP at alpha times PyTorch's default initialization, weights and biases, on the CPU.

    Source: paper, Section 2 and footnotes 2 and 3: alpha = |w| / |w0|. The numbers are drawn in
    float64 whatever the dtype, as in the authors' implementation; with seed 0 they are theirs.
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


# ---- A run's checkpoint ----


def save_checkpoint(folder, checkpoint):
    """Writes a run's state, a dict. Raises OSError.

    It holds config; step; log, the text before that step's row; held_norm, the weight norm at the
    run's first step; and the state_dict() of model and optimizer.
    """
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    write_atomic(folder / "checkpoint.pt", buffer.getbuffer())


def load_checkpoint(folder):
    """Reads what save_checkpoint wrote, tensors on the CPU; nothing in the file can execute code.

    Raises OSError if it cannot be read, ValueError if it is damaged or not one of ours.
    """
    path = folder / "checkpoint.pt"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: expected a run's checkpoint, found none (runs are committed without theirs); "
            "restore it, or train the run again in another folder, with --out"
        )
    parts = {"config", "step", "log", "held_norm", "model", "optimizer"}
    file = io.BytesIO(path.read_bytes())
    try:
        damaged = zipfile.ZipFile(file).testzip()  # torch.load passes over the checksums
        file.seek(0)
        checkpoint = torch.load(file, map_location="cpu", weights_only=True)
        if damaged or not checkpoint.keys() >= parts:
            raise ValueError
        checkpoint["config"] = NEWER_SETTINGS | checkpoint["config"]
    except Exception as error:  # zipfile and torch.load raise a dozen types for a damaged file
        raise ValueError(
            f"{path}: expected an intact checkpoint of train.py, found a damaged or foreign file; "
            "restore it, or remove the run's folder to train it again"
        ) from error
    return checkpoint
