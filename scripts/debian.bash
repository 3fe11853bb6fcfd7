# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Packages of another Debian release than this machine's, unpacked and not
# installed. Loaded after lib.bash; writes only below the working directory.

# An apt that writes only below the working directory: it needs no privilege,
# and does not touch the machine's own apt.
private_apt()
{
	apt_tool apt-get -q "$@"
}

apt_tool()
{
	local tool=$1
	shift

	"$tool" -o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=3 \
		-o Dir::State="$PWD/apt" -o Dir::State::status="$PWD/apt/status" \
		-o Dir::Cache="$PWD/apt" -o Dir::Etc::preferences=/dev/null \
		-o Dir::Etc::preferencesparts=/dev/null "$@"
}

list_mirrors()
{
	# shellcheck disable=SC2016 # apt's syntax
	"$@" indextargets --format '$(REPO_URI)' \
		'Created-By: Packages' 'Origin: Debian' 'Label: Debian'
}

# Prints the Debian mirror of this machine. apt knows the origin of a source
# only if it has lists, which fresh images often lack.
find_mirror()
{
	local uris

	mkdir -p apt/{lists/partial,archives/partial}
	: >apt/status
	uris=${BKP_DEBIAN_MIRROR:-$(list_mirrors apt-get)}
	if [ -z "$uris" ]; then
		private_apt update >>log 2>&1 || true
		uris=$(list_mirrors private_apt)
	fi
	echo "${uris%%$'\n'*}"
}

# use_suite MIRROR SUITE: where from_suite takes packages from; APT_CONFIG may
# name a file that sets another architecture
use_suite()
{
	local keys=/usr/share/keyrings/debian-archive-keyring.gpg

	echo "deb [signed-by=$keys] $1 $2 main" >sources.list
	from_suite apt-get -q update
}

# from_suite TOOL ARG...: apt-get or apt-cache, for that suite
from_suite()
{
	apt_tool "$1" -o Dir::Etc::sourcelist="$PWD/sources.list" \
		-o Dir::Etc::sourceparts=/dev/null "${@:2}"
}
