#!/bin/sh
# Any executable is a function: the event comes on stdin, JSON goes to stdout, stderr is the log.
exec awk '
    { for (i = 1; i <= NF; i++) if ($i ~ /^[0-9]+(\.[0-9]+)?$/) { n++; sum += $i; if ($i > max || n == 1) max = $i } }
    BEGIN { FS = "[^0-9.]+" }
    END { if (!n) n = 1; printf "{\"numbers\": %d, \"mean\": %.2f, \"max\": %s}\n", n, sum / n, max + 0 }
'
