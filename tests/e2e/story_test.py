"""The story of the README, every line of it, as a test."""
import os
import sys
import tempfile
import unittest

from harness import Output
from leftovers import left_behind
from story import Story


class TheStory(unittest.TestCase):
    def test_goes_as_the_readme_says(self):
        with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="coffer-story-") as folder:
            os.chmod(folder, 0o755)
            story = Story(os.path.join(folder, "story"), Output(shown="-v" in sys.argv))
            try:
                story.play()
            finally:
                story.server.stop()
            self.assertEqual(left_behind(story.server), [])


if __name__ == "__main__":
    unittest.main()
