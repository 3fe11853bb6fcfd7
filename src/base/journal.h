/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds out whether a descriptor leads to the journal of systemd. */
#pragma once

#include <stdbool.h>

/*
 * Is fd the stream to the journal that JOURNAL_STREAM names?  Then a line may
 * begin with its severity: "<3>" is an error, "<7>" for debugging.
 * Ref: systemd.exec(5), sd-daemon(3).
 */
bool journal_is(int fd);
