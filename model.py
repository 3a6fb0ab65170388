"""The network: a deep ReLU MLP started from an alpha-scaled initialization (paper, Section 2, Training Setup)."""

import contextlib
import itertools
import zipfile

import torch
from torch import nn


class MLP(nn.Module):
    """784 -> width -> ... -> width -> 10 with ReLU between; depth counts the linear layers, the output layer included.

    Source: paper, Section 2 (width 400); what depth counts, as in the authors' implementation.
    """

    def __init__(self, depth, width):
        super().__init__()
        sizes = [784] + [width] * (depth - 1) + [10]
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in itertools.pairwise(sizes))

    def layer_outputs(self, x):
        """Yields the output of each linear layer, before the ReLU, from the first to the output layer.

        Args: x [n, 784]. Yields: [n, width] depth - 1 times, then [n, 10]; call .to_dense() on what you keep.
        Source: these are the paper's features (Section 2, Probing Internal Features), before the ReLU as in the
        authors' implementation.
        """
        # oneDNN's matrix products are up to twice as fast as PyTorch's default ones, in the same float32; a tensor in
        # its layout selects them for nn.Linear and relu. Elsewhere (CUDA, float64, builds without it): the plain path.
        if x.device.type == "cpu" and x.dtype == torch.float32 and torch.backends.mkldnn.is_available():
            x = x.to_mkldnn()
        for layer in self.layers:
            output = layer(x)
            yield output
            x = output.relu()

    def forward(self, x):
        """Args: x [n, 784] in 0..1. Returns: the output layer's values [n, 10]."""
        *_, output = self.layer_outputs(x)
        return output.to_dense()


def scaled_mlp(depth, width, alpha, seed, dtype=torch.float32):
    """Builds an MLP at alpha times PyTorch's default initialization, weights and biases.

    Args: alpha > 0, the paper's initialization scale; seed, for torch.manual_seed.
    Returns: an MLP of dtype on the CPU. The default initialization is drawn in float32 whatever the dtype.
    Source: paper, Section 2 and footnotes 2 and 3: alpha = |w| / |w0|.
    """
    torch.manual_seed(seed)
    model = MLP(depth, width).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(alpha)
    return model


def load_checkpoint(path):
    """Reads a run's checkpoint; nothing in the file can execute code.

    Returns: {"config": dict, "step": int, "model": state dict, "optimizer": state dict}, tensors on the CPU.
    Raises: OSError if it cannot be read, ValueError if it is damaged or none of ours, each in one line.
    """
    with open(path, "rb") as file, contextlib.suppress(Exception):  # zipfile and torch.load raise a dozen types
        intact = zipfile.ZipFile(file).testzip() is None  # torch.load passes over the checksums
        file.seek(0)
        checkpoint = torch.load(file, map_location="cpu", weights_only=True)
        if intact and checkpoint.keys() == {"config", "step", "model", "optimizer"}:
            return checkpoint
    raise ValueError(f"{path}: expected an intact checkpoint of train.py, found a damaged or foreign file; restore it, "
                     "or remove the run's folder to train it again")
