#!/usr/bin/env python3
"""run.py ENGSET PROGRAM [--sanitized | --valgrind] - plays one scenario with many seeds, and sees to it that a seed stays cheap.

250 seeds; in the long run (ES_ROUNDS_DIVISOR=1) 2,500; with --sanitized, a build that checks itself and is slow, a fifth.
With --valgrind 5, each under valgrind's memcheck: what reads memory that nobody wrote, or has freed, fails. Skipped where there is no valgrind.
Fails when a seed fails, or when a seed took more than 50 ms of processor time (but for the slow ones).
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

MS_MOST = 50
MEMCHECK = ['valgrind', '--quiet', '--error-exitcode=9']
FEW_PROCESSES = '10000'  # memcheck writes a shadow of the whole table
SKIPPED = 77

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    parser.add_argument('engset')
    parser.add_argument('program')
    parser.add_argument('--sanitized', action='store_true')
    parser.add_argument('--valgrind', action='store_true')
    given = parser.parse_args()
    if given.valgrind and not shutil.which(MEMCHECK[0]):
        print('there is no valgrind here')
        sys.exit(SKIPPED)
    divisor = max(int(os.environ.get('ES_ROUNDS_DIVISOR', '100')), 1)
    seeds = max(min(25000 // divisor, 2500) // (5 if given.sanitized else 1), 10)
    command, options = [given.program], ['--timeout', '60000']  # real time, where a machine stands still
    if given.valgrind:
        seeds = 5
        command = MEMCHECK + command
        options.append('--no-shrink')
        os.environ['ES_PROCESS_LIMIT'] = FEW_PROCESSES
    done = subprocess.run([given.engset, 'test', '--seeds', str(seeds), *options, *command], stdout=subprocess.PIPE, text=True)
    print(done.stdout, end='')
    found = re.search(r'(\d+) seeds? passed, ([\d.]+) s of processor time', done.stdout)
    if done.returncode or not found or int(found[1]) != seeds:
        sys.exit('a seed failed')
    ms = 1000 * float(found[2]) / seeds
    print(f'{pathlib.Path(given.program).name}: {seeds} seeds, {ms:.1f} ms of processor time each')
    if ms > MS_MOST and not given.sanitized and not given.valgrind:
        sys.exit(f'more than {MS_MOST} ms')
