"""test_scripts.py - shellcheck has nothing to say about the shell scripts."""
import house

if __name__ == '__main__':
    root, _ = house.arguments()
    house.have('shellcheck')
    faults, looked_at = [], 0
    for folder in ('scripts', '.ci', 'examples', 'bench', 'tests', 'models'):
        for file in sorted((root / folder).rglob('*')):
            if not file.is_file() or file.suffix in ('.c', '.h', '.py', '.md', '.build'):
                continue
            first = file.read_bytes()[:64].split(b'\n')[0]
            if first.startswith(b'#!') and first.rstrip().endswith((b'sh', b'bash')):
                looked_at += 1
                status, said = house.run('shellcheck', '--severity=warning', file, cwd=root)
                if status:
                    faults.append(said)
    house.verdict(faults, looked_at)
