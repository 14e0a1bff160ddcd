"""test_exports.py - libengset.so shows what the public headers declare with ES_API, and nothing else; so does libengset-tls.so, if it
was built, with engset/tls.h.

Every exported name starts with es_ or esi_ (the second for what public inline functions and macros call), and
every ES_API function is there. The headers are read after the preprocessor, so macros that declare count too.
"""
import re
import sys

import house

SHOWN = '__attribute__((visibility("default")))'


def declared(root, *options):
    """Names declared with ES_API in include/, as a compiler with `options` sees it."""
    text = ''.join(f'#include <{h.relative_to(root / "include")}>\n' for h in house.sources(root, 'include', endings=('.h',)))
    status, said = house.run('cc', '-std=gnu17', '-D_GNU_SOURCE', '-E', '-P', *house.consumer_cflags(root), *options,
                             '-I', root / 'include', '-', input=text)
    if status:
        sys.exit(said)
    names = set()
    for part in said.split(SHOWN)[1:]:
        part = re.split(r'[;{=]', part, maxsplit=1)[0]
        part = re.sub(r'__attribute__\s*\(\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\)|__asm__\s*\([^)]*\)', ' ', part)
        # The name stands before the first parenthesis that is not a function pointer's, or it is a variable's.
        name = re.search(r'(\w+)\s*\((?!\s*\*)', part) or re.search(r'(\w+)\s*(?:\[[^\]]*\]\s*)*$', part.strip())
        if name:
            names.add(name.group(1))
    return names


def is_of_tls(name):
    return name.startswith('es_tls_')


def exported(library):
    status, said = house.run('nm', '-D', '--defined-only', library)
    if status:
        sys.exit(said)
    rows = [line.split() for line in said.splitlines()]
    return {row[-1].split('@')[0] for row in rows if row[-2] not in 'Aa'}


if __name__ == '__main__':
    top, build = house.arguments()
    # An analyser sees functions where a compiler sees inline ones: what it looked at must link too.
    promised = declared(top) | declared(top, '-DES_ANALYZE')
    tls = build / 'src' / 'tls' / 'libengset-tls.so'
    shown = exported(build / 'src' / 'libengset.so')
    if tls.exists():
        shown_by_tls = exported(tls)
        faults_of_tls = [f'{name} is exported by libengset-tls; names start with es_tls_' for name in sorted(shown_by_tls) if not is_of_tls(name)]
        shown |= shown_by_tls
    else:
        faults_of_tls, promised = [], {name for name in promised if not is_of_tls(name)}
    faults = faults_of_tls
    faults += [f'{name} is exported, but no public header declares it with ES_API' for name in sorted(shown - promised)]
    faults += [f'{name} is declared with ES_API, but the library does not have it' for name in sorted(promised - shown)]
    faults += [f'{name} is exported; names start with es_ or esi_' for name in sorted(shown)
               if not name.startswith(('es_', 'esi_'))]
    house.verdict(faults, len(promised))
