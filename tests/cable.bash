# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A second host, in a network namespace, and a cable to it. Loaded behind
# delivery.bash.

# plug_in: its end of the cable CABLE has the address 198.51.100.2, ours
# 198.51.100.1. From then on listeners are there, and need to hear that it is not
# by mistake that both hosts have one machine's id.
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
	THERE=$TMP/there HOST=198.51.100.2 BIND=(-b "$HOST") LISTEN=(--allow-self)
}

# wire_is ARG...: what tc-netem(8) does to both directions
wire_is() {
	if ! tc qdisc add dev "$CABLE" root netem "$@" 2>tc.err; then
		[[ ! ${BKP_GUEST-} ]] || fail "$(<tc.err)" || return
		skip "no netem in this kernel: runs in the guests"
	fi
	ip netns exec "$CABLE" tc qdisc add dev "$CABLE.p" root netem "$@"
}
