"""test_links.py - no page of the documentation points to a file of this tree that is not there."""
import re

import house

if __name__ == '__main__':
    root, _ = house.arguments()
    pages = [f for f in root.glob('*.md')] + sorted((root / 'docs').rglob('*.md'))
    faults = []
    for page in pages:
        text = re.sub(r'^```.*?^```', '', page.read_text(), flags=re.S | re.M)
        for target in re.findall(r'\]\(([^)\s]+)\)', text):
            path = target.split('#')[0]
            if path and '://' not in path and not path.startswith('mailto:') and not (page.parent / path).exists():
                faults.append(f'{page.relative_to(root)}: {target} is not there')
    house.verdict(faults, len(pages))
