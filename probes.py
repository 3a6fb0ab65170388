"""What a network's layers hold (paper, Section 2, Probing Internal Features): ranks, live units, linear probes.

    python probes.py results/<run>    # a table of every layer of a saved run; needs its checkpoint
"""

import argparse
import math
import sys
from pathlib import Path


def parse_args(argv=None):
    parser = argparse.ArgumentParser(prog="probes.py", usage=argparse.SUPPRESS, allow_abbrev=False,
                                     description="Prints a table of every layer of a saved run.")
    parser.add_argument("run", type=Path, help="a run's folder, with its checkpoint")
    parser.add_argument("--data-dir", type=Path, default=Path(__file__).parent / "data",
                        help="folder of the four files it was trained on (default: data)")
    args = parser.parse_args(argv)
    if not (args.run / "checkpoint.pt").is_file():
        parser.error(f"{args.run}: expected a run's folder with its checkpoint, found no checkpoint.pt (runs are "
                     "committed without theirs); train the run again to have one")
    return args


if __name__ == "__main__":
    parse_args()  # wrong arguments are answered before PyTorch's slow import

import torch
import torch.nn.functional as F

from data import load_mnist, minibatches
from model import MLP, load_checkpoint


def layer_features(model, x, chunk=1000):
    """The output of every linear layer, before the ReLU.

    Args: x [n, 784]; chunk, images a forward pass. Returns: [depth, n, width], the output layer padded with zeros.
    Source: as in the authors' implementation.
    """
    width = model.layers[0].out_features
    features = x.new_zeros(len(model.layers), len(x), max(width, 10))
    with torch.no_grad():
        for i in range(0, len(x), chunk):
            for layer, output in enumerate(model.layer_outputs(x[i : i + chunk])):
                features[layer, i : i + chunk, : output.shape[1]] = output.to_dense()
    return features


def numerical_rank(features, rtol=None):
    """How many singular values of the features' covariance matrix are above the tolerance.

    Args: features [n, d] of any float dtype; rtol, relative to the largest singular value, by default matrix_rank's
    own: eps * d with float64's eps. Returns: int in 0..d; of float32 features, where d < 10 or so, rounding counts too.
    Source: paper, Section 2 and footnote 4, which reads max(n, d) * eps; matrix_rank sees only the d x d covariance,
    so its default is d * eps, as in the authors' implementation.
    """
    covariance = torch.atleast_2d(torch.cov(features.double().T))  # [d, d], also where d is 1
    return int(torch.linalg.matrix_rank(covariance, rtol=rtol, hermitian=True))


def live_units(features):
    """How many units are active, above zero, on at least one image. Args: features [n, d], before the ReLU. Returns:
    int in 0..d. Source: ours."""
    return int((features > 0).any(dim=0).sum())


def probe_accuracies(model, train, test, generator, steps=300, batch_size=512, lr=1e-3):
    """Linear probing accuracy of every layer: a fresh linear head each, trained on frozen features, all at once.

    Args: model, whose features they are; train, test: pairs (features [depth, n, width], labels [n]); generator, a CPU
    one, draws heads and batches. Returns: each head's accuracy in 0..1 on the test set after the last step, [depth].
    Source: paper, Section 2 ("a fixed number of steps"); cross-entropy and Adam as in the authors' implementation;
    steps, batches and one batched computation for all the heads are ours.
    """
    (features, labels), (test_features, test_labels) = train, test
    features, test_features = features.float(), test_features.float()
    # nn.Linear's default initialization: uniform within 1 / sqrt(inputs); a padded feature is 0 and changes nothing
    bounds = torch.tensor([layer.out_features for layer in model.layers]).rsqrt()[:, None, None]
    weight, bias = (
        (bounds * (2 * torch.rand(len(features), 10, columns, generator=generator) - 1)).to(features.device)
        for columns in (features.shape[2], 1)
    )
    optimizer = torch.optim.Adam([weight.requires_grad_(), bias.requires_grad_()], lr=lr, fused=True)
    batches = minibatches(len(labels), batch_size, generator, features.device)
    for _ in range(steps):
        batch = next(batches)
        logits = torch.baddbmm(bias, weight, features.index_select(1, batch).mT)  # [depth, 10, batch]
        # summed over the heads, so that each has the gradient of its own mean cross-entropy
        loss = F.cross_entropy(logits, labels[batch].expand(len(logits), -1), reduction="sum") / len(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        predictions = torch.baddbmm(bias, weight, test_features.mT).argmax(dim=1)
    return (predictions == test_labels).double().mean(dim=1)


def weight_norm(module):
    """The L2 norm of all parameters together, weights and biases. Source: paper, Section 2.3."""
    return torch.nn.utils.get_total_norm(module.parameters()).item()


def measure(model, train, test, seed, step, probe):
    """Measures one row of the log.

    Args: train, test: pairs (images [n, 784], labels [n]); seed, step: of the run, they seed the linear probes;
    probe, whether to measure the layers too (not where training has diverged). Returns: {column: value}, accuracies
    in 0..1.
    Source: quantities of paper, Section 2; losses are the MSE against one-hot targets averaged over the 10 outputs.
    """
    row, features = {}, {}
    for name, (images, labels) in (("train", train), ("test", test)):
        if probe:
            features[name] = layer_features(model, images)
            logits = features[name][-1, :, :10]
        else:
            with torch.no_grad():
                logits = torch.cat([model(chunk) for chunk in images.split(1000)])
        row[f"{name}_loss"] = F.mse_loss(logits, F.one_hot(labels, 10).to(logits)).item()
        row[f"{name}_acc"] = (logits.argmax(dim=1) == labels).double().mean().item()
    row |= {"weight_norm": weight_norm(model), "last_layer_norm": weight_norm(model.layers[-1])}
    if probe and all(map(math.isfinite, row.values())):
        depth = len(model.layers)
        for number, (layer, outputs) in enumerate(zip(model.layers, features["test"]), start=1):
            row[f"rank_{number}"] = numerical_rank(outputs[:, : layer.out_features])
            if number < depth:
                row[f"live_{number}"] = live_units(outputs)
        generator = torch.Generator().manual_seed(seed + 1_000_003 * (step + 1))
        heads = probe_accuracies(model, (features["train"], train[1]), (features["test"], test[1]), generator)
        row |= {f"probe_{number}": accuracy for number, accuracy in enumerate(heads.tolist(), start=1)}
    return row


def main(argv=None):
    """The command line. Returns: the exit status, 0, or 1 after a fault's one line."""
    args = parse_args(argv)
    try:
        checkpoint = load_checkpoint(args.run / "checkpoint.pt")
        config, dtype = checkpoint["config"], getattr(torch, checkpoint["config"]["dtype"])
        train, test, digest = load_mnist(args.data_dir, config["n_train"], dtype)
        if digest != config["data_sha256"]:
            raise ValueError(f"{args.data_dir}: expected the data that the run was trained on, {config['data']}, found "
                             "other; see --data-dir")
        model = MLP(config["depth"], config["width"]).to(dtype)
        model.load_state_dict(checkpoint["model"])
        row = measure(model, train, test, config["seed"], checkpoint["step"], probe=True)
        if "rank_1" not in row:
            raise ValueError(f"{args.run}: expected a network to measure, found one that diverged")
    except (OSError, ValueError) as error:
        print(f"probes.py: error: {error}", file=sys.stderr)
        return 1
    features = layer_features(model, test[0])
    literal = len(test[0]) * torch.finfo(torch.float64).eps  # the paper's max(n, d) * eps, read to the letter

    print(f"{args.run} at step {checkpoint['step']}: training accuracy {row['train_acc']:.4f}, "
          f"test accuracy {row['test_acc']:.4f}")
    print("layer  rank  rank (max(n, d) eps)  live units  probe accuracy  weight norm")
    for number, layer in enumerate(model.layers, start=1):
        rank_literal = numerical_rank(features[number - 1, :, : layer.out_features], rtol=literal)
        print(f"{number:5}  {row[f'rank_{number}']:4}  {rank_literal:20}  {row.get(f'live_{number}', '-'):>10}  "
              f"{row[f'probe_{number}']:14.4f}  {weight_norm(layer):11.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
