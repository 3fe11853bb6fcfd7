# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A listener with many keys, and its clients. Loaded after helpers.bash.

# make_keys FILE NAME...: a line for each client, and its key file NAME.key
make_keys() {
	local name file=$1
	: >"$file"
	for name in "${@:2}"; do
		make_key "$name.key" "$name"
		cat "$name.key" >>"$file"
	done
}

# listens OPTION... [-- COMMAND]: starts a listener on any port; sets
# PORT and LISTENER_PID; its messages are in listener.err, its output in
# listener.out
listens() {
	spawn LISTENER_PID listener.err listen -b 127.0.0.1 -p 0 --ktls "$WHEN" \
		"$@" </dev/null >listener.out
}

# credential_of NAME: sets CREDENTIAL to the options for its key, or if
# CERTIFIED for its certificate (certs.bash)
credential_of() {
	CREDENTIAL=(-k "$1.key")
	[[ ! ${CERTIFIED-} ]] || client_is "$1"
}

# sends_as NAME [CODE] [OPTION]...: sends standard input as NAME
sends_as() {
	local want=0 name=$1
	shift
	if [[ ${1-} =~ ^[0-9]+$ ]]; then
		want=$1
		shift
	fi
	credential_of "$name"
	bkp_send "$want" --ktls "$WHEN" "$@"
}

# listener_says REGEX: waits for such a line in listener.err
listener_says() {
	PATIENT=${PATIENT:-15} until_true has_line "$1" listener.err && return
	show listener.err
	fail "the listener does not say $1"
}

wait_listener() {
	wait_for "$1" "$LISTENER_PID" listener listener.err
}
