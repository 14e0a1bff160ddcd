"""test_format.py - .clang-format settles braces and spaces; the tree agrees with it."""
import house

if __name__ == '__main__':
    root, _ = house.arguments()
    house.have('clang-format')
    files = house.sources(root, 'src', 'include', 'tests', 'examples', 'bench', 'tools')
    # What must not compile need not be pretty.
    files = [f for f in files if 'compile' not in f.relative_to(root).parts]
    faults = []
    for file in files:
        status, said = house.run('clang-format', '--dry-run', '-Werror', file, cwd=root)
        if status:
            faults.append(f'{said.splitlines()[0]}\n    settle it: clang-format -i {file.relative_to(root)}')
    house.verdict(faults, len(files))
