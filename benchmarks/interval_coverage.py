"""Do the report's 95 % intervals hold the truth? Studies with known answers, drawn many times over.

python benchmarks/interval_coverage.py [--studies N] [--seed N]

A study has the designs none, mask, headset and mixed (or the first two), each trained with 2, 3 or 5 seeds and tested
on three conditions (or two). A face is correct with a chance that depends on the cell, the person, the person in that
cell, and the training in that cell. Printed for each spread of trainings: coverage of the intervals of the primary
family, on average and of the worst contrast; the share of single tests at .05, and of families after Holm, that find
something where there is nothing; the mean width; and the pooled degrees of freedom.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from occlufer.analysis.core.effects import Contrast, Effect, Place, effects
from occlufer.analysis.core.trainings import Training

SPREADS = {
    "equal": (1.0, 1.0, 1.0, 1.0),
    "unequal, plain widest": (1.3, 0.8, 0.8, 1.0),
    "unequal, plain narrowest": (0.7, 1.1, 1.3, 0.9),
}
"""Standard deviations of the designs, as multiples."""


@dataclass(frozen=True, slots=True)
class World:
    """What the studies are drawn from.

    Attributes:
        trains, tests: the designs and the test conditions; the first of each is `none`.
        seeds: trainings of each design.
        sd: between trainings, of the share of correct faces in a cell.
        factors: what `sd` is multiplied by, design by design.
        people, faces: people, and faces of each.
        seen, unseen: share of correct faces under an occluder with and without training under it; bare faces are
            `bare`. All the same: there is nothing to find.
    """

    trains: tuple[str, ...] = ("none", "mask", "headset", "mixed")
    tests: tuple[str, ...] = ("none", "mask", "headset")
    seeds: int = 2
    sd: float = 0.05
    factors: tuple[float, ...] = SPREADS["equal"]
    people: int = 120
    faces: int = 2
    bare: float = 0.65
    seen: float = 0.5
    unseen: float = 0.35

    def share(self, place: Place) -> float:
        """The true share of correct faces in a cell."""
        train, test = place
        return self.bare if test == "none" else self.seen if train in (test, "mixed") else self.unseen

    @property
    def contrasts(self) -> list[tuple[Place, Place]]:
        """The primary family of such a study."""
        covers = [(("none", "none"), ("none", test)) for test in self.tests[1:]]
        return covers + [
            (("none", test), (train, test))
            for test in self.tests[1:]
            for train in self.trains[1:]
            if train in (test, "mixed")
        ]

    def draw(self, rng: np.random.Generator) -> list[Effect]:
        """One study, analysed as the report does."""
        units_N = np.repeat(np.arange(self.people), self.faces)
        easy_N = rng.normal(0, 0.08, self.people)[units_N]
        correct = {}
        for train, factor in zip(self.trains, self.factors, strict=False):
            for test in self.tests:
                chance_N = self.share((train, test)) + easy_N + rng.normal(0, 0.08, self.people)[units_N]
                of_training_R = rng.normal(0, self.sd * factor, self.seeds)
                drawn_NR = rng.random((len(units_N), self.seeds))
                correct[train, test] = (drawn_NR < chance_N[:, None] + of_training_R).astype(np.int8)
        trainings = tuple(Training(seed, None) for seed in range(self.seeds))
        return effects(
            [Contrast(one, two, trainings, correct[two] - correct[one]) for one, two in self.contrasts],
            units_N,
        )


@dataclass(frozen=True, slots=True)
class Found:
    """Shares over the studies; `worst`: of the contrast that is covered least."""

    coverage: float
    worst: float
    positives: float
    families: float
    width: float
    df: float


def simulate(world: World, studies: int, rng: np.random.Generator) -> Found:
    """Draw and analyse studies of `world`; positives are those where its shares are all alike."""
    truth_C = np.array([world.share(two) - world.share(one) for one, two in world.contrasts])
    drawn = [world.draw(rng) for _ in range(studies)]
    covered_SC = np.array(
        [[e.low <= t <= e.high for e, t in zip(study, truth_C, strict=True)] for study in drawn]
    )
    p_SC = np.array([[effect.p for effect in study] for study in drawn])
    null = not truth_C.any()
    return Found(
        float(covered_SC.mean()), float(covered_SC.mean(axis=0).min()),
        float((p_SC < 0.05).mean()) if null else np.nan,
        float((p_SC.min(axis=1) * p_SC.shape[1] < 0.05).mean()) if null else np.nan,  # the first step of Holm
        float(np.mean([e.high - e.low for study in drawn for e in study])), drawn[0][0].spread_df,
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    print("designs  spread of designs         seeds  sd   coverage worst   p<.05  Holm   width   df")
    sizes = ((4, 3), (2, 2))
    for (trains, tests), (name, factors), seeds, sd in itertools.product(
        sizes, SPREADS.items(), (2, 3, 5), (0.02, 0.05, 0.10)
    ):
        plain = World(seeds=seeds, sd=sd, factors=factors)
        world = replace(plain, trains=plain.trains[:trains], tests=plain.tests[:tests])
        rng = np.random.default_rng(options.seed)
        found = simulate(world, options.studies, rng)
        null = simulate(replace(world, bare=0.5, seen=0.5, unseen=0.5), options.studies, rng)
        print(f"{trains} x {tests}    {name:25} {seeds}      {sd:.2f} {found.coverage:.3f}    {found.worst:.3f}   "
              f"{null.positives:.3f}  {null.families:.3f}  {found.width:.3f}   {found.df:.1f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
