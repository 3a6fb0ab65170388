# make, or make help, lists the targets.
PYTHON ?= python3
THREADS ?= 1
DEVICE ?= cpu
SEEDS ?= 0
FORMAT ?= png
LAUNCH ?=

PY := .venv/bin/python
READY := .venv/ready

.PHONY: help setup demo test bench lint figures claims runs clean
help:
	@echo 'make demo            train a small network that groks, and draw it: figures/demo.png'
	@echo 'make test            the tests; FUZZ=1 make test runs the long ones'
	@echo 'make fig1 ... fig9   a figure; trains what is not in results/, half an hour or more a run'
	@echo 'make figures         all nine'
	@echo 'make claims          the claims of the paper, judged by the runs in results/'
	@echo 'make runs            the eleven runs of the paper; -j2 trains two at a time'
	@echo 'make bench           the speed of a training step against other loops'
	@echo 'make lint            ruff'
	@echo 'make setup           .venv with the pinned packages, which the others make if need be'
	@echo 'make clean           removes caches and the run of the demo'
	@echo
	@echo 'Variables, and what they are now:'
	@echo '  SEEDS="$(SEEDS)"     of make runs'
	@echo '  THREADS=$(THREADS)     of each training process; the bits of a run depend on it'
	@echo '  DEVICE=$(DEVICE)    or cuda'
	@echo '  FORMAT=$(FORMAT)    of figures; or pdf, svg'
	@echo '  LAUNCH="$(LAUNCH)"     stands before each training command: LAUNCH="srun -n1 -c1"'
	@echo '  PYTHON=$(PYTHON)  makes .venv; 3.11 or later'

setup: $(READY)
$(READY): requirements.txt
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

demo: $(READY)
	OMP_NUM_THREADS=$(THREADS) $(PY) train.py --depth 4 --width 200 --n-train 500 --batch-size 100 --lr 0.003 \
	  --weight-decay 0.08 --steps 5000 --log-every 200 --probe-every 1000 --out results/demo
	$(PY) plot.py results/demo

lint: $(READY)
	$(PY) -m ruff check --line-length 100 --extend-select E501 .
test: $(READY)
	$(PY) -m pytest -q test_all.py
bench: $(READY)
	@OMP_NUM_THREADS=$(THREADS) $(PY) test_all.py $(DEVICE)

# A seed's eleven runs. A finished one is never trained again; an unfinished one goes on.
NETWORKS := $(foreach n,5000 7000,$(foreach depth,4 8 12,d$(depth)-n$(n)-a8-wd0.01)) \
  $(addprefix d12-n2000-a8-wd,0.005 0.01 0.05) $(addprefix d12-n5000-a8-wd,0.005 0.05)
RUNS := $(foreach seed,$(SEEDS),$(addsuffix -s$(seed),$(NETWORKS)))
ALL_RUNS := $(sort $(RUNS) $(addsuffix -s0,$(NETWORKS)))
.PHONY: $(ALL_RUNS)

# d12-n5000-a8-wd0.01-s0 -> --depth 12 --n-train 5000 --weight-decay 0.01 --seed 0; its last row, with
# all its fields, is that of step 100,000
$(ALL_RUNS): $(READY)
	@awk -F, 'NR == 1 { n = NF } END { exit !($$1 == 100000 && NF == n) }' \
	  results/$@/log.csv 2>/dev/null || \
	  $(LAUNCH) env OMP_NUM_THREADS=$(THREADS) $(PY) train.py --device $(DEVICE) --out results/$@ \
	  $$(echo $@ | sed -E \
	  's/d(.*)-n(.*)-a8-wd(.*)-s(.*)/--depth \1 --n-train \2 --weight-decay \3 --seed \4/')

runs: $(RUNS)
claims: $(READY)
	@$(PY) plot.py claims

FIGURES := fig1 fig2 fig3 fig4 fig5 fig6 fig7 fig8 fig9
.PHONY: $(FIGURES)
fig1: d12-n2000-a8-wd0.01-s0 d12-n5000-a8-wd0.01-s0 d12-n7000-a8-wd0.01-s0
fig2 fig3 fig5: d4-n5000-a8-wd0.01-s0 d8-n5000-a8-wd0.01-s0 d12-n5000-a8-wd0.01-s0
fig2 fig4 fig5: d4-n7000-a8-wd0.01-s0 d8-n7000-a8-wd0.01-s0 d12-n7000-a8-wd0.01-s0
fig6: d12-n2000-a8-wd0.005-s0 d12-n2000-a8-wd0.01-s0 d12-n2000-a8-wd0.05-s0
fig7: d12-n5000-a8-wd0.005-s0 d12-n5000-a8-wd0.01-s0 d12-n5000-a8-wd0.05-s0
fig8: $(addsuffix -s0,$(NETWORKS))
fig9: d12-n2000-a8-wd0.01-s0 d12-n5000-a8-wd0.01-s0 d8-n5000-a8-wd0.01-s0
$(FIGURES): $(READY)
	@$(PY) plot.py $@ --format $(FORMAT)
figures: $(FIGURES)

clean:
	rm -rf __pycache__ .pytest_cache .ruff_cache results/demo
