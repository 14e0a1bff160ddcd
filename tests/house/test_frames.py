"""test_frames.py - code that is compiled without optimisation, as a first `cc hello.c` is, fits its stack.

gcc -O0 gives every literal that a macro writes a place of its own in the frame, also in branches of _Generic that are not
taken. So a macro that repeats its argument in each branch makes frames of a hundred kilobytes; a process has 64."""
import tempfile
import pathlib

import house

MOST_BYTES = 16384  # a quarter of a stack
USUAL = '''#include <engset.h>
ES_ATOMS(add, reply);
void takes(es_term x);
void each(es_pid to, es_ref ref, es_atom name);
void each(es_pid to, es_ref ref, es_atom name)
{
    es_spawn(takes, ES_TUPLE(es_self(), ES_TUPLE(add, 1, 2.0), ES_LIST(1, 2, 3)));
    es_spawn_link(takes, ES_TUPLE(add, to, ref));
    es_spawn_monitor(&ref, takes, ES_MAP(add, 1));
    es_send(to, ES_TUPLE(reply, ES_TUPLE(add, to, ES_LIST(ref, name, 5))));
    es_drop(es_call(to, ES_TUPLE(add, ES_TUPLE(1, "two", 3.0)), 5000));
}
'''

if __name__ == '__main__':
    root, _ = house.arguments()
    house.have('gcc')
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        usual = folder / 'usual.c'
        usual.write_text(USUAL)
        files = [usual] + sorted((root / 'examples').glob('*.c'))
        faults = []
        looked_at = 0
        for file in files:
            status, said = house.run('gcc', '-std=gnu17', '-D_GNU_SOURCE', '-O0', '-fstack-usage', '-I', root / 'include', '-c', file,
                                     '-o', folder / (file.stem + '.o'))
            if status:
                if 'No such file' not in said: # a library that is not installed
                    faults.append(said)
                continue
            for line in (folder / (file.stem + '.su')).read_text().splitlines():
                where, size, _ = line.split('\t')
                looked_at += 1
                if int(size) > MOST_BYTES:
                    faults.append(f'{where}: a frame of {size} bytes at -O0, at most {MOST_BYTES}')
        house.verdict(faults, looked_at)
