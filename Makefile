## make demo             train a small network that groks, and draw it: results/demo/plot.png
## make test             the tests; FUZZ=1 make test runs the long ones
## make fig1 ... fig12   a figure, fig1 to fig7 the paper's, fig8 to fig12 ours; trains what is not
##                       in results/: the paper's eleven runs of a seed take 8 core hours with
##                       AVX-512, the 21 branches of fig10 take 4
## make memory           the 25 runs on Adam's memory, 5 core hours a seed, and fig12
## make figures          all twelve
## make claims           the claims of the paper, judged by the runs in results/
## make runs             the eleven runs of the paper; -j2 trains two at a time
## make bench            the speed of a training step against other loops
## make lint, make clean ruff; removes caches and the run of the demo
## make setup            .venv with the pinned packages, which the others make if need be
##
## SEEDS="0 1 2", THREADS=2, DEVICE=cuda, FORMAT=pdf set the seeds of runs and figures, the threads
## of a training process (its bits depend on them), its device, and the format of figures;
## LAUNCH="srun -n1 -c1" stands before each training command; PYTHON=python3.12 makes .venv.
SEEDS ?= 0
THREADS ?= 1
DEVICE ?= cpu
FORMAT ?= png
PYTHON ?= python3
PY := .venv/bin/python
TRAIN = $(LAUNCH) env OMP_NUM_THREADS=$(THREADS) $(PY) train.py --device $(DEVICE)
ifneq ($(filter 0%,$(filter-out 0,$(SEEDS))),)
  $(error SEEDS: expected whole numbers as in 0 1 10, found $(SEEDS))
endif
FIGURES := fig1 fig2 fig3 fig4 fig5 fig6 fig7 fig8 fig9 fig10 fig11 fig12
.PHONY: help setup demo lint test bench runs memory claims figures clean $(FIGURES)

help:
	@sed -n 's/^## \{0,1\}//p' Makefile

# A .venv that is there is kept, whoever made it.
$(PY):
	@$(PYTHON) -c 'import sys; sys.version_info < (3, 11) and sys.exit("needs Python 3.11 or later")'
	@$(PYTHON) -m venv --clear .venv
.venv/requirements.txt: requirements.txt $(PY)
	@echo 'torch, numpy, matplotlib, pytest, ruff into .venv: some minutes'
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PY) -m ensurepip >/dev/null 2>&1 || \
	  { echo 'make: expected pip in .venv, found none: install python3-venv and rm -r .venv'; exit 1; }
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@cp requirements.txt .venv/requirements.txt
setup: .venv/requirements.txt

demo: setup
	$(TRAIN) --depth 6 --width 200 --n-train 500 --alpha 6 --batch-size 100 --lr 2e-3 \
	  --weight-decay 0.12 --steps 8000 --log-every 200 --probe-every 1000 --out results/demo
	$(PY) plot.py results/demo
lint: setup
	$(PY) -m ruff check --isolated --line-length 100 --extend-select E501 .
test: setup
	$(PY) -m pytest -c /dev/null --rootdir . -q test_all.py
bench: setup
	@OMP_NUM_THREADS=$(THREADS) $(PY) bench.py $(DEVICE)
claims: setup
	@$(PY) claims.py
	@$(PY) plot.py claims --format $(FORMAT)
clean:
	rm -rf __pycache__ .pytest_cache .ruff_cache results/demo

# Runs, by the names of their folders in results/: the eleven of every seed.
of_seeds = $(foreach seed,$(SEEDS),$(addsuffix -s$(seed),$(1)))
N5000 := $(call of_seeds,d4-n5000-a8-wd0.01 d8-n5000-a8-wd0.01 d12-n5000-a8-wd0.01)
N7000 := $(call of_seeds,d4-n7000-a8-wd0.01 d8-n7000-a8-wd0.01 d12-n7000-a8-wd0.01)
DECAYS2000 := $(call of_seeds,d12-n2000-a8-wd0.005 d12-n2000-a8-wd0.01 d12-n2000-a8-wd0.05)
DECAYS5000 := $(call of_seeds,d12-n5000-a8-wd0.005 d12-n5000-a8-wd0.01 d12-n5000-a8-wd0.05)
RUNS := $(N5000) $(N7000) $(DECAYS2000) $(filter-out $(N5000),$(DECAYS5000))
runs: $(RUNS)

# Branches: the arms of fig10, from runs that are stopped when nearly fitted, resets at step 1,000,
# and the jump of fig11.
arms = $(foreach run,$(1),$(foreach change,$(4),$(run)-steps$(2)-then-$(change)-steps$(3)))
arms_of_depths = $(call arms,$(filter d4-%,$(N5000)),6000,36000,$(1)) \
  $(call arms,$(filter d8-%,$(N5000)),24000,51000,$(1)) \
  $(call arms,$(filter d12-%,$(N5000)),40000,64000,$(1))
MEMORY_ARMS := $(call arms_of_depths,lr0.0001-holdnorm resetmoments holdnorm-resetmoments)
ARMS := $(call arms_of_depths,wd0 holdnorm wd0.1-lr0.0001 wd0.03) $(MEMORY_ARMS)
RESETS := $(call arms,$(N5000),1000,30000,resetmoments)
JUMP := d12-n2000-a8-wd0.01-s0-steps46000-then-steps46500-logevery5-probeevery5
BRANCHES := $(RESETS) $(ARMS) $(JUMP)
parent = $(firstword $(subst -then, ,$(1)))
PARENTS := $(sort $(foreach branch,$(BRANCHES),$(call parent,$(branch))))

# Adam's memory: runs with another beta2, and some of the eleven again, for Adam's columns.
BETA := $(addsuffix -beta0.99-steps30000,$(N5000))
TRACED := $(addsuffix -steps36000,$(filter d4-%,$(N5000))) \
  $(addsuffix -steps51000,$(filter d8-%-s0,$(N5000))) \
  $(addsuffix -steps64000,$(filter d12-%-s0,$(N5000)))
MEMORY := $(BETA) $(TRACED) $(addsuffix -beta0.99-steps30000,$(call of_seeds,d12-n2000-a8-wd0.01)) \
  $(addsuffix -lr0.0001-beta0.99-steps30000,$(filter-out d12-%,$(N5000))) \
  $(addsuffix -beta0.997-steps30000,$(N5000)) \
  $(addsuffix -beta0.9-steps30000,$(filter d8-%,$(N5000)))
memory: $(MEMORY) $(RESETS) $(MEMORY_ARMS) fig12

# d12-n5000-a8-wd0.01-s0 -> --depth 12 --n-train 5000 --weight-decay 0.01 --seed 0
options = $$(echo $(1) | sed -E 's/^d/--depth /; s/-n([0-9])/ --n-train \1/; s/-a8//; \
  s/-wd/ --weight-decay /; s/-lr/ --lr /; s/-holdnorm/ --hold-norm/; s/-beta/ --beta2 /; \
  s/-resetmoments/ --reset-moments/; s/-s([0-9])/ --seed \1/; \
  s/-steps/ --steps /; s/-logevery/ --log-every /; s/-probeevery/ --probe-every /')

# A finished run is left alone, another one goes on. A branch needs its parent until it has begun.
.SECONDEXPANSION:
$(RUNS) $(PARENTS) $(MEMORY): setup
	@$(PY) runs.py results/$@ || $(TRAIN) --out results/$@ $(call options,$@)
$(BRANCHES): setup $$(if $$(wildcard results/$$@/log.csv),,$$(call parent,$$@))
	@$(PY) runs.py results/$@ || $(TRAIN) --out results/$@ --from results/$(call parent,$@) \
	  $(call options,$(lastword $(subst -then, ,$@)))

fig1: $(call of_seeds,d12-n2000-a8-wd0.01 d12-n5000-a8-wd0.01 d12-n7000-a8-wd0.01)
fig2: $(N5000) $(N7000)
fig3: $(N5000)
fig4: $(N7000)
fig5: $(N5000) $(N7000)
fig6: $(DECAYS2000)
fig7: $(DECAYS5000)
fig8: $(RUNS)
fig9: $(N5000)
fig10: $(N5000) $(ARMS)
fig11: $(JUMP)
fig12: $(N5000) $(BETA) $(TRACED)
$(FIGURES): setup
	@for seed in $(if $(filter fig11,$@),0,$(SEEDS)); do \
	  $(PY) plot.py $@ $(if $(filter fig1,$@),fig1_accuracy) --format $(FORMAT) \
	    $$(test $$seed = 0 || echo "--seed $$seed") || exit 1; \
	done
figures: $(FIGURES)
