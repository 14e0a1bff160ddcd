/* engset/strict.h - turns warnings about certain mistakes into errors, for the rest of the file that includes us.
 *
 * These are what finds a message that is used after it was given away, a handler of the wrong type, an error that
 * nobody looks at. They know nothing of whose function it is: a result of another library that must be looked at, and is not, is an
 * error too. With _FORTIFY_SOURCE libc has many (`(void)write(...)` is one): then -Wunused-result stays as the program has it, usually a
 * warning. Define ES_NO_STRICT before including, or by -DES_NO_STRICT, if your file cannot have that; or take one back behind it:
 * #pragma GCC diagnostic warning "-Wunused-result". */
#ifndef ENGSET_STRICT_H
#define ENGSET_STRICT_H
#if !defined(ES_NO_STRICT) && !defined(__cplusplus)

#pragma GCC diagnostic error "-Wincompatible-pointer-types"
#if !defined(_FORTIFY_SOURCE) || _FORTIFY_SOURCE == 0
#pragma GCC diagnostic error "-Wunused-result"
#endif
#if defined(__clang__)
#pragma GCC diagnostic error "-Winitializer-overrides"
#elif defined(__GNUC__)
#pragma GCC diagnostic error "-Woverride-init"
#pragma GCC diagnostic error "-Wfree-nonheap-object"
#if __GNUC__ >= 11
#pragma GCC diagnostic error "-Wmismatched-dealloc"
#endif
#if __GNUC__ >= 12
#pragma GCC diagnostic error "-Wuse-after-free"
#endif
#endif

#endif
#endif
