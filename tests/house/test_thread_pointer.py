"""test_thread_pointer.py - nothing that belongs to a thread is kept over a wait: read from what compilers made of the runtime.

A process that waits may go on in another thread. What was read through the thread pointer before (the address of a
thread-local, errno's, the worker, its scheduler) belongs to the thread of before then, and no source shows whether a compiler
keeps it in a register. So this follows such values through each function of the library, in registers and on the stack, from
a read of the thread pointer or a function that gives one back, also through arguments and results. A call that may switch stacks
makes them stale: of what leads to esi_context_switch() by whatever calls; or through a pointer, in a function that leads there. It
is a fault when a stale one is followed, stored, or handed to a function outside.

Of a worker's fields `scheduler` and `errno_address` are the thread's as the worker is; what else is read from it is not (the process
that it runs goes where this code goes). The runtime is compiled by each compiler that is there, for
aarch64 too, together with some faults that must be found. Then the benchmark is looked at, for what user code gets from the headers.
And no thread-local of the runtime is found by a call, as those of a library that is loaded late are: the path of a message would pay for it,
and what the call gives is one more address that a compiler may keep.

It knows the library's functions one by one, so it sees nothing of what user code keeps, or memory that is no stack.
"""
import pathlib
import platform
import re
import shutil
import sys
import tempfile

import house
import machine_code
from machine_code import ADDRESS, THREAD, Place, dynamic_thread_locals

# What they stand on does not move: the thread's own stack, or in a handler the alternate one.
ON_THREADS = {'esi_worker_main', 'esi_worker_run_until', 'on_fault', 'leave'}
SWITCH = 'esi_context_switch'
NEVER_RETURN = {'abort', 'exit', '_exit', 'siglongjmp', '__siglongjmp_chk', 'longjmp', '__longjmp_chk', 'pthread_exit',
                '__stack_chk_fail', '__assert_fail', 'execve', 'execvp'}
GIVE_THREADS_OWN = {'__errno_location', 'pthread_self', '__tls_get_addr', 'es_errno', 'es_pthread_self'}
# How near to the thread a value is, the nearest last. What is read through one is one nearer to the rest of the world.
SCHEDULER, WORKER, TLS = 1, 2, 3
NAMES = {SCHEDULER: 'the scheduler', WORKER: 'the worker', TLS: "a thread-local's address"}
HERE = platform.machine()


# Compiled with the runtime, so that a test that has gone blind says so.
PLANTED = r'''
#include <errno.h>
#include "proc/enter.h"
#include "proc/process.h"
#undef errno
#define errno (*__errno_location())
int planted_worker(struct esi_process *self);
int planted_worker(struct esi_process *self)
{
    struct esi_worker *w = esi_worker_here();
    esi_yield(self);
    return w->index;
}
int planted_scheduler(struct esi_process *self);
int planted_scheduler(struct esi_process *self)
{
    struct esi_scheduler *s = esi_worker_now()->scheduler;
    esi_yield(self);
    return s->slices;
}
void planted_errno(struct esi_process *self); /* the compiler's own doing: glibc says that the address never changes */
void planted_errno(struct esi_process *self)
{
    int before = errno;
    esi_yield(self);
    errno = before;
}
static __attribute__((noinline)) int waits_and_looks(struct esi_process *self, struct esi_worker *w)
{
    esi_yield(self);
    return w->index;
}
int planted_argument(struct esi_process *self);
int planted_argument(struct esi_process *self)
{
    return waits_and_looks(self, esi_worker_self()) + 1;
}
int harmless(struct esi_process *self);
int harmless(struct esi_process *self)
{
    int index = esi_worker_now()->index;
    esi_yield(self);
    return index + esi_worker_now()->index;
}
'''
FOUND_IN = {'planted_worker', 'planted_scheduler', 'planted_errno', 'waits_and_looks'}


def short(name):
    """Without what a compiler adds to a name."""
    return re.sub(r'[.@].*', '', name)


def own(kind, stale=False, delta=0):
    return ('own', kind, stale, delta)


def is_own(value):
    return bool(value) and value[0] == 'own'


def joined(a, b):
    if a == b:
        return a
    if is_own(a) and is_own(b):
        return own(max(a[1], b[1]), a[2] or b[2], a[3] if a[3] == b[3] else None)
    return a if is_own(a) else b if is_own(b) else None


def joined_states(a, b):
    """The state where both meet; `a` itself when it stays as it was."""
    result, changed = dict(a), False
    for key in set(a) | set(b):
        value = joined(a.get(key), b.get(key))
        if value != a.get(key):
            changed = True
            if value is None:
                result.pop(key, None)
            else:
                result[key] = value
    return result if changed else a


class Fields:
    """Where in struct esi_worker its fields stand."""

    def __init__(self, root, compiler):
        names = ('scheduler', 'errno_address', 'in_runtime')
        lines = ''.join(f'__asm__(".ascii \\"@{n} %c0\\"" : : "i"(offsetof(struct esi_worker, {n})));' for n in names)
        status, said = house.run(compiler, '-std=gnu17', '-D_GNU_SOURCE', '-I', root / 'src', '-I', root / 'include', '-S', '-o',
                                 '-', '-x', 'c', '-', input=f'#include "proc/schedule/worker.h"\nvoid f(void);void f(void){{{lines}}}\n')
        if status:
            sys.exit(said)
        at = dict(re.findall(r'"@(\w+) (\d+)"', said))
        self.scheduler, self.errno_address, self.in_runtime = (int(at[n]) for n in names)


class Library:
    """All functions of a library, and what is known of each: does it wait, does it come back, what of the thread's does it give."""

    def __init__(self, path, machine, fields, objdump):
        self.machine, self.fields = machine, fields
        self.functions = machine_code.functions(path, machine, objdump)
        self.calls = {name: self.calls_of(f) for name, f in self.functions.items()}
        self.waits = self.reaching(SWITCH)
        self.returns = set()      # those that come back
        self.gives = {}           # function -> value
        self.given = {}           # function -> state at its beginning
        self.faults = {}

    @staticmethod
    def calls_of(function):
        found = set()
        for _, steps, _ in function.steps.values():
            for step in steps:
                for s in step[1] if step[0] == 'leave' else [step]:
                    if s[0] == 'call':
                        found.add(s[1])
        return found

    def reaching(self, goal):
        called = set().union(*self.calls.values())
        found, before = {goal} | {name for name in called if name and self.is_from_outside(name)}, 0
        while len(found) != before:
            before = len(found)
            found |= {name for name, called in self.calls.items() if called & found}
        return found

    def may_wait(self, caller, name):
        """Through a pointer: what calls code of the user's enters the runtime behind it, and so leads to a switch itself. What
        does not calls hooks of ours."""
        return (caller if name is None else name) in self.waits

    def is_from_outside(self, name):
        """Of a program that uses the library: a call into it."""
        return name.startswith(('es_', 'esi_')) and name not in self.functions and name not in GIVE_THREADS_OWN

    def comes_back(self, name):
        return name is None or name in self.returns or (name not in self.functions and name not in NEVER_RETURN)

    def learn(self):
        """Until nothing new is known of any function."""
        while True:
            known = len(self.returns)
            for function in self.functions.values():
                if function.name not in self.returns and Flow(self, function).run({}):
                    self.returns.add(function.name)
            if len(self.returns) == known:
                break
        todo = list(self.functions)
        callers = {}
        for name, called in self.calls.items():
            for c in called:
                callers.setdefault(c, set()).add(name)
        while todo:
            name = todo.pop()
            flow = Flow(self, self.functions[name])
            flow.run(self.given.get(name, {}))
            self.faults[name] = flow.faults
            if flow.gives and joined(self.gives.get(name), flow.gives) != self.gives.get(name):
                self.gives[name] = joined(self.gives.get(name), flow.gives)
                todo += callers.get(name, ())
            for called, state in flow.given.items():
                if called in self.functions:
                    before = self.given.get(called, {})
                    after = joined_states(before, state)
                    if after is not before:
                        self.given[called] = after
                        todo.append(called)


class Flow:
    """One walk through a function."""

    def __init__(self, library, function):
        self.library, self.function, self.machine = library, function, library.machine
        self.faults, self.given, self.gives = {}, {}, None
        self.came_back = False

    def run(self, given):
        """Does it come back?"""
        start = dict(given)
        start[self.machine.stack] = ('sp', self.machine.stack_at_entry)
        steps = self.function.steps
        leaders = self.leaders()
        states, todo = {self.function.start: start}, [self.function.start]
        while todo:
            address = todo.pop()
            state = dict(states[address])
            while address is not None:
                following, actions, self.text = steps[address]
                self.address, ends = address, False
                goes = []
                for step in actions:
                    if step[0] in ('jump', 'branch'):
                        goes += [step[1]] if step[1] is not None else leaders
                        ends = step[0] == 'jump'
                    elif step[0] == 'leave':
                        aside = dict(state)
                        for s in step[1]:
                            if not self.step(s, aside):
                                break
                    elif not self.step(step, state):
                        ends = True
                        break
                if not ends and following is not None and (following in leaders or goes):
                    goes, ends = goes + [following], True
                for goal in goes:
                    before = states.get(goal)
                    after = dict(state) if before is None else joined_states(before, state)
                    if after is not before:
                        states[goal] = after
                        todo.append(goal)
                address = None if ends else following
        return self.came_back

    def leaders(self):
        """Where blocks begin: what is jumped to, and what stands behind a jump."""
        found = {self.function.start}
        for following, actions, _ in self.function.steps.values():
            for step in actions:
                if step[0] in ('jump', 'branch', 'return'):
                    found.add(following)
                    if step[0] != 'return':
                        found.add(step[1])
        return sorted(a for a in found if a is not None)

    def fault(self, value, what):
        if is_own(value) and value[2] and short(self.function.name) not in ON_THREADS:
            self.faults[self.address] = f'{NAMES[value[1]]} of before a wait is {what}: {self.text}'

    # -------------------------------------------------------------- places

    def slot(self, place, state):
        base = state.get(place.base) if place.base else None
        if base and base[0] == 'sp' and not place.index:
            return ('slot', base[1] + place.displacement)
        return None

    def load(self, source, state):
        if source is None:
            return None
        if source == ADDRESS:
            return own(TLS)
        if not isinstance(source, Place):
            return state.get(source)
        if source.base == THREAD:
            return own(WORKER) if source.bytes == 8 else None
        slot = self.slot(source, state)
        if slot:
            return state.get(slot)
        values = [state.get(r) for r in (source.base, source.index) if r]
        for value in values:
            self.fault(value, 'followed')
        value = next((v for v in values if is_own(v)), None)
        if not value or source.bytes != 8:
            return None
        if value[1] == TLS:
            return own(WORKER)
        if value[1] == WORKER:
            at = None if value[3] is None or source.index else value[3] + source.displacement
            fields = self.library.fields
            return own(SCHEDULER) if at == fields.scheduler else own(TLS) if at == fields.errno_address else None
        return None

    def store(self, to, value, state):
        if to is None:
            return
        if not isinstance(to, Place):
            if value is None:
                state.pop(to, None)
            else:
                state[to] = value
            return
        if to.base == THREAD:
            return
        slot = self.slot(to, state)
        if slot:
            for at in (slot, ('slot', slot[1] + 8)) if to.bytes == 16 else (slot,):
                if value is None:
                    state.pop(at, None)
                else:
                    state[at] = value
            return
        self.touch(to, state)
        self.fault(value, 'stored')

    def touch(self, place, state):
        if place.base != THREAD and not self.slot(place, state):
            for register in (place.base, place.index):
                self.fault(state.get(register) if register else None, 'followed')

    # -------------------------------------------------------------- steps

    def step(self, step, state):
        """False: does not go on behind it."""
        return getattr(self, 'do_' + step[0])(state, *step[1:]) is not False

    def do_copy(self, state, to, source):
        self.store(to, self.load(source, state), state)

    def do_mix(self, state, to, source):
        value = self.load(source, state)
        before = self.load(to, state)
        for v in (value, before):
            if is_own(v):
                self.store(to, own(v[1], v[2], None), state)
                return
        self.store(to, None, state)

    def do_address(self, state, to, place):
        if place is None:
            self.store(to, None, state)
            return
        base = state.get(place.base) if place.base else None
        index = state.get(place.index) if place.index else None
        if base and base[0] == 'sp':
            value = ('sp', base[1] + place.displacement) if not place.index else None
        elif is_own(base):
            exact = base[3] is not None and not place.index
            value = own(base[1], base[2], base[3] + place.displacement if exact else None)
        else:
            value = own(index[1], index[2], None) if is_own(index) else None
        self.store(to, value, state)

    def do_touch(self, state, place):
        self.touch(place, state)

    def do_stack(self, state, by):
        sp = state.get(self.machine.stack)
        if sp and sp[0] == 'sp':
            state[self.machine.stack] = ('sp', sp[1] + by)

    def do_call(self, state, name):
        for register in self.machine.arguments:
            value = state.get(register)
            if name not in self.library.functions:
                self.fault(value, f'handed to {name or "a function"}')
            elif is_own(value) and short(self.function.name) not in ON_THREADS:
                self.given[name] = joined_states(self.given.get(name, {}), {register: value})
        waits = self.library.may_wait(self.function.name, name)
        for key in list(state):
            if not isinstance(key, tuple) and key not in self.machine.kept:
                del state[key]
            elif waits and is_own(state[key]):
                state[key] = own(state[key][1], True, state[key][3])
        if not self.library.comes_back(name):
            return False
        gives = own(TLS) if name in GIVE_THREADS_OWN else self.library.gives.get(name)
        if gives:
            state[self.machine.result] = gives
        return True

    def do_return(self, state):
        self.came_back = True
        value = state.get(self.machine.result)
        if is_own(value):
            self.gives = joined(self.gives, value)
        return False


def flags_of_ours(root):
    ours = re.search(r"add_project_arguments\((.*?)cc\.", (root / 'meson.build').read_text(), re.S).group(1)
    return ['-std=gnu17', '-O2', '-fPIC', '-pthread', '-I', root / 'src', '-I', root / 'include', *re.findall(r"'(-[^']+)'", ours)]


def compiled(root, build, built_by, folder, compiler, kind):
    """The runtime and what is planted as a shared library. With the build's own compiler: of the objects that it made."""
    target, planted = pathlib.Path(folder) / 'libengset.so', pathlib.Path(folder) / 'planted.c'
    planted.write_text(PLANTED)
    if compiler == built_by:
        runtime = ['-Wl,--whole-archive', build / 'src' / 'libengset.a', '-Wl,--no-whole-archive']
    else:
        rooms = (f'src/{room}' for room in house.rooms(root))
        runtime = [f for f in house.sources(root, *rooms, endings=('.c',)) if f.name != 'context_ucontext.c']
        runtime += [root / 'src' / 'platform' / f'context_{kind}.S']
    status, said = house.run(compiler, *flags_of_ours(root), '-shared', planted, *runtime, '-Wl,-Bsymbolic-functions',
                             f'-Wl,--version-script={root / "src" / "engset.map"}', '-o', target)
    if status:
        sys.exit(said)
    return target


def look_at(path, machine, objdump, fields):
    """(faults, how many functions that wait were looked at)."""
    library = Library(path, machine, fields, objdump)
    library.learn()
    faults = [(short(name), f'{name}+{hex(at - library.functions[name].start)}: {what}')
              for name, found in sorted(library.faults.items()) for at, what in sorted(found.items())]
    return faults, len(library.waits)


MACHINES = {'x86_64': machine_code.X86, 'aarch64': machine_code.Aarch64}
COMPILERS = [(HERE, 'gcc', ''), (HERE, 'clang', ''), ('aarch64', 'aarch64-linux-gnu-gcc', 'aarch64-linux-gnu-')]


def main():
    root, build = house.arguments()
    built_by = sys.argv[3]
    if HERE not in MACHINES:
        print(f'{HERE} is not known here')
        sys.exit(house.SKIPPED)
    faults, looked_at = [], 0
    for kind, compiler, tools in COMPILERS:
        if not shutil.which(compiler) or not shutil.which(tools + 'objdump'):
            print(f'{compiler} is not there')
            continue
        with tempfile.TemporaryDirectory() as folder:
            library = compiled(root, build, built_by, folder, compiler, kind)
            found, count = look_at(library, MACHINES[kind](), tools + 'objdump', Fields(root, compiler))
            faults += [f'{compiler}: thread-locals are found by {how}' for how in dynamic_thread_locals(library, tools + 'readelf')]
        looked_at += count
        faults += [f'{compiler}: {what}' for name, what in found if name not in FOUND_IN]
        faults += [f'{compiler}: the fault planted in {name}() was not found' for name in sorted(FOUND_IN - {n for n, _ in found})]
    for library in (build / 'src' / name for name in ('libengset.so', 'libengset.a')):
        faults += [f'{library.name}: thread-locals are found by {how}' for how in dynamic_thread_locals(library)]
    program = build / 'bench' / 'engset-bench'
    if program.exists():
        found, count = look_at(program, MACHINES[HERE](), 'objdump', Fields(root, 'cc'))
        faults, looked_at = faults + [f'{program.name}: {what}' for _, what in found], looked_at + count
    house.verdict(faults, looked_at)


if __name__ == '__main__':
    main()
