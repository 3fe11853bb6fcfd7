#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Key files: keygen, the files that are accepted and those that are refused.

load ../../lib/helpers
load ../../lib/delivery

# A listener without a client exits 4: its key was accepted.
takes_key() {
	bkp 4 listen -k "$1" -b 127.0.0.1 -p 0 --wait 1ms
}

# refuses_key FILE REGEX: exit status 3 with one line that names the file and
# the reason
refuses_key() {
	bkp 3 listen -k "$1" -b 127.0.0.1 -p 0 --wait 1ms || return
	assert_lines 1 "$ERR" || return
	assert_stderr_has "^btrfs-ktls-pipe: key file $1: .*$2"
}

# put FILE: standard input into a file, of mode 0600 as the umask is
put() {
	cat >"$1"
}

# binary N: N bytes that are not text
binary() {
	printf "%$1s" '' | tr ' ' '\377'
}

# hex N: N bytes as hex digits
hex() {
	printf "%$((2 * $1))s" '' | tr ' ' d
}

pem() {
	printf -- '-----BEGIN %s-----\n' "$1"
	head -c "${2:-48}" /dev/urandom | base64
	printf -- '-----END %s-----\n' "$1"
}

# transfers LISTEN_KEY CONNECT_KEY
transfers() {
	start_receiver -k "$1" --ktls off
	bkp_send -k "$2" --ktls off <<<word
	wait_receiver 0
}

# The bytes of a key file that keygen made, as hex digits.
key_bytes() {
	grep -v -- '^---' "$1" | base64 -d | od -An -v -tx1 | tr -d ' \n'
}

# --- keygen

@test "keygen -o makes a file of mode 0600 whatever the umask is" {
	(umask 0 && bkp keygen -o new)
	[[ $(stat -c %a new) == 600 ]] || fail "mode $(stat -c %a new)"
	(umask 0777 && bkp keygen -o other)
	[[ $(stat -c %a other) == 600 ]] || fail "mode $(stat -c %a other)"
}

@test "keygen makes a key of 32 bytes, as PEM, and a different one each time" {
	bkp keygen -o one
	bkp keygen -o two
	[[ $(key_bytes one) =~ ^[0-9a-f]{64}$ ]] || fail "$(key_bytes one)"
	[[ $(key_bytes one) != "$(key_bytes two)" ]]
	head -1 one | grep -q '^-----BEGIN .*-----$'
	takes_key one
}

@test "keygen -o prints nothing" {
	bkp keygen -o new
	[[ ! -s $OUT && ! -s $ERR ]]
}

@test "keygen never overwrites a file" {
	echo precious >old
	bkp 3 keygen -o old
	assert_stderr_has '^btrfs-ktls-pipe: .*old'
	[[ $(<old) == precious ]]
}

@test "keygen does not write through a symbolic link" {
	ln -s elsewhere link
	bkp 3 keygen -o link
	[[ ! -e elsewhere ]]
}

@test "keygen that cannot create its file names the path" {
	bkp 3 keygen -o no-such-dir/key
	assert_stderr_has '^btrfs-ktls-pipe: .*no-such-dir/key.*No such file'
}

@test "keygen without -o writes the key to standard output" {
	bkp keygen
	put printed <"$OUT"
	takes_key printed
}

@test "keygen --identity makes a line NAME:hex, with a different key each time" {
	bkp keygen --identity host1
	put one <"$OUT"
	[[ $(<one) =~ ^host1:[0-9a-f]{64}$ ]] || fail "$(<one)"
	assert_lines 1 one
	bkp keygen --identity host1
	run ! cmp -s one "$OUT"
	takes_key one
}

@test "keygen --identity -o makes a file of mode 0600 that serves both sides as the key" {
	(umask 0 && bkp keygen --identity host1 -o new)
	[[ $(stat -c %a new) == 600 ]] || fail "mode $(stat -c %a new)"
	transfers new new
	bkp 3 keygen --identity host1 -o new
	assert_stderr_has 'will not overwrite new'
}

@test "keygen --identity with an invalid name: exit status 2" {
	local name
	for name in '' a:b ' a' 'a b' .a a/b $'a\n' $'\e[2J' "$(printf '%065d' 0)"; do
		bkp 2 keygen --identity "$name" -o new
		assert_stderr_has '^btrfs-ktls-pipe: --identity: an identity is 1 to 64'
		[[ ! -e new ]] || fail "a key for '$name'"
	done
	bkp keygen --identity "$(printf '%064d' 0)" -o new
	takes_key new
}

@test "keygen that cannot write: exit status 8" {
	local code=0
	"$BKP" keygen >/dev/full 2>"$ERR" || code=$?
	((code == 8)) || fail "exit status $code"
}

@test "keygen that cannot write all of its file leaves none" {
	not_under valgrind 'its log is limited, too'
	# Its messages go into a pipe, which has no limit.
	run -8 bash -c 'ulimit -f 0 && exec "$0" keygen -o new' "$BKP"
	[[ $output == 'btrfs-ktls-pipe: cannot write new: File too large (raise the limit on the size of a file: ulimit -f, or LimitFSIZE= in a unit; or use a file system that allows larger files)' ]] ||
		fail "$output"
	[[ ! -e new ]] || fail 'the file is there'
}

@test "keygen into a file that others can read says so, and what to do, but not with -q" {
	(umask 022 && bkp keygen)
	assert_stderr_has "open to others; use 'keygen -o FILE', or 'chmod 600'"
	assert_lines 1 "$ERR"
	bkp keygen -q
	[[ ! -s $ERR ]] || fail "$(<"$ERR")"
}

# --- files that are accepted

@test "PEM, identity:hex and raw bytes give the same key" {
	bkp keygen -o pem
	printf 'btrfs:%s\n' "$(key_bytes pem)" | put hex
	grep -v -- '^---' pem | base64 -d | put raw
	transfers pem hex
	transfers hex raw
	transfers raw pem
}

@test "text around a PEM block is ignored" {
	bkp keygen -o pem
	{
		printf 'Key of the backup host\n\n'
		cat pem
		printf '\nmade on a Monday\n'
	} | put prose
	transfers pem prose
}

@test "upper case hex, a missing newline and CR LF are accepted" {
	printf 'btrfs:%s' "${KEY_HEX^^}" | put upper
	printf 'btrfs:%s\r\n' "$KEY_HEX" | put crlf
	transfers upper key
	transfers key crlf
}

# Characters that editors put around a line are not part of the key.
@test "a byte order mark, comments, blank lines and CR are ignored" {
	printf '\xef\xbb\xbf# key of the backup host\r\n\r\nbtrfs:%s\r\n\r\n' \
		"$KEY_HEX" | put windows
	printf '# one\n\n \t\n#two\nbtrfs:%s\n# three' "$KEY_HEX" | put comments
	transfers windows key
	transfers key comments
}

@test "keys of 16 and of 512 bytes are accepted" {
	binary 16 | put raw16
	binary 512 | put raw512
	echo "a:$(hex 16)" | put hex16
	echo "a:$(hex 512)" | put hex512
	takes_key raw16
	takes_key raw512
	takes_key hex16
	takes_key hex512
	pem 'BTRFS-KTLS-PIPE PRE-SHARED KEY' 512 | put pem512
	takes_key pem512
}

@test "a key of less than 16 bytes is refused" {
	binary 15 | put raw
	echo "a:$(hex 15)" | put hex
	pem 'BTRFS-KTLS-PIPE PRE-SHARED KEY' 15 | put pem
	refuses_key raw 'too short.*keygen'
	refuses_key hex 'too short.*keygen'
	refuses_key pem 'too short.*keygen'
}

@test "a key of more than 512 bytes is refused" {
	binary 513 | put raw
	binary 100000 | put huge
	echo "a:$(hex 513)" | put hex
	pem 'BTRFS-KTLS-PIPE PRE-SHARED KEY' 513 | put pem
	refuses_key raw 'too long.*keygen'
	refuses_key huge 'too long.*keygen'
	refuses_key hex 'too long.*keygen'
	refuses_key pem 'too long.*keygen'
}

@test "a long printable line is accepted as a key" {
	echo 'correct horse battery staple, again' | put line
	takes_key line
}

@test "an endless key file is refused instead of read for ever" {
	refuses_key /dev/zero 'too long'
}

@test "the key can come through a pipe" {
	takes_key <(cat key)
	takes_key /dev/fd/8 8< <(cat key)
}

@test "a key file that is a pipe without a writer: after 3 s that is told, and its writer may come" {
	mkfifo pipe
	"$BKP_TOOLS/deadline" 30 "$BKP" listen -k pipe -b 127.0.0.1 -p 0 \
		--wait 1ms 2>"$ERR" 3>&- &
	PIDS+=($!)
	until_true has_line 'waiting for the end of pipe: ' "$ERR"
	cat key >pipe
	wait_for 4 $! listener "$ERR"
	assert_stderr_has 'no peer authenticated within --wait' "$ERR"
}

@test "listen -k - reads the key from standard input" {
	takes_key - <key
	takes_key - < <(cat key)
}

@test "without -k the key file in /etc is used" {
	[[ $(id -u) == 0 ]] && unshare -m true 2>/dev/null ||
		skip "own kernel only: needs root and a mount namespace"
	cat >inside <<-END
		mount -t tmpfs tmpfs /etc && mkdir /etc/btrfs-ktls-pipe &&
		cp key /etc/btrfs-ktls-pipe/key && chmod 600 /etc/btrfs-ktls-pipe/key &&
		exec "$BKP" listen -b 127.0.0.1 -p 0 --wait 1ms
	END
	run -4 unshare -m sh inside
}

# --- files that are refused

@test "no key and no terminal to ask on: exit status 3, and keygen is named" {
	[[ ! -e /etc/btrfs-ktls-pipe/key ]] ||
		skip "own kernel only: /etc/btrfs-ktls-pipe/key exists"
	run -3 setsid -w "$BKP" listen -b 127.0.0.1 -p 0 --wait 1ms
	assert_stderr_has '^btrfs-ktls-pipe: .*keygen' <(echo "$output")
	run -3 setsid -w "$BKP" connect -p 1 127.0.0.1
	assert_stderr_has '^btrfs-ktls-pipe: .*keygen' <(echo "$output")
}

@test "a missing key file is refused, and keygen is named" {
	refuses_key missing 'No such file.*keygen -o missing'
}

@test "a key file that cannot be opened is refused" {
	ln -s loop loop
	refuses_key loop 'cannot be opened|Too many levels'
}

@test "a key file that cannot be read is refused" {
	refuses_key /proc/self/mem 'cannot be (read|opened)'
}

@test "an empty key file is refused" {
	put empty </dev/null
	refuses_key empty 'empty.*keygen'
}

@test "a directory is refused" {
	mkdir dir
	refuses_key dir 'directory'
}

@test "a key file that others can read is refused; the message has its mode and the remedy" {
	chmod 0604 key
	refuses_key key "mode 0604.*chmod 600 key"
	chmod 0644 key
	refuses_key key "mode 0644.*chmod 600 key"
}

@test "a key file that the group can read or write is refused" {
	chmod 0640 key
	refuses_key key 'mode 0640'
	chmod 0620 key
	refuses_key key 'mode 0620'
}

@test "under CREDENTIALS_DIRECTORY a key file may be readable by its group" {
	mkdir credentials
	mv key credentials/key
	chmod 0440 credentials/key
	CREDENTIALS_DIRECTORY=$TMP/credentials takes_key credentials/key
}

@test "under CREDENTIALS_DIRECTORY a key file that the group may write or others read is refused" {
	export CREDENTIALS_DIRECTORY=$TMP/credentials
	mkdir credentials
	mv key credentials/key
	chmod 0460 credentials/key
	refuses_key credentials/key 'mode 0460'
	chmod 0444 credentials/key
	refuses_key credentials/key 'mode 0444'
}

@test "outside CREDENTIALS_DIRECTORY a key file that the group may read is refused" {
	mkdir credentials credentials-of-others
	mv key credentials-of-others/key
	chmod 0440 credentials-of-others/key
	CREDENTIALS_DIRECTORY=$TMP/credentials \
		refuses_key credentials-of-others/key 'mode 0440'
	CREDENTIALS_DIRECTORY=$TMP/no-such-folder \
		refuses_key credentials-of-others/key 'mode 0440'
}

@test "PEM of a certificate, a CRL, a public or a private key is refused" {
	local label
	for label in CERTIFICATE 'TRUSTED CERTIFICATE' 'X509 CRL' 'PUBLIC KEY' \
		'RSA PUBLIC KEY' 'PRIVATE KEY' 'EC PRIVATE KEY' \
		'ENCRYPTED PRIVATE KEY' 'OPENSSH PRIVATE KEY' \
		'CERTIFICATE REQUEST' 'DH PARAMETERS'; do
		pem "$label" | put pem
		refuses_key pem 'no pre-shared key.*keygen'
	done
}

@test "a real certificate is refused" {
	openssl req -x509 -newkey rsa:1024 -nodes -subj /CN=x -batch \
		-keyout private -out public 2>/dev/null
	chmod 600 private public
	refuses_key public 'no pre-shared key'
	refuses_key private 'no pre-shared key'
}

@test "a key followed by a certificate is refused" {
	bkp keygen -o both
	pem CERTIFICATE >>both
	refuses_key both 'no pre-shared key'
}

@test "PEM that does not parse is refused" {
	bkp keygen -o whole
	head -2 whole | put cut
	refuses_key cut 'does not parse'
	sed 's/^-----END.*//' whole | put endless
	refuses_key endless 'does not parse'
	printf -- '-----BEGIN' | put begin
	refuses_key begin 'does not parse'
	sed '2s/^..../%%%%/' whole | put garbled
	refuses_key garbled 'does not parse'
}

@test "a certificate is not called a secret, nor a malformed identity:hex a password alone" {
	printf -- '-----BEGIN CERTIFICATE-----\nMIIB\n' >cert
	chmod 644 cert
	refuses_key cert 'a certificate, which is no secret'
	assert_stderr_lacks chmod
	echo alice:zz | put malformed
	refuses_key malformed 'malformed identity:hex; make a key'
	refuses_key nowhere "keygen -o nowhere', or copy the other host's"
}

@test "a short printable line is refused because it looks like a password" {
	echo 'correct horse battery staple' | put password
	refuses_key password 'looks like a password.*keygen'
	printf '0123456789012345678901234567890' | put thirty-one
	refuses_key thirty-one 'looks like a password.*keygen'
}

@test "an OpenSSH public key is refused" {
	echo "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8v5yLm2Yy1 root@host" | put ssh
	refuses_key ssh 'public.*keygen'
	echo "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAI x" | put ecdsa
	refuses_key ecdsa 'public.*keygen'
}

@test "an almost valid identity:hex line is refused" {
	echo "btrfs:${KEY_HEX}0" | put odd
	refuses_key odd 'odd'
	printf '%s\n%s\n' "one:$KEY_HEX" "two:$KEY_HEX" | put two
	refuses_key two 'more than one'
}

@test "a damaged identity:hex line is refused with its flaw, never taken for another key" {
	printf '# x\nbtrfs: %s\n' "$KEY_HEX" | put blank
	refuses_key blank 'line 2: has a blank'
	printf '"btrfs:%s"\n' "$KEY_HEX" | put quotes
	refuses_key quotes 'line 1: .*quotation marks'
	printf 'btrfs:%s\n' "$KEY_HEX" | iconv -t UTF-16 | put utf16
	refuses_key utf16 'UTF-16.*iconv'
	printf 'btrfs:%s\n' "$KEY_HEX" | iconv -t UTF-16BE | put utf16be
	refuses_key utf16be 'UTF-16'
	printf 'btrfs:%s\0\n' "$KEY_HEX" | put nul
	refuses_key nul 'line 1: has a NUL'
	printf 'btrfs=%s\n' "$KEY_HEX" | put equals
	refuses_key equals 'line 1: is not identity:hex'
	printf 'btrfs:%sg\n' "${KEY_HEX%?}" | put digit
	refuses_key digit 'line 1: .*hex digits alone'
}

@test "text that would be a key only together with its comment or newline is refused" {
	printf '# mine\ncorrect horse battery staple, again\n' | put comment
	refuses_key comment 'line 1 is a comment.*would be a part of the key'
	printf 'correct horse battery staple, again\r\n' | put crlf
	refuses_key crlf 'line 1 has a carriage return'
	printf '\xef\xbb\xbfcorrect horse battery staple, again\n' | put mark
	refuses_key mark 'byte order mark'
}

@test "a PEM block without its first line is refused" {
	bkp keygen -o whole
	tail -n +2 whole | put tail
	refuses_key tail 'looks like a PEM block'
}

@test "a key file of another user than root is refused, and its owner is named" {
	[[ $(id -u) == 0 ]] || skip "own kernel only: needs root"
	chown 12345 key
	refuses_key key "uid 12345.*chown 0 key"
	bkp 3 listen -k - -b 127.0.0.1 -p 0 --wait 1ms <key
	assert_stderr_has 'uid 12345'
	bkp 3 listen --keys key -b 127.0.0.1 -p 0 --wait 1ms
	assert_stderr_has 'keys file key: .*uid 12345'
	bkp 3 listen --password-file key -b 127.0.0.1 -p 0 --wait 1ms
	assert_stderr_has 'password file key: .*uid 12345|without libsodium'
	takes_key <(cat key)
}

# places_of HEX PID...: sets PLACES to the places of the key in their memory
places_of() {
	"$BKP_TOOLS/findkey" "$@" 3>&- | sort -u >places
	mapfile -t PLACES <places
}

@test "a key is in memory once, and neither in the launcher nor in another child process" {
	[[ $(id -u) == 0 ]] || skip "own kernel only: reads the memory of others, as root"
	not_under valgrind "it has memory of its own"
	not_under sanitizers "they keep what was freed"
	local hex form FAMILY
	bkp keygen -o pem
	hex=$(key_bytes pem)
	printf 'btrfs:%s\n' "$hex" | put line
	have_fifo in
	for form in "-k pem" "-k line" "--keys line"; do
		read -ra SERVER <<<"$form"
		start_receiver --ktls "$WHEN" -- cat
		places_of "$hex" "$RECEIVER_PID"
		((${#PLACES[@]} == 1)) || fail "$form:" "${PLACES[@]}"
		exec 8<>in
		CREDENTIAL=(-k "${SERVER[1]}")
		spawn_sender --ktls "$WHEN" <in
		echo word >&8
		until_true grep -q word "$RECEIVED"
		mapfile -t FAMILY < <(echo "$RECEIVER_PID"; family_of "$RECEIVER_PID")
		((${#FAMILY[@]} == 4)) || fail "no supervisor: ${FAMILY[*]}"
		places_of "$hex" "${FAMILY[@]}"
		((${#PLACES[@]} == 1)) || fail "$form:" "${PLACES[@]}"
		places_of "$hex" "$SENDER_PID"
		((${#PLACES[@]} == 1)) || fail "$form, sender:" "${PLACES[@]}"
		exec 8>&-
		wait_sender 0
		wait_receiver 0
	done
}

# The ticket lies behind its name, which ClientHello shows when a stream
# resumes.
@test "the ticket of a stream is in memory, and in no child process" {
	[[ $(id -u) == 0 ]] || skip "own kernel only: reads the memory of others, as root"
	not_under valgrind "it has memory of its own"
	not_under sanitizers "they keep what was freed"
	local name FAMILY PID
	have_fifo in
	exec 8<>in
	RETRY=(--retry 60s)
	start_receiver --ktls "$WHEN" -- cat
	start_relay rst -a 20000 -k 1 -d sent
	spawn SENDER_PID "$SENDER_ERR" connect -k key -p "$PORT" "${RETRY[@]}" \
		--ktls "$WHEN" 127.0.0.1 -- cat in
	printf '%040000d\n' 0 >&8
	until_true has_line 'resumes at byte' "$SENDER_ERR"
	name=$(grep -aoE '[0-9a-f]{32}' sent.1 | head -n 1)
	name=$(printf %s "$name" | od -An -v -tx1 | tr -d ' \n')
	for PID in "$RECEIVER_PID" "$SENDER_PID"; do
		mapfile -t FAMILY < <(echo "$PID"; family_of "$PID")
		((${#FAMILY[@]} == 4)) || fail "no supervisor: ${FAMILY[*]}"
		places_of "$name" "$PID"
		((${#PLACES[@]})) || fail "the name is not found"
		places_of "$name" "${FAMILY[@]:1}"
		((!${#PLACES[@]})) || fail "in a child:" "${PLACES[@]}"
	done
	exec 8>&-
	kill "$SENDER_PID" "$RECEIVER_PID"
}

@test "core dumps are off before a key is read" {
	mkfifo pipe
	"$BKP_TOOLS/deadline" 30 "$BKP" listen -k pipe -b 127.0.0.1 -p 0 \
		--wait 1ms 2>"$ERR" 3>&- &
	PIDS+=($!)
	exec 8>pipe # waits until it is there to read
	grep -Eq '^Max core file size +0 ' "/proc/$!/limits" || {
		exec 8>&-
		fail "$(grep core "/proc/$!/limits")"
	}
	cat key >&8
	exec 8>&-
	wait_for 4 $! listener "$ERR"
}

# --- files that cannot be opened

# Runs the program as another user than root, so that file modes apply.
unprivileged() {
	[[ $(id -u) != 0 ]] ||
		wrapped '' 'setpriv --bounding-set=-all --inh-caps=-all'
}

@test "a key file that only root may read: exit status 3, with advice to use sudo, not keygen" {
	unprivileged
	chmod 0 key
	refuses_key key 'Permission denied.*by root only.*sudo'
	assert_stderr_lacks keygen
	bkp 3 listen --password-file key -p 0 --wait 1ms
	assert_stderr_has 'password file key: .*sudo'
	bkp 3 listen --keys key -p 0 --wait 1ms
	assert_stderr_has 'key: .*sudo'
}
