/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel constants newer than the headers of the oldest supported build host
 * (Ubuntu 22.04, linux-libc-dev 5.15).  Values are kernel ABI.
 */
#pragma once

#include <linux/tls.h>
#include <netinet/tcp.h>
#include <sys/syscall.h>

#ifndef TLS_RX_EXPECT_NO_PAD
#define TLS_RX_EXPECT_NO_PAD 4 /* Linux 6.0 */
#endif

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

#ifndef TCP_ULP
#define TCP_ULP 31
#endif

#ifndef SYS_close_range
#define SYS_close_range 436 /* Linux 5.9, the same on every architecture */
#endif

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444 /* Linux 5.13, everywhere the same */
#define SYS_landlock_restrict_self 446
#endif

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434 /* Linux 5.3, everywhere the same */
#endif
