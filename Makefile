# Makefile - the doorbell. The build itself is Meson's; this installs what is missing and rings in the right place.

PREFIX ?= /usr/local
DESTDIR ?=
export DESTDIR

.DEFAULT_GOAL := help
.PHONY: help demo test test-long bench install docs clean

help:
	@echo 'make demo        see a telephone exchange survive its own crashes'
	@echo 'make test        every build, every test; the last line counts them'
	@echo 'make test-long   the same with every repetition in full'
	@echo 'make bench       measure, and compare with Erlang and Go'
	@echo 'make install     build for release and install (PREFIX=$(PREFIX), DESTDIR=$(DESTDIR))'
	@echo 'make docs        write docs/reference from the header comments'
	@echo 'make clean       remove build/'
	@echo 'Each installs the Debian packages that it misses, and says which.'

demo:
	@scripts/setup.sh demo
	@scripts/demo.sh

test:
	@scripts/test.sh

test-long:
	@ES_TEST_ROUNDS=1 scripts/test.sh

bench:
	@scripts/setup.sh bench
	@scripts/bench.sh

install:
	@PREFIX='$(PREFIX)' scripts/install.sh

docs:
	@scripts/setup.sh docs
	@scripts/reference

clean:
	rm -rf build
