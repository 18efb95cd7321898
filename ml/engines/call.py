"""Call one function of the engines in a process of its own. No Django here.

`python -m ml.engines.call DOTTED_PATH ANSWER ARGUMENT…`: the arguments are paths, the function's answer is written to the
file ANSWER as JSON.
"""

import json
import sys
from importlib import import_module
from pathlib import Path


def main() -> None:
    module, _dot, name = sys.argv[1].rpartition(".")
    answer = Path(sys.argv[2])
    told = getattr(import_module(module), name)(*(Path(argument) for argument in sys.argv[3:]))
    answer.write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
