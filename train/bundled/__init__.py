"""How the bundled checkpoint is made: one pack of films, one command on a GPU (or, slowly, a CPU).

pack -> run (teacher, backbone, label statistics, label branch and its arms) -> assemble.
"""
