"""For a paper: the tables in LaTeX, figures at column widths, predictions as text, a methods paragraph, references."""
