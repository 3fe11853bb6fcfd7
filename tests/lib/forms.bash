# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# One stream in each form of input and output, while one side or both run in
# another environment. Loaded after delivery.bash; REAL is the program.

# set_up_forms refused|missing: what the environment is about to lack
set_up_forms() {
	set_up
	not_under sanitizers "they need what is $1 here"
	not_under valgrind "it needs what is $1 here"
	REAL=$BKP
	make_data in 300000
}

# on_side connect|listen|both: from here on this side runs what wrapped() made
# of $REAL, and the other side runs $REAL
on_side() {
	case $1 in
	connect) THERE=$REAL ;;
	listen) THERE=$BKP BKP=$REAL ;;
	both) THERE= ;;
	esac
}

# form FORM: the inputs and outputs of both sides
form() {
	SOURCE=() CONSUMER=() LISTEN=() INPUT=pipe GOES_ON=
	case $1 in
	plain) ;;
	command)
		SOURCE=(cat "$TMP/in")
		CONSUMER=(cat)
		;;
	leaves) SOURCE=(sh -c '{ sleep 0.5; echo one; } & exit 0') ;;
	file) INPUT='file' ;;
	keep)
		CONSUMER=(cat)
		LISTEN=(--keep)
		GOES_ON=y
		;;
	esac
}

# Unlike that of peers.bash it fails at once when a listener exits before it is
# ready, which closes the pipe.
read_port() {
	PORT=
	read -r -t 30 PORT <ready && [[ $PORT =~ ^[1-9][0-9]*$ ]]
}

# runs push|pull: a stream, complete or not. Sets the exit statuses CONNECT and
# LISTENER: "-" for a side that could not start, "on" for a listener that still
# listens after the other side has exited.
runs() {
	CONNECT=0 LISTENER=0
	rm -f "$RECEIVED" ready "$SENDER_ERR" "$RECEIVER_ERR"
	if [[ $INPUT == file ]]; then
		stream_starts "$1" <in
	else
		stream_starts "$1" < <(cat in)
	fi 2>start.err || :
	LISTENER_PID=$RECEIVER_PID
	[[ $1 == push ]] || LISTENER_PID=$SENDER_PID
	wait "$CONNECT_PID" || CONNECT=$?
	[[ $PORT ]] || CONNECT=-
	if [[ $GOES_ON ]] && alive "$LISTENER_PID"; then
		kill "$LISTENER_PID"
		wait "$LISTENER_PID" || LISTENER=$?
		((LISTENER && LISTENER != 143)) || LISTENER=on
	else
		wait "$LISTENER_PID" || LISTENER=$?
	fi
}

# delivers push|pull SIDE FORM WHAT: the whole stream is delivered; WHAT is the
# environment, for the message
delivers() {
	form "$3"
	runs "$1"
	[[ $CONNECT == 0 && $LISTENER == @(0|on) ]] || {
		show start.err "$SENDER_ERR" "$RECEIVER_ERR"
		fail "$1, $3, $2, $4: exit $CONNECT, $LISTENER"
	}
	assert_same_file in "$RECEIVED"
}
