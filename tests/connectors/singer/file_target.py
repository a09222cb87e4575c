"""A Singer target that appends to a file; it says that it stored something only once it has."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def main() -> None:
    """Take everything."""
    options = argparse.ArgumentParser()
    options.add_argument("--config", required=True)
    config = json.loads(Path(options.parse_args().config).read_text())
    with Path(config["file"]).open("a") as file:
        for count, line in enumerate(sys.stdin, start=1):
            message = json.loads(line)
            if message["type"] == "STATE":
                file.flush()
                print(json.dumps(message["value"]), flush=True)
            else:
                file.write(line)
            if count == config.get("fail_after"):
                print("disk full", file=sys.stderr)
                sys.exit(3)


if __name__ == "__main__":
    main()
