# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154,SC2034
#
# The programs that scripts/bench and scripts/bench-kernel compare, and how to
# send one stream through one of them. Loaded after lib.bash; works in the
# current directory.
#
# client_NAME reads standard input, server_NAME writes standard output, over
# $port; each becomes the program it is named after.

host=127.0.0.1 # where the server listens
mbuffer_from=127.0.0.1: # and from where mbuffer's server takes a connection
# Each end starts with these words: another network namespace
at_client=() at_server=()
program=$root/build/gcc/src/btrfs-ktls-pipe
tools=$root/build/gcc/tests/tools
contenders=(user user0 kernel kernel0 kernel-splice none socat-8K socat-64K socat-256K
	openssl stunnel ncat ssh tcp mbuffer)
peer_packages=(socat ncat mbuffer stunnel4 openssl openssh-server)

self()
{
	exec "$program" "$@"
}

client_user() { self connect -q -k key -p "$port" --ktls off "$host"; }
server_user() { self listen -q -k key -p "$port" -b "$host" --ktls off; }
client_user0()
{
	self connect -q -k key -p "$port" --ktls off --buffer 0 "$host"
}
server_user0() { server_user; }
client_kernel() { self connect -q -k key -p "$port" --ktls require "$host"; }
server_kernel()
{
	self listen -q -k key -p "$port" -b "$host" --ktls require
}
client_kernel0()
{
	self connect -q -k key -p "$port" --ktls require --buffer 0 "$host"
}
server_kernel0() { server_kernel; }
client_kernel-splice() { client_kernel; }
server_kernel-splice()
{
	self listen -q -k key -p "$port" -b "$host" --ktls require --rx splice
}

# Neither encrypted nor authenticated: shows the cost of everything else
client_none() { self connect -q -m none -p "$port" "$host"; }
server_none() { self listen -q -m none -p "$port" -b "$host"; }

client_socat() { exec socat -u "$@" - "OPENSSL:$host:$port,verify=0"; }
server_socat()
{
	exec socat -u "$@" "OPENSSL-LISTEN:$port,bind=$host,cert=pem,verify=0" -
}
client_socat-8K() { client_socat; }
server_socat-8K() { server_socat; }
client_socat-64K() { client_socat -b 65536; }
server_socat-64K() { server_socat -b 65536; }
client_socat-256K() { client_socat -b 262144; }
server_socat-256K() { server_socat -b 262144; }

client_openssl()
{
	exec openssl s_client -quiet -no_ign_eof -psk "$psk" -psk_identity bench \
		-connect "$host:$port" 2>/dev/null
}
server_openssl()
{
	exec <>hold # it ends with its standard input
	exec openssl s_server -quiet -psk "$psk" -psk_identity bench -nocert \
		-naccept 1 -accept "$host:$port" 2>/dev/null
}

client_ncat() { exec ncat --send-only --ssl "$host" "$port"; }
server_ncat()
{
	exec ncat --recv-only --ssl --ssl-cert pem --ssl-key pem -l "$host" "$port"
}

# The receiving end is sshd and the cat that ssh's user runs there.
client_ssh()
{
	exec ssh -F none -c aes128-gcm@openssh.com -i ssh_key -p "$port" \
		-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
		-o LogLevel=ERROR "$(id -un)@$host" "cat >$PWD/ssh.fifo"
}
server_ssh()
{
	cat ssh.fifo &
	exec "$(command -v sshd)" -d -f sshd_config -p "$port" 2>/dev/null
}

# The receiving end is a program that stunnel starts, as with ssh.
client_stunnel() { exec stunnel client.conf 2>/dev/null; }
server_stunnel()
{
	cat stunnel.fifo &
	sed "s/PORT/$port/" server.conf.in >server.conf
	sed "s/PORT/$port/" client.conf.in >client.conf
	echo $$ >stunnel.pid
	exec stunnel server.conf 2>/dev/null >&2
}

client_tcp() { exec socat -u -b 65536 - "TCP:$host:$port"; }
server_tcp() { exec socat -u -b 65536 "TCP-LISTEN:$port,bind=$host" -; }
client_mbuffer() { exec mbuffer -q -m 64M -O "$host:$port"; }
server_mbuffer() { exec mbuffer -q -m 64M -I "$mbuffer_from$port"; }

usable()
{
	case $1 in
	user* | none | ordinary*) ;;
	kernel*) "$program" probe >/dev/null 2>&1 ;;
	socat* | tcp) command -v socat >/dev/null ;;
	ssh) command -v sshd >/dev/null && [ "$(id -u)" = 0 ] ;;
	*) command -v "$1" >/dev/null ;;
	esac
}

# Prints why a program cannot be measured here.
why_unusable()
{
	case $1 in
	kernel*) echo "this kernel ($(uname -r)) has no TLS" ;;
	ssh)
		[ "$(id -u)" = 0 ] && echo 'no sshd: install openssh-server' ||
			echo 'sshd needs root'
		;;
	socat* | tcp) echo 'not installed: apt-get install socat' ;;
	*) echo "not installed: apt-get install $1" ;;
	esac
}

credentials()
{
	umask 077
	"$program" keygen -o key 2>/dev/null
	psk=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
	echo "bench:$psk" >psk
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
		-keyout pem.key -out pem 2>/dev/null
	cat pem.key >>pem
	mkfifo ssh.fifo stunnel.fifo hold
	ssh-keygen -q -t ed25519 -N '' -f ssh_key
	cat >sshd_config <<-END
		HostKey $PWD/ssh_key
		AuthorizedKeysFile $PWD/ssh_key.pub
		ListenAddress $host
		StrictModes no
		PermitRootLogin yes
		PidFile none
	END
	mkdir -p /run/sshd
	printf '#!/bin/sh\nexec cat >%s/stunnel.fifo\n' "$PWD" >stunnel.sink
	chmod +x stunnel.sink
	tee server.conf.in >client.conf.in <<-END
		foreground = yes
		pid =
		debug = 0
		PSKsecrets = $PWD/psk
		ciphers = PSK
		sslVersion = TLSv1.3
		ciphersuites = TLS_AES_128_GCM_SHA256
	END
	printf 'client = yes\nconnect = 127.0.0.1:PORT\n' >>client.conf.in
	printf '[in]\naccept = 127.0.0.1:PORT\nexec = %s\n' \
		"$PWD/stunnel.sink" >>server.conf.in
	cat >openssl.cnf <<-END
		openssl_conf = defaults
		[defaults]
		ssl_conf = ssl
		[ssl]
		system_default = all
		[all]
		MinProtocol = TLSv1.3
		Ciphersuites = TLS_AES_128_GCM_SHA256
	END
	export OPENSSL_CONF=$PWD/openssl.cnf
}

free_port()
{
	for ((port = 20000 + RANDOM % 10000; ; port++)); do
		[ -n "$("${at_server[@]}" ss -tlnH "sport = :$port")" ] || return 0
	done
}

wait_for_port()
{
	local i

	for ((i = 0; i < 200; i++)); do
		[ -z "$("${at_server[@]}" ss -tlnH "sport = :$port")" ] ||
			return 0
		sleep 0.02
	done
	return 1
}

# input FILE MIB: random bytes, without those that s_client takes for commands
input()
{
	# shellcheck disable=SC2020 # letters, not words
	head -c $(($2 << 20)) /dev/urandom | tr QRBKkC qrbjjc >"$1"
}

# into SINK: swallow and compare read a pipe, null is /dev/null
swallow()
{
	cat >/dev/null
}

compare()
{
	cmp - input
}

# The exit status of the receiving end does not matter here.
serve()
{
	"${at_server[@]}" "$tools/cost" server.cost bash -c "server_$1" \
		</dev/null 2>server.err || true
}

serve_into()
{
	if [ "$2" = null ]; then
		serve "$1" >/dev/null
	else
		serve "$1" | "$2"
	fi
}

# out_of pipe|file|COMMAND NAME: sends the file "input", or what COMMAND prints
out_of()
{
	local client=("${at_client[@]}" "$tools/cost" client.cost
		bash -c "client_$2")

	# shellcheck disable=SC2002 # a pipe, as btrfs send has it
	case $1 in
	file) "${client[@]}" <input 2>client.err ;;
	pipe) cat input | "${client[@]}" 2>client.err ;;
	*) "$1" | "${client[@]}" 2>client.err ;;
	esac
}

# transfer NAME pipe|file|COMMAND SINK: sends the file "input", or what COMMAND
# prints; writes client.cost and server.cost
transfer()
{
	local name=$1 from=$2 sink=$3 server

	free_port
	export -f "client_$name" "server_$name" client_socat server_socat \
		server_user client_kernel server_kernel self
	export host mbuffer_from port psk program
	rm -f client.cost server.cost
	serve_into "$name" "$sink" &
	server=$!
	wait_for_port && out_of "$from" "$name" || return 1
	# stunnel does not end with its stream.
	[ "$name" != stunnel ] || kill "$(<stunnel.pid)"
	wait "$server"
}
