"""The machine of a run: its description, versions of programs, CPU time and memory of processes."""
