"""Mutation testing: puts one fault at a time into a copy of the code, and reports which of them no test sees.

`make mutation MODULES=flask_realtime/features SAMPLE=40 SEED=1` runs it. `mutants.py` makes the faults, `plan.py` names each
module's tests, `runner.py` runs them in a process forked from one that has the libraries loaded, `report.py` counts.
"""
