"""`python -m tests.mutation MODULE...`: put faults into modules, one at a time, and report which of them no test sees.

Modules are paths in the repository, files or folders. Takes minutes for each: every fault is a run of the module's tests.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.mutation.mutants import Mutant, find_mutants
from tests.mutation.plan import ROOT, Suite, modules_of, suite_of
from tests.mutation.report import Tally, is_judged, read_judged, summary
from tests.mutation.runner import Patience, Runner, copied_tree, load_libraries


def main() -> None:
    """Run the modules that are named."""
    options = _options()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10_000)
    _say(f"seed {seed}, at most {options.sample or 'all'} faults a module")
    load_libraries()
    tallies = []
    patience: Patience = {}
    with copied_tree() as copy:
        for module in modules_of(options.modules):
            tests = suite_of(module)
            chosen = choose((ROOT / module).read_text(), options.sample, f"{seed}:{module}")
            if not chosen:
                continue
            tallies.append(try_module(copy, module, chosen, _as_asked(tests, options), patience))
            _say(tallies[-1].row())
    _say(summary(tallies))


def choose(source: str, sample: int, seed: str) -> list[Mutant]:
    """Return the faults to try: all, or as many as asked for, the same ones for the same seed.

    Args:
        source: The module's source.
        sample: How many at most; 0 for all.
        seed: Chooses them.
    """
    mutants = find_mutants(source)
    if not sample or len(mutants) <= sample:
        return mutants
    return sorted(random.Random(seed).sample(mutants, sample), key=lambda mutant: mutant.line)


def try_module(copy: Path, module: str, mutants: Sequence[Mutant], tests: Suite, patience: Patience | None = None) -> Tally:
    """Put faults into a module, one at a time, and run its tests for each.

    Args:
        copy: A copy of the tree.
        module: The module's path.
        mutants: The faults.
        tests: The module's tests.
        patience: How long tests may take; many modules have the same ones, which need not be timed again for each.
    """
    tally, judged, runner = Tally(module), read_judged(), Runner(copy, module, {} if patience is None else patience)
    for mutant in mutants:
        if is_judged(module, mutant, judged):
            tally.without_effect += 1
        elif any(runner.sees(mutant, stage) for stage in tests.stages):
            tally.fast += 1
        elif tests.slow and runner.sees(mutant, tests.slow):
            tally.slow += 1
        else:
            tally.unseen.append(mutant)
            _say(f"{module}:{mutant.line}: {mutant.kind}\n{mutant.difference}\n")
    return tally


def _as_asked(tests: Suite, options: argparse.Namespace) -> Suite:
    if options.first:
        return Suite(tests.stages[0])
    return Suite(tests.fast) if options.fast else tests


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description="Which faults does no test see?")
    parser.add_argument("modules", nargs="*", default=["flask_realtime", "example_app"], help="files or folders")
    parser.add_argument("--sample", type=int, default=40, help="faults a module at most; 0 for all")
    parser.add_argument("--seed", type=int, help="chooses the sample")
    parser.add_argument("--fast", action="store_true", help="leave out the tests that start servers")
    parser.add_argument("--first", action="store_true", help="take only the first tests of each module: seconds for a fault")
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
