/* engset/strict.h - turns warnings about certain mistakes into errors, for the rest of the file that includes us.
 *
 * These are what finds a message that is used after it was given away, a handler of the wrong type, an error that
 * nobody looks at. Define ES_NO_STRICT before including if your file cannot have that. */
#ifndef ENGSET_STRICT_H
#define ENGSET_STRICT_H
#if !defined(ES_NO_STRICT) && !defined(__cplusplus)

#pragma GCC diagnostic error "-Wincompatible-pointer-types"
#pragma GCC diagnostic error "-Wunused-result"
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
