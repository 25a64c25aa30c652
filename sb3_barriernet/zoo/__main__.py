"""``python -m sb3_barriernet.zoo SCRIPT ...``: any script of ``rl_zoo3``, with BarrierPPO registered.

Works with the start-up hook switched off (``SB3_BARRIERNET_ZOO=0``) or not installed at all.
"""

from __future__ import annotations

import difflib
import os
import runpy
import sys

from sb3_barriernet.zoo.registration import register

SCRIPTS = {
    "train": "rl_zoo3.train",
    "enjoy": "rl_zoo3.enjoy",
    "record_video": "rl_zoo3.record_video",
    "record_training": "rl_zoo3.record_training",
    "benchmark": "rl_zoo3.benchmark",
    "load_from_hub": "rl_zoo3.load_from_hub",
    "push_to_hub": "rl_zoo3.push_to_hub",
    "all_plots": "rl_zoo3.plots.all_plots",
    "plot_train": "rl_zoo3.plots.plot_train",
    "plot_from_file": "rl_zoo3.plots.plot_from_file",
}
"""Script name on the command line -> module of ``rl_zoo3``."""

USAGE = f"""\
usage: python -m sb3_barriernet.zoo SCRIPT [the script's own options]

scripts: {", ".join(SCRIPTS)}

example: python -m sb3_barriernet.zoo train --algo barrierppo --env PursuitEvasion-v0
options: python -m sb3_barriernet.zoo train --help"""


def main() -> None:
    """Register, then run the upstream script as if it had been called by its own name."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        sys.exit(0 if arguments else 2)
    script, *options = arguments
    if script not in SCRIPTS:
        sys.exit(f"rl_zoo3 has no script {script!r}.{_suggestion(script)}\n\n{USAGE}")
    # Who walks through this door wants BarrierPPO in the child processes of the script as well.
    os.environ.pop("SB3_BARRIERNET_ZOO", None)
    register()
    sys.argv = [f"sb3_barriernet.zoo {script}", *options]
    _run(script)


def _suggestion(script: str) -> str:
    close = difflib.get_close_matches(script, SCRIPTS, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _run(script: str) -> None:
    try:
        runpy.run_module(SCRIPTS[script], run_name="__main__", alter_sys=True)
    except ModuleNotFoundError as error:
        if not SCRIPTS[script].startswith("rl_zoo3.plots."):
            raise
        sys.exit(
            f"The script {script!r} needs the package {error.name!r}, which rl_zoo3 leaves to an extra. "
            'Install it with: pip install "rl_zoo3[plots]"'
        )


if __name__ == "__main__":
    main()
