#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# --keys: many clients, each with its own identity and key.

load ../../lib/helpers
load ../../lib/keys

HEX=000102030405060708090a0b0c0d0e0f

# refuses_keys REGEX: the file "keys" leads to exit status 3, with one line that
# names it
refuses_keys() {
	bkp 3 listen --keys keys -b 127.0.0.1 -p 0 --wait 1ms || return
	assert_lines 1 "$ERR" || return
	assert_stderr_has "^btrfs-ktls-pipe: keys file keys: $1" || return
	assert_stderr_lacks '[^ -~]' || return
	(($(wc -c <"$ERR") < 300)) || fail "a line of $(wc -c <"$ERR") bytes"
}

# --- clients that are accepted

@test "each client is accepted with its own key" {
	local name
	make_keys keys alice bob carol@backup.example
	for name in bob alice carol@backup.example; do
		listens --keys keys
		sends_as "$name" <<<"from $name"
		wait_listener 0
		[[ $(<listener.out) == "from $name" ]] || fail "$(<listener.out)"
	done
}

@test "each client is accepted with its own key in TLS 1.2" {
	local name
	make_keys keys alice bob
	for name in alice bob; do
		listens --keys keys -m tls12-aes128-gcm
		sends_as "$name" -m tls12-aes128-gcm <<<"from $name"
		wait_listener 0
		[[ $(<listener.out) == "from $name" ]] || fail "$(<listener.out)"
	done
}

@test "connect --identity names the identity for a key file without one" {
	make_keys keys alice
	head -c 32 /dev/urandom >raw.key
	echo "bob:$(od -An -v -tx1 raw.key | tr -d ' \n')" >>keys
	listens --keys keys
	sends_as raw --identity bob <<<word
	wait_listener 0
	[[ $(<listener.out) == word ]]
}

@test "the manual's recipe makes a line that is also the client's key file" {
	local recipe
	recipe=$(sed -n 's/^btrfs-ktls-pipe \(keygen --identity host1\)/\1/p' \
		"$BATS_TEST_DIRNAME/../../../man/btrfs-ktls-pipe.1")
	[[ $recipe ]]
	eval "bkp $recipe"
	cat host1.key >keys
	listens --keys keys
	sends_as host1 <<<word
	wait_listener 0
	[[ $(<listener.out) == word ]]
}

@test "another client's key: connect exits 5, listen continues" {
	make_keys keys alice bob
	sed 's/^alice/bob/' alice.key >thief.key
	listens --keys keys
	sends_as thief 5 <<<secret
	listener_says "refused 127.*another key for identity 'bob'"
	sends_as bob <<<word
	wait_listener 0
	[[ $(<listener.out) == word ]]
}

# stripped: the client's last message, without names and ports
stripped() {
	sed "s/'[a-z]*'/NAME/; s/:[0-9]*:/:PORT:/" "$ERR"
}

@test "to the client an unknown identity looks like a wrong key" {
	make_keys keys alice
	make_key wrong.key alice
	make_key unknown.key mallory
	listens --keys keys
	sends_as wrong 5 <<<secret
	stripped >one
	sends_as unknown 5 <<<secret
	stripped >two
	assert_same_file one two
	listener_says "identity 'mallory' is unknown"
	sends_as alice </dev/null
	wait_listener 0
}

# --- the environment of COMMAND

@test "COMMAND finds identity, method, peer and stream in its environment" {
	local stream='^BTRFS_KTLS_PIPE_STREAM=[0-9a-f]{32}$'
	make_keys keys alice bob
	listens --keys keys -- sh -c 'env; cat'
	bkp connect -k bob.key -p "$PORT" --ktls "$WHEN" "${RETRY[@]}" \
		127.0.0.1 -- sh -c 'env >sender.env'
	wait_listener 0
	assert_stderr_has '^BTRFS_KTLS_PIPE_IDENTITY=bob$' listener.out
	assert_stderr_has '^BTRFS_KTLS_PIPE_METHOD=psk$' listener.out
	assert_stderr_has '^BTRFS_KTLS_PIPE_PEER=127\.0\.0\.1:[0-9]+$' listener.out
	assert_stderr_has "$stream" listener.out
	assert_stderr_has '^BTRFS_KTLS_PIPE_IDENTITY=bob$' sender.env
	assert_stderr_has "^BTRFS_KTLS_PIPE_PEER=127\.0\.0\.1:$PORT\$" sender.env
	diff <(grep -E "$stream" listener.out) <(grep -E "$stream" sender.env)
	run ! grep -q "$(cut -d: -f2 bob.key)" listener.out sender.env
}

@test "with a password COMMAND gets a method but no identity" {
	echo secret >password
	bkp 4 listen --password-file password -b 127.0.0.1 -p 0 --wait 1ms ||
		{ has_line 'without libsodium' "$ERR" && skip 'built without libsodium'; }
	listens --password-file password -- sh -c 'env; cat'
	bkp connect --password-file password -p "$PORT" --ktls "$WHEN" \
		"${RETRY[@]}" 127.0.0.1 -- sh -c 'env >sender.env'
	wait_listener 0
	for f in listener.out sender.env; do
		assert_stderr_lacks '^BTRFS_KTLS_PIPE_IDENTITY=' "$f"
		assert_stderr_has '^BTRFS_KTLS_PIPE_METHOD=password$' "$f"
	done
}

@test "inherited variables with our names do not reach COMMAND" {
	export BTRFS_KTLS_PIPE_IDENTITY=root BTRFS_KTLS_PIPE_X=1
	export BTRFS_KTLS_PIPE_=2 BTRFS_KTLS_PIPES=kept
	WHEN=off
	listens -m none -- sh -c 'env; cat'
	bkp connect -m none -p "$PORT" "${RETRY[@]}" 127.0.0.1 \
		-- sh -c 'env >sender.env'
	wait_listener 0
	for f in listener.out sender.env; do
		assert_stderr_lacks '^BTRFS_KTLS_PIPE_(IDENTITY|X|)=' "$f"
		assert_stderr_has '^BTRFS_KTLS_PIPE_METHOD=none$' "$f"
		assert_stderr_has '^BTRFS_KTLS_PIPES=kept$' "$f"
	done
}

@test "with --raw COMMAND gets an identity but no stream" {
	make_keys keys alice
	listens --keys keys --raw -- sh -c 'env; cat'
	sends_as alice --raw </dev/null
	wait_listener 0
	assert_stderr_has '^BTRFS_KTLS_PIPE_IDENTITY=alice$' listener.out
	assert_stderr_lacks '^BTRFS_KTLS_PIPE_STREAM=' listener.out
}

# --- the file

@test "a --keys file that is missing, a directory or readable by others: exit status 3" {
	refuses_keys 'cannot be opened: No such file'
	echo "a:$HEX" >keys
	chmod 640 keys
	refuses_keys "is open to others .mode 0640.; run 'chmod 600 keys'"
	rm keys
	mkdir -m 700 keys
	refuses_keys 'is a directory'
}

@test "a --keys file that is empty or has only comments: exit status 3" {
	: >keys
	refuses_keys 'has no key; write a line identity:hex'
	printf '# nobody\n\n' >keys
	refuses_keys 'has no key; write a line identity:hex'
}

@test "a PEM file as --keys: exit status 3, and keygen --identity is named" {
	bkp keygen -o keys
	refuses_keys 'holds a PEM block, .*keygen --identity NAME'
	head -c 100 /dev/urandom | base64 >keys
	refuses_keys 'line 1: is not identity:hex; .*keygen --identity NAME'
}

@test "lines printed by keygen --identity make a --keys file" {
	bkp keygen --identity alice -o alice.key
	bkp keygen --identity bob -o bob.key
	printf '\xef\xbb\xbf' | cat - alice.key bob.key >keys
	listens --keys keys
	sends_as bob <<<word
	wait_listener 0
	[[ $(<listener.out) == word ]]
}

@test "a --keys file in UTF-16, or with blanks or quotation marks in a line: exit status 3" {
	printf 'a:%s\n' "$HEX" | iconv -t UTF-16 >keys
	refuses_keys 'is UTF-16 text'
	printf 'a:%s\nb: %s\n' "$HEX" "$HEX" >keys
	refuses_keys 'line 2: has a blank'
	printf 'a:"%s"\n' "$HEX" >keys
	refuses_keys 'line 1: has quotation marks'
}

@test "an identity with shell metacharacters: exit status 3, and it is not printed" {
	printf '# x\na:%s\n$(reboot);`id`:%s\n' "$HEX" "$HEX" >keys
	refuses_keys 'line 3: has no proper identity'
	assert_stderr_lacks 'reboot' # foreign
}

@test "an identity with a NUL, a newline or an escape: exit status 3" {
	printf 'a\0b:%s\n' "$HEX" >keys
	refuses_keys 'line 1: has no proper identity'
	printf 'a\nb:%s\n' "$HEX" >keys
	refuses_keys 'line 1: is not identity:hex'
	printf 'a\033[2J:%s\n' "$HEX" >keys
	refuses_keys 'line 1: has no proper identity'
}

@test "an identity of 1 MB: exit status 3, and a short message" {
	{
		head -c 1000000 /dev/zero | tr '\0' a
		echo ":$HEX"
	} >keys
	refuses_keys 'line 1: has no proper identity: 1 to 64'
}

@test "a --keys file of more than 8 MiB: exit status 3" {
	head -c 9000000 /dev/zero | tr '\0' '#' >keys
	refuses_keys 'is too long'
}

@test "a duplicate identity: exit status 3, and both lines are named" {
	printf 'a:%s\n\nb:%s\na:%s\n' "$HEX" "$HEX" "$HEX" >keys
	refuses_keys 'line 4: has the identity of line 1'
}

@test "a key that is not hex, has an odd digit, is too short or too long: exit status 3" {
	printf 'a:%s\nb:0g%s\n' "$HEX" "$HEX" >keys
	refuses_keys 'line 2: its key is not made of hex'
	printf 'a:%s0\n' "$HEX" >keys
	refuses_keys 'line 1: its key has an odd number'
	printf 'a:%s\n' "${HEX%0f}" >keys
	refuses_keys 'line 1: its key is too short: 15 bytes'
	{
		printf a:
		head -c 1026 /dev/zero | tr '\0' 0
	} >keys
	refuses_keys 'line 1: its key is too long: 513 bytes'
}

@test "--keys reads a pipe, and standard input" {
	make_keys keys alice
	bkp 4 listen --keys <(cat keys) -b 127.0.0.1 -p 0 --wait 1ms
	bkp 4 listen --keys - -b 127.0.0.1 -p 0 --wait 1ms <keys
}

@test "--keys with another credential, with -m none, or for connect: exit status 2" {
	make_keys keys alice
	bkp 2 listen --keys keys -k key
	assert_stderr_has 'cannot be used with --key$'
	bkp 2 listen --keys keys --identity alice
	assert_stderr_has 'cannot be used with --identity'
	bkp 2 listen --keys keys -m none
	assert_stderr_has 'cannot be used with --mode none: it encrypts nothing'
	bkp 2 listen --keys - --send
	assert_stderr_has 'standard input is the stream'
	bkp 2 connect --keys keys host
}
