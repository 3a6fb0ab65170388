"""A verdict on each claim of the paper, from its runs in results/. Needs no torch.

    python claims.py    # prints the tables of the READMEs, from the runs in results/

A claim Cn is the function cn. Fourteen claims of 62 parts on three seeds: 154 of 186 checks hold.
"""

import collections
import functools
import itertools
import re
import signal
import sys
from pathlib import Path

import numpy as np

from criteria import Run, first_from, mean

HERE = Path(__file__).parent
DEPTHS, DECAYS = (4, 8, 12), (0.005, 0.01, 0.05)
PAPER_RUNS = [  # (depth, n_train, weight_decay): a seed's eleven
    *[(depth, n, 0.01) for n in (5000, 7000) for depth in DEPTHS],
    *[(12, 2000, decay) for decay in DECAYS],
    *[(12, 5000, decay) for decay in (0.005, 0.05)],
]
PAPER_SETUP = {"alpha": 8.0, "width": 400, "lr": 1e-3, "batch_size": 200, "optimizer": "adamw"}
PAPER_SETUP |= {"steps": 100_000, "log_every": 500, "probe_every": 2000, "dtype": "float32"}
PAPER_SETUP |= {"hold_norm": False, "beta2": 0.999, "reset_moments": False, "from": None}


# ---- The paper's runs ----


@functools.cache
def finished_run(folder):
    """The run in a folder. Raises FileNotFoundError if it is not there, finished."""
    run = Run(folder)
    if not run.finished:
        raise FileNotFoundError(f"{folder}: expected a finished run, found one under way")
    return run


def paper_run(depth, n_train, weight_decay=0.01, seed=0):
    """One of the paper's runs.

    Raises FileNotFoundError if it is not there, finished; ValueError if its folder holds another.
    """
    folder = HERE / "results" / f"d{depth}-n{n_train}-a8-wd{weight_decay:g}-s{seed}"
    run = finished_run(folder)
    named = {"depth": depth, "n_train": n_train, "weight_decay": weight_decay, "seed": seed}
    for setting, value in (PAPER_SETUP | named).items():
        found = run.config.get(setting)
        if found != value:
            raise ValueError(
                f"{folder}: expected the paper's setup, found {setting} {found} and not {value}; "
                "move that run elsewhere"
            )
    if len(run.rows) != 201 or len(run.layer_rows) != 51:
        raise ValueError(f"{folder}: expected 201 rows and 51 with layers, found fewer; restore it")
    return run


def found_seeds():
    """The seeds of the paper's runs that are in results/, in order."""
    seeds = set()
    for folder in (HERE / "results").glob("*"):
        named = re.fullmatch(r"d\d+-n\d+-a8-wd[0-9.]+-s(\d+)", folder.name)
        if named:
            seeds.add(int(named[1]))
    return sorted(seed for seed in seeds if available_runs(PAPER_RUNS, [seed]))


def available_runs(keys, seeds):
    """Those of the runs (depth, n_train, weight_decay) that are there, finished, of these seeds."""
    runs = []
    for seed in seeds:
        for key in keys:
            try:
                runs.append(paper_run(*key, seed))
            except FileNotFoundError:
                continue
    return runs


def paper_curves(n_train):
    """The paper's own Fig. 1 on n_train images, read off: fields step, train_acc, test_acc.

    Accuracies are in 0..1, NaN where a curve could not be read. Source: data/README.md.
    """
    curves = np.genfromtxt(HERE / "data" / "paper_fig1.csv", delimiter=",", names=True)
    return curves[curves["n_train"] == n_train]


# ---- Claims: each function judges one for a seed, part by part: (part, our numbers, holds) ----
# Our numbers are a format and values. The first part's stand in the README.


def rising(part, values, form=",.0f"):
    return part, (form, *values), bool((np.diff(values) > 0).all())


def grokking(run):
    return ".2f", run.test_acc_at_fit, run.final


def plateau_length(run):
    return ",.0f", run.plateau_length


def c1(seed):
    """n=5000: the deeper, the later, the severer (§2.1, Fig. 3)"""
    runs = [paper_run(depth, 5000, seed=seed) for depth in DEPTHS]
    yield rising("severer: gap at d4 / 8 / 12", [run.gap for run in runs], ".2f")
    yield rising("training later: half-way at d4 / 8 / 12", [run.train_half for run in runs])
    yield rising("test later: half-way at d4 / 8 / 12", [run.test_half for run in runs])


def c2(seed):
    """n=2000, 5000: test accuracy rises after training accuracy (Fig. 1)"""
    for n in (2000, 5000):
        run = paper_run(12, n, seed=seed)
        yield f"n={n} groks: test when fitted / final", grokking(run), run.groks


def c3(seed):
    """more data groks sooner: n=5000 before n=2000 (§2.2)"""
    halves = [paper_run(12, n, seed=seed).test_half for n in (5000, 2000)]
    yield rising("sooner: half-way", halves)


def c4(seed):
    """n=7000: two stages at depth 8 and 12, no grokking at 4 (§2.1)"""
    d4, d8, d12 = (paper_run(depth, 7000, seed=seed) for depth in DEPTHS)
    levels = [d12.plateau_level, d8.plateau_level]
    yield rising("d12 lower: plateaus at d12 / 8", levels, ".2f")
    yield "d4 does not grok: test when fitted / final", grokking(d4), not d4.groks
    yield "d8 in two: plateau", plateau_length(d8), d8.two_stages
    yield "d12 in two: plateau", plateau_length(d12), d12.two_stages
    halves, ends = [d8.test_half, d12.test_half], [d8.plateau_end, d12.plateau_end]
    yield rising("first stage later: half-way at d8 / 12", halves)
    yield rising("second stage later: plateau's end at d8 / 12", ends)


def c5(seed):
    """ranks fall, rise, fall again (§2.1, §3)"""
    for key in ((12, 7000, 0.01), (8, 7000, 0.01), (12, 2000, 0.05), (12, 5000, 0.05)):
        run = paper_run(*key, seed)
        low, high, end = run.double_descent()
        what = f"d{run.depth}" if run.weight_decay == 0.01 else f"γ={run.weight_decay:g}"
        part = f"{what}/{run.n_train}: ranks"
        yield part, (".0f", low, high, end), high >= 1.05 * low and end <= 0.95 * high


def c6(seed):
    """n=2000, 5000: test accuracy rises as ranks fall (§2.2, §3)"""
    for decay in (0.01, 0.005, 0.05):
        for n in (2000, 5000):
            run = paper_run(12, n, decay, seed)
            fall = run.descent()
            if run.generalizes:
                yield f"{run.label}: fall of R in %", (".0f", 100 * fall), fall >= 0.05


def c7(seed):
    """test and probe accuracy rise together (Fig. 1)"""
    for n in (2000, 5000, 7000):
        run = paper_run(12, n, seed=seed)
        test = run.test_acc[np.isin(run.steps, run.layer_rows["step"])]
        correlations = [np.corrcoef(test, layer)[0, 1] for layer in run.hidden("probe")]
        median, least = np.median(correlations), min(correlations)
        part = f"n={n}: correlation, median / least layer"
        yield part, (".2f", median, least), median >= 0.8


def c8(seed):
    """ranks fall by layer, tunnels grow (§2.2, Fig. 3, 4)"""
    for n, paper_lengths in ((5000, (1, 3, 6)), (7000, (1, 5, 6))):
        runs = [paper_run(depth, n, seed=seed) for depth in DEPTHS]
        lengths = [run.tunnel_length for run in runs]
        yield rising(f"n={n} longer: tunnels", lengths, ".0f")
        for run, length, paper_length in zip(runs, lengths, paper_lengths, strict=True):
            part = f"d{run.depth}/{n} tunnel: the paper's {paper_length}"
            yield part, (".0f", length), abs(length - paper_length) <= 1
            part = f"d{run.depth}/{n} order: final ranks"
            yield part, (".0f", *run.final_ranks), bool((np.diff(run.final_ranks) <= 0).all())


def c9(seed):
    """n=5000, 7000: norms fall and overlap, ranks do not (§2.3, Fig. 5)"""
    for depth in DEPTHS:
        less, more = (paper_run(depth, n, seed=seed) for n in (5000, 7000))
        norms = np.array([less.rows["weight_norm"], more.rows["weight_norm"]])
        apart = 100 * np.abs(norms / norms.mean(axis=0) - 1).max()
        falling = 100 * (np.diff(norms) < 0).mean(axis=1).min()
        ranks_apart = np.abs(less.hidden("rank")[-1] - more.hidden("rank")[-1]).max()
        yield f"d{depth} norms fall: norm falls in % of rows", (".1f", falling), falling >= 90
        yield f"d{depth} norms overlap: from their mean in %", (".1f", apart), apart <= 10
        yield f"d{depth} ranks differ: by up to", (".0f", ranks_apart), ranks_apart >= 80


def c10(seed):
    """n=2000: γ=0.005 fails, 0.01 groks, 0.05 two stages (§3, Fig. 6)"""
    low, middle, high = (paper_run(12, 2000, decay, seed) for decay in DECAYS)
    yield "γ=0.005 fails: final test", (".2f", low.final), not low.generalizes
    yield "γ=0.01 groks: test when fitted / final", grokking(middle), middle.groks
    two_stages = high.generalizes and high.two_stages
    yield "γ=0.05 in two: plateau", plateau_length(high), two_stages


def c11(seed):
    """n=5000: γ=0.01 groks, 0.005 does not, 0.05 two stages (§3, Fig. 7)"""
    low, middle, high = (paper_run(12, 5000, decay, seed) for decay in DECAYS)
    two_stages = high.generalizes and high.two_stages
    yield "γ=0.05 in two: plateau", plateau_length(high), two_stages
    without = low.generalizes and not low.groks
    yield "γ=0.005 does not grok: test when fitted / final", grokking(low), without
    yield "γ=0.01 groks: test when fitted / final", grokking(middle), middle.groks


def c12(seed):
    """n=7000: norms have no plateau while accuracy rises (§4)"""
    for depth in (12, 8):
        run = paper_run(depth, 7000, seed=seed)
        begin = first_from(run.steps, run.test_acc >= 0.2)
        end = first_from(run.steps, run.test_acc >= 0.1 + 0.95 * (run.final - 0.1))  # from chance
        during = run.rows[(run.steps >= begin) & (run.steps <= end)]
        for norm in ("weight_norm", "last_layer_norm"):
            changes = np.abs(during[norm][10:] / during[norm][:-10] - 1)  # in 5,000 steps
            # a rise of less than 5,000 steps shows nothing: NaN, which does not hold
            least = 100 * min(changes, default=np.nan)
            part = f"d{depth} {norm}: least % in 5,000 steps"
            yield part, (".1f", least), least >= 1


def c13(seed):
    """when fitted, rank not norm tells who already generalizes (abstract)"""
    runs = [paper_run(*key, seed) for key in PAPER_RUNS]
    by_rank = roc_auc(runs, [-run.at_fit(run.mean_rank) for run in runs])
    by_norm = roc_auc(runs, [-run.norm_at_fit for run in runs])
    yield rising("rank tells better: AUC by norm / R", [by_norm, by_rank], ".2f")
    yield "rank tells: AUC by R", (".2f", by_rank), by_rank >= 0.9


def c14(seed):
    """n=7000: test rises with training, and once fitted (Fig. 1)"""
    run = paper_run(12, 7000, seed=seed)
    halves = (",.0f", run.train_half, run.test_half)
    together = abs(run.train_half - run.test_half) <= 2000
    yield "together: half-way both", halves, together
    yield rising("again: fitted / plateau's end", [run.fit_step, run.plateau_end])


CLAIMS = [c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14]


def roc_auc(runs, scores):
    """The area under the ROC curve of scores, which tell runs that generalize when they fit.

    That is, with a test accuracy of 0.5 or more at the fitted step. 0.5 is chance; NaN where all
    the runs that fit do the same.
    """
    pairs = list(zip(runs, scores, strict=True))
    generalizing = [score for run, score in pairs if run.test_acc_at_fit >= 0.5]
    memorizing = [score for run, score in pairs if run.test_acc_at_fit < 0.5]
    difference = np.subtract.outer(generalizing, memorizing).ravel()
    return mean((difference > 0) + 0.5 * (difference == 0))


def judge(claim, seeds):
    """A claim's parts, as it yields them, for each seed whose runs are there: {seed: [...]}."""
    judged = {}
    for seed in seeds:
        try:
            judged[seed] = list(claim(seed))
        except FileNotFoundError:
            continue
    return judged


def plainly(claim):
    """A claim in words, without where the paper makes it."""
    return claim.__doc__.rpartition(" (")[0]


def count_held(parts):
    """How many parts hold."""
    return sum(bool(holds) for _, _, holds in parts)


def failing_always(judged):
    """The parts that fail with every seed, in order; judged: a list of parts a seed."""
    failures = collections.Counter()
    for parts in judged:
        failures.update(part for part, _, holds in parts if not holds)
    return [part for part, seeds in failures.items() if seeds == len(judged)]


def verdict(held, count):
    """yes: all parts hold; mostly: 80 % or more of them; partly: 50 % or more; else no."""
    for word, share in (("yes", 1), ("mostly", 0.8), ("partly", 0.5)):
        if held >= share * count > 0:
            return word
    return "no" if count else "–"


# ---- What carries generalization? A run is branched when fitted, and one thing changed ----

BRANCHES = {4: (6000, 36_000), 8: (24_000, 51_000), 12: (40_000, 64_000)}  # depth: first, last step
ARMS = {  # what the names of their runs say
    "control": "",
    "no decay": "-wd0",
    "held norm": "-holdnorm",
    "decay alone": "-wd0.1-lr0.0001",
    "faster decay": "-wd0.03",
}
IN_TIME, NEVER = {"early", "on time"}, {"not in the window"}
ACCOUNTS = {  # outcomes that the account of the weight norm expects, and that of the gradient
    "no decay": (NEVER, IN_TIME),
    "held norm": (NEVER, IN_TIME),
    "decay alone": (IN_TIME, NEVER),
    "faster decay": ({"early"}, {"on time"} | NEVER),
}
JUMP = "d12-n2000-a8-wd0.01-s{}-steps46000-then-steps46500-logevery5-probeevery5"
TRIED = {(8, 0, "no decay"), (8, 0, "held norm"), (8, 0, "decay alone"), (12, 0, "no decay")}


def arm_run(depth, arm, seed):
    """A branch of depth 4, 8 or 12 on 5,000 images; as control, the paper's run if there is none.

    Raises FileNotFoundError if it is not there, finished.
    """
    first, last = BRANCHES[depth]
    name = f"d{depth}-n5000-a8-wd0.01-s{seed}-steps{first}-then{ARMS[arm]}-steps{last}"
    if arm == "control" and not (HERE / "results" / name).exists():
        return paper_run(depth, 5000, seed=seed)
    return finished_run(HERE / "results" / name)


class Outcome:
    """What an arm did, beside its control: the step at which test accuracy is half-way there, and
    a word for it. Steps are NaN where a thing did not happen.

    Source: ours; the criteria were set before the runs.
    """

    def __init__(self, depth, arm, seed):
        first, last = BRANCHES[depth]
        run, control = arm_run(depth, arm, seed), arm_run(depth, "control", seed)
        middle = (0.1 + control.test_acc[control.steps <= last][-10:].mean()) / 2
        control_half = first_from(control.steps, control.test_acc >= middle)
        inside = (run.steps >= first) & (run.steps <= last)
        steps, test_acc, train_acc = (
            values[inside] for values in (run.steps, run.test_acc, run.train_acc)
        )
        self.test_half = first_from(steps, test_acc >= middle)
        self.test_acc_at_end = test_acc[-1]
        self.least_train_acc, self.last_train_acc = train_acc.min(), train_acc[-10:].mean()
        self.stays_fitted = self.last_train_acc >= 0.99
        self.norms, self.mean_ranks = [], []  # at the branch, and half-way
        for step in (first, self.test_half):
            self.norms.append(mean(run.rows["weight_norm"][run.steps == step]))
            self.mean_ranks.append(run.at(step, run.mean_rank))
        if np.isnan(self.test_half):
            self.word = "not in the window"
        elif self.test_half < first + 2 / 3 * (control_half - first):
            self.word = "early"
        else:
            self.word = "on time" if self.test_half <= control_half + 5000 else "late"
        begin = control.log[control.log["step"] == first][0]
        self.has_control = same_state(run.log[run.log["step"] == first][0], begin)


def same_state(row, other):
    """Whether rows of two logs are the same but for the probes, which another library trains, and
    for what is measured of Adam, which older logs do not have."""
    names = [name for name in row.dtype.names if not name.startswith(("probe_", "adam_"))]
    return all(np.array_equal(row[name], other[name], equal_nan=True) for name in names)


# ---- Tables, in Markdown, for the READMEs ----


def fmt(value, form=",.0f"):
    """A number as text, a dash for NaN."""
    return "–" if np.isnan(value) else f"{value:{form}}"


def fmt_range(values, form=",.0f"):
    """The least and the most of some numbers as text, one if they look the same."""
    least, most = fmt(min(values), form), fmt(max(values), form)
    return least if least == most else f"{least}–{most}"


def print_table(header, rows):
    for cells in (header, ["---"] * len(header), *rows):
        print(f"| {' | '.join(str(cell) for cell in cells)} |")
    print()


def print_verdicts(seeds):
    """A claim a row: the first part's numbers, least to most of the seeds; how many parts hold."""
    rows, held_of_all, parts_of_all = [], 0, 0
    for claim in CLAIMS:
        judged = list(judge(claim, seeds).values())
        held, count = sum(map(count_held, judged)), sum(map(len, judged))
        held_of_all, parts_of_all = held_of_all + held, parts_of_all + count
        here = "runs missing"
        if judged:
            part, (form, *_), _ = judged[0][0]
            values = np.array([parts[0][1][1:] for parts in judged])  # [seeds, numbers]
            ranges = [fmt_range(numbers, form) for numbers in values.T]
            here = f"{part.split(': ')[-1]}: {' / '.join(ranges)}"
        told = verdict(held, count)
        never = [part.split(":")[0] for part in failing_always(judged)]
        if never:
            told += f", never {', '.join(never)}"
        name = claim.__name__.upper()
        rows.append([name, plainly(claim), here, f"{held} of {count}", len(judged), told])
    print_table(["", "claim", "here", "checks that hold", "seeds", "holds?"], rows)
    print(f"Of {parts_of_all} checks {held_of_all} hold.\n")


def print_parts(seeds):
    """Every part of every claim, a column a seed, bold where it fails."""
    rows = []
    for claim in CLAIMS:
        cells = {}
        for seed, parts in judge(claim, seeds).items():
            for part, (form, *values), holds in parts:
                told = " / ".join(fmt(value, form) for value in values)
                row = cells.setdefault(part, dict.fromkeys(seeds, "–"))
                row[seed] = told if holds else f"**{told}**"
        rows += [[claim.__name__.upper(), part, *row.values()] for part, row in cells.items()]
    print_table(["", "part", *[f"seed {seed}" for seed in seeds]], rows)


def print_fig1(seeds):
    """Half-way steps of training and test, and final test accuracy: the paper's beside ours."""
    rows = []
    for n in (2000, 5000, 7000):
        curves, halves = paper_curves(n), []
        for column in ("train_acc", "test_acc"):
            seen = curves[~np.isnan(curves[column])]
            final = seen[column][-10:].mean()
            halves.append(seen["step"][seen[column] >= (0.1 + final) / 2][0])
        row = [n, f"{fmt(halves[0])} / {fmt(halves[1])} / {final:.3f}"]
        for seed in seeds:
            told = "–"
            for run in available_runs([(12, n, 0.01)], [seed]):
                told = f"{fmt(run.train_half)} / {fmt(run.test_half)} / {run.final:.3f}"
            row.append(told)
        rows.append(row)
    print_table(["n", "the paper", *[f"seed {seed}" for seed in seeds]], rows)


def print_roc_auc(seeds):
    """C13 over all the runs of all seeds: which measurement tells, at the fitted step?"""
    runs, rows = available_runs(PAPER_RUNS, seeds), []
    measured = {
        "R, mean rank": [-run.at_fit(run.mean_rank) for run in runs],
        "last hidden layer's rank": [-run.at_fit(run.hidden("rank")[-1]) for run in runs],
        "participation ratio, mean": [-run.at_fit(run.mean_participation()) for run in runs],
        "last hidden layer's live units": [-run.at_fit(run.hidden("live")[-1]) for run in runs],
        "last hidden layer's collapse": [-run.at_fit(run.hidden("collapse")[-1]) for run in runs],
        "last hidden layer's probe": [run.at_fit(run.hidden("probe")[-1]) for run in runs],
        "weight norm": [-run.norm_at_fit for run in runs],
    }
    for name, scores in measured.items():
        low, high = resampled_auc(runs, scores)
        rows.append([name, f"{roc_auc(runs, scores):.2f}", f"{low:.2f} to {high:.2f}"])
    header = [f"when fitted, over {len(runs)} runs", "area under the ROC curve", "95 % interval"]
    print_table(header, rows)


def resampled_auc(runs, scores, draws=1000):
    """The 95 % interval of the AUC when configurations are drawn again, all seeds of one together.

    The runs are not so many independent ones: seeds of a configuration resemble each other.
    """
    of_label = {}
    for run, score in zip(runs, scores, strict=True):
        of_label.setdefault(run.label, []).append((run, score))
    rng, labels, areas = np.random.default_rng(0), sorted(of_label), []
    for _ in range(draws if labels else 0):
        drawn = []
        for label in rng.choice(labels, len(labels)):
            drawn += of_label[label]
        areas.append(roc_auc(*zip(*drawn, strict=True)))
    return np.nanpercentile(areas, [2.5, 97.5]) if areas else (np.nan, np.nan)


def print_runs(seeds):
    """Every run's criteria, and what is beyond the paper."""
    rows = []
    for run in available_runs(PAPER_RUNS, seeds):
        probes = [run.at_fit(layer) for layer in run.hidden("probe")]
        cells = {
            "run": run.name,
            "fitted": fmt(run.fit_step),
            "test half-way": fmt(run.test_half if run.generalizes else np.nan),
            "test when fitted": fmt(run.test_acc_at_fit, ".3f"),
            "final test": fmt(run.final, ".3f"),
            "tunnel": run.tunnel_length,
            "R when fitted": fmt(run.at_fit(run.mean_rank)),
            "R at test half-way": fmt(run.at(run.test_half, run.mean_rank)),
            "R lost by then": f"{100 * run.rank_lost():.0f} %",
            "R's delay": fmt(run.rank_delay()),
            "norm then": fmt(mean(run.rows["weight_norm"][run.steps == run.test_half])),
            "norm off clock": f"{100 * run.norm_off_clock():.1f} %",
            "dead units": f"{100 * run.dead_unit_share():.0f} %",
            "in kicks": fmt(100 * run.jump_share()),
            "first probe": fmt(probes[0], ".2f"),
            "last probe": fmt(probes[-1], ".2f"),
        }
        rows.append(cells.values())
    if rows:
        print_table(cells, rows)


def print_arms(seeds):
    """The interventions: a row an arm of a network; then how often each account was right."""
    rows, counted = [], {arm: [] for arm in ACCOUNTS}
    for depth, seed, arm in itertools.product(BRANCHES, seeds, ARMS):
        try:
            outcome = Outcome(depth, arm, seed)
        except FileNotFoundError:
            continue
        told = outcome.word
        if not outcome.has_control:
            told = "no control of this machine"
        elif arm == "control":
            told = "–"
        elif not outcome.stays_fitted:
            told = f"{outcome.word}, not fitted"
        else:
            counted[arm].append((outcome.word, (depth, seed, arm) in TRIED))
        norms, ranks = map(fmt, outcome.norms), map(fmt, outcome.mean_ranks)
        row = [depth, seed, arm, fmt(outcome.test_half), " → ".join(norms), " → ".join(ranks)]
        train = f"{outcome.least_train_acc:.3f} / {outcome.last_train_acc:.3f}"
        rows.append([*row, f"{outcome.test_acc_at_end:.3f}", train, told])
    header = ["depth", "seed", "arm", "test half-way", "norm", "R", "test at the end"]
    print_table([*header, "training, least / last", "outcome"], rows)

    rows = []
    for arm, outcomes in counted.items():
        for name, expected in zip(("norm", "gradient"), ACCOUNTS[arm], strict=True):
            right = [word in expected for word, _ in outcomes]
            new = [word in expected for word, tried in outcomes if not tried]
            rows.append([arm, name, f"{sum(right)} of {len(right)}", f"{sum(new)} of {len(new)}"])
    print_table(["arm", "account", "right", "of those not tried before"], rows)


def main():
    try:
        seeds = found_seeds()
        print_verdicts(seeds)
        print_parts(seeds)
        print_fig1(seeds)
        print_roc_auc(seeds)
        print_runs(seeds)
        print_arms(seeds)
    except (OSError, ValueError) as error:
        sys.exit(f"claims.py: error: {error}")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # claims.py | head ends without a word
    main()
