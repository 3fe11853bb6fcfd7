#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Completion in bash, zsh and fish offers what the program itself reports, above
# all its option table.

load ../../lib/helpers

COMPLETION=$BATS_TEST_DIRNAME/../../../packaging/completion

# zsh takes long to find its functions: done once.
setup_file() {
	! command -v zsh >/dev/null || zsh -f -c '
		fpath=($1 $fpath)
		autoload -Uz compinit
		compinit -u -d $2' zsh "$COMPLETION/zsh" "$BATS_FILE_TMPDIR/dump"
}

setup() {
	set_up
	mkdir bin
	ln -s "$(realpath "$BKP")" bin/btrfs-ktls-pipe
	PATH=$TMP/bin:$PATH HOME=$TMP XDG_CONFIG_HOME=$TMP
}

# Another release of the program, with a verb and options that ours lacks.
install_other_release() {
	rm bin/btrfs-ktls-pipe
	cat >bin/btrfs-ktls-pipe <<-'END'
		#!/bin/sh
		case $* in
		*--long-options) printf '%s\n' --novel --colour ;;
		*) cat <<-EOF
		usage: btrfs-ktls-pipe juggle [OPTION]...

		  juggle   throw and catch

		      --novel FILE      what no release has
		      --colour WHICH    of the balls: red, green or blue (red)
		EOF
		esac
	END
	chmod +x bin/btrfs-ktls-pipe
}

# offered SHELL LINE: writes the completions of the last word of LINE to the
# file "offers", sorted.
offered() {
	offered_"$1" "$2" 3>&- | LC_ALL=C sort -u >offers
}

offered_bash() {
	bash --norc -c '
		. "$1/bash/btrfs-ktls-pipe"
		IFS=" " read -ra COMP_WORDS <<<"${2//=/ = }"
		[[ $2 != *[\ =] ]] || [[ $2 == *= ]] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		_btrfs_ktls_pipe btrfs-ktls-pipe
		printf "%s\n" "${COMPREPLY[@]}"' bash "$COMPLETION" "$1"
}

# On a terminal of its own: compadd prints the words that it adds. No temporary
# file can be made.
offered_zsh() {
	cat >rc.zsh <<-'END'
		PS1=READY TMPPREFIX=/nonexistent/zsh
		unset zle_bracketed_paste
		fpath=($COMPLETION/zsh $fpath)
		autoload -Uz compinit
		compinit -C -d $DUMP
		bindkey '^I' complete-word
		compadd() {
			local word
			local -a hits
			for word in "$@"; do
				[[ $word != -[OAD] ]] || { builtin compadd "$@"; return; }
			done
			builtin compadd -O hits "$@"
			print -rl -- '<'$^hits'>'
			builtin compadd "$@"
		}
	END
	COMPLETION=$COMPLETION DUMP=$BATS_FILE_TMPDIR/dump "$BKP_TOOLS/deadline" 60 zsh -f -c '
		zmodload zsh/zpty
		zpty z zsh -f -i
		zpty -w z ". ./rc.zsh"
		zpty -r -m z said "*READY*" # it is the prompt
		zpty -w -n z "$1"$'\''\t\C-u'\''"print DO\"\"NE"$'\''\n'\''
		zpty -r -m z said "*DONE*"
		print -r -- "$said"' zsh "$1" | tr -d '\r' | sed -n 's/^.*<\(.*\)>$/\1/p'
}

offered_fish() {
	fish --no-config -c '
		source $argv[1]/fish/btrfs-ktls-pipe.fish
		complete -C $argv[2]' "$COMPLETION" "$1" | cut -f1 | sed 's/^--[a-z]*=//'
}

# assert_offers WORD...: these and no others
assert_offers() {
	printf '%s\n' "$@" | LC_ALL=C sort -u | diff - offers >&2
}

need_shell() {
	command -v "$1" >/dev/null || skip "$1 is not installed"
}

# The same for every shell

offers_all_verbs() {
	need_shell "$1"
	mapfile -t verbs < <(verbs)
	((${#verbs[@]} >= 4)) || fail "the help names no verbs"
	offered "$1" 'btrfs-ktls-pipe '
	assert_offers "${verbs[@]}"
}

offers_all_options() {
	local verb
	need_shell "$1"
	for verb in $(verbs); do
		mapfile -t options < <("$BKP" "$verb" --long-options)
		((${#options[@]} >= 4)) || fail "$verb has no options"
		offered "$1" "btrfs-ktls-pipe $verb --"
		assert_offers "${options[@]}" || fail "$1: $verb"
	done
}

offers_values() {
	need_shell "$1"
	touch a.key b.key
	offered "$1" 'btrfs-ktls-pipe listen --ktls '
	assert_offers auto require off
	offered "$1" 'btrfs-ktls-pipe listen --ktls='
	assert_offers auto require off
	offered "$1" 'btrfs-ktls-pipe listen -k a.k'
	assert_offers a.key
	offered "$1" 'btrfs-ktls-pipe listen -m tls12'
	assert_offers tls12-aes128-gcm tls12-aes256-gcm
}

offers_commands() {
	need_shell "$1"
	printf '#!/bin/sh\n' >bin/a-command-of-ours
	chmod +x bin/a-command-of-ours
	offered "$1" 'btrfs-ktls-pipe connect -k key HOST -- a-command-of-o'
	assert_offers a-command-of-ours
}

asks_the_program() {
	need_shell "$1"
	install_other_release
	offered "$1" 'btrfs-ktls-pipe '
	assert_offers juggle
	offered "$1" 'btrfs-ktls-pipe juggle --'
	assert_offers --novel --colour
	offered "$1" 'btrfs-ktls-pipe juggle --colour '
	assert_offers red green blue
}

@test "bash offers all verbs" {
	offers_all_verbs bash
}

@test "bash offers all options of each verb" {
	offers_all_options bash
}

@test "bash offers the values of an option" {
	offers_values bash
}

@test "bash completes the COMMAND as a command" {
	offers_commands bash
}

@test "bash offers what the installed program reports, not a fixed list" {
	asks_the_program bash
}

@test "zsh offers all verbs" {
	offers_all_verbs zsh
}

@test "zsh offers all options of each verb" {
	offers_all_options zsh
}

@test "zsh offers the values of an option" {
	offers_values zsh
}

@test "zsh completes the COMMAND as a command" {
	offers_commands zsh
}

@test "zsh offers what the installed program reports, not a fixed list" {
	asks_the_program zsh
}

@test "fish offers all verbs" {
	offers_all_verbs fish
}

@test "fish offers all options of each verb" {
	offers_all_options fish
}

@test "fish offers the values of an option" {
	offers_values fish
}

@test "fish completes the COMMAND as a command" {
	offers_commands fish
}

@test "fish offers what the installed program reports, not a fixed list" {
	asks_the_program fish
}
