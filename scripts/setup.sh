#!/bin/sh
# Make the environment: setup.sh FOLDER. Needs Python 3.11 or 3.12 with venv; no libGL, no compiler.
set -eu
venv=$1
python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
    for other in python3.11 python3.12; do
        if command -v "$other" >/dev/null 2>&1 && "$other" -c '' 2>/dev/null; then python=$other; break; fi
    done
fi
"$python" -c '
import sys
if not (3, 11) <= sys.version_info[:2] <= (3, 12):
    sys.exit(f"OccluFER needs Python 3.11 or 3.12 (mediapipe has no wheels for others); found {sys.version.split()[0]}. "
             "Name one: make setup PYTHON=/path/to/python3.11")
import ensurepip, venv  # Debian ships them apart, in python3-venv
'
echo "Installing into $venv with $("$python" --version): about 6.6 GB, a few minutes."
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,dashboards,ray,slurm]'
# mediapipe brings an OpenCV that needs libGL, albumentations one that does not, and both own the folder cv2. The
# headless one goes in last, so that `import cv2` works on a machine without a display.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps -c constraints.txt \
    opencv-contrib-python-headless
"$venv/bin/python" -m pip check
"$venv/bin/python" -c 'import cv2, mediapipe, pyarrow, torch; print("Ready: torch", torch.__version__, "GPU" if torch.cuda.is_available() else "CPU")'
