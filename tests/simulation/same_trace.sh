#!/bin/sh
# usage: same_trace.sh SWARM: the same seeds give the same datagrams at the same times in two processes, whose addresses
# differ.
first=$("$1" --seeds 1..60 --digest) || exit 1
second=$("$1" --seeds 1..60 --digest) || exit 1
[ "$(echo "$first" | grep -c '^[0-9]* [0-9a-f]*$')" = 60 ] && [ "$first" = "$second" ]
