"""What became of a job: judged by its run folder, explained by its failure.json or by the end of its log."""

from __future__ import annotations

import signal

from occlufer.launchers.jobs import Job, Phase
from occlufer.runs import now
from occlufer.sweeps import last_words
from occlufer.types import OccluferError

_ASKED_TO_END = {-signal.SIGTERM, 128 + signal.SIGTERM, -signal.SIGINT, 128 + signal.SIGINT}


def note_start(job: Job) -> None:
    """Remember where the job's log ends and how its last attempt failed, so that old news is not told again."""
    job.log_start = job.log.stat().st_size if job.log.is_file() else 0
    job.failure_before = _failure_stamp(job)


def has_begun(job: Job) -> bool:
    """Whether the job's log has grown since `note_start`, wherever the job runs."""
    return job.log.is_file() and job.log.stat().st_size > job.log_start


def conclude(job: Job, code: int) -> None:
    """Set the phase and the reason of a job whose process ended with `code` (negative: killed by that signal).

    A run is done when it is complete, whatever the code. A failure that the job could not record itself, such as being
    killed for memory, is recorded in its run folder here.
    """
    if job.folder.finished:
        job.phase, job.reason = Phase.DONE, ""
    elif code in _ASKED_TO_END:
        job.phase, job.reason = Phase.STOPPED, "It was asked to end; the same command goes on with it."
    elif (told := job.folder.failure) is not None and _failure_stamp(job) != job.failure_before:
        job.phase, job.reason = Phase.FAILED, told
    else:
        fail(job, _reason(job, code))


def fail(job: Job, reason: str) -> None:
    """The job failed for a reason that its run folder does not know yet: it is recorded there, for all who read it."""
    job.phase, job.reason = Phase.FAILED, reason
    if job.folder.running or job.folder.finished:  # somebody else trains it
        return
    try:
        if not (job.folder.folder / "config.yaml").is_file():  # else it would not be seen as a run
            job.folder.write_config(job.settings)
        job.folder.write_json("failure.json", {"error": "JobEnded", "message": reason, "when": now()})
    except OccluferError:  # the disk may be full
        return


def _failure_stamp(job: Job) -> int | None:
    path = job.folder.folder / "failure.json"
    return path.stat().st_mtime_ns if path.is_file() else None


def _reason(job: Job, code: int) -> str:
    said = last_words(job.log, job.log_start)
    if code < 0:
        memory = ", perhaps for want of memory" if code == -signal.SIGKILL else ""
        return f"Its process was killed by {signal.Signals(-code).name}{memory}."
    if code == 0:
        return f"It ended without an error and without finishing its run. {said}".strip()
    return said or f"It ended with exit code {code} and said nothing."
