"""test_in_runtime.py - what others see is changed only while `in_runtime` says so.

docs/decisions/0001-in-runtime-decides-not-a-section.md: a fault ends its process alone, and a kill leaves it where it is, when
the worker's `in_runtime` is 0 and the place is code of the user or of the library. There is no section of code that could tell more, so
the decision stands on a promise: between a public function's first instruction and esi_enter(), and behind esi_leave(), nothing of the
runtime is half done. This reads the built library (x86-64) and follows the flag from each exported function through all that it calls.
Where it is 0 it is a fault to take a lock, to change memory by a locked instruction, or to write a variable of the library.

A call that enters in some of its ways counts as one that enters, as its callers ask it. Who is called by name from threads
that are no processes only, and what changes nothing that could be half done, stands below with its reason.
"""
import platform
import re
import shutil
import sys

import house
import machine_code
import test_thread_pointer
from machine_code import GLOBAL, THREAD, Place
from test_thread_pointer import WORKER, Fields, Flow, Library, is_own, short

IN, OUT = 'in', 'out'
BEGIN, END = 'esi_uninterrupted_begin', 'esi_uninterrupted_end'
LOCKS = re.compile(r'pthread_(mutex|spin|rwlock)_\w*lock|sem_wait|pthread_cond_\w*wait')
MAY = {
    # The node itself, and threads that are no processes; no process runs there that a fault could end alone.
    'run_node': 'starts the node', 'bring_up': 'starts the node', 'stop': 'stops it', 'es_start': 'starts it', 'es_stop': 'stops it',
    'es_run': 'starts it', 'es_run_simulated': 'starts it', 'es_simulate': 'starts it', 'es_loop_step': "the loop's thread", 'esi_loop_turn': "the loop's thread",
    'es_loop_fd': "the loop's thread", 'esi_outside_enter': 'of a thread that is no process', 'esi_outside_leave': 'the same',
    'es_wait_process': 'of a thread that is no process', 'esi_waiter_run': 'of a thread that is no process',
    # Nothing is half done when they are left.
    'read_number': 'each finds the same, once',
    'touch': 'writes 0 where 0 is', 'es_mutex_lock': 'touch()', 'es_mutex_unlock': 'touch()',
    'esi_shared_new': 'one count', 'esi_shared_unref': 'one count, and what it frees leaks at worst',
    'esi_event_announce': 'one exchange: the handler is in the list, or not yet',
    'esi_fail_strike': "only a test's count", 'esi_panic': 'the node ends',
}


class Modes(Flow):
    """A walk that knows of each place what `in_runtime` is there, as state['mode']."""

    def run(self, given):
        at = self.library.fields.in_runtime
        # A function that reads its worker to write the flag enters, or finds that it is in a thread that is none.
        self.enters = any(re.search(rf'movl +\$0x1,0x{at:x}\(', text) for _, _, text in self.function.steps.values())
        self.called, self.mode_at_return = set(), None
        return super().run(given)

    def wrong(self, state, what):
        if state.get('mode') == ('mode', OUT):
            self.faults[self.address] = f'{what}: {self.text}'

    def sets_flag(self, place, state):
        base = state.get(place.base) if place.base else None
        if not is_own(base) or base[1] != WORKER or base[3] is None or place.index:
            return False
        if base[3] + place.displacement != self.library.fields.in_runtime:
            return False
        if not self.text.startswith(('cmp', 'test')) and not re.match(r'movl? +-?\w*\(.*\),%', self.text):
            state['mode'] = ('mode', OUT if '$0x0' in self.text else IN)
        return True

    def load(self, source, state):
        if isinstance(source, Place) and source.base == THREAD and self.enters:
            state['mode'] = ('mode', IN)
        return super().load(source, state)

    def step(self, step, state):
        changes = self.text.startswith(('lock ', 'xchg'))
        for place in step[1:]:
            if isinstance(place, Place) and place.base not in (THREAD, GLOBAL) and not self.sets_flag(place, state):
                base = state.get(place.base)
                if changes and not is_own(base) and not self.slot(place, state):
                    self.wrong(state, 'changes what others see')
        written = step[1] if step[0] in ('copy', 'mix') else step[1] if step[0] == 'touch' and changes else None
        if isinstance(written, Place) and written.base == GLOBAL:
            self.wrong(state, 'writes a variable of the library')
        return super().step(step, state)

    def do_call(self, state, name):
        mode = state.pop('mode', ('mode', IN))
        if name and LOCKS.match(name) and mode[1] == OUT:
            self.faults[self.address] = f'takes a lock: {self.text}'
        after = mode[1]
        if name == BEGIN:
            state[('kept',)], after = mode, IN
        elif name == END:
            after = state.pop(('kept',), mode)[1]
        elif name in self.library.functions:
            self.called.add((name, mode[1]))
            after = self.library.mode_after.get((name, mode[1]))
        comes_back = super().do_call(state, name) and after is not None
        state['mode'] = ('mode', after)
        return comes_back

    def do_return(self, state):
        mode = state.get('mode')
        if mode:
            self.mode_at_return = IN if IN in (mode[1], self.mode_at_return) else OUT
        return super().do_return(state)


def joined(a, b, before=test_thread_pointer.joined):
    if (a or b or ('',))[0] == 'mode':
        return a if a == b or b is None else b if a is None else ('mode', OUT)
    return before(a, b)


def walk_from(library, roots):
    """(function, mode) -> its faults, and -> from where it was first called. Adds to library.mode_after."""
    seen, faults, todo = {(root, OUT): None for root in roots}, {}, [(root, OUT) for root in roots]
    while todo:
        name, mode = at = todo.pop()
        walk = Modes(library, library.functions[name])
        walk.run({**library.given.get(name, {}), 'mode': ('mode', mode)})
        faults[at] = walk.faults
        if walk.mode_at_return:
            library.mode_after[at] = walk.mode_at_return
        for called in walk.called - set(seen):
            if short(called[0]) in MAY:
                library.mode_after[called] = called[1]
            else:
                seen[called] = at
                todo.append(called)
    return faults, seen


def follow(library, roots):
    """Again and again, until nothing new is known of how functions leave the flag."""
    library.mode_after, before = {}, None
    while library.mode_after != before:
        before = dict(library.mode_after)
        faults, seen = walk_from(library, roots)
    return faults, seen


def way(seen, at):
    names = []
    while at:
        names.append(short(at[0]))
        at = seen[at]
    return ' < '.join(names)


def main():
    root, build = house.arguments()
    if platform.machine() != 'x86_64' or not shutil.which('objdump'):
        print('not x86-64, or no objdump')
        sys.exit(house.SKIPPED)
    path = build / 'src' / 'libengset.so'
    if 'clang' in house.run('readelf', '-p', '.comment', path)[1]:
        print("clang joins ways on which the flag differs, which this does not tell apart: look at gcc's library")
        sys.exit(house.SKIPPED)
    test_thread_pointer.joined = joined
    library = Library(path, machine_code.X86(), Fields(root, 'cc'), 'objdump')
    library.learn()
    status, said = house.run('nm', '-D', '--defined-only', path)
    roots = {line.split()[-1].split('@')[0] for line in said.splitlines()} & set(library.functions)
    faults, seen = follow(library, {name for name in roots if name not in MAY})
    said = [f'{way(seen, at)}: {what}' for at, found in sorted(faults.items()) for what in found.values()]
    house.verdict(said, len(roots) if library.mode_after.get(('esi_enter', OUT)) == IN else 0)


if __name__ == '__main__':
    main()
