"""test_public_headers.py - each public header compiles alone, in every standard, before and after <errno.h>.

C11, C17 and C2x with gcc and clang, C++17 with g++ and clang++, each with -Wall -Wextra -pedantic -Werror.
errno matters because engset.h gives it another meaning inside processes.
"""
from concurrent.futures import ThreadPoolExecutor

import house

C = [(cc, 'c', std) for cc in ('gcc', 'clang') for std in ('c11', 'c17', 'c2x')]
CXX = [(cc, 'c++', 'c++17') for cc in ('g++', 'clang++')]


def check(job):
    root, header, (compiler, language, standard), errno_first = job
    name = header.relative_to(root / 'include')
    errno = '#include <errno.h>\n' if language == 'c' else '#include <cerrno>\n#include <errno.h>\n'
    lines = [errno, f'#include <{name}>\n']
    text = ''.join(lines if errno_first else reversed(lines)) + 'int engset_use(void);\nint engset_use(void) { return errno; }\n'
    status, said = house.run(compiler, f'-std={standard}', '-x', language, '-Wall', '-Wextra', '-pedantic', '-Werror',
                             '-fsyntax-only', *house.consumer_cflags(root), '-I', root / 'include', '-', input=text)
    if status == 0:
        return None
    when = 'after' if errno_first else 'before'
    return f'{compiler} -std={standard}: <{name}> {when} errno:\n{said}'


if __name__ == '__main__':
    top, _ = house.arguments()
    house.have('gcc', 'clang', 'g++', 'clang++')
    headers = house.sources(top, 'include', endings=('.h',))
    jobs = [(top, header, how, first) for header in headers for how in C + CXX for first in (False, True)]
    with ThreadPoolExecutor(2) as pool:
        found = [fault for fault in pool.map(check, jobs) if fault]
    house.verdict(found, len(jobs))
