#!/bin/sh
# A small study from nothing to its report: smoke.sh FOLDER_WITH_OCCLUFER. Fails when anything is missing at the end.
set -eu
bin=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
paths="paths.outputs=$work paths.cache=$work/cache"

# shellcheck disable=SC2086  # $paths is two words on purpose
"$bin/occlufer" train -m experiment=demo study=smoke dataset.size=840 occlusion=none,mask,headset seed=0 \
    trainer.max_epochs=2 $paths
"$bin/occlufer" preview dataset.size=840 occlusion=headset count=14 $paths
run=$(find "$work/smoke" -maxdepth 1 -name 'mask_*' -type d)
"$bin/occlufer" evaluate run="$run" conditions=[mixed] $paths
"$bin/occlufer" report study=smoke $paths

for file in smoke/report.html smoke/tables/matrix.csv preview/synthetic_headset.png; do
    [ -s "$work/$file" ] || { echo "smoke: $file is missing" >&2; exit 1; }
done
[ "$(find "$work/smoke" -name run.json | wc -l)" = 3 ] || { echo "smoke: not all three runs finished" >&2; exit 1; }
grep -q '"mixed"' "$run/run.json" || { echo "smoke: evaluate left no trace in run.json" >&2; exit 1; }
echo "smoke: a study of three runs, evaluated, previewed and reported: well"
