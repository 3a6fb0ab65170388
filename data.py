"""MNIST from its four original files: IDX bytes -> tensors.

An IDX file is two zero bytes, one byte for the element type (8: unsigned byte), one for the number
of dimensions, each dimension as a big-endian 32-bit integer, and then the elements. Nothing here
downloads anything.
"""

import gzip
import hashlib
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import torch

DATA_DIR = Path(__file__).resolve().parent / "data"
MAX_BYTES = 2**26  # refuse files that promise more; the largest of MNIST's holds 47 MB


def read_idx(path, item_shape):
    """Reads one IDX file of unsigned bytes, plain or gzip, whole or not at all.

    item_shape: the dimensions expected after the first one, (28, 28) for images, () for labels.
    Returns a uint8 array [count, *item_shape].
    Raises OSError if the file cannot be read; ValueError, in one line, if it is not such a file
    from its first byte to its last, or promises more than MAX_BYTES elements.
    Source: the format is LeCun's; the checks are ours.
    """
    with open(path, "rb") as plain:
        is_gzip = plain.read(2) == b"\x1f\x8b"
    header_size = 4 + 4 * (1 + len(item_shape))
    with (gzip.open if is_gzip else open)(path, "rb") as file:
        try:
            header = file.read(header_size)
            magic = bytes([0, 0, 8, 1 + len(item_shape)])
            if header[:4] != magic:
                raise ValueError(
                    f"{path}: expected an IDX file beginning with {magic.hex()}, found "
                    f"{header[:4].hex() or 'an empty file'}"
                )
            if len(header) < header_size:
                raise ValueError(
                    f"{path}: expected a header of {header_size} bytes, found only {len(header)}"
                )
            shape = struct.unpack(f">{1 + len(item_shape)}I", header[4:])
            if shape[1:] != item_shape or shape[0] == 0:
                expected = ", ".join(["1 or more", *map(str, item_shape)])
                raise ValueError(f"{path}: expected dimensions ({expected}), found {shape}")
            size = math.prod(shape)
            if size > MAX_BYTES:
                raise ValueError(
                    f"{path}: expected at most {MAX_BYTES} elements, found a header that promises "
                    f"{size}"
                )
            body = file.read(size + 1)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(
                f"{path}: expected an intact gzip file, found damage: {error}"
            ) from error
    if len(body) != size:
        found = "more" if len(body) > size else f"only {len(body)}"
        raise ValueError(f"{path}: expected {size} bytes after the header, found {found}")
    return np.frombuffer(body, np.uint8).reshape(shape)


def load_split(data_dir, prefix):
    """Reads the images and labels of one split ("train" or "t10k"), each from NAME or NAME.gz.

    Returns images uint8 [count, 28, 28] and labels uint8 [count] in 0..9.
    Raises OSError or ValueError, in one line.
    """
    arrays = []
    for name, item_shape in (
        (f"{prefix}-images-idx3-ubyte", (28, 28)),
        (f"{prefix}-labels-idx1-ubyte", ()),
    ):
        path = Path(data_dir) / name
        if not path.exists():
            path = path.with_name(name + ".gz")
        if not path.exists():
            raise FileNotFoundError(
                f"{data_dir}: expected a file {name} or {name}.gz, found neither; see --data-dir"
            )
        arrays.append(read_idx(path, item_shape))
    images, labels = arrays
    if len(images) != len(labels):
        raise ValueError(
            f"{path}: expected {len(images)} labels, one an image, found {len(labels)}"
        )
    if labels.max() > 9:
        raise ValueError(f"{path}: expected labels 0 to 9, found {labels.max()}")
    return images, labels


def load_mnist(data_dir, n_train, dtype=torch.float32, device="cpu"):
    """Loads the first n_train training images and all test images, a tensor each on the device.

    Returns train, test, digest: two pairs (images [n, 784] of dtype in 0..1, labels int64 [n]), and
    the SHA-256 of their bytes as a string, by which a run knows the data that it began with.
    Raises OSError or ValueError, in one line.
    Source: as in the authors' implementation (first n images, pixels / 255, no augmentation).
    """
    splits, digest = [], hashlib.sha256()
    for prefix, count in (("train", n_train), ("t10k", None)):
        images, labels = load_split(data_dir, prefix)
        if count is not None and len(images) < count:
            raise ValueError(
                f"{data_dir}: expected at least {count} training images (--n-train), found "
                f"{len(images)}"
            )
        images, labels = images[:count], labels[:count]
        digest.update(images.tobytes() + labels.tobytes())
        pixels = torch.from_numpy(images.reshape(len(images), 784).astype(np.float64) / 255)
        splits.append(
            (pixels.to(device, dtype), torch.from_numpy(labels.astype(np.int64)).to(device))
        )
    return *splits, digest.hexdigest()


def minibatches(n, batch_size, generator, device="cpu"):
    """Yields the indices of one minibatch after another, without end: int64 [batch_size or less].

    Reshuffled every epoch, the short last batch kept. n: number of examples; generator: a CPU one,
    so that the order is the same on every device. Source: as in the authors' implementation.
    """
    while True:
        yield from torch.randperm(n, generator=generator).to(device).split(batch_size)
