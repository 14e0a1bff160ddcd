#!/usr/bin/env python3
"""test_tutorial.py ENGSET LIBRARY PAGE - does what a page of the tutorial says come out?

Compiles the first program of PAGE as ./race and runs each `engset ...` command under it; what it prints must be the text block below,
in which `...` stands for anything.
"""
import importlib.machinery
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile

ENGSET, LIBRARY, PAGE = (pathlib.Path(name).resolve() for name in sys.argv[1:4])
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
loader = importlib.machinery.SourceFileLoader('doc_samples', str(ROOT / 'scripts/doc-samples'))
samples = importlib.util.module_from_spec(importlib.util.spec_from_loader('doc_samples', loader))
sys.dont_write_bytecode = True
loader.exec_module(samples)

failed = 0
with tempfile.TemporaryDirectory() as folder:
    blocks = samples.blocks(PAGE)
    program = next(text for _, info, text, _ in blocks if info == 'c')
    (pathlib.Path(folder) / 'race.c').write_text(program)
    subprocess.run(['cc', *map(str, samples.FLAGS), 'race.c', '-o', 'race', str(LIBRARY), f'-Wl,-rpath,{LIBRARY.parent}',
                    '-pthread'], cwd=folder, check=True)
    environment = {**os.environ, 'PATH': f'{ENGSET.parent}:{os.environ["PATH"]}'}
    commands = 0
    for (line, info, text, _), (_, next_info, wanted, _) in zip(blocks, blocks[1:]):
        if info != 'sh' or next_info != 'text' or not text.startswith('engset '):
            continue
        commands += 1
        done = subprocess.run(text, shell=True, cwd=folder, env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=100)
        right = samples.matches(wanted, done.stdout)
        print('ok  ' if right else 'FAIL', f'{PAGE.name}:{line}: {text.strip()}')
        if not right:
            failed += 1
            print(done.stdout)
    if not commands:
        print('FAIL no command on that page')
        failed += 1
sys.exit(1 if failed else 0)
