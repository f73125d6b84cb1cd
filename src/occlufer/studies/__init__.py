"""What only the re-runs of the two published studies need (docs/studies.md): views, placements, networks, figures."""
