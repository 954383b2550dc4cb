"""Commands of a script, once from its arguments or many from its standard input."""
import os
import sys
import traceback


def run(commands):
    """`SCRIPT COMMAND ARGUMENTS...`, or `SCRIPT serve`."""
    if sys.argv[1:] == ["serve"]:
        serve(commands)
    else:
        commands[sys.argv[1]](*sys.argv[2:])


def serve(commands):
    """Runs the commands that come on standard input, one a line; answers "done" or "failed"."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what torch prints is no answer
    for line in sys.stdin:
        name, *arguments = line.split()
        try:
            commands[name](*arguments)
            answer = "done"
        except Exception:
            traceback.print_exc()
            answer = "failed"
        print(answer, file=answers, flush=True)
