/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verbs, one file each.  Every function runs its verb to the end.
 * Errors: main() prints them.
 */
#pragma once

#include "base/err.h"
#include "cli/options.h"

int cmd_connect(const struct options *o, struct err *e) attr_must_check;
int cmd_listen(const struct options *o, struct err *e) attr_must_check;
int cmd_ssh(const struct options *o, struct err *e) attr_must_check;
int cmd_ssh_server(const struct options *o, struct err *e) attr_must_check;
int cmd_probe(const struct options *o, struct err *e) attr_must_check;
