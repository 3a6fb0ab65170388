"""What a run did: its log, and the criteria that judge it, set once and the same for every run."""

from pathlib import Path

import numpy as np

from runs import read_config, read_log

TUNNEL_SHARE = 0.75  # of the width: at 400, a rank under 300 makes a tunnel layer (paper, Fig. 3)


def read_run(folder):
    """Reads a run's settings, a dict, and its log, a record array: log["rank_1"] is [rows].

    NaN where nothing was measured; a last line without its end is not there yet.
    Raises OSError or ValueError, in one line.
    """
    config, (names, rows) = read_config(folder), read_log(folder)
    if sum(name.startswith("rank_") for name in names) != config["depth"]:
        raise ValueError(
            f"{folder}: expected a log of {config['depth']} layers, as config.json has it, found "
            f"{','.join(names)[:40]!r}"
        )
    return config, np.rec.fromarrays(np.array(rows).T, names=names)


class Run:
    """A run's log and the criteria that judge it.

    log has all rows, layer_log those with the layers. Judged are rows, at multiples of log_every,
    and layer_rows, at multiples of probe_every. Steps are NaN where a thing did not happen.
    Accuracies are in 0..1; train_acc and test_acc, [rows], are smoothed. The final accuracy is the
    mean of the last 10 rows, the final ranks are the last row's. Fitted: training accuracy is 0.99.
    Half-way: accuracy is midway from chance, 0.1, to its final value. Both for 3 rows from there.
    Source: paper, Fig. 3, for the tunnel, of hidden layers alone here; the other criteria are ours.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.name = self.folder.resolve().name
        self.config, self.log = read_run(folder)
        self.depth, self.width = self.config["depth"], self.config["width"]
        self.n_train, self.weight_decay = self.config["n_train"], self.config["weight_decay"]
        self.label = f"d{self.depth} n={self.n_train} γ={self.weight_decay:g}"
        self.finished = bool(self.log["step"][-1] == self.config["steps"])
        self.layer_log = self.log[~np.isnan(self.log["rank_1"])]
        self.rows = self.log[self.log["step"] % self.config["log_every"] == 0]
        judged = self.layer_log["step"] % self.config["probe_every"] == 0
        self.layer_rows = self.layer_log[judged]

        self.steps = self.rows["step"]
        self.train_acc = smooth(self.rows["train_acc"])
        self.test_acc = smooth(self.rows["test_acc"])
        self.final_test_acc = mean(self.test_acc[-10:])
        self.gap = max(self.train_acc - self.test_acc, default=np.nan)
        self.fit_step = first_from(self.steps, self.train_acc >= 0.99)
        middle = (0.1 + mean(self.train_acc[-10:])) / 2  # from chance to where it ends
        self.train_half = first_from(self.steps, self.train_acc >= middle)
        self.test_half = first_from(self.steps, self.test_acc >= (0.1 + self.final_test_acc) / 2)
        self.test_acc_at_fit = mean(self.test_acc[self.steps == self.fit_step])
        self.norm_at_fit = self.norm_at(self.fit_step)
        self.generalizes = self.final_test_acc >= 0.5
        if not self.generalizes:
            self.test_half = np.nan
        self.groks = self.test_acc_at_fit < self.final_test_acc / 2
        found = plateau(self.steps, self.test_acc, self.final_test_acc)
        self.plateau_begin, self.plateau_end = found
        on_plateau = (self.steps >= self.plateau_begin) & (self.steps <= self.plateau_end)
        self.plateau_level = mean(self.test_acc[on_plateau])
        self.plateau_length = self.plateau_end - self.plateau_begin
        self.two_stages = self.plateau_length >= 3000

        self.mean_rank = self.mean_of("rank")  # R
        # the deep rank: the mean rank of the hidden layers l > depth / 2
        ranks = self.hidden("rank")
        self.deep_rank = ranks[min(self.depth // 2, self.depth - 2) :].mean(axis=0)
        last = self.layer_log[-1:]  # the last step's, also where it is no multiple
        self.final_ranks = self.hidden("rank", last).ravel()
        self.tunnel_threshold = TUNNEL_SHARE * self.width
        self.tunnel_length = int((self.final_ranks < self.tunnel_threshold).sum())

    def hidden(self, quantity, rows=None):
        """A quantity of the hidden layers: [depth - 1, rows], by default layer_rows."""
        rows = self.layer_rows if rows is None else rows
        return np.array([rows[f"{quantity}_{layer}"] for layer in range(1, self.depth)])

    def mean_of(self, quantity, rows=None):
        """A quantity's mean over the hidden layers from the second on (at depth 2 the only one).

        Returns [rows], by default layer_rows. Without the first layer, whose rank is bounded by
        that of the images and not by live units. R is the mean rank.
        """
        return self.hidden(quantity, rows)[min(1, self.depth - 2) :].mean(axis=0)

    def norm_at(self, step):
        """The weight norm in the row of a step, NaN if there is none."""
        return mean(self.rows["weight_norm"][self.steps == step])

    def at(self, step, values):
        """The value, of [layer_rows], in the row nearest to a step, the earlier if two are as near.

        NaN if the step is NaN.
        """
        if np.isnan(step) or not len(values):
            return np.nan
        return values[np.abs(self.layer_rows["step"] - step).argmin()]

    def at_fit(self, values):
        return self.at(self.fit_step, values)

    def settled(self):
        """The step from which test accuracy has made 95 % of its gain since the fitted step."""
        level = self.test_acc_at_fit + 0.95 * (self.final_test_acc - self.test_acc_at_fit)
        return first_from(self.steps, (self.test_acc >= level) & (self.steps >= self.fit_step))

    def descent(self):
        """Which share of R is lost from the fitted step to 95 % of test accuracy's gain since."""
        return 1 - self.at(self.settled(), self.mean_rank) / self.at_fit(self.mean_rank)

    def windows_that_descend(self):
        """In which share of all windows as long as descent's, in this run, R loses 5 % or more."""
        length = self.settled() - self.fit_step
        if np.isnan(length):
            return np.nan
        rows = max(1, round(length / self.config["probe_every"]))
        return mean(self.mean_rank[rows:] <= 0.95 * self.mean_rank[:-rows])

    def rank_lost(self):
        """Which share of its maximum R has lost when test accuracy is half-way."""
        return 1 - self.at(self.test_half, self.mean_rank) / max(self.mean_rank, default=np.nan)

    def rank_delay(self):
        """Steps from test accuracy half-way to R half-way from its maximum down to its minimum.

        NaN where it has not fallen so far.
        """
        fallen = self.mean_rank <= (self.mean_rank.max() + self.mean_rank.min()) / 2
        fallen[: self.mean_rank.argmax()] = False
        return min(self.layer_rows["step"][fallen], default=np.nan) - self.test_half

    def dead_unit_share(self):
        """Which share of the rank that hidden layers from the second on have lost is dead units.

        Those of the layer below each, which bound its rank; both are summed over layer_rows.
        """
        lost_units = (self.width - self.hidden("live")[:-1]).sum()
        return lost_units / (self.width - self.hidden("rank")[1:]).sum()

    def norm_over_clock(self):
        """The weight norm over w0 (1 - lr γ)^t, what decay alone makes of it: [rows of log]."""
        clock = (1 - self.config["lr"] * self.weight_decay) ** self.log["step"]
        return self.log["weight_norm"] / (self.log["weight_norm"][0] * clock)

    def norm_off_clock(self):
        """The largest |norm_over_clock - 1| until test accuracy is half-way."""
        until = np.isin(self.log["step"], self.steps[self.steps <= self.test_half])
        return max(np.abs(self.norm_over_clock()[until] - 1), default=np.nan)

    def jump_share(self):
        """Which share of test accuracy's gain falls in the fifth of rows with the largest kicks.

        Of the rows from the fitted step to 95 % of the gain; a kick is how far the weight norm's
        logarithm is from what decay alone would do to it in a row. By chance it is a fifth; NaN
        where the gain is under 0.2.
        """
        rows = self.rows[(self.steps >= self.fit_step) & (self.steps <= self.settled())]
        if len(rows) < 5 or self.final_test_acc - self.test_acc_at_fit < 0.2:
            return np.nan
        decay = self.config["lr"] * self.weight_decay * np.diff(rows["step"])
        kicks = np.abs(np.diff(np.log(rows["weight_norm"])) + decay)
        gains = np.diff(rows["test_acc"])
        largest = np.argsort(kicks)[-round(len(kicks) / 5) :]
        return gains[largest].sum() / gains.sum()

    def double_descent(self):
        """The deep rank's minimum up to mid-plateau, then its maximum up to the plateau's end, then
        its minimum; NaN without a plateau. Source: paper, Section 2.1 (double descent)."""
        if np.isnan(self.plateau_begin):
            return np.nan, np.nan, np.nan
        middle = (self.plateau_begin + self.plateau_end) / 2
        to_middle = (self.layer_rows["step"] <= middle).sum()
        to_end = (self.layer_rows["step"] <= self.plateau_end).sum()
        ranks = self.deep_rank
        low = ranks[:to_middle].argmin()
        high = low + ranks[low:to_end].argmax()
        return ranks[low], ranks[high], ranks[high:].min()


def mean(values):
    return np.mean(values) if len(values) else np.nan


def smooth(values):
    """The median of each row and its two neighbours on either side: [rows].

    A median, since single rows dip far; of 5 rows, 2,000 steps, since dips last up to two rows.
    The first row has no neighbour to be hidden by: it stands alone, the second has one a side. At
    the end the missing neighbours are left out.
    """
    smoothed = []
    for row in range(len(values)):
        reach = min(row, 2)
        smoothed.append(np.median(values[row - reach : row + reach + 1]))
    return np.array(smoothed)


def first_from(steps, holds):
    """The first step from which a condition holds for 3 rows, NaN if none; both [rows]."""
    for i in range(len(steps) - 2):
        if holds[i : i + 3].all():
            return steps[i]
    return np.nan


def plateau(steps, test, final):
    """The longest plateau of test accuracy: its first and its last step, NaN if none.

    It stays within 0.02, at 0.2 or above and 0.05 or more below its final value.
    """
    first, last, longest = np.nan, np.nan, -1
    between = (test >= 0.2) & (test <= final - 0.05)
    for begin in np.flatnonzero(between):
        end = begin
        while end < len(steps) and between[end] and np.ptp(test[begin : end + 1]) <= 0.02 + 1e-9:
            end += 1
        length = steps[end - 1] - steps[begin]
        if length > longest:
            first, last, longest = steps[begin], steps[end - 1], length
    return first, last


def summary(run):
    """What a run did so far, in lines."""
    step, last = run.log["step"], run.log[-1]
    begin = f", from {step[0]:,.0f}" if step[0] > 0 else ""
    yield f"{run.name}: step {last['step']:,.0f} of {run.config['steps']:,}{begin}"
    yield f"  last row: training accuracy {last['train_acc']:.3f}, test {last['test_acc']:.3f}"
    happened = {
        "fitted, training accuracy 0.99": run.fit_step,
        "training accuracy half-way": np.nan if np.isnan(run.fit_step) else run.train_half,
        "test accuracy half-way": run.test_half,
        "plateau of test accuracy": run.plateau_begin if run.two_stages else np.nan,
    }
    for what, when in happened.items():
        if not np.isnan(when):
            at_the_branch = when == run.steps[0] and step[0] > 0  # or before it, perhaps
            by = "by" if at_the_branch else "at"
            until = f" to {run.plateau_end:,.0f}" if what.startswith("plateau") else ""
            yield f"  {what}: {by} step {when:,.0f}{until}"
    missing = [what for what, when in happened.items() if np.isnan(when)]
    if missing:
        yield f"  not in these rows: {'; '.join(missing)}"
    if not np.isnan(run.fit_step):
        yield f"  test accuracy when fitted: {run.test_acc_at_fit:.3f}"
    count = min(10, len(run.rows))
    if count > 1:
        yield f"  test accuracy, mean of the last {count} rows: {run.final_test_acc:.3f}"
    yield f"  largest gap of training and test accuracy: {run.gap:.3f}"
    hidden = f"{run.tunnel_length} of {run.depth - 1} hidden layers"
    yield f"  tunnel, ranks under {run.tunnel_threshold:.0f}: {hidden}"
