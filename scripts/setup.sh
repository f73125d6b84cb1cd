#!/bin/sh
# Make the environment: setup.sh FOLDER. Needs Python 3.11 to 3.14 with venv; no libGL, no compiler.
set -eu
venv=$1
fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))'
python=${PYTHON:-python3}
for other in "$python" python3.13 python3.12 python3.11 python3.14; do
    if "$other" -c "$fits" 2>/dev/null; then python=$other; break; fi
done
"$python" -c '
import sys
if not (3, 11) <= sys.version_info[:2] <= (3, 14):
    sys.exit(f"OccluFER needs Python 3.11 to 3.14; found {sys.version.split()[0]}. "
             "Name one: make setup PYTHON=/path/to/python3.13")
import ensurepip, venv  # Debian ships them apart, in python3-venv
'
echo "Installing into $venv with $("$python" --version): about 6.6 GB, a few minutes."
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
# Python 3.11's own pip looks three times as long for what is needed.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt --upgrade pip
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt \
    -e '.[dev,dashboards,ray,slurm]'
# mediapipe brings an OpenCV that needs libGL, albumentations one that does not, and both own the folder cv2. The
# headless one goes in last, so that `import cv2` works on a machine without a display.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps --no-compile \
    -c constraints.txt opencv-python-headless
# pip would compile with one core, and libraries' tests too, a fifth of the whole; some packages hold files that no
# Python reads, which is no fault of ours.
"$venv/bin/python" -m compileall -qq -j 0 -x 'site-packages/.*/tests?/' "$venv"/lib/python3*/site-packages src || true
"$venv/bin/python" -m pip check
"$venv/bin/python" -m occlufer.landmarks.model  # the face model, from a wheel of 35 MB, once for each user
"$venv/bin/python" -c 'import cv2, mediapipe, pyarrow, torch; print("Ready: torch", torch.__version__, "GPU" if torch.cuda.is_available() else "CPU")'
