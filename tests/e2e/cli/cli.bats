#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The command line: usage errors, help, and the agreement of program and manual.

load ../../lib/helpers

MAN=$BATS_TEST_DIRNAME/../../../man/btrfs-ktls-pipe.1

# wrong_usage REGEX ARG...: exit status 2, and one line with the reason
wrong_usage() {
	bkp 2 "${@:2}" || return
	assert_lines 1 "$ERR" || return
	assert_stderr_has "^btrfs-ktls-pipe: .*$1" || return
	[[ ! -s $OUT ]] || fail "standard output is not empty"
}

# help_of [VERB]
help_of() {
	bkp "$@" --help
	[[ ! -s $ERR ]] || fail "help on standard error"
	[[ -s $OUT ]] || fail "no help"
	awk 'length($0) > 79 { print FILENAME ": " $0; bad = 1 } /\t/ { bad = 1 }
		END { exit bad }' "$OUT" >&2 || fail "lines over 79 columns, or tabs"
}

# long_options TEXT: the --options that a text names
long_options() {
	grep -oE -- '(^|[^-a-z])--[a-z][a-z0-9-]+' "$1" | grep -oE -- '--.*' |
		LC_ALL=C sort -u
}

# The table prints its own options, with or without the dashes.
table_of() {
	bkp "$1" --long-options
	sed 's/^-*/--/' "$OUT" | LC_ALL=C sort -u
}

assert_help_is_the_table() {
	table_of "$1" >table
	help_of "$1"
	long_options "$OUT" >help
	[[ -s table ]] || fail "$1 --long-options prints nothing"
	diff table help >&2 || fail "$1: --help and --long-options differ"
}

@test "no verb: exit status 2, and --help is named" {
	wrong_usage 'btrfs-ktls-pipe --help'
}

@test "an unknown verb: exit status 2, and the verb is named" {
	wrong_usage 'conect.*--help' conect localhost
}

@test "an unknown option: exit status 2, and the option is named" {
	wrong_usage '--no-such' listen --no-such
	wrong_usage 'Z' listen -Z
	wrong_usage 'compress' connect --compress localhost
}

@test "an option without its argument: exit status 2" {
	wrong_usage 'key' connect localhost --key
	wrong_usage '-p' listen -p
}

@test "connect without a HOST, or with two: exit status 2" {
	wrong_usage 'HOST' connect -k key
	wrong_usage '' connect -k key one two
	wrong_usage '' connect -k key ''
}

@test "listen, keygen or probe with an operand: exit status 2" {
	wrong_usage 'word' listen -k key word
	wrong_usage 'word' keygen word
	wrong_usage 'word' probe word
}

@test "a port in HOST together with -p: exit status 2" {
	wrong_usage 'port' connect -k key -p 7000 localhost:7001
	wrong_usage 'port' connect -k key -p 7000 '[::1]:7001'
}

@test "a malformed HOST: exit status 2" {
	wrong_usage '' connect -k key 'localhost:'
	wrong_usage '' connect -k key 'localhost:70000'
	wrong_usage '' connect -k key 'localhost:ssh x'
	wrong_usage '' connect -k key '[::1'
	wrong_usage '' connect -k key '[::1]7000'
	wrong_usage '' connect -k key ':7000'
}

@test "user@ in HOST: exit status 2, and the message tells the user to start listen there" {
	wrong_usage "'root@host'.*no user@.*btrfs-ktls-pipe listen.*'btrfs-ktls-pipe ssh root@host COMMAND'" connect -k key root@host
	wrong_usage "no user@.*'btrfs-ktls-pipe ssh USER@HOST COMMAND'" connect -k key root@host:7000
	wrong_usage 'no user@' connect -k key 'root@[::1]:7000'
}

@test "an IPv6 address with a port but no brackets: exit status 2, and the brackets are shown" {
	wrong_usage 'write \[2001:db8::1\]:7000, or \[2001:db8::1:7000\] if all of it is the address$' \
		connect -k key 2001:db8::1:7000
	wrong_usage '\[::1\]:6330' connect -k key ::1:6330
	wrong_usage '\[2001:db8:0:0:0:0:0:1\]:70$' \
		connect -k key 2001:db8:0:0:0:0:0:1:70
	wrong_usage '\[2001:db8::1\]:17000$' connect -k key 2001:db8::1:17000
	wrong_usage '\[fe80::1%eth0\]:70$' connect -k key fe80::1%eth0:70
	wrong_usage "'a:b:c' is neither" connect -k key a:b:c
}

@test "an IPv6 address that looks like address:port is accepted in brackets, or with -p" {
	bkp 3 connect -k nowhere -p 1 2001:db8::1:1234
	bkp 3 connect -k nowhere '[2001:db8::1:1234]'
	bkp 3 connect -k nowhere '[2001:db8::1]:1234'
}

@test "a link-local address without its interface: exit status 2, and the syntax is shown" {
	wrong_usage "'fe80::1'.*fe80::1%INTERFACE" connect -k key fe80::1
	wrong_usage "'fe80::1'.*fe80::1%INTERFACE" connect -k key '[fe80::1]:7000'
	wrong_usage '-b: .*febf::1%INTERFACE' connect -k key -b febf::1 ::1
	wrong_usage '-b: .*fe80::1%INTERFACE' listen -k key -b fe80::1
	bkp 4 connect --retry 0 -k key fe80::1%nosuch0
	assert_stderr_has "is there an interface 'nosuch0' here"
}

@test "an invalid port: exit status 2" {
	wrong_usage '65536' listen -k key -p 65536
	wrong_usage '12x' listen -k key -p 12x
	wrong_usage '-1' listen -k key -p -1
	wrong_usage '' listen -k key -p ''
	wrong_usage 'port' connect -k key -p 0 localhost
}

@test "an unknown mode: exit status 2, and all modes are listed" {
	wrong_usage "tls11-rc4.*tls13-aes128-gcm" listen -k key -m tls11-rc4
	wrong_usage '' listen -k key -m ''
	wrong_usage '' listen -k key -m tls13-aes128-gcm,
}

@test "an unknown value of --ktls, --tx or --rx: exit status 2, and the value is named" {
	wrong_usage 'maybe' listen -k key --ktls maybe
	wrong_usage 'pigeon' connect -k key --tx pigeon localhost
	wrong_usage 'pigeon' listen -k key --rx pigeon
}

@test "an invalid duration: exit status 2, and the value is named" {
	wrong_usage '5x' listen -k key --wait 5x
	wrong_usage '-5s' listen -k key --wait -5s
	wrong_usage '' listen -k key --handshake-timeout ''
	wrong_usage '99999999999999999999h' listen -k key \
		--handshake-timeout 99999999999999999999h
}

@test "a name with a newline and an escape is printed as one harmless line" {
	bkp 3 connect -k $'no\nsuch\e[31m' host
	assert_lines 1 "$ERR"
	assert_stderr_has 'no\?such\?\[31m'
	bkp 2 $'no\nverb'
	assert_lines 1 "$ERR"
}

@test "--rekey-after or --buffer below 1M: exit status 2" {
	local size
	for size in 0 1 1023K; do
		bkp 2 listen --rekey-after "$size"
		assert_stderr_has '^btrfs-ktls-pipe: --rekey-after: at least 1M'
	done
	bkp 2 listen --buffer 1023K
	assert_stderr_has '^btrfs-ktls-pipe: --buffer: at least 1M'
}

@test "--tcp-buffer above 1G: exit status 2" {
	bkp 2 connect -k key --tcp-buffer 1025M localhost
	assert_stderr_has '^btrfs-ktls-pipe: --tcp-buffer: at most 1G'
}

@test "an identity with a forbidden character: exit status 2" {
	wrong_usage 'identity' connect -k key --identity -x localhost
	wrong_usage 'identity' connect -k key --identity 'a b' localhost
	wrong_usage 'identity' connect -k key --identity '' localhost
	wrong_usage 'identity' connect -k key \
		--identity "$(printf '%65s' '' | tr ' ' a)" localhost
}

@test "connect refuses to read the key from the standard input that it sends" {
	wrong_usage 'standard input' connect -k - localhost
}

@test "an option of the other verb: exit status 2" {
	wrong_usage 'wait' connect -k key --wait 1s localhost
	wrong_usage 'ready-fd' connect -k key --ready-fd 5 localhost
	wrong_usage 'json' listen -k key --json
	wrong_usage 'key' keygen --key key
}

# A number that is free when we start is that of a descriptor of ours later.
@test "a --ready-fd that is not open is refused at once, whichever it is" {
	not_under valgrind 'it has descriptors of its own'
	local fd
	for fd in 3 4 5 6 7 8 9 77; do
		(
			eval "exec $fd>&-"
			wrong_usage "--ready-fd $fd .*Bad" listen -k key \
				-b 127.0.0.1 -p 0 --wait 10ms --ready-fd "$fd"
		) || fail "$fd"
	done
}

@test "a --ready-fd that is the stream or cannot be written is refused" {
	wrong_usage '--ready-fd 1: standard output is the stream' \
		listen -k key -b 127.0.0.1 -p 0 --wait 10ms --ready-fd 1
	bkp 8 listen -k key -b 127.0.0.1 -p 0 --wait 10ms --ready-fd 5 5</dev/null
	assert_stderr_has 'cannot write to --ready-fd'
}

@test "--help goes to standard output, in at most 79 columns" {
	help_of # of each verb: below
}

@test "--help without a verb names each option once, and says where the others are" {
	bkp --help
	[[ -z $(grep -oE '^  (-., |    )--[a-z-]+' "$OUT" | sort | uniq -d) ]] ||
		fail 'an option stands there twice'
	assert_stderr_has 'VERB --help' "$OUT"
}

@test "-h prints the same as --help" {
	bkp --help
	mv "$OUT" long
	bkp -h
	assert_same_file long "$OUT"
	bkp connect --help
	mv "$OUT" long
	bkp connect -h
	assert_same_file long "$OUT"
}

@test "-V prints name and version on one line" {
	bkp -V
	assert_lines 1 "$OUT"
	assert_stderr_has '^btrfs-ktls-pipe [0-9]+\.[0-9]+' "$OUT"
	mv "$OUT" short
	bkp --version
	assert_same_file short "$OUT"
	bkp connect -V
	assert_same_file short "$OUT"
}

@test "help that cannot be written: exit status 8" {
	local code=0
	"$BKP" --help >/dev/full 2>"$ERR" || code=$?
	((code == 8)) || fail "exit status $code"
}

@test "each verb's help names exactly the options of the table" {
	local verb
	for verb in $(verbs); do
		assert_help_is_the_table "$verb"
	done
}

@test "the manual names exactly the options of the table" {
	local verb
	for verb in $(verbs); do
		table_of "$verb"
	done | LC_ALL=C sort -u >table
	grep -oE 'Fl -[a-z][a-z0-9-]+' "$MAN" | sed 's/Fl -/--/' |
		LC_ALL=C sort -u >manual
	diff table manual >&2 || fail "options of the program and of the manual differ"
	grep -ohE 'Fl -[a-z][a-z0-9-]+' "${MAN%.1}"-*.[17] | sed 's/Fl -/--/' |
		LC_ALL=C sort -u >others
	! comm -13 table others | grep . >&2 || fail "other pages name other options"
}

@test "help of a verb names its page of the manual" {
	local verb
	for verb in connect listen keygen probe; do
		grep -qxF 'See btrfs-ktls-pipe(1).' <("$BKP" "$verb" --help) || fail "$verb"
	done
	for verb in ssh ssh-server; do
		grep -qxF 'See btrfs-ktls-pipe-ssh(1).' <("$BKP" "$verb" --help) || fail "$verb"
	done
	[[ -f ${MAN%.1}-ssh.1 ]]
}

@test "the rendered manual has two dashes before each long option" {
	local verb names page
	for verb in $(verbs); do
		table_of "$verb"
	done >table
	names=$(sed 's/^--//' table | paste -sd'|')
	for page in "${MAN%.1}"*.1 "${MAN%.1}-service.7"; do
		man -l "$page" 2>/dev/null
	done | col -b >manual
	[[ -s manual ]] || skip "own kernel only: no man"
	! grep -nE -- "(^|[^-[:alnum:]])-($names)\\b" manual >&2 ||
		fail "one dash before a long option"
}

@test "the manual names every mode" {
	bkp 2 listen -m no-such-mode
	grep -oE 'tls1[23]-[a-z0-9-]+[a-z0-9]' "$ERR" | LC_ALL=C sort -u >modes
	[[ -s modes ]]
	while read -r mode; do
		grep -qF "$mode" "$MAN" || fail "$mode is not in the manual"
	done <modes
}

@test "the manual and the program know the same exit statuses" {
	sed -nE 's/^\tERR_[A-Z_]+ = ([0-9]+),.*/\1/p' \
		"$BATS_TEST_DIRNAME/../../../src/base/err.h" >program
	sed -n '/^\.Sh EXIT STATUS/,/^\.Sh EX/p' "$MAN" |
		sed -nE 's/^\.It (Er |Li |Ic )?([0-9]+)$/\2/p' >manual
	diff program manual >&2 || fail "exit statuses differ"
}
