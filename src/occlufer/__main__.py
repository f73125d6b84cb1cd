"""`python -m occlufer`: the same as `occlufer`."""

from occlufer.cli import main

if __name__ == "__main__":
    main()
