// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * json: checks that standard input is one JSON value (RFC 8259, strictly), and
 * prints every scalar in it as one line, such as
 *	.modes[0].tx=true
 * If the text is invalid it prints the offset of the error and exits 1.  At
 * most 16 levels deep.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES (1 << 20)
#define DEPTH 16

struct level {
	bool is_object;
	int index;
	size_t path_len; /* of the container itself */
};

static char text[TEXT_BYTES + 1], path[4096];
static const char *at = text;
static struct level levels[DEPTH];
static int depth;

static void wrong(const char *what)
{
	fprintf(stderr, "json: byte %td: %s\n", at - text, what);
	exit(1);
}

static void skip_space(void)
{
	at += strspn(at, " \t\n\r");
}

static void expect(char c)
{
	skip_space();
	if (*at != c)
		wrong("unexpected character");
	at++;
}

static void scan_escape(void)
{
	if (*at == 'u') {
		for (int i = 1; i <= 4; i++)
			if (!isxdigit((unsigned char)at[i]))
				wrong("bad \\u escape");
		at += 5;
	} else if (*at && strchr("\"\\/bfnrt", *at)) {
		at++;
	} else {
		wrong("bad escape");
	}
}

static void scan_string(void)
{
	expect('"');
	while (*at != '"') {
		if ((unsigned char)*at < 0x20)
			wrong("control character or end of text in a string");
		if (*at++ == '\\')
			scan_escape();
	}
	at++;
}

static void scan_digits(void)
{
	if (!isdigit((unsigned char)*at))
		wrong("digit expected");
	at += strspn(at, "0123456789");
}

static void scan_number(void)
{
	if (*at == '-')
		at++;
	if (*at == '0')
		at++;
	else
		scan_digits();
	if (*at == '.') {
		at++;
		scan_digits();
	}
	if (*at == 'e' || *at == 'E') {
		at++;
		if (*at == '+' || *at == '-')
			at++;
		scan_digits();
	}
}

static void scan_scalar(void)
{
	static const char *const words[] = { "true", "false", "null" };
	const char *start = at;

	if (*at == '"') {
		scan_string();
	} else if (*at == '-' || isdigit((unsigned char)*at)) {
		scan_number();
	} else {
		for (size_t i = 0; i < 3 && at == start; i++)
			if (!strncmp(at, words[i], strlen(words[i])))
				at += strlen(words[i]);
		if (at == start)
			wrong("value expected");
	}
	printf("%s=%.*s\n", path, (int)(at - start), start);
}

static void path_add(size_t base, const char *s, size_t len)
{
	if (base + len >= sizeof path)
		wrong("too deep");
	memcpy(path + base, s, len);
	path[base + len] = '\0';
}

/* Read the name or number of the next member, up to its value. */
static void begin_member(void)
{
	struct level *l = &levels[depth - 1];
	char num[16];
	const char *name;

	if (l->is_object) {
		skip_space();
		name = at;
		scan_string();
		path_add(l->path_len, ".", 1);
		path_add(l->path_len + 1, name + 1, (size_t)(at - name) - 2);
		expect(':');
	} else {
		snprintf(num, sizeof num, "[%d]", l->index++);
		path_add(l->path_len, num, strlen(num));
	}
}

/* Enter a container.  Returns false if it is empty: then it is left already. */
static bool enter(void)
{
	bool is_object = *at == '{';

	if (depth == DEPTH)
		wrong("too deep");
	at++;
	skip_space();
	if (*at == (is_object ? '}' : ']')) {
		at++;
		return false;
	}
	levels[depth++] = (struct level){ .is_object = is_object,
					  .path_len = strlen(path) };
	return true;
}

/* After a value: go to the next member, or leave every container that ends. */
static void next_member(void)
{
	while (depth) {
		skip_space();
		if (*at == ',') {
			at++;
			return;
		}
		expect(levels[depth - 1].is_object ? '}' : ']');
		depth--;
	}
}

int main(void)
{
	size_t len = fread(text, 1, TEXT_BYTES, stdin);

	if (strlen(text) != len)
		wrong("NUL byte");
	do {
		if (depth)
			begin_member();
		skip_space();
		if (*at == '{' || *at == '[') {
			if (enter())
				continue;
		} else {
			scan_scalar();
		}
		next_member();
	} while (depth);
	skip_space();
	if (*at)
		wrong("more text after the value");
	return 0;
}
