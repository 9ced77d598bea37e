"""Budgets: races spend nothing twice, and what quote says is what run does."""
import re
import threading
import unittest

from harness import UNTIL
from world import Case, begin, typed

WORLD = None


def setUpModule():
    global WORLD
    WORLD = begin("budgets")


class Budgets(Case):
    def race(self, program, grants, count=8):
        """Submits `count` at once, taking turns over the grants. Returns (ids accepted, what the others said, sums seen)."""
        said, seen, over = [None] * count, [], threading.Event()

        def submit(i):
            said[i] = typed(self.ada, f"run {program} --grant {grants[i % len(grants)]}")

        def look():
            while not over.is_set():
                seen.append([self.ada.ask(f"grant show {g}") for g in grants])

        threads = [threading.Thread(target=submit, args=(i,)) for i in range(count)]
        watcher = threading.Thread(target=look)
        watcher.start()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        over.set()
        watcher.join()
        accepted = [re.search(r"run_[a-z2-7]{16}", text)[0] for status, text in said if status == 0]
        return accepted, [text for status, text in said if status != 0], seen

    def check_sums(self, seen):
        for grant in (g for one in seen for g in one):
            for amount, limit in grant["budget"].items():
                used = grant["spent"][amount] + grant["reserved"][amount]
                self.assertLessEqual(used, limit, f"{amount} of {grant['id']}: {grant['spent']} and {grant['reserved']}")

    def test_racing_submits_do_not_overspend_runs(self):
        program, grant = WORLD.program(), WORLD.give(runs=3, bits="10k")
        accepted, refused, seen = self.race(program, [grant])
        self.assertEqual(len(accepted), 3, f"the grant has 3 runs; refused: {refused}")
        self.assertTrue(all("exhausted]" in text and "runs" in text for text in refused), refused)
        self.settle([grant], accepted, seen, runs=3)

    def test_racing_submits_do_not_overspend_bits(self):
        """Nothing is settled before the last has come: a run that is over gives back what it did not use."""
        program = WORLD.program(sleep=4)
        cost = self.ada.ask(f"quote {program}")["quote"]["bits"]
        grant = WORLD.give(runs=100, bits=4 * cost - 1)
        accepted, refused, seen = self.race(program, [grant])
        self.assertEqual(len(accepted), 3, f"{4 * cost - 1} bits are 3 runs of {cost}; refused: {refused}")
        self.assertTrue(all("exhausted]" in text and "bits" in text for text in refused), refused)
        self.settle([grant], accepted, seen)

    def test_racing_submits_do_not_pass_the_limit_of_the_dataset(self):
        name = WORLD.dataset("clinic/raced")
        self.accept(self.stew, f"data grade {name} --class general --grade 2 --accept-proposed")
        program = WORLD.program(inputs=f'people = "{name}"', sleep=4)
        cost = self.ada.ask(f"quote {program}")["quote"]["bits"]
        self.accept(self.stew, f"data limit {name} --bits {4 * cost - 1} --overcommit")
        grants = [WORLD.give(name, bits=4 * cost - 1), WORLD.give(name, bits=4 * cost - 1)]
        accepted, refused, seen = self.race(program, grants)
        self.assertEqual(len(accepted), 3, f"the dataset has {4 * cost - 1} bits, a run may need {cost}; refused: {refused}")
        # Either is true when all three went to one grant.
        self.assertTrue(all("exhausted]" in text and any(one in text for one in (name, *grants)) for text in refused), refused)
        ended = self.settle(grants, accepted, seen)
        dataset, shown = self.stew.ask(f"data show {name}"), self.accept(self.stew, f"data show {name}")
        charged = sum(run["charged"]["bits"] for run in ended)
        self.assertEqual(dataset["spent"], {"bits": charged, "epsilon_milli": 0}, "what a limit counts, over all grants")
        self.assertRegex(shown, rf"(?m)^spent +{charged} bits$")

    def settle(self, grants, accepted, seen, runs=None):
        ended = [self.wait(run) for run in accepted]
        after = [self.ada.ask(f"grant show {g}") for g in grants]
        self.check_sums([*seen, after])
        for amount in ("bits", "runs", "cpu_ms"):
            charged = sum(run["charged"][amount] for run in ended)
            self.assertEqual(sum(g["spent"][amount] for g in after), charged, f"spent {amount} is the sum over the runs")
            self.assertEqual([g["reserved"][amount] for g in after], [0] * len(after))
        for run in ended:
            for amount, most in run["quote"].items():
                self.assertLessEqual(run["charged"][amount], most, f"{amount} of {run['id']}: more than the quote")
        if runs is not None:
            self.assertEqual(after[0]["spent"]["runs"], runs)
        return ended


class Grants(Case):
    def test_say_for_which_versions_they_are(self):
        for dataset, shown in (("clinic/people@v1", "clinic/people@v1"), ("clinic/people", "clinic/people (every version)")):
            with self.subTest(dataset):
                grant = WORLD.give(dataset)
                self.assertEqual(self.stew.ask(f"grant show {grant}")["dataset"], dataset)
                self.assertRegex(self.accept(self.stew, "grant ls"), rf"(?m)^{grant} +active +{dataset} +ada ")
                self.assertRegex(self.accept(self.stew, f"grant show {grant}"), rf"(?m)^dataset +{re.escape(shown)}$")


class Quotes(Case):
    def quote_and_run(self, line):
        """(accepted by quote, accepted by run), and what each said."""
        first, quoted = typed(self.ada, f"quote {line}")
        second, submitted = typed(self.ada, f"run {line}")
        return (first, second), f"ada$ coffer quote {line}\n{quoted}\nada$ coffer run {line}\n{submitted}"

    def check_quotes(self, lines):
        for what, (line, wanted) in lines.items():
            with self.subTest(what):
                statuses, said = self.quote_and_run(line)
                self.assertEqual(statuses, (wanted, wanted), f"{what}: exit statuses of quote and run, wanted {wanted}\n{said}")

    def test_quote_says_what_run_does(self):
        program, good, once = WORLD.program(), WORLD.give(), WORLD.give(runs=1)
        self.submit(self.ada, f"run {program} --grant {good}")
        cost = self.ada.ask(f"quote {program}")["quote"]["bits"]
        self.check_quotes({
            "a good grant": (f"{program} --grant {good}", 0),
            "just enough bits": (f"{program} --grant {WORLD.give(bits=cost)}", 0),
            "too few bits": (f"{program} --grant {WORLD.give(bits=cost - 1)}", 1),
            "one run": (f"{program} --grant {once}", 0),
            "no run is left": (f"{program} --grant {once}", 1),
            "too little processor time": (f"{program} --grant {WORLD.give(more='--cpu-hours 0.001')}", 1),
            "another lane": (f"{WORLD.program(lane='proved')} --grant {good}", 1),
            "too much memory": (f"{program} --grant {good} --memory 4000GiB", 1),
            "somebody else's grant": (f"{program} --grant {WORLD.give(to='ben')}", 1),
            "another dataset's grant": (f"{program} --grant {WORLD.give(WORLD.dataset('clinic/elsewhere', bits='1000'), bits=500)}", 1),
        })

    def test_quote_does_not_refuse_a_program_that_run_would_send(self):
        self.check_quotes({"never sent": (f"{WORLD.program(name='fresh')} --grant {WORLD.give()}", 0)})

    def test_quote_sees_what_the_grant_and_the_dataset_do_not_allow(self):
        program, revoked = WORLD.program(), WORLD.give()
        self.assertIn(f"stew gave you {revoked}", self.accept(self.ada, "inbox"))
        self.accept(self.stew, f"grant revoke {revoked}")
        news = self.accept(self.ada, "inbox")
        self.assertIn(f"stew revoked {revoked} on clinic/people", news)
        self.assertNotIn(f"stew gave you {revoked}", news)
        self.submit(self.ada, f"run {program} --grant {WORLD.give()}")
        asked = self.ada.ask(f"grant ask clinic/people --purpose p --program {WORLD.program(name='other')} --runs 5 --bits 500")
        pinned = self.stew.ask(f"grant give clinic/people --request {asked['id']} --purpose p --lane bounded --until {UNTIL} --program {asked['program']} --yes")["id"]
        name = WORLD.dataset("clinic/quoted", bits="50")
        self.accept(self.stew, f"data limit {name} --bits 50 --overcommit")
        over = WORLD.program(inputs=f'people = "{name}"')
        self.accept(self.ada, f"run {over} --grant {WORLD.give(name, bits=50)}")
        self.check_quotes({
            "a revoked grant": (f"{program} --grant {revoked}", 1),
            "another kind of output": (f"{program} --grant {WORLD.give(more='--outputs table')}", 1),
            "another program": (f"{program} --grant {pinned}", 1),
            "the dataset has no bits left": (f"{over} --grant {WORLD.give(name, bits=50)}", 1),
        })


if __name__ == "__main__":
    unittest.main()
