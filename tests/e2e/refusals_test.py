"""Every refusal, each beside what is permitted: the real client against a real server."""
import io
import os
import pathlib
import random
import re
import signal
import subprocess
import tarfile
import threading
import time
import unittest

from harness import COFFER, UNTIL, Person
from world import Case, begin, typed

PACK_MAX = 21 << 20
BIG = 48 << 20
WORLD = None


def setUpModule():
    global WORLD
    WORLD = begin("refusals")


class Processes(Case):
    @unittest.skipUnless(os.geteuid() == 0, "an ordinary user's processes all are that user's")
    def test_each_has_a_user_of_its_own_and_no_right_it_does_not_need(self):
        for name, pid in WORLD.server.pids().items():
            status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
            uid = {"front": "991001", "keeper": "991002", "builder": "991003", "worker": "0"}[name]
            self.assertEqual(status["Uid"].split(), [uid] * 4, name)
            self.assertEqual((status["Seccomp"], status["NoNewPrivs"]), ("2", "1"), name)
            if name != "worker":
                self.assertEqual({status[c] for c in ("CapInh", "CapPrm", "CapEff", "CapAmb")}, {"0" * 16}, name)


class Grants(Case):
    def test_ungraded_data_is_not_granted(self):
        name = WORLD.dataset("clinic/raw")
        give = f"grant give {name} --to ada --purpose p --lane bounded --bits 100 --runs 1 --until {UNTIL} --yes"
        self.refuse(self.stew, give, "not_graded", name)
        self.accept(self.stew, f"data grade {name} --class general --grade 2 --accept-proposed")
        self.refuse(self.stew, give, "no_limit", name)
        self.accept(self.stew, f"data limit {name} --bits 1000")
        self.accept(self.stew, give, "signed grant_")

    def test_grants_do_not_sum_above_the_limit(self):
        name = WORLD.dataset("clinic/limited", bits="1000")
        give = f"grant give {name} --to ada --purpose p --lane bounded --runs 5 --until {UNTIL} --yes --bits "
        self.refuse(self.stew, give + "1001", "limit_exceeded", "1000")
        self.accept(self.stew, give + "600")
        self.refuse(self.stew, give + "401", "limit_exceeded", "1000")
        self.accept(self.stew, give + "400")
        self.accept(self.stew, f"data limit {name} --bits 1000 --overcommit")
        self.accept(self.stew, give + "600")

    def test_a_dry_run_signs_nothing(self):
        before = len(self.stew.ask("grant ls")["items"])
        self.accept(self.stew, f"grant give clinic/people --to ada --purpose p --lane bounded --bits 100 --runs 1 --until {UNTIL} --dry-run", "ada may run")
        self.assertEqual(len(self.stew.ask("grant ls")["items"]), before)

    def test_nobody_approves_what_goes_to_himself(self):
        give = f"grant give clinic/people --to ada,ben --purpose p --lane bounded --bits 100 --runs 1 --until {UNTIL} --yes"
        self.refuse(self.stew, give + " --approvers ada", "approver_is_grantee", "ada")
        self.refuse(self.stew, give + " --approvers rex,ben --need 1", "approver_is_grantee", "ben")
        self.accept(self.stew, give + " --approvers rex")
        self.refuse(self.stew, give + " --approvers rex --need 2", "usage", "--need", status=2)

    def test_a_lane_is_one_that_is_known_and_there(self):
        give = f"grant give clinic/people --to ada --purpose p --bits 100 --runs 1 --until {UNTIL} --yes --lane "
        self.refuse(self.stew, give + "sideways", "usage", "sideways", "bounded", status=2)
        self.accept(self.stew, give + "bounded")

    def test_an_end_lies_ahead(self):
        give = f"grant give clinic/people --to ada --purpose p --lane bounded --bits 100 --runs 1 --yes --until "
        self.refuse(self.stew, give + "2020-01-01", "usage", "--until", "2020-01-01", status=2)
        self.refuse(self.stew, give + "2027-02-30", "usage", "--until", status=2)
        self.accept(self.stew, give + UNTIL)

    def test_class_asks_for_approvers(self):
        name = WORLD.dataset("clinic/important", bits="1000", data_class="important", grade=3)
        give = f"grant give {name} --to ada --purpose p --lane bounded --bits 100 --runs 1 --until {UNTIL} --yes"
        self.refuse(self.stew, give, "approvers_required")
        self.accept(self.stew, give + " --approvers rex")
        name = WORLD.dataset("clinic/core", bits="1000", data_class="core", grade=4)
        give = f"grant give {name} --to ada --purpose p --lane bounded --bits 100 --runs 1 --until {UNTIL} --yes"
        self.refuse(self.stew, give + " --approvers rex --exclusive", "approvers_required", "2")
        self.refuse(self.stew, give + " --approvers rex,ben --need 2", "exclusive_required", "exclusive")
        self.accept(self.stew, give + " --approvers rex,ben --need 2 --exclusive")

    def test_only_the_owner_grants(self):
        self.refuse(self.ada, f"grant give clinic/people --to ben --purpose p --lane bounded --bits 1 --runs 1 --until {UNTIL} --yes", ("role_required", "not_owner"))

    def test_a_lane_that_is_not_there_is_not_granted(self):
        give = f"grant give clinic/people --to ada --purpose p --bits 100 --runs 1 --until {UNTIL} --yes --lane "
        for lane in ("statistics", "proved", "bounded,statistics"):
            with self.subTest(lane):
                self.refuse(self.stew, give + lane, "lane_unavailable", lane.split(",")[-1])
        self.accept(self.stew, give + "bounded")

    def test_a_refused_grant_names_the_next_command(self):
        name = WORLD.dataset("clinic/next")
        give = f"grant give {name} --to ada --purpose p --lane bounded --bits 100 --runs 1 --until {UNTIL} --yes"
        with self.subTest("ungraded"):
            self.refuse(self.stew, give, "not_graded", name, "try: coffer data grade")
        self.accept(self.stew, f"data grade {name} --class general --grade 2 --accept-proposed")
        with self.subTest("no limit"):
            self.refuse(self.stew, give, "no_limit", name, "try: coffer data limit")


class Runs(Case):
    def test_protected_data_needs_a_grant_of_ones_own(self):
        program, grant = WORLD.program(), WORLD.give(to="ben")
        self.refuse(self.ada, f"run {program}", "grant_missing", "clinic/people", "--grant")
        self.refuse(self.ada, f"run {program} --grant {grant}", ("grant_unknown", "not_found"), grant)
        self.refuse(self.ada, f"run {program} --grant grant_{'a' * 16}", ("grant_unknown", "not_found"))
        self.submit(self.ben, f"run {program} --grant {grant}")

    def test_each_protected_input_needs_a_grant(self):
        name = WORLD.dataset("clinic/second", bits="1000")
        program = WORLD.program(inputs=f'people = "clinic/people"\nmore = "{name}"')
        one, two, third = WORLD.give(), WORLD.give(name, bits=500), WORLD.give(WORLD.dataset("clinic/third", bits="1000"), bits=500)
        self.refuse(self.ada, f"run {program} --grant {one}", "grant_missing", name)
        self.refuse(self.ada, f"run {program} --grant {one},{two},{third}", "grant_dataset", third)
        run = self.wait(self.ada.ask(f"run {program} --grant {one},{two}")["id"])
        self.assertEqual(run["state"], "done", run)
        spent = [self.ada.ask(f"grant show {grant}")["spent"]["bits"] for grant in (one, two)]
        self.assertEqual(spent, [run["charged"]["bits"]] * 2, "a run is charged in full to every grant")

    def test_a_revoked_grant_ends_a_queued_run(self):
        cpus = self.cpus_of_the_machine()
        slow, quick = WORLD.program(sleep=4), WORLD.program()
        first, second = WORLD.give(), WORLD.give()
        running = self.ada.ask(f"run {slow} --grant {first} --cpus {cpus}")["id"]
        queued = self.ada.ask(f"run {quick} --grant {second} --cpus {cpus}")["id"]
        self.assertEqual(self.ada.ask(f"runs show {queued}")["state"], "queued")
        self.assertGreater(self.ada.ask(f"grant show {second}")["reserved"]["bits"], 0)
        self.accept(self.stew, f"grant revoke {second}")
        ended = self.wait(queued)
        self.assertEqual((ended["state"], ended["cause"]), ("cancelled", "revoked"), ended)
        self.assertEqual(set(ended["charged"].values()), {0}, "nothing is charged before `started`")
        self.assertEqual(set(self.ada.ask(f"grant show {second}")["reserved"].values()), {0})
        self.refuse(self.ada, f"run {quick} --grant {second}", "grant_revoked", second)
        self.assertEqual(self.wait(running)["state"], "done", "the run of the other grant goes on")

    def cpus_of_the_machine(self):
        said = self.refuse(self.ada, f"run {WORLD.program()} --grant {WORLD.give()} --cpus 1000", "machine_cpus", "1000")
        return re.search(r"this machine gives (\d+)", said)[1]

    def test_what_the_machine_never_has_is_refused(self):
        grant, program = WORLD.give(), WORLD.program()
        self.refuse(self.ada, f"run {program} --grant {grant} --memory 4000GiB", "machine_memory", "memory", "GiB")
        self.refuse(self.ada, f"run {program} --grant {grant} --cpus 1000", "machine_cpus", "cpus", "1000")
        self.refuse(self.ada, f"run {WORLD.program(resources='gpus = 1')} --grant {grant}", "machine_gpus", "gpus", "1")
        self.assertEqual(set(self.ada.ask(f"grant show {grant}")["reserved"].values()), {0}, "a refused run reserves nothing")
        self.submit(self.ada, f"run {program} --grant {grant} --memory 256MiB --cpus 1")

    def test_an_environment_is_one_that_is_there(self):
        grant = WORLD.give()
        self.refuse(self.ada, f"run {WORLD.program(environment='nowhere')} --grant {grant}", "environment_unknown", "nowhere", "coffer env ls")
        absent = "sha256:" + "0" * 64
        self.refuse(self.ada, f"run {WORLD.program(environment=f'python-sklearn@{absent}')} --grant {grant}", "environment_unknown", absent)
        digest = self.ada.ask("env show python-sklearn")["digest"]
        self.submit(self.ada, f"run {WORLD.program(environment=f'python-sklearn@{digest}')} --grant {grant}")

    def test_the_grant_says_which_program_and_which_outputs(self):
        program, other = WORLD.program(), WORLD.program(name="other")
        asked = self.ada.ask(f"grant ask clinic/people --purpose p --program {program} --runs 5 --bits 500")
        digest = self.ada.ask(f"quote {program}")["program"]
        grant = self.stew.ask(f"grant give clinic/people --request {asked['id']} --purpose p --lane bounded --until {UNTIL} --program {digest} --yes")["id"]
        self.refuse(self.ada, f"run {other} --grant {grant}", "grant_program")
        self.submit(self.ada, f"run {program} --grant {grant}")
        tensors = WORLD.give(more="--outputs tensors")
        self.refuse(self.ada, f"run {program} --grant {tensors}", "grant_output_kind", "count", "metrics")
        self.submit(self.ada, f"run {program} --grant {WORLD.give(more='--outputs metrics,tensors')}")

    def test_public_data_needs_no_grant(self):
        self.accept(self.stew, f"data add clinic/public {WORLD.table} --public", "clinic/public@v1")
        program = WORLD.program(inputs='open = "clinic/public"')
        run = self.ada.ask(f"run {program} --wait")
        self.assertEqual((run["state"], run["charged"]["bits"]), ("done", 0), run)
        give = f"grant give clinic/public --to ada --purpose p --lane bounded --bits 10 --runs 1 --until {UNTIL} --yes"
        self.refuse(self.stew, give, "public_dataset", "clinic/public")
        self.refuse(self.stew, "data limit clinic/public --bits 10", "public_dataset")
        self.refuse(self.stew, f"data add clinic/public {WORLD.table}", "public_dataset", "--public")


class Programs(Case):
    def test_a_term_that_is_not_understood_is_named(self):
        grant = WORLD.give()
        for section, key, near in (("resources", "memroy", "memory"), ("program", "entri", "entry"), ("outputs", "lanes", "lane"), ("outputs.fields", "", "")):
            program = WORLD.program()
            text = (program / "coffer.toml").read_text()
            header = {"outputs": "[[outputs]]"}.get(section, f"[{section}]")
            line = f'{key} = "1"' if key else "m = { min = 0, max = 1, digits = 0, scale = 2 }"
            (program / "coffer.toml").write_text(text.replace(header + "\n", f"{header}\n{line}\n", 1))
            with self.subTest(section=section):
                said = self.refuse(self.ada, f"run {program} --grant {grant}", ("unknown_field", "invalid_argument", "declaration"), key or "scale", near, "coffer.toml")
                self.assertIn(key or "scale", said)
        self.submit(self.ada, f"run {WORLD.program()} --grant {grant}")

    def test_an_unknown_lane_is_named(self):
        grant = WORLD.give()
        self.refuse(self.ada, f"run {WORLD.program(lane='sideways')} --grant {grant}", ("invalid_argument", "declaration"), "coffer.toml", "outputs.count.lane", "bounded")
        self.refuse(self.ada, f"run {WORLD.program(lane='proved')} --grant {grant}", ("invalid_argument", "lane_unavailable"), "outputs.count", "proved", "bounded")
        self.submit(self.ada, f"run {WORLD.program(lane='bounded')} --grant {grant}")

    def test_links_and_special_files_are_refused(self):
        grant, program = WORLD.give(), WORLD.program()
        self.accept(self.ada, f"quote {program}")
        (program / "data.csv").symlink_to("/etc/passwd")
        self.refuse(self.ada, f"run {program} --grant {grant}", ("invalid_argument", "program_tree"), "data.csv")
        (program / "data.csv").unlink()
        os.mkfifo(program / "pipe")
        self.refuse(self.ada, f"run {program} --grant {grant}", ("invalid_argument", "program_tree"), "pipe")
        (program / "pipe").unlink()
        (program / "__pycache__").mkdir()
        (program / "__pycache__" / "skipped").symlink_to("/etc/passwd")
        self.submit(self.ada, f"run {program} --grant {grant}")

    def test_more_than_64_mib_is_refused(self):
        program = WORLD.program()
        room = (64 << 20) - sum(p.stat().st_size for p in program.iterdir())
        with open(program / "weights.bin", "wb") as file:
            file.truncate(room)
        self.accept(self.ada, f"quote {program}")
        with open(program / "weights.bin", "ab") as file:
            file.truncate(room + 1)
        self.refuse(self.ada, f"run {program} --grant {WORLD.give()}", ("invalid_argument", "program_tree", "program_too_large"), "64 MiB")

    def post_archive(self, archive):
        """What a client of one's own could send, past every check of ours."""
        body = {"upload": self.upload(self.ada, archive), "digest": "sha256:" + "0" * 64}
        return self.send(self.ada, "POST", "/v1/programs", body)

    def test_the_server_takes_no_link_either(self):
        for kind, name in ((tarfile.SYMTYPE, "a link"), (tarfile.LNKTYPE, "a hard link"), (tarfile.FIFOTYPE, "a FIFO"), (tarfile.CHRTYPE, "a device")):
            out = io.BytesIO()
            with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
                manifest = tarfile.TarInfo("coffer.toml")
                manifest.size = 1
                tar.addfile(manifest, io.BytesIO(b"\n"))
                link = tarfile.TarInfo("x")
                link.type, link.linkname = kind, "coffer.toml"
                tar.addfile(link)
            answer = self.post_archive(out.getvalue())
            self.assertEqual((answer.status, answer.json().get("code")), (400, "program_tree"), f"an archive with {name}\n{answer}")


class Datasets(Case):
    def chunks(self, identity=None):
        vault = WORLD.server.data / "vault"
        return {p.name: p.stat().st_size for p in vault.glob(f"{identity or '*'}/chunks/*/*")}

    def test_an_interrupted_add_resumes_and_leaves_nothing_half_done(self):
        big = WORLD.directory / "big.bin"
        big.write_bytes(random.Random(2).randbytes(BIG))
        before = self.chunks().keys()
        adding = subprocess.Popen([COFFER, "data", "add", "clinic/big", str(big)], env=self.stew.env(), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while not (early := self.chunks().keys() - before) and time.monotonic() < end and adding.poll() is None:
            time.sleep(0.005)
        adding.send_signal(signal.SIGKILL)
        self.assertEqual(adding.wait(), -signal.SIGKILL, "the add was over before it could be interrupted")
        self.assertTrue(early, "no chunk arrived before the add was killed")
        self.refuse(self.stew, "data show clinic/big", ("not_found", "version_unknown"), "clinic/big")
        self.assertNotIn("clinic/big", self.stew.type("data ls", show=False))
        said = self.accept(self.stew, f"data add clinic/big {big}", "clinic/big@v1.*1 file")
        self.assertIn("going on with an add that was interrupted", said)
        self.assertTrue(early <= self.chunks().keys(), "chunks that had arrived are gone")
        version = self.stew.ask("data show clinic/big")
        self.assertEqual(len(version["versions"]) if "versions" in version else 1, 1)
        left = [str(p) for p in (WORLD.server.data / "vault").rglob("*") if p.is_file() and p.parent.name == "tmp"]
        left += [str(p) for p in (self.stew.home / ".local/share/cofferdam").rglob("*") if p.is_file() and ("scratch" in p.parts or "journal" in str(p).lower()) and "big" in p.name]
        self.assertEqual(left, [], "something is left half done")
        self.accept(self.stew, f"data add clinic/big {big}", r"\+0 files.*1 unchanged")
        # What arrived and was not acknowledged is sent again under other names: one pack at most.
        self.assertLessEqual(sum(self.chunks(version["dataset_id"]).values()), BIG * 1.01 + PACK_MAX, "chunks lie there twice")

    def test_a_second_version_shares_chunks(self):
        folder = WORLD.directory / "shared"
        folder.mkdir()
        content = random.Random(3).randbytes(8 << 20)
        (folder / "a.bin").write_bytes(content)
        (folder / "b.bin").write_bytes(random.Random(4).randbytes(1 << 20))
        self.accept(self.stew, f"data add clinic/shared {folder}", "clinic/shared@v1")
        identity = self.stew.ask("data show clinic/shared")["dataset_id"]
        first = self.chunks(identity)
        (folder / "a.bin").write_bytes(content[: 4 << 20] + b"inserted" + content[4 << 20:])
        (folder / "c.csv").write_text("x\n1\n")
        self.accept(self.stew, f"data add clinic/shared {folder}", r"clinic/shared@v2.*\+1 files?.*1 unchanged")
        second = self.chunks(identity)
        self.assertTrue(first.keys() <= second.keys(), "versions are immutable: no chunk of the first may go")
        fresh = sum(second.values()) - sum(first.values())
        self.assertLess(fresh, sum(first.values()) // 2, f"{fresh} new bytes for a changed chunk of {sum(first.values())}")
        (folder / "b.bin").unlink()
        self.refuse(self.stew, f"data add clinic/shared {folder}", "usage", "--replace", status=2)
        self.accept(self.stew, f"data add clinic/shared {folder} --replace", r"clinic/shared@v3.*-1")
        self.accept(self.stew, "data rm clinic/shared@v1")
        self.assertTrue({n for n in second if n not in first} <= self.chunks(identity).keys(), "chunks of v2 stay")

    def add_second(self, name):
        again = WORLD.table.with_name("again.csv")
        again.write_text(WORLD.table.read_text() + "33,a\n")
        return self.accept(self.stew, f"data add {name} {again} --replace", re.escape(name) + "@v2")

    def test_a_removed_version_cannot_be_read(self):
        name = WORLD.dataset("clinic/gone", bits="1000")
        newest, first = WORLD.program(inputs=f'people = "{name}"'), WORLD.program(inputs=f'people = "{name}@v1"')
        grant = WORLD.give(name, bits=500)
        self.accept(self.ada, f"run {first} --grant {grant} --wait", "done")
        self.add_second(name)
        self.accept(self.stew, f"data grade {name} --class general --grade 2 --accept-proposed")
        self.refuse(self.ada, f"data rm {name}@v1", ("role_required", "not_owner"))
        self.accept(self.stew, f"data rm {name}@v1")
        self.refuse(self.ada, f"run {first} --grant {grant}", ("version_removed", "version_unknown", "not_found"), name)
        self.refuse(self.stew, f"data rm {name}@v1", "version_removed", name)
        self.accept(self.ada, f"run {newest} --grant {grant} --wait", "done")

    def test_a_removed_version_leaves_no_chunks(self):
        name = WORLD.dataset("clinic/shredded")
        identity = self.stew.ask(f"data show {name}")["dataset_id"]
        vault = WORLD.server.data / "vault" / identity / "chunks"
        before = list(vault.glob("*/*"))
        said = self.stew.ask(f"data rm {name}@v1")
        self.assertEqual([p.name for p in vault.glob("*/*")], [], f"of {len(before)} chunks, none is named by another version: {said}")

    def test_a_version_is_never_named_again(self):
        """The limit belongs to the dataset over all versions and removal; org/name@v1 is one content for ever."""
        name = WORLD.dataset("clinic/renamed", bits="1000")
        before = self.stew.ask(f"data show {name}")
        self.accept(self.stew, f"data rm {name}@v1")
        self.accept(self.stew, f"data add {name} {WORLD.table}", re.escape(name) + "@v2")
        after = self.stew.ask(f"data show {name}")
        self.assertEqual(after["dataset_id"], before["dataset_id"], "the name means another dataset now")


class Users(Case):
    def test_a_removed_user_is_nobody(self):
        operator, server = self.people["operator"], WORLD.server
        gone = Person("kim", server)
        gone.login(operator.ask("user add kim --role researcher,owner,reviewer")["token"])
        program, grant = WORLD.program(), WORLD.give(to="kim")
        run = gone.ask(f"run {program} --grant {grant} --wait")
        self.assertEqual(run["state"], "done", run)
        gone.type(f"fetch {run['id']} -o {WORLD.directory / 'kim'}", show=False)
        self.refuse(self.people["stew"], "user rm kim", "role_required", "operator")
        self.accept(operator, "user rm kim")
        for line in ("whoami", f"run {program} --grant {grant}", f"fetch {run['id']} -o {WORLD.directory / 'kim2'}",
                     f"data add kim/own {WORLD.table}", f"grant ask clinic/people --purpose p --program {program}"):
            self.refuse(gone, line, "unauthenticated", "coffer login")
        give = f"grant give clinic/people --to {{}} --purpose p --lane bounded --bits 100 --runs 1 --until {UNTIL} --yes"
        self.refuse(self.stew, give.format("kim"), ("key_removed", "not_found"), "kim")
        self.refuse(self.stew, give.format("ada") + " --approvers kim", ("key_removed", "not_found"), "kim")
        self.refuse(operator, "user rm kim", ("key_removed", "not_found"), "kim")
        self.refuse(operator, "user add kim --role researcher", "name_taken", "kim")
        self.accept(self.stew, give.format("ada") + " --approvers rex")

    def test_the_owner_and_the_operator_are_told_apart(self):
        self.refuse(self.stew, "user add zoe --role owner", "role_required", "operator")
        self.refuse(self.people["operator"], f"data add op/own {WORLD.table}", "role_required", "owner")
        self.refuse(self.people["operator"], "user add zoe --role king", ("bad_request", "usage"), "roles", "owner")
        self.accept(self.people["operator"], "user add zoe --role owner")

    def test_a_removed_user_gets_no_token(self):
        operator = self.people["operator"]
        operator.type("user add kay --role researcher", show=False)
        self.accept(operator, "user token kay", "cft_")
        self.accept(operator, "user rm kay")
        self.refuse(operator, "user token kay", ("key_removed", "not_found"), "kay")


if __name__ == "__main__":
    unittest.main()
