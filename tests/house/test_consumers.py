"""test_consumers.py - an installed Engset can be used the ways people use a library.

Installs this build into a folder of its own and builds tests/house/consumer there with plain cc and pkg-config,
shared and static, with CMake, with Meson's dependency(), and as a Meson subproject from source. Each result must
run. examples/hello.c, once it is there, is built the same ways; libengset-tls, if it was built, with pkg-config and CMake;
both from the build alone, too.
"""
import os
import pathlib
import shutil
import sys
import tempfile

import house

CMAKE = """
cmake_minimum_required(VERSION 3.16)
project(consumer C)
find_package(engset 0.1 REQUIRED)
add_executable(shared {source})
target_link_libraries(shared PRIVATE engset::engset)
add_executable(static {source})
target_link_libraries(static PRIVATE engset::static)
"""
CMAKE_TLS = """
cmake_minimum_required(VERSION 3.16)
project(consumer C)
find_package(engset 0.1 REQUIRED)
add_executable(secured {source})
target_link_libraries(secured PRIVATE engset::tls)
"""
MESON = """
project('consumer', 'c')
executable('consumer', '{source}', dependencies: dependency('engset', fallback: ['engset', 'engset_dep']))
"""


class Failed(Exception):
    pass


def must(what, *command, env=None, cwd=None):
    status, said = house.run(*command, env=env, cwd=cwd)
    if status:
        raise Failed(f'{what}: {" ".join(map(str, command))}\n{said}')
    return said


def check_pkg_config(source, temp, env, libraries):
    for kind in ('', '--static'):
        flags = must('pkg-config', 'pkg-config', '--cflags', '--libs', *kind.split(), 'engset', env=env).split()
        program = temp / f'plain{kind}'
        linked = ['-static'] if kind else []
        must(f'plain cc {kind}', 'cc', '-Wall', '-Wextra', '-Werror', source, *linked, *flags, '-o', program, env=env)
        must(f'plain program {kind}', program, env=dict(env, LD_LIBRARY_PATH='' if kind else libraries))


def check_cmake(source, temp, env, libraries):
    folder = temp / 'cmake'
    folder.mkdir()
    (folder / 'CMakeLists.txt').write_text(CMAKE.format(source=source))
    where = [f'-DCMAKE_PREFIX_PATH={temp}/root/usr/local']
    if libraries.endswith('lib64'):  # Debian's CMake does not look there
        where = [f'-Dengset_DIR={libraries}/cmake/engset']
    must('CMake', 'cmake', '-G', 'Ninja', '-S', folder, '-B', folder / 'b', *where, env=env)
    must('CMake', 'cmake', '--build', folder / 'b', env=env)
    for program in ('shared', 'static'):
        must(f'CMake {program}', folder / 'b' / program, env=dict(env, LD_LIBRARY_PATH=libraries))
    if 'libengset.so.0' not in must('ldd', 'ldd', folder / 'b' / 'shared') or \
            'libengset' in must('ldd', 'ldd', folder / 'b' / 'static'):
        raise Failed('CMake: engset::engset should be the shared library and engset::static the other')


def check_meson(source, temp, env, libraries, root=None):
    folder = temp / ('subproject' if root else 'dependency')
    (folder / 'subprojects').mkdir(parents=True)
    shutil.copy(source, folder / source.name)
    (folder / 'meson.build').write_text(MESON.format(source=source.name))
    options = []
    if root:
        (folder / 'subprojects' / 'engset').symlink_to(root)
        options = ['--wrap-mode=forcefallback']
    must('Meson', 'meson', 'setup', folder / 'b', folder, *options, env=env)
    must('Meson', 'ninja', '-C', folder / 'b', env=env)
    must('Meson', folder / 'b' / 'consumer', env=dict(env, LD_LIBRARY_PATH='' if root else libraries))


def check_tls(source, temp, env, libraries):
    """libengset-tls by pkg-config, and by CMake beside engset::engset."""
    flags = must('pkg-config engset-tls', 'pkg-config', '--cflags', '--libs', 'engset-tls', env=env).split()
    program = temp / 'plain-tls'
    must('plain cc with engset-tls', 'cc', '-Wall', '-Wextra', '-Werror', source, *flags, '-o', program, env=env)
    must('program with engset-tls', program, env=dict(env, LD_LIBRARY_PATH=libraries))
    folder = temp / 'cmake-tls'
    folder.mkdir()
    (folder / 'CMakeLists.txt').write_text(CMAKE_TLS.format(source=source))
    where = f'-Dengset_DIR={libraries}/cmake/engset'
    must('CMake', 'cmake', '-G', 'Ninja', '-S', folder, '-B', folder / 'b', where, env=env)
    must('CMake', 'cmake', '--build', folder / 'b', env=env)
    must('CMake engset::tls', folder / 'b' / 'secured', env=dict(env, LD_LIBRARY_PATH=libraries))


def check_uninstalled(root, build, temp, env):
    """From the build, without installing: pkg-config takes NAME-uninstalled.pc by itself."""
    env = {k: v for k, v in env.items() if k != 'PKG_CONFIG_SYSROOT_DIR'}
    env.update(PKG_CONFIG_PATH=str(build / 'meson-uninstalled'))
    libraries = f'{build}/src:{build}/src/tls'
    for name, source in (('engset', 'consumer.c'), ('engset-tls', 'consumer_tls.c')):
        if not (build / 'meson-uninstalled' / f'{name}-uninstalled.pc').exists():
            continue
        flags = must(f'pkg-config {name}', 'pkg-config', '--cflags', '--libs', name, env=env).split()
        program = temp / f'uninstalled-{name}'
        must(f'plain cc with {name}, uninstalled', 'cc', '-Wall', '-Wextra', '-Werror', root / 'tests' / 'house' / source,
             *flags, '-o', program, env=env)
        must(f'program with {name}, uninstalled', program, env=dict(env, LD_LIBRARY_PATH=libraries))


def main():
    root, build = house.arguments()
    house.have('cc', 'pkg-config', 'cmake', 'meson', 'ninja')
    faults, looked_at = [], 0
    env = {k: v for k, v in os.environ.items() if k not in ('CFLAGS', 'LDFLAGS', 'CC', 'DESTDIR', 'MAKEFLAGS')}
    with tempfile.TemporaryDirectory() as name:
        temp = pathlib.Path(name)
        prefix = temp / 'root' / 'usr' / 'local'
        status, said = house.run('meson', 'install', '-C', build, '--no-rebuild', '--destdir', temp / 'root', env=env)
        found = list((temp / 'root').rglob('engset.pc'))
        if status or len(found) != 1:
            sys.exit(f'meson install\n{said}')
        if not (prefix / 'include' / 'engset.h').exists():
            sys.exit('configure this build with --prefix /usr/local')
        libraries = str(found[0].parent.parent)
        env.update(PKG_CONFIG_PATH=str(found[0].parent), PKG_CONFIG_SYSROOT_DIR=str(temp / 'root'))
        programs = [root / 'tests' / 'house' / 'consumer.c']
        hello = root / 'examples' / 'hello.c'
        programs += [hello] if hello.exists() else []
        for source in programs:
            work = temp / source.stem
            work.mkdir()
            (work / 'root').symlink_to(temp / 'root')
            for check in (check_pkg_config, check_cmake, check_meson):
                looked_at += 1
                try:
                    check(source, work, env, libraries)
                except Failed as fault:
                    faults.append(str(fault))
        if list((temp / 'root').rglob('engset-tls.pc')):
            looked_at += 1
            try:
                check_tls(root / 'tests' / 'house' / 'consumer_tls.c', temp, env, libraries)
            except Failed as fault:
                faults.append(str(fault))
        looked_at += 1
        try:
            check_uninstalled(root, build, temp, env)
        except Failed as fault:
            faults.append(str(fault))
        try:  # from source once; it takes a whole build of the library
            looked_at += 1
            check_meson(programs[0], temp, env, libraries, root)
        except Failed as fault:
            faults.append(str(fault))
    house.verdict(faults, looked_at)


if __name__ == '__main__':
    main()
