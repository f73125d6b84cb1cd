#!/bin/sh
# Small studies from nothing to their reports: smoke.sh FOLDER_WITH_OCCLUFER. Fails when anything is missing at the end.
set -eu
bin=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1  # two chains of commands side by side
paths="paths.outputs=$work paths.cache=$work/cache"

# shellcheck disable=SC2086  # $paths is two words on purpose
conditions() {
    "$bin/occlufer" train -m experiment=demo study=smoke dataset.size=280 occlusion=none,mask,headset seed=0 \
        trainer.max_epochs=1 $paths
    run=$(find "$work/smoke" -maxdepth 1 -name 'mask_*' -type d)
    "$bin/occlufer" evaluate run="$run" conditions=[mixed] $paths
    "$bin/occlufer" report study=smoke $paths
}

# shellcheck disable=SC2086
studies() {
    "$bin/occlufer" preview dataset.size=280 occlusion=headset count=14 $paths
    "$bin/occlufer" train -m experiment=study_a grid=committed fold=0 optimizer.lr=0.001 model=plain_cnn,uniform \
        occlusion=study_a_mask dataset=synthetic dataset.size=280 image.size=48 trainer.max_epochs=1 $paths
    "$bin/occlufer" report study=study_a $paths
    "$bin/occlufer" train -m experiment=study_b dataset=synthetic dataset.size=280 trainer.max_epochs=1 $paths
}

studies >"$work/studies.log" 2>&1 &
other=$!
conditions
wait "$other" || { cat "$work/studies.log" >&2; echo "smoke: a published study failed" >&2; exit 1; }

run=$(find "$work/smoke" -maxdepth 1 -name 'mask_*' -type d)
for file in smoke/report.html smoke/tables/matrix.csv study_a/report.html study_a/tables/metrics.csv preview/synthetic_headset.png; do
    [ -s "$work/$file" ] || { echo "smoke: $file is missing" >&2; exit 1; }
done
[ "$(find "$work/smoke" -name run.json | wc -l)" = 3 ] || { echo "smoke: not all three runs finished" >&2; exit 1; }
# Two optimisers of a network, and once the one that has nothing to optimise.
[ "$(find "$work/study_a" -name run.json | wc -l)" = 3 ] || { echo "smoke: study A did not finish" >&2; exit 1; }
[ "$(find "$work/study_b" -name run.json | wc -l)" = 1 ] || { echo "smoke: study B did not finish" >&2; exit 1; }
grep -q '"mixed"' "$run/run.json" || { echo "smoke: evaluate left no trace in run.json" >&2; exit 1; }
echo "smoke: a study of three runs, evaluated, previewed and reported, and both studies on drawn faces: well"
