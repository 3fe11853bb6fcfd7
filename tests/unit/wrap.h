/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * WRAP(name) declares a test's own __wrap_name. The linker's option --wrap=name
 * makes every object call that instead of name, and __real_name is name itself.
 * "used" keeps compilers from dropping it: no source calls it.
 *
 * WRAP64(name, time64, file64) is for a function that glibc calls file64, since
 * we ask for 64-bit offsets, and time64 if a 32-bit machine is asked for 64-bit
 * times as well. tests/local.mk has a --wrap for each symbol.
 */
#pragma once

#include <features.h>

#define WRAP(name) WRAP_SYMBOL(name, name)

#if !defined __GLIBC__
#define WRAP64(name, time64, file64) WRAP_SYMBOL(name, name)
#elif defined __USE_TIME_BITS64 && !defined __LP64__
#define WRAP64(name, time64, file64) WRAP_SYMBOL(name, time64)
#else
#define WRAP64(name, time64, file64) WRAP_SYMBOL(name, file64)
#endif

#define WRAP_SYMBOL(name, symbol)                                 \
	__typeof__(name) __wrap_##name __asm__("__wrap_" #symbol) \
		__attribute__((used));                            \
	extern __typeof__(name) __real_##name __asm__("__real_" #symbol)
