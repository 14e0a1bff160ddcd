"""test_results.py - scripts/test-results counts what the tests say, and its last line is the sum."""
import json
import pathlib
import tempfile

import house

TESTS = [
    ('engset:simulate / simulate/links', '250 seeds passed, 0.5 s of processor time\nscenario_links: 250 seeds, 2 ms', 'OK'),
    ('engset:simulate / simulate/links/valgrind', '5 seeds passed, 3.7 s of processor time\n', 'OK'),
    ('engset:simulate / simulate/names', 'seed 8 failed: exit status 1\n7 seeds passed, 0.1 s of processor time\n', 'FAIL'),
    ('engset:exchange+simulate / exchange/seeds/faults', '1200 seeds passed, 9 s of processor time\n', 'OK'),
    ('engset:cli / cli/command', '99 seeds passed, but of no scenario\n', 'OK'),
    ('engset:simulate / simulate/run', 'no word of seeds', 'SKIP'),
]
WANTED = 'simulated worlds: 1,462 seeds, 262 over 2 scenarios and 1,200 of the exchange (minimal 1,462)'

if __name__ == '__main__':
    root, _ = house.arguments()
    with tempfile.TemporaryDirectory() as folder:
        build = pathlib.Path(folder, 'build')
        (build / 'minimal' / 'meson-logs').mkdir(parents=True)
        (build / 'log').mkdir()
        (build / 'log' / 'minimal.label').write_text('gcc minimal\n')
        lines = [json.dumps({'name': name, 'stdout': said, 'result': result}) for name, said, result in TESTS]
        (build / 'minimal' / 'meson-logs' / 'testlog.json').write_text('\n'.join(lines) + '\n')
        status, said = house.run(root / 'scripts' / 'test-results', 'minimal', cwd=folder)
    faults = []
    if WANTED not in said.splitlines():
        faults.append('the seeds are not counted: ' + said)
    if said.splitlines()[-1] != '4 passed, 1 failed, 1 skipped' or status != 1:
        faults.append(f'status {status}, last line: {said.splitlines()[-1]}')
    house.verdict(faults, len(TESTS))
