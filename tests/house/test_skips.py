"""test_skips.py - a test that cannot be played says why: skip_since("...") of tests/support/case.h, never a bare skip()."""
import re

import house

if __name__ == '__main__':
    root, _ = house.arguments()
    files = [f for f in house.sources(root, 'tests') if f.name != 'case.h']
    faults = []
    for file in files:
        for number, line in enumerate(house.without_comments(file.read_text()).splitlines(), 1):
            if re.search(r'\bskip\(\)', line):
                faults.append(f'{file.relative_to(root)}:{number}: skips without saying why')
    house.verdict(faults, len(files))
