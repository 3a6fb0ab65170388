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


def columns(depth):
    """The log's columns for a network of that depth, as a list of names."""
    names = ["step", "train_loss", "train_acc", "test_loss", "test_acc", "weight_norm", "last_layer_norm"]
    for name, layers in (("rank", depth), ("effective", depth), ("collapse", depth),
                         ("live", depth - 1), ("probe", depth)):
        names += [f"{name}_{layer}" for layer in range(1, layers + 1)]
    return names


def read_config(folder):
    """Reads a run's settings. Returns: dict. Raises: OSError or ValueError, in one line."""
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: expected a run's folder, found no config.json in it")
    try:
        config = json.loads(path.read_bytes())
        numbers = ("depth", "n_train", "weight_decay", "steps", "log_every", "probe_every")
        intact = all(config[name] >= 0 for name in numbers)
    except (ValueError, LookupError, TypeError):
        intact = False
    if not intact:
        raise ValueError(f"{path}: expected a run's settings in JSON, found damage; restore it")
    return config


def read_log(folder):
    """Reads a run's log. Returns: {column: float array [rows]}, NaN where a quantity was not measured.

    Raises: OSError or ValueError, in one line, where a line is not whole or not in place.
    """
    path, names = Path(folder) / "log.csv", columns(read_config(folder)["depth"])
    lines = path.read_bytes().decode(errors="replace").splitlines(keepends=True)
    if not lines or lines[0] != ",".join(names) + "\n":
        found = "".join(lines[:1]).strip()
        raise ValueError(f"{path}: expected a header that starts with {','.join(names)[:40]}, found {found[:40]!r}")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            row = [float(field or "nan") for field in line.rstrip("\n").split(",")]
            if len(row) != len(names) or not line.endswith("\n") or rows and not row[0] > rows[-1][0]:
                raise ValueError
        except ValueError:
            raise ValueError(f"{path}: expected {len(names)} numbers in line {number}, found {line.strip()[:40]!r}; "
                             "continue the run, or delete that line") from None
        rows.append(row)
    return dict(zip(names, np.array(rows).reshape(-1, len(names)).T))


# ---- Criteria: what a run did, as numbers; set once, the same for every run ----


class Run:
    """A run's log and the criteria that judge it; every attribute is set here. Steps are NaN where a thing did not
    happen; accuracies are in 0..1 and smoothed by the median of 5 rows.

    Args: folder, of the run. Raises: OSError or ValueError, in one line, if it holds none.
    Source: paper, Fig. 3, for the tunnel; the other criteria are ours.
    """

    def __init__(self, folder):
        self.name, self.config, self.log = Path(folder).name, read_config(folder), read_log(folder)
        self.depth, step = self.config["depth"], self.log["step"]
        self.n, self.decay = f"n={self.config['n_train']}", f"γ={self.config['weight_decay']:g}"  # labels
        # all below is measured on the rows at multiples of log_every, or of probe_every
        self.grid = step % self.config["log_every"] == 0
        self.probed = (step % self.config["probe_every"] == 0) & ~np.isnan(self.log["rank_1"])
        self.steps, self.probe_steps = step[self.grid], step[self.probed]
        self.train, self.test = smooth(self.log["train_acc"][self.grid]), smooth(self.log["test_acc"][self.grid])
        self.final = mean(self.test[-10:])

        self.fitted = first_from(self.steps, self.train >= 0.99)
        self.train_half = first_from(self.steps, self.train >= (0.1 + mean(self.train[-10:])) / 2)
        self.test_half = first_from(self.steps, self.test >= (0.1 + self.final) / 2)
        self.generalizes = bool(self.final >= 0.5)
        self.groks = bool(self.at(self.fitted, self.test) < self.final / 2)
        self.onset = self.test_half if self.generalizes else np.nan
        self.surges = surges(self.steps, self.test)  # [(first step, last step)]
        self.surge1, self.surge2 = self.surges[:2] if len(self.surges) > 1 else [(np.nan, np.nan)] * 2
        self.plateau = mean(self.test[(self.steps >= self.surge1[1]) & (self.steps <= self.surge2[0])])

        ranks = np.array([self.log[f"rank_{layer}"] for layer in range(1, self.depth)])  # [hidden layers, rows]
        self.final_ranks = ranks[:, ~np.isnan(ranks[0])][:, -1:].ravel()
        self.tunnel = int((self.final_ranks < TUNNEL_RANK).sum())
        self.R = ranks[min(1, self.depth - 2) :, self.probed].mean(axis=0)
        falling = self.R < 0.95 * np.maximum.accumulate(self.R)
        self.descent = first_from(self.probe_steps, falling & (self.probe_steps > 10_000))

    def at(self, step, values):
        """The value, of one a row, at that step; NaN if there is none."""
        return mean(values[self.steps == step])


def mean(values):
    return values.mean() if len(values) else np.nan


def smooth(values):
    """The median of each row and its two neighbours on either side, fewer at the ends. [rows] -> [rows]"""
    return np.array([np.median(values[max(i - 2, 0) : i + 3]) for i in range(len(values))])


def first_from(steps, holds, rows=3):
    """The first step from which a condition holds for that many rows; NaN if none. Both [rows]."""
    return next((steps[i] for i in range(len(steps) - rows + 1) if holds[i : i + rows].all()), np.nan)


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


def step_text(step, none="–"):
    """A step as text: 41,500, or what stands for none."""
    return none if np.isnan(step) else f"{step:,.0f}"


def summary(folder):
    """What a run did, in a few lines for the end of its training. Returns: text. Raises: as Run."""
    run, none = Run(folder), "not in this run"
    reached = first_from(run.steps, run.test >= 0.95 * run.final)
    return "\n".join([
        f"training accuracy 99 %, from step: {step_text(run.fitted, none)}",
        f"test accuracy 95 % of its final {100 * run.final:.1f} %, from step: {step_text(reached, none)}",
        f"gap between them, in steps: {step_text(reached - run.fitted, none)}",
        f"tunnel length (hidden layers of rank under {TUNNEL_RANK}): {run.tunnel} of {run.depth - 1}",
        f"log: {Path(folder) / 'log.csv'}; draw it with: python plot.py {folder}"])


# ---- Figures ----

LAYERS = "viridis"  # the colour scale of layers: dark for the first, light for the output layer
TRAIN, TEST = "#0072B2", "#D55E00"  # Okabe and Ito's blue and vermilion: distinct for colour-blind readers, and in grey
PAIR = ({"linewidth": 3, "alpha": 0.4}, {"linestyle": "--", "linewidth": 1.2})  # two runs in one panel
QUANTITIES = {  # what a panel shows: (label of its axis, values always in view, factor)
    "acc": ("accuracy (%)", [0, 100], 100),
    "loss": ("loss (MSE)", [], 1),
    "weight_norm": ("weight norm", [0], 1),
    "rank": ("feature rank", [0], 1),
    "live": ("live ReLU units", [0], 1),
    "probe": ("probe accuracy (%)", [0, 100], 100),
    "second_last_rank": ("rank of layer D - 1", [0], 1),
}
BY_SIZE = [[(12, n, 0.01)] for n in (2000, 5000, 7000)]
BY_DEPTH = {n: [[(depth, n, 0.01)] for depth in (4, 8, 12)] for n in (5000, 7000)}
BY_DECAY = {n: [[(12, n, weight_decay)] for weight_decay in (0.005, 0.01, 0.05)] for n in (2000, 5000)}
PAIRS = [[(depth, 5000, 0.01), (depth, 7000, 0.01)] for depth in (4, 8, 12)]
FIGURES = {  # figure: rows of panels, each row (quantity, for each column the runs that it shows)
    "fig1": [("rank", BY_SIZE), ("acc", BY_SIZE), ("probe", BY_SIZE)],
    "fig2": [("acc", BY_DEPTH[5000]), ("acc", BY_DEPTH[7000])],
    "fig3": [("rank", BY_DEPTH[5000])],
    "fig4": [("rank", BY_DEPTH[7000])],
    "fig5": [("acc", PAIRS), ("weight_norm", PAIRS), ("second_last_rank", PAIRS)],
    "fig6": [("acc", BY_DECAY[2000]), ("rank", BY_DECAY[2000])],
    "fig7": [("acc", BY_DECAY[5000]), ("rank", BY_DECAY[5000])],
}


def draw_panel(ax, quantity, runs):
    """Draws one of QUANTITIES against the step, as measured (not smoothed), and marks what the reader should see.

    Args: ax, matplotlib's; runs, one, or two to compare: the first one broad and pale, the second one dashed.
    """
    import matplotlib

    ylabel, in_view, factor = QUANTITIES[quantity]
    for run, style in zip(runs, PAIR if len(runs) == 2 else [{}]):
        if quantity in ("acc", "loss"):
            of = f", {run.n}" * (len(runs) == 2)
            curves = [(f"train_{quantity}", TRAIN, "training" + of), (f"test_{quantity}", TEST, "test" + of)]
        elif quantity in ("rank", "live", "probe"):
            scale = matplotlib.colormaps[LAYERS](np.linspace(0, 0.95, run.depth))
            curves = [(f"{quantity}_{layer}", colour, None) for layer, colour in enumerate(scale, start=1)]
        else:
            curves = [(f"rank_{run.depth - 1}" if quantity == "second_last_rank" else quantity, "black", None)]
        for column, colour, label in curves:
            if column in run.log:  # there is no live_D
                measured = ~np.isnan(run.log[column])
                values = factor * run.log[column][measured]
                ax.plot(run.log["step"][measured], values, color=colour, label=label, **style)
    if len(runs) == 1:
        ax.axvline(run.fitted, color=TRAIN, linestyle="--", linewidth=0.9, label="training accuracy reaches 99 %")
        ax.axvline(run.onset, color=TEST, linestyle=":", linewidth=1.3, label="onset of generalization: test half-way")
    if "rank" in quantity:
        ax.axhline(TUNNEL_RANK, color="gray", linestyle="-.", linewidth=0.9, label=f"tunnel: rank under {TUNNEL_RANK}")
    ax.plot([0] * len(in_view), in_view, alpha=0)
    ax.set(ylabel=ylabel, yscale="log" if quantity == "loss" else "linear")
    ax.margins(x=0.01)
    ax.spines[["top", "right"]].set_visible(False)
    ax.xaxis.set_major_formatter(lambda step, _: f"{step / 1000:g}k" if step else "0")


def paper_runs(panels):
    """The runs that panels show, finished. Returns: {(depth, n_train, weight_decay): Run}, sorted. Raises: OSError or
    ValueError, in one line, if one is not there."""
    runs = {}
    for key in sorted({key for _, row in panels for keys in row for key in keys}):
        folder = HERE / "results" / "d{}-n{}-a8-wd{:g}-s0".format(*key)
        runs[key] = run = Run(folder)
        if max(run.log["step"], default=None) != run.config["steps"]:
            raise ValueError(f"{folder}: expected a finished run of {run.config['steps']} steps, found one under way; "
                             "make runs finishes it")
    return runs


def draw(what, path):
    """Draws one of the paper's figures, fig1 ... fig7, or what one run's log holds, also while it is training.

    Args: what, the figure's name or the run's folder; path, of the picture, whose ending sets the format.
    Raises: OSError or ValueError, in one line.
    """
    if what in FIGURES:
        runs, title = paper_runs(FIGURES[what]), None
        panels = [[(quantity, [runs[key] for key in keys]) for keys in row] for quantity, row in FIGURES[what]]
    else:
        run = Run(what)
        if len(run.steps) == 0:
            raise ValueError(f"{what}: expected rows in log.csv to draw, found none yet")
        title, rows = run.name, (("acc", "loss", "weight_norm"), ("rank", "live", "probe"))
        panels = [[(quantity, [run]) for quantity in row] for row in rows]
    import matplotlib.pyplot as plt

    plt.switch_backend("agg")
    fig, axes = plt.subplots(len(panels), len(panels[0]), figsize=(11, 2.5 * len(panels) + 0.7), sharex=True,
                             sharey=False if title else "row", squeeze=False, layout="constrained")
    fig.suptitle(title)
    for i, row in enumerate(panels):
        for j, (quantity, runs) in enumerate(row):
            draw_panel(axes[i, j], quantity, runs)
            if not title and (i == 0 or runs != panels[i - 1][j][1]):
                run = runs[0]
                axes[i, j].set_title(f"depth {run.depth}" + f", {run.n}, {run.decay}" * (len(runs) == 1)
                                     + f"\ntunnel length {run.tunnel}" * (len(panels) == 1), fontsize=10)
            if not title:
                axes[i, j].label_outer()
    for ax in axes[-1]:
        ax.set_xlabel("optimizer steps")
    key = {label: line for ax in axes.flat[::-1] for line, label in zip(*ax.get_legend_handles_labels())}
    fig.legend(key.values(), key.keys(), loc="outside lower center", ncols=len(key), fontsize=9, frameon=False)
    if any(quantity in ("rank", "probe") for row in panels for quantity, _ in row):
        layers = plt.cm.ScalarMappable(plt.Normalize(0, 1 / 0.95), LAYERS)
        bar = fig.colorbar(layers, ax=axes, shrink=0.7, aspect=40, pad=0.01, boundaries=np.linspace(0, 1, 200))
        bar.set_ticks([0, 1], labels=["first\nlayer", "output\nlayer"])
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=120)
    plt.close(fig)


# ---- The paper's claims, judged by the criteria ----


def claims(runs):
    """Judges the claims C1 ... C12.

    Args: runs, the paper's eleven, {(depth, n_train, weight_decay): Run}.
    Yields: (number, the claim, what the paper reports, [(case, our numbers, whether it holds there)]).
    """
    n5000, n7000 = ([runs[depth, n, 0.01] for depth in (4, 8, 12)] for n in (5000, 7000))
    decays = {n: [runs[12, n, weight_decay] for weight_decay in (0.005, 0.01, 0.05)] for n in (2000, 5000)}
    n2000 = decays[2000][1]

    def increasing(values):
        return (np.diff(values) > 0).all()

    def fit(run):
        return f"fitted {step_text(run.fitted)} with test {run.at(run.fitted, run.test):.2f} of final {run.final:.2f}"

    halves = {f"{name} half-way": [getattr(run, f"{name}_half") for run in n5000] for name in ("train", "test")}
    yield "C1", "n=5000: the deeper, the later accuracy rises, the wider the gap", "depth 4 < 8 < 12", [
        (what, ", ".join(map(step_text, steps)), increasing(steps))
        for what, steps in (halves | {"lag": np.subtract(halves["test half-way"], halves["train half-way"])}).items()]
    yield "C2", "depth 12: test accuracy rises only once training accuracy is at its optimum", "n=2000, n=5000", [
        (run.n, fit(run), run.groks) for run in (n2000, n5000[2])]
    more, less = n5000[2].test_half, n2000.test_half
    yield "C3", "more data groks sooner", "n=5000 before n=2000", [
        ("test half-way", f"{step_text(more)}, {step_text(less)}", more < less)]
    _, d8, d12 = n7000
    starts = {run.depth: [begin for begin, _ in run.surges] for run in n7000}
    later = len(starts[8]) == len(starts[12]) > 1 and all(map(np.less, starts[8], starts[12]))
    yield "C4", "n=7000: two surges at depth 8 and 12, later and over a lower plateau at 12", "1, 2, 2 surges", [
        *((f"{count} at depth {depth}", "from " + ", ".join(map(step_text, starts[depth])), len(starts[depth]) == count)
          for depth, count in ((4, 1), (8, 2), (12, 2))),
        ("later at 12", "", later), ("lower at 12", f"{d8.plateau:.2f}, {d12.plateau:.2f}", d12.plateau < d8.plateau)]

    cases = []
    for run in (d12, decays[2000][2], decays[5000][2]):
        low = high = end = np.nan
        before, upto = (run.probe_steps <= step for step in (run.surge1[1], run.surge2[0]))
        if before.any():  # R's minimum before the plateau, its maximum up to the second surge, its minimum after that
            first = run.R[before].argmin()
            top = first + run.R[upto][first:].argmax()
            low, high, end = run.R[first], run.R[top], run.R[top:].min()
        holds = high >= 1.05 * low and end <= 0.95 * high
        cases.append((f"{run.n}, {run.decay}", f"R {low:.0f}, {high:.0f}, {end:.0f}", holds))
    yield "C5", "depth 12: R falls, rises up to the second surge, falls with it", "n=7000; γ=0.05", cases
    yield "C6", "depth 12: test accuracy rises as feature ranks descend", "every γ that generalizes", [
        (f"{run.n}, {run.decay}", f"test half-way {step_text(run.test_half)}, descent {step_text(run.descent)}",
         abs(run.descent - run.test_half) <= 5000) for n in decays for run in decays[n] if run.generalizes]
    cases = []
    for run in (n2000, n5000[2], d12):
        layers = [run.log[f"probe_{layer}"][run.probed] for layer in range(1, run.depth)]
        median = np.median([np.corrcoef(run.log["test_acc"][run.probed], layer)[0, 1] for layer in layers])
        cases.append((run.n, f"correlation {median:.2f}", median >= 0.8))
    yield "C7", "test and probe accuracy rise together", "Fig. 1, every layer", cases

    cases = []
    for group, lengths in ((n5000, (1, 3, 6)), (n7000, (1, 5, 6))):
        cases.append((f"{group[0].n}, longer with depth", "", increasing([run.tunnel for run in group])))
        for run, length in zip(group, lengths):
            ranks, where = ", ".join(f"{rank:.0f}" for rank in run.final_ranks), f"{run.n}, depth {run.depth}"
            cases += [(f"{where}, length {length} ± 1", run.tunnel, abs(run.tunnel - length) <= 1),
                      (f"{where}, lower with every layer", ranks, (np.diff(run.final_ranks) <= 0).all())]
    yield "C8", "deeper layers have lower ranks, deeper networks longer tunnels", "Fig. 3, 4", cases

    cases = []
    for a, b in zip(n5000, n7000):
        apart = np.abs(a.log["weight_norm"] / b.log["weight_norm"] - 1).max()
        falling = min((np.diff(run.log["weight_norm"][run.grid]) < 0).mean() for run in (a, b))
        ranks = np.nanmax(np.abs(a.log[f"rank_{a.depth - 1}"] - b.log[f"rank_{a.depth - 1}"]))
        cases += [(f"depth {a.depth}, norms overlap", f"{100 * apart:.1f} % apart", apart <= 0.1),
                  (f"depth {a.depth}, norms fall", f"in {100 * falling:.1f} % of rows", falling >= 0.9),
                  (f"depth {a.depth}, ranks differ", f"by {ranks:.0f}", ranks >= 80)]
    yield "C9", "n=5000 and 7000: norms fall smoothly and overlap, layer D - 1's ranks do not", "depth 4, 8, 12", cases

    for number, n, fate in (("C10", 2000, "fails to generalize"), ("C11", 5000, "generalizes without grokking")):
        low, middle, high = decays[n]
        holds = low.generalizes and not low.groks if n == 5000 else not low.generalizes
        yield number, f"n={n}, depth 12: what weight decay does", "γ=0.005, 0.01, 0.05", [
            (f"{low.decay} {fate}", fit(low), holds), (f"{middle.decay} groks", fit(middle), middle.groks),
            (f"{high.decay} in two stages", f"surges: {len(high.surges)}, {fit(high)}", len(high.surges) == 2)]

    cases = []
    for run, column in ((run, column) for run in (d8, d12) for column in ("last_layer_norm", "weight_norm")):
        norm = run.log[column][run.grid][(run.steps >= run.surge1[0]) & (run.steps <= run.surge2[1])]
        change = np.abs(norm[10:] / norm[:-10] - 1).min() if len(norm) > 10 else np.nan
        cases.append((f"depth {run.depth}, {column}", f"{100 * change:.1f} % or more in 5,000 steps", change >= 0.01))
    yield "C12", "n=7000: no plateau of the norms while it generalizes in two stages", "depth 8 and 12", cases


def print_claims(runs):
    """Prints the claims, judged, as a Markdown table. Args: as claims."""
    print("| | claim | the paper | our runs, case by case | verdict |\n|---|---|---|---|---|")
    for number, claim, paper, cases in claims(runs):
        held = sum(bool(holds) for _, _, holds in cases)
        part = f"holds in part, {held} of {len(cases)}" if held else "does not hold"
        ours = "; ".join(f"{'✓' if holds else '✗'} {case}{numbers and ': '}{numbers}" for case, numbers, holds in cases)
        print(f"| {number} | {claim} | {paper} | {ours} | {'holds' if held == len(cases) else part} |")


def print_dating(runs):
    """Prints how well the rank and the weight norm date the onset of generalization: the paper's thesis as a number.
    The norm that dates it is the one that the 12/5000 run had at its onset. Args: as claims."""
    reference = runs[12, 5000, 0.01]
    norm = reference.at(reference.onset, reference.log["weight_norm"][reference.grid])
    print(f"\n| run | onset | rank descent | off by | norm below {norm:.0f} | off by |\n|---|---|---|---|---|---|")
    errors = []
    for run in runs.values():
        crossing = first_from(run.steps, run.log["weight_norm"][run.grid] <= norm)
        steps = run.onset, run.descent, run.descent - run.onset, crossing, crossing - run.onset
        print(f"| {run.name} | {' | '.join(map(step_text, steps))} |")
        errors += [(steps[2], steps[4])] * (run is not reference)
    for name, off in zip(("rank", "norm"), np.abs(errors).T):
        print(f"\n{name}: median error {step_text(np.nanmedian(off))} steps, over {np.isfinite(off).sum()} runs "
              f"other than {reference.name}")


def print_live(runs):
    """Prints how often a hidden layer's rank is the number of live units of the layer below, and how far short of it.
    Args: as claims."""
    short = np.concatenate([run.log[f"live_{layer - 1}"] - run.log[f"rank_{layer}"] for run in runs.values()
                            for layer in range(2, run.depth)])
    short = short[~np.isnan(short)]
    shares = [f"{100 * count / len(short):.1f} %" for count in np.histogram(short, [-400, 0, 1, 4, 10, 400])[0]]
    print("\n| rank above live units | equal | 1 to 3 short | 4 to 9 short | shorter |\n|---|---|---|---|---|")
    print(f"| {' | '.join(shares)} |\n\n{len(short)} measurements, at most {short.max():.0f} short")


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
                runs = paper_runs([row for figure in FIGURES.values() for row in figure])
                for print_table in (print_claims, print_dating, print_live):
                    print_table(runs)
            else:
                path = HERE / "figures" / f"{Path(what).resolve().name}.{args.format}"
                draw(what, path)
                print(f"{os.path.relpath(path)}: drawn")
    except (OSError, ValueError) as error:
        print(f"plot.py: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
