# Runs in a building cell whose /usr/local is the root that is being made.
# $1: a folder with compile.py and requirements.txt; $2: compile, or later; the rest: options of pip.
exec >>"$1/log" 2>&1
set -eu
umask 022
work=$1
when=$2
shift 2
for wheel in /usr/share/python-wheels/pip-*.whl; do pip=$wheel/pip; done
python3 -I "$pip" install --no-compile --no-cache-dir --no-input --disable-pip-version-check --progress-bar off \
  --no-warn-script-location --break-system-packages "$@" --requirement "$work/requirements.txt"
[ "$when" = compile ] || exit 0
set -- /usr/local/lib/python3.*
PYTHONHASHSEED=0 exec python3 -I -S "$work/compile.py" "$@"
