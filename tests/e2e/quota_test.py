"""Quotas of a user and of the server: refused before the first byte, with the limit and what is used; nothing half kept."""
import os
import pathlib
import re
import unittest
import urllib.request

from tiny import TinyWorld

MIB = 1 << 20
WORLD = None


def setUpModule():
    global WORLD
    WORLD = TinyWorld.of(unittest.addModuleCleanup, "quota")


class Quotas(unittest.TestCase):
    def file(self, size):
        path = WORLD.directory / "data.bin"
        path.write_bytes(os.urandom(size))
        return path

    def metrics(self):
        text = urllib.request.urlopen(WORLD.server.url + "/metrics").read().decode()
        return {name: float(value) for name, value in re.findall(r"(?m)^coffer_(\S+) (\S+)$", text)}

    def stored(self):
        return int(self.metrics()['stored_bytes{kind="datasets"}'])

    def on_disk(self):
        vault = WORLD.server.data / "vault"
        return sum(p.stat().st_size for p in vault.rglob("*") if p.is_file())

    def refused(self, person, line, *words):
        said = person.type(line, status=1)
        self.assertIn("[quota_exceeded]", said)
        for word in words:
            self.assertIn(word, said)

    def test_of_a_user_bounds_that_user_only(self):
        WORLD.server.start_with("--quota-user", "8MiB")
        WORLD.stew.type(f"data add clinic/fits {self.file(4 * MIB)}")
        before = self.on_disk()
        self.refused(WORLD.stew, f"data add clinic/more {self.file(6 * MIB)}", "8 MiB", "the quota of a user", "are used")
        self.assertEqual(self.on_disk() - before, 0, "nothing half kept")
        WORLD.stew.type("data ls", expect="clinic/fits")
        self.assertNotIn("clinic/more", WORLD.stew.type("data ls"))
        WORLD.ada.type(f"data add lab/hers {self.file(4 * MIB)}", status=None)
        WORLD.stew.type("data rm clinic/fits@v1")
        WORLD.stew.type(f"data add clinic/more {self.file(6 * MIB)}")
        WORLD.stew.type("data rm clinic/more@v1")

    def test_an_add_that_is_refused_half_way_leaves_nothing(self):
        WORLD.server.start_with("--quota-user", "40MiB")
        before = self.on_disk()
        self.refused(WORLD.stew, f"data add clinic/half {self.file(60 * MIB)}", "40 MiB")
        self.assertEqual(self.on_disk(), before)
        WORLD.stew.type(f"data add clinic/half {self.file(20 * MIB)}")
        WORLD.stew.type("data rm clinic/half@v1")

    def test_of_all_bounds_everybody(self):
        WORLD.server.start_with()
        used = sum(v for k, v in self.metrics().items() if k.startswith("stored_bytes"))
        WORLD.server.start_with("--quota-total", str(int(used) + 5 * MIB))
        self.assertEqual(self.metrics()["quota_bytes"], int(used) + 5 * MIB)
        self.refused(WORLD.stew, f"data add clinic/all {self.file(6 * MIB)}", "the quota of this server")
        WORLD.stew.type(f"data add clinic/all {self.file(4 * MIB)}")
        WORLD.server.start_with("--quota-total", str(int(used)))
        self.refused(WORLD.ada, f"run {WORLD.program()} --grant {WORLD.give()}")
        self.refused(WORLD.operator, "env add other --preset sklearn")
        WORLD.server.start_with()
        WORLD.stew.type("data rm clinic/all@v1")

    def test_what_is_counted_is_what_is_on_the_disk(self):
        WORLD.server.start_with()
        self.assertEqual(self.stored(), self.on_disk())
        WORLD.stew.type(f"data add clinic/counted {self.file(3 * MIB)}")
        self.assertLess(abs(self.stored() - self.on_disk()), 64 << 10)
        WORLD.stew.type("data rm clinic/counted@v1")
        self.assertLess(abs(self.stored() - self.on_disk()), 64 << 10)
        self.assertGreater(self.metrics()["disk_free_bytes"], MIB)

    def test_an_archive_of_an_environment_goes_when_it_is_built(self):
        self.assertEqual(list((WORLD.server.data / "front/uploads").iterdir()), [])

    def test_a_size_is_a_size(self):
        WORLD.server.stop()
        said = WORLD.operator.type(f"server --data {pathlib.Path(WORLD.server.data)} --quota-user lots", status=2)
        self.assertIn("--quota-user", said)
        WORLD.server.start()


if __name__ == "__main__":
    unittest.main()
