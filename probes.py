"""What a network's layers hold (paper, Section 2, Probing Internal Features).

    python probes.py results/<run>    # a table of every layer of a saved run; needs its checkpoint

In Python: network, checkpoint = probes.load_network("results/<run>").
"""

import argparse
import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

from data import DATA_DIR, load_mnist, minibatches
from model import MLP, load_checkpoint, loss_function


@torch.no_grad()  # the features are frozen: probes train heads on them, and no layer
def layer_features(model, x):
    """Images x [n, 784] -> the output of every linear layer, before the ReLU: [n, depth, width].

    Zeros pad a layer that is narrower than another. Source: MLP.layer_outputs; the padding is ours.
    """
    width = max(model.layers[0].out_features, 10)
    features = x.new_zeros(len(x), len(model.layers), width)
    for chunk, rows in zip(x.split(1000), features.split(1000)):
        for layer, output in enumerate(model.layer_outputs(chunk)):
            rows[:, layer, : output.shape[1]] = output.to_dense()
    return features


def covariance_matrix(features):
    """The covariance matrix [d, d], in float64, of features [n, d], the paper's W.

    Zero if no feature varies by more than its rounding, so that rounding does not count as rank.
    Source: paper, Section 2, Probing Internal Features; the zero is ours.
    """
    covariance = torch.atleast_2d(torch.cov(features.double().T))
    rounding = 8 * torch.finfo(features.dtype).eps * features.abs().amax(dim=0).double()
    varies = covariance.diagonal() > rounding.square()
    return covariance if varies.any() else torch.zeros_like(covariance)


def numerical_rank(covariance, rtol=None):
    """How many singular values of a covariance matrix [d, d] are above rtol times the largest.

    rtol is by default matrix_rank's own, d * eps with the eps of float64, as in the authors'
    implementation; the paper has max(n, d) * eps, but the matrix does not know n.
    A rank is at most the number of live units of the layer below, but for the rounding of float32
    features: its variance is near the tolerance at d = 16, and below it, nearly always, at 400.
    Source: paper, Section 2 and footnote 4.
    """
    # in float64: with float32's eps layers 9 to 11 of depth 12 would begin under 300. hermitian: a
    # covariance is symmetric, its eigenvalues cost less than singular values and count the same.
    # On the CPU: eigenvalue routines of GPUs have failed on matrices of low rank
    return int(torch.linalg.matrix_rank(covariance.cpu(), rtol=rtol, hermitian=True))


def participation_ratio(covariance):
    """The participation ratio (tr C)^2 / tr(C^2) of a covariance matrix C [d, d], in 1..d.

    It weighs the directions that the numerical rank counts. NaN if C is zero. Source: ours.
    """
    return (covariance.trace() ** 2 / covariance.square().sum()).item()


def collapse_ratio(features, labels, covariance):
    """Variance within classes over variance between them, tr S_W / tr S_B.

    Features [n, d], their labels [n] in 0..9 and covariance matrix [d, d]. 0 or more, but for
    rounding; infinite if the class means are all the same, NaN if the covariance is zero.
    Source: neural collapse's NC1 (Papyan, Han, Donoho 2020) in its trace form; ours here.
    """
    one_hot = F.one_hot(labels, 10).double()
    counts = one_hot.sum(dim=0)
    means = one_hot.T @ features.double() / counts.clamp(min=1)[:, None]
    mean = counts @ means / len(labels)
    between = counts @ (means - mean).square().sum(dim=1) / (len(labels) - 1)
    total = covariance.trace()  # = within + between
    return ((total - between) / between).item() if total > 0 else math.nan


def live_units(features):
    """How many units are above 0, before the ReLU, on at least one image: features [n, d].

    Source: ours.
    """
    return int((features.amax(dim=0) > 0).sum())


def weight_norm(module):
    """The L2 norm of all parameters together, weights and biases. Source: paper, Section 2.3."""
    return torch.nn.utils.get_total_norm(module.parameters()).item()


def adam_medians(optimizer):
    """How large Adam's √v̂ and its steps are: {"adam_sqrt_v": ..., "adam_step": ...}.

    The medians, over the parameters whose v is above 0, of √v̂ and of |m̂| / (√v̂ + ε), a step as a
    share of the learning rate. optimizer: an Adam's state_dict(). NaN before its first step.
    Source: m̂, v̂, ε as in Adam's paper (Kingma and Ba 2015, Algorithm 1); the medians are ours.
    """
    group = optimizer["param_groups"][0]
    beta1, beta2 = group["betas"]
    roots, steps = [torch.tensor([])], [torch.tensor([])]  # of nothing more the median is NaN
    for moments in optimizer["state"].values():
        count, seen = float(moments["step"]), moments["exp_avg_sq"] > 0
        m = moments["exp_avg"][seen] / (1 - beta1**count)
        root = (moments["exp_avg_sq"][seen] / (1 - beta2**count)).sqrt()
        roots.append(root.cpu())
        steps.append((m.abs() / (root + group["eps"])).cpu())
    medians = {"adam_sqrt_v": torch.cat(roots), "adam_step": torch.cat(steps)}
    return {name: values.median().item() for name, values in medians.items()}


def probe_accuracies(
    widths, features, labels, test_features, test_labels, generator, steps=300, batch_size=512
):
    """Linear probing accuracy of every layer: a fresh linear head each, all trained at once.

    widths: of the layers [depth]; features [n, depth, width], frozen, padded with zeros to the
    widest; labels [n] in 0..9; generator: a CPU one, which draws heads and batches.
    Returns each head's accuracy in 0..1 on the test set after the last step, [depth].
    Source: paper, Section 2: heads trained on the training set for "a fixed number of steps".
    Cross-entropy, Adam at 1e-3 and batches of 512, as in the authors' implementation. Ours: 300
    steps (theirs: 30 epochs), on all training images (theirs: 80 %), 10 outputs (theirs: one for
    each training image), no penalty on the weights (theirs: 1e-3 of their norm).
    """
    depth, width = features.shape[1:]

    def uniform(*shape):
        """nn.Linear's default initialization: uniform within 1 / sqrt(inputs)."""
        draw = 2 * torch.rand(depth, *shape, generator=generator) - 1
        bound = torch.tensor(widths).rsqrt()[:, None, None]
        return (bound * draw).to(features.device).requires_grad_()

    weight, bias = uniform(10, width), uniform(10, 1)
    optimizer = torch.optim.Adam([weight, bias], lr=1e-3, fused=True)
    batches = minibatches(len(labels), batch_size, generator, features.device)
    features = features.float()
    for _ in range(steps):
        batch = next(batches)
        inputs = features.index_select(0, batch).permute(1, 2, 0)  # [depth, width, batch]
        logits = torch.baddbmm(bias, weight, inputs)  # [depth, 10, batch]
        targets = labels[batch].expand(depth, -1)
        # summed over the heads, so that each has the gradient of its own mean cross-entropy
        loss = F.cross_entropy(logits, targets, reduction="sum") / len(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        logits = torch.baddbmm(bias, weight, test_features.float().permute(1, 2, 0))
    return (logits.argmax(dim=1) == test_labels).double().mean(dim=1).tolist()


def measure(model, optimizer, train, test, seed, step, layers):
    """Measures one row of the log: {column: value}, in the log's order, accuracies in 0..1.

    optimizer: an Adam's state_dict(); train, test: pairs (images [n, 784], labels [n]); seed and
    step seed the linear probes; layers: whether to measure every layer, too. Losses are
    loss_function's, over all images. Raises FloatingPointError if training has diverged, or Adam.
    Source: paper, Section 2 and, for last_layer_norm, Section 4; participation, collapse, live
    units and Adam's columns are ours.
    """
    row, features = {"step": step}, {}
    for name, (images, labels) in (("train", train), ("test", test)):
        if layers:
            features[name] = layer_features(model, images)
            outputs = features[name][:, -1, :10]
        else:
            with torch.no_grad():
                outputs = torch.cat([model(chunk) for chunk in images.split(1000)])
        row[f"{name}_loss"] = loss_function(outputs, labels).item()
        row[f"{name}_acc"] = (outputs.argmax(dim=1) == labels).double().mean().item()
    row["weight_norm"] = weight_norm(model)
    row["last_layer_norm"] = weight_norm(model.layers[-1])
    if not all(map(math.isfinite, row.values())):
        raise FloatingPointError(
            f"diverged by step {step}, training loss {row['train_loss']}: expected finite numbers; "
            "try a smaller --lr, --alpha or --weight-decay"
        )
    if not all(moments["exp_avg_sq"].isfinite().all() for moments in optimizer["state"].values()):
        raise FloatingPointError(
            f"Adam's mean of squared gradients overflowed by step {step}: expected finite numbers, "
            "or weights never move again; try --dtype float64, or a smaller --alpha or --depth"
        )
    if layers:
        widths = [layer.out_features for layer in model.layers]
        # a stream of its own at each step: a row does not depend on which others have the layers
        generator = torch.Generator().manual_seed(seed + 1_000_003 * (step + 1))
        train_layers, test_layers = (features["train"], train[1]), (features["test"], test[1])
        row |= measure_layers(widths, train_layers, test_layers, generator)
    return row | adam_medians(optimizer)


def measure_layers(widths, train, test, generator):
    """The layers' part of a row: {"rank_1": ..., ..., "probe_12": ...}.

    widths: of the layers [depth]; train, test: pairs (features [n, depth, width], labels [n]);
    generator: for the linear probes. All else is measured on the test set, as in the authors'
    implementation; the paper names no set. The output layer is measured like the internal ones.
    """
    features, labels = test
    columns = {"rank": [], "participation": [], "collapse": [], "live": []}
    for layer, width in enumerate(widths):
        outputs = features[:, layer, :width]
        covariance = covariance_matrix(outputs)
        columns["rank"].append(numerical_rank(covariance))
        columns["participation"].append(participation_ratio(covariance))
        columns["collapse"].append(collapse_ratio(outputs, labels, covariance))
        columns["live"].append(live_units(outputs))
    columns["live"].pop()  # the output layer has no ReLU
    columns["probe"] = probe_accuracies(widths, *train, *test, generator)
    row = {}
    for name, values in columns.items():
        for layer, value in enumerate(values, start=1):
            row[f"{name}_{layer}"] = value
    return row


def load_network(folder):
    """A saved run's network and its checkpoint: (MLP, {"config": ..., "step": ..., ...}).

    folder: a str or a Path. Raises OSError or ValueError, in one line.
    """
    checkpoint = load_checkpoint(Path(folder))
    config = checkpoint["config"]
    network = MLP(config["depth"], config["width"], getattr(torch, config["dtype"]))
    network.load_state_dict(checkpoint["model"])
    return network, checkpoint


def print_layers(folder, data_dir):
    """Prints a table of every layer of the run in that folder, at its checkpoint.

    Raises OSError or ValueError, in one line.
    """
    network, checkpoint = load_network(folder)
    config, step = checkpoint["config"], checkpoint["step"]
    train, test, digest = load_mnist(data_dir, config["n_train"], getattr(torch, config["dtype"]))
    if config["data_sha256"] != digest:
        raise ValueError(
            f"{data_dir}: expected the data that the run was trained on (from a folder called "
            f"{config['data']}), found other; see --data-dir"
        )
    print(f"{folder} at step {step}: measuring its layers, some seconds", flush=True)
    row = measure(network, checkpoint["optimizer"], train, test, config["seed"], step, layers=True)
    print(f"training accuracy {row['train_acc']:.4f}\ntest accuracy {row['test_acc']:.4f}")
    print(f"Adam, medians: √v {row['adam_sqrt_v']:.3g}, step {row['adam_step']:.3g} of lr")
    features = layer_features(network, test[0])
    n, _, d = features.shape
    literal = max(n, d) * torch.finfo(torch.float64).eps
    header = "layer  rank  live units below  rank (max(n, d) eps)  participation  collapse  probe"
    print(f"{header}  weight norm")
    for number, layer in enumerate(network.layers, start=1):
        covariance = covariance_matrix(features[:, number - 1, : layer.out_features])
        print(
            f"{number:5}  {row[f'rank_{number}']:4}  {row.get(f'live_{number - 1}', '-'):>16}  "
            f"{numerical_rank(covariance, literal):20}  {row[f'participation_{number}']:13.2f}  "
            f"{row[f'collapse_{number}']:8.3f}  {row[f'probe_{number}']:.3f}  "
            f"{weight_norm(layer):11.3f}"
        )


def main(argv=None):
    """The command line. A fault ends it with one line."""
    parser = argparse.ArgumentParser(
        prog="probes.py",
        usage=argparse.SUPPRESS,
        description="Prints a table of every layer of a saved run.",
    )
    parser.add_argument("run", type=Path, help="a run's folder, with its checkpoint")
    where = "folder of the four files that it was trained on (default: data)"
    parser.add_argument("--data-dir", type=Path, default=DATA_DIR, help=where)
    args = parser.parse_args(argv)
    try:
        print_layers(args.run, args.data_dir)
    except (OSError, ValueError, FloatingPointError) as error:
        sys.exit(f"probes.py: error: {error}")


if __name__ == "__main__":
    main()
