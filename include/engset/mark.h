/* engset/mark.h - what engset.h leaves in every object that includes it, and what it turns aside there.
 *
 * The mark: each object tells the runtime, when its module is loaded, "code here was written for Engset". Only in such
 * code (and in what it calls of libc's memory and string functions) does a fault end a process alone; see
 * docs/explanation/containment.md. The mark also says whether the object was compiled with the flags of engset.pc,
 * without which a large local array can jump over a stack's guard.
 *
 * Turned aside: abort() and a failed assert() end the calling process instead of the OS process, and errno and
 * pthread_self() are calls that are made anew each time, since a process may go on in another thread after a wait; what
 * uselocale(), pthread_sigmask() and sigprocmask() set goes where their process goes
 * (engset/proc.h). Headers may be included in any order; NDEBUG means what it always means. In C++ all of it holds for
 * clang; with g++ abort() and the last three are turned aside only where this header comes before <cstdlib>, <clocale> and <csignal>.
 *
 * Define ES_NO_MARK before including to leave and turn aside nothing: for code that only talks to a node from outside. */
#ifndef ENGSET_MARK_H
#define ENGSET_MARK_H

#if defined(__cplusplus) && !defined(ES_NO_MARK)
/* Before the declarations: g++ follows the pragma only there. */
#pragma redefine_extname abort es_abort
#pragma redefine_extname uselocale es_uselocale
#pragma redefine_extname pthread_sigmask es_pthread_sigmask
#pragma redefine_extname sigprocmask es_sigprocmask
#endif

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <engset/proc.h>

ES_BEGIN_DECLS

enum { ESI_MARK_FLAGS = 1 /* compiled with the flags of engset.pc */ };

/* Marks the module (executable or shared object) in which `address` lies; the flags of all its objects are joined. Called before
 * main() or in dlopen(). Any thread. */
ES_API void esi_module_mark(const void *address, unsigned flags);

/* Takes the mark away, before the module is unmapped. Any thread. */
ES_API void esi_module_unmark(const void *address);

ES_END_DECLS

#ifndef ES_NO_MARK

#ifdef ES_CFLAGS
#define ESI_MARK_FLAGS_HERE ESI_MARK_FLAGS
#else
#define ESI_MARK_FLAGS_HERE 0u
#endif

static void __attribute__((constructor(150), used)) esi_mark_object(void)
{
    esi_module_mark((const void *)(uintptr_t)&esi_mark_object, ESI_MARK_FLAGS_HERE);
}

static void __attribute__((destructor(150), used)) esi_unmark_object(void)
{
    esi_module_unmark((const void *)(uintptr_t)&esi_mark_object);
}

#ifndef __cplusplus
/* Renames the symbols, whatever is spelled: calls, pointers and inline functions of headers that came before follow,
 * fields and methods of the same name do not. The second has the parameters of the first. */
#pragma redefine_extname abort es_abort
#pragma redefine_extname __assert_fail esi_assert_failed
#pragma redefine_extname uselocale es_uselocale
#pragma redefine_extname pthread_sigmask es_pthread_sigmask
#pragma redefine_extname sigprocmask es_sigprocmask
#else
/* assert() names __assert_fail where it is used; it must be declared before it becomes a macro. */
#pragma push_macro("NDEBUG")
#undef NDEBUG
#include <assert.h>
#pragma pop_macro("NDEBUG")
#include <assert.h>
#define __assert_fail(condition, file, line, function) \
    esi_assert_failed((condition), (file), static_cast<int>(line), (function))
#endif

#undef errno
#define errno (*es_errno())

/* A macro, since a renamed symbol would still be the function that is declared const; and not one with parameters, so that a pointer to
 * the function is one to ours, too. <pthread.h> has declared its own above. */
#undef pthread_self
#define pthread_self es_pthread_self

#endif
#endif
