"""house.py - what the tests of the house share: the rooms, the files, comments taken out, and a verdict."""
import pathlib
import re
import shutil
import subprocess
import sys

SKIPPED = 77


def arguments():
    """(source root, build root) as Meson gives them."""
    return pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])


def rooms(root):
    """The rooms from the ground up, as src/meson.build lists them."""
    text = (root / 'src' / 'meson.build').read_text()
    names = re.search(r'^room_names\s*=\s*\[(.*?)\]', text, re.S | re.M).group(1)
    return re.findall(r"'(\w+)'", names)


def sources(root, *folders, endings=('.c', '.h')):
    found = []
    for folder in folders:
        found += [f for f in (root / folder).rglob('*') if f.suffix in endings and f.is_file()]
    return sorted(found)


def without_comments(text):
    """The same text, as many lines, with blanks for comments; strings stay."""
    pattern = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', re.S)
    return pattern.sub(lambda m: m.group() if m.group()[0] in '"\'' else re.sub(r'[^\n]', ' ', m.group()), text)


def have(*programs):
    """Leaves with "skipped" unless all are there."""
    for program in programs:
        if not shutil.which(program):
            print(f'{program} is not installed')
            sys.exit(SKIPPED)


def run(*command, **options):
    """Runs it; (status, what it said)."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors='replace', **options)
    return done.returncode, done.stdout


def consumer_cflags(root):
    text = (root / 'meson.build').read_text()
    return re.findall(r"'([^']+)'", re.search(r'consumer_cflags\s*=\s*\[(.*?)\]', text, re.S).group(1))


def verdict(faults, looked_at):
    """Prints the faults and leaves; having looked at nothing is a fault too."""
    for fault in faults:
        print(fault)
    print(f'{looked_at} looked at, {len(faults)} faults')
    sys.exit(1 if faults or not looked_at else 0)
