#!/bin/sh
# record.sh DIR: what a Mac says of its memory, limits and launchd, one file a command, in the format of tests/data/macos and
# tests/data/launchctl. Nothing of it is secret: no environment, no names of files, no arguments of processes.
# On another system it writes what commands are missing, and ends well: so it can be tried anywhere.
set -u
out=${1:?usage: record.sh DIR}
mkdir -p "$out"

record() { # NAME COMMAND...: its output and errors, and a last line where it failed
	name=$1
	shift
	"$@" >"$out/$name.txt" 2>&1 || echo "# exit status $? of: $*" >>"$out/$name.txt"
}

record sw_vers sw_vers
record uname uname -mrs
record vm_stat vm_stat
record memory_pressure_Q memory_pressure -Q
record sysctl_memory sysctl hw.memsize hw.pagesize hw.optional.arm64 vm.swapusage kern.memorystatus_level \
	kern.memorystatus_vm_pressure_level
record sysctl_pages sysctl vm.page_free_count vm.page_speculative_count vm.page_wire_count vm.page_purgeable_count \
	vm.page_pageable_external_count vm.page_pageable_internal_count vm.compressor_bytes_used
record sysctl_iogpu sysctl iogpu
record launchctl_limit launchctl limit
record launchctl_managername launchctl managername
record launchctl_print_domain sh -c 'launchctl print "gui/$(id -u)" | sed "/environment = {/,/}/d" | head -n 40'
record launchctl_print_none launchctl print "gui/$(id -u)/dev.innkeep.nosuch"
record pmset_batt pmset -g batt
record dumpbtm sh -c 'sfltool dumpbtm 2>&1 | grep -i -A 8 innkeep'
echo "wrote $out"
