"""The command line: one verb per file; ``_main`` finds them and turns errors into exit codes.

Exit codes: 0 done, 1 a check failed, 2 bad usage or input, 3 budget infeasible, 70 a bug of
niwaki's (with a traceback), 130 interrupted.
"""

from niwaki.cli._main import main as main, run_verb as run_verb
