#!/usr/bin/env python3
"""run.py ENGSET PROGRAM [--sanitized] - plays one scenario with many seeds, and sees to it that a seed stays cheap.

250 seeds; in the long run (ES_ROUNDS_DIVISOR=1) 2,500; with --sanitized, a build that checks itself and is slow, a fifth.
Fails when a seed fails, or when a seed took more than 50 ms of processor time (but --sanitized).
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys

MS_MOST = 50

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    parser.add_argument('engset')
    parser.add_argument('program')
    parser.add_argument('--sanitized', action='store_true')
    given = parser.parse_args()
    divisor = max(int(os.environ.get('ES_ROUNDS_DIVISOR', '100')), 1)
    seeds = max(min(25000 // divisor, 2500) // (5 if given.sanitized else 1), 10)
    done = subprocess.run([given.engset, 'test', '--seeds', str(seeds), given.program], stdout=subprocess.PIPE, text=True)
    print(done.stdout, end='')
    found = re.search(r'(\d+) seeds? passed, ([\d.]+) s of processor time', done.stdout)
    if done.returncode or not found or int(found[1]) != seeds:
        sys.exit('a seed failed')
    ms = 1000 * float(found[2]) / seeds
    print(f'{pathlib.Path(given.program).name}: {seeds} seeds, {ms:.1f} ms of processor time each')
    if ms > MS_MOST and not given.sanitized:
        sys.exit(f'more than {MS_MOST} ms')
