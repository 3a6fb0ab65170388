# make, or make help, lists the targets.
PYTHON ?= python3  # makes the virtual environment; 3.11 or later
THREADS ?= 1#       threads of each training process; bits depend on it
DEVICE ?= cpu#      of the paper's runs
FORMAT ?= png#      of figures: png, pdf or svg
LAUNCH ?=#          stands before each training command, e.g. LAUNCH="srun -n1 -c2"

PY := .venv/bin/python
READY := .venv/ready
TRAIN = $(LAUNCH) env OMP_NUM_THREADS=$(THREADS) $(PY) train.py

.PHONY: help setup demo test fuzz bench lint figures claims runs clean delete-results
help:
	@echo 'make demo            train a small network that groks in about a minute, and draw it: figures/demo.png'
	@echo 'make test            the tests, in less than two minutes'
	@echo 'make fig1 ... fig7   a figure of the paper; trains what is not in results/ (a depth-12 run takes half an hour)'
	@echo 'make figures         all seven'
	@echo 'make claims          the claims of the paper, judged by our runs'
	@echo 'make runs            the eleven runs of the paper; -j2 trains two at a time'
	@echo 'make bench           the speed of a training step against other loops'
	@echo 'make fuzz            the long forms of the robustness tests'
	@echo 'make lint            ruff'
	@echo 'make setup           .venv with the pinned packages, which the others make when they need it'
	@echo 'make clean           removes caches and the run of the demo'
	@echo 'make delete-results  asks, then removes every run'
	@echo 'Variables: THREADS=$(THREADS) DEVICE=$(DEVICE) FORMAT=$(FORMAT) LAUNCH="$(LAUNCH)"'

setup: $(READY)
$(READY): requirements.txt
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

demo: $(READY)
	$(PY) train.py --depth 4 --width 200 --n-train 500 --weight-decay 0.08 --steps 20000 --log-every 100 \
	  --probe-every 1000 --device cpu --out results/demo
	$(PY) plot.py results/demo

lint: $(READY)
	$(PY) -m ruff check --line-length 120 --extend-select E501 .
test: $(READY)
	$(PY) -m pytest -q test_all.py
fuzz: $(READY)
	FUZZ=1 $(PY) -m pytest -q test_all.py -k fuzz
bench: $(READY)
	@env OMP_NUM_THREADS=$(THREADS) $(PY) test_all.py

# Runs. A finished one is never trained again, whatever the times of its files; an unfinished one goes on.
size5000 := d4-n5000-a8-wd0.01-s0 d8-n5000-a8-wd0.01-s0 d12-n5000-a8-wd0.01-s0
size7000 := d4-n7000-a8-wd0.01-s0 d8-n7000-a8-wd0.01-s0 d12-n7000-a8-wd0.01-s0
fig1 := d12-n2000-a8-wd0.01-s0 d12-n5000-a8-wd0.01-s0 d12-n7000-a8-wd0.01-s0
fig2 := $(size5000) $(size7000)
fig3 := $(size5000)
fig4 := $(size7000)
fig5 := $(fig2)
fig6 := d12-n2000-a8-wd0.005-s0 d12-n2000-a8-wd0.01-s0 d12-n2000-a8-wd0.05-s0
fig7 := d12-n5000-a8-wd0.005-s0 d12-n5000-a8-wd0.01-s0 d12-n5000-a8-wd0.05-s0
FIGURES := fig1 fig2 fig3 fig4 fig5 fig6 fig7
RUNS := $(sort $(foreach figure,$(FIGURES),$($(figure))))
.PHONY: $(FIGURES) $(RUNS)

runs: $(RUNS)
figures: $(FIGURES)
claims: runs
	@$(PY) plot.py claims

.SECONDEXPANSION:
$(FIGURES): $$($$@)
	@$(PY) plot.py $@ --format $(FORMAT)

# d12-n5000-a8-wd0.01-s0 -> --depth 12 --n-train 5000 --weight-decay 0.01; its last row, whole, is step 100,000's
$(RUNS): $(READY)
	@awk -F, 'NR == 1 { n = NF } END { exit !($$1 == 100000 && NF == n) }' results/$@/log.csv 2>/dev/null || \
	  $(TRAIN) --device $(DEVICE) --out results/$@ \
	  $$(echo $@ | sed 's/d\(.*\)-n\(.*\)-a8-wd\(.*\)-s0/--depth \1 --n-train \2 --weight-decay \3/')

clean:
	rm -rf __pycache__ .pytest_cache .ruff_cache results/demo
delete-results:
	@[ -t 0 ] || { echo 'delete-results asks before it deletes: run it in a terminal' >&2; exit 1; }
	@printf 'Delete every run in results/, logs and checkpoints? [y/N] '; read answer; \
	  [ "$$answer" = y ] && rm -rf results/* || { echo 'nothing deleted'; exit 1; }
