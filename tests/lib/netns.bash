# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The far host of the verb ssh in a network of its own, behind a firewall.
# Loaded after sshd.bash.

# far_network: the next start_sshd runs on a host with the address 198.51.100.2,
# ours on the cable is 198.51.100.1
far_network() {
	local name=bkps$$
	[[ $(id -u) == 0 ]] || skip 'own kernel only: needs root'
	ip netns add "$name" 2>ip.err ||
		skip "own kernel only: no network namespaces ($(<ip.err))"
	cleanup_add ip netns del "$name"
	ip link add "$name" type veth peer name "$name.p" netns "$name" ||
		skip 'own kernel only: no veth'
	cleanup_add ip link del "$name"
	ip addr add 198.51.100.1/24 dev "$name"
	ip -n "$name" addr add 198.51.100.2/24 dev "$name.p"
	ip link set "$name" up
	ip -n "$name" link set "$name.p" up
	ip -n "$name" link set lo up
	CABLE=$name SSHD_RUN="ip netns exec $name" SSHD_ADDRESS=198.51.100.2
}

# firewall RULE...: of the far host; nft(8) rules of its input
firewall() {
	ip netns exec "$CABLE" nft -f - <<-END 2>nft.err || skip "own kernel only: no nft ($(<nft.err))"
		flush ruleset
		table inet t {
			chain c {
				type filter hook input priority 0
				$(printf '%s\n' "$@")
			}
		}
	END
}

# cut_cable, mend_cable: packets are lost in both directions
cut_cable() {
	ip link set "$CABLE" down
}

mend_cable() {
	ip link set "$CABLE" up
}
