"""What a study holds, counted and compared: runs, groups, statistics, metrics. It prints and draws nothing."""
