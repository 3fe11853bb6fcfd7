#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Traces of configure's hardening in the program. make check lists in
# BKP_HARDENING the flags that configure chose; without it all are expected.

load ../../lib/helpers

setup() {
	not_under sanitizers 'configure leaves hardening out'
	not_under valgrind 'the program is a script'
	command -v readelf >/dev/null || skip 'readelf (binutils) is not installed'
	set_up
}

# expects FLAG...: skips the test if configure left one of them out
expects() {
	local flag
	[[ ${BKP_HARDENING+set} ]] || return 0
	for flag; do
		[[ " $BKP_HARDENING " == *" $flag"* ]] ||
			skip "configure left out $flag"
	done
}

# reads OPTION REGEX: readelf prints such a line for the program
reads() {
	readelf -W "$1" "$BKP" >lines
	has_line "$2" lines && return
	show lines
	fail "readelf $1 shows no $2"
}

@test "the program is a position-independent executable" {
	expects -fPIE -pie
	reads --file-header 'Type: +DYN'
	reads --dynamic 'FLAGS_1.* PIE'
}

@test "all symbols are bound at start, and their table is read-only afterwards" {
	expects -Wl,-z,relro -Wl,-z,now
	reads --dynamic 'FLAGS.* NOW'
	reads --program-headers 'GNU_RELRO'
}

@test "the stack is not executable" {
	expects -Wl,-z,noexecstack
	reads --program-headers 'GNU_STACK.* RW +0x'
}

@test "functions with buffers check the stack on return" {
	expects -fstack-protector-strong
	reads --dyn-syms '__stack_chk_fail'
}

@test "functions that copy or print into buffers check the size (_FORTIFY_SOURCE)" {
	expects -D_FORTIFY_SOURCE=
	readelf -d "$BKP" >lines
	has_line 'NEEDED.*libc\.so\.6' lines ||
		skip "this C library has no checked functions"
	reads --dyn-syms '__(v?s?n?printf|memcpy)_chk'
}

@test "jumps and returns are checked by the processor where it supports that (CET)" {
	[[ $(uname -m) == x86_64 ]] || skip "this is about x86-64"
	expects -fcf-protection
	objdump -d -j .text "$BKP" >lines
	(($(grep -c endbr64 lines) > 100)) || fail "few functions begin with endbr64"
}
