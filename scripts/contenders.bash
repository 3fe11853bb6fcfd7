# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154,SC2034
#
# The programs that scripts/bench and scripts/bench-kernel compare, and how to
# send one stream through one of them. Loaded after lib.bash; works in the
# current directory.
#
# client_NAME reads standard input, server_NAME writes standard output, over
# $port; each becomes the program it is named after.

program=$root/build/gcc/src/btrfs-ktls-pipe
tools=$root/build/gcc/tests/tools
contenders=(user user0 kernel kernel0 none socat-8K socat-64K socat-256K
	openssl stunnel ncat ssh tcp mbuffer)
peer_packages=(socat ncat mbuffer stunnel4 openssl openssh-server)

self()
{
	exec "$program" "$@"
}

client_user() { self connect -q -k key -p "$port" --ktls off 127.0.0.1; }
server_user() { self listen -q -k key -p "$port" -b 127.0.0.1 --ktls off; }
client_user0()
{
	self connect -q -k key -p "$port" --ktls off --buffer 0 127.0.0.1
}
server_user0() { server_user; }
client_kernel() { self connect -q -k key -p "$port" --ktls require 127.0.0.1; }
server_kernel()
{
	self listen -q -k key -p "$port" -b 127.0.0.1 --ktls require
}
client_kernel0()
{
	self connect -q -k key -p "$port" --ktls require --buffer 0 127.0.0.1
}
server_kernel0() { server_kernel; }

# Neither encrypted nor authenticated: shows the cost of everything else
client_none() { self connect -q -m none -p "$port" 127.0.0.1; }
server_none() { self listen -q -m none -p "$port" -b 127.0.0.1; }

client_socat() { exec socat -u "$@" - "OPENSSL:127.0.0.1:$port,verify=0"; }
server_socat()
{
	exec socat -u "$@" "OPENSSL-LISTEN:$port,bind=127.0.0.1,cert=pem,verify=0" -
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
		-connect "127.0.0.1:$port" 2>/dev/null
}
server_openssl()
{
	exec <>hold # it ends with its standard input
	exec openssl s_server -quiet -psk "$psk" -psk_identity bench -nocert \
		-naccept 1 -accept "127.0.0.1:$port" 2>/dev/null
}

client_ncat() { exec ncat --send-only --ssl 127.0.0.1 "$port"; }
server_ncat()
{
	exec ncat --recv-only --ssl --ssl-cert pem --ssl-key pem -l 127.0.0.1 "$port"
}

# The receiving end is sshd and the cat that ssh's user runs there.
client_ssh()
{
	exec ssh -F none -c aes128-gcm@openssh.com -i ssh_key -p "$port" \
		-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
		-o LogLevel=ERROR "$(id -un)@127.0.0.1" "cat >$PWD/ssh.fifo"
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

client_tcp() { exec socat -u -b 65536 - "TCP:127.0.0.1:$port"; }
server_tcp() { exec socat -u -b 65536 "TCP-LISTEN:$port,bind=127.0.0.1" -; }
client_mbuffer() { exec mbuffer -q -m 64M -O "127.0.0.1:$port"; }
server_mbuffer() { exec mbuffer -q -m 64M -I "127.0.0.1:$port"; }

usable()
{
	case $1 in
	user* | none) ;;
	kernel*) "$program" probe >/dev/null 2>&1 ;;
	socat* | tcp) command -v socat >/dev/null ;;
	ssh) command -v sshd >/dev/null && [ "$(id -u)" = 0 ] ;;
	*) command -v "$1" >/dev/null ;;
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
		ListenAddress 127.0.0.1
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
		[ -n "$(ss -tlnH "sport = :$port")" ] || return 0
	done
}

wait_for_port()
{
	local i

	for ((i = 0; i < 200; i++)); do
		[ -z "$(ss -tlnH "sport = :$port")" ] || return 0
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
	"$tools/cost" server.cost bash -c "server_$1" </dev/null 2>server.err ||
		true
}

serve_into()
{
	if [ "$2" = null ]; then
		serve "$1" >/dev/null
	else
		serve "$1" | "$2"
	fi
}

# out_of pipe|file NAME: sends the file "input"
out_of()
{
	local client=("$tools/cost" client.cost bash -c "client_$2")

	if [ "$1" = file ]; then
		"${client[@]}" <input 2>client.err
	else
		# shellcheck disable=SC2002 # a pipe, as btrfs send has it
		cat input | "${client[@]}" 2>client.err
	fi
}

# transfer NAME pipe|file SINK: sends the file "input"; writes client.cost and
# server.cost
transfer()
{
	local name=$1 from=$2 sink=$3 server

	free_port
	export -f "client_$name" "server_$name" client_socat server_socat \
		server_user server_kernel self
	export port psk program
	rm -f client.cost server.cost
	serve_into "$name" "$sink" &
	server=$!
	wait_for_port && out_of "$from" "$name" || return 1
	# stunnel does not end with its stream.
	[ "$name" != stunnel ] || kill "$(<stunnel.pid)"
	wait "$server"
}
