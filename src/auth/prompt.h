/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks a person for a secret, on the terminal and not on standard input, which
 * is the stream.  Whatever ends the asking, the terminal echoes again.
 */
#pragma once

#include "base/err.h"
#include "base/secret.h"

/*
 * Print prompt on /dev/tty, read a line without echo.  A signal that ends or
 * stops the process does so after the terminal is as before; asked is again
 * when it continues.  The caller owns and wipes *s.  Errors: ERR_KEY; errno
 * ENXIO or the like if there is no terminal, 0 if the line is empty or too long.
 */
int prompt_secret(const char *prompt, struct secret *s,
		  struct err *e) attr_must_check;
