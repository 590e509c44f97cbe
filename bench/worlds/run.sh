#!/bin/bash
# run.sh ROUNDS OUT [WORKLOADS]: every tool and workload once a round, round after round, so that whatever else the machine does
# falls on all of them. WORKLOADS is a pattern such as "g|a". One line of tab-separated values for each run; see summary.py.
set -euo pipefail
cd "$(dirname "$0")"
rounds=${1:-7} out=${2:-results.tsv} wanted=${3:-.*}
list=(
  "floor a" "floor b 100" "floor c 100" "floor d" "floor e" "floor g"
  "twinloop a" "twinloop a-told" "twinloop b 100" "twinloop c 30" "twinloop c 100" "twinloop d" "twinloop d-deep" "twinloop e"
  "twinloop f" "twinloop g" "twinloop g-told" "twinloop g-threads" "twinloop h"
  "turmoil a" "turmoil b 100" "turmoil c 30" "turmoil c 100" "turmoil d 1200" "turmoil d-coarse" "turmoil e" "turmoil f" "turmoil g"
  "turmoil h"
  "madsim a" "madsim b-tasks 100" "madsim c 30" "madsim c 100" "madsim d" "madsim d-deep" "madsim e" "madsim f" "madsim g"
  "madsim g-threads" "madsim h"
  "moonpool a" "moonpool c 30" "moonpool c 100" "moonpool d" "moonpool d-deep" "moonpool e" "moonpool g" "moonpool h"
)
: > "$out"
for ((i = 0; i < rounds; i++)); do
  for each in "${list[@]}"; do
    read -r tool workload size <<< "$each"
    [[ $workload =~ ^($wanted)(-told|-threads)?$ ]] || continue
    line=$(timeout 300 "$tool/target/release/$tool-bench" "$workload" ${size:+"$size"}) || line="$tool	$workload ${size}	FAILED"
    printf '%s\t%s\n' "$line" "$(cut -d' ' -f1 /proc/loadavg)" >> "$out"
  done
done
