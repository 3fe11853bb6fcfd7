/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A store that is no store: bytes stay in the input's own pipe until splice(2)
 * moves them into the kernel's TLS.  Nothing is copied, nothing is kept.
 */
#pragma once

#include "store.h"

/* in_fd is a pipe, borrowed.  Returns NULL with ERR_IO. */
struct store *store_pipe_new(int in_fd, struct err *e);
