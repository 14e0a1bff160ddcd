#!/usr/bin/env python3
"""tests/oracle/compare.py PLAYER - plays the scenarios of tests/oracle/cases on Erlang and on Engset, and compares.

PLAYER is the program made of player.c. It plays on a real node and in simulated worlds; a real Erlang node (erl) plays the
same. Whatever differs and does not stand in answers.tsv is printed side by side and fails. Then the comparison is put to
the test: the player gives a wrong answer on purpose, once for each of its lies, and each must be seen.

Where the environment names a folder in ES_CASES_DIR, a row for each scenario is left there for build/cases.tsv. Without erl it says so
and ends with 77. README.md says what a scenario is.
"""
import argparse
import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SKIPPED = 77
REAL_NODES = 2
PATIENCE_S = 300  # for one world; usually it takes six seconds
# What the player says wrongly on purpose, and where that must be seen.
LIES = {'kill': 'LNK-10', 'flush': 'MON-11', 'trap': 'LNK-30', 'cancel': 'TMR-01', 'late_exit': 'LNK-32',
        'reason': 'GSV-25', 'postpone': 'GST-08', 'id': 'GEV-02', 'strategy': 'SUP-36', 'suspend': 'SYS-04', 'unload': 'APP-10'}
# The cases with a scenario that ends the whole program: played alone.
ALONE = ['PRC-24', 'APP-07', 'APP-08']

Line = collections.namedtuple('Line', 'process step what answer')
Row = collections.namedtuple('Row', 'where erlang engset cases why')


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('player', type=pathlib.Path)
    parser.add_argument('--rounds-divisor', type=int, default=int(os.environ.get('ES_ROUNDS_DIVISOR', 100)))
    parser.add_argument('--seeds', type=int, default=10, help='how many simulated worlds (10)')
    parser.add_argument('--only', metavar='ID', help='only the scenarios of this case')
    parser.add_argument('--group', metavar='GROUP', help='only the scenarios of cases/GROUP.eterm')
    parser.add_argument('--show', action='store_true', help='print both sides of all scenarios')
    return parser.parse_args()


def accepted():
    """The rows of answers.tsv."""
    rows = []
    for line in (HERE / 'answers.tsv').read_text().splitlines():
        if line and not line.startswith('#'):
            where, erlang, engset, cases, why = line.split('\t')
            rows.append(Row(where, erlang, engset, tuple(cases.split()), why))
    return rows


# ---------------------------------------------------------------- playing

class World:
    """One play of all scenarios: by Erlang, or by Engset on a real node or with a seed."""

    def __init__(self, name, command, options):
        environment = dict(os.environ, ERL_CRASH_DUMP='/dev/null', ES_DUMP='0')
        self.name, self.command = name, command + options
        # Files, not pipes: nobody reads while others play.
        self.said, self.complaints = tempfile.TemporaryFile('w+'), tempfile.TemporaryFile('w+')
        self.process = subprocess.Popen(self.command, stdout=self.said, stderr=self.complaints, stdin=subprocess.DEVNULL, env=environment)

    def end(self):
        """(status, what it said); waits."""
        try:
            self.process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        return self.process.returncode, contents(self.said)


def contents(file):
    with file:
        file.seek(0)
        return file.read()


def scenarios_in(said):
    """(case, title) -> the rounds, each a list of lines."""
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for line in said.splitlines():
        case, title, number, process, step, what, answer = line.split('\t')
        found[case, title][int(number)].append(Line(process, step, what, answer))
    return {key: list(rounds.values()) for key, rounds in found.items()}


class Players:
    def __init__(self, options, folder):
        files = [str(f) for f in sorted((HERE / 'cases').glob(f'{options.group or "*"}.eterm'))]
        self.divisor = options.rounds_divisor
        self.rest = ['--rounds-divisor', str(self.divisor)] + files
        self.engset = [str(options.player)]
        subprocess.run(['erlc', '-Werror', '-o', folder] + [str(f) for f in sorted(HERE.glob('*.erl'))], check=True)
        self.erl = ['erl', '-noshell', '-pa', folder, '-run', 'oracle', 'main', '-extra']

    def erlang(self, *more):
        return World('Erlang', self.erl, list(more) + self.rest)

    def real(self, number, *more):
        return World(f'Engset, real node {number}', self.engset, list(more) + self.rest)

    def simulated(self, seed, *more):
        return World(f'Engset, seed {seed}', self.engset, ['--seed', str(seed)] + list(more) + self.rest)


def played(world):
    status, said = world.end()
    if status:
        print(f'{world.name}: {" ".join(world.command)}\nended with status {status}\n{contents(world.complaints)[-3000:]}')
        sys.exit(1)
    return scenarios_in(said)


def alone(world, case):
    """What a scenario came to that ends the program: its status and its last words are all there is to see."""
    status, said = world.end()
    said = said.split('{"Kernel pid terminated"')[0]  # that is Erlang's own voice
    return {(case, 'the end of the program'): [[Line('main', 'end', 'halt', f'status {status} behind "{said}"')]]}


# ---------------------------------------------------------------- comparing

def outcome(rounds):
    """(process -> lines) of all rounds, what may or may not be there left out; None if they differ. And complaints."""
    different = set()
    for lines in rounds:
        forbidden = [line for line in lines if line.what.startswith('never ')]
        if forbidden:
            return None, f'{forbidden[0].process} went on to what it must never see: {forbidden[0].what} gave {forbidden[0].answer}'
        certain = [line for line in lines if not line.what.startswith('may ')]
        different.add(tuple(sorted(certain, key=lambda line: line.process)))  # stable: each process's own order stays
    if len(different) > 1:
        return None, f'{len(different)} different outcomes in {len(rounds)} rounds'
    return different.pop(), ''


def with_holes(text):
    """The expression for an answer in a row, in which $R stands for the same on both sides, and $_ for anything."""
    return re.escape(text).replace(re.escape('$R'), '(?P<R>.*)').replace(re.escape('$_'), '.*')


class Comparison:
    """Tells whether two lines say the same, by the rows of answers.tsv, and which rows were needed."""

    def __init__(self, rows):
        self.rows, self.used = rows, set()

    def is_same(self, case, erlang, engset):
        if erlang[:3] != engset[:3]:
            return False
        if erlang.answer == engset.answer:
            return True
        rows = [row for row in self.rows if row.cases == ('all',) or case in row.cases]
        what = erlang.what.replace('catch ', '')
        if any(what in row.where.split() and self.is_accepted(row, rows, erlang.answer, engset.answer) for row in rows):
            return True
        return self.translated(rows, erlang.answer, engset.answer) == engset.answer

    def is_accepted(self, row, rows, erlang, engset):
        """Do the two answers say the same by this row of whole answers? What stands for its $R may differ by the rows of parts."""
        there, here = (re.fullmatch(with_holes(text), answer, re.DOTALL) for text, answer in ((row.erlang, erlang), (row.engset, engset)))
        if not there or not here:
            return False
        if not all(self.translated(rows, there[hole], part) == part for hole, part in here.groupdict().items()):
            return False
        self.used.add(row)
        return True

    def translated(self, rows, erlang, engset):
        """Erlang's answer with the parts replaced that rows of the kind `reason` name."""
        for row in rows:
            if row.where == 'reason' and row.erlang in erlang and row.engset in engset:
                self.used.add(row)
                erlang = erlang.replace(row.erlang, row.engset)
        return erlang

    def faults(self, case, erlang_rounds, engset_rounds):
        """'' or what differs, in words and side by side."""
        erlang, complaint = outcome(erlang_rounds)
        if erlang is None:
            return f'on Erlang: {complaint}'
        engset, complaint = outcome(engset_rounds)
        if engset is None:
            return f'on Engset: {complaint}'
        pairs = aligned(erlang, engset)
        marks = [bool(left and right and self.is_same(case, left, right)) for left, right in pairs]
        return '' if all(marks) else side_by_side(pairs, marks)


def aligned(erlang, engset):
    """Pairs of lines of the same process and step; None where one side has none."""
    places = {}
    for side, lines in enumerate((erlang, engset)):
        for line in lines:
            places.setdefault((line.process, line.step), [None, None])[side] = line
    return [tuple(pair) for _, pair in sorted(places.items(), key=lambda item: place_of(*item[0]))]


def place_of(process, step):
    """The order to show in: the first process first, each in the order of its script."""
    return (process != 'main', process, int(step) if step.isdigit() else sys.maxsize)


def side_by_side(pairs, marks):
    rows = [('', 'Erlang', 'Engset')]
    for (left, right), same in zip(pairs, marks):
        known = left or right
        rows.append((f'{"  " if same else "! "}{known.process} {known.step} {known.what}', left.answer if left else '-', right.answer if right else '-'))
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return '\n'.join(f'    {name:{widths[0]}}  {erlang:{widths[1]}}  {engset}' for name, erlang, engset in rows)


# ---------------------------------------------------------------- the whole

def leave_row(key, rounds, result):
    folder = os.environ.get('ES_CASES_DIR')
    if folder:
        with open(pathlib.Path(folder, f'{os.getpid()}.tsv'), 'a') as file:
            file.write('\t'.join((key[0], 'oracle: ' + key[1], str(rounds), result, 'oracle')) + '\n')


def seen(rounds, word):
    return sum(any(line.what.startswith(word) for line in lines) for lines in rounds)


def compare_all(comparison, erlang, worlds, show):
    """Prints what differs; the number of scenarios that do."""
    failed = 0
    for key in sorted(erlang):
        faults = {}
        for world, scenarios in worlds:
            fault = comparison.faults(key[0], erlang[key], scenarios[key]) if key in scenarios else 'was not played'
            if fault:
                faults.setdefault(fault, []).append(world)
        for fault, where in faults.items():
            print(f'{key[0]} {key[1]}: {", ".join(where)}\n{fault}\n')
        if show:
            pairs = aligned(outcome(erlang[key])[0] or [], outcome(worlds[0][1][key])[0] or [])
            print(f'{key[0]} {key[1]}\n{side_by_side(pairs, [bool(a and b and comparison.is_same(key[0], a, b)) for a, b in pairs])}\n')
        rounds = min(len(erlang[key]), *(len(scenarios.get(key, [])) for _, scenarios in worlds))
        possible = [(seen(side[key], 'may '), len(side[key])) for _, side in [('Erlang', erlang)] + worlds if key in side]
        if any(count for count, _ in possible):
            print(f'{key[0]} {key[1]}: what may be was there in {possible[0][0]} of {possible[0][1]} rounds on Erlang, '
                  f'in {sum(count for count, _ in possible[1:])} of {sum(total for _, total in possible[1:])} on Engset')
        leave_row(key, rounds, 'failed' if faults else 'passed')
        failed += bool(faults)
    return failed


def unseen_lies(comparison, erlang, players):
    """The lies that the comparison does not see where it must."""
    unseen = []
    for lie, case in LIES.items():
        wrong = played(players.simulated(1, '--lie', lie, '--only', case))
        if not any(comparison.faults(case, erlang[key], rounds) for key, rounds in wrong.items()):
            unseen.append(f'{lie} in {case}')
    return unseen


def play_all(players, seeds, only):
    """(what Erlang did, [(world, what Engset did)])."""
    more = ['--only', only] if only else []
    erlang, real = players.erlang(*more), [players.real(n + 1, *more) for n in range(REAL_NODES)]
    worlds = [(world.name, played(world)) for world in (players.simulated(seed + 1, *more) for seed in range(seeds))]
    worlds = [(world.name, played(world)) for world in real] + worlds
    return played(erlang), worlds


def play_alone(players, case):
    """The same for the scenario of `case` that ends the program."""
    more = ['--only', case, '--alone']
    erlang, real = players.erlang(*more), [players.real(n + 1, *more) for n in range(REAL_NODES)]
    return alone(erlang, case), [(world.name, alone(world, case)) for world in real]


def main():
    options = arguments()
    for program in ('erl', 'erlc'):
        if not shutil.which(program):
            print(f'{program} is not installed')
            return SKIPPED
    comparison = Comparison(accepted())
    with tempfile.TemporaryDirectory() as folder:
        players = Players(options, folder)
        erlang, worlds = play_all(players, options.seeds, options.only)
        failed = compare_all(comparison, erlang, worlds, options.show)
        endings = [case for case in ALONE if options.only in (None, case) and case.lower().startswith(options.group or '')]
        for case in endings:
            failed += compare_all(comparison, *play_alone(players, case), options.show)
        if options.only or options.group:
            print(f'{len(erlang) + len(endings)} scenarios in {len(worlds)} worlds, {failed} differ')
            return 1 if failed or not erlang and not endings else 0
        unseen = unseen_lies(comparison, erlang, players)
    unused = [row for row in comparison.rows if row not in comparison.used]
    for lie in unseen:
        print(f'a wrong answer on purpose was not seen: {lie}')
    for row in unused:
        print(f'answers.tsv: nothing needs this row: {row.where}, {row.erlang}, {row.engset}')
    cases = {key[0] for key in erlang} | set(ALONE)
    print(f'{len(erlang) + len(ALONE)} scenarios of {len(cases)} cases on Erlang and in {len(worlds)} worlds of Engset: {failed} differ; '
          f'{len(LIES) - len(unseen)} of {len(LIES)} lies were seen')
    return 1 if failed or unseen or unused or not erlang else 0


if __name__ == '__main__':
    sys.exit(main())
