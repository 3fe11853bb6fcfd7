# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A second host, in a network namespace, and a cable to it. Loaded after
# delivery.bash.

# plug_in: the other host has the address HOST on the cable CABLE, ours has NEAR,
# and nobody has SPARE; IPv6 addresses of the test begin with SITE. All of these
# differ between tests that run at the same time. From then on listeners run on
# the other host. They need --allow-self, because both hosts have the same
# machine id.
plug_in() {
	local name i
	[[ $(id -u) == 0 ]] || skip "own kernel only: needs root"
	for ((i = 0; i < 32; i++)); do
		name=bkp$i
		! ip netns add "$name" 2>ip.err || break
	done
	((i < 32)) ||
		skip "own kernel only: no network namespaces ($(<ip.err))"
	NEAR=198.51.100.$((8 * i + 1)) HOST=198.51.100.$((8 * i + 2))
	SPARE=198.51.100.$((8 * i + 3)) SITE=2001:db8:$i
	cleanup_add ip netns del "$name"
	ip link add "$name" type veth peer name "$name.p" netns "$name" ||
		skip "own kernel only: no veth"
	cleanup_add ip link del "$name"
	ip addr add "$NEAR/29" dev "$name"
	ip -n "$name" addr add "$HOST/29" dev "$name.p"
	ip link set "$name" up
	ip -n "$name" link set "$name.p" up
	CABLE=$name
	printf '%s\n' '#!/bin/sh' "exec ip netns exec $name \"$BKP\" \"\$@\"" >there
	chmod +x there
	THERE=$TMP/there BIND=(-b "$HOST") LISTEN=(--allow-self)
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
	ip netns add "$name" 2>ip.err ||
		skip "own kernel only: no network namespaces ($(<ip.err))"
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
	BKP=$PROGRAM
	wrapped "[[ \${INSIDE-} ]] || INSIDE=y exec unshare -m \"\$0\" \"\$@\"
		for i in hosts resolv.conf nsswitch.conf; do
			[[ -e /etc/\$i ]] || : >/etc/\$i
			mount --bind $TMP/\$i /etc/\$i
		done" "ip netns exec $NET"
	HOST=there
}
