/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Prompt for a secret on the terminal; standard input is the stream.  The
 * terminal echoes again afterwards, also when a signal ends the process.
 */
#pragma once

#include "base/err.h"
#include "base/secret.h"

/*
 * Print prompt on /dev/tty and read a line without echo.  A signal that ends
 * or stops the process does so after the terminal is restored; when the
 * process continues, the prompt is repeated.  The caller owns and wipes *s.
 * Errors: ERR_KEY; num is ENXIO or the like without a terminal, and 0 if the
 * line is empty or too long.
 */
int prompt_secret(const char *prompt, struct secret *s,
		  struct err *e) attr_must_check;
