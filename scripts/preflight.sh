#!/bin/sh
# Prints a Python that can make the project's environment (3.11 or newer, with venv and pip), or says what to install.
# PYTHON=/path/to/python is tried first.
set -u

incomplete=""
for candidate in ${PYTHON:+"$PYTHON"} python3.13 python3.12 python3.11 python3; do
    # Run it: a name on the path can be a version manager's stand-in for a Python that is not there.
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    if "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
        echo "$candidate"
        exit 0
    fi
    incomplete=${incomplete:-$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])')}
done

if [ -n "$incomplete" ]; then
    missing="Python $incomplete is here, but without its venv and pip modules"
    debian="python$incomplete-venv"
else
    missing="no Python 3.11 or newer was found"
    debian="python3 python3-venv      (Ubuntu 22.04: python3.11 python3.11-venv)"
fi
system=$(uname -s)
[ -r /etc/os-release ] && system="$system $(. /etc/os-release && echo "${ID:-} ${ID_LIKE:-}")"

echo "anadil: $missing. Install it, then run the same command again:" >&2
case $system in
    *debian* | *ubuntu*) echo "    sudo apt-get update && sudo apt-get install -y $debian" >&2 ;;
    *fedora* | *rhel* | *centos*) echo "    sudo dnf install -y python3.12 python3.12-pip" >&2 ;;
    Darwin*) echo "    brew install python@3.13" >&2 ;;
    *)
        echo "    Debian, Ubuntu:  sudo apt-get update && sudo apt-get install -y $debian" >&2
        echo "    Fedora:          sudo dnf install -y python3.12 python3.12-pip" >&2
        echo "    macOS:           brew install python@3.13" >&2
        ;;
esac
exit 1
