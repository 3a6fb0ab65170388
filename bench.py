"""How fast a step of train.py is beside other loops, and how long a run takes: make bench.

    OMP_NUM_THREADS=1 python bench.py         # or: python bench.py cuda
"""

import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from data import DATA_DIR, load_mnist, load_split, minibatches
from model import scaled_mlp
from probes import measure
from train import DEFAULTS, build, train_step

WIDTH, BATCH, N_TRAIN = 400, 200, 5000
DEVICE = sys.argv[1] if len(sys.argv) > 1 else "cpu"


# ---- The loops: each yields after every step ----


def our_loop(depth):
    """As in train.py's loop."""
    (x, y), _, _ = load_mnist(DATA_DIR, N_TRAIN, device=DEVICE)
    network, optimizer = build(DEFAULTS | {"depth": depth, "device": DEVICE})
    for batch in minibatches(N_TRAIN, BATCH, torch.Generator().manual_seed(0), DEVICE):
        train_step(network, optimizer, x.index_select(0, batch), y[batch])
        yield


def users_loop(depth, dataset, dtype):
    """As a user of PyTorch would write it."""
    network = plain_network(depth, dtype)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.01)
    while True:
        for images, labels in DataLoader(dataset, batch_size=BATCH, shuffle=True):
            targets = F.one_hot(labels, 10).to(DEVICE, dtype)
            loss = F.mse_loss(network(images.to(DEVICE)), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield


def floor_loop(depth):
    """What no step can do without: its matrix products, each in the faster of two forms, and
    AdamW's one pass over weights, gradients and moments."""
    network = plain_network(depth, torch.float32)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
    products = []
    for layer in network[::2]:
        i, o = layer.in_features, layer.out_features
        for m, k, n in ((BATCH, i, o), (o, BATCH, i), (BATCH, o, i)):
            products.append(faster_product(m, k, n))
    del products[2]  # nothing asks for the images' gradient
    for p in network.parameters():
        p.grad = torch.randn_like(p)
    while True:
        for product in products:
            product()
        optimizer.step()
        yield


def faster_product(m, k, n):
    """A function that multiplies matrices [m, k] and [k, n], by PyTorch's default or by oneDNN."""
    a, b = torch.randn(m, k, device=DEVICE), torch.randn(k, n, device=DEVICE)
    forms = [lambda: torch.mm(a, b)]
    if DEVICE == "cpu":
        dense_a, dense_b = a.to_mkldnn(), b.mT.contiguous().to_mkldnn()
        forms.append(lambda: F.linear(dense_a, dense_b))
    return min(forms, key=median_seconds)


def plain_network(depth, dtype):
    """The network as nn.Sequential."""
    layers = []
    for layer in scaled_mlp(depth, WIDTH, 8.0, 0, dtype).layers:
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1]).to(DEVICE)


class OneByOne(Dataset):
    """Images that become float64 tensors one at a time, as in torchvision."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        pixels = torch.from_numpy(self.images[i].copy()).view(1, 28, 28)
        return pixels.float().div(255).double().flatten(), int(self.labels[i])


# ---- Seconds ----


def seconds(function, calls=1):
    """How long a call takes; a CUDA device is waited for."""
    begin = time.perf_counter()
    for _ in range(calls):
        function()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - begin) / calls


def median_seconds(function, times=20):
    return np.median([seconds(function) for _ in range(times)])


def step_seconds(depth, rounds=20):
    """Seconds a step of the four loops: medians of rounds, but for the first two, of ten steps."""
    images, labels = load_split(DATA_DIR, "train")
    (x, y), _, _ = load_mnist(DATA_DIR, N_TRAIN)
    loops = [
        our_loop(depth),
        users_loop(depth, TensorDataset(x, y), torch.float32),
        users_loop(depth, OneByOne(images[:N_TRAIN], labels), torch.float64),
        floor_loop(depth),
    ]
    times = []
    for _ in range(rounds):
        times.append([seconds(loop.__next__, calls=10) for loop in loops])
    return np.median(times[2:], axis=0)


def measuring_seconds(depth):
    """Seconds that the rows of a run of 100,000 steps take: 150 without the layers, 55 with."""
    train_set, test_set, _ = load_mnist(DATA_DIR, N_TRAIN, device=DEVICE)
    network, optimizer = build(DEFAULTS | {"depth": depth, "device": DEVICE})
    train_step(network, optimizer, *train_set)

    def row(layers):
        return measure(network, optimizer.state_dict(), train_set, test_set, 0, 0, layers)

    without = median_seconds(lambda: row(layers=False), times=3)
    with_layers = median_seconds(lambda: row(layers=True), times=3)
    return 150 * without + 55 * with_layers


def authors_layer_seconds(outputs):
    """Seconds that the authors' way of measuring takes for a layer: its rank and its probe.

    In float64, image by image; the rank by all singular values; 30 epochs of batches of 512 on 80 %
    of the images, for a head of so many outputs. Theirs has as many as there are training images.
    """
    images, labels = load_split(DATA_DIR, "train")
    fit = OneByOne(images[: int(0.8 * N_TRAIN)], labels)
    fit = DataLoader(fit, batch_size=512, shuffle=True)
    test = DataLoader(OneByOne(*load_split(DATA_DIR, "t10k")), batch_size=1024)
    layer = plain_network(2, torch.float64)[0].requires_grad_(False)

    def measure_layer():
        features = torch.cat([layer(x) for x, _ in test])
        torch.linalg.matrix_rank(torch.cov(features.T)).item()
        kept = [(layer(x), y) for x, y in fit]
        head = nn.Linear(WIDTH, outputs, dtype=torch.float64)
        adam = torch.optim.Adam(head.parameters(), lr=1e-3)
        for x, y in 30 * kept:
            loss = F.cross_entropy(head(x), y) + 1e-3 * head.weight.norm()
            adam.zero_grad()
            loss.backward()
            adam.step()

    return seconds(measure_layer)


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    capability = torch.backends.cpu.get_cpu_capability()
    print(f"PyTorch {torch.__version__}, {DEVICE}, {capability}, {torch.get_num_threads()} threads")
    print("milliseconds a step, medians of loops that take turns: (a) train.py; (b) DataLoader,")
    print("nn.Sequential, AdamW; (c) the same in float64, image by image; (d) the floor, matrix")
    print("products and one pass of AdamW\n")
    print("| depth | (a) | (b) | (c) | (d) | d/a | measuring |")
    print("|---" * 7 + "|")
    for depth in (4, 8, 12):
        ours, users, authors, floor = step_seconds(depth)
        measuring = measuring_seconds(depth)
        run = 1e5 * ours + measuring
        cells = [f"{1000 * step:.2f}" for step in (ours, users, authors, floor)]
        cells += [f"{100 * share:.0f} %" for share in (floor / ours, measuring / run)]
        print(f"| {depth} | {' | '.join(cells)} |", flush=True)
    print(f"\na run of depth 12: {run / 60:.0f} minutes")
    for outputs in (N_TRAIN, 10) if DEVICE == "cpu" else ():
        theirs = 1e5 * authors + 30 * 12 * authors_layer_seconds(outputs)
        told = f"{theirs / 60:.0f} minutes, {theirs / run:.1f} times ours"
        print(f"in the authors' way, probes of {outputs} outputs: {told}", flush=True)
