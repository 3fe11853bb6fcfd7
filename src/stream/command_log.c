// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/command_log.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"

enum {
	RETRY_MS = 20, /* between attempts to pass a block on */
	STUCK_MS = 1000, /* without progress, then lines are dropped */
	PARTIAL_MS = 200, /* a prompt or a meter has no newline */
	FINISH_MS = 2000,
};

void command_log_init(struct command_log *l, int fd)
{
	memset(l, 0, sizeof *l);
	l->fd = fd;
	l->partial_due_ms = CLOCK_NEVER;
	l->prefix_len = log_line_prefix(l->prefix);
}

/* Returns false while the block waits for room. */
static bool command_log_flush(struct command_log *l)
{
	uint64_t now = clock_now_ms();

	if (!l->block_len)
		return true;
	if (log_pass_on(l->block, l->block_len)) {
		l->dropping = false;
	} else {
		if (!l->stuck_ms)
			l->stuck_ms = now;
		l->dropping |= now - l->stuck_ms >= STUCK_MS;
		if (!l->dropping)
			return false;
		log_count_dropped(l->block, l->block_len);
	}
	l->block_len = 0;
	l->stuck_ms = 0;
	return true;
}

/* The caller made sure that there is room. */
static void command_log_add(struct command_log *l, const char *text, size_t len)
{
	memcpy(l->block + l->block_len, text, len);
	l->block_len += len;
}

/* Show the rest of the line, and end behind it. */
static void command_log_show(struct command_log *l, const char *end)
{
	if (!l->block_len && !l->shown)
		command_log_add(l, log_clear(), strlen(log_clear()));
	if (!l->shown)
		command_log_add(l, l->prefix, l->prefix_len);
	log_defuse(l->line + l->shown, l->len - l->shown);
	command_log_add(l, l->line + l->shown, l->len - l->shown);
	command_log_add(l, end, strlen(end));
	l->shown = l->len;
	l->partial_due_ms = CLOCK_NEVER;
}

/* Remember the line as the last one, unless it is blank or mostly no text. */
static void command_log_note(struct command_log *l)
{
	size_t len = l->len, text = 0;

	while (len && strchr(" \t", l->line[len - 1]))
		len--;
	for (size_t i = 0; i < len; i++)
		text += l->line[i] >= 0x20 && l->line[i] < 0x7f;
	if (len && len <= 2 * text)
		log_printable(l->words, sizeof l->words, l->line, len);
}

static void command_log_end_line(struct command_log *l)
{
	command_log_note(l);
	command_log_show(l, "\n");
	l->len = l->shown = 0;
	l->returned = false;
}

/*
 * A meter overwrites its line.  If lines have a prefix, only its last state is
 * passed on.
 */
static void command_log_overwrite(struct command_log *l)
{
	if (!l->prefix_len)
		command_log_show(l, "\r");
	l->len = l->shown = 0;
	l->returned = false;
}

static void command_log_take(struct command_log *l, char c)
{
	if (c == '\n') {
		command_log_end_line(l);
		return;
	}
	if (c == '\r') {
		l->returned = true;
		/* The next byte may be a long time coming. */
		l->partial_due_ms = clock_deadline(PARTIAL_MS);
		return;
	}
	if (l->returned)
		command_log_overwrite(l);
	if (l->len == sizeof l->line) {
		if (l->prefix_len)
			return; /* cut */
		command_log_note(l);
		command_log_show(l, "");
		l->len = l->shown = 0;
	}
	if (l->partial_due_ms == CLOCK_NEVER)
		l->partial_due_ms = clock_deadline(PARTIAL_MS);
	l->line[l->len++] = c;
}

/* Is there room in the block for two lines of any length? */
static bool command_log_has_room(struct command_log *l)
{
	const size_t most = 2 * (LOG_PREFIX_BYTES + COMMAND_LOG_LINE_BYTES);

	return l->block_len + most <= sizeof l->block || command_log_flush(l);
}

/* Turn the buffer into blocks.  Returns false if one cannot be passed on. */
static bool command_log_digest(struct command_log *l)
{
	while (l->in_pos < l->in_len) {
		if (!command_log_has_room(l))
			return false;
		command_log_take(l, l->in[l->in_pos++]);
	}
	return true;
}

/* Returns false if there is nothing to read now. */
static bool command_log_read(struct command_log *l)
{
	ssize_t n = io_read(l->fd, l->in, sizeof l->in);

	if (n < 0 && errno == EAGAIN)
		return false;
	l->in_pos = 0;
	l->in_len = n > 0 ? (size_t)n : 0;
	if (n > 0)
		return true;
	close(l->fd);
	l->fd = -1;
	if (l->len && command_log_has_room(l))
		command_log_end_line(l);
	return false;
}

static void command_log_show_partial(struct command_log *l)
{
	if (clock_now_ms() < l->partial_due_ms)
		return;
	l->partial_due_ms = CLOCK_NEVER;
	if (l->prefix_len || !command_log_has_room(l))
		return;
	if (l->returned)
		command_log_overwrite(l);
	else
		command_log_show(l, "");
}

void command_log_step(struct command_log *l)
{
	/* A COMMAND that writes without end must not keep us here. */
	for (int i = 0; i < 16; i++)
		if (!command_log_digest(l) || l->fd < 0 || !command_log_read(l))
			break;
	command_log_show_partial(l);
	command_log_flush(l);
}

int command_log_fd(const struct command_log *l)
{
	return l->block_len || l->in_pos < l->in_len ? -1 : l->fd;
}

uint64_t command_log_due(const struct command_log *l)
{
	if (l->block_len || l->in_pos < l->in_len)
		return clock_deadline(RETRY_MS);
	return l->prefix_len ? CLOCK_NEVER : l->partial_due_ms;
}

/* Is anything left that a step could pass on? */
static bool command_log_busy(const struct command_log *l)
{
	return l->block_len || l->in_pos < l->in_len ||
	       (l->fd >= 0 && io_ready(l->fd, POLLIN));
}

void command_log_finish(struct command_log *l)
{
	uint64_t end_ms = clock_deadline(FINISH_MS);

	while (command_log_busy(l) && clock_now_ms() < end_ms) {
		command_log_step(l);
		if (l->block_len)
			poll(NULL, 0, RETRY_MS);
	}
	if (l->len && command_log_has_room(l))
		command_log_end_line(l);
	command_log_flush(l);
	log_flush();
}
