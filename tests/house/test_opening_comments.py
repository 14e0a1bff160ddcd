"""test_opening_comments.py - every source file opens with a comment that names it and says what it is for.

The form is `/* room/file.h - what it is for`, with or without the room.
"""
import re

import house

if __name__ == '__main__':
    root, _ = house.arguments()
    faults = []
    files = house.sources(root, 'src', 'include', 'examples', 'bench', 'tests', 'tools', endings=('.c', '.h', '.S'))
    files = [f for f in files if 'compile' not in f.relative_to(root).parts]
    for file in files:
        first = (file.read_text().splitlines() or [''])[0]
        if not re.match(r'(/\*|//) (\S*/)?' + re.escape(file.name) + r' - \S+ \S+', first):
            faults.append(f'{file.relative_to(root)}:1: should open with "/* {file.name} - what it is for"')
    house.verdict(faults, len(files))
