"""From run folders to criteria, figures and the table of the paper's claims. Needs no torch.

    python plot.py results/<run>              # one run, also while it trains -> figures/<run>.png
    python plot.py fig2 --format pdf          # a figure of the paper, from finished runs -> figures/fig2.pdf
    python plot.py claims                     # the paper's claims C1 ... C12 judged by these runs, as a table
"""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent

TUNNEL_RANK = 300  # a hidden layer of lower feature rank belongs to the tunnel (paper, Fig. 3)
FORMAT = 1  # of a run's folder; a change that old folders cannot follow raises it


def columns(depth):
    """The log's columns for a network of that depth, as a list of names."""
    names = ["step", "train_loss", "train_acc", "test_loss", "test_acc", "weight_norm", "last_layer_norm"]
    names += [f"rank_{layer}" for layer in range(1, depth + 1)]
    names += [f"live_{layer}" for layer in range(1, depth)]
    return names + [f"probe_{layer}" for layer in range(1, depth + 1)]


def read_config(folder):
    """Reads a run's settings. Returns: dict. Raises: OSError or ValueError, in one line."""
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: expected a run's folder, found no config.json in it")
    try:
        config = json.loads(path.read_bytes())
        found = config.get("format")
    except (ValueError, AttributeError):
        raise ValueError(f"{path}: expected a run's settings in JSON, found something else; restore it") from None
    if found != FORMAT:
        raise ValueError(f"{path}: expected a run of format {FORMAT}, found {found!r}: it was made by another version")
    return config


def read_log(folder):
    """Reads a run's log.

    Returns: {column: float array [rows]}, NaN where a quantity was not measured.
    Raises: OSError or ValueError, in one line, where a line is not whole or not in place.
    """
    path, names = Path(folder) / "log.csv", columns(read_config(folder)["depth"])
    lines = path.read_bytes().decode(errors="replace").splitlines(keepends=True)
    if not lines or lines[0] != ",".join(names) + "\n":
        raise ValueError(f"{path}: expected the header {','.join(names)[:40]}..., found {''.join(lines[:1]).strip()[:40]!r}")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            row = [float(field) if field else np.nan for field in line.rstrip("\n").split(",")]
            if len(row) != len(names) or not line.endswith("\n") or rows and not row[0] > rows[-1][0]:
                raise ValueError
        except ValueError:
            raise ValueError(f"{path}: expected {len(names)} numbers in line {number}, found {line.strip()[:40]!r}; "
                             "continue the run, or delete that line") from None
        rows.append(row)
    return dict(zip(names, np.array(rows).reshape(-1, len(names)).T))


# ---- Criteria: what a run did, as numbers; set once, the same for every run ----


class Run:
    """A run's log and the criteria that judge it. Steps are NaN where a thing did not happen.

    Attributes: config; log, {column: [rows]}; depth. Measured on the rows at multiples of log_every: steps [rows],
    train, test (accuracies in 0..1, smoothed by the median of 5 rows) [rows]; at multiples of probe_every: probe_steps,
    R (the mean rank of hidden layers 2 ... depth - 1) [probed rows].
    Raises: OSError or ValueError, in one line, if the folder holds no run. Source: ours.
    """

    def __init__(self, folder):
        self.name, self.config, self.log = Path(folder).name, read_config(folder), read_log(folder)
        self.depth, step = self.config["depth"], self.log["step"]
        grid = step % self.config["log_every"] == 0
        probed = (step % self.config["probe_every"] == 0) & ~np.isnan(self.log["rank_1"])
        self.grid, self.probed, self.steps, self.probe_steps = grid, probed, step[grid], step[probed]
        self.train, self.test = smooth(self.log["train_acc"][grid]), smooth(self.log["test_acc"][grid])
        hidden = [self.log[f"rank_{layer}"][probed] for layer in range(min(2, self.depth - 1), self.depth)]
        self.R = np.mean(hidden, axis=0)
        self.final_train, self.final = final(self.train), final(self.test)
        self.fitted = first_from(self.steps, self.train >= 0.99)
        self.train_half = first_from(self.steps, self.train >= (0.1 + self.final_train) / 2)
        self.test_half = first_from(self.steps, self.test >= (0.1 + self.final) / 2)
        self.lag = self.test_half - self.train_half
        self.generalizes = bool(self.final >= 0.5)
        self.groks = bool(self.at(self.fitted, self.test) < self.final / 2)
        self.surges = surges(self.steps, self.test)
        falling = self.R < 0.95 * np.maximum.accumulate(self.R)
        self.descent = first_from(self.probe_steps, falling & (self.probe_steps > 10_000))

    def at(self, step, values):
        """The value, of one a row, at that step; NaN if there is none."""
        return values[self.steps == step][0] if step in self.steps else np.nan

    @property
    def plateau(self):
        """Mean test accuracy between the first two surges; NaN if there are fewer."""
        if len(self.surges) < 2:
            return np.nan
        return self.test[(self.steps >= self.surges[0][1]) & (self.steps <= self.surges[1][0])].mean()

    @property
    def final_ranks(self):
        """The hidden layers' feature ranks at the last measurement, [depth - 1]; NaN before the first one."""
        ranks = [self.log[f"rank_{layer}"] for layer in range(1, self.depth)]
        return np.array([rank[~np.isnan(rank)][-1] if (~np.isnan(rank)).any() else np.nan for rank in ranks])

    @property
    def tunnel(self):
        """Tunnel length: hidden layers with a feature rank under 300 at the last measurement (paper, Fig. 3)."""
        return int((self.final_ranks < TUNNEL_RANK).sum())


def smooth(values):
    """The median of each row and its two neighbours on either side, fewer at the ends. [rows] -> [rows]"""
    return np.array([np.median(values[max(i - 2, 0) : i + 3]) for i in range(len(values))])


def final(values):
    """The mean of the last 10 rows; NaN if there is none."""
    return values[-10:].mean() if len(values) else np.nan


def first_from(steps, holds, rows=3):
    """The first step from which a condition holds for that many rows; NaN if none. Both [rows]."""
    for i in range(len(steps) - rows + 1):
        if holds[i : i + rows].all():
            return steps[i]
    return np.nan


def surges(steps, accuracy):
    """Stretches in which accuracy rises by 0.02 per 2,000 steps or faster, from row to row; those less than 2,500
    steps apart are one, and it counts if it adds 0.05. Returns: [(first step, last step)], in order."""
    rising = np.flatnonzero(np.diff(accuracy) >= 0.02 / 2000 * np.diff(steps) - 1e-12)
    stretches = []  # [first row, last row]
    for i in rising:
        if stretches and steps[i] - steps[stretches[-1][1]] < 2500:
            stretches[-1][1] = i + 1
        else:
            stretches.append([i, i + 1])
    return [(steps[i], steps[j]) for i, j in stretches if accuracy[j] - accuracy[i] >= 0.05]


def summary(folder):
    """What a run did, in a few lines for the end of its training. Returns: text. Raises: as read_log."""
    run = Run(folder)
    reached = first_from(run.steps, run.test >= 0.95 * run.final)
    lines = [
        f"training accuracy reached 99 %: {at_step(run.fitted)}",
        f"test accuracy reached 95 % of its final {100 * run.final:.1f} %: {at_step(reached)}",
        f"gap between them: {reached - run.fitted:.0f} steps" if reached >= run.fitted else "gap between them: none",
        f"tunnel length (hidden layers of rank under 300): {run.tunnel} of {run.depth - 1}",
        f"log: {Path(folder) / 'log.csv'}; draw it with: python plot.py {folder}",
    ]
    return "\n".join(lines)


def at_step(step):
    return "not in this run" if np.isnan(step) else f"from step {step:,.0f}"


# ---- Figures ----

LAYERS = "viridis"  # the colour scale of layers: dark for the first, light for the output layer
TRAIN, TEST = "#0072B2", "#D55E00"  # Okabe and Ito's blue and vermilion: distinct for colour-blind readers, and in grey


def mark_events(ax, run):
    """Vertical lines: training accuracy reaches 99 % (dashed), a surge of test accuracy begins (dotted)."""
    ax.axvline(run.fitted, color=TRAIN, linestyle="--", linewidth=0.9)
    for begin, _ in run.surges:
        ax.axvline(begin, color=TEST, linestyle=":", linewidth=1.3)


def draw_accuracy(ax, run):
    """Training and test accuracy as measured, not smoothed."""
    ax.plot(run.log["step"], 100 * run.log["train_acc"], color=TRAIN)
    ax.plot(run.log["step"], 100 * run.log["test_acc"], color=TEST)
    ax.set(ylabel="accuracy (%)", ylim=(-3, 103))
    mark_events(ax, run)


def draw_loss(ax, run):
    """Training and test loss on a logarithmic scale."""
    ax.semilogy(run.log["step"], run.log["train_loss"], color=TRAIN)
    ax.semilogy(run.log["step"], run.log["test_loss"], color=TEST)
    ax.set(ylabel="loss (MSE)")
    mark_events(ax, run)


def draw_norm(ax, run):
    """The L2 norm of all parameters together."""
    ax.plot(run.log["step"], run.log["weight_norm"], color="black")
    ax.set(ylabel="weight norm", ylim=(0, None))
    mark_events(ax, run)


def draw_layers(ax, run, quantity, scale=1):
    """One curve a layer of the quantity "rank", "live" or "probe", times scale, where it was measured."""
    import matplotlib

    for layer in range(1, run.depth + (quantity != "live")):
        values = run.log[f"{quantity}_{layer}"]
        measured = ~np.isnan(values)
        colour = matplotlib.colormaps[LAYERS](0.95 * (layer - 1) / (run.depth - 1))
        ax.plot(run.log["step"][measured], scale * values[measured], color=colour, linewidth=1.1)
    mark_events(ax, run)


def draw_rank(ax, run):
    """Feature rank of every layer, and the line under which a layer belongs to the tunnel."""
    draw_layers(ax, run, "rank")
    ax.axhline(TUNNEL_RANK, color="gray", linestyle="-.", linewidth=0.9)
    ax.set(ylabel="feature rank")


def draw_live(ax, run):
    """Live ReLU units of every hidden layer."""
    draw_layers(ax, run, "live")
    ax.set(ylabel="live ReLU units")


def draw_probe(ax, run):
    """Linear probe accuracy of every layer."""
    draw_layers(ax, run, "probe", scale=100)
    ax.set(ylabel="probe accuracy (%)", ylim=(-3, 103))


PAIR = ({"linestyle": "-", "color": "0.6", "linewidth": 2.5}, {"linestyle": "--", "color": "black", "linewidth": 1.2})


def draw_accuracy_pair(ax, *runs):
    """Fig. 5: training and test accuracy of two runs, the second one dashed."""
    for run, style in zip(runs, PAIR):
        for name, colour in (("train_acc", TRAIN), ("test_acc", TEST)):
            ax.plot(run.log["step"], 100 * run.log[name], color=colour, linestyle=style["linestyle"])
    ax.set(ylabel="accuracy (%)", ylim=(-3, 103))


def draw_norm_pair(ax, *runs):
    """Fig. 5: weight norm of two runs."""
    for run, style in zip(runs, PAIR):
        ax.plot(run.log["step"], run.log["weight_norm"], **style)
    ax.set(ylabel="weight norm", ylim=(0, None))


def draw_rank_pair(ax, *runs):
    """Fig. 5: feature rank of the second-last layer of two runs, and the tunnel line."""
    for run, style in zip(runs, PAIR):
        rank = run.log[f"rank_{run.depth - 1}"]
        ax.plot(run.log["step"][~np.isnan(rank)], rank[~np.isnan(rank)], **style)
    ax.axhline(TUNNEL_RANK, color="gray", linestyle="-.", linewidth=0.9)
    ax.set(ylabel="rank of layer D - 1")


BY_SIZE = [[(12, n, 0.01)] for n in (2000, 5000, 7000)]
BY_DEPTH = {n: [[(depth, n, 0.01)] for depth in (4, 8, 12)] for n in (5000, 7000)}
BY_DECAY = {n: [[(12, n, weight_decay)] for weight_decay in (0.005, 0.01, 0.05)] for n in (2000, 5000)}
PAIRS = [[(depth, 5000, 0.01), (depth, 7000, 0.01)] for depth in (4, 8, 12)]
FIGURES = {  # figure: rows of panels, each row (drawing function, for each column the runs that it draws)
    "fig1": [(draw_rank, BY_SIZE), (draw_accuracy, BY_SIZE), (draw_probe, BY_SIZE)],
    "fig2": [(draw_accuracy, BY_DEPTH[5000]), (draw_accuracy, BY_DEPTH[7000])],
    "fig3": [(draw_rank, BY_DEPTH[5000])],
    "fig4": [(draw_rank, BY_DEPTH[7000])],
    "fig5": [(draw_accuracy_pair, PAIRS), (draw_norm_pair, PAIRS), (draw_rank_pair, PAIRS)],
    "fig6": [(draw_accuracy, BY_DECAY[2000]), (draw_rank, BY_DECAY[2000])],
    "fig7": [(draw_accuracy, BY_DECAY[5000]), (draw_rank, BY_DECAY[5000])],
}


def paper_run(depth, n_train, weight_decay=0.01):
    """One of the paper's eleven runs, finished. Raises: OSError or ValueError, in one line, if it is not there."""
    folder = HERE / "results" / f"d{depth}-n{n_train}-a8-wd{weight_decay:g}-s0"
    run = Run(folder)
    if run.log["step"][-1:] != run.config["steps"]:
        raise ValueError(f"{folder}: expected a finished run of {run.config['steps']} steps, found one that still has to go "
                         "on; make runs finishes it")
    return run


def draw_panels(panels, path, sharey):
    """Draws rows of panels with what all figures share: the step axis, titles, the key and the scale of layers.

    Args: panels, rows of (drawing function, its runs); path, whose ending sets the format. Raises: OSError.
    """
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D

    fig, axes = plt.subplots(len(panels), len(panels[0]), figsize=(11, 2.5 * len(panels) + 0.7), sharex=True,
                             sharey=sharey, squeeze=False, layout="constrained")
    drawn = {draw for row in panels for draw, _ in row}
    for i, row in enumerate(panels):
        for ax, (draw, runs) in zip(axes[i], row):
            draw(ax, *runs)
            config = runs[0].config
            if i == 0 or sharey and runs != panels[i - 1][list(axes[i]).index(ax)][1]:
                title = f"depth {config['depth']}" + f", n = {config['n_train']}, γ = {config['weight_decay']:g}" * (len(runs) == 1)
                title += f"\ntunnel length {runs[0].tunnel}" * (drawn == {draw_rank})
                ax.set_title(title, fontsize=10)
            ax.margins(x=0.01)
            ax.spines[["top", "right"]].set_visible(False)
            ax.xaxis.set_major_formatter(lambda step, _: f"{step / 1000:g}k" if step else "0")
            if i == len(panels) - 1:
                ax.set_xlabel("optimizer steps")
            if sharey:
                ax.label_outer()

    def line(label, **style):
        return Line2D([], [], label=label, **style)

    key = []
    if drawn & {draw_accuracy, draw_accuracy_pair}:
        key += [line("training", color=TRAIN), line("test", color=TEST)]
    if draw_norm_pair in drawn:
        key += [line(f"n = {run.config['n_train']}", **style) for run, style in zip(panels[0][0][1], PAIR)]
    else:
        key += [line("training accuracy reaches 99 %", color=TRAIN, linestyle="--", linewidth=0.9),
                line("a surge of test accuracy begins", color=TEST, linestyle=":", linewidth=1.3)]
    if drawn & {draw_rank, draw_rank_pair}:
        key += [line("tunnel: rank below 300", color="gray", linestyle="-.", linewidth=0.9)]
    fig.legend(handles=key, loc="outside lower center", ncols=len(key), fontsize=9, frameon=False)
    if drawn & {draw_rank, draw_probe}:
        layers = plt.cm.ScalarMappable(plt.Normalize(0, 1 / 0.95), LAYERS)
        bar = fig.colorbar(layers, ax=axes, shrink=0.7, aspect=40, pad=0.01, ticks=[0, 1], boundaries=np.linspace(0, 1, 200))
        bar.ax.set_yticklabels(["first\nlayer", "output\nlayer"])
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=120)
    plt.close(fig)


def draw_figure(name, path):
    """Draws one of the paper's figures, fig1 ... fig7. Raises: OSError or ValueError, in one line, if a run is missing."""
    draw_panels([[(draw, [paper_run(*key) for key in keys]) for keys in columns_] for draw, columns_ in FIGURES[name]], path, "row")


def draw_run(folder, path):
    """Draws what one run's log holds, also while it is training. Raises: OSError or ValueError, in one line."""
    run = Run(folder)
    if len(run.log["step"]) == 0:
        raise ValueError(f"{folder}: expected rows in log.csv to draw, found none yet")
    panels = ((draw_accuracy, draw_loss, draw_norm), (draw_rank, draw_live, draw_probe))
    draw_panels([[(draw, [run]) for draw in row] for row in panels], path, False)


# ---- The paper's claims, judged by the criteria ----


def step_text(step):
    """A step for a table: 41,500, or a dash where there is none."""
    return "–" if np.isnan(step) else f"{step:,.0f}"


def double_descent(run):
    """C5: R rises by 5 % from its minimum before the plateau up to the second surge, then falls by 5 %.

    Returns: (minimum, maximum, minimum after it), NaN where there is none; whether it does.
    """
    if len(run.surges) < 2:
        return (np.nan, np.nan, np.nan), False
    before = np.flatnonzero(run.probe_steps <= run.surges[0][1])
    low = before[run.R[before].argmin()]
    between = np.flatnonzero((run.probe_steps >= run.probe_steps[low]) & (run.probe_steps <= run.surges[1][0]))
    high = between[run.R[between].argmax()]
    values = run.R[low], run.R[high], run.R[high:].min()
    return values, bool(values[1] >= 1.05 * values[0] and values[2] <= 0.95 * values[1])


def probe_correlation(run):
    """C7: the correlation of test accuracy with probe accuracy over the probed rows, in the median hidden layer."""
    test = run.log["test_acc"][run.probed]
    return np.median([np.corrcoef(test, run.log[f"probe_{layer}"][run.probed])[0, 1] for layer in range(1, run.depth)])


def slowest_change(run, column):
    """C12: the smallest relative change of a norm in any 5,000 steps between the first surge's start and the second's
    end; NaN without two surges."""
    if len(run.surges) < 2:
        return np.nan
    norm = run.log[column][run.grid][(run.steps >= run.surges[0][0]) & (run.steps <= run.surges[1][1])]
    return np.abs(norm[10:] / norm[:-10] - 1).min(initial=np.inf)


def claims():
    """Judges the paper's claims C1 ... C12 by the criteria. Yields: (number, claim, what the paper says, our numbers,
    [(case or clause, whether it holds)]). Raises: OSError or ValueError, in one line, if a run is missing."""
    d4, d8, d12 = (paper_run(depth, 5000) for depth in (4, 8, 12))
    e4, e8, e12 = (paper_run(depth, 7000) for depth in (4, 8, 12))
    decay2000 = {0.005: paper_run(12, 2000, 0.005), 0.01: paper_run(12, 2000), 0.05: paper_run(12, 2000, 0.05)}
    decay5000 = {0.005: paper_run(12, 5000, 0.005), 0.01: d12, 0.05: paper_run(12, 5000, 0.05)}
    f12 = decay2000[0.01]

    def three(attribute):
        return " < ".join(step_text(getattr(run, attribute)) for run in (d4, d8, d12))

    def grows(attribute):
        return getattr(d4, attribute) < getattr(d8, attribute) < getattr(d12, attribute)

    yield ("C1", "n=5000: the deeper, the later and the wider the gap", "depth 4 < 8 < 12",
           f"training half-way {three('train_half')}; test half-way {three('test_half')}; lag {three('lag')}",
           [(name, grows(name)) for name in ("train_half", "test_half", "lag")])
    yield ("C2", "depth 12: test accuracy rises only after training accuracy is at its optimum", "n=2000 and 5000 grok",
           "; ".join(f"n={run.config['n_train']}: fitted {step_text(run.fitted)} with test {run.at(run.fitted, run.test):.2f} "
                     f"of final {run.final:.2f}" for run in (f12, d12)),
           [(f"n={run.config['n_train']}", run.groks) for run in (f12, d12)])
    yield ("C3", "more data groks sooner", "n=5000 before 2000",
           f"test half-way {step_text(d12.test_half)} against {step_text(f12.test_half)}", [("sooner", d12.test_half < f12.test_half)])
    starts = [[begin for begin, _ in run.surges] for run in (e4, e8, e12)]
    yield ("C4", "n=7000: two surges at depth 8 and 12, later and over a lower plateau at 12", "surges 1, 2, 2",
           f"surges {', '.join(str(len(s)) for s in starts)}, from "
           + "; ".join(", ".join(map(step_text, s)) for s in starts) + f"; plateau {e8.plateau:.2f}, {e12.plateau:.2f}",
           [(f"surges at depth {run.depth}", len(run.surges) == count) for run, count in ((e4, 1), (e8, 2), (e12, 2))]
           + [("both later at 12", len(starts[1]) > 1 and len(starts[2]) > 1 and starts[1][0] < starts[2][0] and starts[1][1] < starts[2][1]),
              ("lower plateau at 12", bool(e12.plateau < e8.plateau))])
    double = [("n=7000", e12), ("n=2000, γ=0.05", decay2000[0.05]), ("n=5000, γ=0.05", decay5000[0.05])]
    yield ("C5", "depth 12: feature rank falls, rises with the first surge, falls with the second", "double descent",
           "; ".join(f"{name}: R " + ", ".join(f"{v:.0f}" for v in double_descent(run)[0]) for name, run in double),
           [(name, double_descent(run)[1]) for name, run in double])
    falls = [(f"n={run.config['n_train']}, γ={decay:g}", run) for runs in (decay2000, decay5000) for decay, run in runs.items()
             if run.generalizes]
    yield ("C6", "depth 12: test accuracy rises as feature ranks descend", "at every γ that generalizes",
           "; ".join(f"{name}: {step_text(run.descent)} against {step_text(run.test_half)}" for name, run in falls),
           [(name, bool(abs(run.descent - run.test_half) <= 5000)) for name, run in falls])
    columns_ = [(f"n={run.config['n_train']}", probe_correlation(run)) for run in (f12, d12, e12)]
    yield ("C7", "test and probe accuracy rise together", "in every layer of Fig. 1", "correlation in the median layer "
           + ", ".join(f"{value:.2f} ({name})" for name, value in columns_), [(name, bool(value >= 0.8)) for name, value in columns_])
    tunnels = {5000: ((d4, 1), (d8, 3), (d12, 6)), 7000: ((e4, 1), (e8, 5), (e12, 6))}
    yield ("C8", "the deeper the layer, the lower its rank; the deeper the network, the longer its tunnel",
           "tunnel 1, 3, 6 (n=5000), 1, 5, 6 (n=7000)",
           "; ".join(f"n={n}: {', '.join(str(run.tunnel) for run, _ in runs)}" for n, runs in tunnels.items()),
           [(f"order of layers, n={n}, depth {run.depth}", bool((np.diff(run.final_ranks) <= 0).all())) for n, runs in tunnels.items() for run, _ in runs]
           + [(f"order of depths, n={n}", runs[0][0].tunnel < runs[1][0].tunnel < runs[2][0].tunnel) for n, runs in tunnels.items()]
           + [(f"length ± 1, n={n}, depth {run.depth}", abs(run.tunnel - paper) <= 1) for n, runs in tunnels.items() for run, paper in runs])
    pairs = [(d4, e4), (d8, e8), (d12, e12)]
    apart = [np.abs(a.log["weight_norm"] / b.log["weight_norm"] - 1).max() for a, b in pairs]
    falling = [min((np.diff(run.log["weight_norm"]) < 0).mean() for run in pair) for pair in pairs]
    ranks = [np.nanmax(np.abs(a.log[f"rank_{a.depth - 1}"] - b.log[f"rank_{a.depth - 1}"])) for a, b in pairs]
    yield ("C9", "n=5000 against 7000: norms fall smoothly and overlap, the second-last layer's rank does not", "d = 4, 8, 12",
           "; ".join(f"depth {a.depth}: norms {100 * x:.1f} % apart, falling in {100 * y:.0f} % of rows, ranks {z:.0f} apart"
                     for (a, _), x, y, z in zip(pairs, apart, falling, ranks)),
           [(f"{clause} at depth {pair[0].depth}", bool(holds)) for pair, x, y, z in zip(pairs, apart, falling, ranks)
            for clause, holds in (("norms overlap", x <= 0.1), ("norms fall", y >= 0.9), ("ranks differ", z >= 80))])
    for number, runs, kind in (("C10", decay2000, "fails to generalize"), ("C11", decay5000, "generalizes without grokking")):
        low, middle, high = runs.values()
        yield (number, f"n={low.config['n_train']}, depth 12: what weight decay does", f"γ=0.005 {kind}, 0.01 groks, 0.05 two stages",
               "; ".join(f"γ={decay:g}: final {run.final:.2f}, fitted {step_text(run.fitted)} with test {run.at(run.fitted, run.test):.2f}, "
                         f"surges {len(run.surges)}" for decay, run in runs.items()),
               [(f"γ=0.005 {kind}", not low.generalizes if number == "C10" else low.generalizes and not low.groks),
                ("γ=0.01 groks", middle.groks), ("γ=0.05 has two surges", len(high.surges) == 2)])
    slow = [(f"depth {run.depth}, {what}", slowest_change(run, column)) for run in (e8, e12)
            for what, column in (("last layer", "last_layer_norm"), ("network", "weight_norm"))]
    yield ("C12", "n=7000: no plateau of the norms during two-stage generalization", "depth 8 and 12",
           "least change in 5,000 steps: " + "; ".join(f"{name} {100 * value:.1f} %" for name, value in slow),
           [(name, bool(value >= 0.01)) for name, value in slow])


def print_claims():
    """Prints the claims as a Markdown table. Raises: as claims."""
    print("| # | claim | the paper | our runs | verdict |\n|---|---|---|---|---|")
    for number, claim, paper, ours, clauses in claims():
        failed = [name for name, holds in clauses if not holds]
        verdict = "holds" if not failed else "does not hold" if len(failed) == len(clauses) else "holds in part; not: " + ", ".join(failed)
        print(f"| {number} | {claim} | {paper} | {ours} | {verdict} |")


def print_dating(runs, reference):
    """Prints how well the onset of generalization is dated by the rank and by the norm (the paper's thesis, as a number).

    Args: runs; reference, the run whose weight norm at test half-way dates the others.
    """
    norm = reference.at(reference.test_half, reference.log["weight_norm"][reference.grid])
    print(f"| run | test half-way | rank descent | off by | norm below {norm:.0f} | off by |\n|---|---|---|---|---|---|")
    errors = []
    for run in runs:
        crossing = first_from(run.steps, run.log["weight_norm"][run.grid] <= norm)
        errors.append((run.descent - run.test_half, crossing - run.test_half))
        print(f"| {run.name} | {step_text(run.test_half)} | {step_text(run.descent)} | {step_text(errors[-1][0])} | "
              f"{step_text(crossing)} | {step_text(errors[-1][1])} |")
    for name, off in zip(("rank", "norm"), np.abs(errors).T):
        print(f"\nmedian error of the {name}: {step_text(np.nanmedian(off))} steps, over {np.sum(~np.isnan(off))} runs")


def print_live(runs):
    """Prints how often a hidden layer's rank equals the number of live units of the layer below, or falls short of it."""
    short = np.concatenate([run.log[f"live_{layer - 1}"] - run.log[f"rank_{layer}"] for run in runs for layer in range(2, run.depth)])
    values, counts = np.unique(short[~np.isnan(short)], return_counts=True)
    print("\nlive units of the layer below minus rank, hidden layers 2 ... D - 1, all rows: "
          + ", ".join(f"{value:.0f}: {count}" for value, count in zip(values, counts)))


def main(argv=None):
    """The command line. Returns: the exit status, 0, or 1 after a fault's one line."""
    parser = argparse.ArgumentParser(prog="plot.py", usage=argparse.SUPPRESS, allow_abbrev=False, description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", help=f"a run's folder, {', '.join(FIGURES)} or claims")
    parser.add_argument("--format", choices=("png", "pdf", "svg"), default="png", help="of the picture (default: png)")
    args = parser.parse_args(argv)
    try:
        for what in args.what:
            if what == "claims":
                print_claims()
                continue
            if what == "beyond":
                keys = {key for rows in FIGURES.values() for _, columns_ in rows for keys in columns_ for key in keys}
                runs = [paper_run(*key) for key in sorted(keys)]
                print_dating(runs, paper_run(12, 5000))
                print_live(runs)
                continue
            path = HERE / "figures" / f"{Path(what).resolve().name}.{args.format}"
            (draw_figure if what in FIGURES else draw_run)(what, path)
            print(f"{os.path.relpath(path)}: drawn")
    except (OSError, ValueError) as error:
        print(f"plot.py: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
