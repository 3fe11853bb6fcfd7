#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Real networks: two hosts and a cable that loses packets, delays them, is
# unplugged, or gets another address.

load ../../lib/helpers
load ../../lib/delivery
load ../../lib/cable

setup() {
	set_up
	RETRY=(--retry 120s)
	[[ $BATS_TEST_DESCRIPTION == *'path MTU'* ]] || plug_in
	by_tier 20000000 4000000 100000000 20000000
	make_data in "$SIZE"
}

# arrives push|pull
arrives() {
	stream_starts "$1" <in
	stream_ends 0 0
	assert_same_file in "$RECEIVED"
}

@test "a network that loses one packet in twenty: the stream is delivered" {
	wire_is loss 5%
	both_ways arrives
}

@test "a network with the delay of half the globe: the stream is delivered" {
	wire_is delay 100ms
	both_ways arrives
}

@test "rekeying over a slow network with packet loss: the stream is delivered" {
	wire_is delay 25ms loss 1%
	TX=(--rekey-after 1M)
	both_ways arrives
}

# link_local INTERFACE ZONE: the receiver's INTERFACE, and how it is named
link_local() {
	[[ -e /proc/net/if_inet6 ]] ||
		skip "own kernel only: no IPv6 in this kernel"
	ip addr add "fe80::$((NUMBER + 1))/64" dev "$CABLE" nodad
	ip -n "$CABLE" addr add "fe80::$((NUMBER + 2))/64" dev "$1" nodad
	BIND=(-b "fe80::$((NUMBER + 2))%$1")
	HOST=fe80::$((NUMBER + 2))%$CABLE
	TX=(-v) CONSUMER=(sh -c 'echo "$BTRFS_KTLS_PIPE_PEER"; cat >/dev/null')
	streams push 0 0 </dev/null
	assert_stderr_has "^\[fe80::$((NUMBER + 1))%$2\]:[0-9]+$" "$RECEIVED"
	assert_stderr_has "\[fe80::$((NUMBER + 2))%$CABLE\]:$PORT" "$SENDER_ERR"
}

@test "a link-local peer is named with its interface" {
	link_local "$CABLE.p" "$CABLE\.p"
}

@test "a link-local peer over an interface with an odd name is named with its number" {
	# In one command Linux 6.1 would change the name first, and refuse that.
	ip -n "$CABLE" link set "$CABLE.p" down
	ip -n "$CABLE" link set "$CABLE.p" name 'a+b'
	ip -n "$CABLE" link set 'a+b' up
	link_local 'a+b' '[0-9]+'
}

# pulled push|pull SECONDS: unplugs the cable in the middle of the stream
pulled() {
	have_fifo feed
	"$BKP_TOOLS/tinywrites" -m 60000 -p 200000:20 <in >feed 3>&- &
	PIDS+=($!)
	stream_starts "$1" <feed
	until_true test -s "$RECEIVED"
	ip link set "$CABLE" down
	sleep "$2"
	ip link set "$CABLE" up
	stream_ends 0 0
	assert_same_file in "$RECEIVED"
}

@test "a cable unplugged for two seconds: the stream is delivered" {
	both_ways pulled 2
}

@test "a cable unplugged for twenty seconds: the stream is delivered" {
	full_tier_only 30
	both_ways pulled 20
}

# The connection does not notice: the sender drops it after 30 s without an
# answer, and a receiver that hears nothing connects again.
@test "the address of a host changes: the stream is resumed" {
	full_tier_only 60
	moved() {
		have_fifo feed
		exec 8<>feed
		stream_starts "$1" <feed
		head -c 1000000 in >&8
		until_true size_is 1000000 "$RECEIVED"
		# removing the first address of a network removes the others
		ip addr del "$NEAR/29" dev "$CABLE"
		ip addr add "$SPARE/29" dev "$CABLE"
		tail -c +1000001 in >&8 3>&- &
		PIDS+=($!)
		PATIENT=90 until_true grep -q "resumes at byte" "$SENDER_ERR"
		wait "${PIDS[-1]}"
		exec 8>&-
		stream_ends 0 0
		assert_same_file in "$RECEIVED"
		ip addr del "$SPARE/29" dev "$CABLE"
		ip addr add "$NEAR/29" dev "$CABLE"
	}
	both_ways moved
}

# Only small packets arrive: those of a handshake. ACKs of the receiver arrive
# if TCP acknowledges WELCOME by a small packet, too: seldom with bbr.
@test "a router drops packets above the path MTU silently: sender and receiver exit 7, and the sender says so" {
	swallowed() {
		stream_starts "$1" <in
		stream_ends 7 7
	}
	black_hole() {
		RETRY=(--retry 5s)
		takes_at_most 60 swallowed "$1"
		says sender 'for 30 s.*MTU.*firewall'
		[[ ! -s $RECEIVED ]] || fail "$(stat -c %s "$RECEIVED") bytes arrived"
	}
	full_tier_only 80
	plug_in_router
	both_ways black_hole
}

# --- a flood

# start_flood [COUNT]: idle connections to the listener, 300 a second, over the
# cable from that many subnets; the peer is on this host. Returns when there are
# too many.
start_flood() {
	local i count=${1-1} subnet near=$SITE:a::1 bad=$SITE:a::2
	[[ -e /proc/net/if_inet6 ]] ||
		skip "own kernel only: no IPv6 in this kernel"
	ip addr add "$near/64" dev "$CABLE" nodad
	ip -n "$CABLE" addr add "$bad/64" dev "$CABLE.p" nodad
	ip -n "$CABLE" link set lo up
	for ((i = 0; i < count; i++)); do
		subnet=$SITE:b$i::
		ip route add "$subnet/64" via "$bad" dev "$CABLE"
		ip -n "$CABLE" route add local "$subnet/64" dev lo
		"$BKP_TOOLS/deadline" "$BKP_DEADLINE" ip netns exec "$CABLE" \
			"$BKP_TOOLS/flood" -t "$near" -s "${subnet}1" -n 5000 \
			-p $((300 / count)) "$PORT" 500 \
			</dev/null >/dev/null 3>&- 7>&- 8>&- &
		PIDS+=($!)
	done
	until_true has_line 'refused .*too many' "$RECEIVER_ERR"
	sleep 2 # which fills the kernel's queue where they have to wait
}

# at_once COMMAND...: in time in one of three attempts. A client that waits in
# that queue takes 2 s or more each time; a busy machine is late only once.
at_once() {
	local limit=1
	[[ ! ${BKP_GUEST-} ]] || limit=8
	takes_at_most "$limit" "$@" || takes_at_most "$limit" "$@" ||
		takes_at_most "$limit" "$@"
}

sends_a_word() {
	bkp_send --ktls "$WHEN" <<<word
}

# peer_is_accepted COUNT: in spite of a flood from that many subnets
peer_is_accepted() {
	BIND=()
	start_receiver --keep --allow-self --ktls "$WHEN" -- sh -c 'exec cat >>got'
	start_flood "$1"
	at_once sends_a_word
	[[ $(sort -u got) == word ]]
}

@test "300 idle connections a second from one /64 do not delay a peer" {
	peer_is_accepted 1
}

@test "300 idle connections a second from 20 subnets do not delay a peer" {
	full_tier_only 10
	peer_is_accepted 20
}

@test "300 idle connections a second from one /64 do not stop a stream from resuming" {
	local port
	have_fifo feed
	exec 8<>feed
	BIND=()
	start_receiver --allow-self --ktls "$WHEN"
	port=$PORT
	start_relay rst -a 300000 -k 1
	spawn_sender --ktls "$WHEN" <feed
	echo word >&8
	until_true test -s "$RECEIVED"
	PORT=$port start_flood
	head -c 600000 /dev/zero >&8
	by_tier 3 12 3 12
	takes_at_most "$SIZE" until_true has_line 'resumes at byte' \
		"$SENDER_ERR"
	exec 8>&-
	wait_sender 0
	wait_receiver 0
	[[ $(stat -c %s "$RECEIVED") == 600005 ]]
}

# --- reflected connections

# A host on the path may lead the connection back to its origin. Here the host
# connects to itself.
@test "a connection that leads back to its own host is refused" {
	reflected() {
		LISTEN=()
		stream_starts "$1" <in
		wait_for 5 "$CONNECT_PID" connect "$SENDER_ERR"
		grep -q 'leads back to its own host.*--allow-self.*machine-id' "$SENDER_ERR" "$RECEIVER_ERR" ||
			fail "neither side says why"
		kill "$SENDER_PID" "$RECEIVER_PID" || :
	}
	[[ -s /etc/machine-id ]] || skip "own kernel only: no machine id"
	both_ways reflected
}
