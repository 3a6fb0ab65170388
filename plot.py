"""The paper's figures, ours, one of any run, and one that compares runs. Needs no torch.

    python plot.py results/<run>                # sums up a run and draws it: results/<run>/plot.png
    python plot.py results/<run> results/<run>  # runs side by side: figures/compare.png
    python plot.py fig2 --format pdf            # fig1 to fig7, the paper's: figures/fig2.pdf
    python plot.py fig8                         # fig8 to fig12, ours
    python plot.py claims                       # how many parts of each claim hold

In Python each figure is a function, plot.fig2(), that returns a matplotlib Figure.
"""

import argparse
import math
import os
import sys
from pathlib import Path

if __name__ == "__main__" and "ipykernel" not in sys.modules:
    os.environ.pop("MPLBACKEND", None)  # a notebook's, which its terminal's python may not have
import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import claims
from claims import DECAYS, DEPTHS, HERE, available_runs, paper_run
from criteria import Run, summary

TRAIN, TEST = "#0072B2", "#D55E00"  # Okabe and Ito's: distinct to colour-blind eyes and in grey
N_COLOURS = {2000: "#009E73", 5000: "#0072B2", 7000: "#D55E00"}
ARM_COLOURS = {  # those of fig10
    "control": "#888888",
    "held norm": "#0072B2",
    "a tenth of the rate, norm held": "#009E73",
    "moments reset": "#D55E00",
    "moments reset, norm held": "#CC79A7",
}
THIN = {"linewidth": 0.8, "alpha": 0.7}  # other seeds
BRANCHED = [(depth, 5000, 0.01) for depth in DEPTHS]  # the runs that fig10 and fig12 compare with
SETTINGS = ("depth", "n_train", "alpha", "weight_decay", "seed", "width", "lr", "batch_size")
SETTINGS += ("hold_norm", "beta2", "reset_moments", "steps", "optimizer", "dtype", "data")


# ---- Panels: one quantity against the step ----


def accuracy(ax, run, label="{}", **style):
    """Training and test accuracy; label: of both, whose {} becomes training and test."""
    for column, colour, what in (("train_acc", TRAIN, "training"), ("test_acc", TEST, "test")):
        values = 100 * run.log[column]
        ax.plot(run.log["step"], values, color=colour, label=label.format(what), **style)
    ax.set(ylabel="accuracy (%)", ylim=(-5, 105))


def loss(ax, run):
    for column, colour in (("train_loss", TRAIN), ("test_loss", TEST)):
        ax.plot(run.log["step"], run.log[column], color=colour)
    ax.set(ylabel="loss (MSE)", yscale="log")


def weight_norm(ax, run, **style):
    ax.plot(run.log["step"], run.log["weight_norm"], color="black", **style)
    show_zero(ax, "weight norm")


def show_zero(ax, label):
    ax.axhline(0, alpha=0)  # a limit would be that of the first axes, where several share theirs
    ax.set(ylabel=label)


def layer_curves(ax, run, quantity, layers, factor=1):
    """One curve a layer, with a marker at each row that has layers; layer_scale colours them."""
    for layer in range(1, layers + 1):
        values = factor * run.layer_log[f"{quantity}_{layer}"]
        style = {"marker": ".", "markersize": 2.5, "linewidth": 1, "label": f"_layer {layer}"}
        ax.plot(run.layer_log["step"], values, **style)


def rank(ax, run):
    layer_curves(ax, run, "rank", run.depth)
    tunnel_line(ax, run)
    ax.set(ylabel="feature rank")


def participation(ax, run):
    layer_curves(ax, run, "participation", run.depth)
    show_zero(ax, "participation ratio")


def collapse(ax, run):
    layer_curves(ax, run, "collapse", run.depth)
    ax.set(ylabel="neural collapse ratio", yscale="log")


def live_units(ax, run):
    layer_curves(ax, run, "live", run.depth - 1)
    show_zero(ax, "live units")


def probe(ax, run):
    layer_curves(ax, run, "probe", run.depth - 1, factor=100)
    ax.set(ylabel="probe accuracy of\nhidden layers (%)", ylim=(-5, 105))


def rank_and_live_units(ax, run):
    """Mean rank of the hidden layers from the second on, and live units of those below them, which
    bound it."""
    steps, ranks = run.layer_log["step"], run.mean_of("rank", run.layer_log)
    ax.plot(steps, ranks, "k.-", label="mean rank R")
    live = run.hidden("live", run.layer_log)[: max(1, run.depth - 2)].mean(axis=0)
    style = {"color": "#009E73", "label": "live units below, mean"}
    ax.plot(steps, live, ".--", **style)
    ax.set(ylabel="mean rank R,\nmean live units below")


def tunnel_line(ax, run):
    label = f"tunnel: rank under {run.tunnel_threshold:.0f}"
    ax.axhline(run.tunnel_threshold, color="gray", linestyle="-.", linewidth=0.9, label=label)


def mark_onsets(ax, run, alpha=1):
    """Vertical lines where the run fits and, if it generalizes, where test accuracy is half-way."""
    if not np.isnan(run.fit_step):
        style = {"color": TRAIN, "linestyle": "--", "linewidth": 0.9, "alpha": alpha}
        ax.axvline(run.fit_step, label="fitted: training accuracy 99 %", **style)
    if not np.isnan(run.test_half):
        style = {"color": TEST, "linestyle": ":", "linewidth": 1.3, "alpha": alpha}
        ax.axvline(run.test_half, label="test accuracy half-way", **style)


def paper_accuracy(ax, run):
    """The accuracies of the paper's own Fig. 1, and this run's test accuracy smoothed like them."""
    curves = claims.paper_curves(run.n_train)
    for column, colour, what in (("train_acc", TRAIN, "training"), ("test_acc", TEST, "test")):
        style = {"color": colour, "linestyle": "-.", "linewidth": 1.2}
        ax.plot(curves["step"], 100 * curves[column], label=f"the paper's {what}", **style)
    rows = {2000: 10, 5000: 5, 7000: 2}[run.n_train]  # chosen by eye
    smoothed = exponential_moving_average(run.rows["test_acc"], rows)
    style = {"color": TEST, "linewidth": 3, "alpha": 0.25}
    ax.plot(run.steps, 100 * smoothed, label="test, smoothed like the paper's", **style)


def exponential_moving_average(values, rows):
    """A running mean in which a new row counts 1 / rows: [rows]."""
    means, weight = [values[0]], 1 / rows
    for value in values[1:]:
        means.append((1 - weight) * means[-1] + weight * value)
    return np.array(means)


# ---- Figures: each function draws one and returns it ----


def panels(rows, columns, sharex="col", sharey="row", height=2.5):
    """A figure and its axes [rows, columns]. Not of pyplot's, whose backend is the user's own."""
    fig = Figure(figsize=(11, height * rows + 0.7), layout="constrained")
    return fig, fig.subplots(rows, columns, sharex=sharex, sharey=sharey, squeeze=False)


def finish(fig):
    """Gives the axes their look and the figure its legend, and returns it."""
    legend = {}
    for ax in fig.axes:
        ax.spines[["top", "right"]].set_visible(False)
        for line, label in zip(*ax.get_legend_handles_labels(), strict=True):
            legend.setdefault(label, line)
        if len(ax.get_shared_y_axes().get_siblings(ax)) > 1:
            ax.label_outer()
        if ax.get_subplotspec() and ax.get_subplotspec().is_last_row() and not ax.get_xlabel():
            ax.set_xlabel("optimizer steps")
        if ax.get_xlabel() == "optimizer steps":
            ax.xaxis.set_major_formatter(tick_label)
    if legend:
        columns = len(legend) if len(legend) < 5 else math.ceil(len(legend) / 2)
        place = {"loc": "outside lower center", "ncols": columns, "fontsize": 9, "frameon": False}
        fig.legend(legend.values(), legend.keys(), **place)
    return fig


def tick_label(step, _position):
    return f"{step / 1000:g}k" if step >= 1000 else f"{step:g}"


def layer_scale(fig, depth):
    """Colours the curves of layers, and draws the bar that says which colour is which layer.

    depth: of the deepest network in the figure. Up to 12 a layer's colour is always the same.
    """
    colours = matplotlib.colormaps["turbo"](np.linspace(0.03, 0.97, max(depth, 12)))[:depth]
    for ax in fig.axes:
        for line in ax.lines:
            label, _, layer = line.get_label().partition(" ")
            if label == "_layer":
                line.set_color(colours[int(layer) - 1])
    norm = BoundaryNorm(np.arange(0.5, depth + 1), depth)
    scale = ScalarMappable(norm, ListedColormap(colours))
    bar = fig.colorbar(scale, ax=fig.axes, shrink=0.7, aspect=40, pad=0.01)
    bar.set_ticks(range(1, depth + 1))
    bar.ax.tick_params(labelsize=7, length=0)
    bar.set_label("layer", fontsize=8)


def what_it_does(run):
    """A run's title: groks, two stages."""
    if not run.generalizes:
        return "does not generalize"
    told = "groks" if run.groks else "no grokking"
    return f"{told}, two stages" if run.two_stages else told


def column_per_run(runs, drawn, titles, sharex="col"):
    """A figure with a column for each run and a row for each panel function."""
    fig, axes = panels(len(drawn), len(runs), sharex)
    for column, run, title in zip(axes.T, runs, titles, strict=True):
        for ax, panel in zip(column, drawn, strict=True):
            panel(ax, run)
            mark_onsets(ax, run)
        column[0].set_title(title, fontsize=10 if max(map(len, titles)) < 60 else 8)
    return fig, axes


def fig1(seed=0, drawn=(rank, accuracy, probe)):
    """Depth 12 on 2,000, 5,000 and 7,000 images, with the paper's own accuracies."""
    runs = [paper_run(12, n, seed=seed) for n in (2000, 5000, 7000)]
    titles = [f"depth 12, n={run.n_train}: {what_it_does(run)}" for run in runs]
    fig, axes = column_per_run(runs, drawn, titles)
    for ax, run in zip(axes[drawn.index(accuracy)], runs, strict=True):
        paper_accuracy(ax, run)
        other_seeds(ax, run)
    if len(drawn) > 1:
        layer_scale(fig, 12)
    return finish(fig)


def fig1_accuracy(seed=0):
    """The accuracies of fig1 alone."""
    return fig1(seed, drawn=(accuracy,))


def other_seeds(ax, run):
    seeds = [seed for seed in claims.found_seeds() if seed != run.config["seed"]]
    for other in available_runs([(run.depth, run.n_train, run.weight_decay)], seeds):
        accuracy(ax, other, "_{}, other seeds", **THIN)


def fig2(seed=0):
    """Accuracy at depth 4, 8, 12 on 5,000 (top) and 7,000 images; thin: the other seeds."""
    fig, axes = panels(2, 3)
    for row, n in zip(axes, (5000, 7000), strict=True):
        for ax, depth in zip(row, DEPTHS, strict=True):
            run = paper_run(depth, n, seed=seed)
            accuracy(ax, run)
            other_seeds(ax, run)
            mark_onsets(ax, run)
            ax.set_title(f"depth {depth}, n={n}: {what_it_does(run)}", fontsize=10)
    return finish(fig)


def fig3(seed=0, n=5000):
    """Rank of every layer at depth 4, 8, 12, and the tunnel."""
    runs = [paper_run(depth, n, seed=seed) for depth in DEPTHS]
    titles = [f"depth {run.depth}, n={n}\ntunnel length {run.tunnel_length}" for run in runs]
    fig, _ = column_per_run(runs, [rank], titles)
    layer_scale(fig, 12)
    return finish(fig)


def fig4(seed=0):
    """As fig3, on 7,000 images."""
    return fig3(seed, n=7000)


def fig5(seed=0):
    """5,000 images (pale) against 7,000 (dashed), a column for each depth."""
    fig, axes = panels(3, 3)
    pale, dashed = {"linewidth": 3, "alpha": 0.4}, {"linestyle": "--", "linewidth": 1.2}
    for column, depth in zip(axes.T, DEPTHS, strict=True):
        for n, style in ((5000, pale), (7000, dashed)):
            run = paper_run(depth, n, seed=seed)
            accuracy(column[0], run, f"{{}}, n={n}", **style)
            weight_norm(column[1], run, label=f"n={n}", **style)
            ranks = run.hidden("rank")[-1]
            column[2].plot(run.layer_rows["step"], ranks, color="black", marker=".", **style)
        tunnel_line(column[2], run)
        # the paper's words for it: the second-last layer
        column[2].set(ylabel="rank of the last\nhidden layer", ylim=(0, 410))
        column[0].set_title(f"depth {depth}", fontsize=10)
    return finish(fig)


def fig6(seed=0, n=2000):
    """Depth 12 with weight decay 0.005, 0.01, 0.05."""
    runs = [paper_run(12, n, decay, seed) for decay in DECAYS]
    titles = [f"depth 12, n={n}, γ={run.weight_decay:g}:\n{what_it_does(run)}" for run in runs]
    fig, _ = column_per_run(runs, [accuracy, rank], titles)
    layer_scale(fig, 12)
    return finish(fig)


def fig7(seed=0):
    """As fig6, on 5,000 images."""
    return fig6(seed, n=5000)


def fig8(seed=None):
    """Ours: does the rank fall before, with, or after test accuracy? All seeds, or one."""
    seeds = claims.found_seeds(seed)
    titles = [f"depth 12, γ={decay:g}" for decay in DECAYS] + ["depth 4 (dashed) and 8, γ=0.01"]
    fig, axes = panels(1, 4, height=3)
    lost = [[], [], [], []]  # in %, when test accuracy is half-way, by panel
    for run in available_runs(claims.PAPER_RUNS, seeds):
        column = DECAYS.index(run.weight_decay) if run.depth == 12 else 3
        lost[column].append(100 * run.rank_lost())
        rank_against_test(axes[0, column], run)
    for ax, title, shares in zip(axes[0], titles, lost, strict=True):
        if shares:
            title += f"\nhalf-way R has lost {claims.fmt_range(shares)} %"
        ax.set(xlabel="test accuracy (%)", ylabel="R, mean rank (% of its maximum)", ylim=(0, 105))
        ax.set_title(title, fontsize=10)
    return finish(fig)


def rank_against_test(ax, run):
    """R over test accuracy, row by row: a ring where that is half-way, an arrow for the time."""
    test = 100 * run.test_acc[np.isin(run.steps, run.layer_rows["step"])]
    share = 100 * run.mean_rank / run.mean_rank.max()
    style = {"color": N_COLOURS[run.n_train], "marker": ".", "markersize": 3, "linewidth": 0.8}
    if run.depth == 4:
        style |= {"linestyle": "--", "linewidth": 1.8}
    ax.plot(test, share, label=f"n={run.n_train}", **style)
    ring = {"marker": "o", "markersize": 7, "markerfacecolor": "none", "color": "black"}
    half = run.at(run.test_half, test), run.at(run.test_half, share)
    ax.plot(*half, linestyle="none", label="test accuracy half-way", **ring)
    longest = np.hypot(np.diff(test), np.diff(share)).argmax()
    begin, end = zip(test[longest : longest + 2], share[longest : longest + 2], strict=True)
    arrow = {"arrowstyle": "-|>", "color": style["color"]}
    ax.annotate("", end, begin, arrowprops=arrow)


def fig9(seed=0):
    """Ours: where is the delay? On 5,000 images, at depth 4, 8 and 12."""
    fig, axes = panels(2, 3)
    for (top, bottom), depth in zip(axes.T, DEPTHS, strict=True):
        run = paper_run(depth, 5000, seed=seed)
        accuracy(top, run)
        for layer, colour in ((1, "#009E73"), (depth - 1, "#CC79A7")):
            values = 100 * run.layer_log[f"probe_{layer}"]
            label = "probe of layer 1" if layer == 1 else "probe of the last hidden layer"
            top.plot(run.layer_log["step"], values, ".-", color=colour, markersize=3, label=label)
            label = "their levels at step 0" if layer > 1 else None
            top.axhline(values[0], color=colour, linestyle=":", linewidth=1, label=label)
        bottom.plot(run.log["step"], run.norm_over_clock(), color="black")
        bottom.set(ylabel="weight norm / $w_0 (1 - \\eta\\gamma)^t$")
        for ax in (top, bottom):
            mark_onsets(ax, run)
        probe_at_fit = run.at_fit(run.hidden("probe")[-1])
        told = f"probe {100 * probe_at_fit:.0f} %, test {100 * run.test_acc_at_fit:.0f} %"
        top.set_title(f"depth {depth}; when fitted:\nlast hidden layer's {told}", fontsize=10)
    return finish(fig)


def fig10(seed=None):
    """Ours: what sets the pace? Branches at depth 4, 8, 12, n=5000; thick: seed 0, or the one."""
    seeds = claims.found_seeds(seed, BRANCHED)
    fig, axes = panels(3, 3)
    for column, depth in zip(axes.T, DEPTHS, strict=True):
        first, last = claims.WINDOWS[depth]
        for arm, colour in ARM_COLOURS.items():
            for a_seed in seeds:
                width = 2 if a_seed == (seed or 0) else 0.8
                style = {"color": colour, "label": arm, "linewidth": width}
                for run in claims.if_there(claims.arm_run, depth, arm, a_seed):
                    rows = run.rows[(run.steps >= first - 6000) & (run.steps <= last)]
                    layers = np.isin(run.layer_rows["step"], rows["step"])
                    column[0].plot(rows["step"], 100 * rows["test_acc"], **style)
                    column[1].plot(rows["step"], rows["weight_norm"], **style)
                    column[2].plot(run.layer_rows["step"][layers], run.mean_rank[layers], **style)
        for ax in column:
            ax.axvline(first, color="black", linestyle=":", linewidth=1, label="branch")
        column[0].set(ylabel="test accuracy (%)", ylim=(-5, 105))
        show_zero(column[1], "weight norm")
        show_zero(column[2], "R, mean rank")
        column[0].set_title(f"depth {depth}, n=5000", fontsize=10)
    return finish(fig)


def fig11(seed=0):
    """Ours: one jump of test accuracy, row by row: depth 12 on 2,000 images, seed 0."""
    if seed != 0:
        raise ValueError(f"fig11: expected seed 0, whose jump was measured, found {seed}")
    run = claims.named_run(claims.JUMP)
    fig, axes = panels(2, 2, sharey=False)
    axes[0, 0].plot(run.log["step"], run.log["train_loss"], ".-", color=TRAIN, markersize=3)
    axes[0, 0].set(ylabel="training loss (MSE)", yscale="log")
    accuracy(axes[0, 1], run, marker=".", markersize=3)
    live_units(axes[1, 0], run)
    change = 100 * np.diff(np.log(run.log["weight_norm"]))
    axes[1, 1].plot(run.log["step"][1:], change, ".-", color="black", markersize=3)
    axes[1, 1].set(ylabel="change of the weight norm\nfrom row to row (%)")
    titles = ("the loss spikes", "accuracies fall and rise", "units die", "the weights are kicked")
    for ax, title in zip(axes.flat, titles, strict=True):
        ax.margins(x=0.02)
        ax.set_title(title, fontsize=10)
    for ax in axes[1]:
        ax.set_xlabel("step")
    layer_scale(fig, run.depth)
    return finish(fig)


def fig12(seed=None):
    """Ours: deep grokking goes away with Adam's memory: β2=0.99 over the default's, pale."""
    seeds = claims.found_seeds(seed, BRANCHED)
    fig, axes = panels(2, 3, height=3)
    for (top, bottom), depth in zip(axes.T, DEPTHS, strict=True):
        told = []
        for beta2, alpha, memory in ((0.999, 0.35, 2000), (0.99, 1, 200)):
            for a_seed in seeds:
                width = 2 if a_seed == (seed or 0) else 0.6
                for run in claims.if_there(claims.memory_run, depth, beta2, a_seed):
                    accuracy(top, run, f"{{}}, β2={beta2}", alpha=alpha, linewidth=width)
            for run in claims.if_there(claims.traced_run, depth, beta2, seed or 0):
                sqrt_v(bottom, run, memory, alpha)
                mark_onsets(bottom, run, alpha)
                told.append(f"β2={beta2} {what_it_does(run).split(',')[0]}")
        top.set_title("\n".join([f"depth {depth}", ", ".join(told)]), fontsize=10)
        top.set_xlim(-1000, claims.WINDOWS[depth][1])
    return finish(fig)


def sqrt_v(ax, run, memory, alpha):
    """Adam's median √v and, ten times as high, what falls by a factor of e in that many steps."""
    step, values = run.log["step"], run.log["adam_sqrt_v"]
    label = f"√v, β2={run.config['beta2']:g}"
    ax.plot(step, values, color="black", alpha=alpha, linewidth=1.5, label=label)
    to_fit = step[(step >= 1000) & (step <= run.fit_step)]
    fall = values[step == 1000] * np.exp((1000 - to_fit) / memory)
    style = {"color": "#CC79A7", "linestyle": "--", "linewidth": 1.2, "alpha": alpha}
    ax.plot(to_fit, 10 * fall, label=f"e-fold in {memory:,} steps, × 10", **style)
    ax.set(ylabel="median √v", yscale="log")


def draw_claims():
    """Claims by seeds: how many parts hold, of how many; the darker, the more."""
    seeds = claims.found_seeds()
    fig = Figure(figsize=(7.4 + 0.9 * len(seeds), 5.2), layout="constrained")
    ax = fig.subplots()
    for row, claim in enumerate(claims.CLAIMS):
        for column, seed in enumerate(seeds):
            parts = claims.judge(claim, [seed]).get(seed, [])
            held, count = claims.count_held(parts), len(parts)
            share = held / max(count, 1)
            colour = matplotlib.colormaps["Blues"](0.05 + 0.75 * share)
            ax.add_patch(Rectangle((column, row), 1, 1, fc=colour, ec="white"))
            told = f"{held} of {count}" if count else "–"
            ink = "white" if share > 0.7 else "black"
            ax.text(column + 0.5, row + 0.5, told, ha="center", va="center", color=ink, fontsize=9)
    rows = np.arange(len(claims.CLAIMS)) + 0.5
    names = [f"{claims.plainly(claim)}  {claim.__name__.upper()}" for claim in claims.CLAIMS]
    ax.set(xlim=(0, len(seeds)), ylim=(len(rows), 0))
    ax.set_yticks(rows, names, fontsize=9)
    ax.set_xticks(np.arange(len(seeds)) + 0.5, [f"seed {seed}" for seed in seeds])
    ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    ax.spines[:].set_visible(False)
    ax.set_title("parts of each claim that hold", fontsize=10)
    return fig


def draw_run(run):
    """What a run's log holds, also while it is training."""
    fig, axes = panels(2, 4, sharey=False)
    fig.set_size_inches(14, 5.7)
    drawn = (accuracy, loss, weight_norm, live_units, rank, participation, collapse, probe)
    for ax, panel in zip(axes.flat, drawn, strict=True):
        panel(ax, run)
        mark_onsets(ax, run)
    name = escape_dollars(run.name)
    fig.suptitle(f"{name}: {what_it_does(run)}" if run.finished else name)
    layer_scale(fig, run.depth)
    return finish(fig)


def escape_dollars(text):
    """A text as matplotlib shows it unchanged: two dollars would be mathematics."""
    return text.replace("$", r"\$")


def compare(runs):
    """Runs side by side, a column each; each title says what sets the runs apart."""
    titles = [[] for _ in runs]
    for setting in SETTINGS:
        values = [run.config.get(setting) for run in runs]
        if any(value != values[0] for value in values):
            for title, value in zip(titles, values, strict=True):
                title.append(f"{setting} {value}")
    for title, run in zip(titles, runs, strict=True):
        if "from" in run.config:
            title.append(f"from step {run.config['from']['step']:,}")
    titles = ["\n".join(title) or run.name for title, run in zip(titles, runs, strict=True)]
    titles = [escape_dollars(title) for title in titles]
    drawn = [accuracy, rank_and_live_units, weight_norm, probe]
    fig, _ = column_per_run(runs, drawn, titles, sharex="all")
    layer_scale(fig, max(run.depth for run in runs))
    return finish(fig)


FIGURES = [fig1, fig1_accuracy, fig2, fig3, fig4, fig5, fig6, fig7, fig8, fig9]
FIGURES += [fig10, fig11, fig12]


# ---- The command line ----


def draw(what, seed):
    """Yields figures and where they belong: of each name of a figure, and one of all the runs.

    Raises OSError or ValueError, in one line.
    """
    figures = {figure.__name__: figure for figure in FIGURES}
    runs = []
    for name in what:
        if name == "claims":
            yield draw_claims(), HERE / "figures/claims"
        elif name in figures:
            given = {} if seed is None else {"seed": seed}
            try:
                fig = figures[name](**given)
            except FileNotFoundError as error:
                hint = f"make {name.removesuffix('_accuracy')} SEEDS={seed or 0} trains it"
                raise FileNotFoundError(f"{error}; {hint}") from None
            end = "" if seed is None else f"-s{seed}"
            yield fig, HERE / "figures" / f"{name}{end}"
        elif Path(name).is_dir():
            runs.append(Run(name))
        else:
            known = f"a run's folder, {', '.join(figures)} or claims"
            raise FileNotFoundError(f"expected {known}, found {name}")
    if len(runs) == 1:
        print("\n".join(summary(runs[0])))
        yield draw_run(runs[0]), runs[0].folder / "plot"
    elif len(runs) > 8:
        raise ValueError(f"expected up to 8 runs to compare, found {len(runs)}")
    elif runs:
        yield compare(runs), HERE / "figures/compare"


def main(argv=None):
    """The command line. A fault ends it with one line."""
    parser = argparse.ArgumentParser(
        prog="plot.py",
        usage=argparse.SUPPRESS,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="+", help="folders of runs, fig1 to fig12, claims")
    formats = {"choices": ("png", "pdf", "svg"), "default": "png"}
    parser.add_argument("--format", help="of the picture (default: png)", **formats)
    parser.add_argument("--seed", type=int, help="whose runs a figure draws (default: 0)")
    out = "the picture's file (default: in figures/, of one run plot.png in its folder)"
    parser.add_argument("--out", type=Path, help=out)
    args = parser.parse_args(argv)
    try:
        # whatever the user's own settings of matplotlib are
        with matplotlib.style.context("default"):
            pictures = list(draw(args.what, args.seed))
            if args.out and len(pictures) > 1:
                raise ValueError(f"expected one picture for --out, found {len(pictures)}")
            for fig, path in pictures:
                path = args.out or path
                if not path.suffix:
                    path = path.with_name(f"{path.name}.{args.format}")
                path.parent.mkdir(parents=True, exist_ok=True)
                fig.savefig(path, dpi=120)
                print(f"{os.path.relpath(path)}: drawn", flush=True)
    except (OSError, ValueError) as error:
        sys.exit(f"plot.py: error: {error}")


if __name__ == "__main__":
    main()
