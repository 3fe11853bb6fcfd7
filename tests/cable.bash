# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A second host, in a network namespace, and a cable to it. Loaded behind
# delivery.bash.
#
# SELF is what the listener needs to hear: both hosts have one machine's id.
SELF=(--allow-self)

# plug_in: its end of the cable CABLE has the address 198.51.100.2, ours
# 198.51.100.1. What runs there runs by "there".
plug_in() {
	local name=bkp$$
	[[ $(id -u) == 0 ]] || skip "own kernel only: needs root"
	ip netns add "$name" 2>ip.err ||
		skip "own kernel only: no network namespaces ($(<ip.err))"
	cleanup_add ip netns del "$name"
	ip link add "$name" type veth peer name "$name.p" netns "$name" ||
		skip "own kernel only: no veth"
	cleanup_add ip link del "$name"
	ip addr add 198.51.100.1/24 dev "$name"
	ip -n "$name" addr add 198.51.100.2/24 dev "$name.p"
	ip link set "$name" up
	ip -n "$name" link set "$name.p" up
	CABLE=$name
	printf '%s\n' '#!/bin/sh' "exec ip netns exec $name \"$BKP\" \"\$@\"" >there
	chmod +x there
}

# wire_is ARG...: what tc-netem(8) does to both directions
wire_is() {
	if ! tc qdisc add dev "$CABLE" root netem "$@" 2>tc.err; then
		[[ ! ${BKP_GUEST-} ]] || fail "$(<tc.err)" || return
		skip "no netem in this kernel: runs in the guests"
	fi
	ip netns exec "$CABLE" tc qdisc add dev "$CABLE.p" root netem "$@"
}

# cable_starts push|pull: the side that listens is there, the other one here
cable_starts() {
	local here=$BKP
	BIND=(-b 198.51.100.2)
	ktls_here
	if [[ $1 == push ]]; then
		BKP=$TMP/there start_receiver --ktls "$WHEN" "${SELF[@]}" "${RX[@]}"
		cable_connect "$SENDER_ERR" "${TX[@]}"
		SENDER_PID=$CONNECT_PID
	else
		BKP=$TMP/there RECEIVER_ERR=$SENDER_ERR spawn_receiver --send \
			--ktls "$WHEN" "${SELF[@]}" "${TX[@]}" >/dev/null
		SENDER_PID=$RECEIVER_PID
		cable_connect "$RECEIVER_ERR" --receive "${RX[@]}" >"$RECEIVED"
		RECEIVER_PID=$CONNECT_PID
	fi
	BKP=$here
}

cable_connect() {
	"$BKP_TOOLS/deadline" "$BKP_DEADLINE" "$BKP" connect -k key -p "$PORT" \
		--ktls "$WHEN" "${RETRY[@]}" "${@:2}" 198.51.100.2 \
		<&0 2>"$1" 3>&- 7>&- 8>&- &
	CONNECT_PID=$!
	PIDS+=("$CONNECT_PID")
}
