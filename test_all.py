"""The tests, each against an oracle, an exact value or a property: make test; the long ones:
FUZZ=1 make test.

Runs in here train on 300 and test on 200 images of MNIST, with networks of width 16, unless a test
says otherwise.
"""

import fcntl
import functools
import gzip
import hashlib
import importlib
import io
import multiprocessing
import os
import random
import re
import resource
import runpy
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import claims
import criteria
import data
import model
import plot
import probes
import runs
import train

torch.set_num_threads(1)  # these networks are too small for more
HERE = Path(__file__).parent
FUZZ = bool(os.environ.get("FUZZ"))
SPLITS = {"train": 300, "t10k": 200}
RUN = "--depth=3 --width=16 --n-train=300 --batch-size=64 --alpha=4 --steps=60 --log-every=20 "
RUN = (RUN + "--probe-every=40 --device=cpu").split()


def to_idx(array):
    """The bytes of an IDX file of unsigned bytes, written from the format's description."""
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


def zeros(*shape):
    return to_idx(np.zeros(shape, np.uint8))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A folder with the first images and labels of MNIST, as a drop-in replacement: two plain
    files, two gzip."""
    folder = tmp_path_factory.mktemp("tiny")
    for prefix, count in SPLITS.items():
        images, labels = data.load_split(data.DATA_DIR, prefix)
        packed = gzip.compress(to_idx(images[:count]))
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(packed)
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(to_idx(labels[:count]))
    return folder


@pytest.fixture
def call(capsys):
    """A function that calls a module's main in this process; returns status, stdout, stderr."""

    def called(main, *arguments):
        status = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as error:
            status = error.code
        out, told = capsys.readouterr()
        if isinstance(status, str):  # which Python prints, and exits with 1
            status, told = 1, told + status + "\n"
        return status, out, told

    return called


@pytest.fixture
def quick_probes():
    """Linear probes train for 20 of their 300 steps."""
    quick = functools.partial(probes.probe_accuracies, steps=20)
    with mock.patch("probes.probe_accuracies", quick):
        yield


@pytest.fixture
def run(tiny, tmp_path, call, quick_probes):
    """A function that calls train.py with RUN and more arguments; .bare: without RUN."""

    def bare(*arguments):
        return call(train.main, "--data-dir", tiny, *arguments)

    def start(*more, out=tmp_path / "run"):
        return bare(*RUN, "--out", out, *more)

    def goes_on_from(step):
        """Continued, the run ends with the bytes of one that was never broken off."""
        status, out, _ = start()
        assert status == 0 and f"continuing from step {step}\n" in out
        assert "may differ" not in out
        start(out=tmp_path / "whole")
        assert_same(start.folder, tmp_path / "whole")

    start.folder, start.bare, start.goes_on_from = tmp_path / "run", bare, goes_on_from
    return start


def contents(folder):
    """The bytes of a run's log, the step of its checkpoint and the tensors in that."""
    checkpoint = model.load_checkpoint(folder)
    tensors = list(checkpoint["model"].values())
    for _, moments in sorted(checkpoint["optimizer"]["state"].items()):
        tensors += moments.values()
    return (folder / "log.csv").read_bytes(), checkpoint["step"], tensors


def assert_same(folder, other):
    (log, step, tensors), (other_log, other_step, other_tensors) = contents(folder), contents(other)
    assert log == other_log and step == other_step and len(tensors) == len(other_tensors)
    assert all(map(torch.equal, tensors, other_tensors))


def snapshot(folder):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def assert_refused(outcome, *parts):
    """A command ended with a line on stderr, which has these parts, and nothing else."""
    status, _, error = outcome
    assert status in (1, 2) and error.count("\n") == 1 and "Traceback" not in error
    for part in parts:
        assert str(part) in error


def flipped(content, place):
    """Bytes with a bit turned."""
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


# ---- data.py ----


def test_mnist_is_the_original_and_read_whole():
    """What read_idx returns, written out again, has the SHA-256 that data/README.md gives."""
    readme = (data.DATA_DIR / "README.md").read_text()
    for prefix, count in (("train", 60_000), ("t10k", 10_000)):
        images, labels = data.load_split(data.DATA_DIR, prefix)
        assert images.shape == (count, 28, 28) and labels.shape == (count,)
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            digest = hashlib.sha256(to_idx(array)).hexdigest()
            assert f"| {prefix}-{name}-ubyte | `{digest}` |" in readme


def test_load_mnist_scales_and_cuts():
    (x, y), (test_x, test_y), digest = data.load_mnist(data.DATA_DIR, 7, torch.float64)
    images, labels = data.load_split(data.DATA_DIR, "train")
    assert torch.equal(x, torch.tensor(images[:7].reshape(7, 784) / 255.0))
    assert y.tolist() == labels[:7].tolist()
    assert test_x.shape == (10000, 784) and test_x.dtype == torch.float64
    assert test_y.shape == (10000,)
    assert digest != data.load_mnist(data.DATA_DIR, 8)[2]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_idx_files_are_read_or_refused(tmp_path, pack):
    path, array = tmp_path / "x", np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8)
    good = to_idx(array)
    path.write_bytes(pack(good))
    assert np.array_equal(data.read_idx(path, (28, 28)), array)
    huge = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**32 - 1, 28, 28) + good[16:]
    bad = [good[:-1], good + b"x", good[:3], good[:15], good[:16], huge]
    bad += [good[:2] + b"\x09" + good[3:], zeros(20), zeros(20, 28, 27), zeros(0, 28, 28)]
    for content in bad:
        path.write_bytes(pack(content))
        found = f"found {len(content)} bytes that begin with {content[:16].hex()}"
        with pytest.raises(ValueError, match=f"x: expected .* count x 28 x 28 .* {found}$"):
            data.read_idx(path, (28, 28))
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="count unsigned bytes, .* found 0 bytes .* nothing$"):
        data.read_idx(path, ())


def test_damaged_gzip_is_refused_or_read_as_it_was(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8)
    packed, refused = gzip.compress(to_idx(array)), 0
    for place in [*range(20), *range(20, len(packed), 200), *range(len(packed) - 8, len(packed))]:
        (tmp_path / "x").write_bytes(flipped(packed, place))
        try:
            assert np.array_equal(data.read_idx(tmp_path / "x", (28, 28)), array)
        except ValueError:
            refused += 1
    assert refused > 80


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t10k-labels-idx1-ubyte", None, "found neither"),
        ("t10k-labels-idx1-ubyte", zeros(199), "expected 200 labels"),
        ("t10k-labels-idx1-ubyte", to_idx(np.full(200, 10, np.uint8)), "labels 0 to 9, found 10"),
        ("train-labels-idx1-ubyte", zeros(300, 1), "that begin with 00000802"),
        ("train-images-idx3-ubyte.gz", zeros(200, 28, 28), "expected 200 labels"),
    ],
)
def test_bad_data_gets_one_line(tiny, tmp_path, run, name, content, said):
    shutil.copytree(tiny, folder := tmp_path / "copy")
    (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    assert_refused(run("--data-dir", folder), said, folder)
    assert not run.folder.exists()


def test_minibatches_cover_each_epoch():
    batches = data.minibatches(10, 4, torch.Generator().manual_seed(3))
    epochs = [[next(batches) for _ in range(3)] for _ in range(3)]
    assert [[len(b) for b in epoch] for epoch in epochs] == [[4, 4, 2]] * 3
    assert all(sorted(torch.cat(epoch).tolist()) == list(range(10)) for epoch in epochs)
    assert len({tuple(torch.cat(epoch).tolist()) for epoch in epochs}) == 3


# ---- model.py ----


def plain_network(depth, width, alpha, seed, dtype=torch.float32):
    """The oracle: plain nn.Linear layers drawn in order, in float64, in nn.Sequential."""
    torch.manual_seed(seed)
    sizes = [784] + [width] * (depth - 1) + [10]
    layers = []
    for i in range(depth):
        layers += [nn.Linear(sizes[i], sizes[i + 1], dtype=torch.float64), nn.ReLU()]
    network = nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for p in network.parameters():
            p *= alpha
    return network.to(dtype)


@pytest.mark.parametrize("capability", ["AVX512", "AVX2"])  # with oneDNN and without
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_network_equals_plain_layers(monkeypatch, dtype, capability):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    x = torch.rand(40, 784, dtype=dtype)
    assert model.uses_onednn(x) == (capability == "AVX512" and dtype == torch.float32)
    network, plain = model.scaled_mlp(4, 50, 2.0, 1, dtype), plain_network(4, 50, 2.0, 1, dtype)
    assert all(map(torch.equal, network.parameters(), plain.parameters()))
    torch.testing.assert_close(network(x), plain(x))
    outputs = network.layer_outputs(x)
    assert [output.shape[1] for output in outputs] == [50, 50, 50, 10]
    for layer, output in enumerate(outputs, start=1):
        torch.testing.assert_close(output.to_dense(), plain[: 2 * layer - 1](x))  # before the ReLU


def test_seed_0_is_the_authors_network():
    """The ranks that their Fig. 1 shows at step 0, depth 12, and the norm of their weights."""
    network = model.scaled_mlp(12, 400, 8.0, seed=0)
    _, (x, _), _ = data.load_mnist(data.DATA_DIR, 1)
    ranks = layer_ranks(network, probes.layer_features(network, x))
    assert ranks == [400, 400, 400, 397, 397, 392, 389, 386, 379, 364, 351, 10]
    assert probes.weight_norm(network) == pytest.approx(307.195, abs=0.001)


# ---- probes.py ----


def layer_ranks(network, features):
    """The rank of every layer's features [images, depth, width]."""
    ranks = []
    for number, layer in enumerate(network.layers):
        covariance = probes.covariance_matrix(features[:, number, : layer.out_features])
        ranks.append(probes.numerical_rank(covariance))
    return ranks


@pytest.mark.parametrize("rank", [0, 1, 7, 50])
def test_rank_of_known_matrices(rank):
    rng = np.random.default_rng(rank)
    features = rng.standard_normal((300, rank)) @ rng.standard_normal((rank, 50)) + 3
    for units in (50, 1):  # a layer of one unit has a rank, too
        covariance = probes.covariance_matrix(torch.tensor(features[:, :units]))
        assert probes.numerical_rank(covariance) == min(rank, units)


def test_participation_and_collapse_ratio():
    """Known matrices; numpy's eigenvalues, and its variances class by class, of which one of ten
    has no image."""
    assert probes.participation_ratio(3 * torch.eye(7).double()) == pytest.approx(7)
    assert probes.participation_ratio(torch.diag(torch.tensor([4.0, 0, 0]))) == 1
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 9, 500)
    features = rng.standard_normal((500, 6)) * [9, 5, 3, 2, 1, 0.1]
    features += rng.standard_normal((10, 6))[labels]
    within = between = 0
    for label in range(9):
        its = features[labels == label]
        within += len(its) * its.var(axis=0).sum()
        between += len(its) * ((its.mean(axis=0) - features.mean(axis=0)) ** 2).sum()
    values = np.linalg.eigvalsh(np.cov(features.T))
    features, labels = torch.tensor(features), torch.tensor(labels)
    covariance = probes.covariance_matrix(features)
    ratio = values.sum() ** 2 / (values**2).sum()
    assert probes.participation_ratio(covariance) == pytest.approx(ratio)
    assert probes.collapse_ratio(features, labels, covariance) == pytest.approx(within / between)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_features_that_do_not_vary_have_no_spread(dtype):
    features = torch.rand(1, 50, dtype=dtype).repeat(999, 1)
    features *= 1 + torch.finfo(dtype).eps * torch.randint(2, (999, 1))
    covariance = probes.covariance_matrix(features)
    assert probes.numerical_rank(covariance) == 0
    assert np.isnan(probes.participation_ratio(covariance))
    assert np.isnan(probes.collapse_ratio(features, torch.arange(999) % 10, covariance))
    row = {"step": 5, "rank_1": 0, "collapse_1": np.nan}
    assert runs.add_row("", row) == "step,rank_1,collapse_1\n5,0,\n"


def plain_rank(features):
    """The oracle: numpy's singular values of the covariance matrix above the default tolerance."""
    values = np.linalg.svd(np.cov(features.double().numpy().T), compute_uv=False)
    return int((values > values.max() * len(values) * np.finfo(np.float64).eps).sum())


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A deep network trained for 100 steps on real MNIST: dead units, features of very different
    sizes."""
    out = tmp_path_factory.mktemp("trained") / "run"
    train.main(f"--depth 8 --width 100 --n-train 1000 --steps 100 --device cpu --out {out}".split())
    network = model.MLP(8, 100)
    network.load_state_dict(model.load_checkpoint(out)["model"])
    return network, out


def test_cheap_ranks_are_the_plain_ranks(trained):
    """Float32 features and hermitian=True give the integers of float64 features and numpy's SVD."""
    network, out = trained
    _, (x, _), _ = data.load_mnist(data.DATA_DIR, 1)
    ranks = layer_ranks(network, probes.layer_features(network, x))
    double = model.MLP(8, 100).double()
    double.load_state_dict(network.state_dict())
    exact = probes.layer_features(double, x.double())
    _, log = criteria.read_run(out)
    for number, layer in enumerate(network.layers):
        assert ranks[number] == plain_rank(exact[:, number, : layer.out_features])
        assert ranks[number] == log[f"rank_{number + 1}"][-1]
    assert min(ranks[:-1]) < 100  # some units are dead, or this shows little


def test_features_live_units_and_norm(trained):
    network, _ = trained
    x = torch.rand(1050, 784)  # in two chunks
    features = probes.layer_features(network, x)
    for layer, output in enumerate(network.layer_outputs(x)):
        ours = features[:, layer, : output.shape[1]]
        torch.testing.assert_close(ours, output.to_dense(), rtol=1e-4, atol=1e-3)
    assert features[:, -1, 10:].abs().max() == 0
    assert probes.live_units(torch.tensor([[0.5, 0, -1, -1], [-1, 0, -1, 2]])) == 2
    flat = torch.cat([p.detach().double().flatten() for p in network.parameters()])
    assert probes.weight_norm(network) == pytest.approx(np.linalg.norm(flat), rel=1e-6)


def test_batched_probes_equal_one_after_another(tiny):
    """All heads at once against one nn.Linear after another, with the same draws, cross-entropy and
    Adam."""
    assert probes.probe_accuracies.__defaults__ == (300, 512)
    network = model.scaled_mlp(3, 30, 1.0, 0)
    (x, y), (test_x, test_y), _ = data.load_mnist(tiny, 300)
    features = probes.layer_features(network, x)
    test_features = probes.layer_features(network, test_x)
    widths, both = (30, 30, 10), (features, y, test_features, test_y)
    generator = torch.Generator().manual_seed(1)
    accuracy = probes.probe_accuracies(widths, *both, generator, steps=100, batch_size=128)
    generator = torch.Generator().manual_seed(1)
    uniform = [2 * torch.rand(3, 10, columns, generator=generator) - 1 for columns in (30, 1)]
    epochs = [torch.randperm(300, generator=generator).split(128) for _ in range(34)]
    batches = [batch for epoch in epochs for batch in epoch][:100]
    for layer, width in enumerate(widths):
        head = nn.Linear(width, 10)
        with torch.no_grad():
            head.weight.copy_(uniform[0][layer, :, :width] * width**-0.5)
            head.bias.copy_(uniform[1][layer, :, 0] * width**-0.5)
        adam = torch.optim.Adam(head.parameters(), lr=1e-3)
        for batch in batches:
            loss = F.cross_entropy(head(features[batch, layer, :width]), y[batch])
            adam.zero_grad()
            loss.backward()
            adam.step()
        expected = (head(test_features[:, layer, :width]).argmax(1) == test_y).double().mean()
        # but for two of 200 images: float32 rounding may turn a close call
        assert abs(accuracy[layer] - expected) <= 0.011


@pytest.mark.parametrize("beta2", [0.0, 0.9, 0.999])
def test_the_size_of_adams_steps(beta2):
    """Against a loop in numpy; a parameter without gradients does not count."""
    rng, steps = np.random.default_rng(0), 7
    gradients = rng.standard_normal((steps, 21)) * 10.0 ** rng.integers(-3, 3, 21)
    gradients[:, ::5] = 0
    weights = torch.zeros(21, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.AdamW([weights], betas=(0.9, beta2))
    assert np.isnan(list(probes.adam_medians(optimizer.state_dict()).values())).all()
    for gradient in gradients:
        weights.grad = torch.tensor(gradient)
        optimizer.step()
    roots, sizes = [], []
    for column in gradients.T:
        m = v = 0.0
        for gradient in column:
            m, v = 0.9 * m + 0.1 * gradient, beta2 * v + (1 - beta2) * gradient**2
        if v > 0:
            roots.append((v / (1 - beta2**steps)) ** 0.5)
            sizes.append(abs(m / (1 - 0.9**steps)) / (roots[-1] + 1e-8))
    lower = (len(roots) - 1) // 2  # of two in the middle torch.median takes the lower
    medians = probes.adam_medians(optimizer.state_dict())
    assert medians["adam_sqrt_v"] == pytest.approx(sorted(roots)[lower])
    assert medians["adam_step"] == pytest.approx(sorted(sizes)[lower])


def test_what_is_measured(tiny, quick_probes):
    """Losses and accuracies against plain torch; and the columns of a layer, each from its own set:
    probes are trained on the training set, the rest is measured on the test set."""
    network = plain_network(2, 16, 4.0, 0)
    train_set, test_set, _ = data.load_mnist(tiny, 300)
    ours = model.scaled_mlp(2, 16, 4.0, 0)
    adam = torch.optim.AdamW(ours.parameters()).state_dict()
    for layers in (False, True):
        row = probes.measure(ours, adam, train_set, test_set, 0, 0, layers)
        assert row["step"] == 0
        for name, (x, y) in (("train", train_set), ("test", test_set)):
            outputs = network(x).detach()
            loss = ((outputs - torch.eye(10)[y]) ** 2).mean().item()
            assert row[f"{name}_loss"] == pytest.approx(loss, rel=1e-5)
            assert row[f"{name}_acc"] == (outputs.argmax(1) == y).sum().item() / len(y)
    (x, y), (test_x, test_y) = train_set, test_set
    features, test_features = probes.layer_features(ours, x), probes.layer_features(ours, test_x)
    generator = torch.Generator().manual_seed(1_000_003)  # seed 0, step 0
    accuracies = probes.probe_accuracies([16, 10], features, y, test_features, test_y, generator)
    assert [row["probe_1"], row["probe_2"]] == accuracies
    hidden = test_features[:, 0, :16]
    covariance = probes.covariance_matrix(hidden)
    assert row["rank_1"] == probes.numerical_rank(covariance)
    assert row["participation_1"] == probes.participation_ratio(covariance)
    assert row["collapse_1"] == probes.collapse_ratio(hidden, test_y, covariance)
    assert row["live_1"] == probes.live_units(hidden) and "live_2" not in row


# ---- runs.py and train.py: a run's folder ----


def test_log_and_config(run):
    status, out, _ = run()
    assert status == 0
    log = np.genfromtxt(run.folder / "log.csv", delimiter=",", names=True)
    assert " ".join(log.dtype.names) == (
        "step train_loss train_acc test_loss test_acc weight_norm last_layer_norm "
        "rank_1 rank_2 rank_3 participation_1 participation_2 participation_3 "
        "collapse_1 collapse_2 collapse_3 live_1 live_2 probe_1 probe_2 probe_3 "
        "adam_sqrt_v adam_step"
    )
    assert log["step"].tolist() == [0, 10, 20, 30, 40, 60]
    assert np.isnan(log["rank_1"]).tolist() == [False, False, True, False, False, False]
    assert not np.isnan(log["test_acc"]).any() and not np.isnan(log["last_layer_norm"]).any()
    assert '"/' not in (run.folder / "config.json").read_text()  # no absolute path
    assert re.search(r"run  step +60 of 60 .*training loss .* test ", out)
    assert f"python plot.py {run.folder}\n" in out
    # the last row is the state after 60 steps
    network, checkpoint = probes.load_network(str(run.folder))
    config = checkpoint["config"]
    assert (config["alpha"], config["steps"], checkpoint["step"]) == (4, 60, 60)
    norms = probes.weight_norm(network), probes.weight_norm(network.layers[2])
    assert (log["weight_norm"][-1], log["last_layer_norm"][-1]) == pytest.approx(norms, rel=1e-5)


def test_the_commit_of_the_code(tmp_path, monkeypatch):
    """None outside a git checkout, or where there is no git."""
    monkeypatch.setattr(train, "HERE", tmp_path)
    assert train.this_commit() is None
    for command in ("init", "add .", "commit --allow-empty -m x"):
        user = ["-c", "user.name=x", "-c", "user.email=x"]
        git = ["git", "-C", tmp_path, *user, *command.split()]
        subprocess.run(git, check=True, capture_output=True)
    assert re.fullmatch("[0-9a-f]{40}", train.this_commit())
    with mock.patch("shutil.which", return_value=None):
        assert train.this_commit() is None


def test_run_names():
    names = {
        "": "d12-n5000-a8-wd0.01-s0",
        "--depth 4 --weight-decay 0.005 --seed 2": "d4-n5000-a8-wd0.005-s2",
        "--width 200 --dtype float64": "d12-n5000-a8-wd0.01-s0-width200-float64",
        "--alpha 0.5 --lr 0.01 --steps 9": "d12-n5000-a0.5-wd0.01-s0-lr0.01-steps9",
        "--optimizer adam": "d12-n5000-a8-wd0.01-s0-adam",
        "--data-dir /x/fashion --log-every 250": "d12-n5000-a8-wd0.01-s0-logevery250-fashion",
        "--data-dir /x/data": "d12-n5000-a8-wd0.01-s0-data",
        "--hold-norm --steps=1000": "d12-n5000-a8-wd0.01-s0-holdnorm-steps1000",
        "--steps 30000 --beta2 0.99": "d12-n5000-a8-wd0.01-s0-beta0.99-steps30000",
        "--lr 1e-4 --beta2 0.9": "d12-n5000-a8-wd0.01-s0-lr0.0001-beta0.9",
    }
    for arguments, name in names.items():
        assert train.read_command_line(arguments.split())[1].resolve() == HERE / "results" / name
    given = {"reset_moments": True, "steps": 9, "beta2": 0.99, "hold_norm": True}
    name = "x-then-holdnorm-beta0.99-resetmoments-steps9"
    assert train.run_name(given, Path("results/x")) == name


def test_make_trains_what_the_names_say():
    """What make plans to train, runs, parents and branches, is named by its options, and claims.py
    reads the same settings from the name."""
    make = ["make", "-n", "figures", "memory", "SEEDS=7 8"]
    plan = subprocess.run(make, cwd=HERE, capture_output=True, text=True, check=True).stdout
    plan = plan.replace("\\\n", " ")
    assert re.search("for seed in 0; *do .*plot.py fig11 ", plan)  # of seed 0 alone
    commands = re.findall(r"runs.py .* train.py (.*)", plan)
    for command in commands:
        echo = ["sh", "-c", f"echo {command}"]
        words = subprocess.run(echo, capture_output=True, text=True, check=True).stdout.split()
        given = train.parse_args(words)
        folder, parent = given.pop("out"), given.pop("from", None)
        del given["device"]
        assert folder.name == train.run_name(given, parent)
        named = claims.named_settings(folder.name)
        assert {name: named[name] for name in given} == given
        assert (named["from"] or [None])[0] == (parent and parent.name)
    # a seed's eleven runs, three of other lengths, 21 arms; memory's eleven, and three parents with
    # their resets; the jump is there and needs no parent
    assert len(commands) == 2 * (11 + 3 + 21 + 11 + 6) + 1


def test_measuring_changes_no_weight_and_another_seed_does(run, tmp_path):
    run()
    run("--log-every", 7, "--probe-every", 9, out=tmp_path / "often")
    assert all(map(torch.equal, contents(run.folder)[2], contents(tmp_path / "often")[2]))
    run("--seed", 1, out=tmp_path / "other")
    assert not torch.equal(contents(run.folder)[2][0], contents(tmp_path / "other")[2][0])


@pytest.mark.parametrize("short", [50, 40, 20])
def test_raising_steps_continues(run, short):
    """50 is off the logging grid, 40 on both grids, 20 on the logging grid alone: the log is as if
    made at once. The settings tell which machines trained it."""
    run("--steps", short)
    options = runs.read_config(run.folder)["options"]
    with mock.patch("torch.get_num_threads", return_value=7):
        status, out, _ = run("--steps", 59)
        assert status == 0 and out.count("the last digits may differ") == 1
        run.goes_on_from(59)
    config = runs.read_config(run.folder)
    assert config["options"] == options and options["steps"] == short
    first, second, _ = config["machines"]
    capability = torch.backends.cpu.get_cpu_capability()
    machine = f"cpu, torch {torch.__version__}, threads 1, {capability}"
    assert first == f"from step 0: {machine}, commit {train.this_commit()}"
    assert second == first.replace("step 0", f"step {short}").replace("threads 1", "threads 7")


def test_checkpoints_are_not_as_rare_as_the_layers(run, monkeypatch):
    monkeypatch.setattr(train, "CHECKPOINT_EVERY", 15)
    saved = []
    monkeypatch.setattr(train, "save_checkpoint", lambda _, state: saved.append(state["step"]))
    run("--log-every=100", "--probe-every=100", "--steps=60")
    # the early ones and the last, and 15 steps after any, whether a row is due or not
    assert saved == [0, 10, 25, 30, 45, 60]
    _, log = criteria.read_run(run.folder)
    assert log["step"].tolist() == [0, 10, 30, 60]


def test_ctrl_c_says_how_to_continue(run):
    measure = train.measure

    def interrupted(*arguments):
        if arguments[5] == 20:
            raise KeyboardInterrupt
        return measure(*arguments)

    with mock.patch("train.measure", interrupted):
        _, _, told = run()
    assert told == "\ntrain.py: stopped; the same command goes on from the last checkpoint\n"
    run.goes_on_from(10)


def test_kill_fuzz(tiny, tmp_path, quick_probes):
    """Killed at random moments and continued each time, a run and a branch of it end with the bytes
    of those never killed."""
    rng, kills, killed = random.Random(1), 100 if FUZZ else 20, 0
    often = [*RUN, "--log-every=10", "--probe-every=10"]
    branch = [f"--from={tmp_path / 'run'}", "--steps=120", "--weight-decay=0", "--hold-norm"]
    branch += ["--beta2=0.9", "--reset-moments"]
    commands = {"run": [*often, f"--data-dir={tiny}"], "branch": [*branch, f"--data-dir={tiny}"]}
    begin = time.monotonic()
    for name, command in commands.items():
        train.main([*command, f"--out={tmp_path / name}"])
    longest = 4 * (time.monotonic() - begin) / kills
    while killed < kills:
        for name, command in commands.items():
            command = [*command, f"--out={tmp_path / name}-killed"]
            # a fork has torch already
            child = multiprocessing.get_context("fork").Process(target=train.main, args=[command])
            child.start()
            time.sleep(rng.uniform(0, longest))
            child.kill()
            child.join()
            assert child.exitcode in (0, -signal.SIGKILL)
            killed += child.exitcode != 0
            if child.exitcode == 0 or killed >= kills:
                train.main(command)
                assert_same(tmp_path / f"{name}-killed", tmp_path / name)
                shutil.rmtree(tmp_path / f"{name}-killed")  # makes room for another


def test_second_process_is_refused_where_there_are_locks(run, monkeypatch):
    run("--steps", 20)
    other = os.open(run.folder, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    assert_refused(run(), "another process is training this run")
    os.close(other)
    monkeypatch.setattr(fcntl, "flock", mock.Mock(side_effect=OSError(38, "not implemented")))
    status, _, error = run()
    assert status == 0 and error.count("\n") == 1 and "cannot be locked (not implemented)" in error


def test_full_disk(run):
    """A file that cannot grow ends the run with one line; what is there stays, and it continues."""
    run("--steps", 40)
    before = contents(run.folder)[:2]
    size = (run.folder / "checkpoint.pt").stat().st_size
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - 30, kept[1]))
    outcome = run()
    resource.setrlimit(resource.RLIMIT_FSIZE, kept)
    assert_refused(outcome, "File too large", run.folder / "checkpoint.pt")
    assert contents(run.folder)[:2] == before
    run.goes_on_from(40)


def test_a_folder_that_cannot_be_used_or_holds_something_else(run, tmp_path):
    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "file/run", tmp_path / "file"):
        assert_refused(run(out=out), "file")
    run.folder.mkdir()
    (run.folder / "log.csv").write_text("precious")
    said = "found log.csv and no config.json"
    assert_refused(run(), said, run.folder)
    run(out=tmp_path / "parent")
    branch = ["--from", tmp_path / "parent", "--steps=99", "--out", run.folder]
    assert_refused(run.bare(*branch), said)
    assert [p.read_text() for p in run.folder.iterdir()] == ["precious"]


def test_a_finished_run_is_left_alone_and_another_refused(run, tiny, tmp_path):
    """Its data decide which run it is, not their name."""
    run()
    before = snapshot(run.folder)
    assert "finished before" in run()[1]
    shutil.copytree(tiny, tmp_path / "moved")
    assert run("--data-dir", tmp_path / "moved")[0] == 0
    shutil.copytree(tiny, same_name := tmp_path / tiny.name)
    (same_name / "t10k-labels-idx1-ubyte").write_bytes(zeros(200))
    changes = {
        "--alpha=3": "alpha is 4.0 there and 3.0 here",
        "--steps=20": "steps is 60 there and 20 here",
        "--weight-decay=0.5 --seed=1": "seed is 0 there and 1 here",
        "--hold-norm": "hold_norm is false there and true here",
        "--beta2=0.99": "beta2 is 0.999 there and 0.99 here",
        f"--data-dir={same_name}": "data_sha256",
    }
    for change, said in changes.items():
        assert_refused(run(*change.split()), said, "choose another --out")
    assert snapshot(run.folder) == before
    (run.folder / "checkpoint.pt").unlink()  # as it is committed
    assert "finished before" in run()[1]


def test_damaged_or_lost_files_are_named_and_kept(run, tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    run("--steps", 40)
    checkpoint, config = run.folder / "checkpoint.pt", run.folder / "config.json"
    good, settings = checkpoint.read_bytes(), config.read_bytes()
    half, foreign = len(good) // 2, b"PK not what you think"
    without_depth = settings.replace(b'"depth"', b'"death"')
    damages = [(config, content) for content in (settings[:40], foreign, b"[1]", without_depth)]
    damages += [(checkpoint, content) for content in (good[:half], flipped(good, half), foreign)]
    for state in (Evil(), {"step": 1}):
        torch.save(state, buffer := io.BytesIO())
        damages.append((checkpoint, buffer.getvalue()))
    for path, content in [*damages, (checkpoint, b""), (checkpoint, None)]:
        kept = path.read_bytes()
        path.unlink() if content is None else path.write_bytes(content)
        before = snapshot(run.folder)
        assert_refused(run(), path, "found none (runs are" if content is None else "found")
        assert snapshot(run.folder) == before
        path.write_bytes(kept)
    assert not (tmp_path / "executed").exists()


def damaged_logs(log):
    """Logs that are damaged or end early, none of which may pass for a finished run's."""
    header, *rows = log.splitlines(keepends=True)
    return [
        *(b"", header, log[:-1], log[:-30] + b"\n", log + b"\n", rows[-1], log[: len(log) // 2]),
        *(header + b"".join(rows[:-1]), log.replace(b"\n30,", b"\n30"), b"\xef\xbb\xbf" + log),
        log.replace(b",", b";"),
    ]


def test_finished_means_the_same_to_all_and_a_damaged_log_is_healed(run):
    """train.py, claims.py and make agree on which log is finished; and what a run writes does not
    depend on what its log has become. A Windows editor's line ends are no damage."""
    run()
    path = run.folder / "log.csv"
    log = path.read_bytes()
    good = (log, log.replace(b"\n", b"\r\n"))
    for content in (*good, *damaged_logs(log)):
        path.write_bytes(content)
        asked = subprocess.run([sys.executable, HERE / "runs.py", run.folder], check=False)
        try:
            judged = criteria.Run(run.folder).finished
        except (OSError, ValueError):
            judged = False
        answers = (runs.is_finished(run.folder, 60), judged, asked.returncode == 0)
        assert answers == (content in good,) * 3, content[-40:]
        assert run()[0] == 0 and path.read_bytes() == (content if content in good else log)
    shutil.rmtree(run.folder)
    damage, show = iter(damaged_logs(log)), train.show_progress
    with mock.patch("train.show_progress", lambda *_: show(*_) or path.write_bytes(next(damage))):
        run()
    run.goes_on_from(60)


def test_moments_that_overflow_end_a_run(run):
    """Weights with an infinite v would never move again, while losses are finite."""
    assert_refused(run("--alpha=1e5"), "squared gradients overflowed by step 10", "--dtype float64")
    _, log = criteria.read_run(run.folder)
    assert log["step"].tolist() == [0]


def test_divergence_leaves_the_last_finite_state(run, tiny, call):
    assert_refused(run("--lr", 4e9), "diverged by step", "--lr, --alpha or --weight-decay")
    assert call(probes.main, run.folder, "--data-dir", tiny)[0] == 0
    _, log = criteria.read_run(run.folder)
    assert len(log["step"]) >= 1 and np.isfinite(log["train_loss"]).all()


BAD_ARGUMENTS = """--depth 1,--depth two,--width 0,--n-train 0,--n-train 301,--alpha -1,--alpha nan,
--weight-decay -0.1,--weight-decay nan,--lr -1,--batch-size 0,--steps -1,--steps 1.5,--seed -1,
--optimizer sgd,--dtype float16,--device tpu,--log-every 0,--probe-every 0,--unknown 1,stray,
--alpha 0,--alpha inf,--lr 0,--seed 4294967296,--beta2 1,--beta2 -0.1,--reset-moments"""
BAD_ARGUMENTS += "" if torch.cuda.is_available() else ",--device cuda"


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS.replace("\n", "").split(","))
def test_bad_arguments_get_one_line(run, arguments):
    assert_refused(run(*arguments.split()), "train.py: error:", arguments.split()[0])
    assert not run.folder.exists()


def test_a_missing_torch_gets_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SystemExit, match="expected torch, found none for .*; see make setup"):
        runpy.run_path(str(HERE / "train.py"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_the_cpu(run, tmp_path):
    run()
    run("--device", "cuda", out=tmp_path / "cuda")
    for ours, theirs in zip(contents(run.folder)[2], contents(tmp_path / "cuda")[2], strict=True):
        torch.testing.assert_close(theirs, ours, rtol=1e-3, atol=1e-4)
    cpu, cuda = (criteria.read_run(folder)[1] for folder in (run.folder, tmp_path / "cuda"))
    for name in ("rank_1", "rank_2", "rank_3", "live_1", "live_2"):
        assert cpu[name][0] == cuda[name][0]


# ---- train.py: steps and branches ----


def plain_steps(network, optimizer, images, labels, batches, hold_norm=False):
    """The oracle: steps of training in plain PyTorch, the MSE written out."""
    one_hot, parameters = torch.eye(10, dtype=images.dtype)[labels], list(network.parameters())
    norm = nn.utils.parameters_to_vector(parameters).norm()
    for batch in batches:
        loss = ((network(images[batch]) - one_hot[batch]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if hold_norm:
            flat = nn.utils.parameters_to_vector(parameters).detach()
            nn.utils.vector_to_parameters(flat * norm / flat.norm(), parameters)


@pytest.mark.parametrize(
    ("dtype", "arguments", "adam", "settings"),
    [
        ("float64", "", "AdamW", {}),
        ("float32", "", "AdamW", {}),
        ("float64", "--weight-decay=0", "AdamW", {"weight_decay": 0}),
        ("float64", "--weight-decay=5 --lr=0.1", "AdamW", {"weight_decay": 5, "lr": 0.1}),
        ("float64", "--optimizer=adam --weight-decay=0.5", "Adam", {"weight_decay": 0.5}),
        ("float64", "--hold-norm", "AdamW", {}),
        ("float64", "--beta2=0.9", "AdamW", {"betas": (0.9, 0.9)}),
        ("float64", "--reset-moments", "AdamW", {}),
    ],
)
def test_training_and_branches_equal_a_plain_loop(
    run, tiny, tmp_path, dtype, arguments, adam, settings
):
    """30 steps of train.py, then 20 of a branch with its changes, against torch.optim."""
    run("--steps=30", "--seed=3", "--weight-decay=0.1", "--dtype", dtype)
    branch = [*arguments.split(), "--steps=50", "--from", run.folder, "--out", tmp_path / "branch"]
    assert run.bare(*branch)[0] == 0
    (images, labels), _, _ = data.load_mnist(tiny, 300, getattr(torch, dtype))
    network = plain_network(3, 16, 4.0, 3, getattr(torch, dtype))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.1)
    order = torch.Generator().manual_seed(3)
    epochs = [torch.randperm(300, generator=order).split(64) for _ in range(10)]
    batches = [batch for epoch in epochs for batch in epoch]
    plain_steps(network, optimizer, images, labels, batches[:30])
    changed = {"lr": 1e-3, "weight_decay": 0.1} | settings
    changed = getattr(torch.optim, adam)(network.parameters(), **changed)
    if arguments != "--reset-moments":
        changed.load_state_dict(changed.state_dict() | {"state": optimizer.state_dict()["state"]})
    plain_steps(network, changed, images, labels, batches[30:], arguments == "--hold-norm")
    tolerance = {"float64": 1e-12, "float32": 2e-5}[dtype]
    for weight, expected in zip(contents(tmp_path / "branch")[2], network.parameters()):
        assert (weight - expected).abs().max() <= tolerance * expected.abs().max()


def test_an_unchanged_branch_has_its_parents_bytes(run, tmp_path):
    run("--steps", 40)
    run.bare("--from", run.folder, "--steps=60", "--out", tmp_path / "branch")
    run(out=tmp_path / "whole")
    log, step, tensors = contents(tmp_path / "branch")
    whole = contents(tmp_path / "whole")
    assert step == 60 and all(map(torch.equal, tensors, whole[2]))
    rows = whole[0].split(b"\n")
    assert log.split(b"\n") == [rows[0], *rows[5:]]  # from step 40 on
    config = runs.read_config(tmp_path / "branch")
    digest = hashlib.sha256((run.folder / "checkpoint.pt").read_bytes()).hexdigest()
    assert config["from"] == {"run": "run", "step": 40, "checkpoint_sha256": digest}
    assert len(config["machines"]) == 1 and config["machines"][0].startswith("from step 40: ")


def test_a_branch_goes_on_without_its_parent(run, tmp_path):
    """Its first row has the layers, due or not; its norm is held at the branch's."""
    run("--steps", 50)
    options = ["--hold-norm", "--out", tmp_path / "branch"]
    run.bare(*options, "--steps=70", "--from", run.folder)
    shutil.rmtree(run.folder)
    for _ in range(2):
        status, _, error = run.bare(*options, "--steps=90", "--from", run.folder)
        assert status == 0 and not error
    _, log = criteria.read_run(tmp_path / "branch")
    assert log["step"].tolist() == [50, 60, 80, 90] and not np.isnan(log["rank_1"][0])
    assert np.ptp(log["weight_norm"]) < 1e-3
    foreign = run.bare(*options, "--steps=90", "--from", tmp_path / "another")
    assert_refused(foreign, "a branch of another", "one of run")
    changed = run.bare("--steps=90", "--from", run.folder, "--out", tmp_path / "branch")
    assert_refused(changed, "expected --hold-norm True in the options", "found None")
    run()
    none = run.bare("--steps=90", "--from", tmp_path / "another", "--out", run.folder)
    assert_refused(none, "found a run that is no branch")


def test_a_branch_that_cannot_be(run, tmp_path, tiny):
    run()
    shutil.copytree(tiny, other := tmp_path / "other")
    (other / "t10k-labels-idx1-ubyte").write_bytes(zeros(200))
    said = {
        "--steps=90 --seed=1": "--from: a branch has its parent's seed",
        "--steps=60": "--steps: expected more than 60, where the branch begins, found 60",
        "": "--steps: expected more than 60, where the branch begins, found none, and its parent's",
        "--steps=90 --data-dir=x": "x: expected a file",
        f"--steps=90 --data-dir={other}": "the data of the run to branch from, found other",
    }
    out = ["--out", tmp_path / "branch", "--from", run.folder]
    for arguments, part in said.items():
        assert_refused(run.bare(*out, *arguments.split()), part)
    assert not (tmp_path / "branch").exists()


def test_a_branch_of_another_run_of_that_name_is_refused(run, tmp_path):
    """Their settings tell parents apart; one that has merely trained on is told."""
    parents = [tmp_path / "a/run", tmp_path / "b/run"]
    for seed, parent in enumerate(parents):
        run("--seed", seed, out=parent)
    branch = ["--steps=80", "--out", tmp_path / "branch", "--from"]
    assert run.bare(*branch, parents[0])[0] == 0
    assert_refused(run.bare(*branch, parents[1]), "whose seed is 1, found 0", tmp_path / "branch")
    run("--lr=0.01", out=tmp_path / "c/run")
    other = run.bare(*branch, tmp_path / "c/run")
    assert_refused(other, "whose lr is 0.01, found 0.001", tmp_path / "branch")
    run("--steps=70", out=parents[0])
    status, out, _ = run.bare(*branch, parents[0])
    assert status == 0 and "branched at step 60; its parent is at step 70 now" in out


def test_a_branch_without_its_checkpoint(run, tmp_path):
    """As it is committed: a finished one is left alone, one without its log is not begun at step 0.
    Nor does a new one take the place of a checkpoint."""
    run()
    branch = ["--steps=80", "--out", tmp_path / "branch", "--from", run.folder]
    run.bare(*branch)
    (tmp_path / "branch/checkpoint.pt").unlink()
    settings = runs.read_config(tmp_path / "branch")
    older = {name: settings[name] for name in settings if name not in ("device", "options")}
    runs.write_config(tmp_path / "branch", older)
    assert "finished before" in run.bare(*branch)[1]
    (tmp_path / "branch/log.csv").unlink()
    assert_refused(run.bare(*branch), "branch/checkpoint.pt: expected a run's checkpoint")
    shutil.rmtree(tmp_path / "branch")
    run("--seed=1", out=tmp_path / "branch")
    kept = (tmp_path / "branch/checkpoint.pt").read_bytes()
    for name in ("config.json", "log.csv"):
        (tmp_path / "branch" / name).unlink()
    assert_refused(run.bare(*branch), "seed is 1 there and 0 here")
    assert (tmp_path / "branch/checkpoint.pt").read_bytes() == kept


def test_a_branch_that_has_its_first_checkpoint_alone(run, tiny, tmp_path, call):
    """It is measured, and goes on with its data under another name."""
    run()
    branch = ["--steps=80", "--out", tmp_path / "branch", "--from", run.folder]
    with mock.patch("train.measure", side_effect=KeyboardInterrupt):
        run.bare(*branch)
    assert not (tmp_path / "branch/log.csv").exists()
    status, table, _ = call(probes.main, tmp_path / "branch", "--data-dir", tiny)
    assert status == 0 and "at step 60: measuring" in table
    shutil.copytree(tiny, tmp_path / "renamed")
    assert run.bare(*branch, "--data-dir", tmp_path / "renamed")[0] == 0
    status, table, _ = call(probes.main, tmp_path / "branch", "--data-dir", tiny)
    assert status == 0 and "at step 80: measuring" in table


def test_places(monkeypatch, tmp_path):
    """A home in --out=~/run; and train.py called through a link elsewhere, which keeps its runs."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SystemExit):
        train.read_command_line(["--out="])
    assert train.read_command_line(["--out=~/run"])[1] == tmp_path / "run"
    (tmp_path / "link.py").symlink_to(HERE / "train.py")
    linked = runpy.run_path(str(tmp_path / "link.py"))
    assert linked["read_command_line"]([])[1].resolve() == HERE / "results/d12-n5000-a8-wd0.01-s0"


@pytest.mark.parametrize("script", ["train.py", "probes.py", "claims.py", "plot.py"])
def test_a_script_leaves_its_process_as_it_was(script, monkeypatch, capsys):
    """As for %run in a notebook: signals, environment and output are the user's."""
    monkeypatch.setitem(sys.modules, "ipykernel", None)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    monkeypatch.setattr(sys, "stdout", io.StringIO())  # which cannot be reconfigured
    numbers = (signal.SIGINT, signal.SIGPIPE)
    before = [signal.getsignal(number) for number in numbers], dict(os.environ)
    with pytest.raises(SystemExit) as told:
        runpy.run_path(str(HERE / script), run_name="__main__")
    assert (sys.stdout.getvalue() or told.value.code).count("\n") > 4  # its help
    assert ([signal.getsignal(number) for number in numbers], dict(os.environ)) == before


def test_moments_are_reset_once(run, tmp_path):
    """A reset's first row has no moments; a branch that was stopped, and a branch of the branch, go
    on with theirs."""
    run("--steps", 50)
    reset = ["--reset-moments", "--out", tmp_path / "reset", "--from", run.folder]
    assert run.bare("--steps=60", *reset)[0] == 0
    before = contents(tmp_path / "reset")
    run.bare("--steps=70", "--from", tmp_path / "reset", "--out", tmp_path / "after")
    assert run.bare("--steps=70", *reset)[0] == 0
    whole, after = contents(tmp_path / "reset"), contents(tmp_path / "after")
    assert all(map(torch.equal, whole[2], after[2]))
    assert not any(map(torch.equal, whole[2], before[2]))
    assert not criteria.read_run(tmp_path / "after")[0]["reset_moments"]
    for folder, steps in ((run.folder, [0]), (tmp_path / "reset", [50]), (tmp_path / "after", [])):
        _, log = criteria.read_run(folder)
        assert log.dtype.names[-2:] == ("adam_sqrt_v", "adam_step")
        for name in log.dtype.names[-2:]:
            assert log["step"][np.isnan(log[name])].tolist() == steps


def test_the_norm_is_held_from_step_0(run):
    run("--hold-norm", "--steps", 20)
    run("--hold-norm")
    _, log = criteria.read_run(run.folder)
    assert np.ptp(log["weight_norm"]) < 1e-3 and log["train_loss"][-1] < log["train_loss"][0]


# ---- probes.py, claims.py and plot.py on run folders ----


def test_probes_table(run, tiny, tmp_path, call):
    run()
    status, table, _ = call(probes.main, run.folder, "--data-dir", tiny)
    assert status == 0
    table = table.splitlines()
    _, log = criteria.read_run(run.folder)
    assert "at step 60: measuring" in table[0]
    assert table[1] == f"training accuracy {log['train_acc'][-1]:.4f}"
    assert table[2] == f"test accuracy {log['test_acc'][-1]:.4f}"
    medians = f"√v {log['adam_sqrt_v'][-1]:.3g}, step {log['adam_step'][-1]:.3g} of lr"
    assert table[3] == f"Adam, medians: {medians}"
    for layer, line in enumerate(table[5:], start=1):
        number, rank, live, literal, ratio, collapse, accuracy, norm = line.split()
        assert int(number) == layer and int(rank) == log[f"rank_{layer}"][-1]
        assert int(literal) <= int(rank) and float(norm) > 0
        assert live == "-" if layer == 1 else int(live) == log[f"live_{layer - 1}"][-1]
        for value, name in ((ratio, "participation"), (collapse, "collapse"), (accuracy, "probe")):
            assert float(value) == pytest.approx(log[f"{name}_{layer}"][-1], abs=5e-3)
    assert_refused(call(probes.main, run.folder), "data that the run was trained on")


def write_run(folder, columns, depth=4, **settings):
    """A run's folder with a log made up by the test: {column: values}."""
    folder.mkdir(parents=True)
    config = {"depth": depth, "width": 400, "n_train": 10, "weight_decay": 0.01, "seed": 0}
    config |= {"alpha": 8.0, "lr": 1e-3, "batch_size": 200, "optimizer": "adamw"}
    config |= {"dtype": "float32", "steps": 10_000, "log_every": 500, "probe_every": 500}
    runs.write_config(folder, config | settings)
    names = ["step", "train_loss", "train_acc", "test_loss", "test_acc"]
    names += ["weight_norm", "last_layer_norm"]
    names += [name for name in columns if name.startswith("adam_")]
    for quantity in ("rank", "participation", "collapse", "live", "probe"):
        names += [f"{quantity}_{layer}" for layer in range(1, depth + 1)]
    lines = [",".join(names)]
    for row in range(len(columns["step"])):
        cells = [f"{columns[name][row]:.7g}" if name in columns else "" for name in names]
        lines.append(",".join(cells))
    (folder / "log.csv").write_text("\n".join([*lines, ""]))
    return folder


@pytest.mark.parametrize("count", [1, 2, 41])
def test_a_run_is_drawn_also_while_it_trains(tmp_path, call, count):
    steps = np.arange(count) * 500.0
    columns = {"step": steps, "rank_1": 400 + 0 * steps}
    columns |= dict.fromkeys(("train_acc", "test_acc", "train_loss"), 0.1 + steps / 30_000)
    folder = write_run(tmp_path / "fig1", columns)
    with open(folder / "log.csv", "a") as log:
        log.write("1000,0.")  # a line that is not there yet
    status, out, _ = call(plot.main, folder)
    assert status == 0 and (folder / "plot.png").read_bytes().startswith(b"\x89PNG")
    last = columns["test_acc"][-1]
    said = f"fig1: step {steps[-1]:,.0f} of 10,000\n  last row: training accuracy {last:.3f}, test"
    assert said in out
    assert call(plot.main, folder, "--out", tmp_path / "x/y.svg")[0] == 0
    assert (tmp_path / "x/y.svg").stat().st_size > 1000
    assert call(plot.main, folder, "--out", tmp_path / "y", "--format=pdf")[0] == 0
    assert (tmp_path / "y.pdf").read_bytes().startswith(b"%PDF")


def test_a_damaged_run_is_not_drawn_and_it_says_why(tmp_path, call):
    folder = write_run(tmp_path / "r", {"step": [0, 500], "test_acc": [0.1, 0.5]})
    log, config = ((folder / name).read_text() for name in ("log.csv", "config.json"))
    header, first, _ = log.splitlines(keepends=True)
    damages = {"": "found none", header: "found none", log + "1000,0.\n": "27 numbers in line 4"}
    damages |= {log + first: "27 numbers in line 4", log.replace("500,", "x,"): "in line 3"}
    damages |= {log.replace(",", ";"): "a log that begins with step"}
    said = f"a log of 4 layers, as config.json has it, found {header[:40]!r}\n"
    damages |= {log.replace("rank_4", "other"): said}
    for damage, said in damages.items():
        (folder / "log.csv").write_text(damage)
        assert_refused(call(plot.main, folder), said, tmp_path)
    (folder / "log.csv").write_text(log)
    damages = {config.replace('"depth": 4', '"depth": 3'): "a log of 3 layers"}
    damages |= {config[:9]: "expected a run's settings", "[1]": "expected a run's settings"}
    for damage, said in damages.items():
        (folder / "config.json").write_text(damage)
        assert_refused(call(plot.main, folder), said, tmp_path)
    (folder / "config.json").unlink()
    assert_refused(call(plot.main, folder), "found no config.json", tmp_path)


def test_plot_names_what_it_draws(call, tmp_path):
    assert_refused(call(plot.main, "fig3", "--out", tmp_path / "x.xyz"), "'xyz' is not supported")
    two = call(plot.main, "fig3", "fig4", "--out", tmp_path / "x.png")
    assert_refused(two, "expected one picture for --out, found 2")
    nine = [HERE / "results/d4-n5000-a8-wd0.01-s0"] * 9
    assert_refused(call(plot.main, *nine), "expected up to 8 runs to compare, found 9")
    for figure in ("fig3", "fig8", "fig10"):
        said = f"make {figure} SEEDS=99 trains it"
        assert_refused(call(plot.main, figure, "--seed", 99), said)
    assert_refused(call(plot.main, HERE / "README.md"), "expected a run's folder")
    assert_refused(call(plot.main, "Fig2"), "fig1, fig1_accuracy", "found Fig2")


@pytest.mark.parametrize(
    ("module", "unwanted"), [("runs", {"numpy"}), ("plot", {"torch", "matplotlib.pyplot"})]
)
def test_what_a_module_does_not_import(module, unwanted):
    """make asks runs.py often; a notebook has a pyplot of its own."""
    code = f"import sys, {module}; sys.exit(bool({unwanted} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], cwd=HERE, check=False).returncode == 0


def test_criteria_on_made_up_curves(tmp_path):
    """A run that fits at 3,000 and generalizes in two stages, 4,000-5,000 and 9,000-10,000."""
    steps = np.arange(61) * 500.0
    test = np.interp(steps, [0, 4000, 5000, 9000, 10_000], [0.1, 0.1, 0.5, 0.5, 0.9])
    ranks = np.interp(steps, [0, 4000, 6000, 9000, 12_000, 20_000], [400, 400, 300, 360, 200, 200])
    columns = {"step": steps, "train_acc": np.where(steps >= 3000, 1.0, 0.1), "test_acc": test}
    columns |= {f"rank_{layer}": ranks + 10 * layer for layer in (1, 2, 3)}
    columns["weight_norm"] = 300 - steps / 1000
    run = criteria.Run(write_run(tmp_path / "r", columns))
    assert run.fit_step == run.train_half == 3000 and run.test_half == 5000
    assert run.test_acc_at_fit == pytest.approx(0.1) and run.norm_at_fit == 297
    assert run.groks and run.generalizes and run.final_test_acc == pytest.approx(0.9)
    assert run.gap == pytest.approx(0.9)
    assert (run.plateau_begin, run.plateau_end) == (5000, 9000) and run.two_stages
    assert run.plateau_level == pytest.approx(0.5)
    assert run.tunnel_length == 3 and run.tunnel_threshold == 300
    assert run.mean_rank[-1] == pytest.approx(225)
    assert run.deep_rank[-1] == pytest.approx(230)
    assert run.at_fit(run.mean_rank) == 425
    # 95 % of the gain is made at 10,000: R is 360 - 160 / 3 + 25 there
    assert run.descent() == pytest.approx(1 - (360 - 160 / 3 + 25) / 425, abs=1e-3)
    # 47 windows of 7,000 steps, as long: R falls by 5 % in those that begin by step 11,500
    assert run.windows_that_descend() == 24 / 47
    assert run.double_descent() == (330, 390, 230)
    told = "\n".join(criteria.summary(run))
    lines = ["half-way: at step 5,000\n", "plateau of test accuracy: at step 5,000 to 9,000\n"]
    lines += ["fitted: 0.100\n", "last 10 rows: 0.900\n", "under 300: 3 of 3 hidden layers"]
    assert all(line in told for line in lines)
    marks = [line.get_xdata()[0] for line in plot.draw_run(run).axes[1].lines[2:]]
    assert marks == [3000, 5000]  # where it fits and is half-way


def test_a_log_that_starts_late_tells_what_holds_from_its_first_row(tmp_path):
    steps = 4000 + np.arange(9) * 500.0
    columns = {"step": steps, "train_acc": np.ones(9), "test_acc": np.full(9, 0.3)}
    columns |= dict.fromkeys(("rank_1", "rank_2", "rank_3"), np.full(9, 400))
    told = "\n".join(criteria.summary(criteria.Run(write_run(tmp_path / "r", columns))))
    assert "of 10,000, from 4,000\n" in told and "0.99: by step 4,000\n" in told
    columns["step"] = np.array([4100, *steps[1:]])  # its first row is at no multiple
    told = "\n".join(criteria.summary(criteria.Run(write_run(tmp_path / "s", columns))))
    assert "from 4,100\n" in told and "0.99: by step 4,500\n" in told


def test_smoothing_plateaus_and_tunnels_at_their_edges(tmp_path):
    smooth = criteria.smooth(np.array([0.1, 1, 1, 1, 0, 1]))
    assert smooth.tolist() == [0.1, 1, 1, 1, 1, 1]  # the first row stays as it is
    assert criteria.first_from(np.arange(4), np.array([False, True, True, True])) == 1
    steps = np.arange(10) * 1000
    test = np.array([0.1, 0.3, 0.31, 0.32, 0.33, 0.6, 0.6, 0.89, 0.9, 0.9])
    assert criteria.plateau(steps, test, 0.9) == (1000, 3000)  # where accuracy moves
    assert np.isnan(criteria.plateau(steps, test, 0.3)).all()
    columns = {"step": np.array([0, 500, 750]), "rank_1": [400, 400, 299]}
    columns |= {f"rank_{layer}": [400, 400, 300] for layer in (2, 3)}
    assert criteria.Run(write_run(tmp_path / "r", columns)).tunnel_length == 1  # at the last step


# ---- claims.py and plot.py on the paper's runs ----


def made_up_run(folder, key, fit, surges, tunnel, late=0, still=False):
    """A run of 201 rows that fits half-way at step fit, and whose test accuracy rises in surges.

    Each surge is (begin, end, level). Its ranks, 2 short of the live units below, fall from 400
    with the first one, rise, and fall with the last one to a tunnel of that length; ranks and probe
    accuracies come so many steps late. The norms fall unless they are still.
    """
    depth, n, decay = key
    steps = np.arange(201) * 500.0
    points, levels = [0], [{4: 0.19, 8: 0.15, 12: 0.1}[depth]]
    for begin, end, level in surges:
        points += [begin, end]
        levels += [levels[-1], level]
    test, probe = (np.interp(steps - delay, points, levels) for delay in (0, late))
    train_acc = np.interp(steps, [fit - 1000, fit + 1000], [0.1, 1])
    columns = {"step": steps, "train_acc": train_acc, "test_acc": test}
    norm = (600 if decay == 0.005 else 300) * np.exp(-steps / 100_000 * (not still))
    columns |= dict.fromkeys(("weight_norm", "last_layer_norm"), norm)
    begin, end, *_ = surges[0]
    falls, middle = [begin - 1, begin, begin + 1, end], 400
    if len(surges) > 1:
        falls, middle = [begin, end, *surges[-1][:2]], 340
    for layer in range(1, depth + 1):
        last = (290 if layer >= depth - tunnel else 310) - layer
        ranks = np.interp(steps - late, falls, [400, middle, 400, last]).round()
        columns |= {f"rank_{layer}": ranks, f"live_{layer - 1}": ranks + 2, f"probe_{layer}": probe}
        columns |= {f"participation_{layer}": ranks / 10, f"collapse_{layer}": ranks / 100}
    columns[f"live_{depth}"] = columns.pop("live_0")  # the output layer's is not read
    columns |= {"train_loss": 1 - train_acc, "test_loss": 1 - test}
    settings = {"n_train": n, "weight_decay": decay, "steps": 100_000, "probe_every": 2000}
    write_run(folder / "d{}-n{}-a8-wd{:g}-s0".format(*key), columns, depth, **settings)


TWO_STAGES = (20_000, [(30_000, 33_000, 0.6), (50_000, 54_000, 0.9)], 6)
PAPER = {  # eleven runs of which everything holds that the paper says
    (4, 5000, 0.01): (5000, [(15_000, 19_000, 0.9)], 1),
    (8, 5000, 0.01): (20_000, [(32_000, 36_000, 0.9)], 3),
    (12, 5000, 0.01): (40_000, [(55_000, 59_000, 0.9)], 6),
    (4, 7000, 0.01): (20_000, [(18_000, 22_000, 0.9)], 1),
    (8, 7000, 0.01): (20_000, [(25_000, 28_000, 0.7), (40_000, 44_000, 0.9)], 5),
    (12, 7000, 0.01): (46_500, [(45_000, 48_000, 0.6), (60_000, 64_000, 0.9)], 6),
    (12, 2000, 0.005): (50_000, [(70_000, 80_000, 0.3)], 6),
    (12, 2000, 0.01): (50_000, [(70_000, 74_000, 0.9)], 6),
    (12, 2000, 0.05): TWO_STAGES,
    (12, 5000, 0.005): (60_000, [(56_000, 64_000, 0.9)], 6),
    (12, 5000, 0.05): TWO_STAGES,
}


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """A function that puts made-up runs where claims.py looks for the paper's."""
    shutil.copytree(HERE / "data", tmp_path / "data")
    monkeypatch.setattr(claims, "HERE", tmp_path)
    monkeypatch.setattr(plot, "HERE", tmp_path)

    def put(runs):
        claims.named_run.cache_clear()
        shutil.rmtree(tmp_path / "results", ignore_errors=True)
        for key, story in runs.items():
            made_up_run(tmp_path / "results", key, *story)

    yield put
    claims.named_run.cache_clear()


def add_seed(results, seed):
    """Copies seed 0's made-up runs as another seed's."""
    for folder in list(results.glob("*-s0")):
        copy = shutil.copytree(folder, folder.with_name(folder.name.replace("-s0", f"-s{seed}")))
        runs.write_config(copy, runs.read_config(copy) | {"seed": seed})


def failing(claim):
    return [part.split(":")[0] for part, _, holds in claim(0) if not holds]


def test_claims_hold_of_the_papers_story_and_not_of_another(stage):
    stage(PAPER)
    assert [claim.__name__ for claim in claims.CLAIMS if failing(claim)] == []
    # every claim is about some run that, with another fate, makes it false
    other = PAPER | {key: PAPER[12, 2000, 0.01] for key in PAPER if key[0] < 12}
    late = (25_000, [(20_000, 24_000, 0.9)], 2, 40_000, True)
    other |= {key: late for key in PAPER if key[0] == 12}
    stage(other | {(8, 7000, 0.01): late})
    assert [claim.__name__ for claim in claims.CLAIMS if not failing(claim)] == []
    assert len(failing(claims.c12)) == 4


def test_parts_of_claims_that_fail_alone(stage):
    groks = PAPER[12, 2000, 0.01]
    story = PAPER | {(4, 7000, 0.01): groks, (12, 5000, 0.005): PAPER[12, 5000, 0.01]}
    stage(story | {(12, 2000, 0.05): (20_000, [(30_000, 33_000, 0.3)] * 2, 6)})
    assert failing(claims.c4) == ["d4 does not grok"]
    assert failing(claims.c11) == ["γ=0.005 does not grok"]
    assert failing(claims.c10) == ["γ=0.05 in two"]
    stage(PAPER | {(12, 7000, 0.01): (66_000, *PAPER[12, 7000, 0.01][1:])})
    assert failing(claims.c14) == ["together", "again"]
    stage(PAPER)
    claims.paper_run(12, 7000).final_ranks[-1] += 50  # the same object that c8 will get
    assert failing(claims.c8) == ["d12/7000 order"]
    for key in PAPER:  # norms that tell as well as the ranks do
        run = claims.paper_run(*key)
        run.norm_at_fit = 1 if run.test_acc_at_fit >= 0.5 else 2
    assert failing(claims.c13) == ["rank tells better"]


def test_the_picture_of_the_claims(stage):
    """A cell says how many parts hold; the more, the darker."""
    stage(PAPER | {(4, 7000, 0.01): PAPER[12, 2000, 0.01]})
    (ax,) = plot.draw_claims().axes
    told = [text.get_text() for text in ax.texts]
    assert len(told) == 14 and told[:4] == ["3 of 3", "2 of 2", "1 of 1", "5 of 6"]
    blues = [cell.get_facecolor() for cell in ax.patches]
    shades = plot.matplotlib.colormaps["Blues"]([0.05 + 0.75, 0.05 + 0.75 * 5 / 6])
    assert np.allclose(blues[2:4], shades)
    assert [text.get_color() for text in ax.texts[2:4]] == ["white", "white"]


def test_verdicts():
    words = [claims.verdict(held, 10) for held in (10, 9, 8, 7, 5, 4, 0)]
    assert words == ["yes", "mostly", "mostly", "partly", "partly", "no", "no"]
    assert claims.verdict(0, 0) == "–"
    one, two = ("a: x", (".0f", 1.2), True), ("b: x", (".0f", 3), False)
    assert claims.count_held([one, two, two]) == 1
    assert claims.failing_always([[one, two], [two], [two, one]]) == ["b: x"]
    assert claims.fmt_range([1.21, 1.19], ".1f") == "1.2" and claims.fmt_range([3, 1]) == "1–3"
    assert claims.fmt_range([3, np.nan, 1]) == "–"  # one never did


def test_a_folder_that_holds_another_run_is_refused(stage, tmp_path):
    stage(PAPER)
    folder = tmp_path / "results/d12-n2000-a8-wd0.01-s"
    shutil.copytree(f"{folder}0", f"{folder}1")
    with pytest.raises(ValueError, match="expected the run that its name says, found seed 0 and"):
        claims.paper_run(12, 2000, seed=1)
    log = Path(f"{folder}0/log.csv")
    rows = log.read_text().splitlines(keepends=True)
    log.write_text("".join(rows[:9] + rows[10:]))
    claims.named_run.cache_clear()
    with pytest.raises(ValueError, match="expected 201 rows at multiples of its log_every"):
        claims.paper_run(12, 2000)
    arm = "d4-n5000-a8-wd0.01-s0-steps6000-then-wd0-steps36000"
    steps = np.arange(6000, 36_001, 500)
    folder = put_run(tmp_path / "results", arm, {"step": steps, "rank_1": 0 * steps})
    assert claims.named_run(arm).weight_decay == 0
    for change in ({"from": {"run": arm[:31], "step": 5000}}, {"weight_decay": 0.03}):
        settings = runs.read_config(folder)
        runs.write_config(folder, settings | change)
        claims.named_run.cache_clear()
        with pytest.raises(ValueError, match=f"its name says, found {next(iter(change))}"):
            claims.arm_run(4, "no decay", 0)
        runs.write_config(folder, settings)


def test_a_claim_needs_all_its_runs_and_finds_its_seeds(stage, capsys, call, tmp_path):
    stage({key: story for key, story in PAPER.items() if key[0] == 12})
    add_seed(tmp_path / "results", 7)
    (tmp_path / "results/d4-n5000-a8-wd0.01-s9").mkdir()  # a run that has only begun
    assert list(claims.judge(claims.c2, claims.found_seeds())) == claims.found_seeds() == [0, 7]
    assert claims.judge(claims.c1, [0, 7]) == {}
    claims.main()
    printed = capsys.readouterr().out
    assert "accuracy (Fig" not in printed and "over 14 runs" in printed
    assert "| C1 | n=5000: the deeper, the later, the severer | – |" in printed
    assert "| C2 (Fig. 1): 4 of 4 hold | n=2000 groks: test when fitted / final |" in printed
    assert_refused(call(plot.main, "fig2"), "d4-n5000", "make fig2 SEEDS=0")
    assert_refused(call(plot.main, "fig11", "--seed", 7), "expected seed 0, whose jump was")


def test_nothing_to_measure_is_told_by_a_dash(stage, capsys, call, tmp_path):
    """A run that never leaves chance, with R highest in its last row; and no run at all."""
    stage({(12, 2000, 0.01): (50_000, [(20_000, 24_000, 0.1)], 6)})
    folder = tmp_path / "results/d12-n2000-a8-wd0.01-s0"
    names, rows = runs.read_log(folder)
    columns = {name: np.array(column) for name, column in zip(names, zip(*rows), strict=True)}
    columns["test_acc"] = np.where(np.arange(201) % 2, 0.1, 0.0)
    columns |= {f"rank_{layer}": 100 + columns["step"] / 1000 for layer in range(1, 13)}
    put_run(tmp_path / "results", folder.name, columns)
    claims.main()
    line = next(x for x in capsys.readouterr().out.splitlines() if f"| {folder.name} |" in x)
    cells = [cell.strip() for cell in line.split("|")]
    assert (cells[3], cells[10]) == ("–", "–")  # test half-way, R's delay
    run = claims.named_run(folder.name)
    assert np.isnan([run.norm_off_clock(), run.rank_delay(), run.rank_lost()]).all()
    stage({})
    for main, asked in ((plot.main, ["claims"]), (lambda _: claims.main(), [])):
        assert_refused(call(main, *asked), "expected finished runs in results/, found none")


def test_a_figure_of_one_seed_has_its_own_name(stage, call, tmp_path):
    stage(PAPER)
    for asked, name in (([], "fig8"), (["--seed=0"], "fig8-s0")):
        assert call(plot.main, "fig8", *asked)[0] == 0
        assert (tmp_path / f"figures/{name}.png").exists()


def test_beyond_the_paper(stage):
    stage(PAPER)
    run = claims.paper_run(12, 2000)
    short = 2 * run.hidden("rank")[1:].size
    lost = (400 - run.hidden("rank")[1:]).sum()
    assert run.dead_unit_share() == pytest.approx(1 - short / lost)
    runs = claims.available_runs(PAPER, [0])
    generalize = {run.label for run in runs if run.test_acc_at_fit >= 0.5}
    assert generalize == {"d4 n=7000 γ=0.01", "d12 n=7000 γ=0.01", "d12 n=5000 γ=0.005"}
    assert claims.roc_auc(runs, [int(run.depth == 12) for run in runs]) == (6 + 13 / 2) / 24
    assert run.rank_delay() == 2000  # both fall and rise from 70,000 to 74,000
    assert run.norm_off_clock() < 0.005  # exp(-1e-5 t) against (1 - 1e-5)^t
    run.rows["weight_norm"][run.rows["step"] >= 72_000] *= 1.1  # a kick, in one of eight rows up
    rows = (73_500 - 51_000) / 500  # from fitted to 95 % of the gain
    assert 1 / 8 < run.jump_share() < (1 + rows / 5) / 8


def made_up_arm(folder, arm, delay, level=0.9, **changed):
    """A branch of the paper's d12-n5000 whose test accuracy rises so many steps after its own."""
    _, log = criteria.read_run(folder / "d12-n5000-a8-wd0.01-s0")
    log = log[(log["step"] >= 40_000) & (log["step"] <= 64_000)]
    columns = {name: log[name].copy() for name in log.dtype.names}
    surge = [55_000 + delay, 59_000 + delay]
    columns["test_acc"] = np.interp(columns["step"], surge, [log["test_acc"][0], level])
    for name, values in changed.items():
        columns[name] = np.where(columns["step"] > 40_000, values, columns[name])
    put_run(folder, f"d12-n5000-a8-wd0.01-s0-steps40000-then{claims.ARMS[arm]}-steps64000", columns)
    return claims.Outcome(12, arm, 0)


def put_run(folder, name, columns):
    """A run in a folder of that name with the settings that the name stands for."""
    settings = claims.named_settings(name)
    begin = settings.pop("from")
    if begin:
        settings["from"] = {"run": begin[0], "step": begin[1]}
    shutil.rmtree(folder / name, ignore_errors=True)
    write_run(folder / name, columns, int(settings.pop("depth")), **settings)
    claims.named_run.cache_clear()
    return folder / name


def test_delays_of_arms(stage, tmp_path, capsys):
    """The control is half-way at 57,000, 17,000 steps after the branch."""
    stage({(12, 5000, 0.01): (38_000, *PAPER[12, 5000, 0.01][1:])})
    results = tmp_path / "results"
    for delay in (-6000, 0, 5500):
        outcome = made_up_arm(results, "no decay", delay)
        assert outcome.test_half == 57_000 + delay and outcome.has_control
        assert outcome.delay == pytest.approx((17_000 + delay) / 17_000)
    steps, _, test_acc = claims.window(claims.paper_run(12, 5000), 56_000, 57_000)
    assert steps.tolist() == [56_000, 56_500, 57_000]
    assert test_acc == pytest.approx([0.3, 0.4, 0.4])  # the last row by those within
    # the control's mid-point counts, 0.5, and not its own
    falling = np.linspace(1, 0.6, 49)
    outcome = made_up_arm(results, "held norm", 0, level=0.49, train_acc=falling)
    assert outcome.least_train_acc == pytest.approx(falling[-3:].mean(), abs=0.01)
    assert outcome.last_train_acc == pytest.approx(falling[-10:].mean(), abs=3e-3)
    assert np.isnan(outcome.test_half) and np.isnan(outcome.delay)
    assert outcome.window_ratio == pytest.approx(24 / 17)
    outcome = made_up_arm(results, "faster decay", -7000, weight_norm=70)
    assert outcome.norms == [pytest.approx(300 * np.exp(-0.4)), 70]
    claims.print_delays([0])
    claims.print_arms([0])
    told = capsys.readouterr().out
    for arm, delay in (("no decay", "1.32"), ("held norm", "> 1.41"), ("moments reset", "–")):
        assert f"| {arm} | – | – | {delay} |" in told
    assert "| 12 | 0 | held norm | – |" in told and "| > 1.41 |" in told
    fig = plot.fig10()
    assert len(fig.axes) == 9 and len(fig.axes[2].lines) == 3  # control, held norm, the branch
    control = claims.paper_run(12, 5000)
    test, norm, ranks = (ax.lines[0].get_ydata() for ax in fig.axes[2::3])
    assert np.array_equal(test, 100 * control.rows["test_acc"][68:129])  # 34,000 to 64,000
    assert np.array_equal(norm, control.rows["weight_norm"][68:129])
    assert np.array_equal(ranks, control.mean_rank[17:33])
    assert fig.axes[2].lines[0].get_linewidth() == 2
    log = results / "d12-n5000-a8-wd0.01-s0-steps40000-then-wd0.03-steps64000/log.csv"
    log.write_text(log.read_text().replace("\n40000,", "\n40000,9", 1))
    claims.named_run.cache_clear()
    assert not claims.Outcome(12, "faster decay", 0).has_control
    assert claims.if_there(claims.outcome, 12, "faster decay", 0) == []


def memory_story(folder, name, train_half, test_when_fitted, final=0.9, **columns):
    """A run that is half-way in training at a step, fitted 1,000 steps later, its test accuracy
    there as given."""
    settings = claims.named_settings(name)
    begin = settings["from"][1] if settings["from"] else 0
    steps = np.arange(begin, settings["steps"] + 1, 500)
    fit = train_half + 1000
    train_acc = np.interp(steps, [train_half - 980, train_half + 980], [0.1, 0.99])
    test_acc = np.interp(steps, [begin, fit, fit + 4000], [0.1, test_when_fitted, final])
    made = {"step": steps, "train_acc": train_acc, "test_acc": test_acc}
    made |= {"weight_norm": np.full(len(steps), 200.0), "train_loss": np.full(len(steps), 5.0)}
    depth = int(settings["depth"])
    made |= {f"rank_{layer}": 300 + 0 * steps for layer in range(1, depth + 1)}
    put_run(folder, name, made | columns)


def holds(prediction, seed=0):
    return {part.split(":")[0]: bool(holds) for part, _, holds in prediction(seed)}


def test_predictions_hold_of_their_story_and_not_of_another(stage, tmp_path, capsys):
    """Each m1 to m8 judges the parts whose runs are there, as the protocol says."""
    results = tmp_path / "results"
    stage({})
    assert [list(judge(0)) for judge in claims.PREDICTIONS] == [[]] * 8
    for depth, half in ((4, 3000), (8, 20_000), (12, 33_000)):
        loss = np.geomspace(1000.0 * 10 ** (depth - 4), 1, 201)
        memory_story(results, f"d{depth}-n5000-a8-wd0.01-s0", half, 0.2, train_loss=loss)
    name = "d{}-n5000-a8-wd0.01-s0-beta{}-steps30000"
    for depth, half, level in ((4, 1000, 0.4), (8, 3000, 0.7), (12, 4000, 0.8)):
        memory_story(results, name.format(depth, 0.99), half, level)
    memory_story(results, name.format(12, 0.997), 25_000, 0.3)
    memory_story(results, name.format(4, 0.997), 1000, 0.3)
    # 3,000 steps later over the default's 30,000, and 24,000 over them
    assert holds(claims.m1) == {"β2=0.99": True, "β2=0.997": False}
    assert holds(claims.m2) == {"d8/5000": True, "d12/5000": True}
    assert holds(claims.m3) == {"β2=0.99": True, "d4": True, "d12": True}
    (_, (_, *around), _), *_ = claims.m3(0)
    assert around[1::3] == pytest.approx([0.4, 0.7, 0.8])
    claims.print_predictions([0])
    told = capsys.readouterr().out
    assert "| β2=0.99: lateness over the default's, predicted 0.10 | 0.10\\* | 1 of 1 |" in told
    assert "predicted 0.33 | **0.80** | 0 of 1 |" in told  # not tried before
    assert "Checks that hold: 4 of 4 tried before, 2 of 3 others." in told
    memory_story(results, name.format(8, 0.99), 3000, 0.44)
    assert holds(claims.m2) == {"d8/5000": False, "d12/5000": True}

    for depth, half in ((8, 11_000), (12, 18_000)):  # 1,000 + 3,000 + 2,000 ln(5 / 1,000 …)
        predicted = 4000 + 2000 * np.log(1e4)
        reset = f"d{depth}-n5000-a8-wd0.01-s0-steps1000-then-resetmoments-steps30000"
        made = {"train_loss": np.full(59, 1e7), "adam_sqrt_v": np.full(59, 1e-3)}
        memory_story(results, reset, half * predicted / 22_420, 0.5, **made)
    told = {part[:3]: numbers for part, numbers, _ in claims.m4(0)}
    assert told["d12"][2] == pytest.approx(4000 + 2000 * np.log(1e7 / 1000))
    assert holds(claims.m4) == {"d8": False, "d12": True}
    assert holds(claims.m8) == {}
    traced, sqrt_v = "d4-n5000-a8-wd0.01-s0-steps36000", np.geomspace(1, 1e-6, 73)
    sqrt_v[1] = 1e-3 * np.exp(-(18_000 - 4000) / 2000)  # at step 500; at 1,500 it is 1e-3
    memory_story(results, traced, 3000, 0.2, adam_sqrt_v=sqrt_v)
    told = {part[:3]: numbers for part, numbers, _ in claims.m8(0)}
    assert told["d12"][2] == told["d8:"][2] == pytest.approx(18_000, abs=1)

    steps = np.arange(0, 51_001, 500)
    traced = "d8-n5000-a8-wd0.01-s0-steps51000"
    memory_story(results, traced, 20_000, 0.2)
    assert holds(claims.m5) == {}  # a log without the columns is none
    for e_fold, right in ((2000, True), (2200, False)):
        adam = {"adam_sqrt_v": np.exp(-steps / e_fold), "adam_step": 0 * steps}
        memory_story(results, traced, 20_000, 0.2, **adam)
        assert holds(claims.m5) == {"d8": right} and holds(claims.m5, seed=1) == {}

    slow = "d4-n5000-a8-wd0.01-s0-lr0.0001-beta0.99-steps30000"
    memory_story(results, "d4-n5000-a8-wd0.01-s0", 6000, 0.2)
    arm = "d4-n5000-a8-wd0.01-s0-steps6000-then-lr0.0001-holdnorm-steps36000"
    for final, right in ((0.4, True), (0.9, False)):
        memory_story(results, slow, 4000, 0.3, final=final)
        memory_story(results, arm, 6000, 0.2, final=final)
        log = (results / "d4-n5000-a8-wd0.01-s0/log.csv").read_text().splitlines()
        first = next(line for line in log if line.startswith("6000,"))
        path = results / arm / "log.csv"
        rows = path.read_text().splitlines()
        path.write_text("\n".join([rows[0], first, *rows[2:], ""]))
        claims.named_run.cache_clear()
        assert list(holds(claims.m6).values()) == [right, right]
    copied = f"d4-n5000-a8-wd0.01-s0-steps6000-then{claims.ARMS['moments reset']}-steps36000"
    shutil.copytree(results / arm, results / copied)
    settings = runs.read_config(results / copied)
    with pytest.raises(ValueError, match="expected the run that its name says, found lr"):
        holds(claims.m7)
    settings |= {"lr": 1e-3, "hold_norm": False, "reset_moments": True}
    runs.write_config(results / copied, settings)
    assert holds(claims.m7) == {"d4, moments reset": False}  # half-way with the control


def test_fig12(stage, tmp_path, call):
    """Accuracies of both β2, of seed 0 thick; √v beside the slope of an e-fold; what is known of
    one depth alone is drawn, too."""
    results = tmp_path / "results"
    stage({})
    assert_refused(call(plot.main, "fig12"), "found none of that seed", "make fig12 SEEDS=0")
    stage({(12, 7000, 0.01): PAPER[12, 7000, 0.01]})  # which has no part in it, nor in fig10
    for figure in ("fig10", "fig12"):
        assert_refused(call(plot.main, figure), "found none of that seed")
    for seed in (0, 1):
        memory_story(results, f"d4-n5000-a8-wd0.01-s{seed}", 5000, 0.2)
        short = {"adam_sqrt_v": np.exp(-np.arange(61) * 500 / 200), "adam_step": np.ones(61)}
        name = f"d4-n5000-a8-wd0.01-s{seed}-beta0.99-steps30000"
        memory_story(results, name, 2000, 0.8, **short)
    default = {"adam_sqrt_v": np.exp(-np.arange(73) * 500 / 2000), "adam_step": np.ones(73)}
    memory_story(results, "d4-n5000-a8-wd0.01-s0-steps36000", 5000, 0.2, **default)
    fig = plot.fig12()
    top, bottom = fig.axes[0], fig.axes[3]
    others = [line.get_label() for line in plot.fig12(seed=1).axes[3].lines]
    assert others[:2] == ["√v, β2=0.99", "e-fold in 200 steps, × 10"]
    labels = [line.get_label() for line in top.lines]
    one = [f"{what}, β2=0.999" for what in ("training", "test")]
    assert labels == one * 2 + [label.replace("999", "99") for label in one * 2]
    assert [line.get_linewidth() for line in top.lines] == [2, 2, 0.6, 0.6] * 2
    assert top.get_title() == "depth 4\nβ2=0.999 groks, β2=0.99 no grokking"
    assert (bottom.get_ylabel(), bottom.get_yscale()) == ("median √v", "log")
    lines = {line.get_label(): line for line in bottom.lines}
    for beta2, steps, fit in (("0.999", 2000, 6000), ("0.99", 200, 3000)):
        measured, slope = lines[f"√v, β2={beta2}"], lines[f"e-fold in {steps:,} steps, × 10"]
        assert slope.get_xdata().tolist() == list(range(1000, fit + 1, 500))
        beside = measured.get_ydata()[2 : 2 + len(slope.get_xdata())]
        np.testing.assert_allclose(slope.get_ydata(), 10 * beside, rtol=1e-5)


def test_figures_have_their_panels_and_labels(stage, tmp_path):
    stage(PAPER)
    titles = {"fig1": "depth 12, n=7000: no grokking, two stages"}
    titles["fig4"] = "depth 12, n=7000\ntunnel length 6"
    counts = [9, 3, 6, 3, 3, 9, 6, 6, 4, 6]
    for figure, count in zip(plot.FIGURES[:-3], counts, strict=True):
        fig = figure()
        drawn = [ax for ax in fig.axes if ax.get_subplotspec()]
        assert len(drawn) == count and all(ax.lines for ax in drawn) and fig.legends
        assert all(ax.get_ylabel() for ax in drawn if ax.get_subplotspec().is_first_col())
        assert all(ax.get_xlabel() for ax in drawn if ax.get_subplotspec().is_last_row())
        if figure.__name__ in titles:
            assert drawn[2].get_title() == titles[figure.__name__]
        if figure is plot.fig1:
            ranks = claims.paper_run(12, 2000).layer_log["rank_12"]
            assert np.array_equal(drawn[0].lines[11].get_ydata(), ranks)
        if figure is plot.fig5:
            ranks = claims.paper_run(12, 5000).log["rank_11"]
            assert np.array_equal(drawn[8].lines[0].get_ydata(), ranks[::4])  # every 2,000 steps
        if figure is plot.fig8:  # its first run is depth 4 on 5,000 images, its next depth 8
            run = claims.paper_run(4, 5000)
            test = 100 * run.test_acc[::4]
            curve, ring = drawn[3].lines[:2]
            assert np.array_equal(curve.get_xdata(), test)
            share = 100 * run.mean_rank / run.mean_rank.max()
            assert np.array_equal(curve.get_ydata(), share)
            half = np.abs(run.layer_rows["step"] - run.test_half).argmin()
            assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (test[half], share[half])
        if figure is plot.fig9:
            ratio = claims.paper_run(4, 5000).norm_over_clock()
            assert np.array_equal(drawn[3].lines[0].get_ydata(), ratio)
    two = [str(tmp_path / "results/d4-n5000-a8-wd0.01-s0")] * 2
    plot.main(["claims", "fig3", *two, "--format", "svg"])
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    assert drawn == {"claims.svg", "fig3.svg", "compare.svg"}


def test_the_accuracies_of_fig1(stage, tmp_path):
    """Ours, another seed's and the paper's; and where the run fits and is half-way."""
    stage({(12, n, 0.01): PAPER[12, n, 0.01] for n in (2000, 5000, 7000)})
    add_seed(tmp_path / "results", 7)
    run, paper = claims.paper_run(12, 2000), claims.paper_curves(2000)
    lines = {line.get_label(): line for line in plot.fig1_accuracy().axes[0].lines}
    for what, column in (("training", "train_acc"), ("test", "test_acc")):
        drawn = {what: run.log, f"_{what}, other seeds": run.log, f"the paper's {what}": paper}
        for label, curves in drawn.items():
            np.testing.assert_array_equal(lines[label].get_ydata(), 100 * curves[column])
    assert lines["fitted: training accuracy 99 %"].get_xdata()[0] == run.fit_step
    assert lines["test accuracy half-way"].get_xdata()[0] == run.test_half
    assert plot.exponential_moving_average([0, 1, 1], 2).tolist() == [0, 0.5, 0.75]


def test_the_jump_is_drawn_row_by_row():
    loss, accuracy, live, change, _ = plot.fig11().axes
    assert len(loss.lines[0].get_xdata()) == 101 and len(accuracy.lines) == 2
    assert [len(ax.lines) for ax in (live, change)] == [12, 1]  # eleven layers and the zero


def test_runs_are_compared(stage, tmp_path):
    """On the same steps, with a dot a row that has layers, ranks under the units that bound them,
    and one colour a layer for networks of all depths."""
    stage(PAPER)
    names = ["d12-n2000-a8-wd0.01-s0", "d12-n2000-a8-wd0.05-s0", "d8-n7000-a8-wd0.01-s0"]
    compared = [criteria.Run(tmp_path / "results" / name) for name in names]
    steps = np.arange(30_500, 33_001, 500)
    columns = {"step": steps, "probe_1": 0 * steps}
    for layer in range(1, 21):
        columns |= {f"rank_{layer}": 400 - 9 * layer + 0 * steps}
        columns |= {f"live_{layer}": 400 - 9 * layer + 0 * steps}
    begin = {"from": {"run": "x", "step": 30_500}}
    folder = write_run(tmp_path / "a$b$c", columns, 20, steps=33_000, **begin)
    deep = criteria.Run(folder)
    fig = plot.compare([*compared, deep])
    drawn = [ax for ax in fig.axes if ax.get_subplotspec()]
    assert len(drawn) == 16 and len({ax.get_xlim() for ax in drawn}) == 1
    titles = [ax.get_title().split("\n") for ax in drawn[:4]]
    assert titles[0][:3] == ["depth 12", "n_train 2000", "weight_decay 0.01"]
    assert titles[2][:3] == ["depth 8", "n_train 7000", "weight_decay 0.01"]
    assert titles[3][-1] == "from step 30,500"
    ranks, live = drawn[7].lines[:2]
    assert ranks.get_xdata().tolist() == steps.tolist()
    assert (ranks.get_ydata() <= live.get_ydata()).all()
    probes_of_8, probes_of_20 = drawn[14].lines[:7], drawn[15].lines[:19]
    for one, other in zip(probes_of_8, probes_of_20, strict=False):
        assert one.get_label() == other.get_label()
        assert np.array_equal(one.get_color(), other.get_color())
    labels = [" ".join(ax.get_ylabel().split()) for ax in drawn[::4]]
    assert labels[:2] == ["accuracy (%)", "mean rank R, mean live units below"]
    assert labels[2:] == ["weight norm", "probe accuracy of hidden layers (%)"]


def test_the_panels_of_a_run(tmp_path):
    steps = np.arange(0, 3001, 500)
    columns = dict.fromkeys(("step", "train_loss", "live_3", "weight_norm"), 1.0 + steps)
    run = criteria.Run(write_run(tmp_path / "a$b$c", columns | {"step": steps}, steps=3000))
    fig = plot.draw_run(run)
    assert fig.get_suptitle() == r"a\$b\$c: does not generalize"
    panels = {ax.get_ylabel(): ax for ax in fig.axes}
    names = ["accuracy (%)", "loss (MSE)", "weight norm", "live units", "feature rank"]
    names += ["participation ratio", "neural collapse ratio"]
    assert list(panels)[:7] == names
    scales = {name: ax.get_yscale() for name, ax in panels.items()}
    assert scales["loss (MSE)"] == scales["neural collapse ratio"] == "log"
    assert panels["loss (MSE)"].lines[0].get_ydata()[0] == 1
    # limits reach to zero where that is the bottom of a quantity
    assert panels["weight norm"].get_ylim()[0] <= 0 and panels["live units"].get_ylim()[0] <= 0


# ---- bench.py, READMEs and surroundings ----


def test_the_loops_of_the_bench_run(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["bench.py"])
    bench = importlib.import_module("bench")
    monkeypatch.setattr(bench, "N_TRAIN", 500)
    assert (bench.step_seconds(2, rounds=3) > 0).all() and bench.measuring_seconds(2) > 0


def test_the_readmes_hold_what_make_claims_prints(capsys, monkeypatch):
    monkeypatch.setattr(claims, "found_seeds", lambda: [0, 1, 2])
    claims.main()
    printed = capsys.readouterr().out
    assert (HERE / "results/tables.md").read_text() == printed
    readme = (HERE / "README.md").read_text()
    tables = {table.split("\n")[0]: table for table in printed.split("\n\n")[::-1]}
    for header in ("|  | claim |", "| depth | β2 |", "| changed when"):
        (table,) = (text for start, text in tables.items() if start.startswith(header))
        assert table + "\n" in readme
    assert re.search(r"Of 14 claims (.*);", printed)[1] in " ".join(readme.split())


def test_the_readmes_python_runs(run, tiny, capsys):
    run("--width", 30)
    code = (HERE / "README.md").read_text().split("```python\n")[1].split("```")[0]
    places = {"results/demo": str(run.folder), '"data"': f'"{tiny}"'}
    for place, here in places.items():
        assert place in code
        code = code.replace(place, here)
    exec(code, {})  # noqa: S102
    ours, logged = capsys.readouterr().out.split()[-2:]
    assert ours == logged and int(ours) > 1


def test_pictures_do_not_depend_on_the_users_surroundings(tmp_path):
    steps = np.arange(9) * 500.0
    columns = {"step": steps, "train_acc": steps / 4000, "test_acc": steps / 5000, "rank_1": steps}
    folder, pictures = write_run(tmp_path / "r", columns), []
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfont.family: cursive")
    surroundings = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    surroundings |= {"MATPLOTLIBRC": str(tmp_path), "PYTHONIOENCODING": "latin-1"}
    for added in ({}, surroundings):
        command = [sys.executable, HERE / "plot.py", folder]
        told = subprocess.run(command, env=os.environ | added, capture_output=True, check=True)
        assert told.stderr == b"" and b"plot.png: drawn" in told.stdout
        pictures.append((folder / "plot.png").read_bytes())
    assert pictures[0] == pictures[1]


def test_make_outlives_what_it_finds(tmp_path):
    """A .venv without pip, as uv makes it; settings of pytest and ruff in a folder above."""
    clone = tmp_path / "clone"
    clone.mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (tmp_path / "ruff.toml").write_text("no-such-setting = 1\n")
    shutil.copy(HERE / "Makefile", clone)
    (clone / "requirements.txt").write_text("")
    (clone / "test_all.py").write_text("def test_nothing():\n    pass\n")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", clone / ".venv"], check=True)
    make = ["make", "-s", "-C", clone]
    subprocess.run([*make, "setup"], check=True)
    subprocess.run([*make, "-o", "setup", "lint", "test", f"PY={sys.executable}"], check=True)
    refused = subprocess.run([*make, "-n", "fig2", "SEEDS=01"], capture_output=True, check=False)
    assert refused.returncode and b"SEEDS: expected whole numbers" in refused.stderr
