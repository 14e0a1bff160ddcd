"""test_sweeps.py - every exported function stands in the table of the sweep over failing allocations (tests/sweep), once, and nothing else does.

A row is SWEEP(function, ...) or a macro of the same file that makes one; they are read after the preprocessor.
"""
import re
import sys

import house
from test_exports import exported

OF_ITS_OWN = 'sweep.c'  # rows that are wrong on purpose


def rows(root, left_out):
    """How often each function has a row, and where."""
    found = {}
    for file in house.sources(root, 'tests/sweep', endings=('.c',)):
        if file.name in left_out:
            continue
        status, said = house.run('cc', '-std=gnu17', '-D_GNU_SOURCE', '-E', '-P', *house.consumer_cflags(root), '-I', root / 'include',
                                 '-I', root / 'src', '-I', root / 'tests' / 'support', file)
        if status:
            sys.exit(said)
        for name in re.findall(r'static void sweep_row_(\w+)\(void\)\s*\{', said):
            found.setdefault(name, []).append(file.name)
    return found


if __name__ == '__main__':
    top, build = house.arguments()
    shown = exported(build / 'src' / 'libengset.so')
    tls = build / 'src' / 'tls' / 'libengset-tls.so'
    if tls.exists():
        shown |= exported(tls)
    table = rows(top, [OF_ITS_OWN] if tls.exists() else [OF_ITS_OWN, 'tls.c'])
    faults = [f'{name} is exported, but has no row in tests/sweep' for name in sorted(shown - set(table))]
    faults += [f'{name} has a row in tests/sweep/{table[name][0]}, but is not exported' for name in sorted(set(table) - shown)]
    faults += [f'{name} has rows in {", ".join(where)}' for name, where in sorted(table.items()) if len(where) > 1]
    house.verdict(faults, len(table))
