# SPDX-License-Identifier: GPL-2.0-or-later
#
# Functions that the scripts share; each starts with   . "${0%/*}/lib.bash"
# shellcheck shell=bash
set -euo pipefail

# shellcheck disable=SC2034 # for those who source this
root=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd -P)
PATH=$PATH:/usr/sbin:/sbin # depmod, losetup: not in a user's PATH

# Prints the directory for fetched files: in the home directory or, where that
# is missing or read-only, in the build directory.
cache_directory()
{
	local dir=${XDG_CACHE_HOME:-${HOME:-~}/.cache}/btrfs-ktls-pipe

	mkdir -p "$dir" 2>/dev/null && [ -w "$dir" ] || dir=$root/build/cache
	echo "$dir"
}

# configure and make take no path with spaces: use a link to such a checkout.
case $root in
*[[:space:]]*)
	link=$(cache_directory)/checkout-$(printf %s "$root" | cksum | tr ' ' -)
	case $link in
	*[[:space:]]*) echo "${0##*/}: no path to build in has no spaces" >&2; exit 1 ;;
	esac
	mkdir -p "${link%/*}"
	ln -sfn "$root" "$link"
	root=$link
	;;
esac

# Prints the comment at the head of the script.
usage()
{
	awk 'NR > 3 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
}

# die [-STATUS] WORD...
die()
{
	local status=1

	case $1 in -[0-9]*) status=${1#-}; shift ;; esac
	echo "${0##*/}: $*" >&2
	exit "$status"
}

wrong_usage()
{
	echo "${0##*/}: $* (see ${0##*/} --help)" >&2
	exit 2
}

# installed PACKAGE: of Debian; one that was removed may still be known to dpkg
installed()
{
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# tell_during WHAT LOG COMMAND...: runs COMMAND with its output in LOG. Every 3
# seconds a line says that it still runs, with the last line of its output.
tell_during()
{
	local what=$1 log=$2 pid start=$SECONDS ticks=0 said
	shift 2

	"$@" >>"$log" 2>&1 </dev/null &
	pid=$!
	while [ -e "/proc/$pid" ]; do
		sleep 0.2
		ticks=$((ticks + 1))
		[ $((ticks % 15)) = 0 ] || continue
		said=$(tail -n 1 "$log")
		echo "${0##*/}: $what, $((SECONDS - start)) s${said:+: ${said:0:60}}"
	done
	wait "$pid"
}

# check NAME COMMAND...: one line of TAP, and the output of COMMAND if it failed
checks=0 checks_failed=0
check()
{
	local name=$1 said
	shift

	checks=$((checks + 1))
	if said=$("$@" 2>&1); then
		echo "ok $checks - $name"
	else
		checks_failed=$((checks_failed + 1))
		echo "not ok $checks - $name"
		echo "# ${said//$'\n'/$'\n# '}"
	fi
}

# skip NAME REASON: a line of TAP for a check that cannot run here
skip()
{
	checks=$((checks + 1))
	echo "ok $checks - $1 # skip $2"
}
