# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the scripts share; each starts with   . "${0%/*}/lib.bash"
# shellcheck shell=bash
set -euo pipefail

# shellcheck disable=SC2034 # for those who source this
root=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd -P)
PATH=$PATH:/usr/sbin:/sbin # depmod, losetup: not in a user's PATH

# prints the comment that opens the script
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

# check NAME COMMAND...: one line of TAP, and what COMMAND said if it failed
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

# skip NAME REASON: the line of TAP for a check that cannot be made here
skip()
{
	checks=$((checks + 1))
	echo "ok $checks - $1 # skip $2"
}
