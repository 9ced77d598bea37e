#!/usr/bin/env python3
"""Plays the story of the README against a server that it starts: real commands, their real output.

demo.py [--directory DIR]. On a terminal the server stays up at the end; with CI=true or without one it is stopped.
"""
import argparse
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/e2e"))

from harness import COFFER, Failed, Output  # noqa: E402
from story import Story  # noqa: E402


def stop_earlier(directory):
    """Ends the server that an earlier demo left running."""
    mark = pathlib.Path(directory) / "server.pid"
    if not mark.exists():
        return
    try:
        os.kill(int(mark.read_text()), signal.SIGTERM)
        time.sleep(1)
    except (ValueError, ProcessLookupError):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", default=f"/var/tmp/cofferdam-demo-{os.getuid()}")
    directory = parser.parse_args().directory
    began = time.monotonic()
    stop_earlier(directory)
    story = Story(directory, Output(True), port=7070 if "COFFER_DEMO_PORT" not in os.environ else int(os.environ["COFFER_DEMO_PORT"]))
    try:
        story.play()
    except Failed as failed:
        story.server.stop()
        sys.exit(f"\ndemo: {failed}")
    except BaseException:
        story.server.stop()
        raise
    stays = sys.stdout.isatty() and os.environ.get("CI") != "true"
    print(f"\nThe story took {time.monotonic() - began:.0f} s.")
    if not stays:
        story.server.stop()
        print("The server was stopped (no terminal, or CI=true).")
        return
    (pathlib.Path(directory) / "server.pid").write_text(str(story.server.process.pid))
    home = f"HOME={directory}/home"
    print(f"The server still runs at {story.server.url}. Go on by hand:")
    print(f"  {home}/ada {COFFER} grant ls")
    print(f"  {home}/stew {COFFER} data show clinic/tumours")
    print(f"  {home}/eve {COFFER} ledger show")
    print(f"and stop it with: kill {story.server.process.pid}")


if __name__ == "__main__":
    main()
