#!/usr/bin/env python3
"""test_command.py ENGSET BANK - proves `engset test`: it finds the seed that fails, and the few faults that are enough.

BANK is bank.c beside this file; its argument says what is wrong with it.
"""
import re
import shlex
import subprocess
import sys

ENGSET, BANK = sys.argv[1:3]
failures = []


def engset(*arguments):
    done = subprocess.run([ENGSET, *arguments], capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout, done.stderr


def expect(holds, what, *seen):
    print('ok  ' if holds else 'FAIL', what)
    if not holds:
        failures.append(what)
        print(*seen, sep='\n')


def faults_that_are_enough(out):
    found = re.search(r'(\d+) of (\d+) faults are enough: (\S+)', out)
    return (int(found[1]), int(found[2]), found[3]) if found else (None, None, None)


def replay_command(out):
    return shlex.split(re.search(r'again:  engset (test .*)', out)[1])


code, out, err = engset('test', '--seeds', '200', BANK, 'good')
expect(code == 0 and '200 seeds passed' in out and '4 ran twice' in out, 'a good program passes', out, err)

code, out, err = engset('test', '--seeds', '300', BANK, 'race')
expect(code == 1 and re.search(r'seed \d+ failed: exit status 1', out) and 'the bank has lost' in out,
       'a race is found', out, err)
code, again, told = engset(*replay_command(out))
expect(code == 1 and 'the bank has lost' in told, 'and is seen again with the seed', again, told)

code, out, err = engset('test', '--seeds', '300', '--faults', 'kill,hand_over', BANK, 'fragile')
few, many, strikes = faults_that_are_enough(out)
expect(code == 1 and few == 1 and strikes.startswith('kill@'), 'of many faults the one that is enough is found', out, err)
code, again, told = engset(*replay_command(out))
expect(code == 1 and told.count('kill@') == 1 and 'hand_over@' not in told and '1 faults struck' in told,
       'and strikes alone when it is replayed', again, told)
code, again, told = engset(*[word for word in replay_command(out) if word not in ('--strikes', strikes)])
expect(code == 1 and told.count('@') >= many, 'without the list all strike', again, told)

code, out, err = engset('test', '--seeds', '50', BANK, 'weary', 'of "it"', "isn't it")
few = int(re.search(r'(\d+) of \d+ faults are enough', out)[1])
again, alone = re.findall(r'(?:again|these alone):  engset (test .*)', out)
expect(few == 20 and '--strikes' not in again and shlex.split(again)[-2:] == ['of "it"', "isn't it"],
       'of a failure that takes many faults the seed alone is shown first, as a shell takes it', out, err)
for command, least in ((again, few), (alone, few)):
    code, out, told = engset(*shlex.split(command))
    expect(code == 1 and 'weary' in told and told.count('short_io@') >= least, 'and fails again, as with those alone', out, told)
expect(told.count('short_io@') == few, 'which strike alone', told)

code, out, err = engset('test', '--seeds', '50', '--no-shrink', BANK, 'weary')
expect(code == 1 and 'faults struck' in out and 'short_io@' not in out and '--strikes' not in out, 'where nothing was left out, the seed says it all', out, err)

code, out, err = engset('test', '--seeds', '50', '--faults', 'none', BANK, 'fragile')
expect(code == 0, 'without faults nothing is wrong with it', out, err)

code, out, err = engset('test', '--seeds', '60', BANK, 'outside')
expect(code == 1 and 'went two ways' in out, 'what comes from outside the simulated world is found', out, err)

code, out, err = engset('test', '--seeds', '1', '--timeout', '300', BANK, 'hang')
expect(code == 1 and 'not over after 300 ms' in out, 'one that never ends is ended', out, err)

code, out, err = engset('test', '--seeds', '1', BANK, 'crash')
expect(code == 1 and 'signal 9' in out, 'a node that ends by a signal has failed', out, err)

code, out, err = engset('test', '--seeds', '1', BANK, 'deaf')
expect(code == 1 and 'it simulated nothing' in err, 'a program that simulates nothing has not passed', out, err)

code, out, err = engset('test', './no-such-program')
expect(code == 1 and 'cannot be run: No such file' in err, 'a program that is not there is named', out, err)

for arguments in (['test'], ['test', '--seeds', 'many', BANK], ['test', '--strikes', 'kill@1', BANK], ['tset'], []):
    code, out, err = engset(*arguments)
    expect(code == 2 and err, f'{arguments} is misuse', out, err)
expect("Did you mean 'test'" in engset('tset')[2], 'a near miss is helped')
for arguments in (['--help'], ['help'], ['test', '--help'], ['--version']):
    code, out, err = engset(*arguments)
    expect(code == 0 and out and not err, f'{arguments} helps', out, err)

sys.exit(1 if failures else 0)
