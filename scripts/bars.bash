# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
#
# For scripts/bench --svg: a table drawn as bars, by gnuplot. Works in the
# current directory. A table notes its bars; draw_bars comes at the end.

# bar GROUP LABEL VALUE: bars of one group have one colour
bar()
{
	printf '"%s"\t"%s"\t%s\n' "$@" >>bars
}

# draw_bars FILE UNIT
draw_bars()
{
	[ -s bars ] || die 'there is nothing to draw'
	awk -F'\t' 'BEGIN { OFS = FS } {
		if (!($1 in group)) group[$1] = ++groups
		print group[$1], $1, $2, $3
	}' bars >numbered
	gnuplot <<-END || die "gnuplot failed: $1 is not drawn"
		set terminal svg size $((200 + 45 * $(wc -l <bars))),480 background "white"
		set output "drawn.svg"
		set datafile separator "\t"
		set title "$(awk -F'\t' '!seen[$1]++ { gsub(/"/, "", $1)
			printf "%s%s", n++ ? "  |  " : "", $1 }' bars)" noenhanced
		set ylabel "$2"
		set yrange [0:*]
		set xtics rotate by -45 noenhanced
		set style fill solid 0.8
		set boxwidth 0.7
		plot "numbered" using 0:4:1:xtic(3) with boxes linecolor variable notitle, \
			"" using 0:4:(sprintf("%.2f", \$4)) with labels offset 0,0.6 notitle
	END
	install -m 644 drawn.svg "$1" # our umask is for keys
}
