# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Another host in a network namespace. Loaded after helpers.bash.

# other_host: sets CABLE to the name of a new namespace, and NUMBER to one that
# no other test has, a multiple of 8 below 256
other_host() {
	local i
	[[ $(id -u) == 0 ]] || skip "own kernel only: needs root"
	for ((i = 0; i < 32; i++)); do
		CABLE=bkp$i NUMBER=$((8 * i))
		! ip netns add "$CABLE" 2>ip.err || break
	done
	((i < 32)) || no_namespace || return
	cleanup_add ip netns del "$CABLE"
	# What is left of a connection that was cut holds the tls module.
	ip netns exec "$CABLE" sh -c 'echo 3 >/proc/sys/net/ipv4/tcp_orphan_retries'
}

# no_namespace: skips the test where there is none; else "ip netns add" failed
# for another reason
no_namespace() {
	! unshare --net --mount true 2>/dev/null ||
		fail "ip netns add: $(<ip.err)" || return
	skip "own kernel only: no network namespaces ($(<ip.err))"
}

# far_network: the next start_sshd runs on another host with the address
# SSHD_ADDRESS; nobody has the address NOBODY
far_network() {
	local net=198.51.100
	other_host
	ip link add "$CABLE" type veth peer name "$CABLE.p" netns "$CABLE" ||
		skip 'own kernel only: no veth'
	cleanup_add ip link del "$CABLE"
	SSHD_RUN="ip netns exec $CABLE"
	SSHD_ADDRESS=$net.$((NUMBER + 2)) NOBODY=$net.$((NUMBER + 4))
	ip addr add "$net.$((NUMBER + 1))/29" dev "$CABLE"
	ip -n "$CABLE" addr add "$SSHD_ADDRESS/29" dev "$CABLE.p"
	ip link set "$CABLE" up
	ip -n "$CABLE" link set "$CABLE.p" up
	ip -n "$CABLE" link set lo up
}

# firewall RULE...: of the far host; nft(8) rules of its input
firewall() {
	ip netns exec "$CABLE" nft -f - <<-END 2>nft.err || no_firewall
		flush ruleset
		table inet t {
			chain c {
				type filter hook input priority 0
				$(printf '%s\n' "$@")
			}
		}
	END
}

no_firewall() {
	! grep -q 'syntax error' nft.err || fail "nft: $(<nft.err)" || return
	skip "own kernel only: no nft ($(<nft.err))"
}

# cut_cable, mend_cable: packets are lost in both directions
cut_cable() {
	ip link set "$CABLE" down
}

mend_cable() {
	ip link set "$CABLE" up
}
