# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154,SC2034
#
# For scripts/bench: a long fat link between two network namespaces, and how
# much of it programs use. Loaded after contenders.bash; works in the current
# directory. Guests have netem; many machines' own kernels lack it.

# What is tried on every link, and on one that loses packets
link_contenders=(user-auto kernel-auto user-64M kernel-64M ordinary-64M
	socat-64K mbuffer ssh)
loss_contenders=(user-bbr-64M kernel-bbr-64M)

# ---- contenders with options for such links

client_far() { self connect -q -k key -p "$port" "$@" "$host"; }
server_far() { self listen -q -k key -p "$port" -b "$host" --allow-self "$@"; }
client_user-auto() { client_far --ktls off; }
server_user-auto() { server_far --ktls off; }
client_kernel-auto() { client_far --ktls require; }
server_kernel-auto() { server_far --ktls require; }
client_user-64M() { client_far --ktls off --tcp-buffer 64M; }
server_user-64M() { server_far --ktls off --tcp-buffer 64M; }
client_kernel-64M() { client_far --ktls require --tcp-buffer 64M; }
server_kernel-64M() { server_far --ktls require --tcp-buffer 64M; }
client_user-bbr-64M()
{
	client_far --ktls off --tcp-buffer 64M --congestion bbr
}
server_user-bbr-64M() { server_user-64M; }
client_kernel-bbr-64M()
{
	client_far --ktls require --tcp-buffer 64M --congestion bbr
}
server_kernel-bbr-64M() { server_kernel-64M; }

# Without CAP_NET_ADMIN, so with the limits that the kernel begins with. It says
# what it got.
unprivileged()
{
	exec setpriv --bounding-set -net_admin --inh-caps -net_admin \
		"$program" "$@"
}
client_ordinary-64M()
{
	unprivileged connect -k key -p "$port" --tcp-buffer 64M "$host"
}
server_ordinary-64M()
{
	unprivileged listen -q -k key -p "$port" -b "$host" --allow-self \
		--tcp-buffer 64M
}
export -f client_far server_far unprivileged server_user-64M server_kernel-64M

# ---- the link

# A process that does nothing holds a namespace: $holder.
make_host()
{
	unshare --net sleep inf &
	holder=$!
	until [ "$(readlink "/proc/$holder/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do
		sleep 0.02
	done
}

make_hosts()
{
	make_host
	near=$holder
	make_host
	far=$holder
	at_client=(nsenter -t "$near" -n)
	at_server=(nsenter -t "$far" -n)
	"${at_client[@]}" ip link add near type veth peer name far netns "$far"
	"${at_client[@]}" ip addr add 198.51.100.1/24 dev near
	"${at_server[@]}" ip addr add "$host/24" dev far
	"${at_client[@]}" ip link set near up
	"${at_server[@]}" ip link set far up
}

remove_hosts()
{
	kill "$near" "$far"
}

# link_is RTT_MS [NETEM...]: data goes from near to far; the rest is for its way
link_is()
{
	local half=$(($1 * slower / 2))

	"${at_client[@]}" tc qdisc replace dev near root netem \
		delay ${half}ms rate "${link_mbit}mbit" limit 200000 "${@:2}"
	"${at_server[@]}" tc qdisc replace dev far root netem \
		delay ${half}ms limit 200000
}

arrived()
{
	# shellcheck disable=SC2016 # for awk
	"${at_server[@]}" awk -v us="${EPOCHREALTIME/./}" \
		'$1 == "far:" { printf "%.0f %s\n", $2, us }' /proc/net/dev
}

# Input for $seconds; the link is looked at for the second half of them, when a
# window has had time to open.
for_a_while()
{
	{
		sleep $((seconds / 2))
		arrived >half_way
		sleep $(((seconds - 1) / 2))
		arrived >at_the_end
	} >/dev/null &
	timeout "$seconds" cat /dev/zero || true
	wait
}

count_bytes()
{
	wc -c >received
}

# ---- measuring

# on_link NAME: adds "NAME MBIT_ON_THE_LINK BYTES WALL_NS" to results
on_link()
{
	rm -f half_way at_the_end received
	if ! transfer "$1" for_a_while count_bytes ||
		[ "$(cat received)" = 0 ]; then
		echo "  $1 failed: $(cat client.err server.err | head -5)"
		return 1
	fi
	paste -d' ' half_way at_the_end received client.cost |
		awk -v name="$1" '{
			printf "%s %.1f %.0f %.0f\n", name, ($3 - $1) * 8 / ($4 - $2),
				$5, $8 * 1000
		}' >>results
	[ "$1" != ordinary-64M ] || grep sysctl client.err >told || true
}

# one_link TITLE NAME...
one_link()
{
	local name round title=$1

	echo "$title"
	shift
	: >results
	for ((round = 0; round < rounds; round++)); do
		for name; do
			on_link "$name" || true
		done
	done
	printf '  %-16s %8s %8s %14s\n' '' Mbit/s 'of link' 'MB/s in all'
	# shellcheck disable=SC2016 # for awk
	for name; do
		[ -n "$(values "$name" 1)" ] || continue
		printf '  %-16s %8.0f %8.2f %14.1f\n' "$name" \
			"$(column "$name" '$2')" \
			"$(column "$name" "\$2 / $link_mbit")" \
			"$(column "$name" '$3 * 1000 / $4')"
		bar "$title" "$name" "$(column "$name" "\$2 / $link_mbit")"
	done
	! grep -q sysctl told 2>/dev/null || sed 's/^/  /' told
}

can_bbr()
{
	modprobe -q ${BKP_GUEST_MODULES:+-d "$BKP_GUEST_MODULES"} tcp_bbr ||
		true
	grep -qw bbr /proc/sys/net/ipv4/tcp_available_congestion_control
}

# Can NAME be measured here? Else says why not.
admit()
{
	if ! usable "$1"; then
		echo "$1: $(why_unusable "$1")"
	elif [[ $1 = *-bbr-* ]] && ! can_bbr; then
		echo "$1: this kernel ($(uname -r)) has no bbr"
	else
		return 0
	fi
	return 1
}

long_fat()
{
	local name names=() lossy=()

	[ $# = 0 ] || link_contenders=("$@") loss_contenders=()
	[ "$(id -u)" = 0 ] || die 'long-fat needs root: namespaces, tc'
	link_mbit=$((800 / slower))
	make_hosts
	trap 'remove_hosts; rm -rf "$work"' EXIT
	link_is 100 2>/dev/null ||
		die "this kernel ($(uname -r)) has no netem: use --guest new"
	for name in "${link_contenders[@]}"; do
		! admit "$name" || names+=("$name")
	done
	for name in "${loss_contenders[@]}"; do
		! admit "$name" || lossy+=("$name")
	done
	echo "link of $link_mbit Mbit/s, streams of $seconds s; the second half" \
		'of each counts; -64M: --tcp-buffer 64M'
	one_link "round trip $((100 * slower)) ms" "${names[@]}"
	link_is 300
	one_link "round trip $((300 * slower)) ms" "${names[@]}"
	# netem loses what TCP hands over at once, up to 64 KiB. Single packets
	# would need a timer each for bbr, which is too much for a guest.
	link_is 100 loss 0.1%
	one_link "round trip $((100 * slower)) ms, 0.1 % is lost" "${names[@]}" \
		"${lossy[@]}"
}
