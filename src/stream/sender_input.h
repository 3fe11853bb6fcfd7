/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sender's input: when it is read, and whether its end is its true end. */
#pragma once

#include "stream/sender.h"

/*
 * Poll the input if there is room and nothing of it waits for the socket.
 * While an unfinished record waits in the input's own pipe, poll(2) would
 * return at once, so only time counts then.
 */
bool sender_input_wanted(struct sender *s);

/*
 * Fill the buffer even while the socket is full.  An input that was not polled,
 * because an unfinished record waits in its own pipe, may have grown by now.
 */
int sender_input_take(struct sender *s, const struct pollfd *input,
		      struct err *e);

/*
 * The input is at its end.  A killed producer looks the same, except that a
 * COMMAND has an exit status and a btrfs stream has a last command.
 */
int sender_input_check_end(struct sender *s, struct err *e);

/* A failing source fails the stream, with or without an end of file. */
int sender_input_check_source(struct sender *s, struct err *e);
