"""Kills a small study at random moments, goes on, and compares the outcome with an undisturbed study.

    python scripts/fault_test.py --kills 50

A study of drawn faces is made twice: drawing, landmarks, a training, a training of two ddp processes, a sweep, a
report. Its second making meets SIGKILL, sent to a command's whole process group, to its first process only, or to one
of its children. The moment is drawn uniformly: one half over the whole length of the command, the other half from the
first sign that it is at work (the imports before are long and dull). After a kill the same command runs again, at once,
while what the kill left may still be ending; it may be killed again, and at last ends by itself. Rounds of this go on
until every kind of command has had its share of the kills. Linux only: processes are found by a mark in their
environment.

The script fails unless, for each round, predictions, metrics, histories (but for seconds), landmarks, drawn faces and
the tables of the report are bit for bit those of the undisturbed study, no process is left, and no temporary file.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fault_contents import contents, differences

MARK = "OCCLUFER_FAULT_TEST"  # environment variable that names the step which a process belongs to
ALONE = 120.0  # seconds that orphans have to notice that they are; generous, since the machine may be busy
# Temporary folders of torch, and of multiprocessing and wandb (made when it is imported) where they were killed.
NAMED = ("torchinductor_*", "pymp-*", "tmp*wandb-artifacts", "tmp*wandb-media")
FASTER = 0.7  # what a pace shrinks by when a command ends before its kill
HUNG = 900.0  # seconds after which a command that should end has hung
DATA = ("dataset=synthetic", "dataset.size=105", "dataset.image_size=48", "dataset.workers=2")
TRAINING = (
    *DATA, "study=faults", "occlusion=mask", "conditions=[none,mask]", "view=full", "image.size=32", "model=plain_cnn",
    "model.widths=[8,16]", "model.drop_rate=0.2", "landmarks.workers=0", "loader.batch_size=16", "loader.num_workers=1",
    "logger=csv", "trainer.max_epochs=4", "trainer.enable_progress_bar=false", "optimizer.lr=0.003",
)  # fmt: skip
LOCAL = ("-m", "hydra/launcher=local", "hydra.launcher.cpus=1", "hydra.launcher.cpus_per_job=1")


@dataclass(frozen=True, slots=True)
class Step:
    """A command of the study, and how it is killed.

    Attributes:
        kind: its name in the table.
        words: after `occlufer`, without the paths.
        work: pattern of the first line that shows it at work.
        done: pattern of the line at which this kind of work is over; none: the command's end.
        victims: whom a kill hits: "group", "first", "child".
        relaunch: whether it is run to its end before the next step; false where the next step is the same command.
    """

    kind: str
    words: tuple[str, ...]
    work: str
    victims: tuple[str, ...]
    done: str | None = None
    relaunch: bool = True


STEPS = (
    Step("drawing", ("prepare", *DATA, "landmarks.workers=2"), "Drawing faces", ("group", "first", "child"),
         done="Finding landmarks", relaunch=False),
    Step("landmarks", ("prepare", *DATA, "landmarks.workers=2"), "Finding landmarks", ("group", "first", "child")),
    Step("training", ("train", *TRAINING), "faces used", ("group", "first")),
    Step("ddp rank", ("train", *TRAINING, "trainer=ddp_cpu", "seed=1"), "faces used", ("first", "child")),
    Step("sweep", ("train", *LOCAL, *TRAINING, "seed=2,3"), "Sweep of", ("first",)),
    Step("report", ("report", "study=faults"), "", ("group",)),
)  # fmt: skip
SHARES = {"drawing": 8, "landmarks": 8, "training": 12, "ddp rank": 8, "sweep": 7, "report": 7}


@dataclass(frozen=True, slots=True)
class Pace:
    """When the undisturbed command did what, in seconds from its start."""

    work: float
    done: float


@dataclass(slots=True)
class Tally:
    """What became of one kind of command."""

    asked: int
    kills: Counter[str] = field(default_factory=Counter)
    launches: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Kills that hit."""
        return sum(self.kills.values())


class Workshop:
    """Runs the commands of a study below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.outputs = folder, folder / "outputs"
        folder.mkdir(parents=True)
        # A short path: torch's workers meet at a socket in it, whose name may have 107 characters. Beyond that the
        # training waits for ever for its first batch.
        self.temporary = Path(tempfile.mkdtemp(prefix="occlufer_"))
        atexit.register(shutil.rmtree, self.temporary, ignore_errors=True)

    def start(self, step: Step) -> subprocess.Popen[bytes]:
        """The step's command in a session of its own; what it says is added to its log."""
        words = [*step.words, f"paths.outputs={self.outputs}"]
        environment = os.environ | {
            MARK: self.mark(step), "TMPDIR": str(self.temporary), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
            "COLUMNS": "200", "NO_ALBUMENTATIONS_UPDATE": "1",
        }  # fmt: skip
        with self.log(step).open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "occlufer.cli", *words], cwd=self.folder, env=environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def mark(self, step: Step) -> str:
        """What all processes of a step, orphans too, have in their environment."""
        return f"{self.folder}:{step.kind}"

    def log(self, step: Step) -> Path:
        """What the commands of a step say."""
        return self.folder / f"{step.kind.replace(' ', '_')}.log"

    def length(self, step: Step) -> int:
        """Bytes of the step's log."""
        return self.log(step).stat().st_size if self.log(step).is_file() else 0

    def said(self, step: Step, since: int = 0) -> str:
        """The step's log from a byte on."""
        path = self.log(step)
        return path.read_bytes()[since:].decode("utf-8", errors="replace") if path.is_file() else ""


def marked(mark: str) -> list[int]:
    """The processes that carry a mark, zombies excepted."""
    needle = f"{MARK}={mark}\0".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if needle in (path / "environ").read_bytes():
                found.append(int(path.name))
    return found


def finished(shop: Workshop, step: Step) -> tuple[Pace, str | None]:
    """Run a step to its end; returns its pace, and what is wrong: None when nothing is."""
    since = shop.length(step)
    process, started = shop.start(step), time.monotonic()
    seen: dict[str, float] = {}
    patterns = [pattern for pattern in (step.work, step.done) if pattern]
    wrong = None
    while process.poll() is None:
        elapsed = time.monotonic() - started
        said = shop.said(step, since)
        for pattern in patterns:
            if pattern not in seen and re.search(pattern, said):
                seen[pattern] = elapsed
        if elapsed > HUNG:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            wrong = "the relaunch hung"
        time.sleep(0.05)
    if process.returncode != 0 and wrong is None:
        wrong = f"the relaunch ended with {process.returncode}: {shop.said(step, since)[-2000:]}"
    return Pace(seen.get(step.work, 0.0), seen.get(step.done or "", time.monotonic() - started)), wrong


def killed(shop: Workshop, step: Step, pace: Pace, rng: random.Random) -> str | None:
    """Start a step and kill it at a random moment; returns whom the kill hit, None when the command ended before."""
    victim, at_work = rng.choice(step.victims), rng.random() < 0.5
    wait = rng.uniform(0, pace.done - pace.work if at_work else pace.done)
    since = shop.length(step)
    process, started = shop.start(step), time.monotonic()
    due = None if at_work else started + wait
    while process.poll() is None:
        now = time.monotonic()
        if due is None and re.search(step.work, shop.said(step, since)):
            due = now + wait
        if due is not None and now >= due:
            return _strike(shop, step, process, victim, rng)
        time.sleep(0.02)
    return None


def _strike(
    shop: Workshop, step: Step, process: subprocess.Popen[bytes], victim: str, rng: random.Random
) -> str | None:
    others = [pid for pid in marked(shop.mark(step)) if os.getsid(pid) == process.pid and pid != process.pid]
    if victim == "child" and others:
        with contextlib.suppress(ProcessLookupError):
            os.kill(rng.choice(others), signal.SIGKILL)
        # The command may end with an error, or never have needed the child; but it has to end.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(HUNG)
            return victim
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise RuntimeError(f"{step.kind} hung after one of its processes was killed")
    if process.poll() is not None:
        return None
    (os.killpg if victim == "group" else os.kill)(process.pid, signal.SIGKILL)
    process.wait()
    return "group" if victim == "group" else "first"


def strays(shop: Workshop, step: Step) -> list[str]:
    """The processes of a step that outlive it by more than `ALONE` seconds; they are ended now."""
    deadline = time.monotonic() + ALONE
    while (left := marked(shop.mark(step))) and time.monotonic() < deadline:
        time.sleep(0.2)
    named = []
    for pid in left:
        with contextlib.suppress(OSError):
            named.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()[-160:])
            os.kill(pid, signal.SIGKILL)
    return named


def disturbed_round(
    shop: Workshop,
    steps: Sequence[Step],
    paces: dict[str, Pace],
    tallies: dict[str, Tally],
    rng: random.Random,
) -> None:
    """Make the study once under fire: each step is killed some times, then runs to its end."""
    for step in steps:
        tally = tallies[step.kind]
        for _ in range(min(tally.asked - tally.total, rng.randint(2, 4))):
            tally.launches += 1
            try:
                hit = killed(shop, step, paces[step.kind], rng)
            except RuntimeError as error:
                tally.faults.append(str(error))
                continue
            if hit is None:  # the machine is faster now than it was: look for earlier moments
                pace = paces[step.kind]
                paces[step.kind] = Pace(FASTER * pace.work, FASTER * pace.done)
                break
            tally.kills[hit] += 1
        if not step.relaunch:
            continue
        tally.launches += 1
        wrong = finished(shop, step)[1]
        tally.faults += [wrong] if wrong else []
        tally.faults += [f"left running: {name}" for name in strays(shop, step)]


# --- The whole.


def leftovers(shop: Workshop) -> list[str]:
    """Temporary files that the killed commands left for good."""
    found = [path for path in shop.outputs.rglob("*") if path.name.endswith(".tmp")]
    found += [path for path in shop.temporary.iterdir() if not any(map(path.match, NAMED))]
    return sorted(map(str, found))


def fault_test(folder: Path, *, kills: int, seed: int, kinds: Sequence[str], say: Console) -> bool:
    """Run it all below `folder`; prints the table, returns whether nothing was wrong."""
    steps = [step for step in STEPS if step.kind in kinds]
    tallies = {step.kind: Tally(share) for step, share in zip(steps, _shares(kills, steps), strict=True)}
    rng = random.Random(seed)
    reference = Workshop(folder / "undisturbed")
    paces = {}
    for step in steps:
        paces[step.kind], wrong = finished(reference, step)
        if wrong:
            raise SystemExit(f"The undisturbed {step.kind} failed: {wrong}")
        say.print(f"Undisturbed {step.kind}: {paces[step.kind].done:.0f} s", highlight=False)
    expected = contents(reference.outputs)
    number = 0
    while any(tally.total < tally.asked for tally in tallies.values()) and number < kills:
        number += 1
        shop = Workshop(folder / f"round{number}")
        disturbed_round(shop, steps, paces, tallies, rng)
        found = contents(shop.outputs)
        for kind, tally in tallies.items():
            other = differences(expected[kind], found[kind])
            tally.faults += [f"round {number}: {name} is not that of the undisturbed study" for name in other]
        tallies[steps[-1].kind].faults += [f"round {number}: {name} was left" for name in leftovers(shop)]
        done = sum(tally.total for tally in tallies.values())
        say.print(f"Round {number}: {done} of {kills} kills so far", highlight=False)
        if not any(tally.faults for tally in tallies.values()):
            shutil.rmtree(shop.folder)
    say.print(_shown(tallies))
    faults = [f"{kind}: {fault}" for kind, tally in tallies.items() for fault in tally.faults]
    for fault in faults:
        say.print(fault, markup=False, highlight=False)
    short = any(tally.total < tally.asked for tally in tallies.values())
    return not faults and not short


def _shares(kills: int, steps: Sequence[Step]) -> Iterator[int]:
    """The kills of each step: as `SHARES` has them, at least one each, `kills` in all."""
    weights = [SHARES[step.kind] for step in steps]
    whole = [max(1, kills * weight // sum(weights)) for weight in weights]
    whole[weights.index(max(weights))] += max(0, kills - sum(whole))
    return iter(whole)


def _shown(tallies: dict[str, Tally]) -> Table:
    table = Table("kind", "kills", "of which", "launches", "identical")
    for kind, tally in tallies.items():
        parts = ", ".join(f"{count} {victim}" for victim, count in sorted(tally.kills.items()))
        table.add_row(kind, str(tally.total), parts, str(tally.launches), "no" if tally.faults else "yes")
    totals = sum(tally.total for tally in tallies.values()), sum(tally.launches for tally in tallies.values())
    table.add_row("all", str(totals[0]), "", str(totals[1]),
                  "no" if any(tally.faults for tally in tallies.values()) else "yes")  # fmt: skip
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the words, run the test; 0 when all is the same."""
    kinds = [step.kind for step in STEPS]
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=50, help="kills in all (default 50)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and victims (default 0)")
    parser.add_argument("--outputs", type=Path, help="a folder to keep (default: a temporary one)")
    parser.add_argument(
        "--kinds", nargs="+", default=kinds, choices=kinds, help="steps of the study (default: all)"
    )
    options = parser.parse_args(arguments)
    folder = options.outputs or Path(tempfile.mkdtemp(prefix="occlufer-faults-"))
    console = Console(soft_wrap=True)
    right = fault_test(folder, kills=options.kills, seed=options.seed, kinds=options.kinds, say=console)
    if right and options.outputs is None:
        shutil.rmtree(folder)
    else:
        console.print(f"The studies and the logs are in {folder}", highlight=False)
    return 0 if right else 1


if __name__ == "__main__":
    raise SystemExit(main())
