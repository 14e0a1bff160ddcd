"""machine_code.py - what compilers made of the runtime, read back from objdump: functions, and what each instruction does.

For x86-64 and aarch64. An instruction becomes a few steps that are the same for both machines:

  ('copy', to, from)      a register, a place in memory, or None for something else
  ('mix', to, from)       `to` is made of itself and of `from`
  ('address', to, place)  the address of the place
  ('touch', place)        reads or writes it
  ('stack', bytes)        moves the stack pointer
  ('call', name)          None: through a pointer
  ('jump', address)       None: by a table
  ('branch', address)     or goes on behind it
  ('leave', steps)        does these, which leave the function, or goes on behind it
  ('return',)

A place is Place(base, displacement, index, bytes). Its base THREAD stands for what the thread pointer leads to, GLOBAL
(x86-64 only) for a variable of the library. A jump to another function is a call and a return. What stands in `foo.cold` belongs to foo.
"""
import collections
import re
import sys

import house

Place = collections.namedtuple('Place', 'base displacement index bytes')
Function = collections.namedtuple('Function', 'name start steps')  # steps: address -> (next address, steps, text)
THREAD, GLOBAL = 'thread pointer', 'global'  # as bases
ADDRESS = 'thread address'  # the first as a value

X86_NAMES = {}
for _letter in 'abcd':
    for _form in ('r{}x', 'e{}x', '{}x', '{}l', '{}h'):
        X86_NAMES[_form.format(_letter)] = f'r{_letter}x'
for _name in ('si', 'di', 'bp', 'sp'):
    for _form in ('r{}', 'e{}', '{}', '{}l'):
        X86_NAMES[_form.format(_name)] = f'r{_name}'
for _number in range(8, 16):
    for _form in ('r{}', 'r{}d', 'r{}w', 'r{}b'):
        X86_NAMES[_form.format(_number)] = f'r{_number}'
WIDE = set(X86_NAMES.values())
PREFIXES = {'lock', 'rep', 'repz', 'repnz', 'bnd', 'data16', 'cs', 'ds', 'notrack'}


def parted(text):
    """Operands, at the commas that stand in no parentheses or brackets."""
    parts, depth = [''], 0
    for letter in text:
        depth += {'(': 1, '[': 1, '{': 1, ')': -1, ']': -1, '}': -1}.get(letter, 0)
        if letter == ',' and depth == 0:
            parts.append('')
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


BY_POINTER = ('call', None, None)


class X86:
    stack = 'rsp'
    arguments = ['rdi', 'rsi', 'rdx', 'rcx', 'r8', 'r9']
    result = 'rax'
    kept = {'rbx', 'rbp', 'r12', 'r13', 'r14', 'r15', 'rsp'}
    stack_at_entry = -8  # the return address has been pushed

    def operand(self, text, size):
        if text.startswith('%fs:'):
            if text == '%fs:0x28':
                return None  # the stack protector's
            return ADDRESS if text == '%fs:0x0' else Place(THREAD, 0, None, size)
        if text.startswith('%'):
            name = text[1:]
            return name if name.startswith('xmm') else X86_NAMES.get(name)
        if '(' in text:
            found = re.fullmatch(r'(-?0x[0-9a-f]+|-?\d+)?\((%\w+)?(?:,(%\w+),?(\d)?)?\)', text)
            if found and found.group(2) == '%rip':
                return Place(GLOBAL, 0, None, size)
            if not found:
                return None
            base, index = (X86_NAMES.get((found.group(i) or '%')[1:]) for i in (2, 3))
            return Place(base, int(found.group(1) or '0', 0), index, size)
        return None

    @staticmethod
    def size_of(name, operands):
        """Bytes of a load or store, 0 when it is more than 8."""
        for text in operands:
            if text.startswith('%xmm') or text.startswith('%ymm'):
                return 8 if name in ('movq', 'movhps', 'movlps', 'movsd') else 4 if name in ('movd', 'movss') else 16
        if name.startswith(('movz', 'movs')) and len(name) > 4:
            return 4  # not a whole pointer
        registers = [t[1:] for t in operands if re.fullmatch(r'%\w+', t)]
        return 8 if any(r in WIDE for r in registers) or (not registers and name.endswith('q')) else 4

    def steps(self, text):
        words = text.split(None, 1)
        prefixes = set()
        while words and words[0] in PREFIXES:
            prefixes.add(words[0])
            words = words[1].split(None, 1) if len(words) > 1 else []
        if not words or words[0].startswith('nop'):
            return []
        name = words[0]
        rest = words[1].split('#')[0].strip() if len(words) > 1 else ''
        if name.startswith('call'):
            return [called(rest)] if '*' not in rest else self.touched(rest.lstrip('*')) + [BY_POINTER]
        if name.startswith('j'):
            if '*' in rest:
                return [('jump', None)] if 'notrack' in prefixes else [BY_POINTER, ('return',)]
            return [('jump' if name.startswith('jmp') else 'branch', int(rest.split()[0], 16), named(rest))]
        if name.startswith('ret'):
            return [('return',)]
        operands = parted(rest)
        size = self.size_of(name, operands)
        o = [self.operand(t, size) for t in operands]
        if name.startswith('push'):
            return [('stack', -8), ('copy', Place('rsp', 0, None, 8), o[0])]
        if name.startswith('pop') and not name.startswith('popcnt'):
            return [('copy', o[0], Place('rsp', 0, None, 8)), ('stack', 8)]
        if name.startswith('leave'):
            return [('copy', 'rsp', 'rbp'), ('copy', 'rbp', Place('rsp', 0, None, 8)), ('stack', 8)]
        if name in ('ud2', 'hlt'):
            return [('call', 'abort', None)]
        if len(o) < 2:
            return [('touch', p) for p in o if isinstance(p, Place)] + [('copy', p, None) for p in o if isinstance(p, str)
                                                                        and not name.startswith(('nop', 'set'))]
        if name.startswith('lea'):
            return [('address', o[1], o[0])]
        if name.startswith('and') and o[1] == 'rsp':
            return []  # aligned; what stands below is found from there
        if name[:3] in ('add', 'sub') and o[1] == 'rsp' and operands[0].startswith('$'):
            by = int(operands[0][1:], 16)
            by -= (by >> 63) << 64
            return [('stack', by if name.startswith('add') else -by)]
        if name[:3] in ('add', 'sub') and isinstance(o[1], str) and operands[0].startswith('$'):
            by = int(operands[0][1:], 16)
            by -= (by >> 63) << 64
            return [('address', o[1], Place(o[1], by if name.startswith('add') else -by, None, 8))]
        if name.startswith(('cmp', 'test', 'bt', 'ucomi', 'comi')) and not name.startswith('cmpxchg'):
            return [('touch', p) for p in o if isinstance(p, Place)]
        if name.startswith('xor') and o[0] == o[1] and isinstance(o[0], str):
            return [('copy', o[0], None)]
        if size < 8:  # no address
            return [('touch', p) for p in o if isinstance(p, Place)] + [('copy', o[-1], None)]
        if name.startswith(('mov', 'vmov')):
            return [('copy', o[-1], o[0])]
        if name.startswith('xchg'):
            register, other = (o[0], o[1]) if isinstance(o[0], str) else (o[1], o[0])
            return [('copy', 'swap', register), ('copy', register, other), ('copy', other, 'swap')]
        return [('mix', o[-1], p) for p in o[:-1]]

    def touched(self, text):
        place = self.operand(text, 8)
        return [('touch', place)] if isinstance(place, Place) else []


class Aarch64:
    stack = 'sp'
    arguments = [f'x{n}' for n in range(8)]
    result = 'x0'
    kept = {f'x{n}' for n in range(19, 30)} | {'sp'}
    stack_at_entry = 0

    @staticmethod
    def register(text):
        if re.fullmatch(r'[xw](\d+|zr)', text):
            return None if text.endswith('zr') else 'x' + text[1:]
        return text if text == 'sp' or re.fullmatch(r'[qdsv]\d+.*', text) else None

    def place(self, text, size):
        inner = parted(text.rstrip('!')[1:-1])
        by = int(inner[1][1:], 0) if len(inner) > 1 and inner[1].startswith('#') else 0
        index = self.register(inner[1]) if len(inner) > 1 and not inner[1].startswith('#') else None
        return Place(self.register(inner[0]), by, index, size)

    def steps(self, text):
        words = text.split('//')[0].split(None, 1)
        name, rest = words[0], words[1].strip() if len(words) > 1 else ''
        if name == 'bl':
            return [called(rest)]
        if name == 'blr':
            return [BY_POINTER]
        if name in ('ret', 'retaa', 'retab'):
            return [('return',)]
        if name == 'br':
            return [BY_POINTER, ('return',)] if rest in ('x16', 'x17') else [('jump', None)]
        if name in ('udf', 'brk'):
            return [('call', 'abort', None)]
        operands = parted(rest)
        if name == 'b':
            return [('jump', int(rest.split()[0], 16), named(rest))]
        if name.startswith('b.') or name in ('cbz', 'cbnz', 'tbz', 'tbnz'):
            return [('branch', int(operands[-1].split()[0], 16), named(operands[-1]))]
        if name == 'mrs':
            return [('copy', self.register(operands[0]),
                     ADDRESS if operands[1] == 'tpidr_el0' else None)]
        at = next((i for i, t in enumerate(operands) if t.startswith('[')), None)
        if at is not None and not name.startswith('prfm'):
            return self.memory(name, operands, at)
        o = [self.register(t) for t in operands]
        if not o or o[0] is None:
            return []
        if name in ('add', 'sub') and len(operands) == 3 and operands[2].startswith('#'):
            by = int(operands[2][1:], 0) * (1 if name == 'add' else -1)
            return [('address', o[0], Place(o[1], by, None, 8))]
        if operands[0][0] == 'w':  # no address
            return [('copy', o[0], None)]
        if name == 'mov':
            return [('copy', o[0], o[1])]
        if name.startswith(('cmp', 'cmn', 'tst', 'ccmp')):
            return []
        return [('copy', o[0], None)] + [('mix', o[0], p) for p in o[1:] if p]

    def memory(self, name, operands, at):
        """A load or a store; written back addresses are moved before or after it."""
        registers = [self.register(t) for t in operands[:at]]
        wide = operands[0][0] in 'xdq' and not name.endswith(('b', 'h', 'sw'))
        place = self.place(operands[at], 8 if wide else 4)
        before, after = [], []
        by = place.displacement
        if operands[at].endswith('!'):
            before, place = [self.moved(place.base, by)], place._replace(displacement=0)
        elif len(operands) > at + 1 and operands[at + 1].startswith('#'):
            after = [self.moved(place.base, int(operands[at + 1][1:], 0))]
        step = 16 if operands[0][0] == 'q' else 8 if wide else 4
        places = [place._replace(displacement=place.displacement + step * i) for i in range(2)]
        if re.match(r'ldp|ldnp', name):
            body = [('copy', f'swap{i}', places[i]) for i in range(2)] + \
                [('copy', registers[i], f'swap{i}') for i in range(2)]
        elif re.match(r'stp|stnp', name):
            body = [('copy', places[i], registers[i]) for i in range(2)]
        elif re.match(r'stl?x|stlxr|stxr', name):
            body = [('touch', place), ('copy', registers[0], None)]
        elif name.startswith('st') and re.match(r'stu?r|stlr', name):
            body = [('copy', place, registers[0])]
        elif re.match(r'ldu?r|ldar|ldapr|ldaxr|ldxr', name):
            body = [('copy', registers[0], place)]
        else:
            body = [('touch', place)] + [('copy', r, None) for r in registers[:1]]
        return before + body + after

    def moved(self, base, by):
        return ('stack', by) if base == 'sp' else ('address', base, Place(base, by, None, 8))


def named(text):
    """The function that <...> names, without @plt and distance; None for a place inside of one."""
    found = re.search(r'<([^>+]+)(\+0x[0-9a-f]+)?>', text)
    return None if not found or found.group(2) else re.sub(r'@.*', '', found.group(1))


def functions(library, machine, objdump='objdump'):
    """The functions of a shared library or program, as {name or name@address: Function}."""
    status, said = house.run(objdump, '-d', '--no-show-raw-insn', library)
    if status:
        sys.exit(said)
    found, owner, lines = {}, None, []
    names = collections.Counter(re.findall(r'^[0-9a-f]+ <([^>]+)>:$', said, re.M))
    plt = False
    for line in said.splitlines():
        if line.startswith('Disassembly of section'):
            plt = '.plt' in line or '.init' in line or '.fini' in line
        head = re.match(r'([0-9a-f]+) <([^>]+)>:$', line)
        if head:
            full = head.group(2)
            if '@plt' in full or plt:
                owner = None
                continue
            base = re.sub(r'\.cold(\.\d+)?$', '', full)
            key = base if base in found and full != base or names[full] == 1 else f'{full}@{head.group(1)}'
            # A cold part belongs to its function. Of several of the same name it stands by itself.
            owner = found.setdefault(key if full == base or names[base] == 1 else f'{full}@{head.group(1)}', [])
            if full == base or not owner:
                owner.insert(0, int(head.group(1), 16))
            continue
        body = re.match(r'\s*([0-9a-f]+):\t(.+)$', line)
        if body and owner is not None:
            owner.append((int(body.group(1), 16), body.group(2).strip()))
    starts = {}
    for key, rows in found.items():
        starts[next(r for r in rows if isinstance(r, int))] = key
    result = {}
    for key, rows in found.items():
        start = next(r for r in rows if isinstance(r, int))
        code = [r for r in rows if not isinstance(r, int)]
        steps = {}
        for i, (address, text) in enumerate(code):
            steps[address] = [code[i + 1][0] if i + 1 < len(code) else None, machine.steps(text), text]
        result[key] = Function(key, start, steps)
    for function in result.values():
        for row in function.steps.values():
            row[1] = [resolved(step, function, starts) for step in row[1]]
            row[1] = [part for step in row[1] for part in step]
    return result


def dynamic_thread_locals(path, readelf='readelf'):
    """What in a library, program or archive finds a thread-local by a call: relocations and imports, as [what]."""
    status, said = house.run(readelf, '-W', '-r', '-s', path)
    if status:
        sys.exit(said)
    return sorted(set(re.findall(r'R_X86_64_(?:TLSGD|TLSLD|DTPMOD64|TLSDESC\w*|GOTPC32_TLSDESC)|'
                                 r'R_AARCH64_(?:TLSDESC\w*|TLSGD\w+|TLSLD\w+|TLS_DTP\w+)|__tls_get_addr', said)))


def called(text):
    return ('call', named(text), int(text.split()[0], 16))


def resolved(step, function, starts):
    """Jumps that leave the function become calls; calls get the name under which functions() keeps it."""
    if step[0] == 'call':
        return [('call', starts.get(step[2], step[1]))]
    if step[0] in ('jump', 'branch') and step[1] is not None:
        _, address, name = step
        if address in function.steps:
            return [(step[0], address)]
        leave = [('call', starts.get(address, name)), ('return',)]
        return leave if step[0] == 'jump' else [('leave', leave)]
    return [step]
