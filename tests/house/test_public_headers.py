"""test_public_headers.py - each public header compiles alone, in every standard, before and after <errno.h> and <pthread.h>.

C11, C17 and C2x with gcc and clang, C++17 with g++ and clang++, each with -Wall -Wextra -pedantic -Werror.
These two matter because engset.h gives errno and pthread_self() another meaning inside processes, whatever comes first.
"""
from concurrent.futures import ThreadPoolExecutor

import house

C = [(cc, 'c', std) for cc in ('gcc', 'clang') for std in ('c11', 'c17', 'c2x')]
CXX = [(cc, 'c++', 'c++17') for cc in ('g++', 'clang++')]


OTHERS = {'c': '#include <errno.h>\n#include <pthread.h>\n',
          'c++': '#include <cerrno>\n#include <errno.h>\n#include <pthread.h>\n#include <thread>\n'}
USE = 'int engset_use(void);\nint engset_use(void) { return errno; }\n' \
      'int engset_here(pthread_t thread);\n' \
      'int engset_here(pthread_t thread) { return pthread_equal(thread, pthread_self()); }\n'
# Where pthread_self is to be another function, it is one: this does not compile with the one of <pthread.h>.
TURNED_ASIDE = '#ifndef pthread_self\n#error "pthread_self is as it was"\n#endif\n'


def check(job):
    root, header, (compiler, language, standard), others_first = job
    name = header.relative_to(root / 'include')
    lines = [OTHERS[language], f'#include <{name}>\n']
    text = ''.join(lines if others_first else reversed(lines)) + USE
    if str(name) in ('engset.h', 'engset/mark.h'):
        text += TURNED_ASIDE
    status, said = house.run(compiler, f'-std={standard}', '-x', language, '-Wall', '-Wextra', '-pedantic', '-Werror',
                             '-fsyntax-only', *house.consumer_cflags(root), '-I', root / 'include', '-', input=text)
    if status == 0:
        return None
    when = 'after' if others_first else 'before'
    return f'{compiler} -std={standard}: <{name}> {when} the others:\n{said}'


if __name__ == '__main__':
    top, _ = house.arguments()
    house.have('gcc', 'clang', 'g++', 'clang++')
    headers = house.sources(top, 'include', endings=('.h',))
    jobs = [(top, header, how, first) for header in headers for how in C + CXX for first in (False, True)]
    with ThreadPoolExecutor(2) as pool:
        found = [fault for fault in pool.map(check, jobs) if fault]
    house.verdict(found, len(jobs))
