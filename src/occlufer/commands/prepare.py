"""`occlufer prepare`: find landmarks once, print coverage by split and class."""

from __future__ import annotations

from omegaconf import DictConfig

from occlufer.commands.app import command, plain
from occlufer.commands.checks import check_folders


@command("prepare")
def main(config: DictConfig) -> None:
    """Find what the landmark cache lacks, and print what it holds."""
    from occlufer.commands.assemble import landmark_coverage, make_faces, prepare_landmarks
    from occlufer.commands.console import out, table

    settings = plain(config)
    check_folders(settings)
    faces = make_faces(settings)
    cache, report = prepare_landmarks(settings, faces)
    coverage = landmark_coverage(faces, cache)
    coverage["found %"] = (100 * coverage["used"] / coverage["faces"]).round(1)
    out.print(table(coverage, f"Landmarks in {faces.name}"))
    by_split = coverage.groupby("split", sort=False)[["faces", "used", "dropped"]].sum().reset_index()
    by_split["found %"] = (100 * by_split["used"] / by_split["faces"]).round(2)
    out.print(table(by_split, "By split"))
    speed = (
        f", {report.looked_at:,} looked at now in {report.seconds:.1f} s by {max(report.workers, 1)} process(es): "
        f"{report.faces_a_second:.0f} a second"
        if report.looked_at
        else ", nothing to do"
    )
    out.print(f"{report.found:,} of {report.total:,} faces have landmarks{speed}.", highlight=False)
    stages = ", ".join(f"{stage} {count:,}" for stage, count in report.stages.items())
    out.print(f"By stage: {stages}. Cache: {cache.path}", highlight=False)


if __name__ == "__main__":
    main()
