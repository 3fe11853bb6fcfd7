#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Random harm to bytes in transit: no side exits 0 unless the output is
# complete, and the output is always a beginning of the input.

load ../../lib/helpers
load ../../lib/delivery
load ../../lib/chaos

# harm BYTES LENGTH COUNTED HARMED: harm to less than LENGTH bytes in the
# direction HARMED, somewhere within the first BYTES of COUNTED
harm() {
	choose ACTION fin cut rst flip drop dup swap insert
	choose_number AT "$1"
	choose_number LENGTH "$2"
	HARM=("$ACTION" -a "$AT" -n $((LENGTH + 1)) -i 170303000348
		-c "$3" -x "$4")
	choose_consumer
	SOURCE=(cat "$IN")
	starts
	honest
	! grep -qF . tool.err || HARMS=$((HARMS + 1))
}

# harm_rounds FUNCTION
harm_rounds() {
	HARMS=0 # rounds in which the relay did it
	rounds "$1"
	((HARMS || SIZE < 10)) || fail "no harm was done in $SIZE rounds"
}

# The directions of the stream; c2s is from the connecting side to the listener
forward() {
	if [[ $WAY == push ]]; then echo c2s; else echo s2c; fi
}

backward() {
	if [[ $WAY == push ]]; then echo s2c; else echo c2s; fi
}

harm_to_receiver() {
	harm $((BYTES - 100000)) 20000 "$(forward)" "$(forward)"
}

harm_to_sender() {
	harm $((BYTES - 100000)) 10 "$(forward)" "$(backward)"
}

harm_to_handshake() {
	choose DIRECTION c2s s2c
	harm 700 20 "$DIRECTION" "$DIRECTION"
}

@test "random harm to the bytes to the receiver: never a false success" {
	harm_rounds harm_to_receiver
}

@test "random harm to the bytes to the sender: never a false success" {
	harm_rounds harm_to_sender
}

@test "random harm to the handshake: never a false success" {
	harm_rounds harm_to_handshake
}
