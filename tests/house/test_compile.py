"""test_compile.py - what must not compile does not, and the compiler says why in the words that are expected.

Every tests/compile/**/*.c opens with lines of these forms and is tried with gcc and with clang:

    // expect: REGEX           it fails, and a diagnostic matches
    // expect: clean           it compiles without a word
    // expect-gcc: REGEX       the same for one compiler, which then overrides `expect`
    // expect-clang: clean
    // flags: -O2 ...          added for both; also flags-gcc, flags-clang

Flags are those of a consumer with -O1 -Wall -Wextra -Werror, so a warning is a failure. Seeded: a right program
that is expected to fail, and a wrong one that is expected to compile, must both be found out.
"""
import pathlib
import re
import shlex
import tempfile

import house


def expectations(text):
    found = {}
    for line in text.splitlines():
        said = re.match(r'// (expect|flags)(-gcc|-clang)?: *(.*?) *$', line)
        if said:
            found[said.group(1) + (said.group(2) or '')] = said.group(3)
        elif not line.startswith('//'):
            break
    return found


def faults_of(root, file, name):
    wanted = expectations(file.read_text())
    faults = []
    for compiler in ('gcc', 'clang'):
        expect = wanted.get(f'expect-{compiler}', wanted.get('expect'))
        if expect is None:
            faults.append(f'{name}: says nowhere what to expect of {compiler}')
            continue
        flags = shlex.split(wanted.get('flags', '')) + shlex.split(wanted.get(f'flags-{compiler}', ''))
        with tempfile.TemporaryDirectory() as folder:
            status, said = house.run(compiler, '-std=gnu17', '-O1', '-Wall', '-Wextra', '-Werror', '-fno-diagnostics-color',
                                     *house.consumer_cflags(root), *flags, '-I', root / 'include',
                                     '-c', file, '-o', f'{folder}/a.o')
        if expect == 'clean':
            if status or said:
                faults.append(f'{name}: {compiler} should compile it without a word, but says:\n{said}')
        elif not status:
            faults.append(f'{name}: {compiler} compiles it; expected: {expect}')
        elif not re.search(expect, said):
            faults.append(f'{name}: {compiler} does not say "{expect}", but:\n{said}')
    return faults


def seeded(root):
    right, wrong = 'int main(void)\n{\n    return 0;\n}\n', 'int main(void)\n{\n    return missing;\n}\n'
    trials = [
        ('// expect: clean\n' + right, 0), ('// expect: missing.* undeclared|undeclared .*missing\n' + wrong, 0),
        ('// expect: clean\n' + wrong, 2), ('// expect: undeclared\n' + right, 2), ('// expect: banana\n' + wrong, 2),
        (right, 2), ('// expect: clean\n// expect-clang: undeclared\n' + right, 1),
    ]
    faults = []
    for text, count in trials:
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, 'a.c')
            file.write_text(text)
            found = faults_of(root, file, 'seeded')
        if len(found) != count:
            faults.append(f'{len(found)} faults instead of {count} in the seeded\n{text}{found}')
    return faults


if __name__ == '__main__':
    top, _ = house.arguments()
    house.have('gcc', 'clang')
    files = house.sources(top, 'tests/compile', endings=('.c',))
    found = seeded(top)
    for each in files:
        found += faults_of(top, each, each.relative_to(top))
    house.verdict(found, len(files) + 1)
