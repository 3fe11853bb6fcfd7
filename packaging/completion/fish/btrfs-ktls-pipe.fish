# SPDX-License-Identifier: GPL-2.0-or-later
# fish completion for btrfs-ktls-pipe
#
# Verbs, options and values are those of the program that is being typed: it
# prints its own option table (--help). No list is kept here.

# prints VERB<TAB>TEXT: the second paragraph of the help
function __btrfs_ktls_pipe_verbs
    $argv[1] --help 2>/dev/null </dev/null | awk '
        BEGIN { RS = ""; FS = "\n" }
        NR == 2 { for (i = 1; i <= NF; i++) {
            line = $i
            sub(/^ */, "", line)
            sub(/  */, "\t", line)
            print line
        } }'
end

# prints SHORT<TAB>LONG<TAB>ARGUMENT<TAB>TEXT for each option of a verb
function __btrfs_ktls_pipe_rows
    $argv --help 2>/dev/null </dev/null | awk '
        function flush() { if (long) print short "\t" long "\t" arg "\t" text; long = "" }
        /^  (-|    --)/ {
            flush()
            short = arg = text = ""
            i = 1
            if ($1 ~ /^-.,$/)
                short = substr($(i++), 1, 2)
            long = $(i++)
            if ($i ~ /^[A-Z]+$/)
                arg = $(i++)
            for (; i <= NF; i++)
                text = text (text ? " " : "") $i
            next
        }
        /^     / { sub(/^ */, ""); text = text (text ? " " : "") $0; next }
        { flush() }
        END { flush() }'
end

# prints what may be the value of the option in this row
function __btrfs_ktls_pipe_values -a row word
    set -l columns (string split \t -- $row)
    set -l list (string match -r ': ((?:[a-z]+, )*[a-z]+ or [a-z]+) \(' -- $columns[4])
    if string match -q '*tls1*' -- $columns[4]
        set -l before (string replace -r '[^,]*$' '' -- $word)
        string match -ar 'tls1[0-9a-z-]+|none' -- $columns[4] | string replace -r '^' -- $before
    else if set -q list[2]
        string replace ' or ' ' ' -- $list[2] | string split -n ' ' | string trim -c ,
    else if test "$columns[3]" = FILE
        __fish_complete_path $word
    else if test "$columns[3]" = ADDR
        __fish_print_hostnames
    end
end

function __btrfs_ktls_pipe
    set -l tokens (commandline -opc)
    set -l word (commandline -ct)
    set -l program $tokens[1]
    set -l verb $tokens[2]

    # What stands behind "--" is another command.
    if set -l end (contains -i -- -- $tokens)
        set -l rest $tokens[(math $end + 1)..] $word
        complete -C (string join ' ' -- (string escape -- $rest[1..-2]) $rest[-1])
        return
    end
    if not set -q tokens[2]; and not string match -q -- '-*' $word
        __btrfs_ktls_pipe_verbs $program
        return
    end
    string match -q -- '-*' "$verb"; and set verb

    set -l rows (__btrfs_ktls_pipe_rows $program $verb)
    set -l option $tokens[-1]
    set -l prefix
    if string match -qr -- '^--[^=]+=' $word
        set option (string replace -r '=.*' '' -- $word)
        set prefix "$option="
        set word (string replace -r '^[^=]*=' '' -- $word)
    end
    for row in $rows
        set -l columns (string split \t -- $row)
        if test -n "$columns[3]"; and contains -- $option $columns[1..2]
            __btrfs_ktls_pipe_values $row $word | string replace -r '^' -- "$prefix"
            return
        end
    end
    if string match -q -- '-*' $word
        for row in $rows
            set -l columns (string split \t -- $row)
            echo -- $columns[2]\t$columns[4]
            test -z "$columns[1]"; or echo -- $columns[1]\t$columns[4]
        end
    else if $program $verb --help 2>/dev/null </dev/null | string match -qr '^usage:.*HOST'
        __fish_print_hostnames
    end
end

complete -c btrfs-ktls-pipe -f -a '(__btrfs_ktls_pipe)'
