# SPDX-License-Identifier: GPL-2.0-or-later
#
# For scripts/lint, in a build directory: compiles with the flags of that build
# for the checks alone. Objects go to $(out).
include Makefile

compile = gcc $(DEFS) $(DEFAULT_INCLUDES) $(AM_CPPFLAGS) $(AM_CFLAGS) \
	-Wall -Wextra -Werror
src = $(abs_top_srcdir)/src
sources = $(patsubst $(src)/%,%,$(wildcard $(src)/*.c $(src)/*/*.c))
headers = $(patsubst $(src)/%,%,$(wildcard $(src)/*/*.h))

# GCC 13 and newer call it a leak if a descriptor becomes 0, 1 or 2.
lint-analyze: $(sources:%.c=$(out)/%.o)
$(out)/%.o: $(src)/%.c
	mkdir -p $(@D)
	$(compile) -O2 -fanalyzer -Wno-analyzer-fd-leak -c -o $@ $<

lint-headers: $(headers:%=lint-%)
$(headers:%=lint-%): lint-%.h: $(src)/%.h
	$(compile) -fsyntax-only -include $< -x c /dev/null

.PHONY: lint-analyze lint-headers
