# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the kernel says about confined processes and the others. Loaded after
# helpers.bash.

# statuses PID: the lines of /proc/PID/status, in STATUS by name
statuses() {
	# No loop, because bats does much for each command; one read, because
	# the file changes.
	declare -gA STATUS=()
	eval "STATUS=($(sed -nE "s/^([A-Za-z_]+):[ \t]*(.*)/[\1]='\2'/p" "/proc/$1/status"))"
}

# has PID FIELD VALUE; uses STATUS
has() {
	[[ ${STATUS[$2]-} == "$3" ]] ||
		fail "process $1: $2 is ${STATUS[$2]-missing}, not $3"
}

# has_seccomp: sanitizers and builds without it have no list of calls
has_seccomp() {
	[[ ${BKP_UNDER-} != sanitizers ]] &&
		probed | grep -q '^confinement .*system calls'
}

# probed: prints what probe prints; it is run once
probed() {
	[[ -s probed ]] || "$BKP" probe >probed 2>/dev/null || :
	cat probed
}

# has_landlock: this kernel can take files away
has_landlock() {
	! probed | grep -q '^confinement .*Landlock'
}

# confined_uid: the user of a confined process
confined_uid() {
	local uid
	[[ $(id -u) == 0 ]] || { id -u; return; }
	uid=$(sed -n 's/^btrfs-ktls-pipe:[^:]*:\([0-9]*\):.*/\1/p' /etc/passwd)
	echo "${uid:-65534}"
}

# is_confined PID
is_confined() {
	local field uid
	uid=$(confined_uid)
	statuses "$1"
	has "$1" Uid "$uid"$'\t'"$uid"$'\t'"$uid"$'\t'"$uid"
	[[ $(id -u) != 0 ]] || has "$1" Groups ''
	for field in CapInh CapPrm CapEff CapAmb; do
		has "$1" $field 0000000000000000
	done
	has "$1" NoNewPrivs 1
	! has_seccomp || has "$1" Seccomp 2
}

# is_free PID: it has what we have
is_free() {
	local field
	local -A ours
	local fields=(Uid Groups CapInh CapPrm CapEff CapAmb CapBnd NoNewPrivs
		Seccomp)
	statuses $$
	for field in "${fields[@]}"; do
		ours[$field]=${STATUS[$field]}
	done
	statuses "$1"
	for field in "${fields[@]}"; do
		has "$1" "$field" "${ours[$field]}"
	done
}

# open_files PID: prints what its descriptors from 3 on are
open_files() {
	local fd
	for fd in "/proc/$1/fd/"*; do
		((${fd##*/} < 3)) || readlink "$fd"
	done
}

# tried PID: every call that tests/tools/tries has the process make is refused
tried() {
	"$BKP_TOOLS/tries" "$1" >tried 3>&- || fail "tries $1" || return
	[[ -s tried ]] && ! grep -v ' EPERM$' tried >&2 ||
		fail "process $1 may do this"
}

# may_try: tests/tools/tries can show something here; can_try: or skip the test
may_try() {
	[[ $(id -u) == 0 && $(uname -m) == x86_64 && ! ${BKP_GUEST-} ]] &&
		[[ ! ${BKP_UNDER-} ]] && has_seccomp
}

can_try() {
	may_try || skip "own kernel only: stops processes, as root, on x86-64"
}
