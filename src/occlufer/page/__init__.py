"""A page to try a network in the browser: nothing but this machine is asked for, and no picture is kept."""
