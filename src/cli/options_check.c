// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "base/net_address.h"
#include "cli/host_port.h"
#include "cli/options_table.h"
#include "cli/ssh_net.h"
#include "conn/connection.h"
#include "conn/digest.h"
#include "conn/net.h"
#include "conn/stream_name.h"

/* Defaults of --retry */
enum { RETRY_CONNECT_MS = 120000, RETRY_LISTEN_MS = 3600000 };

enum {
	BUFFER_MIN_BYTES = 1 << 20,
	REKEY_MIN_BYTES = 1 << 20,
};

static int options_check_connect(struct options *o, int argc, char **argv,
				 struct err *e)
{
	bool port_given = o->port != UINT64_MAX;
	struct host_port to;

	if (!argc)
		return options_table_wrong(o, e, "connect needs a HOST");
	if (argc > 1)
		return options_table_wrong(
			o, e,
			"connect takes one HOST, '%s' is another "
			"word: write -- before a COMMAND",
			argv[1]);
	if (port_given && (o->port == 0 || o->last_port))
		return err_set(e, ERR_USAGE, 0,
			       o->last_port
				       ? "connect takes one port, not a range"
				       : "connect cannot use port 0");
	if (host_port_parse(argv[0], port_given, &to, e) < 0)
		return -1;
	if (port_given && to.port)
		return err_set(e, ERR_USAGE, 0,
			       "the port is given twice: in '%s' and with -p",
			       argv[0]);
	snprintf(o->host, sizeof o->host, "%s", to.host);
	if (to.port)
		o->port = to.port;
	return 0;
}

static bool options_given(const struct options *o, size_t row)
{
	return o->given >> row & 1;
}

/* Does this condition hold, which a row needs or excludes? */
static bool options_has(const struct options *o, const char *what)
{
	size_t len = strcspn(what, ":") - 2;

	if (!strcmp(what, COMMAND))
		return o->command;
	if (!strcmp(what, NO_BUFFER))
		return !o->buffer_bytes;
	if (!strcmp(what, NONE))
		return options_mode_none(o);
	if (!strcmp(what, KTLS_REQUIRE))
		return o->ktls == CONNECTION_KTLS_REQUIRE;
	for (size_t i = 0; i < OPTIONS_TABLE_SPECS; i++)
		if (options_given(o, i) &&
		    strlen(options_table_specs[i].name) == len &&
		    !memcmp(options_table_specs[i].name, what + 2, len))
			return true;
	return false;
}

static int options_check_row(const struct options *o,
			     const struct options_spec *spec, struct err *e)
{
	for (size_t i = 0; i < array_len(spec->needs) && spec->needs[i]; i++)
		if (!options_has(o, spec->needs[i]))
			return err_set(e, ERR_USAGE, 0, "--%s needs %s",
				       spec->name, spec->needs[i]);
	for (size_t i = 0; i < array_len(spec->not_with) && spec->not_with[i];
	     i++)
		if (options_has(o, spec->not_with[i]))
			return err_set(e, ERR_USAGE, 0,
				       "--%s cannot be used with %s",
				       spec->name, spec->not_with[i]);
	return 0;
}

/* Each row must have what it needs, and at most one may read standard input. */
static int options_check_rows(const struct options *o, struct err *e)
{
	bool stdin_is_stream = options_sends(o) && !o->command;

	for (size_t i = 0; i < OPTIONS_TABLE_SPECS; i++) {
		const void *field = (const char *)o +
				    options_table_specs[i].offset;

		if (!options_given(o, i))
			continue;
		if (options_check_row(o, &options_table_specs[i], e) < 0)
			return -1;
		if (options_table_specs[i].type == TYPE_FILE &&
		    stdin_is_stream &&
		    !strcmp(*(const char *const *)field, "-"))
			return err_set(e, ERR_USAGE, 0,
				       "--%s -: standard input is the stream; "
				       "name the file",
				       options_table_specs[i].name);
	}
	return 0;
}

/* Conflicts of values that the table does not state */
static int options_check_values(const struct options *o, struct err *e)
{
	struct net_address ignored;

	if (options_mode_none(o) &&
	    (o->verb == OPTIONS_SSH || o->ktls == CONNECTION_KTLS_REQUIRE))
		return err_set(e, ERR_USAGE, 0, "%s cannot be used with " NONE,
			       o->verb == OPTIONS_SSH ? "ssh"
						      : "--ktls require");
	/* The other host would look a name up, and has no use for our zone. */
	if (o->reverse && o->address &&
	    !net_address_parse(o->address, strlen(o->address), &ignored))
		return err_set(e, ERR_USAGE, 0,
			       "--address with --reverse: '%s' is not an "
			       "address in numbers, without %%INTERFACE, such "
			       "as 192.0.2.7",
			       o->address);
	if (o->verb == OPTIONS_CONNECT && o->peers.count > 1)
		return err_set(e, ERR_USAGE, 0,
			       "connect takes one --peer: there is one "
			       "listener");
	if (!o->handshake_ms)
		return err_set(e, ERR_USAGE, 0,
			       "--handshake-timeout: at least 1ms");
	if (o->name && digest_check(e) < 0)
		return err_wrap(e, "--name");
	if ((o->verb & BOTH) && o->output && digest_check(e) < 0)
		return err_wrap(e, "--output");
	if (o->verb == OPTIONS_CONNECT && o->name && o->receive && !o->output &&
	    !o->discard)
		return err_set(e, ERR_USAGE, 0,
			       "--name with --receive needs --output FILE: "
			       "what arrived has to outlive this process");
	if (o->name && strlen(o->name) > STREAM_NAME_MAX)
		return err_set(e, ERR_USAGE, 0, "--name: at most %d bytes",
			       STREAM_NAME_MAX);
	return 0;
}

/*
 * Bytes of this machine, or 0 if the kernel does not say.  (Where sysinfo(2) is
 * refused, sysconf(3) makes a number of what it did not read.)
 */
static uint64_t options_memory(void)
{
	struct sysinfo info;

	return sysinfo(&info) < 0 ? 0 : (uint64_t)info.totalram * info.mem_unit;
}

int options_check_stream(const struct options *o, struct err *e)
{
	uint64_t memory = options_memory();

	if (o->buffer_bytes && o->buffer_bytes < BUFFER_MIN_BYTES)
		return err_set(e, ERR_USAGE, 0,
			       "--buffer: at least 1M, or 0 for none");
	if (o->limit_bytes_per_s && !options_sends(o))
		return err_set(e, ERR_USAGE, 0, "--limit is for the sender");
	if (o->rekey_bytes < REKEY_MIN_BYTES)
		return err_set(e, ERR_USAGE, 0, "--rekey-after: at least 1M");
	if (o->tcp.buffer_bytes > TCP_OPTIONS_BUFFER_MAX)
		return err_set(
			e, ERR_USAGE, 0,
			"--tcp-buffer: at most 1G, the kernel's maximum");
	if (memory && o->buffer_bytes >= memory)
		return err_set(e, ERR_USAGE, 0,
			       "--buffer: this machine has only %" PRIu64
			       " MiB of memory",
			       memory >> 20);
	return 0;
}

/* ssh: is this --retry also how long the far host waits for a process? */
static bool options_waits(const struct options *o)
{
	return o->verb == OPTIONS_SSH && o->name;
}

static int options_check_ssh(const struct options *o, struct err *e)
{
	if (!o->ssh.host || !*o->ssh.host)
		return options_table_wrong(o, e, "ssh needs a HOST");
	if (!o->ssh.command || (!**o->ssh.command && !o->ssh.command[1]))
		return err_set(e, ERR_USAGE, 0,
			       "ssh needs a COMMAND behind HOST, which takes "
			       "the stream there, or with --receive makes it");
	if (options_waits(o) && !o->retry_ms)
		return err_set(e, ERR_USAGE, 0,
			       "--name cannot be used with --retry 0: HOST "
			       "waits that long for another process");
	return 0;
}

static int options_check_ssh_server(struct options *o, int argc, char **argv,
				    struct err *e)
{
	if (!argc)
		return options_table_wrong(
			o, e,
			o->forced ? "--forced needs a FILTER"
				  : "ssh-server needs the request "
				    "that 'btrfs-ktls-pipe ssh' "
				    "makes");
	if (o->reverse_to && !ssh_net_valid(o->reverse_to))
		return err_set(e, ERR_USAGE, 0,
			       "--reverse-to: '%s' is not a network; write it "
			       "like 192.0.2.0/24 or 2001:db8::/32",
			       o->reverse_to);
	o->words = argv;
	return 0;
}

/* A word that is no option, where only listen takes a COMMAND */
static int options_unexpected(const struct options *o, const char *word,
			      struct err *e)
{
	struct net_address ignored;
	bool listens = o->verb == OPTIONS_LISTEN;
	bool address = net_address_parse(word, strlen(word), &ignored);

	return options_table_wrong(o, e, "unexpected argument '%s'%s", word,
				   !listens  ? ""
				   : address ? ": -b chooses the address"
					     : ": write -- before a COMMAND");
}

/* One of our own addresses, or of the host that listens: without brackets */
static int options_address(struct options *o, const char *option,
			   const char **address, const char *port_option,
			   struct err *e)
{
	struct host_port at;

	if (!*address)
		return 0;
	if (host_port_parse(*address, true, &at, e) < 0)
		return err_wrap(e, "%s", option);
	if (at.port)
		return err_set(e, ERR_USAGE, 0,
			       "%s: '%s' has a port: choose that with %s",
			       option, *address, port_option);
	strcpy(o->address_text, at.host);
	*address = o->address_text;
	return 0;
}

int options_check(struct options *o, int argc, char **argv, struct err *e)
{
	if (o->verb == OPTIONS_CONNECT) {
		if (options_check_connect(o, argc, argv, e) < 0)
			return -1;
	} else if (o->verb == OPTIONS_SSH_SERVER) {
		return options_check_ssh_server(o, argc, argv, e);
	} else if (argc) {
		return options_unexpected(o, argv[0], e);
	}
	if (o->port == UINT64_MAX)
		o->port = o->verb == OPTIONS_SSH ? 0 : NET_DEFAULT_PORT;
	if (o->retry_ms == RETRY_UNSET)
		o->retry_ms = o->verb == OPTIONS_LISTEN || options_waits(o)
				      ? RETRY_LISTEN_MS
				      : RETRY_CONNECT_MS;
	if (o->command && !(o->verb & BOTH))
		return err_set(e, ERR_USAGE, 0,
			       "only connect, listen and ssh take a COMMAND");
	if (o->verb == OPTIONS_SSH && options_check_ssh(o, e) < 0)
		return -1;
	if (options_address(o, "-b", &o->bind, "-p", e) < 0 ||
	    options_address(o, "--address", &o->address, "--port", e) < 0)
		return -1;
	if (options_check_rows(o, e) < 0 || options_check_values(o, e) < 0) {
		if (o->defaults.count > 1)
			err_append(e, " (options of %s count, too)",
				   o->defaults.words[0]);
		return -1;
	}
	return o->verb & STREAM ? options_check_stream(o, e) : 0;
}
