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
