# make, or make help, lists the targets.
PYTHON ?= python3
THREADS ?= 1
DEVICE ?= cpu
SEEDS ?= 0
FORMAT ?= png
LAUNCH ?=
unexport MPLBACKEND

PY := .venv/bin/python
RECENT := import sys; sys.exit(sys.version_info < (3, 11))
TRAIN = $(LAUNCH) env OMP_NUM_THREADS=$(THREADS) $(PY) train.py --device $(DEVICE)

.PHONY: help setup demo test bench lint figures claims runs clean
help:
	@echo 'make demo             train a small network that groks, and draw it: results/demo/plot.png'
	@echo 'make test             the tests; FUZZ=1 make test runs the long ones'
	@echo 'make fig1 ... fig11   a figure; trains what is not in results/, half an hour or more a run'
	@echo 'make figures          all eleven'
	@echo 'make claims           the claims of the paper, judged by the runs in results/'
	@echo 'make runs             the eleven runs of the paper; -j2 trains two at a time'
	@echo 'make bench            the speed of a training step against other loops'
	@echo 'make lint             ruff'
	@echo 'make setup            .venv with the pinned packages, which the others make if need be'
	@echo 'make clean            removes caches and the run of the demo'
	@echo
	@echo 'Variables, and what they are now:'
	@echo '  SEEDS="$(SEEDS)"     of make runs and of the figures: make fig1 SEEDS=1 draws fig1-s1'
	@echo '  THREADS=$(THREADS)     of each training process; the bits of a run depend on it'
	@echo '  DEVICE=$(DEVICE)    or cuda'
	@echo '  FORMAT=$(FORMAT)    of figures; or pdf, svg'
	@echo '  LAUNCH="$(LAUNCH)"     stands before each training command: LAUNCH="srun -n1 -c1"'
	@echo '  PYTHON=$(PYTHON)  makes .venv; 3.11 or later'

# A .venv whose python is good is kept, whoever made it; its packages are those of requirements.txt.
setup:
	@$(PY) -c '$(RECENT)' 2>/dev/null || { \
	  $(PYTHON) -c '$(RECENT)' 2>/dev/null || \
	    { echo 'make: expected Python 3.11 or later, $(PYTHON) is not; try make PYTHON=...'; exit 1; }; \
	  test ! -L .venv || rm .venv; $(PYTHON) -m venv --clear .venv; }
	@cmp -s requirements.txt .venv/requirements.txt || { \
	  echo 'downloading torch, numpy, matplotlib, pytest, ruff into .venv: some minutes'; \
	  $(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt && \
	  cp requirements.txt .venv/requirements.txt; }

demo: setup
	OMP_NUM_THREADS=$(THREADS) $(PY) train.py --depth 6 --width 200 --n-train 500 --alpha 6 --batch-size 100 \
	  --lr 2e-3 --weight-decay 0.12 --steps 8000 --log-every 200 --probe-every 1000 --out results/demo
	$(PY) plot.py results/demo

lint: setup
	$(PY) -m ruff check --line-length 100 --extend-select E501 .
test: setup
	$(PY) -m pytest -q test_all.py
bench: setup
	@OMP_NUM_THREADS=$(THREADS) $(PY) test_all.py $(DEVICE)

# A seed's eleven runs. A finished one is never trained again; an unfinished one goes on.
NETWORKS := $(foreach n,5000 7000,$(foreach depth,4 8 12,d$(depth)-n$(n)-a8-wd0.01)) \
  $(addprefix d12-n2000-a8-wd,0.005 0.01 0.05) $(addprefix d12-n5000-a8-wd,0.005 0.05)
of_seeds = $(foreach seed,$(SEEDS),$(addsuffix -s$(seed),$(1)))
RUNS := $(call of_seeds,$(NETWORKS))

# The arms of fig10 branch from runs that are stopped when they fit, the jump of fig11 from one that
# is stopped before it. A branch needs its parent until it has begun.
parent = $(firstword $(subst -then, ,$(1)))
arms = $(foreach change,wd0 holdnorm wd0.1-lr0.0001 wd0.03,$(addsuffix -then-$(change)-steps$(2),$(1)))
ARMS := $(call arms,$(addsuffix -steps6000,$(call of_seeds,d4-n5000-a8-wd0.01)),36000) \
  $(call arms,$(addsuffix -steps24000,$(call of_seeds,d8-n5000-a8-wd0.01)),51000) \
  $(call arms,$(addsuffix -steps40000,$(call of_seeds,d12-n5000-a8-wd0.01)),64000)
JUMP := d12-n2000-a8-wd0.01-s0-steps46000-then-steps46500-logevery5-probeevery5
BRANCHES := $(ARMS) $(JUMP)
PARENTS := $(sort $(foreach run,$(BRANCHES),$(call parent,$(run))))
NOT_BEGUN := $(foreach run,$(BRANCHES),$(if $(wildcard results/$(run)/log.csv),,$(run)))
$(foreach run,$(NOT_BEGUN),$(eval $(run): $(call parent,$(run))))
.PHONY: $(RUNS) $(PARENTS) $(BRANCHES)

# Whether a log is whole up to a step; train.py and claims.py ask the same.
finished = test -z "$$(tail -c 1 results/$(1)/log.csv 2>&1)" && awk -F, -v last=$(2) \
  'NR == 1 { n = NF; bad = !/^step,/ } NF != n || /\r/ { bad = 1 } END { exit bad || $$1 != last }' \
  results/$(1)/log.csv

# d12-n5000-a8-wd0.01-s0 -> --depth 12 --n-train 5000 --weight-decay 0.01 --seed 0
options = $$(echo $(1) | sed -E 's/^d/--depth /; s/-n([0-9])/ --n-train \1/; s/-a8//; \
  s/-wd/ --weight-decay /; s/-lr/ --lr /; s/-holdnorm/ --hold-norm/; s/-beta/ --beta2 /; \
  s/-resetmoments/ --reset-moments/; s/-s([0-9])/ --seed \1/; \
  s/-steps/ --steps /; s/-logevery/ --log-every /; s/-probeevery/ --probe-every /')

steps = $(lastword $(subst -steps, ,$(firstword $(subst -logevery, ,$(1)))))
$(RUNS): setup
	@$(call finished,$@,100000) || $(TRAIN) --out results/$@ $(call options,$@)
$(PARENTS): setup
	@test -f results/$@/checkpoint.pt && $(call finished,$@,$(call steps,$@)) || \
	  $(TRAIN) --out results/$@ $(call options,$@)
$(BRANCHES): setup
	@$(call finished,$@,$(call steps,$@)) || $(TRAIN) --out results/$@ \
	  --from results/$(call parent,$@) $(call options,$(lastword $(subst -then, ,$@)))

runs: $(RUNS)
claims: setup
	@$(PY) claims.py
	@$(PY) plot.py claims --format $(FORMAT)

FIGURES := fig1 fig2 fig3 fig4 fig5 fig6 fig7 fig8 fig9 fig10 fig11
.PHONY: $(FIGURES)
fig1: $(call of_seeds,d12-n2000-a8-wd0.01 d12-n5000-a8-wd0.01 d12-n7000-a8-wd0.01)
fig2 fig3 fig5 fig9 fig10: $(call of_seeds,d4-n5000-a8-wd0.01 d8-n5000-a8-wd0.01 d12-n5000-a8-wd0.01)
fig2 fig4 fig5: $(call of_seeds,d4-n7000-a8-wd0.01 d8-n7000-a8-wd0.01 d12-n7000-a8-wd0.01)
fig6: $(call of_seeds,d12-n2000-a8-wd0.005 d12-n2000-a8-wd0.01 d12-n2000-a8-wd0.05)
fig7: $(call of_seeds,d12-n5000-a8-wd0.005 d12-n5000-a8-wd0.01 d12-n5000-a8-wd0.05)
fig8: $(call of_seeds,$(NETWORKS))
fig10: $(ARMS)
fig11: $(JUMP)
$(FIGURES): setup
	@for seed in $(SEEDS); do $(PY) plot.py $@ $(if $(filter fig1,$@),fig1_accuracy) \
	  --format $(FORMAT) $$(test $$seed = 0 || echo "--seed $$seed"); done
figures: $(FIGURES)

clean:
	rm -rf __pycache__ .pytest_cache .ruff_cache results/demo
