"""A verdict on each claim of the paper, from its runs in results/. Needs no torch.

    python claims.py    # prints what results/tables.md holds, from the runs in results/

A claim Cn of the paper is the function cn, a prediction Mn of ours the function mn. §2.1 is the
paper's Section 2.1.
"""

import collections
import functools
import itertools
import re
import sys
from pathlib import Path

import numpy as np

from criteria import Run, first_from, mean, smooth

HERE = Path(__file__).resolve().parent
DEPTHS, DECAYS = (4, 8, 12), (0.005, 0.01, 0.05)
PAPER_RUNS = [  # (depth, n_train, weight_decay): a seed's eleven
    *[(depth, n, 0.01) for n in (5000, 7000) for depth in DEPTHS],
    *[(12, 2000, decay) for decay in DECAYS],
    *[(12, 5000, decay) for decay in (0.005, 0.05)],
]
PAPER_SETUP = {"alpha": 8.0, "width": 400, "lr": 1e-3, "batch_size": 200, "optimizer": "adamw"}
PAPER_SETUP |= {"steps": 100_000, "log_every": 500, "probe_every": 2000, "dtype": "float32"}
PAPER_SETUP |= {"hold_norm": False, "beta2": 0.999, "reset_moments": False, "from": None}
LABELS = {"d": "depth", "n": "n_train", "a": "alpha", "wd": "weight_decay", "s": "seed"}  # in names
LABELS |= {"lr": "lr", "beta": "beta2", "holdnorm": "hold_norm", "resetmoments": "reset_moments"}
LABELS |= {"steps": "steps", "logevery": "log_every", "probeevery": "probe_every"}


# ---- Runs by their names ----


@functools.cache
def named_run(name):
    """The run of that name in results/.

    Raises FileNotFoundError if it is not there, finished; ValueError if its folder holds another,
    or not all its rows.
    """
    folder = HERE / "results" / name
    run = Run(folder)
    if not run.finished:
        raise FileNotFoundError(f"{folder}: expected a finished run, found one under way")
    begin = run.config.get("from")
    first = begin["step"] if begin else 0
    found = run.config | {"from": (begin["run"], first) if begin else None}
    for setting, value in named_settings(name).items():
        if found.get(setting) != value:
            raise ValueError(
                f"{folder}: expected the run that its name says, found {setting} "
                f"{found.get(setting)} and not {value}; move that run elsewhere"
            )
    for rows, setting in ((run.rows, "log_every"), (run.layer_rows, "probe_every")):
        every = run.config[setting]
        count = run.config["steps"] // every - (first - 1) // every
        if len(rows) != count:
            told = f"expected {count} rows at multiples of its {setting}, found {len(rows)}"
            raise ValueError(f"{folder}: {told}; restore it")
    return run


def named_settings(name):
    """The settings that a run's name stands for, in the paper's setup: {"depth": 12, ...}.

    "from" is a branch's parent and the step where it begins, (name, step), and None of other runs.
    """
    parent, _, words = name.rpartition("-then-")
    settings = dict(PAPER_SETUP)
    if parent:
        settings = named_settings(parent)
        settings |= {"from": (parent, settings["steps"]), "reset_moments": False}
    for word in words.split("-"):
        label, value = re.fullmatch("([a-z]+)([0-9.]*)", word).groups()
        settings[LABELS[label]] = float(value) if value else True
    return settings


def paper_run(depth, n_train, weight_decay=0.01, seed=0):
    """One of the paper's runs. Raises as named_run does."""
    return named_run(f"d{depth}-n{n_train}-a8-wd{weight_decay:g}-s{seed}")


def if_there(find, *arguments):
    """A list of what a function returns, empty if a run that it needs is not there, finished."""
    try:
        return [find(*arguments)]
    except FileNotFoundError:
        return []


def found_seeds(seed=None, keys=PAPER_RUNS):
    """The seeds of which one of the paper's runs is in results/, in order; with a seed, that alone.

    keys: the runs that count, (depth, n_train, weight_decay). Raises FileNotFoundError if there is
    no such seed.
    """
    seeds = set()
    for folder in (HERE / "results").glob("*"):
        named = re.fullmatch(r"d\d+-n\d+-a8-wd[0-9.]+-s(\d+)", folder.name)
        if named:
            seeds.add(int(named[1]))
    found = sorted(s for s in seeds if seed in (None, s) and available_runs(keys, [s]))
    if not found:
        raise FileNotFoundError("expected finished runs in results/, found none of that seed")
    return found


def available_runs(keys, seeds):
    """Those of the runs (depth, n_train, weight_decay) that are there, finished, of these seeds."""
    runs = []
    for seed in seeds:
        for key in keys:
            runs += if_there(paper_run, *key, seed)
    return runs


def paper_curves(n_train):
    """The paper's own Fig. 1 on n_train images, read off: fields step, train_acc, test_acc.

    Accuracies are in 0..1, NaN where a curve could not be read. Source: data/README.md.
    """
    curves = np.genfromtxt(HERE / "data" / "paper_fig1.csv", delimiter=",", names=True)
    return curves[curves["n_train"] == n_train]


# ---- Claims: each function judges one for a seed, part by part: (part, our numbers, holds) ----
# Our numbers are a format and values.


def rising(part, values, form=",.0f"):
    return part, (form, *values), (np.diff(values) > 0).all()


def grokking(run):
    return ".2f", run.test_acc_at_fit, run.final_test_acc


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
                part = f"{run.label}: fall of R in % / of windows as long in % do"
                yield part, (".0f", 100 * fall, 100 * run.windows_that_descend()), fall >= 0.05


def c7(seed):
    """test and probe accuracy rise together (Fig. 1)"""
    for n in (2000, 5000, 7000):
        run = paper_run(12, n, seed=seed)
        steps, layers = run.layer_rows["step"], run.hidden("probe")
        test = run.test_acc[np.isin(run.steps, steps)]
        correlations = [np.corrcoef(test, layer)[0, 1] for layer in layers]
        median, least = np.median(correlations), min(correlations)
        of_step = np.median([np.corrcoef(steps, layer)[0, 1] for layer in layers])
        part = f"n={n}: correlation, median / least layer / of the step, median"
        yield part, (".2f", median, least, of_step), median >= 0.8


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
            yield part, (".0f", *run.final_ranks), (np.diff(run.final_ranks) <= 0).all()


def c9(seed):
    """n=5000, 7000: norms fall and overlap, ranks do not (§2.3, Fig. 5)"""
    for depth in DEPTHS:
        less, more = (paper_run(depth, n, seed=seed) for n in (5000, 7000))
        norms = np.array([less.rows["weight_norm"], more.rows["weight_norm"]])
        apart = 100 * np.abs(norms / norms.mean(axis=0) - 1).max()
        falling = 100 * (np.diff(norms) < 0).mean(axis=1).min()
        # of the last hidden layer, the paper's second-last
        ranks_apart = np.abs(less.hidden("rank")[-1] - more.hidden("rank")[-1]).max()
        yield f"d{depth} norms fall: norm falls in % of rows", (".1f", falling), falling >= 90
        yield f"d{depth} norms overlap: from their mean in %", (".1f", apart), apart <= 10
        yield f"d{depth} ranks differ: by up to", (".0f", ranks_apart), ranks_apart >= 80


def c10(seed):
    """n=2000: γ=0.005 fails, 0.01 groks, 0.05 two stages (§3, Fig. 6)"""
    low, middle, high = (paper_run(12, 2000, decay, seed) for decay in DECAYS)
    yield "γ=0.005 fails: final test", (".2f", low.final_test_acc), not low.generalizes
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
        level = 0.1 + 0.95 * (run.final_test_acc - 0.1)  # 95 % of the gain from chance
        end = first_from(run.steps, run.test_acc >= level)
        during = run.rows[(run.steps >= begin) & (run.steps <= end)]
        for norm in ("weight_norm", "last_layer_norm"):
            changes = np.abs(during[norm][10:] / during[norm][:-10] - 1)  # in 5,000 steps
            # a rise of less than 5,000 steps shows nothing: NaN, which does not hold
            least = 100 * min(changes, default=np.nan)
            part = f"d{depth} {norm}: least % in 5,000 steps"
            yield part, (".1f", least), least >= 1


def c13(seed):
    """when fitted, rank, not norm, tells which generalize already (abstract)"""
    runs = [paper_run(*key, seed) for key in PAPER_RUNS]
    by_rank = roc_auc(runs, [-run.at_fit(run.mean_rank) for run in runs])
    by_norm = roc_auc(runs, [-run.norm_at_fit for run in runs])
    yield rising("rank tells better: AUC by norm / R", [by_norm, by_rank], ".2f")
    yield "rank tells: AUC by R", (".2f", by_rank), by_rank >= 0.9


def c14(seed):
    """n=7000: test accuracy rises with training, again once fitted (Fig. 1)"""
    run = paper_run(12, 7000, seed=seed)
    halves = (",.0f", run.train_half, run.test_half)
    together = abs(run.train_half - run.test_half) <= 2000
    yield "together: half-way both", halves, together
    yield rising("again: fitted / plateau's end", [run.fit_step, run.plateau_end])


CLAIMS = [c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14]
NEARLY_BY_CONSTRUCTION = (c6, c7, c9, c12)  # in whole or in part: see results/README.md


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
        for parts in if_there(list, claim(seed)):  # empty if a run that it needs is not there
            judged[seed] = parts
    return judged


def plainly(claim):
    """A claim in words, without where the paper makes it."""
    return claim.__doc__.rpartition(" (")[0]


def where_made(claim):
    """Where the paper makes a claim: §2.1, Fig. 3."""
    return claim.__doc__.rpartition(" (")[2].removesuffix(")")


def count_held(parts):
    """How many parts hold."""
    return sum(holds for _, _, holds in parts)


def failing_always(judged):
    """The parts that fail with every seed, in order; judged: a list of parts a seed."""
    failures = collections.Counter()
    for parts in judged:
        failures.update(part for part, _, holds in parts if not holds)
    return [part for part, seeds in failures.items() if seeds == len(judged)]


def verdict(held, count):
    """yes: all parts hold; mostly: 80 % or more of them; partly: 50 % or more; else no."""
    if count == 0:
        return "–"
    for word, share in (("yes", 1), ("mostly", 0.8), ("partly", 0.5)):
        if held >= share * count:
            return word
    return "no"


# ---- Interventions: a run is branched when nearly fitted, and something is changed ----

WINDOWS = {4: (6000, 36_000), 8: (24_000, 51_000), 12: (40_000, 64_000)}  # depth: first, last step
ARMS = {  # what the names of their runs say
    "control": "",
    "no decay": "-wd0",
    "held norm": "-holdnorm",
    "faster decay": "-wd0.03",
    "a tenth of the rate, norm falling": "-wd0.1-lr0.0001",
    "a tenth of the rate, norm held": "-lr0.0001-holdnorm",
    "moments reset": "-resetmoments",
    "moments reset, norm held": "-holdnorm-resetmoments",
}
JUMP = "d12-n2000-a8-wd0.01-s0-steps46000-then-steps46500-logevery5-probeevery5"


def arm_run(depth, arm, seed):
    """A branch of depth 4, 8 or 12 on 5,000 images; as control, the paper's run if there is none.

    Raises as named_run does.
    """
    first, last = WINDOWS[depth]
    name = f"d{depth}-n5000-a8-wd0.01-s{seed}-steps{first}-then{ARMS[arm]}-steps{last}"
    if arm == "control" and not (HERE / "results" / name).exists():
        return paper_run(depth, 5000, seed=seed)
    return named_run(name)


class Outcome:
    """What an arm did, beside its control. Steps and delays are NaN where a thing did not happen.

    An arm is half-way at the first step from which its test accuracy is at the control's mid-point
    for 3 rows: (0.1 + f) / 2, f the mean of the control's last 10 rows up to the window's end.
    delay: the arm's steps from the branch to there, as a multiple of the control's; window_ratio:
    the whole window's, which an arm that is not half-way exceeds. Source: ours.
    """

    def __init__(self, depth, arm, seed):
        first, last = WINDOWS[depth]
        run, control = arm_run(depth, arm, seed), arm_run(depth, "control", seed)
        steps, train_acc, test_acc = window(run, first, last)
        control_steps, _, control_test_acc = window(control, first, last)
        middle = (0.1 + control_test_acc[-10:].mean()) / 2
        control_delay = first_from(control_steps, control_test_acc >= middle) - first
        self.test_half = first_from(steps, test_acc >= middle)
        self.delay = (self.test_half - first) / control_delay
        self.window_ratio = (last - first) / control_delay
        self.test_acc_at_end = test_acc[-1]
        self.least_train_acc, self.last_train_acc = train_acc.min(), train_acc[-10:].mean()
        self.norms, self.mean_ranks = [], []  # at the branch, and half-way
        for step in (first, self.test_half):
            self.norms.append(run.norm_at(step))
            self.mean_ranks.append(run.at(step, run.mean_rank))
        begin = control.log[control.log["step"] == first][0]
        self.has_control = same_state(run.log[run.log["step"] == first][0], begin)


def window(run, first, last):
    """The rows from a step to another, smoothed by themselves, since an arm has no rows before.

    Returns steps, training accuracy, test accuracy, each [rows].
    """
    rows = run.rows[(run.steps >= first) & (run.steps <= last)]
    return rows["step"], smooth(rows["train_acc"]), smooth(rows["test_acc"])


def outcome(depth, arm, seed):
    """An arm's Outcome. Raises as named_run does, and FileNotFoundError if it has no control."""
    found = Outcome(depth, arm, seed)
    if not found.has_control:
        raise FileNotFoundError(f"expected a control of depth {depth}, seed {seed}, found none")
    return found


def same_state(row, other):
    """Whether rows of two logs are the same but for the probes, which another library trains, and
    for what is measured of Adam, which older logs do not have."""
    names = [name for name in row.dtype.names if not name.startswith(("probe_", "adam_"))]
    return all(np.array_equal(row[name], other[name], equal_nan=True) for name in names)


# ---- Adam's memory: predictions, each a function of a seed that yields parts, as a claim's ----
# A part is judged where its own runs are there. n=5000, γ=0.01, α=8, unless said.


def memory_run(depth, beta2, seed, n_train=5000, lr=1e-3):
    """A run with another β2, to step 30,000; with 0.999 the paper's. Raises as named_run does."""
    if beta2 == 0.999:
        return paper_run(depth, n_train, seed=seed)
    rate = "" if lr == 1e-3 else f"-lr{lr:g}"
    return named_run(f"d{depth}-n{n_train}-a8-wd0.01-s{seed}{rate}-beta{beta2:g}-steps30000")


def reset_run(depth, seed):
    """A run whose moments were reset at step 1,000. Raises as named_run does."""
    name = f"d{depth}-n5000-a8-wd0.01-s{seed}-steps1000-then-resetmoments-steps30000"
    return named_run(name)


def traced_run(depth, beta2, seed):
    """A run whose log has Adam's columns: with the default β2, trained again up to fig10's end.

    Raises as named_run does, and FileNotFoundError if its log does not have them.
    """
    if beta2 == 0.999:
        run = named_run(f"d{depth}-n5000-a8-wd0.01-s{seed}-steps{WINDOWS[depth][1]}")
    else:
        run = memory_run(depth, beta2, seed)
    if "adam_sqrt_v" not in run.log.dtype.names:
        raise FileNotFoundError(f"{run.folder}: expected adam_sqrt_v in its log, found none")
    return run


def memory_runs(depths, betas, seed):
    """The runs of those depths and β2, in a list. Raises as named_run does."""
    return [memory_run(depth, beta2, seed) for depth in depths for beta2 in betas]


def m1(seed):
    """training is late at depth 12 as long as Adam remembers"""
    for shallow, deep in if_there(memory_runs, (4, 12), [0.999], seed):
        late = deep.train_half - shallow.train_half
        for beta2, share in ((0.99, 1 / 10), (0.997, 1 / 3)):
            for shallow, deep in if_there(memory_runs, (4, 12), [beta2], seed):
                ratio = (deep.train_half - shallow.train_half) / late
                part = f"β2={beta2}: lateness over the default's, predicted {share:.2f}"
                yield part, (".2f", ratio), share / 2 <= ratio <= 2 * share


def m2(seed):
    """with β2=0.99 deep networks do not grok"""
    for depth, n in ((8, 5000), (12, 5000), (12, 2000)):
        for run in if_there(memory_run, depth, 0.99, seed, n):
            fits = not np.isnan(run.fit_step)
            part = f"d{depth}/{n}: test when fitted / final"
            yield part, grokking(run), fits and not run.groks


def m3(seed):
    """with β2=0.99, the deeper, the less it groks"""
    for runs in if_there(memory_runs, DEPTHS, [0.99], seed):
        around, when_fitted = [], []
        for run in runs:
            row = np.searchsorted(run.steps, run.fit_step)
            around += list(run.test_acc[row - 1 : row + 2])
            when_fitted.append(run.test_acc_at_fit)
        part = "β2=0.99: test in the row before, when fitted, in the next, at d4 / 8 / 12"
        yield part, (".2f", *around), (np.diff(when_fitted) > 0).all()
    for depth in DEPTHS:
        for runs in if_there(memory_runs, [depth], (0.999, 0.997, 0.99), seed):
            values = [run.test_acc_at_fit for run in runs]
            yield rising(f"d{depth}: test when fitted, β2=0.999 / 0.997 / 0.99", values, ".2f")


def m4(seed):
    """moments reset at step 1,000 take the rest of the delay with them"""
    for shallow in if_there(paper_run, 4, 5000, 0.01, seed):
        for depth in (8, 12):
            for run in if_there(reset_run, depth, seed):
                first_losses = run.log["train_loss"][0], shallow.log["train_loss"][0]
                yield as_predicted(run, shallow, *first_losses)


def as_predicted(run, shallow, at_reset, at_first):
    """A part: a reset run's training is half-way 2,000 ln(at_reset / at_first) steps later than
    depth 4's, counted from the reset and from step 0; within a quarter of the predicted step.

    at_reset, at_first: the loss, or √v, of the reset run at its reset and of depth 4 at step 0.
    """
    predicted = 1000 + shallow.train_half + 2000 * np.log(at_reset / at_first)
    holds = abs(run.train_half - predicted) <= predicted / 4
    part = f"d{run.depth}: training half-way, seen / predicted"
    return part, (",.0f", run.train_half, predicted), holds


def m5(seed):
    """√v is nearly memory alone: an e-fold takes 2,000 steps"""
    for depth in (8, 12):
        for run in if_there(traced_run, depth, 0.999, seed):
            sqrt_v = dict(zip(run.log["step"], run.log["adam_sqrt_v"], strict=True))
            e_folds = np.log(sqrt_v[1000] / sqrt_v.get(run.fit_step, np.nan))
            steps = (run.fit_step - 1000) / e_folds
            yield f"d{depth}: steps an e-fold", (",.0f", steps), 1900 <= steps <= 2100


def m6(seed):
    """small steps keep a network memorizing, whatever keeps them small"""
    for depth in (4, 8):
        for control in if_there(paper_run, depth, 5000, 0.01, seed):
            for run in if_there(memory_run, depth, 0.99, seed, 5000, 1e-4):
                values = [run.test_acc_at_fit, run.test_acc[-1], control.final_test_acc]
                part = f"d{depth}, lr 1e-4, β2=0.99: test when fitted / at end / default's final"
                yield part, (".2f", *values), np.max(values[:2]) < control.final_test_acc / 2
    for depth in DEPTHS:
        for arm in if_there(outcome, depth, "a tenth of the rate, norm held", seed):
            part = f"d{depth}, lr 1e-4, norm held, not half-way: test at the window's end"
            yield part, (".2f", arm.test_acc_at_end), np.isnan(arm.test_half)


def m7(seed):
    """moments reset when nearly fitted shorten the delay"""
    for depth in (4, 8):
        for name in ("moments reset", "moments reset, norm held"):
            for arm in if_there(outcome, depth, name, seed):
                yield f"d{depth}, {name}: delay ratio", (".2f", arm.delay), arm.delay <= 2 / 3


def m8(seed):
    """as M4, from √v 500 steps on, and not from the loss"""
    for shallow in if_there(traced_run, 4, 0.999, seed):
        for depth in (8, 12):
            for run in if_there(reset_run, depth, seed):
                after_reset = run.log["adam_sqrt_v"][run.log["step"] == 1500][0]
                after_first = shallow.log["adam_sqrt_v"][shallow.log["step"] == 500][0]
                yield as_predicted(run, shallow, after_reset, after_first)


PREDICTIONS = [m1, m2, m3, m4, m5, m6, m7, m8]
TRIED = {  # beginnings of parts, of seed 0, that a trial had seen before they were predicted
    m1: ["β2=0.99:"],
    m2: ["d8/5000", "d12/5000"],
    m3: ["β2=0.99:", "d8"],
    m4: ["d8", "d12"],
    m5: ["d8"],
    m6: ["d4"],
    m7: ["d4, moments reset, norm held"],
    m8: ["d8", "d12"],
}


# ---- Tables, in Markdown, for the READMEs ----


def fmt(value, form=",.0f"):
    """A number as text, a dash for NaN."""
    return "–" if np.isnan(value) else f"{value:{form}}"


def fmt_range(values, form=",.0f"):
    """The least and the most of some numbers as text, one if they look the same.

    A dash if one of them is NaN.
    """
    least, most = fmt(np.min(values), form), fmt(np.max(values), form)
    return least if least == most else f"{least}–{most}"


def fmt_part(form, values, holds):
    """A part's numbers as text, bold where it fails."""
    text = " / ".join(fmt(value, form) for value in values)
    return text if holds else f"**{text}**"


def print_table(header, rows):
    for cells in (header, ["---"] * len(header), *rows):
        print(f"| {' | '.join(str(cell) for cell in cells)} |")
    print()


def print_claims(seeds):
    """A claim a row: the verdict, and what fails with every seed."""
    rows, words, held_of_all, parts_of_all = [], collections.Counter(), 0, 0
    for claim in CLAIMS:
        judged = list(judge(claim, seeds).values())
        held, count = sum(map(count_held, judged)), sum(map(len, judged))
        held_of_all += held
        parts_of_all += count
        told = word = verdict(held, count)
        words[word] += 1
        never = [part.split(":")[0] for part in failing_always(judged)]
        if never:
            told += f"; not: {', '.join(never)}"
        name = claim.__name__.upper() + ("†" if claim in NEARLY_BY_CONSTRUCTION else "")
        rows.append([name, plainly(claim), told])
    print_table(["", "claim", "holds?"], rows)
    counts = f"{words['yes']} hold, {words['mostly']} mostly, {words['partly']} partly"
    print(f"Of {len(CLAIMS)} claims {counts}; of {parts_of_all} checks {held_of_all} hold.\n")


def print_parts(seeds):
    """Every check, which is a part of a claim with a seed, bold where it fails."""
    rows = []
    for claim in CLAIMS:
        cells, judged = {}, judge(claim, seeds)
        for seed, parts in judged.items():
            for part, (form, *values), holds in parts:
                row = cells.setdefault(part, dict.fromkeys(seeds, "–"))
                row[seed] = fmt_part(form, values, holds)
        held, count = sum(map(count_held, judged.values())), sum(map(len, judged.values()))
        name = f"{claim.__name__.upper()} ({where_made(claim)}): {held} of {count} hold"
        for part, row in cells.items():
            rows.append([name, part, *row.values()])
            name = ""
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
                told = f"{fmt(run.train_half)} / {fmt(run.test_half)} / {run.final_test_acc:.3f}"
            row.append(told)
        rows.append(row)
    print_table(["n", "the paper", *[f"seed {seed}" for seed in seeds]], rows)


def print_roc_auc(seeds):
    """C13 over all the runs of all seeds: which measurement tells, at the fitted step?"""
    runs, rows = available_runs(PAPER_RUNS, seeds), []
    measured = {
        "R, mean rank": [-run.at_fit(run.mean_rank) for run in runs],
        "last hidden layer's rank": [-run.at_fit(run.hidden("rank")[-1]) for run in runs],
        "participation ratio, mean": [-run.at_fit(run.mean_of("participation")) for run in runs],
        "last hidden layer's live units": [-run.at_fit(run.hidden("live")[-1]) for run in runs],
        "last hidden layer's collapse": [-run.at_fit(run.hidden("collapse")[-1]) for run in runs],
        "last hidden layer's probe": [run.at_fit(run.hidden("probe")[-1]) for run in runs],
        "weight norm": [-run.norm_at_fit for run in runs],
    }
    areas = {name: roc_auc(runs, scores) for name, scores in measured.items()}
    resampled = {name: resampled_auc(runs, scores) for name, scores in measured.items()}
    areas["R less norm"] = areas["R, mean rank"] - areas["weight norm"]
    resampled["R less norm"] = resampled["R, mean rank"] - resampled["weight norm"]
    for name, area in areas.items():
        low, high = np.nanpercentile(resampled[name], [2.5, 97.5])
        rows.append([name, f"{area:.2f}", f"{low:.2f} to {high:.2f}"])
    header = [f"when fitted, over {len(runs)} runs", "area under the ROC curve", "95 % interval"]
    print_table(header, rows)


def resampled_auc(runs, scores, draws=1000):
    """The AUC when configurations are drawn again, all seeds of one together: [draws].

    The runs are not so many independent ones: seeds of a configuration resemble each other.
    """
    of_label = {}
    for run, score in zip(runs, scores, strict=True):
        of_label.setdefault(run.label, []).append((run, score))
    rng, labels, areas = np.random.default_rng(0), sorted(of_label), []
    for _ in range(draws):
        drawn = []
        for label in rng.choice(labels, len(labels)):
            drawn += of_label[label]
        areas.append(roc_auc(*zip(*drawn, strict=True)))
    return np.array(areas)


def print_runs(seeds):
    """Every run's criteria, and what is beyond the paper."""
    rows = []
    for run in available_runs(PAPER_RUNS, seeds):
        probes = [run.at_fit(layer) for layer in run.hidden("probe")]
        cells = {
            "run": run.name,
            "fitted": fmt(run.fit_step),
            "test half-way": fmt(run.test_half),
            "test when fitted": fmt(run.test_acc_at_fit, ".3f"),
            "final test": fmt(run.final_test_acc, ".3f"),
            "tunnel": run.tunnel_length,
            "R when fitted": fmt(run.at_fit(run.mean_rank)),
            "R at test half-way": fmt(run.at(run.test_half, run.mean_rank)),
            "R lost by then (%)": fmt(100 * run.rank_lost()),
            "R's delay": fmt(run.rank_delay()),
            "norm then": fmt(run.norm_at(run.test_half)),
            "norm off clock (%)": fmt(100 * run.norm_off_clock(), ".1f"),
            "dead units (%)": fmt(100 * run.dead_unit_share()),
            "in kicks (%)": fmt(100 * run.jump_share()),
            "first probe": fmt(probes[0], ".2f"),
            "last probe": fmt(probes[-1], ".2f"),
        }
        rows.append(cells.values())
    print_table(cells, rows)


def print_betas(title, seeds, n_train, betas):
    """Adam's memory: a row a depth and β2, least to most of the seeds; nothing without runs."""
    rows = []
    for depth, beta2 in itertools.product(DEPTHS, betas):
        runs = []
        for seed in seeds:
            runs += if_there(memory_run, depth, beta2, seed, n_train)
        if not runs:
            continue
        cells = {
            "depth": depth,
            "β2": beta2,
            "training half-way": fmt_range([run.train_half for run in runs]),
            "fitted": fmt_range([run.fit_step for run in runs]),
            "test when fitted": fmt_range([run.test_acc_at_fit for run in runs], ".2f"),
            "test half-way": fmt_range([run.test_half for run in runs]),
            "norm there": fmt_range([run.norm_at(run.test_half) for run in runs]),
            "final test": fmt_range([run.final_test_acc for run in runs], ".3f"),
            "tunnel": fmt_range([run.tunnel_length for run in runs]),
            "seeds": len(runs),
        }
        rows.append(cells.values())
    if rows:
        print(f"{title}\n")
        print_table(cells, rows)


def print_delays(seeds):
    """The interventions as delay ratios: a row an arm, a column a depth."""
    rows = []
    for arm in list(ARMS)[1:]:
        cells = [fmt_delays(depth, arm, seeds) for depth in WINDOWS]
        rows.append([arm, *cells])
    print_table(["changed when nearly fitted", *[f"depth {depth}" for depth in WINDOWS]], rows)


def fmt_delays(depth, arm, seeds):
    """The least and the most delay ratio of an arm, of how many seeds if not of all."""
    outcomes = []
    for seed in seeds:
        outcomes += if_there(outcome, depth, arm, seed)
    if not outcomes:
        return "–"
    # an arm that is not half-way takes longer than one that is
    half_way = [found for found in outcomes if not np.isnan(found.delay)]
    half_way.sort(key=lambda found: found.delay)
    later = [found for found in outcomes if np.isnan(found.delay)]
    later.sort(key=lambda found: found.window_ratio)
    outcomes = half_way + later
    least, most = fmt_delay(outcomes[0]), fmt_delay(outcomes[-1])
    told = least if least == most or least.startswith("> ") else f"{least}–{most}"
    if len(outcomes) < len(seeds):
        told += " (1 seed)" if len(outcomes) == 1 else f" ({len(outcomes)} seeds)"
    return told


def fmt_delay(found):
    """An Outcome's delay ratio as text; that it is more than the window's if not half-way there."""
    return f"> {found.window_ratio:.2f}" if np.isnan(found.delay) else f"{found.delay:.2f}"


def print_predictions(seeds):
    """Every part of every prediction, a column a seed: bold where it fails, * if tried before."""
    rows, repeated, new = [], [], []
    for prediction in PREDICTIONS:
        told, held = {}, {}
        for seed, parts in judge(prediction, seeds).items():
            for part, (form, *values), holds in parts:
                text = fmt_part(form, values, holds)
                if seed == 0 and part.startswith(tuple(TRIED[prediction])):
                    text += "\\*"
                    repeated.append(holds)
                else:
                    new.append(holds)
                row = told.setdefault(part, dict.fromkeys(seeds, "–"))
                row[seed] = text
                held.setdefault(part, []).append(holds)
        name = f"{prediction.__name__.upper()} {prediction.__doc__}"
        for part, cells in told.items():
            count = f"{sum(held[part])} of {len(held[part])}"
            rows.append([name, part, *cells.values(), count])
            name = ""
    print_table(["", "part", *[f"seed {seed}" for seed in seeds], "hold"], rows)
    counts = f"{sum(repeated)} of {len(repeated)} tried before, {sum(new)} of {len(new)} others"
    print(f"Checks that hold: {counts}.\n")


def print_arms(seeds):
    """The interventions: a row an arm of a network."""
    rows = []
    for depth, seed, arm in itertools.product(WINDOWS, seeds, ARMS):
        for found in if_there(Outcome, depth, arm, seed):
            norms, ranks = map(fmt, found.norms), map(fmt, found.mean_ranks)
            row = [depth, seed, arm, fmt(found.test_half), " → ".join(norms), " → ".join(ranks)]
            train = f"{found.least_train_acc:.3f} / {found.last_train_acc:.3f}"
            told = fmt_delay(found) if found.has_control else "no control of this machine"
            rows.append([*row, f"{found.test_acc_at_end:.3f}", train, told])
    header = ["depth", "seed", "arm", "test half-way", "norm", "R", "test at the end"]
    print_table([*header, "training, least / last", "delay ratio"], rows)


def main():
    """Prints results/tables.md, in Markdown."""
    try:
        seeds = found_seeds()
        print("# Tables\n\nAs `make claims` prints them from the logs.\n\n## The claims\n")
        print_claims(seeds)
        print("## Every check: in bold those that fail\n")
        print_parts(seeds)
        print("## Fig. 1: training half-way / test half-way / final test accuracy\n")
        print_fig1(seeds)
        print("## Which measurement tells whether a fitted network generalizes already?\n")
        print_roc_auc(seeds)
        print("## Run by run\n")
        print_runs(seeds)
        print("## Adam's memory\n")
        print_betas("On 5,000 images:", seeds, 5000, (0.999, 0.99))
        print_betas("With other β2:", seeds, 5000, (0.997, 0.9))
        print_betas("On 2,000 images:", seeds, 2000, (0.999, 0.99))
        print("## Our predictions: in bold those that fail, with * those tried before\n")
        print_predictions(seeds)
        print("## The interventions as delay ratios\n")
        print_delays(seeds)
        print("## The interventions one by one\n")
        print_arms(seeds)
    except (OSError, ValueError) as error:
        sys.exit(f"claims.py: error: {error}")


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(__doc__)
    main()
