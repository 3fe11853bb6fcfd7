# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A second host, in a network namespace, and a cable to it. Loaded after
# delivery.bash.

. "${BASH_SOURCE[0]%/*}/netns.bash"

# plug_in: the other host has the address HOST on the cable CABLE, ours has
# NEAR, and nobody has SPARE; IPv6 addresses of the test begin with SITE. All of
# these differ between tests that run at the same time. From then on listeners
# run on the other host. They need --allow-self, because both hosts have the
# same machine id.
plug_in() {
	local name net=198.51.100
	other_host
	name=$CABLE
	NEAR=$net.$((NUMBER + 1)) HOST=$net.$((NUMBER + 2))
	SPARE=$net.$((NUMBER + 3)) SITE=2001:db8:$NUMBER
	ip link add "$name" type veth peer name "$name.p" netns "$name" ||
		skip "own kernel only: no veth"
	cleanup_add ip link del "$name"
	ip addr add "$NEAR/29" dev "$name"
	ip -n "$name" addr add "$HOST/29" dev "$name.p"
	ip link set "$name" up
	ip -n "$name" link set "$name.p" up
	listen_there
}

listen_there() {
	printf '%s\n' '#!/bin/sh' \
		"exec ip netns exec $CABLE \"$BKP\" \"\$@\"" >there
	chmod +x there
	THERE=$TMP/there BIND=(-b "$HOST") LISTEN=(--allow-self)
}

# plug_in_router: the same with a router between the hosts that passes on no
# packet of more than 1000 bytes, and does not say so (a black hole): its own
# packets get nowhere
plug_in_router() {
	local net=198.51.100 router
	other_host
	router=$CABLE.r
	ip netns add "$router"
	cleanup_add ip netns del "$router"
	ip link add "$CABLE" type veth peer name near netns "$router" ||
		skip "own kernel only: no veth"
	cleanup_add ip link del "$CABLE"
	ip -n "$router" link add far type veth peer name v netns "$CABLE"
	HOST=$net.$((NUMBER + 6))
	ip addr add "$net.$((NUMBER + 1))/30" dev "$CABLE"
	ip -n "$router" addr add "$net.$((NUMBER + 2))/30" dev near
	ip -n "$router" addr add "$net.$((NUMBER + 5))/30" dev far
	ip -n "$CABLE" addr add "$HOST/30" dev v
	ip link set "$CABLE" up
	ip -n "$router" link set near up mtu 1000
	ip -n "$router" link set far up mtu 1000
	ip -n "$CABLE" link set v up
	ip route add "$net.$((NUMBER + 4))/30" via "$net.$((NUMBER + 2))"
	ip -n "$CABLE" route add default via "$net.$((NUMBER + 5))"
	ip netns exec "$router" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	ip -n "$router" rule add iif lo blackhole
	listen_there
}

# wire_is ARG...: tc-netem(8) does this in both directions
wire_is() {
	if ! tc qdisc add dev "$CABLE" root netem "$@" 2>tc.err; then
		[[ ! ${BKP_GUEST-} ]] || fail "$(<tc.err)" || return
		skip "no netem in this kernel: runs in the guests"
	fi
	ip netns exec "$CABLE" tc qdisc add dev "$CABLE.p" root netem "$@"
}

# net_alone: from then on the program and the relay run in a network of their
# own, where the host has the addresses 127.0.0.1 and 198.51.100.1. Packets to
# 198.51.100.9 are lost silently.
net_alone() {
	local name=bkpn$$
	[[ $(id -u) == 0 ]] || skip "own kernel only: needs root"
	ip netns add "$name" 2>ip.err || no_namespace || return
	cleanup_add ip netns del "$name"
	ip -n "$name" link add v type veth peer name w ||
		skip "own kernel only: no veth"
	ip -n "$name" link set lo up
	ip -n "$name" link set v up
	ip -n "$name" link set w up
	ip -n "$name" addr add 198.51.100.1/24 dev v
	ip -n "$name" neigh add 198.51.100.9 lladdr 02:00:00:00:00:09 dev v
	NET=$name LISTEN=(--allow-self)
	PROGRAM=$BKP
	wrapped '' "ip netns exec $name"
	mkdir net.tools
	ln -s "$BKP_TOOLS"/* net.tools
	rm net.tools/relay
	printf '%s\n' '#!/bin/sh' \
		"exec ip netns exec $name \"$BKP_TOOLS/relay\" \"\$@\"" >net.tools/relay
	chmod +x net.tools/relay
	BKP_TOOLS=$TMP/net.tools
}

# no_name_server [OPTION]: in that network the file hosts says that "there" is
# 127.0.0.1, and the only name server never answers
no_name_server() {
	printf '127.0.0.1 there\n' >hosts
	printf '%s\n' 'nameserver 198.51.100.9' "options ${1-timeout:30 attempts:2}" >resolv.conf
	printf 'hosts: files dns\n' >nsswitch.conf
	chmod 644 hosts resolv.conf nsswitch.conf
	BKP=$PROGRAM
	wrapped "[[ \${INSIDE-} ]] || INSIDE=y exec unshare -m \"\$0\" \"\$@\"
		for i in hosts resolv.conf nsswitch.conf; do
			[[ -e /etc/\$i ]] || : >/etc/\$i
			mount --bind $TMP/\$i /etc/\$i
		done" "ip netns exec $NET"
	HOST=there
}
