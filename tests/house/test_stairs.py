"""test_stairs.py - stairs lead down only: a room includes its own headers and those of the rooms below it.

The linker proves the same for calls (src/meson.build); this proves it for headers, the public ones too: a public
header stands as high as the room whose name it has, or the highest header it includes. Seeded: a tree with a step
up must be found out.
"""
import pathlib
import re
import tempfile

import house


def heights(root, rooms):
    """public header -> the index of the highest room it stands for."""
    files = {str(f.relative_to(root / 'include')): f for f in house.sources(root, 'include', endings=('.h',))}
    includes = {name: re.findall(r'#\s*include\s*<(engset[^>]*)>', house.without_comments(f.read_text()))
                for name, f in files.items()}

    def height(name, seen):
        stem = pathlib.PurePath(name).stem
        own = rooms.index(stem) if stem in rooms else 0
        return max([own] + [height(n, seen | {name}) for n in includes.get(name, []) if n not in seen])

    return {name: height(name, {name}) for name in files}


def faults_in(root):
    rooms = house.rooms(root)
    public = heights(root, rooms)
    faults, looked_at = [], 0
    for floor, room in enumerate(rooms):
        allowed = set(rooms[:floor + 1])
        for file in house.sources(root, f'src/{room}', endings=('.c', '.h', '.S')):
            looked_at += 1
            text = house.without_comments(file.read_text())
            for number, line in enumerate(text.splitlines(), 1):
                include = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
                if not include:
                    continue
                quote, path = include.groups()
                place = f'{file.relative_to(root)}:{number}'
                first, _, rest = path.partition('/')
                if '..' in path:
                    faults.append(f'{place}: {path}: write "room/file.h", not a way through ..')
                elif quote == '"' and not rest:
                    faults.append(f'{place}: "{path}": write it with its room, "{room}/{path}"')
                elif quote == '"' and (root / 'src' / first).is_dir() and first not in allowed:
                    faults.append(f'{place}: {path} is upstairs of {room}')
                elif public.get(path, 0) > floor:
                    faults.append(f'{place}: <{path}> belongs to {rooms[public[path]]}, upstairs of {room}')
    return faults, looked_at


def seeded():
    """What the check misses in trees that are wrong on purpose."""
    missed = []
    for bad in ('"term/atom.h"', '<engset/term.h>', '"../base/list.h"', '<engset.h>', '<engset/receive.h>', '"list.h"'):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for room in ('base', 'term'):
                (root / 'src' / room).mkdir(parents=True)
            (root / 'include' / 'engset').mkdir(parents=True)
            (root / 'include' / 'engset.h').write_text('#include <engset/receive.h>\n')
            (root / 'include' / 'engset' / 'receive.h').write_text('#include <engset/term.h>\n')
            (root / 'include' / 'engset' / 'term.h').write_text('#include <engset/base.h>\n')
            (root / 'include' / 'engset' / 'base.h').write_text('')
            (root / 'src' / 'meson.build').write_text("room_names = ['base', 'term']\n")
            (root / 'src' / 'term' / 'a.c').write_text('#include "base/list.h"\n#include <engset.h>\n')
            (root / 'src' / 'base' / 'a.c').write_text('/* #include "term/x.h" */\n')
            if faults_in(root)[0]:
                missed.append(f'found a fault where there is none: {faults_in(root)[0]}')
            (root / 'src' / 'base' / 'b.c').write_text(f'#include {bad}\n')
            if len(faults_in(root)[0]) != 1:
                missed.append(f'the seeded step up was not found: {bad}')
    return missed


if __name__ == '__main__':
    top, _ = house.arguments()
    found, count = faults_in(top)
    house.verdict(seeded() + found, count + 1)
