"""The network, a deep ReLU MLP at an alpha-scaled initialization (paper, Section 2).

Below it, how a run's state is kept on disk.
"""

import io
import os
import zipfile

import torch
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
        return self.layer_outputs(x)[-1].to_dense()

    def layer_outputs(self, x):
        """Images x [n, 784] -> the output of every linear layer, before the ReLU.

        Returns a list: [n, width] depth - 1 times, then [n, 10]. Call .to_dense() on what you keep.
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
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(alpha)
    return model.to(dtype)


# ---- A run's state on disk ----


def write_whole(path, content):
    """Writes bytes so that a kill or a full disk leaves either the old file or the new one, whole.

    Raises OSError.
    """
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def save_checkpoint(path, config, step, log, model, optimizer):
    """Writes a run's state before its row of that step: log is the text of log.csv up to there.

    Minibatches and probes depend on seed and step alone, so no generator's state is in it.
    """
    state = {"config": config, "step": step, "log": log}
    state |= {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_whole(path, buffer.getbuffer())


def load_checkpoint(path):
    """Reads what save_checkpoint wrote, tensors on the CPU; nothing in the file can execute code.

    Raises OSError if it cannot be read, ValueError if it is damaged or not one of ours.
    """
    file = io.BytesIO(path.read_bytes())
    try:
        damaged = zipfile.ZipFile(file).testzip()  # torch.load passes over the checksums
        file.seek(0)
        checkpoint = torch.load(file, map_location="cpu", weights_only=True)
        if damaged or checkpoint.keys() != {"config", "step", "log", "model", "optimizer"}:
            raise ValueError("a part is damaged or missing")
    except Exception as error:  # zipfile and torch.load raise a dozen types for a damaged file
        raise ValueError(
            f"{path}: expected an intact checkpoint of train.py, found a damaged or foreign file; "
            "restore it, or remove the run's folder to train it again"
        ) from error
    return checkpoint
