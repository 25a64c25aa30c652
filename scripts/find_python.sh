#!/bin/sh
# Print the first interpreter that is Python 3.11 or newer. An argument names the only candidate.
for python in ${1:-python3 python3.13 python3.12 python3.11 python3.14 python}; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "$python"
        exit 0
    fi
done
echo "Found no Python >= 3.11 among: ${1:-python3 python3.11 ... python}." >&2
echo "Install one, or name it: make PYTHON=/path/to/python3.12 test" >&2
exit 1
