# The project's verbs. What they make lies under .rounds; they need Python 3.11 to 3.13 and a package index; those that say
# so need Docker or a cluster too.
PYTHON ?= python3
PROBLEM ?= noshow
PORT ?= 8080
TESTS ?= tests
REGISTRY ?= rounds
TAG ?= $(shell git describe --always --dirty --abbrev=12 --exclude '*' 2>/dev/null)
MARKS ?= not docker and not cluster and not long
DO ?= repro
export PROBLEM RUN SOURCE STORE PORT REGISTRY TAG PUSH FAILED APPOINTMENTS CALLS KEYS NEW REMOVE SCOPES DAYS DO # what people type reaches a command as "$$RUN", never as $(RUN): no shell reads it

# An image of an older state of this checkout must not run by mistake; a TAG that was typed is taken as it is.
IMAGES := $(if $(filter docker,$(LAUNCH)),$(if $(filter file,$(origin TAG)),images))
STEPS := $(basename $(notdir $(wildcard jobs/[a-z]*.py)))
BENCHES := $(filter-out measure,$(basename $(notdir $(wildcard bench/[a-z]*.py))))
PROBLEMS := $(notdir $(patsubst %/,%,$(dir $(wildcard problems/*/problem.yaml))))
IN := $(PYTHON) dags/launch/environment.py
CONSOLE := $(PYTHON) dags/console.py
ASKED = $(if $(SEARCH),--search) $(if $(FORCE),--force)
STEP = --problem "$$PROBLEM" --run "$${RUN:-data}" $(if $(FORCE),--force)
KEY = $(if $(NEW),new "$$NEW" $(if $(SCOPES),--scopes "$$SCOPES") $(if $(DAYS),--days "$$DAYS"),$(if $(REMOVE),remove "$$REMOVE",list))
MAKEFLAGS += --no-print-directory

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

demo: $(IMAGES) ## set up, then run the DAG train_noshow on simulated appointments and show what came of it
	@$(MAKE) train PROBLEM=noshow RUN=demo SOURCE=simulate
	@printf '%s\n' "" "What next:" "  .rounds/bin/rounds open demo       the report of this model, in the browser" \
		"  make ui                           Airflow: train_noshow holds this run, and the log of each step" \
		"  make serve                        the service, with a page for tomorrow's list" \
		"  make train SOURCE=your-table.csv  a table of yours"

train: known-problem setup $(IMAGES) ## run a problem's DAG: PROBLEM= SOURCE= RUN= SEARCH=1 FORCE=1
	@$(CONSOLE) train "$$PROBLEM" --run "$$RUN" --source "$$SOURCE" $(ASKED); ended=$$?; \
	$(IN) register -- rounds show --problem "$$PROBLEM" "$${RUN:-latest}" || echo "the store cannot be read from here"; exit $$ended

known-problem:
	@test -f "problems/$$PROBLEM/problem.yaml" || { \
		echo "there is no problem '$$PROBLEM' in problems/ (found: $(PROBLEMS)). Name one: make ... PROBLEM=noshow"; exit 2; }

all: $(if $(SOURCE),one-source) setup $(IMAGES) ## train every problem, each on its own source: RUN= SEARCH=1 FORCE=1
	@failed=; for problem in $(PROBLEMS); do $(MAKE) train PROBLEM="$$problem" SOURCE= || failed="$$failed $$problem"; done; \
	test -z "$$failed" || { echo "these failed:$$failed"; exit 1; }

one-source:
	@echo "make all trains every problem, and a SOURCE fits only one. Use make train PROBLEM= SOURCE="; exit 2

data: known-problem ## ingest and validate alone, outside Airflow: PROBLEM= SOURCE= RUN= FORCE=1
	@$(IN) ingest -- python -m jobs.ingest $(STEP)
	@$(IN) validate -- python -m jobs.validate $(STEP)

watch: LOOK = --problem "$$PROBLEM" --run "$${RUN:-watch-$$(date -u +%Y-%m-%d)}"
watch: known-problem ## look at the champion, outside Airflow, and say whether to train again: PROBLEM= RUN=
	@$(IN) collect -- python -m jobs.collect $(LOOK)
	@$(IN) monitor -- python -m jobs.monitor $(LOOK)
	@$(IN) decide -- python -m jobs.decide $(LOOK) || { ended=$$?; test $$ended -eq 99 || exit $$ended; }

publish: data ## publish the patients' histories of a table, outside Airflow: PROBLEM= SOURCE= RUN= FORCE=1
	@$(IN) publish -- python -m jobs.publish $(STEP)

score: known-problem ## make the list of patients to call, outside Airflow: PROBLEM= RUN= APPOINTMENTS= CALLS=
	@$(IN) score -- python -m jobs.score --problem "$$PROBLEM" --run "$${RUN:-$$(date -u +%Y-%m-%d)}" \
		--appointments "$$APPOINTMENTS" --calls "$$CALLS"

keys: ## list the service's keys in the file KEYS (.rounds/keys), or change them: NEW= SCOPES= DAYS= REMOVE=
	@KEYS="$${KEYS:-.rounds/keys}" $(IN) serve -- python -m serving.keys $(KEY)

dvc: ## the steps under DVC, without Airflow; or another command of DVC: DO="pull data/raw/noshow.csv.dvc"
	@$(IN) dvc -- dvc $$DO

ui: setup ## Airflow and MLflow in the browser, on this machine alone: PORT=
	@$(CONSOLE) ui --port "$$PORT"

serve: PORT = 8000
serve: ## the service on this machine: the registry's champion behind http://127.0.0.1:8000, PORT=
	@$(IN) serve -- python -m serving

setup: ## make every environment; the command `rounds` is then in .rounds/bin
	@$(IN) airflow $(STEPS)
	@$(IN) register -- python -m rounds.tracking
	@$(IN) register -- python -m rounds.keypair
	@$(IN) register -- sh -c 'mkdir -p .rounds/bin && ln -sfn "$$(command -v rounds)" .rounds/bin/rounds'

cluster-train: ## the same, each step a pod on the cluster that KUBECONFIG names; STORE and MLFLOW_TRACKING_URI as pods see them
	@LAUNCH=kubernetes $(MAKE) train

# What the images are labelled with.
images up: export REPOSITORY = $(shell git remote get-url origin 2>/dev/null | sed 's|//[^/]*@|//|')
images up: export REVISION = $(shell git rev-parse HEAD 2>/dev/null)
images up: export VERSION = $(shell git describe --tags --always --dirty 2>/dev/null)

up: ## the whole system in Docker, built from this checkout: Postgres, a store, MLflow, Airflow, the service
	@docker compose up --detach --wait --remove-orphans
	@for each in airflow:8080 mlflow:5000 serving:8000 prometheus:9090 grafana:3000; do \
		address="$$(docker compose port "$${each%:*}" "$${each#*:}" 2>/dev/null)" && echo "$${each%:*}: http://$$address"; done; \
	echo "passwords and keys: docker compose run --rm secrets show"

down: ## stop what `make up` started; its data stays
	@docker compose stop
	@docker ps --all --quiet --filter network=rounds_default --filter label=rounds.step | xargs -r docker rm --force --volumes
	@docker compose down

sweep: ## remove containers of steps that nobody waits for any more; the next step does it too
	@$(IN) airflow -- sh -c 'cd dags && exec python -m launch.janitor'

images: export BUILDX_NO_DEFAULT_ATTESTATIONS = 1 # they hold the time, and a second build would differ
images: ## build every image, tagged with the commit: REGISTRY= TAG= PUSH=1
	@test -n "$$TAG" || { echo "TAG is empty, and git knows no commit here. Name one: make images TAG=mine"; exit 2; }
	@docker buildx bake -f docker-compose.yml $(if $(PUSH),--push,--load)

chart: export RELEASE = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
chart: ## package the service's chart for the images of this commit, with helm, into .rounds/charts: TAG=
	@helm package helm/serving --version "$$RELEASE" --app-version "$${TAG:?no commit is known here; name one}" --destination .rounds/charts

test: setup ## run the tests that need neither Docker nor a cluster: TESTS=tests/dags MARKS=docker FAILED=a/file
	@$(IN) dev dvc mlflow -- pytest -m "$(MARKS)" $(if $(FAILED),--postpone-failed "$$FAILED") $(TESTS)

rerun: ## run the tests that `make test FAILED=a/file` put off, each alone
	@$(IN) dev dvc mlflow -- python -m tests.rerun "$$FAILED"

test-all: ## run every test: wants Docker, and a cluster that KUBECONFIG names
	@$(MAKE) test MARKS=""

check: ## lint, format and types
	@$(IN) dev airflow -- ruff check .
	@$(IN) dev -- ruff format --check .
	@$(IN) dev -- mypy --strict rounds problems jobs serving
	@MYPYPATH=dags $(IN) dev -- mypy --strict --python-executable .rounds/envs/airflow/bin/python \
		--disable-error-code import-untyped dags
	@$(IN) dev -- shellcheck .ci/run images/base/groups images/base/packages images/airflow/entrypoint images/airflow/*.sh images/postgres/*.sh
	@if command -v actionlint >/dev/null; then actionlint; fi
	@$(if $(wildcard .github/workflows/*),$(IN) dev -- zizmor --offline --quiet .github/workflows)

bench: ## measure, side by side with the usual ways: BENCHES=features
	@for name in $(BENCHES); do $(IN) dev -- python -m "bench.$$name" || exit 1; done

drill: export WEEKS := $(WEEKS)
drill: ## play the hospital in minutes: weeks, calls, drift, a retrain, a bad model: SOURCE= WEEKS= AGAIN=1
	@$(IN) dev $(STEPS) serve -- python -m bench.drill --problem "$$PROBLEM" --source "$$SOURCE" \
		$(if $(WEEKS),--weeks "$$WEEKS") $(if $(AGAIN),--again)

clean: ## remove environments, logs and caches; finished runs in .rounds/store stay
	rm -rf .rounds/airflow .rounds/bin .rounds/cache .rounds/charts .rounds/envs .rounds/logs .rounds/scratch .rounds/tools
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache

.DEFAULT_GOAL := help
.PHONY: help demo train known-problem cluster-train all one-source data watch publish score keys dvc ui serve up down sweep images chart setup test rerun test-all check bench drill clean
