# make setup   once: .venv with everything that tests and development need
# make build   after a change of C++ (or for a first build in an environment of your own)
# make sanitize  the C++ core under ASan and UBSan, with the tests of kernels and engine
# make wheel  dist/niwaki-*-manylinux_*.whl, audited, then installed and run without a compiler
# make fuzz   200,000 mutated files (FUZZ_FILES=2000 for fewer)
# make check-native check-x86 check-arm  kernels without Python: here, on emulated old CPUs, on emulated ARM
# make check  lint, formats and types      make test  everything      make bench  the measured tables
# Python edits need nothing. PYTHON=path/to/python picks another environment.
PYTHON ?= .venv/bin/python
JOBS ?= $(shell nproc)
PIP = $(PYTHON) -m pip --disable-pip-version-check
CONSTRAINTS = $(if $(wildcard constraints.txt),-c constraints.txt)
# Only the default environment is made here; one of your own is yours.
VENV = $(filter .venv/bin/python,$(PYTHON))
BUILD_NEEDS = "scikit-build-core>=0.11" "nanobind>=2.8" cmake ninja
export CMAKE_BUILD_PARALLEL_LEVEL = $(JOBS)

.PHONY: setup build check test bench sanitize check-native check-x86 check-arm wheel fuzz
FUZZ_FILES ?= 200000

setup: $(VENV)
	$(PIP) install -q $(CONSTRAINTS) $(BUILD_NEEDS)
	$(PIP) install $(CONSTRAINTS) --no-build-isolation -e ".[dev]"
	$(MAKE) _stub

.venv/bin/python:
	python3 -m venv .venv

# The build folder is kept, so only what changed is compiled.
build:
	$(PIP) install -q --no-build-isolation --no-deps -e .
	$(MAKE) _stub

check:
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m pyright --pythonpath $(PYTHON)
	$(dir $(PYTHON))clang-format --dry-run --Werror $$(git ls-files 'cpp/*.cc' 'cpp/*.h')

test:
	$(PYTHON) -m pytest -q -n $(JOBS)

# Hours, on a quiet machine: kernels first, then networks, then training, then the README's tables of
# it all. Real data needs NIWAKI_DATA; whole networks beside other engines need PEERS, the folder that
# benchmarks/peers.py set up. A test holds that every benchmarks/bench_*.py is here.
bench:
	$(PYTHON) benchmarks/bench_import.py
	$(PYTHON) benchmarks/bench_kernels.py --peer
	$(PYTHON) benchmarks/bench_binary.py $(if $(PEERS),--peers $(PEERS))
	$(PYTHON) benchmarks/bench_kernels.py --roofline
	$(PYTHON) benchmarks/bench_activation_sparse.py
	OMP_NUM_THREADS=1 $(PYTHON) benchmarks/bench_sparse_linear.py
	$(PYTHON) benchmarks/bench_crossover.py
	$(PYTHON) benchmarks/bench_bands.py
	$(PYTHON) benchmarks/bench_threads.py
	$(if $(PEERS),$(PYTHON) benchmarks/bench_models.py --peers $(PEERS) --resume)
	$(if $(NIWAKI_DATA),$(PYTHON) benchmarks/bench_imagenet_sample.py)
	$(if $(NIWAKI_DATA),$(PYTHON) benchmarks/bench_resnet20.py)
	$(if $(NIWAKI_DATA),$(PYTHON) benchmarks/bench_lenet300.py)
	$(if $(NIWAKI_DATA),$(PYTHON) benchmarks/bench_binary_accuracy.py)
	$(if $(NIWAKI_DATA),$(PYTHON) benchmarks/bench_binary_cifar10.py)
	$(PYTHON) benchmarks/bench_compress.py
	$(if $(NIWAKI_DATA),$(PYTHON) benchmarks/bench_compress.py --cases mnist fashion-mnist --seeds 1)
	$(PYTHON) benchmarks/readme.py

# Type checkers look for the generated stub beside the sources.
.PHONY: _stub
_stub:
	@cp "$$($(PYTHON) -c 'import niwaki._core as c, pathlib; print(pathlib.Path(c.__file__).parent / "_core.pyi")')" \
	  src/niwaki/_core.pyi

# The default environment is set up first, because the engine's tests need torch and onnx. The build is
# its own, in build/sanitize.
sanitize: $(if $(VENV),setup)
	PYTHON=$(PYTHON) JOBS=$(JOBS) cpp/sanitize.sh

# Every kernel and convolution algorithm against its reference, in a program without Python. x86: as on a
# CPU without AVX and on one without AVX-512. The last two need qemu-user, ARM g++-aarch64-linux-gnu too.
check-native check-x86 check-arm: check-%:
	PYTHON=$(PYTHON) JOBS=$(JOBS) cpp/check/run.sh $*

# Mutated .nwk files under the sanitizers, mutated .onnx files in Python; docs/install.md says what is held.
fuzz: $(if $(VENV),setup)
	PYTHON=$(PYTHON) JOBS=$(JOBS) cpp/fuzz/run.sh $(FUZZ_FILES)

wheel:
	PYTHON=$(PYTHON) packaging/wheel.sh
	PYTHON=$(PYTHON) CONSTRAINTS=$(abspath $(wildcard constraints.txt)) packaging/try_wheel.sh
