# A front for people: installs what is missing, calls CMake's presets. `make` alone explains itself.
PRESET ?= release
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
RANKS ?= 2
BUILD = build/$(PRESET)
MPIRUN = tools/mpirun.sh
OUT ?= out

.DEFAULT_GOAL := help
.PHONY: help deps build demo smoke test test-slurm check check-format check-tidy check-layers check-asan check-fuzz check-long check-barriers fuzz soak coverage bundle check-bundle format clean

help:
	@echo 'viswords: learn visual words for frozen vision-language models'
	@echo
	@echo '  make demo     install what is missing, build, run jobs/studies/demo.yaml on $(RANKS) ranks (minutes)'
	@echo '  make smoke    the same with jobs/studies/smoke.yaml (seconds)'
	@echo '  make build    build/release/viswords'
	@echo '  make test     build and run all tests'
	@echo '  make test-slurm  the batch scripts against a Slurm of three pretended nodes on this machine (root; minutes)'
	@echo '  make check    format, clang-tidy, who includes whom, tests under sanitizers, 5 s of fuzzing a reader'
	@echo '  make check-long  clang-tidy with its path analyzer; all tests under the sanitizers, three times over'
	@echo '  make check-barriers  takes each barrier out of the CUDA kernels and asks whether a test notices (emulated)'
	@echo '  make fuzz     libFuzzer on every reader of foreign files, to 10 million executions each (docs/fuzzing.md); resumes'
	@echo '  make soak     SOAK=200 kills at random times and states of a small study, each compared with an undisturbed run'
	@echo '  make coverage    line coverage of the C code by the tests (gcov)'
	@echo '  make bundle   build/viswords-VERSION-ARCH.tar.xz: runs where nothing is installed and nobody is root'
	@echo '                BUNDLE=--with-cuda-libraries (+ 0.5 GB) or BUNDLE=--without-cuda; make check-bundle tries it'
	@echo '  make format   clang-format on every C and CUDA file'
	@echo '  make clean    remove build/ (never out/)'
	@echo
	@echo '  PRESET=debug|asan|ci ...  another preset of CMakePresets.json      JOBS=n  parallel compilations'
	@echo '  RANKS=n  MPI ranks of demo and smoke      VISWORDS_DEPS=skip  install nothing (docs/install.md)'

deps:
	@tools/install-deps.sh build

build: deps
	@tools/build.sh $(PRESET) $(JOBS)

demo smoke: build
	@tools/study.sh $(BUILD)/viswords jobs/studies/$@.yaml $(OUT)/$@ $(RANKS)
	@if [ $@ = demo ]; then tools/boxes.sh $(BUILD)/viswords $(OUT)/demo && echo "Report: $(OUT)/demo/report.html"; fi

test: build
	@tools/install-deps.sh test
	@tools/test.sh $(PRESET) $(JOBS)

# Exit code 77: Slurm cannot run here, and why was said.
test-slurm: build
	@tools/install-deps.sh slurm
	@bash tests/slurm/check.sh . $(BUILD) || { code=$$?; [ $$code = 77 ] || exit $$code; }

check: check-format check-layers check-tidy check-asan check-fuzz
	@echo 'make check: format, layers, clang-tidy, sanitizers and a short fuzzing are clean'

check-format:
	@tools/install-deps.sh build check
	@tools/format.sh --check

check-layers:
	@bash tests/layering/test_includes.sh .

# clang-tidy reads the sanitizers' build: what it checks is what is compiled there.
check-tidy: deps
	@tools/install-deps.sh check
	@tools/build.sh ci-asan $(JOBS)
	@tools/tidy.sh build/ci-asan $(JOBS)

check-asan: deps
	@tools/install-deps.sh test
	@tools/build.sh ci-asan $(JOBS)
	@tools/test.sh ci-asan $(JOBS) --label-exclude long

# Replays the committed inputs and fuzzes each reader for a moment.
check-fuzz: deps
	@tools/install-deps.sh check
	@FUZZ_SECONDS=5 tools/fuzz.sh $(JOBS)

fuzz: deps
	@tools/install-deps.sh check
	@tools/fuzz.sh $(JOBS)

check-long: deps
	@tools/install-deps.sh test check
	@tools/build.sh ci-asan $(JOBS)
	@TIDY_ANALYZER=on tools/tidy.sh build/ci-asan $(JOBS)
	@tools/test.sh ci-asan $(JOBS) --repeat until-fail:3 --schedule-random

check-barriers: deps
	@tools/build.sh ci $(JOBS)
	@tests/emulator/barriers.sh build/ci

SOAK ?= 200
soak: deps
	@tools/build.sh ci $(JOBS)
	@tests/jobs/soak.sh . build/ci $(SOAK) "$(or $(SEED),$(shell date +%s))" docs/soak.md

coverage: deps
	@tools/install-deps.sh test
	@tools/build.sh coverage $(JOBS)
	@find build/coverage -name '*.gcda' -delete
	@tools/test.sh coverage $(JOBS)
	@tools/coverage.sh build/coverage

bundle: deps
	@tools/bundle.sh $(BUNDLE) $(JOBS)

check-bundle: bundle
	@tests/bundle/check.sh build/viswords-*-$$(uname -m).tar.xz

format:
	@tools/install-deps.sh check
	@tools/format.sh

clean:
	rm -rf build
