# Two commands on a bare Debian 12: `make demo`, `make test`. Everything else is for those who stay.
.PHONY: all demo test fuzz lint sanitize build build-tests deps check clean bench install soak
preset ?= release
built = build/$(preset)
PREFIX ?= /usr/local

all: build

demo: build ## Plays the story of the README on real data.
	@tools/prepare
	@COFFER_BINARY=$(CURDIR)/$(built)/src/app/coffer python3 tools/demo.py

test: build-tests check ## Builds and runs every test.
	@tools/prepare
	@ctest --test-dir $(built) --output-on-failure --no-tests=error -j2

bench: build ## Measures us and our peers, and prints one table.
	@tools/deps bench
	@cmake --build $(built) --target benches
	@tools/prepare
	@COFFER_BINARY=$(CURDIR)/$(built)/src/app/coffer COFFER_BENCHES=$(CURDIR)/$(built)/bench python3 -B bench/run.py $(BENCH)

soak: build-tests ## An hour: 1,000 kills, 400 older copies, 40 full disks, load. A failure prints the COFFER_SEED that replays it.
	@tools/prepare
	@COFFER_BINARY=$(CURDIR)/$(built)/src/app/coffer COFFER_KILLS=1000 python3 -B tests/e2e/crash_test.py -v
	@COFFER_BINARY=$(CURDIR)/$(built)/src/app/coffer COFFER_POINTS=400 python3 -B tests/e2e/faults_test.py -v OldBackups
	@COFFER_BINARY=$(CURDIR)/$(built)/src/app/coffer COFFER_POINTS=40 python3 -B tests/e2e/faults_test.py -v FullDisk JumpingClock
	@COFFER_BINARY=$(CURDIR)/$(built)/src/app/coffer COFFER_LOAD_SECONDS=1200 python3 -B tests/e2e/load_test.py -v

check: ## What a machine can see of the rules of the house.
	@python3 tools/check_layers.py
	@python3 tools/tidy.py

fuzz: deps ## Each parser of outside bytes, a minute each, under clang's fuzzer.
	@tools/deps clang
	@tools/fuzz

sanitize: deps ## All tests under address and undefined-behaviour sanitizers, then the threaded parts under thread sanitizer.
	@tools/deps tests clang
	@tools/sanitize

lint: deps ## clang-tidy over every file, half an hour.
	@tools/deps tests lint
	@[ -e $(built)/build.ninja ] || cmake -G Ninja --preset $(preset) -DBUILD_TESTING=ON >/dev/null
	@preset=$(preset) tools/lint

build: deps
	@[ -e $(built)/build.ninja ] || cmake -G Ninja --preset $(preset) -DBUILD_TESTING=ON >/dev/null
	@cmake --build $(built) --target coffer

build-tests: deps
	@tools/deps tests
	@[ -e $(built)/build.ninja ] || cmake -G Ninja --preset $(preset) -DBUILD_TESTING=ON >/dev/null
	@cmake --build $(built)

install: build ## DESTDIR and PREFIX as everywhere.
	@tools/install $(built)/src/app/coffer "$(DESTDIR)" "$(PREFIX)"

deps:
	@tools/deps build

clean:
	rm -rf build
