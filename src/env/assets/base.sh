# Runs in a building cell whose /usr, /etc and /var are the root that is being made.
# $1: a folder with compile.py and the packages' own scripts, in the order of their installation.
exec >>"$1/log" 2>&1
set -eu
umask 022
ldconfig
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true DPKG_ROOT= DPKG_ADMINDIR=/var/lib/dpkg
for script in "$1"/scripts/*; do
  [ -e "$script" ] || continue
  name=${script##*/}
  name=${name#*-}
  # There is one user here and no service manager: what a script wants of them it cannot have, and
  # most can do without. The files of the package are in place in any case.
  if ! DPKG_MAINTSCRIPT_NAME=postinst DPKG_MAINTSCRIPT_PACKAGE="$name" "$script" configure "" </dev/null; then
    echo "warning: the script of $name did not succeed; its files are installed"
  fi
done
[ -d "$1/scripts" ] && ldconfig
for python in /usr/lib/python3 /usr/lib/python3.*; do
  [ -d "$python" ] && set -- "$@" "$python"
done
work=$1
shift
[ $# -eq 0 ] || PYTHONHASHSEED=0 python3 -I -S "$work/compile.py" "$@"
