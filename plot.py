"""From run folders to criteria, figures and a verdict on each claim of the paper. Needs no torch.

    python plot.py results/<run>        # sums up one run and draws it: figures/<run>.png
    python plot.py fig2 --format pdf    # a figure: figures/fig2.pdf
    python plot.py claims               # the paper's claims, judged by the runs in results/
"""

import argparse
import functools
import json
import os
import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np

HERE = Path(__file__).parent
TUNNEL_SHARE = 0.75  # of the width: at 400, a rank under 300 makes a tunnel layer (paper, Fig. 3)
DEPTHS, DECAYS, SEEDS = (4, 8, 12), (0.005, 0.01, 0.05), (0, 1, 2)
PAPER_RUNS = [  # (depth, n_train, weight_decay): a seed's eleven
    *[(depth, n, 0.01) for n in (5000, 7000) for depth in DEPTHS],
    *[(12, 2000, decay) for decay in DECAYS],
    *[(12, 5000, decay) for decay in (0.005, 0.05)],
]
PAPER_SETUP = {"alpha": 8.0, "width": 400, "lr": 1e-3, "batch_size": 200, "optimizer": "adamw"}
PAPER_SETUP |= {"steps": 100_000, "log_every": 500, "probe_every": 2000, "data": "data"}


# ---- Reading a run ----


def read_config(folder):
    """Reads a run's settings, a dict. Raises OSError or ValueError, in one line."""
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder}: expected a run's folder, found no config.json in it; make runs trains the "
            "paper's, seed by seed (SEEDS)"
        )
    least = {"depth": 2, "width": 1, "n_train": 1, "steps": 0, "log_every": 1, "probe_every": 1}
    try:
        config = json.loads(path.read_bytes())
        whole = all(isinstance(config[name], int) and config[name] >= least[name] for name in least)
        intact = whole and config["weight_decay"] >= 0 and config["seed"] >= 0
    except (ValueError, LookupError, TypeError):
        intact = False
    if not intact:
        raise ValueError(f"{path}: expected a run's settings in JSON, found damage; restore it")
    return config


def read_log(folder):
    """Reads a run's log: {column: float array [rows]}, NaN where nothing was measured.

    A last line without its end is not there yet. Raises OSError or ValueError, in one line.
    """
    path = Path(folder) / "log.csv"
    header, *lines = path.read_text(errors="replace").split("\n")
    if not lines:
        raise FileNotFoundError(
            f"{path}: expected a header of train.py's, found none yet; let the run go on"
        )
    lines.pop()  # what follows the last line's end
    names = header.split(",")
    if names[0] != "step":
        raise ValueError(f"{path}: expected a header of train.py's, found {header[:40]!r}")
    rows = []
    for number, line in enumerate(lines, start=2):
        try:
            row = [float(field or "nan") for field in line.split(",")]
        except ValueError:
            row = []
        if len(row) != len(names) or rows and not row[0] > rows[-1][0]:
            raise ValueError(
                f"{path}: expected {len(names)} numbers in line {number}, after those before it, "
                f"found {line[:40]!r}; restore it, or remove its last line and continue the run"
            )
        rows.append(row)
    return dict(zip(names, np.array(rows).reshape(-1, len(names)).T, strict=True))


def check_columns(folder, log, depth):
    """Raises ValueError, in one line, if a log is not one of so many layers."""
    needed = {"train_acc", "test_acc", "weight_norm", "last_layer_norm", f"live_{depth - 1}"}
    for quantity in ("rank", "participation", "collapse", "probe"):
        needed.add(f"{quantity}_{depth}")
    if needed - log.keys() or f"probe_{depth + 1}" in log:
        raise ValueError(
            f"{folder}: expected a log of {depth} layers, as config.json says, found another; "
            "restore the files"
        )


# ---- Criteria: what a run did, as numbers; set once, the same for every run ----


class Run:
    """A run's log and the criteria that judge it.

    Steps are NaN where a thing did not happen; accuracies are in 0..1 and, but for the raw ones,
    smoothed by the median of 5 rows; a final value is the mean of the last 10 rows. R is the mean
    rank of the hidden layers from the second on, R_deep that of the hidden layers l > depth / 2.
    Raises OSError or ValueError, in one line. Source: paper, Fig. 3, for the tunnel; the other
    criteria are ours.
    """

    def __init__(self, folder):
        self.name = Path(folder).resolve().name
        self.config, self.log = read_config(folder), read_log(folder)
        self.depth, self.width = self.config["depth"], self.config["width"]
        self.n, self.decay = self.config["n_train"], self.config["weight_decay"]
        check_columns(folder, self.log, self.depth)
        step = self.log["step"]
        self.finished = len(step) > 0 and step[-1] == self.config["steps"]

        # judged on the rows at multiples of log_every, and of probe_every for what layers do
        on_grid = step % self.config["log_every"] == 0
        self.steps = step[on_grid]
        self.weight_norm = self.log["weight_norm"][on_grid]
        self.last_layer_norm = self.log["last_layer_norm"][on_grid]
        self.raw_train_acc = self.log["train_acc"][on_grid]
        self.raw_test_acc = self.log["test_acc"][on_grid]
        self.train_acc = smooth(self.raw_train_acc)
        self.test_acc = smooth(self.raw_test_acc)
        self.final = mean(self.test_acc[-10:])
        self.gap = max(self.train_acc - self.test_acc, default=np.nan)
        self.fitted = first_from(self.steps, self.train_acc >= 0.99)
        train_final = mean(self.train_acc[-10:])
        self.train_half = first_from(self.steps, self.train_acc >= (0.1 + train_final) / 2)
        self.test_half = first_from(self.steps, self.test_acc >= (0.1 + self.final) / 2)
        self.test_when_fitted = mean(self.test_acc[self.steps == self.fitted])
        self.generalizes = bool(self.final >= 0.5)
        self.groks = bool(self.test_when_fitted < self.final / 2)
        self.rest = rest(self.steps, self.test_acc, self.final)  # (first step, last step)
        resting = (self.steps >= self.rest[0]) & (self.steps <= self.rest[1])
        self.rest_level = mean(self.test_acc[resting])
        self.two_stages = bool(self.rest[1] - self.rest[0] >= 3000)

        self.probed = ~np.isnan(self.log["rank_1"])
        self.on_probe_grid = self.probed & (step % self.config["probe_every"] == 0)
        self.probe_steps = step[self.on_probe_grid]
        ranks = self.hidden("rank")
        self.R = ranks[min(1, self.depth - 2) :].mean(axis=0)
        self.R_deep = ranks[self.depth // 2 :].mean(axis=0) if self.depth > 2 else self.R
        # the last step's, also where it is no multiple
        measured = [self.log[f"rank_{layer}"][self.probed] for layer in range(1, self.depth)]
        self.final_ranks = np.array(measured)[:, -1:].ravel()
        self.tunnel_rank = TUNNEL_SHARE * self.width
        self.tunnel = int((self.final_ranks < self.tunnel_rank).sum())

    def hidden(self, quantity):
        """A quantity of the hidden layers: [depth - 1, rows of probe_steps]."""
        layers = range(1, self.depth)
        return np.array([self.log[f"{quantity}_{layer}"][self.on_probe_grid] for layer in layers])

    def when_fitted(self, values):
        """The value, of [rows of probe_steps], nearest to the fitted step; of two the earlier."""
        if np.isnan(self.fitted):
            return np.nan
        return values[np.abs(self.probe_steps - self.fitted).argmin()]

    def norm_when_fitted(self):
        return mean(self.weight_norm[self.steps == self.fitted])

    def descent(self):
        """Which share of R is lost from the fitted step to 95 % of test accuracy's gain since."""
        level = self.test_when_fitted + 0.95 * (self.final - self.test_when_fitted)
        settled = first_from(self.steps, (self.test_acc >= level) & (self.steps >= self.fitted))
        if np.isnan(settled):
            return np.nan
        later = self.R[np.abs(self.probe_steps - settled).argmin()]
        return 1 - later / self.when_fitted(self.R)

    def double_descent(self):
        """R_deep's minimum up to the middle of the rest, maximum up to its end, minimum after."""
        before = np.flatnonzero(self.probe_steps <= mean(np.array(self.rest)))
        upto = np.flatnonzero(self.probe_steps <= self.rest[1])
        if len(before) == 0:
            return np.nan, np.nan, np.nan
        low = before[self.R_deep[before].argmin()]
        high = low + self.R_deep[low : upto[-1] + 1].argmax()
        return self.R_deep[low], self.R_deep[high], self.R_deep[high:].min()


def mean(values):
    return values.mean() if len(values) else np.nan


def smooth(values):
    """The median of each row and its two neighbours on either side, fewer at the ends: [rows]."""
    return np.array([np.median(values[max(i - 2, 0) : i + 3]) for i in range(len(values))])


def first_from(steps, holds):
    """The first step from which a condition holds for 3 rows, NaN if none; both [rows]."""
    for i in range(len(steps) - 2):
        if holds[i : i + 3].all():
            return steps[i]
    return np.nan


def rest(steps, test, final):
    """The longest stretch in which test accuracy rests: (first step, last step), NaN if none.

    It stays within 0.02, at 0.2 or above, and 0.05 or more below its final value.
    """
    longest = (np.nan, np.nan)
    between = (test >= 0.2) & (test <= final - 0.05)
    for i in range(len(steps)):
        end = i
        while end < len(steps) and between[end] and np.ptp(test[i : end + 1]) <= 0.02 + 1e-9:
            end += 1
        if end > i and not steps[end - 1] - steps[i] <= longest[1] - longest[0]:
            longest = (steps[i], steps[end - 1])
    return longest


def print_summary(run):
    """Prints what a run did, in a few lines."""

    def told(step):
        return "not in this run" if np.isnan(step) else f"step {step:,.0f}"

    has_fitted = not np.isnan(run.fitted)
    when_fitted = f"{100 * run.test_when_fitted:.1f} %" if has_fitted else told(np.nan)
    rested = f"{told(run.rest[0])} to {run.rest[1]:,.0f}" if run.two_stages else told(np.nan)
    print(f"{run.name}: step {max(run.log['step']):,.0f} of {run.config['steps']:,}")
    print(f"  training accuracy 99 %:          {told(run.fitted)}")
    train_half = run.train_half if has_fitted else np.nan
    test_half = run.test_half if run.generalizes else np.nan
    print(f"  training accuracy half-way:      {told(train_half)}")
    print(f"  test accuracy half-way:          {told(test_half)}")
    print(f"  test accuracy when fitted:       {when_fitted}")
    print(f"  test accuracy, last 10 rows:     {100 * run.final:.1f} %")
    print(f"  largest gap between the two:     {100 * run.gap:.1f} points")
    print(f"  test accuracy rests:             {rested}")
    tunnel = f"{run.tunnel} of {run.depth - 1} hidden layers"
    print(f"  tunnel, ranks under {run.tunnel_rank:3.0f}:         {tunnel}")


# ---- The paper's runs ----


@functools.cache
def paper_run(depth, n_train, weight_decay=0.01, seed=0):
    """One of the paper's runs.

    Raises FileNotFoundError if it is not there, finished; ValueError if its folder holds another.
    """
    name = f"d{depth}-n{n_train}-a8-wd{weight_decay:g}-s{seed}"
    run = Run(HERE / "results" / name)
    if not run.finished:
        raise FileNotFoundError(
            f"results/{name}: expected a finished run, found one under way; make runs "
            f'SEEDS="{seed}" finishes it'
        )
    named = {"depth": depth, "n_train": n_train, "weight_decay": weight_decay, "seed": seed}
    for setting, value in (PAPER_SETUP | named).items():
        found = run.config.get(setting)
        if found != value:
            raise ValueError(
                f"results/{name}: expected the paper's setup, found {setting} {found} and not "
                f"{value}; move that run elsewhere"
            )
    return run


def runs_there(keys, seeds=SEEDS):
    """Those of the runs (depth, n_train, weight_decay) that are there, of all the seeds."""
    found = []
    for seed in seeds:
        for key in keys:
            try:
                found.append(paper_run(*key, seed))
            except FileNotFoundError:
                continue
    return found


# ---- Panels: one quantity against the step ----

TRAIN, TEST = "#0072B2", "#D55E00"  # Okabe and Ito's: distinct to colour-blind eyes and in grey
PALE, DASHED = {"linewidth": 3, "alpha": 0.4}, {"linestyle": "--", "linewidth": 1.2}
LAYERS = "viridis"  # dark for the first layer, light for the output layer


def accuracy(ax, run, suffix="", **style):
    for column, colour, label in (("train_acc", TRAIN, "training"), ("test_acc", TEST, "test")):
        values = 100 * run.log[column]
        ax.plot(run.log["step"], values, color=colour, label=label + suffix, **style)
    ax.set(ylabel="accuracy (%)", ylim=(-5, 105))


def loss(ax, run):
    for column, colour in (("train_loss", TRAIN), ("test_loss", TEST)):
        ax.plot(run.log["step"], run.log[column], color=colour)
    ax.set(ylabel="loss (MSE)", yscale="log")


def weight_norm(ax, run, **style):
    ax.plot(run.log["step"], run.log["weight_norm"], color="black", **style)
    ax.axhline(0, alpha=0)  # keeps 0 in view
    ax.set(ylabel="weight norm")


def layer_curves(ax, run, quantity, factor=1):
    """One curve a layer."""
    colours = matplotlib.colormaps[LAYERS](np.linspace(0, 0.95, run.depth))
    for layer, colour in enumerate(colours, start=1):
        values = factor * run.log[f"{quantity}_{layer}"][run.probed]
        ax.plot(run.log["step"][run.probed], values, color=colour)
    ax.axhline(0, alpha=0)


def rank(ax, run):
    layer_curves(ax, run, "rank")
    tunnel_line(ax, run)
    ax.set(ylabel="feature rank")


def participation(ax, run):
    layer_curves(ax, run, "participation")
    ax.set(ylabel="participation ratio")


def probe(ax, run):
    layer_curves(ax, run, "probe", factor=100)
    ax.set(ylabel="probe accuracy (%)", ylim=(-5, 105))


def tunnel_line(ax, run):
    label = f"tunnel: rank under {run.tunnel_rank:.0f}"
    ax.axhline(run.tunnel_rank, color="gray", linestyle="-.", linewidth=0.9, label=label)


def onsets(ax, run):
    """Vertical lines where the run fits and, if it generalizes, where test accuracy is half-way."""
    fitted, onset = "training accuracy 99 %", "test accuracy half-way"
    if not np.isnan(run.fitted):
        ax.axvline(run.fitted, color=TRAIN, linestyle="--", linewidth=0.9, label=fitted)
    if run.generalizes:
        ax.axvline(run.test_half, color=TEST, linestyle=":", linewidth=1.3, label=onset)


def paper_curves(n):
    """The paper's own Fig. 1 on n images, read off: fields step, train_acc, test_acc [points].

    Accuracies are in 0..1, NaN where a curve could not be read. Source: data/README.md.
    """
    curves = np.genfromtxt(HERE / "data" / "paper_fig1.csv", delimiter=",", names=True)
    return curves[curves["n_train"] == n]


def paper_accuracy(ax, run):
    """The accuracies of the paper's own Fig. 1."""
    curves = paper_curves(run.n)
    style = {"linestyle": ":", "linewidth": 1}
    for column, colour, what in (("train_acc", TRAIN, "training"), ("test_acc", TEST, "test")):
        label = f"the paper's {what}"
        ax.plot(curves["step"], 100 * curves[column], color=colour, label=label, **style)


# ---- Figures: each function draws one and returns it ----


def panels(rows, columns, sharey="row"):
    size = (11, 2.5 * rows + 0.7)
    shared = {"sharex": "col", "sharey": sharey, "squeeze": False}
    return plt.subplots(rows, columns, figsize=size, layout="constrained", **shared)


def a_column_each(runs, drawn, title="depth {depth}, n={n_train}, γ={weight_decay:g}"):
    """A figure with a column for each run and a row for each panel function."""
    fig, axes = panels(len(drawn), len(runs))
    for column, run in zip(axes.T, runs, strict=True):
        for ax, panel in zip(column, drawn, strict=True):
            panel(ax, run)
            onsets(ax, run)
        column[0].set_title(title.format_map(run.config | {"tunnel": run.tunnel}), fontsize=10)
    layer_scale(fig)
    return fig


def layer_scale(fig):
    """The colour bar that says which curve is which layer."""
    scale = plt.cm.ScalarMappable(plt.Normalize(0, 1 / 0.95), LAYERS)
    shape = {"shrink": 0.7, "aspect": 40, "pad": 0.01, "boundaries": np.linspace(0, 1, 200)}
    bar = fig.colorbar(scale, ax=fig.axes, **shape)
    bar.set_ticks([0, 1], labels=["first\nlayer", "output\nlayer"])


def fig1():
    """Depth 12 on 2,000, 5,000 and 7,000 images, with the paper's own accuracies."""
    runs = [paper_run(12, n) for n in (2000, 5000, 7000)]
    fig = a_column_each(runs, [rank, accuracy, probe])
    for ax, run in zip(fig.axes[3:6], runs, strict=True):
        paper_accuracy(ax, run)
    return fig


def fig2():
    """Accuracy at depth 4, 8, 12 on 5,000 (top) and 7,000 images; thin: the other seeds."""
    fig, axes = panels(2, 3)
    for row, n in zip(axes, (5000, 7000), strict=True):
        for ax, depth in zip(row, DEPTHS, strict=True):
            run = paper_run(depth, n)
            accuracy(ax, run)
            for other in runs_there([(depth, n, 0.01)], seeds=SEEDS[1:]):
                accuracy(ax, other, ", other seeds", linewidth=0.5, alpha=0.7)
            onsets(ax, run)
            ax.set_title(f"depth {depth}, n={n}", fontsize=10)
    return fig


def fig3(n=5000):
    """Rank of every layer at depth 4, 8, 12, and the tunnel."""
    runs = [paper_run(depth, n) for depth in DEPTHS]
    return a_column_each(runs, [rank], f"depth {{depth}}, n={n}\ntunnel length {{tunnel}}")


def fig4():
    """As fig3, on 7,000 images."""
    return fig3(n=7000)


def fig5():
    """5,000 images (pale) against 7,000 (dashed), a column for each depth."""
    fig, axes = panels(3, 3)
    for column, depth in zip(axes.T, DEPTHS, strict=True):
        for n, style in ((5000, PALE), (7000, DASHED)):
            run = paper_run(depth, n)
            accuracy(column[0], run, f", n={n}", **style)
            weight_norm(column[1], run, label=f"n={n}", **style)
            column[2].plot(run.probe_steps, run.hidden("rank")[-1], color="black", **style)
        tunnel_line(column[2], run)
        column[2].set(ylabel="rank of the\nsecond-last layer", ylim=(0, 410))
        column[0].set_title(f"depth {depth}", fontsize=10)
    return fig


def fig6(n=2000):
    """Depth 12 with weight decay 0.005, 0.01, 0.05."""
    return a_column_each([paper_run(12, n, decay) for decay in DECAYS], [accuracy, rank])


def fig7():
    """As fig6, on 5,000 images."""
    return fig6(n=5000)


def fig8():
    """Ours: does rank or norm tell, when a network has fitted, whether it generalizes?

    A dot for each run of all seeds; the larger, the stronger its weight decay.
    """
    fig, axes = panels(1, 2)
    colours = dict(zip(DEPTHS, ("#009E73", "#56B4E9", "black"), strict=True))
    markers, sizes = {2000: "^", 5000: "o", 7000: "s"}, {0.005: 4, 0.01: 7, 0.05: 11}
    runs = [paper_run(*key) for key in PAPER_RUNS]
    for run in runs + runs_there(PAPER_RUNS, seeds=SEEDS[1:]):
        style = {"color": colours[run.depth], "marker": markers[run.n], "alpha": 0.7}
        style["markersize"] = sizes[run.decay]
        # markers of one size in the legend
        label = f"depth {run.depth}, n={run.n}" if run.decay == 0.01 else None
        for ax, x in zip(axes[0], (run.when_fitted(run.R), run.norm_when_fitted()), strict=True):
            ax.plot(x, 100 * run.test_when_fitted, linestyle="", label=label, **style)
    for ax in axes[0]:
        ax.axhline(50, color="gray", linestyle="-.", linewidth=0.9, label="test accuracy 50 %")
    axes[0, 0].set(xlabel="R, mean rank of the hidden layers from the second on, when fitted")
    axes[0, 0].set(ylabel="test accuracy when fitted (%)", ylim=(-5, 105))
    axes[0, 1].set(xlabel="weight norm when fitted")
    fig.suptitle("the larger the marker, the stronger the weight decay", fontsize=10)
    return fig


def fig9():
    """Ours: the staircase, around the step at which test accuracy is half-way."""
    keys = ((12, 2000), (12, 5000), (8, 5000))
    fig, axes = panels(3, len(keys))
    for column, key in zip(axes.T, keys, strict=True):
        run = paper_run(*key)
        near = np.abs(run.steps - run.test_half) <= 12_000
        steps = run.steps[near] - run.test_half
        column[0].plot(steps, 100 * run.raw_test_acc[near], ".-", color=TEST)
        column[0].set(ylabel="test accuracy (%)", ylim=(-5, 105))
        near_probes = np.abs(run.probe_steps - run.test_half) <= 12_000
        probe_steps = run.probe_steps[near_probes] - run.test_half
        live_units = run.hidden("live").mean(axis=0)[near_probes]
        column[1].plot(probe_steps, live_units, ".-", color="black")
        column[1].set(ylabel="live units,\nmean of hidden layers")
        column[2].plot(steps[1:], np.diff(run.last_layer_norm[near]), ".-", color="black")
        column[2].set(ylabel="last layer's norm,\nchange in 500 steps")
        column[0].set_title(f"depth {run.depth}, n={run.n}", fontsize=10)
        column[-1].set_xlabel("steps from test accuracy half-way")
    return fig


def one_run(folder):
    """What a run's log holds, also while it is training."""
    run = Run(folder)
    if len(run.steps) == 0:
        raise ValueError(f"{folder}: expected rows in log.csv to draw, found none yet")
    print_summary(run)
    fig, axes = panels(2, 3, sharey=False)
    quantities = (accuracy, loss, weight_norm, rank, participation, probe)
    for ax, panel in zip(axes.flat, quantities, strict=True):
        panel(ax, run)
        onsets(ax, run)
    fig.suptitle(run.name)
    layer_scale(fig)
    return fig


FIGURES = [fig1, fig2, fig3, fig4, fig5, fig6, fig7, fig8, fig9]


def save(fig, path):
    """Gives the axes their look and the figure its legend, and writes it."""
    legend = {}
    for ax in fig.axes:
        ax.spines[["top", "right"]].set_visible(False)
        for line, label in zip(*ax.get_legend_handles_labels(), strict=True):
            legend.setdefault(label, line)
        if len(ax.get_shared_y_axes().get_siblings(ax)) > 1:
            ax.label_outer()
        if ax.get_subplotspec() and ax.get_subplotspec().is_last_row() and not ax.get_xlabel():
            ax.set_xlabel("optimizer steps")
        if ax.get_xlabel().startswith(("optimizer", "steps")):
            ax.xaxis.set_major_formatter(lambda step, _: f"{step / 1000:g}k" if step else "0")
    if legend:
        ncols = len(legend) if len(legend) < 6 else -(-len(legend) // 2)
        place = {"loc": "outside lower center", "ncols": ncols, "fontsize": 9, "frameon": False}
        fig.legend(legend.values(), legend.keys(), **place)
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=120)
    plt.close(fig)


# ---- Claims: each function judges one, for a seed; it returns our numbers and what holds ----


def increasing(values):
    return bool((np.diff(values) > 0).all())


def listed(values, form=",.0f"):
    """Numbers as text: 2,500 / 19,500 / 36,000; a dash for NaN."""
    return " / ".join("–" if np.isnan(value) else f"{value:{form}}" for value in values)


def c1(seed):
    """n=5000: the deeper, the later (§2.1) and the more severe (Fig. 3)"""
    runs = [paper_run(depth, 5000, seed=seed) for depth in DEPTHS]
    train, test = [run.train_half for run in runs], [run.test_half for run in runs]
    gaps, lags = [run.gap for run in runs], np.subtract(test, train)
    numbers = f"gap {listed(gaps, '.2f')}; half-way: training {listed(train)}, test {listed(test)}"
    parts = {"training": increasing(train), "test": increasing(test), "gap": increasing(gaps)}
    return f"{numbers}, lag {listed(lags)}", parts


def c2(seed):
    """n=2000, 5000: test accuracy rises once training is done (Fig. 1)"""
    runs = {n: paper_run(12, n, seed=seed) for n in (2000, 5000)}
    when_fitted = listed([run.test_when_fitted for run in runs.values()], ".2f")
    finals = listed([run.final for run in runs.values()], ".2f")
    parts = {f"n={n} groks": run.groks for n, run in runs.items()}
    return f"test when fitted {when_fitted}; final {finals}", parts


def c3(seed):
    """more data groks sooner, n=5000 before n=2000 (§2.2)"""
    more, less = paper_run(12, 5000, seed=seed), paper_run(12, 2000, seed=seed)
    numbers = f"test half-way {listed([more.test_half, less.test_half])}"
    return numbers, {"sooner": bool(more.test_half < less.test_half)}


def c4(seed):
    """n=7000: two stages at depth 8, 12, at 12 later and lower (§2.1)"""
    d4, d8, d12 = (paper_run(depth, 7000, seed=seed) for depth in DEPTHS)
    parts = {
        "one at 4": not d4.two_stages,
        "two at 8": d8.two_stages,
        "two at 12": d12.two_stages,
        "first later at 12": bool(d8.test_half < d12.test_half),
        "second later at 12": bool(d8.rest[1] < d12.rest[1]),
        "lower at 12": bool(d12.rest_level < d8.rest_level),
    }
    stages = listed([1 + run.two_stages for run in (d4, d8, d12)])
    halves = listed([run.test_half for run in (d4, d8, d12)])
    ends = listed([d8.rest[1], d12.rest[1]])
    levels = listed([d8.rest_level, d12.rest_level], ".2f")
    return f"stages {stages}; half-way {halves}; second from {ends}, above {levels}", parts


def c5(seed):
    """two stages: the ranks fall, rise, and fall again (§2.1, §3)"""
    keys = {
        "d8 n=7000": (8, 7000, 0.01),
        "d12 n=7000": (12, 7000, 0.01),
        "n=2000 γ=0.05": (12, 2000, 0.05),
        "n=5000 γ=0.05": (12, 5000, 0.05),
    }
    numbers, parts = [], {}
    for name, key in keys.items():
        low, high, end = paper_run(*key, seed).double_descent()
        numbers.append(f"{low:.0f}-{high:.0f}-{end:.0f}")
        parts[name] = bool(high >= 1.05 * low and end <= 0.95 * high)
    held = f"in {sum(parts.values())} of {len(parts)} networks"
    return f"{held}; R_deep {', '.join(numbers)}", parts


def c6(seed):
    """n=2000, 5000: test accuracy rises as ranks fall (§2.2, §3)"""
    parts, falls = {}, []
    for n in (2000, 5000):
        for decay in DECAYS:
            run = paper_run(12, n, decay, seed)
            falls.append(100 * run.descent() if run.generalizes else np.nan)
            if run.generalizes:
                parts[f"n={n} γ={decay:g}"] = bool(run.descent() >= 0.05)
    return f"R falls by {listed(falls)} %", parts


def c7(seed):
    """test accuracy and probe accuracy rise together (Fig. 1)"""
    medians, least, parts = [], [], {}
    for n in (2000, 5000, 7000):
        run = paper_run(12, n, seed=seed)
        test = run.test_acc[np.isin(run.steps, run.probe_steps)]
        correlations = [np.corrcoef(test, layer)[0, 1] for layer in run.hidden("probe")]
        medians.append(np.median(correlations))
        least.append(min(correlations))
        parts[f"n={n}"] = bool(medians[-1] >= 0.8)
    numbers = f"correlation {listed(medians, '.2f')}"
    return f"{numbers}; of the least layer {listed(least, '.2f')}", parts


def c8(seed):
    """ranks fall with the layer, tunnels grow with depth (§2.2)"""
    parts, lengths = {}, []
    for n, paper_lengths in ((5000, (1, 3, 6)), (7000, (1, 5, 6))):
        runs = [paper_run(depth, n, seed=seed) for depth in DEPTHS]
        lengths.append(listed([run.tunnel for run in runs]))
        parts[f"n={n} longer"] = increasing([run.tunnel for run in runs])
        for run, length in zip(runs, paper_lengths, strict=True):
            parts[f"length n={n} d{run.depth}"] = abs(run.tunnel - length) <= 1
            parts[f"order n={n} d{run.depth}"] = bool((np.diff(run.final_ranks) <= 0).all())
    in_order = sum(holds for part, holds in parts.items() if part.startswith("order"))
    return f"{in_order} of 6 networks in order; tunnels {' and '.join(lengths)}", parts


def c9(seed):
    """n=5000, 7000: norms fall and overlap, ranks do not (§2.3)"""
    apart, falling, ranks, parts = [], [], [], {}
    for depth in DEPTHS:
        less, more = paper_run(depth, 5000, seed=seed), paper_run(depth, 7000, seed=seed)
        mean_norm = (less.weight_norm + more.weight_norm) / 2
        apart.append(100 * np.abs(less.weight_norm / mean_norm - 1).max())
        falling.append(100 * min((np.diff(run.weight_norm) < 0).mean() for run in (less, more)))
        ranks.append(np.abs(less.hidden("rank")[-1] - more.hidden("rank")[-1]).max())
        parts[f"overlap d{depth}"] = bool(apart[-1] <= 10)
        parts[f"fall d{depth}"] = bool(falling[-1] >= 90)
        parts[f"ranks d{depth}"] = bool(ranks[-1] >= 80)
    numbers = f"fall in {listed(falling, '.1f')} % of rows; norms ± {listed(apart, '.1f')} %"
    return f"{numbers}, ranks {listed(ranks)} apart", parts


def c10(seed):
    """n=2000: γ=0.005 fails, 0.01 groks, 0.05 has two stages (§3)"""
    low, middle, high = (paper_run(12, 2000, decay, seed) for decay in DECAYS)
    two_stages = high.generalizes and high.two_stages
    parts = {"fails": not low.generalizes, "groks": middle.groks, "two stages": two_stages}
    final, when_fitted, rested = decay_numbers((low, middle, high))
    return f"{final}; {when_fitted}; {rested}", parts


def c11(seed):
    """n=5000: γ=0.005 does not grok, 0.01 does, 0.05 has two stages (§3)"""
    low, middle, high = (paper_run(12, 5000, decay, seed) for decay in DECAYS)
    without = low.generalizes and not low.groks
    two_stages = high.generalizes and high.two_stages
    parts = {"without": without, "groks": middle.groks, "two stages": two_stages}
    final, when_fitted, rested = decay_numbers((low, middle, high))
    return f"{rested}; {when_fitted}; {final}", parts


def decay_numbers(runs):
    final = listed([run.final for run in runs], ".2f")
    when_fitted = listed([run.test_when_fitted for run in runs], ".2f")
    strongest = runs[-1]
    rested = listed([strongest.rest[1] - strongest.rest[0]])
    return f"final {final}", f"when fitted {when_fitted}", f"γ=0.05 rests {rested} steps"


def c12(seed):
    """n=7000: norms have no plateau while accuracy rises (§4)"""
    changes, parts = [], {}
    for depth in (8, 12):
        run = paper_run(depth, 7000, seed=seed)
        begin = first_from(run.steps, run.test_acc >= 0.2)
        end = first_from(run.steps, run.test_acc >= 0.1 + 0.95 * (run.final - 0.1))  # from chance
        during = (run.steps >= begin) & (run.steps <= end)
        for name, norm in (("last layer", run.last_layer_norm), ("network", run.weight_norm)):
            before, after = norm[during][:-10], norm[during][10:]  # 5,000 steps apart
            # a rise of less than 5,000 steps shows nothing: NaN, which does not hold
            changes.append(100 * min(np.abs(after / before - 1), default=np.nan))
            parts[f"{name} d{depth}"] = bool(changes[-1] >= 1)
    return f"least change {listed(changes, '.1f')} %", parts


def c13(seed):
    """when fitted, rank, not norm, tells who generalizes (abstract)"""
    runs = [paper_run(*key, seed) for key in PAPER_RUNS]
    by_rank = separation(runs, lambda run: -run.when_fitted(run.R))
    by_norm = separation(runs, lambda run: -run.norm_when_fitted())
    parts = {"rank ≥ 0.9": bool(by_rank >= 0.9), "above the norm": bool(by_rank > by_norm)}
    return f"AUC {by_rank:.2f} by rank, {by_norm:.2f} by norm", parts


def separation(runs, score):
    """The area under the ROC curve of score(run), which tells runs that generalize when they fit.

    That is, with a test accuracy of 0.5 or more at the fitted step. 0.5 is chance; NaN where all
    the runs that fit do the same.
    """
    fitted = [run for run in runs if not np.isnan(run.fitted)]
    generalizing = [score(run) for run in fitted if run.test_when_fitted >= 0.5]
    memorizing = [score(run) for run in fitted if run.test_when_fitted < 0.5]
    if not generalizing or not memorizing:
        return np.nan
    difference = np.subtract.outer(generalizing, memorizing)
    return (difference > 0).mean() + 0.5 * (difference == 0).mean()


CLAIMS = [c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13]


def judge(claim):
    """A claim on every seed whose runs are there: {seed: (numbers, {part: whether it holds})}."""
    verdicts = {}
    for seed in SEEDS:
        try:
            verdicts[seed] = claim(seed)
        except FileNotFoundError:
            continue
    return verdicts


def print_claims():
    """Prints the README's table, and then every seed's numbers and what fails."""
    details = []
    print("| | claim | seed 0 | holds for |\n|---|---|---|---|")
    for claim in CLAIMS:
        name, verdicts, holding = claim.__name__.upper(), judge(claim), 0
        for seed, (numbers, parts) in verdicts.items():
            failing = [part for part, holds in parts.items() if not holds]
            holding += bool(parts) and not failing
            details.append(f"| {name} | {seed} | {numbers} | {', '.join(failing)} |")
        first = verdicts[0][0].split(";")[0] if 0 in verdicts else "runs missing"
        count = f"{holding} of {len(verdicts)} seeds"
        print(f"| {name} | {claim.__doc__} | {first} | {count} |")
    print("\n| | seed | numbers | what fails |\n|---|---|---|---|")
    print("\n".join(details))


# ---- Beyond the claims ----


def crossing(steps, accuracy, final):
    """The step at which accuracy is half-way from 0.1 to its final value, between two rows."""
    middle = (0.1 + final) / 2
    first = np.flatnonzero(accuracy >= middle)[0]
    around = slice(first - 1, first + 1)
    return np.interp(middle, accuracy[around], steps[around])


def print_fig1():
    """Half-way steps of training and test, and final test accuracy: the paper's beside ours."""

    def cell(halves, final):
        return f"{listed(halves)} / {final:.3f}"

    print("\n| n | the paper | seed 0 | seed 1 | seed 2 |\n|---|---|---|---|---|")
    for n in (2000, 5000, 7000):
        curves = paper_curves(n)
        halves, finals = [], []
        for column in ("train_acc", "test_acc"):
            seen = curves[~np.isnan(curves[column])]
            finals.append(seen[column][-10:].mean())
            halves.append(crossing(seen["step"], seen[column], finals[-1]))
        _, test_final = finals
        cells = [cell(np.round(halves, -2), test_final)]  # read off no more exactly
        for seed in SEEDS:
            there = runs_there([(12, n, 0.01)], seeds=[seed])
            ours = [cell([run.train_half, run.test_half], run.final) for run in there]
            cells.append(ours[0] if ours else "–")
        print(f"| {n} | {' | '.join(cells)} |")


def print_separation():
    """C13 over all the runs of all seeds: which measurement tells, at the fitted step?"""
    scores = {
        "R, mean rank": lambda run: -run.when_fitted(run.R),
        "last hidden layer's rank": lambda run: -run.when_fitted(run.hidden("rank")[-1]),
        "participation ratio": lambda run: -run.when_fitted(
            run.hidden("participation")[1:].mean(axis=0)
        ),
        "last hidden layer's live units": lambda run: -run.when_fitted(run.hidden("live")[-1]),
        "last hidden layer's collapse": lambda run: -run.when_fitted(run.hidden("collapse")[-1]),
        "last hidden layer's probe": lambda run: run.when_fitted(run.hidden("probe")[-1]),
        "weight norm": lambda run: -run.norm_when_fitted(),
    }
    runs = runs_there(PAPER_RUNS)
    print(f"\n| when fitted, over {len(runs)} runs | area under the ROC curve |\n|---|---|")
    for name, score in scores.items():
        print(f"| {name} | {separation(runs, score):.2f} |")


def unit_death(run):
    """Lost live units of layers 1 … D-2 over lost rank of layers 2 … D-1, summed over all rows."""
    lost_units = (run.width - run.hidden("live")[:-1]).sum()
    return lost_units / (run.width - run.hidden("rank")[1:]).sum()


def stairs(run):
    """How many single rows carry three quarters of test accuracy's rise since the fitted step.

    NaN where that is under 0.2.
    """
    after = run.raw_test_acc[run.steps >= run.fitted]
    if len(after) == 0 or run.final - after[0] < 0.2:
        return np.nan
    gains = np.diff(np.maximum.accumulate(after))  # to fall and come back is none
    largest_first = np.sort(gains)[::-1]
    return 1 + np.flatnonzero(np.cumsum(largest_first) >= 0.75 * gains.sum())[0]


def later_gain(run, row):
    """The median test accuracy of the 5,000 steps from the row after next, less the row's own."""
    return np.median(run.raw_test_acc[row + 2 : row + 12]) - run.raw_test_acc[row]


def drops(run):
    """The rows before training accuracy falls by over 0.05 in one row, from above 0.95.

    Of falls less than 5,000 steps apart the first; none of the last 5,000 steps.
    """
    rows = []
    for row in range(len(run.steps) - 11):
        before, after = run.raw_train_acc[row : row + 2]
        if before > 0.95 and after < before - 0.05 and (not rows or row - rows[-1] >= 10):
            rows.append(row)
    return rows


def usual_help(run):
    """Of all rows above 0.95 training accuracy, the share with a later gain, to compare with."""
    rows = np.flatnonzero(run.raw_train_acc[:-11] > 0.95)
    return mean(np.array([later_gain(run, row) > 0 for row in rows]))


def print_runs():
    """Every run's criteria, and what is beyond the paper."""
    print("\n| run | fitted | test half-way | test when fitted | final | R at 4k ", end="")
    print("| R when fitted | tunnel | unit death | stairs | drops, helped (usual) ", end="")
    print("| probe 1 | least probe |")
    print("|---" * 13 + "|")
    for run in runs_there(PAPER_RUNS):
        probes = [run.when_fitted(layer) for layer in run.hidden("probe")]
        early = mean(run.R[run.probe_steps == 4000])
        dropped = drops(run)
        helped = sum(later_gain(run, row) > 0 for row in dropped)
        cells = [
            listed([run.fitted]),
            listed([run.test_half if run.generalizes else np.nan]),
            listed([run.test_when_fitted], ".3f"),
            listed([run.final], ".3f"),
            listed([early]),
            listed([run.when_fitted(run.R)]),
            str(run.tunnel),
            f"{100 * unit_death(run):.0f} %",
            listed([stairs(run)]),
            f"{len(dropped)}, {helped} ({100 * usual_help(run):.0f} %)",
            listed(probes[:1], ".2f"),
            listed([min(probes)], ".2f"),
        ]
        print(f"| {run.name} | {' | '.join(cells)} |")


def main(argv=None):
    """The command line. Returns the exit status: 0, or 1 after one line on a fault."""
    parser = argparse.ArgumentParser(
        prog="plot.py",
        usage=argparse.SUPPRESS,
        allow_abbrev=False,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="+", help="a run's folder, fig1 to fig9, or claims")
    formats = {"choices": ("png", "pdf", "svg"), "default": "png"}
    parser.add_argument("--format", help="of the picture (default: png)", **formats)
    args = parser.parse_args(argv)
    figures = {figure.__name__: figure for figure in FIGURES}
    try:
        for what in args.what:
            if what == "claims":
                for print_table in (print_claims, print_fig1, print_separation, print_runs):
                    print_table()
                continue
            path = HERE / "figures" / f"{Path(what).resolve().name}.{args.format}"
            save(figures[what]() if what in figures else one_run(what), path)
            print(f"{os.path.relpath(path)}: drawn")
    except (OSError, ValueError) as error:
        print(f"plot.py: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
