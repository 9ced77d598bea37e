"""What a server's notify command was told: one JSON object a line of a file."""
import json
import time


class Notified:
    """Its file lies in `folder`, which everybody can pass: the command runs as the front's user."""

    def __init__(self, folder):
        self.path = folder / "told"
        self.path.touch()
        self.path.chmod(0o666)

    def command(self, then=""):
        return ["--notify-command", f"cat >> {self.path}{then}"]

    def lines(self):
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def wait_for(self, test, wanted):
        """Until these were told; all that was told, in order."""
        end = time.monotonic() + 60
        while True:
            told = self.lines()
            if all(one in told for one in wanted):
                return told
            test.assertLess(time.monotonic(), end, f"told: {told}, wanted: {wanted}")
            time.sleep(0.1)
