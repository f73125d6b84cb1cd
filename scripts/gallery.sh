#!/bin/sh
# Make the pictures of docs/gallery.md from synthetic faces: sh scripts/gallery.sh [BIN] [FOLDER]
# One row of faces for every file in conf/occlusion, and the severity dial of a mask and a headset.
set -eu
bin=${1:-.venv/bin}
folder=${2:-docs/gallery}
common="dataset=synthetic dataset.size=840 view=face tile=112 columns=8 count=8 size=112"
mkdir -p "$folder"
for file in conf/occlusion/*.yaml; do
    name=$(basename "$file" .yaml)
    # shellcheck disable=SC2086
    "$bin/occlufer" preview $common occlusion="$name" output="$folder/$name.png"
done
for name in mask headset; do
    # shellcheck disable=SC2086
    "$bin/occlufer" preview $common occlusion="$name" "severities=[0.0,0.25,0.5,0.75,1.0]" output="$folder/dial_$name.png"
done
